/* SPDX-License-Identifier: MIT */
/*
 * events.h - telling observers what was held and what was decided.
 *
 * Recording copies into a ring and never waits; without observers it is one atomic read. An
 * observer's reads are pended IRPs, filled by whoever recorded something.
 */
#ifndef DRIVER_EVENTS_H
#define DRIVER_EVENTS_H

#include "driver/dispatch.h"

/* pend_lock may be held. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void events_record(enum gatehouse_event_type type, enum gatehouse_verdict verdict, enum gatehouse_decided_by by,
                   const struct wire_request *request);

/* A rule that logs has decided; its id is the event's count. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void events_record_rule(enum gatehouse_verdict verdict, uint64_t rule, const struct wire_request *request);

/* No lock held. Completes the reads of every observer that has something to read. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
void events_deliver(void);

/* Before the first observer joins: gets the ring's memory. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS events_prepare(void);

/* pend_lock held. From now on the client observes. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
void events_join_locked(struct client *client);

/* Ends observing and completes its reads with STATUS_CANCELLED. Harmless for others. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
void events_leave(struct client *client);

/* Nobody observes any more. */
_IRQL_requires_(PASSIVE_LEVEL)
void events_cleanup(void);

_IRQL_requires_(PASSIVE_LEVEL)
dispatch_handler events_read;

#endif
