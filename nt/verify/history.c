/* SPDX-License-Identifier: MIT */
/*
 * history.c - the ring of what happened to each connection: nt_note of verify.h, and its reading for reports.
 *
 * One ring for the whole machine, so that the notes of a connection and those of the machine have an order. A note of
 * another connection pushes the oldest out.
 */
#include <stdarg.h>
#include <stdio.h>

#include "nt/internal.h"
#include "nt/verify/report.h"
#include "nt/verify/verify.h"

#define NOTES_MAX 4096u

struct note {
    uint64_t operation;
    struct nt_event event;
};

static struct note notes[NOTES_MAX];
static uint64_t count; /* ever; the newest is at (count - 1) % NOTES_MAX */
static bool lock;

void nt_note(uint64_t operation, const char *format, ...)
{
    if (!NT_VERIFYING)
        return;
    struct note note = {.operation = operation, .event = {.time = nt_now()}};
    if (nt_self.verify.name != NULL)
        snprintf(note.event.fiber, sizeof note.event.fiber, "%s", nt_self.verify.name);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(note.event.text, sizeof note.event.text, format, arguments);
    va_end(arguments);
    nt_verify_lock(&lock);
    notes[count++ % NOTES_MAX] = note;
    nt_verify_unlock(&lock);
}

size_t nt_history(uint64_t operation, struct nt_event *events, size_t events_max)
{
    nt_verify_lock(&lock);
    uint64_t oldest = count < NOTES_MAX ? 0 : count - NOTES_MAX, at = count;
    size_t found = 0;
    while (at != oldest && found < events_max) {
        const struct note *note = &notes[--at % NOTES_MAX];
        if (note->operation == operation)
            events[events_max - ++found] = note->event;
    }
    nt_verify_unlock(&lock);
    for (size_t index = 0; index < found && found < events_max; index++)
        events[index] = events[events_max - found + index];
    return found;
}

void nt_history_clear(void)
{
    nt_verify_lock(&lock);
    count = 0;
    nt_verify_unlock(&lock);
}
