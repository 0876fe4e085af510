/* SPDX-License-Identifier: MIT */
/*
 * revision.h - after a change of the rules: what is held, and need not be any more, is decided.
 *
 * A pended connection is outside the filter engine until its operation is completed: a change of filters reauthorizes
 * flows, and this is none yet. And completing it only to see what the new filters say would end it: its
 * reauthorization cannot pend again (FwpsPendOperation0). So the driver reads its own rules (core/rule_fit.h), and
 * completes what they permit or block without asking. The reauthorization then meets the filters themselves, which have
 * the last word as ever. What it cannot tell of a held connection leaves that waiting.
 *
 * A work item looks at a batch at a time and lets others run in between; with the gate, and never with it while
 * something is completed. Each connection that is parked within REVISION_LATE of a change is looked at as well: the
 * engine may have classified it by the filters of before.
 *
 * Pages: FwpsPendOperation0, FwpsCompleteOperation0, ALE Re-authorization.
 */
#ifndef DRIVER_REVISION_H
#define DRIVER_REVISION_H

#include "driver/driver.h"

#define REVISION_LATE 10000000u /* 100 ns: no classify takes a second */

_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS revision_init(void);

/* For unload, behind the rundown. Harmless after a failed or no init. */
_IRQL_requires_(PASSIVE_LEVEL)
void revision_cleanup(void);

/* Other rules are in force now. all: look at everything; else whoever changed them sees to what was held before. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
void revision_begin(BOOLEAN all);

/* One was parked at that boot time. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
void revision_parked(uint64_t held_at);

#endif
