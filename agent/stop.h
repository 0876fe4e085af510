/* SPDX-License-Identifier: MIT */
/*
 * stop.h - the wish to end the program (SIGINT, SIGTERM, SIGHUP), noticed by every wait without polling.
 *
 * wait_any returns at once after it. A blocking transport_receive of the attached transport ends too,
 * because the handler interrupts the transport: that closes no gap between "is a stop wanted?" and the
 * system call, and costs nothing before.
 */
#ifndef AGENT_STOP_H
#define AGENT_STOP_H

#include <stdbool.h>

#include "agent/transport.h"

/* Call once, before any wait. Also makes writing to a closed pipe an error instead of a death. */
enum agent_result stop_install(struct problem *problem);
bool stop_requested(void);
/* NULL detaches; do that before transport_close. */
void stop_attach(struct transport *transport);

#endif
