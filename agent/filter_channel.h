/* SPDX-License-Identifier: MIT */
/*
 * filter_channel.h - makes the functions of fwpmu.h reach the filter engine.
 *
 * On Windows they do that themselves. On Linux the engine is in gatehoused, and the calls go through its socket. One
 * channel a process.
 */
#ifndef AGENT_FILTER_CHANNEL_H
#define AGENT_FILTER_CHANNEL_H

#include <stdbool.h>

#include "agent/result.h"

/* As transport_open. */
enum agent_result filter_channel_open(const char *path, struct problem *problem);
/* After every session is closed. */
void filter_channel_close(void);

/* Why the last call did not get through. False: nothing is known, the call's own result tells all. */
bool filter_channel_failed(struct problem *problem);

#endif
