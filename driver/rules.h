/* SPDX-License-Identifier: MIT */
/*
 * rules.h - the rules in force, and how they change.
 *
 * There are two lists: the rules of the file (RULES_COMMIT) and those added one by one, answers among them. A change
 * makes a new list beside the old one, stores it (rule_store.h), gives the engine the difference in one transaction,
 * and only then lets the new list take the old one's place. Whatever fails, the old rules stand: in the engine, in
 * memory and in the file.
 *
 * The image of the file's rules, if it is large and stored, is put away when its filters are made: what is in force is
 * told by the engine and the list's entries. It is fetched again to be shown, or to follow or undo a load.
 *
 * Everything here happens with the gate taken, at PASSIVE_LEVEL: on a change's own thread (changes.h), in the work item
 * of lifetimes, in DriverEntry. First match order and weights: gatehouse/objects.h.
 */
#ifndef DRIVER_RULES_H
#define DRIVER_RULES_H

#include "driver/driver.h"

_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS rules_init(void);

/* For DriverEntry, when the engine has our callouts: puts into force what was kept. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS rules_start(void);

/* For unload, after the last change. The filters go with the session, as one change. Harmless after a failed init. */
_IRQL_requires_(PASSIVE_LEVEL)
void rules_cleanup(void);

_IRQL_requires_(PASSIVE_LEVEL)
_Acquires_lock_(driver_rules_gate)
void rules_gate_take(void);
/* Also does what lifetimes wanted meanwhile. */
_IRQL_requires_(PASSIVE_LEVEL)
_Releases_lock_(driver_rules_gate)
void rules_gate_leave(void);

/* What an added rule does besides. */
struct rules_addition {
    BOOLEAN is_answer; /* takes the place of every answer about the same */
    /* In the engine's transaction, before its commit; 0, or why it is to be undone. NULL: nothing. */
    uint32_t (*last)(void *context);
    void *context;
};

/* New lists for one or both, made with rules_follow_*. */
struct rules_change {
    struct rule_list file, added;
    BOOLEAN new_file, new_added;
    BOOLEAN touched_file, touched_added; /* what is stored may be the new ones */
    BOOLEAN kept;                        /* it comes from the store */
    struct rules_addition *addition;     /* or NULL */
};

/* The list takes over what it can from the one in force. fresh: the id of a rule that begins anew; 0: none. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
void rules_follow_file(struct rules_change *change);
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
void rules_follow_added(struct rules_change *change, uint64_t fresh);

/* Takes the lists over. 0, or the GATEHOUSE_E_* why the old rules stand. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
uint32_t rules_apply(struct rules_change *change);

/* For who had the image of the file's rules brought back (rule_store_fetch), when he is done; or made a new list. */
_IRQL_requires_(PASSIVE_LEVEL)
void rules_put_away(struct rule_list *list);

/* Frees the lists of a change that is not to be. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
void rules_discard(struct rules_change *change);

/* The gate is taken. Ends every rule that is due. Returns when to look again, 0: never. System time. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
uint64_t rules_expire(void);

/* How many answers are in force. */
_IRQL_requires_max_(DISPATCH_LEVEL)
uint32_t rules_answers(void);

#endif
