/* SPDX-License-Identifier: MIT */
/*
 * event_ring.h - the last events, for any number of observers, none of whom can slow anybody down.
 *
 * Records of varying size lie one behind the other in one buffer; the oldest give way to new ones.
 * Each observer has a cursor. One who was too slow reads a LOST record with the exact number first
 * and goes on at the oldest record there is. Records are multiples of 8 and start with their size
 * (struct gatehouse_event).
 *
 * The caller's lock is held for every call.
 */
#ifndef CORE_EVENT_RING_H
#define CORE_EVENT_RING_H

#include "core/locked.h"
#include "core/wire_encode.h"

struct CORE_LOCKABLE event_ring {
    uint8_t *bytes;
    uint32_t size;          /* a power of two */
    uint64_t head;          /* where the next record goes, counted from the start of time */
    uint64_t tail;          /* the oldest record */
    uint64_t head_sequence; /* records ever written */
    uint64_t tail_sequence; /* records given up */
};

struct event_cursor {
    uint64_t offset;
    uint64_t sequence;
};

/* bytes: aligned to 8, the caller's, size a power of two. */
void event_ring_init(struct event_ring *ring, uint8_t *bytes, uint32_t size) CORE_LOCKED(*ring);

/* Appends. false: larger than half the ring, dropped. */
bool event_ring_write(struct event_ring *ring, const struct wire_event *event) CORE_LOCKED(*ring);

/* From now on. */
void event_cursor_start(const struct event_ring *ring, struct event_cursor *cursor) CORE_LOCKED(*ring);

/* Is there something for this cursor? */
bool event_ring_has(const struct event_ring *ring, const struct event_cursor *cursor) CORE_LOCKED(*ring);

/*
 * Copies as many records as fit and moves the cursor behind them. Returns the bytes written; 0: nothing there, or the
 * first does not fit (*next_size: its size, else 0). *lost: how many are reported lost in this answer. now: time of a
 * LOST record.
 */
uint32_t event_ring_read(const struct event_ring *ring, struct event_cursor *cursor, uint64_t now, uint8_t *out,
                         uint32_t out_size, uint32_t *next_size, uint64_t *lost) CORE_LOCKED(*ring);

#endif
