/* SPDX-License-Identifier: MIT */
/*
 * wire.h - reads what gatehoused sends. Every byte is untrusted.
 *
 * A cursor walks one answer's output. Each record is copied out of the buffer whole before it is
 * looked at, and is refused unless its sizes agree with each other and with what is left. One bad
 * record makes the whole answer bad: after it nothing says where the next one starts.
 *
 * Little-endian machines only, as protocol.h's structures are. No allocation. When protocol.h gains
 * a field or a flag, also look here.
 */
#ifndef AGENT_WIRE_H
#define AGENT_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include <gatehouse/protocol.h>
#include <gatehouse/transport.h>

struct request {
    struct gatehouse_request fixed;
    const uint8_t *path; /* UTF-16LE, fixed.path_size bytes (even), inside the answer's buffer */
    const uint8_t *name; /* fixed.name_size bytes behind it, printable ASCII; no NUL */
};

struct event {
    struct gatehouse_event fixed;
    struct request request; /* all zero for LOST */
};

struct flow {
    struct gatehouse_flow_entry fixed;
    const uint8_t *path; /* as a request's */
    const uint8_t *name; /* the same */
};

struct wire_cursor {
    const uint8_t *next;
    size_t left;
};

enum wire_step { WIRE_RECORD, WIRE_END, WIRE_BAD };

/* WIRE_RECORD fills *request and moves on. WIRE_BAD sets *why to what is wrong, a static phrase. */
enum wire_step wire_next_request(struct wire_cursor *cursor, struct request *request, const char **why);
enum wire_step wire_next_event(struct wire_cursor *cursor, struct event *event, const char **why);

enum wire_step wire_next_flow(struct wire_cursor *cursor, struct flow *flow, const char **why);

/* NULL when the bytes are a good status (newer, longer ones are cut to what is known), else what is wrong. */
const char *wire_read_status(const uint8_t *bytes, size_t size, struct gatehouse_status *status);
const char *wire_read_platform(const uint8_t *bytes, size_t size, struct gatehouse_platform_status *platform);

#endif
