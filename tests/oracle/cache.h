/* SPDX-License-Identifier: MIT */
/*
 * cache.h - the kernel's verdict cache without a kernel: the code that fills it and the code that asks it, as they
 * are (host/keep.c, host/gate_cache.c, bpf/cache.bpf.h), on memory of this process.
 */
#ifndef TESTS_ORACLE_CACHE_H
#define TESTS_ORACLE_CACHE_H

#include <ntddk.h>
#include <fwpsk.h>

#include "tests/oracle/reference.h"
#include "wfp/ale.h"

struct cached {
    bool permit, has_key;
    GUID key; /* of the filter that decided, if it is a rule's */
};

/* A new generation. */
void cache_clear(void);

/* What an earlier decision says; false: none does. Outgoing connections of TCP and UDP only, no raw ones. */
bool cache_ask(const struct reference_connection *connection, struct cached *cached);

/* As the host does after a decision. True if it was kept. */
bool cache_fill(const struct reference_connection *connection, const struct wfp_decision *decision);

#endif
