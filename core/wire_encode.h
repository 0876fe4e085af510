/* SPDX-License-Identifier: MIT */
/*
 * wire_encode.h - writes requests and events as protocol.h lays them out.
 *
 * Every byte is written, padding included: nothing of the kernel's memory leaves by accident. out
 * need not be aligned. No locks.
 */
#ifndef CORE_WIRE_ENCODE_H
#define CORE_WIRE_ENCODE_H

#include "core/connection.h"

/* What one held connection consists of; path and name may be NULL with size 0. */
struct wire_request {
    uint64_t id;
    const struct connection *connection;
    const uint8_t *path;
    uint16_t path_size;
    uint16_t name_size;
    const uint8_t *name;
};

/* Bytes of the record, a multiple of 8. */
uint32_t wire_request_size(const struct wire_request *request);

/* out has room for wire_request_size bytes. */
void wire_encode_request(const struct wire_request *request, uint8_t *out);

/* The article's record: 24 bytes, IPv4 only. */
void wire_encode_seed_request(const struct wire_request *request, USER_CLASSIFY_REQUEST *out);

struct wire_event {
    enum gatehouse_event_type type;
    enum gatehouse_verdict verdict;
    enum gatehouse_decided_by by;
    uint64_t time;
    uint64_t count;
    const struct wire_request *request; /* NULL for LOST */
};

uint32_t wire_event_size(const struct wire_event *event);
void wire_encode_event(const struct wire_event *event, uint8_t *out);

#endif
