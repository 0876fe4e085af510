/* SPDX-License-Identifier: MIT */
/*
 * event_log.h - the system's own log of events, for `gatehouse watch --event-log`.
 *
 * Windows: the log "Application", source "Gatehouse" (ReportEventW); one string, the line. Elsewhere the journal is
 * what `gatehouse run` writes (history/journal.h), and this says so. One thread.
 */
#ifndef AGENT_EVENT_LOG_H
#define AGENT_EVENT_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/result.h"

enum agent_result event_log_open(struct problem *problem);
void event_log_close(void);
/* A line in UTF-8; longer than EVENT_LOG_LINE_MAX it is cut. Failing is counted by the log itself: always true. */
#define EVENT_LOG_LINE_MAX 16000u
bool event_log_tell(const char *line, size_t size);

#endif
