/* SPDX-License-Identifier: MIT */
/*
 * wait_windows.c - see wait.h. Looks at everything, then waits for the events of what had nothing to say, then looks
 * again: an event only means that a look may pay off.
 */
#include "agent/wait.h"

#include <windows.h>

#include "agent/stop.h"
#include "agent/stop_windows.h"
#include "agent/terminal.h"
#include "agent/terminal_windows.h"
#include "agent/transport_windows.h"

/* Whether anything is ready. The keyboard's end (WAIT_INPUT_END) is a stop here, for stop_windows.c to notice. */
static bool look(struct wait *wait)
{
    bool any = false;

    for (unsigned i = 0; i < WAIT_TRANSPORTS_MAX; i++) {
        wait->transport_ready[i] = wait->transports[i] != NULL && transport_is_ready(wait->transports[i]);
        any |= wait->transport_ready[i];
    }
    wait->input_ready = wait->input == WAIT_INPUT_READ && terminal_input_is_ready();
    wait->output_ready = wait->output && terminal_output_is_ready();
    return any || wait->input_ready || wait->output_ready;
}

static DWORD list_events(const struct wait *wait, HANDLE list[WAIT_TRANSPORTS_MAX + 3])
{
    DWORD count = 0;

    list[count++] = stop_event();
    for (unsigned i = 0; i < WAIT_TRANSPORTS_MAX; i++) {
        if (wait->transports[i] != NULL)
            list[count++] = transport_event(wait->transports[i]);
    }
    if (wait->input == WAIT_INPUT_READ)
        list[count++] = terminal_input_event();
    if (wait->output)
        list[count++] = terminal_output_event();
    return count;
}

void wait_any(struct wait *wait, int64_t timeout_ms)
{
    HANDLE list[WAIT_TRANSPORTS_MAX + 3];
    ULONGLONG end = timeout_ms < 0 ? 0 : GetTickCount64() + (ULONGLONG)timeout_ms;

    wait->input_ended = false;
    while (!look(wait) && !stop_requested()) {
        ULONGLONG now = GetTickCount64();
        ULONGLONG left = end > now ? end - now : 0;
        DWORD limit = timeout_ms < 0 ? INFINITE : (DWORD)(left < INFINITE ? left : INFINITE - 1);

        if (limit == 0 || WaitForMultipleObjects(list_events(wait, list), list, FALSE, limit) == WAIT_FAILED)
            return;
    }
    if (!stop_requested())
        return;
    for (unsigned i = 0; i < WAIT_TRANSPORTS_MAX; i++)
        wait->transport_ready[i] = false;
    wait->input_ready = wait->output_ready = false;
}
