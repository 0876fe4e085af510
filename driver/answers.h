/* SPDX-License-Identifier: MIT */
/*
 * answers.h - remembered answers: a decision with a scope becomes an added rule.
 *
 * The rule (place ASK) is about the program, and for PROGRAM_DESTINATION about protocol, remote address and port, for
 * PROGRAM_PORT about protocol and remote port, for PROGRAM_NAME about the name that the request has (without one:
 * GATEHOUSE_E_NO_NAME). It takes the place of any answer about the same; a narrower answer comes before a wider one. The engine decides by it without us, and it ends on time even when its
 * decider is gone.
 *
 * The filter is added, and the request claimed, inside one engine transaction: a request that somebody else decided
 * meanwhile leaves no rule behind. If the commit then fails (no memory), this one request is decided all the same, and
 * the status says that it was not remembered.
 *
 * A connection that was classified before the filter was added but is parked after the held ones were looked through is
 * asked about once more; that is harmless.
 */
#ifndef DRIVER_ANSWERS_H
#define DRIVER_ANSWERS_H

#include "driver/client.h"

/* A decision whose scope is wider than the connection. 0 or GATEHOUSE_E_*. Waits for other changes of the rules. */
_IRQL_requires_(PASSIVE_LEVEL)
uint32_t answers_decide(struct client *client, const struct gatehouse_decision *decision);

#endif
