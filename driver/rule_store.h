/* SPDX-License-Identifier: MIT */
/*
 * rule_store.h - rules in files, so that they are in force again when the driver is back.
 */
#ifndef DRIVER_RULE_STORE_H
#define DRIVER_RULE_STORE_H

#include "driver/driver.h"

enum rule_store_file { RULE_STORE_FILE, RULE_STORE_ADDED };

/* Stores the list in the place of what was stored before; when this fails, that is still there. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS rule_store_write(enum rule_store_file which, const struct rule_list *list);

/* An empty list where nothing is kept, or only something damaged. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS rule_store_read(enum rule_store_file which, struct rule_list *list);

#endif
