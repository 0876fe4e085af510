/* SPDX-License-Identifier: MIT */
/*
 * requests.h - offering held connections: GET_REQUESTS and the article's GET_NEXT_REQUEST.
 *
 * Inverted call: a read with nothing to return is a pended IRP, never a waiting thread. Testing for
 * work and parking the read happen under pend_lock, as does parking a connection: no wake-up is
 * lost between them.
 */
#ifndef DRIVER_REQUESTS_H
#define DRIVER_REQUESTS_H

#include "driver/dispatch.h"

dispatch_handler requests_get;
dispatch_handler requests_get_seed;

/* pend_lock held. A waiting read of the decider that was just filled; the caller completes it without the lock. NULL:
 * nothing to offer, or nobody waits. */
_IRQL_requires_(DISPATCH_LEVEL)
PIRP requests_match_locked(void);

/* No lock held. Fills and completes waiting reads as long as there is something to offer. */
_IRQL_requires_max_(DISPATCH_LEVEL)
void requests_pump(void);

#endif
