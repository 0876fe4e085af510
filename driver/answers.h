/* SPDX-License-Identifier: MIT */
/*
 * answers.h - remembered answers: filters with an expiry.
 *
 * A remembered answer is a real filter in Gatehouse's sublayer, heavier than the callout filter:
 * the engine decides by it without us, and it ends on time even when its decider is gone. PROGRAM
 * is two filters (IPv4 and IPv6), PROGRAM_DESTINATION one, and heavier: the narrower answer counts.
 *
 * The filter is added, and the request claimed, inside one engine transaction: a request that
 * somebody else decided meanwhile leaves no filter behind. If the commit then fails (no memory),
 * this one request is decided all the same, and the status says that it was not remembered.
 *
 * A connection that was classified before the filter was added but is parked after the held ones
 * were looked through is asked about once more; that is harmless.
 */
#ifndef DRIVER_ANSWERS_H
#define DRIVER_ANSWERS_H

#include "driver/client.h"

_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS answers_init(void);

/* For unload, after the last dispatch: stops the timer, waits for the work item, forgets all. Their filters go
 * with the session, as one change: one by one would reauthorize every flow for each. Harmless after a failed or no
 * answers_init. */
_IRQL_requires_(PASSIVE_LEVEL)
void answers_cleanup(void);

/* A decision whose scope is wider than the connection. 0 or GATEHOUSE_E_*. */
_IRQL_requires_(PASSIVE_LEVEL)
uint32_t answers_decide(struct client *client, const struct gatehouse_decision *decision);

_IRQL_requires_max_(DISPATCH_LEVEL)
uint32_t answers_count(void);

#endif
