/* SPDX-License-Identifier: MIT */
/*
 * event_log_windows.c - see event_log.h.
 *
 * Event 1, information. Without a message file for the source, the Event Viewer shows the line below a remark that it
 * has no description; docs/windows.md names one that Windows brings.
 */
#include "agent/event_log.h"

#include <windows.h>

#include "agent/wide_windows.h"

#define EVENT_ID 1u

static HANDLE event_log;

enum agent_result event_log_open(struct problem *problem)
{
    char error[WIDE_ERROR_MAX];

    event_log = RegisterEventSourceW(NULL, L"Gatehouse");
    if (event_log == NULL)
        return problem_set(problem, AGENT_FAILED, "cannot open the event log: %s.", wide_error(GetLastError(), error));
    return AGENT_OK;
}

void event_log_close(void)
{
    if (event_log != NULL)
        DeregisterEventSource(event_log);
    event_log = NULL;
}

bool event_log_tell(const char *line, size_t size)
{
    static wchar_t wide[EVENT_LOG_LINE_MAX + 1];
    const wchar_t *strings[1] = {wide};
    int count;

    if (size > EVENT_LOG_LINE_MAX)
        size = EVENT_LOG_LINE_MAX;
    count = MultiByteToWideChar(CP_UTF8, 0, line, (int)size, wide, (int)EVENT_LOG_LINE_MAX);
    wide[count] = L'\0';
    if (event_log != NULL)
        (void)ReportEventW(event_log, EVENTLOG_INFORMATION_TYPE, 0, EVENT_ID, NULL, 1, 0, strings, NULL);
    return true;
}
