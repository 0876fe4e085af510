/* SPDX-License-Identifier: MIT */
/*
 * rules.h - the rule of the simple deciders: one verdict for all, the other for named programs; and
 * permit for looking up names, while everything else is blocked.
 *
 * A program is named by its real path and matches exactly, byte for byte. A connection without a program
 * never matches. Up to RULES_EXCEPTIONS_MAX names; finding one costs O(log n). One thread writes,
 * then many may read.
 */
#ifndef AGENT_RULES_H
#define AGENT_RULES_H

#include <stdbool.h>

#include <gatehouse/protocol.h>

#include "agent/resolvers.h"
#include "agent/result.h"
#include "agent/wire.h"

#define RULES_EXCEPTIONS_MAX 4096u

struct rules_path {
    uint8_t *utf16; /* owned */
    size_t size;
};

struct rules {
    enum gatehouse_verdict verdict; /* for all that is no exception; PERMIT or BLOCK */
    struct rules_path *exceptions;  /* owned; sorted */
    unsigned count;
    struct resolver resolvers[RESOLVERS_MAX];
    unsigned resolver_count;
};

void rules_init(struct rules *rules, enum gatehouse_verdict verdict);
void rules_cleanup(struct rules *rules);

/* path is the platform's spelling. AGENT_USAGE for an empty or too long one and for too many. Twice is once. */
enum agent_result rules_add_exception(struct rules *rules, const char *path, struct problem *problem);

/* Matters only to rules that block: these name servers stay within reach. At most RESOLVERS_MAX. */
void rules_set_resolvers(struct rules *rules, const struct resolver *resolvers, unsigned count);

enum gatehouse_verdict rules_decide(const struct rules *rules, const struct request *request);

#endif
