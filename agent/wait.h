/* SPDX-License-Identifier: MIT */
/*
 * wait.h - waits for any of: answers, a person's input, room for output, a stop, a time.
 */
#ifndef AGENT_WAIT_H
#define AGENT_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/transport.h"

#define WAIT_TRANSPORTS_MAX 2u

enum wait_input {
    WAIT_INPUT_NONE, /* do not look at the input at all */
    WAIT_INPUT_END,  /* only notice that it went away (hang-up) */
    WAIT_INPUT_READ  /* something can be read, be it the end */
};

struct wait {
    /* What to wait for. */
    struct transport *transports[WAIT_TRANSPORTS_MAX]; /* NULL: none */
    enum wait_input input;
    bool output;
    /* What came. */
    bool transport_ready[WAIT_TRANSPORTS_MAX];
    bool input_ready;
    bool input_ended;
    bool output_ready;
};

/* timeout_ms < 0 waits without end. Returns early, with nothing ready, when a stop is requested. */
void wait_any(struct wait *wait, int64_t timeout_ms);

#endif
