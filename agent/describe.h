/* SPDX-License-Identifier: MIT */
/*
 * describe.h - the members of a question that tell of the process behind it (docs/desk.md): command, parents, package,
 * unit, deleted, service.
 *
 * For a desk, which asks once a question and sends what it gets. Facts are read on a thread (facts_reader.h); this
 * waits for them, but all in all no more than a tenth of the time: whoever makes reading slow is shown without facts,
 * and holds up nobody. One thread.
 */
#ifndef AGENT_DESCRIBE_H
#define AGENT_DESCRIBE_H

#include "agent/json.h"
#include "agent/result.h"
#include "agent/wire.h"

struct describe;

/* NULL with a sentence. */
struct describe *describe_new(struct problem *problem);
/* NULL is allowed. */
void describe_free(struct describe *describe);

/* Adds members. Those that are not known are left away. */
void describe_request(struct describe *describe, const struct request *request, struct json *json);

#endif
