/* SPDX-License-Identifier: MIT */
/*
 * exceptions.h - the rule of the simple deciders: one verdict for all, the other for named programs; and
 * permit for looking up names, while everything else is blocked.
 *
 * A program is named by its real path and matches exactly, byte for byte. A connection without a program
 * never matches. Up to EXCEPTIONS_MAX names; finding one costs O(log n). One thread writes,
 * then many may read.
 */
#ifndef AGENT_EXCEPTIONS_H
#define AGENT_EXCEPTIONS_H

#include <stdbool.h>

#include <gatehouse/protocol.h>

#include "agent/resolvers.h"
#include "agent/result.h"
#include "agent/wire.h"

#define EXCEPTIONS_MAX 4096u

struct exceptions_path {
    uint8_t *utf16; /* owned */
    size_t size;
};

struct exceptions {
    enum gatehouse_verdict verdict; /* for all that is no exception; PERMIT or BLOCK */
    struct exceptions_path *list;   /* owned; sorted */
    unsigned count;
    struct resolver resolvers[RESOLVERS_MAX];
    unsigned resolver_count;
};

void exceptions_init(struct exceptions *exceptions, enum gatehouse_verdict verdict);
void exceptions_cleanup(struct exceptions *exceptions);

/* path is the platform's spelling. AGENT_USAGE for an empty or too long one and for too many. Twice is once. */
enum agent_result exceptions_add(struct exceptions *exceptions, const char *path, struct problem *problem);

/* Matters only to a rule that blocks: these name servers stay within reach. At most RESOLVERS_MAX. */
void exceptions_set_resolvers(struct exceptions *exceptions, const struct resolver *resolvers, unsigned count);

enum gatehouse_verdict exceptions_decide(const struct exceptions *exceptions, const struct request *request);

#endif
