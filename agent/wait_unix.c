/* SPDX-License-Identifier: MIT */
/*
 * wait_unix.c - see wait.h. One poll.
 */
#include "agent/wait.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include "agent/stop.h"
#include "agent/stop_unix.h"
#include "agent/transport_unix.h"

enum { STOP = WAIT_TRANSPORTS_MAX, INPUT, OUTPUT, DESCRIPTORS };

void wait_any(struct wait *wait, int64_t timeout_ms)
{
    struct pollfd list[DESCRIPTORS];
    int timeout = timeout_ms < 0 ? -1 : (int)(timeout_ms > INT_MAX ? INT_MAX : timeout_ms);

    for (unsigned i = 0; i < WAIT_TRANSPORTS_MAX; i++) {
        int descriptor = wait->transports[i] == NULL ? -1 : transport_descriptor(wait->transports[i]);

        list[i] = (struct pollfd){.fd = descriptor, .events = POLLIN};
        wait->transport_ready[i] = false;
    }
    list[STOP] = (struct pollfd){.fd = stop_descriptor(), .events = POLLIN};
    list[INPUT] = (struct pollfd){.fd = wait->input == WAIT_INPUT_NONE ? -1 : STDIN_FILENO,
                                  .events = wait->input == WAIT_INPUT_READ ? POLLIN : 0};
    list[OUTPUT] = (struct pollfd){.fd = wait->output ? STDOUT_FILENO : -1, .events = POLLOUT};
    wait->input_ready = wait->input_ended = wait->output_ready = false;
    if (poll(list, DESCRIPTORS, timeout) <= 0 || stop_requested())
        return;
    for (unsigned i = 0; i < WAIT_TRANSPORTS_MAX; i++)
        wait->transport_ready[i] = list[i].revents != 0;
    wait->input_ready = wait->input == WAIT_INPUT_READ && list[INPUT].revents != 0;
    wait->input_ended = wait->input == WAIT_INPUT_END && list[INPUT].revents != 0;
    wait->output_ready = list[OUTPUT].revents != 0;
}
