/* SPDX-License-Identifier: MIT */
/*
 * wire_decode.h - reads what clients send. All bytes here are untrusted.
 *
 * Each call answers 0 or a GATEHOUSE_E_* status, and writes its output only on 0. Input need not be
 * aligned; it is copied before it is looked at. No locks. tests/fuzz drives this file alone.
 */
#ifndef CORE_WIRE_DECODE_H
#define CORE_WIRE_DECODE_H

#include "core/memory.h"
#include "gatehouse/rules.h"
#include "gatehouse/status.h"

uint32_t wire_decode_hello(const void *input, size_t size, struct gatehouse_hello *hello);
uint32_t wire_decode_policy(const void *input, size_t size, struct gatehouse_policy *policy);

/* Checks the header and that exactly count decisions follow. */
uint32_t wire_decode_decisions(const void *input, size_t size, uint32_t *count);

/* The index-th decision of a checked input; each has its own status. */
uint32_t wire_decode_decision(const void *input, uint32_t index, struct gatehouse_decision *decision);

/* One record of NAMES_LEARNED, as it lies in the input. */
struct wire_name {
    uint32_t ttl_ms;
    uint8_t ip_version;
    const uint8_t *address; /* 16 bytes */
    const uint8_t *path;    /* path_size bytes; 0: any program's */
    const uint8_t *name;
    uint16_t path_size;
    uint16_t name_size;
};

/* Checks the header and that exactly count records follow, each as it should be. */
uint32_t wire_decode_names(const void *input, size_t size, uint32_t *count);

/* The record at *offset of a checked input, 0: the first; moves *offset to the next one. */
void wire_decode_name(const void *input, size_t *offset, struct wire_name *name);

/* true: exactly the article's structure. Its Reserved is not looked at, since the article's program does not set it. */
bool wire_decode_seed_decision(const void *input, size_t size, USER_CLASSIFY_DECISION *decision);

/* Are these settings allowed (version and reserved not looked at)? */
bool wire_policy_is_valid(const struct gatehouse_policy *policy);

#endif
