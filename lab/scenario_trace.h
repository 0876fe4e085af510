/* SPDX-License-Identifier: MIT */
/*
 * scenario_trace.h - the events of one step, in canonical order.
 *
 * What happens in one step may be seen in another order by another world: several deadlines in one tick,
 * a read that ends while its answer is still on its way. So events are sorted by where they were seen, and
 * there by connection (in the order of connecting) or client; what one source says of one connection, and
 * what one client is offered, stays in its order.
 */
#ifndef SCENARIO_TRACE_H
#define SCENARIO_TRACE_H

#include "lab/scenario.h"

enum trace_source {
    TRACE_STEP,   /* what the step itself was answered */
    TRACE_DRIVER, /* what the driver told the runner's own observer; by connection */
    TRACE_CLIENT, /* how a client's reads ended; by client */
    TRACE_DONE,   /* what the stack was told; by connection */
    TRACE_RULE    /* rules broken */
};

struct trace_event {
    enum trace_source source;
    uint32_t key;
    char *text;
};

struct trace {
    struct trace_event *events;
    size_t count, room;
};

void trace_add(struct trace *trace, enum trace_source source, uint32_t key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void trace_sort(struct trace *trace);
/* Takes out what this source gave. */
void trace_drop(struct trace *trace, enum trace_source source);
void trace_clear(struct trace *trace);
void trace_free(struct trace *trace);

#endif
