/* SPDX-License-Identifier: MIT */
/*
 * gate_hits.c - how often each filter decided: counters in memory that the kernel's cache counts in too.
 *
 * A filter key has a place in the pinned array from its first hit on, over restarts of this process. Which place is
 * looked up in a hash table of this process, made anew from the array at each start. When all places are taken, the one
 * that was used longest ago among some whose filter is gone is given away.
 */
#include "gate_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TABLE_SIZE (2 * GATE_HITS_MAX) /* a power of two: never more than half full */
#define LOOK_MAX   1024u               /* places looked at to find one that can be given away */

struct gate_hits {
    struct map_window *window;
    struct gate_hit *places; /* those below hits_used are in memory */
    struct gate_state *state;
    uint32_t next_look;
    uint32_t table[TABLE_SIZE]; /* 1 + place */
};

static uint32_t start_of(const uint8_t key[16])
{
    uint64_t words[2];

    memcpy(words, key, sizeof(words));
    return (uint32_t)((words[0] * 0x9e3779b97f4a7c15u ^ words[1] * 0xff51afd7ed558ccdu) >> 32) & (TABLE_SIZE - 1);
}

/* Where the key is in the table, or would be. */
static uint32_t find(const struct gate_hits *hits, const uint8_t key[16])
{
    uint32_t at = start_of(key);

    while (hits->table[at] && memcmp(hits->places[hits->table[at] - 1].key, key, 16) != 0)
        at = (at + 1) & (TABLE_SIZE - 1);
    return at;
}

struct gate_hits *gate_hits_new(struct map_window *places, struct gate_state *state)
{
    struct gate_hits *hits = calloc(1, sizeof(*hits));

    if (!hits)
        return NULL;
    hits->window = places;
    hits->places = (void *)places->memory;
    hits->state = state;
    if (state->hits_used > GATE_HITS_MAX)
        state->hits_used = GATE_HITS_MAX;
    for (uint32_t i = 0; i < state->hits_used; i++) {
        if (!map_window_at(places, i * sizeof(struct gate_hit))) {
            free(hits);
            return NULL;
        }
        hits->table[find(hits, hits->places[i].key)] = i + 1;
    }
    return hits;
}

void gate_hits_free(struct gate_hits *hits)
{
    free(hits);
}

/* Takes a key out and closes the gap that it leaves. */
static void forget(struct gate_hits *hits, const uint8_t key[16])
{
    uint32_t gap = find(hits, key), at = gap;

    hits->table[gap] = 0;
    while (hits->table[at = (at + 1) & (TABLE_SIZE - 1)]) {
        uint32_t wants = start_of(hits->places[hits->table[at] - 1].key);

        if (((at - wants) & (TABLE_SIZE - 1)) < ((at - gap) & (TABLE_SIZE - 1)))
            continue;
        hits->table[gap] = hits->table[at];
        hits->table[at] = 0;
        gap = at;
    }
}

/* 1 + a place to use for another key; 0: every filter looked at is still there. */
static uint32_t give_away(struct gate_hits *hits, gate_key_is_gone *is_gone, void *context)
{
    uint32_t found = 0;

    for (unsigned i = 0; i < LOOK_MAX; i++) {
        uint32_t place = hits->next_look++ % GATE_HITS_MAX;

        if (is_gone(context, hits->places[place].key) &&
            (!found || hits->places[place].last < hits->places[found - 1].last))
            found = place + 1;
    }
    if (found)
        forget(hits, hits->places[found - 1].key);
    return found;
}

uint32_t gate_hits_place(struct gate_hits *hits, const uint8_t key[16], gate_key_is_gone *is_gone, void *context)
{
    uint32_t at = find(hits, key), place = hits->table[at];
    struct gate_hit *hit;

    if (place)
        return place;
    place = hits->state->hits_used < GATE_HITS_MAX ? hits->state->hits_used + 1 : give_away(hits, is_gone, context);
    hit = place ? map_window_at(hits->window, (place - 1) * sizeof(*hit)) : NULL;
    if (!hit)
        return 0;
    __atomic_store_n(&hit->hits, 0, __ATOMIC_RELAXED);
    hit->last = 0;
    memcpy(hit->key, key, 16);
    hits->table[find(hits, key)] = place;
    if (place > hits->state->hits_used)
        hits->state->hits_used = place;
    return place;
}

bool gate_hits_key(const struct gate_hits *hits, uint32_t place, uint8_t key[16])
{
    if (!place || place > hits->state->hits_used)
        return false;
    memcpy(key, hits->places[place - 1].key, 16);
    return true;
}

static uint64_t boot_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void gate_hits_count(struct gate_hits *hits, uint32_t place)
{
    if (!place)
        return;
    __atomic_add_fetch(&hits->places[place - 1].hits, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&hits->places[place - 1].last, boot_ns(), __ATOMIC_RELAXED);
}

unsigned gate_hits_read(const struct gate_hits *hits, uint64_t first, struct gate_hits_entry *entries, unsigned room,
                        uint64_t *next)
{
    uint64_t now = boot_ns();
    unsigned count = 0;

    *next = 0;
    for (; first < hits->state->hits_used; first++) {
        const struct gate_hit *hit = &hits->places[first];
        uint64_t last = __atomic_load_n(&hit->last, __ATOMIC_RELAXED);

        if (count == room) {
            *next = first;
            break;
        }
        memcpy(entries[count].key, hit->key, 16);
        entries[count].hits = __atomic_load_n(&hit->hits, __ATOMIC_RELAXED);
        entries[count].used = last != 0;
        entries[count++].ago_ns = last && last < now ? now - last : 0;
    }
    return count;
}
