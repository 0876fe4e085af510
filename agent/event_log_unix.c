/* SPDX-License-Identifier: MIT */
/*
 * event_log_unix.c - see event_log.h.
 */
#include "agent/event_log.h"

enum agent_result event_log_open(struct problem *problem)
{
    return problem_set(problem, AGENT_USAGE,
                       "--event-log is for Windows; here 'gatehouse run' tells the journal by itself.");
}

void event_log_close(void)
{
}

bool event_log_tell(const char *line, size_t size)
{
    (void)line, (void)size;
    return true;
}
