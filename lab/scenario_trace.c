/* SPDX-License-Identifier: MIT */
/*
 * scenario_trace.c - see scenario_trace.h.
 */
#include "lab/scenario_trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void trace_add(struct trace *trace, enum trace_source source, uint32_t key, const char *format, ...)
{
    char text[1000];
    va_list arguments;
    struct trace_event *event;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (trace->count == trace->room) {
        trace->room = trace->room * 2 + 16;
        trace->events = realloc(trace->events, trace->room * sizeof(trace->events[0]));
    }
    if (trace->events == NULL)
        abort();
    event = &trace->events[trace->count++];
    *event = (struct trace_event){source, key, malloc(strlen(text) + 1)};
    if (event->text == NULL)
        abort();
    memcpy(event->text, text, strlen(text) + 1);
}

static bool goes_before(const struct trace_event *a, const struct trace_event *b)
{
    return a->source != b->source ? a->source < b->source : a->key < b->key;
}

/* Stable; nearly sorted already, and short. */
void trace_sort(struct trace *trace)
{
    for (size_t i = 1; i < trace->count; i++) {
        struct trace_event event = trace->events[i];
        size_t place = i;

        for (; place > 0 && goes_before(&event, &trace->events[place - 1]); place--)
            trace->events[place] = trace->events[place - 1];
        trace->events[place] = event;
    }
}

void trace_drop(struct trace *trace, enum trace_source source)
{
    size_t kept = 0;

    for (size_t i = 0; i < trace->count; i++) {
        if (trace->events[i].source == source)
            free(trace->events[i].text);
        else
            trace->events[kept++] = trace->events[i];
    }
    trace->count = kept;
}

void trace_clear(struct trace *trace)
{
    for (size_t i = 0; i < trace->count; i++)
        free(trace->events[i].text);
    trace->count = 0;
}

void trace_free(struct trace *trace)
{
    trace_clear(trace);
    free(trace->events);
    *trace = (struct trace){0};
}
