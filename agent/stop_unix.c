/* SPDX-License-Identifier: MIT */
/*
 * stop_unix.c - see stop.h. The handler uses only async-signal-safe calls.
 */
#define _GNU_SOURCE
#include "agent/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "agent/stop_unix.h"

static volatile sig_atomic_t requested;
static int pipe_ends[2] = {-1, -1};
static _Atomic(struct transport *) attached;

static void on_signal(int signal_number)
{
    int error = errno;
    struct transport *transport;

    (void)signal_number;
    requested = 1;
    (void)!write(pipe_ends[1], "", 1);
    transport = atomic_load(&attached);
    if (transport != NULL)
        transport_interrupt(transport);
    errno = error;
}

enum agent_result stop_install(struct problem *problem)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal};

    if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return problem_set(problem, AGENT_FAILED, "cannot make a pipe: %s.", strerror(errno));
    sigfillset(&action.sa_mask);
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct sigaction before;

        /* nohup and shells ignore a signal on purpose; keep that. */
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler == SIG_IGN)
            continue;
        sigaction(signals[i], &action, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
    return AGENT_OK;
}

bool stop_requested(void)
{
    return requested != 0;
}

void stop_attach(struct transport *transport)
{
    atomic_store(&attached, transport);
    if (transport != NULL && requested != 0)
        transport_interrupt(transport);
}

int stop_descriptor(void)
{
    return pipe_ends[0];
}
