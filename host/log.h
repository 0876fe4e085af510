/* SPDX-License-Identifier: MIT */
/*
 * log.h - what a host tells its operator: one sentence a line, on stderr, "gatehoused: ...". Never waits for a reader.
 */
#ifndef HOST_LOG_H
#define HOST_LOG_H

#include <stdbool.h>

/* What lines begin with; "gatehoused" until then. name lives for ever. */
void log_set_program(const char *name);

/* Turns log_trace on (the driver's DbgPrintEx and the feed's steps). */
void log_set_verbose(bool verbose);

/* The same on stdout. */
void log_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

void log_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
