/* SPDX-License-Identifier: MIT */
/*
 * stop_windows.c - Ctrl-C, Ctrl-Break, the console's closing, the end of the session. See stop.h.
 *
 * Windows calls the handler on a thread of its own. The lock keeps the attached transport alive while that
 * thread interrupts it.
 */
#include "agent/stop.h"

#include <stdatomic.h>

#include <windows.h>

#include "agent/stop_windows.h"
#include "agent/wide_windows.h"

/* Windows ends the program when the handler returns, or some seconds after it was called. */
#define LAST_WORDS_MS 4000

static atomic_bool requested;
static HANDLE event;
static SRWLOCK lock = SRWLOCK_INIT;
static struct transport *attached;

static BOOL WINAPI on_control(DWORD kind)
{
    AcquireSRWLockExclusive(&lock);
    atomic_store(&requested, true);
    SetEvent(event);
    if (attached != NULL)
        transport_interrupt(attached);
    ReleaseSRWLockExclusive(&lock);
    /* main ends the program, and this thread with it. */
    if (kind != CTRL_C_EVENT && kind != CTRL_BREAK_EVENT)
        WaitForSingleObject(GetCurrentProcess(), LAST_WORDS_MS);
    return TRUE;
}

enum agent_result stop_install(struct problem *problem)
{
    char words[WIDE_ERROR_MAX];

    event = CreateEventW(NULL, TRUE, FALSE, NULL);
    /* A program started to ignore Ctrl-C goes on ignoring it: Windows does not call the handler then. */
    if (event == NULL || !SetConsoleCtrlHandler(on_control, TRUE))
        return problem_set(problem, AGENT_FAILED, "cannot listen to Ctrl-C: %s.", wide_error(GetLastError(), words));
    return AGENT_OK;
}

bool stop_requested(void)
{
    return atomic_load(&requested);
}

void stop_attach(struct transport *transport)
{
    AcquireSRWLockExclusive(&lock);
    attached = transport;
    if (transport != NULL && atomic_load(&requested))
        transport_interrupt(transport);
    ReleaseSRWLockExclusive(&lock);
}

void *stop_event(void)
{
    return event;
}
