/* SPDX-License-Identifier: MIT */
/*
 * rules_reader.h - gets the policy in force from gatehoused on a thread: it may be large, and nobody waits for it here.
 */
#ifndef DESK_RULES_READER_H
#define DESK_RULES_READER_H

#include "agent/rule_calls.h"
#include "desk/loop.h"

struct rules_reader;

/* got: of the loop; the policy is the callee's. It is not called when gatehoused is away. socket is copied. */
enum agent_result rules_reader_new(struct loop *loop, const char *socket,
                                   void (*got)(void *context, struct rule_policy *policy), void *context,
                                   struct rules_reader **reader, struct problem *problem);
/* Waits for what is under way, which ends by itself in time. NULL is allowed. */
void rules_reader_free(struct rules_reader *reader);

/* Nothing more happens when one is under way already. */
void rules_reader_ask(struct rules_reader *reader);

#endif
