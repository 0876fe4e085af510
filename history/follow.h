/* SPDX-License-Identifier: MIT */
/*
 * follow.h - waits until somebody wrote to the history. No polling: inotify on its folder tells.
 */
#ifndef HISTORY_FOLLOW_H
#define HISTORY_FOLLOW_H

#include <stdbool.h>

#include "agent/result.h"

/* A descriptor that becomes readable when the file at path, or its -wal, was written to, made or replaced. */
enum agent_result history_follow_open(const char *path, int *descriptor, struct problem *problem);
/* Takes in what it told; true: it was about the history. */
bool history_follow_read(int descriptor, const char *path);
/*
 * Waits for that, for timeout_ms (negative: without end), or until a stop is requested (agent/stop.h) or nobody reads
 * standard output any more: false.
 */
bool history_follow_wait(int descriptor, const char *path, int timeout_ms);

#endif
