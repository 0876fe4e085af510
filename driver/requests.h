/* SPDX-License-Identifier: MIT */
/*
 * requests.h - offering held connections: GET_REQUESTS, SUBMIT_AND_GET's second half, the article's GET_NEXT_REQUEST.
 *
 * Inverted call: a read with nothing to return is a pended IRP, never a waiting thread. Testing for
 * work and parking the read happen under pend_lock, as does parking a connection: no wake-up is
 * lost between them.
 */
#ifndef DRIVER_REQUESTS_H
#define DRIVER_REQUESTS_H

#include "driver/dispatch.h"

_IRQL_requires_(PASSIVE_LEVEL)
dispatch_handler requests_get;
_IRQL_requires_(PASSIVE_LEVEL)
dispatch_handler requests_get_seed;

/*
 * As requests_get, for a call whose output already begins with so many bytes. When it cannot wait, or the first
 * request does not fit, these bytes alone are its output.
 */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS requests_get_after(struct client *client, PIRP irp, struct dispatch_io *io, ULONG begun);

/* pend_lock held. A waiting read of the decider that was just filled; the caller completes it without the lock. NULL:
 * nothing to offer, or nobody waits. */
_IRQL_requires_(DISPATCH_LEVEL)
_Requires_lock_held_(driver_pend_lock)
PIRP requests_match_locked(void);

/* No lock held. Completes what requests_match_locked returned; where it could not be given anything, the next read gets
 * its chance. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
void requests_complete(PIRP irp);

/* No lock held. Fills and completes waiting reads as long as there is something to offer. */
_IRQL_requires_max_(DISPATCH_LEVEL)
_Requires_no_locks_held_
void requests_pump(void);

#endif
