/* SPDX-License-Identifier: MIT */
/*
 * work.h - the thread for what waits: the driver's rules and status, the history's file. One call after the other, in
 * the order in which they came.
 *
 * work_put and work_take are the loop's; the functions of calls run on the thread alone. What of agent/ is for one
 * thread only (names of users) is used under work_lock by either.
 */
#ifndef PAGE_WORK_H
#define PAGE_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "agent/result.h"
#include "agent/text.h"

#define WORK_MAX 32u /* calls that wait */

struct work;

struct work_places {
    const char *device, *history;
};

/* Writes the answer, one JSON object; returns the status of HTTP. */
typedef unsigned work_call(struct work *work, const json_t *input, struct text *output);

/* places: as long as the work. On success the caller frees with work_free, which waits for what runs. */
enum agent_result work_new(const struct work_places *places, struct work **work, struct problem *problem);
void work_free(struct work *work);

/* False: too much waits, or no memory. */
bool work_put(struct work *work, uint64_t number, work_call *call, const json_t *input);
/* Readable when something is done. */
int work_descriptor(const struct work *work);
/* False: nothing is done. output is cleared first. */
bool work_take(struct work *work, uint64_t *number, unsigned *status, struct text *output);

const struct work_places *work_places(const struct work *work);
void work_lock(struct work *work);
void work_unlock(struct work *work);

/* For calls: the string of that name; NULL: there is none. */
const char *work_word(const json_t *input, const char *name);

/* For calls: {"sentence": ...}. Returns status. */
unsigned work_refuse(struct text *output, unsigned status, const char *sentence);
/* The status of HTTP for a result that is not AGENT_OK, with the problem's sentence. */
unsigned work_fail(struct text *output, enum agent_result result, const struct problem *problem);

#endif
