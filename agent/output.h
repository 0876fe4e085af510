/* SPDX-License-Identifier: MIT */
/*
 * output.h - lines on standard output that never make a decision wait.
 *
 * A reader that stops (a pager, Ctrl-S, a full pipe) must not stop the connections of this machine. Lines
 * that cannot go out wait in a bounded buffer; what does not fit is dropped and counted in a line of
 * its own. One thread.
 */
#ifndef AGENT_OUTPUT_H
#define AGENT_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/text.h"

#define OUTPUT_WAITING_MAX (1u << 20)

struct output {
    struct text waiting;
    size_t written; /* of waiting */
    uint64_t dropped;
    bool json;   /* a count of dropped lines is told as an object */
    bool closed; /* nobody reads any more: lines are forgotten */
};

/* A zeroed struct output is ready; json may be set. */
void output_free(struct output *output);

/* The line is waiting's end, from start on; adds the newline, or takes the line back when there is no room. */
size_t output_begin(struct output *output);
void output_end(struct output *output, size_t start);

/* Writes what goes without waiting. */
void output_write(struct output *output);
bool output_is_waiting(const struct output *output);

#endif
