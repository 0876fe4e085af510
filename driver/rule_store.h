/* SPDX-License-Identifier: MIT */
/*
 * rule_store.h - rules in files, so that they are in force again when the driver is back.
 *
 * Two folders, named by the service's registry values; without them nothing is kept. RulesVolatileFolder is empty after
 * a reboot: its files hold every rule. RulesFolder lasts: its files hold those that outlive a reboot (not UNTIL_REBOOT,
 * and not UNTIL_EXIT, for the processes are gone). What is in the first counts while it is there. The files are `rules`
 * (of the file) and `added`; each is an image (gatehouse/rules.h).
 *
 * A file is written beside the old one, flushed, and renamed over it: whenever the machine stops, the one or the other
 * is there whole. The volatile one is not flushed: it is there until the machine stops, and no longer. It goes first,
 * so a stop between the two is a whole new policy until the next reboot.
 */
#ifndef DRIVER_RULE_STORE_H
#define DRIVER_RULE_STORE_H

#include "driver/driver.h"

enum rule_store_file { RULE_STORE_FILE, RULE_STORE_ADDED };

/* *touched: something may have changed; on failure the old list is to be written once more. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS rule_store_write(enum rule_store_file which, const struct rule_list *list, BOOLEAN *touched);

/* For a list that was written, or read: is there a file that has all of it? */
_IRQL_requires_(PASSIVE_LEVEL)
BOOLEAN rule_store_holds(const struct rule_list *list);

/*
 * Brings the list's image back, if it was put away: from whichever file still has it as it was.
 * GATEHOUSE_E_RULES_LOST: none has.
 */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS rule_store_fetch(enum rule_store_file which, struct rule_list *list);

/* Rules of the list ended: only the volatile file says so. Best effort: else they begin once more. TRUE: it is written,
 * and has the whole list. */
_IRQL_requires_(PASSIVE_LEVEL)
BOOLEAN rule_store_write_ends(enum rule_store_file which, const struct rule_list *list);

/* An empty list where nothing is kept, or only something damaged, which is renamed to NAME.damaged. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS rule_store_read(enum rule_store_file which, struct rule_list *list);

#endif
