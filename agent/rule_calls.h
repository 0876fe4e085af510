/* SPDX-License-Identifier: MIT */
/*
 * rule_calls.h - the driver's operations on rules (gatehouse/rules.h), whole: the policy in force as one image, a load
 * in pieces, one rule in or out; and how often each rule decided.
 *
 * The client is open, in any role, and has no other call under way. A load or change by somebody else is waited for,
 * RULE_CALLS_PATIENCE at most. What is got is checked whole (core/rule_image.h) before anybody sees it. One thread.
 */
#ifndef AGENT_RULE_CALLS_H
#define AGENT_RULE_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gatehouse/rules.h>

#include "agent/client.h"

#define RULE_CALLS_PATIENCE_MS 10000
/* How long the driver may take to put a whole image into force. */
#define RULE_CALLS_COMMIT_MS 120000

struct rule_policy {
    void *image; /* owned; aligned to 8; all zero: none */
    size_t size;
    uint64_t generation;
    uint32_t file_rules, added_rules;
    bool lost; /* none was got: they are in force, but cannot be shown (GATEHOUSE_E_RULES_LOST) */
};

/* On success the caller frees with rule_policy_free. */
enum agent_result rule_calls_get(struct client *client, struct rule_policy *policy, struct problem *problem);
void rule_policy_free(struct rule_policy *policy);

/* All of policy but its image. */
enum agent_result rule_calls_count(struct client *client, struct rule_policy *policy, struct problem *problem);

struct rule_progress {
    void (*show)(void *context, uint32_t done, uint32_t total); /* may be NULL */
    void *context;
};

/* AGENT_OK: it is in force. Otherwise the old policy stands, but for AGENT_LOST after the last piece: nobody knows. */
enum agent_result rule_calls_load(struct client *client, const void *image, uint32_t size,
                                  const struct rule_progress *progress, struct problem *problem);

/* image has one rule, with place TOP or ASK. */
enum agent_result rule_calls_add(struct client *client, const void *image, uint32_t size, struct problem *problem);
enum agent_result rule_calls_remove(struct client *client, uint64_t id, struct problem *problem);

/* Hits of rules, by id. */
struct rule_hits {
    struct rule_hit {
        uint64_t id;
        uint64_t hits; /* at all layers together */
        uint64_t last; /* system time, 100 ns since 1601 UTC; 0: never */
    } * list;          /* owned; sorted by id */
    size_t count;
    bool counted; /* false: this platform counts none */
};

/* On success the caller frees with rule_hits_free. A platform that counts none is no failure. */
enum agent_result rule_calls_hits(struct client *client, struct rule_hits *hits, struct problem *problem);
void rule_hits_free(struct rule_hits *hits);
/* NULL: it decided nothing so far. */
const struct rule_hit *rule_hits_find(const struct rule_hits *hits, uint64_t id);
/* The id of the rule that a filter's key names; 0: it is no rule's. */
uint64_t rule_id_of_key(const uint8_t key[16]);

#endif
