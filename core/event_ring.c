/* SPDX-License-Identifier: MIT */
/*
 * event_ring.c - see event_ring.h. A record is never split: where it does not fit before the end of
 * the buffer, a filler (type FILLER) takes the rest.
 */
#include "core/event_ring.h"

#define FILLER 0xFFFFu

struct record {
    uint32_t size;
    uint16_t type;
};

static uint32_t place(const struct event_ring *ring, uint64_t offset)
{
    return (uint32_t)(offset & (ring->size - 1u));
}

static struct record record_at(const struct event_ring *ring, uint64_t offset)
{
    struct gatehouse_event head;
    struct record record;

    memcpy(&head, ring->bytes + place(ring, offset), offsetof(struct gatehouse_event, verdict));
    record.size = head.size;
    record.type = head.type;
    return record;
}

void event_ring_init(struct event_ring *ring, uint8_t *bytes, uint32_t size)
{
    memset(ring, 0, sizeof(*ring));
    ring->bytes = bytes;
    ring->size = size;
}

/* Gives up the oldest records until size more bytes fit. */
static void make_room(struct event_ring *ring, uint32_t size)
{
    while (ring->head + size - ring->tail > ring->size) {
        struct record oldest = record_at(ring, ring->tail);
        ring->tail += oldest.size;
        if (oldest.type != FILLER)
            ring->tail_sequence++;
    }
}

bool event_ring_write(struct event_ring *ring, const struct wire_event *event)
{
    uint32_t size = wire_event_size(event);
    uint32_t rest = ring->size - place(ring, ring->head);

    if (size > ring->size / 2u)
        return false;
    if (rest < size) {
        struct gatehouse_event filler;
        make_room(ring, rest);
        memset(&filler, 0, sizeof(filler));
        filler.size = rest;
        filler.type = FILLER;
        memcpy(ring->bytes + place(ring, ring->head), &filler, offsetof(struct gatehouse_event, time));
        ring->head += rest;
    }
    make_room(ring, size);
    wire_encode_event(event, ring->bytes + place(ring, ring->head));
    ring->head += size;
    ring->head_sequence++;
    return true;
}

void event_cursor_start(const struct event_ring *ring, struct event_cursor *cursor)
{
    cursor->offset = ring->head;
    cursor->sequence = ring->head_sequence;
}

bool event_ring_has(const struct event_ring *ring, const struct event_cursor *cursor)
{
    return cursor->sequence != ring->head_sequence;
}

uint32_t event_ring_read(const struct event_ring *ring, struct event_cursor *cursor, uint64_t now, uint8_t *out,
                         uint32_t out_size, uint32_t *next_size, uint64_t *lost)
{
    uint32_t written = 0;

    *next_size = 0;
    *lost = 0;
    if (cursor->sequence < ring->tail_sequence) {
        struct wire_event event = {.type = GATEHOUSE_EVENT_LOST, .time = now};
        event.count = ring->tail_sequence - cursor->sequence;
        *next_size = wire_event_size(&event);
        if (out_size < *next_size)
            return 0;
        wire_encode_event(&event, out);
        written = *next_size;
        *lost = event.count;
        cursor->offset = ring->tail;
        cursor->sequence = ring->tail_sequence;
    }
    while (event_ring_has(ring, cursor)) {
        struct record record = record_at(ring, cursor->offset);
        if (record.type != FILLER) {
            *next_size = record.size;
            if (out_size - written < record.size)
                break;
            memcpy(out + written, ring->bytes + place(ring, cursor->offset), record.size);
            written += record.size;
            cursor->sequence++;
        }
        cursor->offset += record.size;
    }
    return written;
}
