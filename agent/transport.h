/* SPDX-License-Identifier: MIT */
/*
 * transport.h - calls to the driver's device, and their answers in any order.
 *
 * On Linux the device is a socket (transport_unix.c); on Windows it is a device with overlapped
 * operations. Both look like this: several calls are handed over at once, answers come one by one
 * and carry the call's tag. The speed path is one system call for each: send, then receive.
 *
 * One thread uses a transport; only transport_interrupt may come from anywhere else.
 */
#ifndef AGENT_TRANSPORT_H
#define AGENT_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "agent/result.h"

/* How long opening, handing over a call, or a call that does not wait may take. */
#define TRANSPORT_DEADLINE_MS 5000
/* Most calls of one transport_send. */
#define TRANSPORT_SEND_MAX 2u
/* Bytes that a receive buffer needs for an answer of output_size bytes. */
#define TRANSPORT_BUFFER_SIZE(output_size) ((output_size) + 16u)

struct transport;

struct transport_call {
    uint32_t code;
    uint32_t tag;
    const void *input; /* may be NULL when input_size is 0; used until transport_send returns */
    uint32_t input_size;
    uint32_t output_size;
};

struct transport_answer {
    uint32_t tag; /* 0: the device refused this client */
    uint32_t status;
    const uint8_t *output; /* inside the receive buffer, 8-byte aligned if the buffer is */
    uint32_t size;
};

/* Where the device is when nobody says otherwise. */
const char *transport_default_path(void);

/* AGENT_USAGE, AGENT_UNREACHABLE, AGENT_REFUSED or AGENT_FAILED with a sentence; *transport only on success. */
enum agent_result transport_open(struct transport **transport, const char *path, struct problem *problem);

/* Takes NULL. Calls under way end; the driver takes back the requests this client had. */
void transport_close(struct transport *transport);

/* Hands over count calls in order. AGENT_LOST when the peer is gone or takes nothing for TRANSPORT_DEADLINE_MS. */
enum agent_result transport_send(struct transport *transport, const struct transport_call *calls, unsigned count,
                                 struct problem *problem);

/*
 * The next answer. timeout_ms < 0 waits until one comes, the connection ends or transport_interrupt
 * is called. AGENT_TIMEOUT when none came; AGENT_LOST for an end, and for a message that cannot be read.
 */
enum agent_result transport_receive(struct transport *transport, void *buffer, size_t capacity, int timeout_ms,
                                    struct transport_answer *answer, struct problem *problem);

/* Makes the present and every later receive end at once. Safe in a signal handler and from any thread. */
void transport_interrupt(struct transport *transport);

#endif
