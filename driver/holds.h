/* SPDX-License-Identifier: MIT */
/*
 * holds.h - holding a connection, deciding it, and what a later reauthorization is told.
 *
 * One thread claims a held connection, under pend_lock; that thread completes it here, with no lock
 * held, and frees it. FwpsCompleteOperation0 normally runs the reauthorization classify inside the
 * call; it may also come later (completed while its first classify still runs, on another thread or
 * this one) or never (the endpoint died). So a PERMIT that nobody fetched goes to the verdict
 * table, where the late reauthorization finds it, and the endpoint's closure removes it. A BLOCK
 * need not be kept, for a completion with nothing stored blocks; but it removes what an earlier
 * connect of the same socket to the same place left there.
 *
 * Pages: Processing Classify Callouts Asynchronously, FwpsPendOperation0, FwpsCompleteOperation0,
 * ALE Re-authorization.
 */
#ifndef DRIVER_HOLDS_H
#define DRIVER_HOLDS_H

#include "driver/driver.h"

enum hold_result { HOLD_PENDED, HOLD_PERMIT, HOLD_BLOCK };

struct hold_packet;

/* What classify knows of a new connection. */
struct hold_arrival {
    struct connection connection;
    const uint8_t *path; /* NULL: no program; without the NUL */
    size_t path_size;
    uint16_t name_size; /* names_of_arrival sets it; 0: none */
    uint8_t name[GATEHOUSE_NAME_MAX];
    HANDLE completion_handle;
    struct hold_packet *packet; /* inbound (accept.h); holds_pend takes it over when it pends. NULL: none */
};

/* A new connection that can be pended: pends and parks it, or decides at once by policy. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
enum hold_result holds_pend(struct hold_arrival *arrival);

/* One that cannot be pended: the undecided verdict, with an event. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
enum hold_result holds_cannot_pend(struct hold_arrival *arrival);

/*
 * A reauthorization. completion: its reason is CLASSIFY_COMPLETION; nothing stored means BLOCK
 * then. Otherwise (a filter changed, an interface changed) nothing stored means the undecided
 * verdict, with an event: the flow was established before the driver was loaded or its verdict made
 * room for others; policy decides, visibly, and neither lets everything old live nor kills silently.
 */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
enum hold_result holds_reauthorize(struct hold_arrival *arrival, BOOLEAN completion);

/* A flow lives: its verdict (PERMIT, else it would not live) is kept until the flow is deleted. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
void holds_flow_established(uint64_t endpoint, const struct destination *to, uint64_t flow, uint16_t layer,
                            uint32_t callout_id);
_IRQL_requires_max_(DISPATCH_LEVEL)
void holds_flow_deleted(uint64_t context);

/* A rule with a name decides for it, or asks: it stays that rule's, whatever becomes of the name. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
void holds_note_rule(uint64_t endpoint, const struct destination *to, uint64_t rule);
/* 0: none is noted. */
_IRQL_requires_max_(DISPATCH_LEVEL)
uint64_t holds_noted_rule(uint64_t endpoint, const struct destination *to);

/* The application is gone: what is held for the endpoint is completed as blocked. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
void holds_endpoint_closed(uint64_t endpoint);

/* No lock held. Completes and frees every entry of a claimed list. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
_Requires_lock_not_held_(driver_rules_gate)
void holds_complete(struct list_link *claimed);

/* The decider is gone or the policy is new: gives everything queued that the present decider is not offered the
 * no-decider verdict, unless that is HOLD. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
void holds_apply_no_decider(void);

/* pend_lock held. Arms the timer if this deadline is earlier than what it is armed for. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
void holds_arm_deadline_locked(void);
KDEFERRED_ROUTINE holds_deadline_dpc;

/* For unload: no more pending from now on; completes everything as blocked. */
_IRQL_requires_(PASSIVE_LEVEL)
void holds_drain(void);

/* For unload: removes the contexts of all flows, so that callouts can be unregistered. */
_IRQL_requires_(PASSIVE_LEVEL)
void holds_remove_flow_contexts(void);

#endif
