/* SPDX-License-Identifier: MIT */
/*
 * notify.h - gatehouse notify: the questions of a desk as notifications on the desktop of whoever is logged in.
 *
 * At most one notification for a program and destination, however many connections wait, and at most NOTIFY_SHOWN_MAX
 * at once: what is beyond is one summary. A button answers; what was answered elsewhere disappears. What a person
 * closed without an answer is not shown again, and waits at the desk for another peer or its deadline.
 */
#ifndef NOTIFY_NOTIFY_H
#define NOTIFY_NOTIFY_H

#include "agent/result.h"

#define NOTIFY_SHOWN_MAX 3u

/* desk: the desk's socket; NULL: the default. Until a stop (AGENT_STOPPED), or the end of the session's bus. */
enum agent_result notify_run(const char *desk, void (*say)(const char *sentence), struct problem *problem);

#endif
