/* SPDX-License-Identifier: MIT */
/*
 * flow_watch.h - connections that were permitted: those that live, the last that ended, and what they carried.
 */
#ifndef AGENT_FLOW_WATCH_H
#define AGENT_FLOW_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/result.h"

/*
 * Without follow: a table of all, or one JSON object a line, handed to take without the last newline; nothing when
 * there is none. With follow: a line for each flow that lives, then for each that begins or ends, until a stop, the end
 * of the connection, or take returns false (then AGENT_OK). AGENT_REFUSED when this platform tells no flows.
 */
enum agent_result flow_watch_run(const char *path, bool json, bool follow, bool (*take)(const char *line, size_t size),
                                 struct problem *problem);

#endif
