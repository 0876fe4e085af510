/* SPDX-License-Identifier: MIT */
/*
 * client.h - one open handle of the driver's device: HELLO first, then calls with tags.
 *
 * Several calls may be under way; answers come in any order. The client knows which calls it made,
 * so an answer to no call, a second answer to one, or one longer than asked for ends the connection.
 * Every wait has a deadline but the one for the next request or event, which ends with the
 * connection or with transport_interrupt. One thread. No allocation after client_open.
 */
#ifndef AGENT_CLIENT_H
#define AGENT_CLIENT_H

#include <gatehouse/protocol.h>
#include <gatehouse/transport.h>

#include "agent/result.h"
#include "agent/transport.h"

struct client_pending {
    uint32_t tag; /* 0: free */
    uint32_t code;
    uint32_t output_size;
};

struct client {
    struct transport *transport; /* NULL: not open */
    uint32_t last_tag;
    struct client_pending pending[GATEHOUSE_CALLS_MAX];
};

struct client_answer {
    uint32_t code; /* of the call it answers */
    uint32_t tag;
    uint32_t status;
    const uint8_t *output; /* inside the receive buffer */
    uint32_t size;
};

/*
 * Connects and says HELLO as role (enum gatehouse_role). AGENT_REFUSED when this user may not, when another
 * client decides, or when the versions differ. On failure the client is closed.
 */
enum agent_result client_open(struct client *client, const char *path, uint32_t role, struct problem *problem);

/* The same; *status (GATEHOUSE_E_DECIDER_PRESENT ...) tells why HELLO was refused. */
enum agent_result client_open_status(struct client *client, const char *path, uint32_t role, uint32_t *status,
                                     struct problem *problem);

/* Takes a client that was never opened (all zero) too. */
void client_close(struct client *client);

/* Sends count (<= TRANSPORT_SEND_MAX) calls in order and fills in each one's tag. */
enum agent_result client_send(struct client *client, struct transport_call *calls, unsigned count,
                              struct problem *problem);

/* The next answer; see transport_receive. STATUS_ACCESS_DENIED with tag 0 is AGENT_REFUSED. */
enum agent_result client_receive(struct client *client, void *buffer, size_t capacity, int timeout_ms,
                                 struct client_answer *answer, struct problem *problem);

/*
 * One call that does not wait inside the driver, when no other is under way: sends, takes the answer
 * within TRANSPORT_DEADLINE_MS, copies its output. Any status but success is AGENT_REFUSED, and *status
 * (may be NULL) tells which.
 */
enum agent_result client_call(struct client *client, const struct transport_call *call, void *output, size_t *size,
                              uint32_t *status, struct problem *problem);

/*
 * The same for more output, or more time: *answer's output is inside buffer (TRANSPORT_BUFFER_SIZE of what the call
 * asks for). Here a status that is no success is AGENT_OK, and answer->status tells it.
 */
enum agent_result client_exchange(struct client *client, const struct transport_call *call, void *buffer,
                                  size_t capacity, int timeout_ms, struct client_answer *answer,
                                  struct problem *problem);

/* AGENT_REFUSED with status's sentence; AGENT_LOST when the status says that gatehoused is going away. */
enum agent_result client_explain(uint32_t status, struct problem *problem);

#endif
