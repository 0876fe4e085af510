/* SPDX-License-Identifier: MIT */
/*
 * deadline_wheel.c - see deadline_wheel.h. A slot may hold links of two rounds only while the owner
 * is late to call deadline_wheel_take; links carry their tick, so none goes early even then.
 */
#include "core/deadline_wheel.h"

#define SLOT_MASK     (DEADLINE_WHEEL_SLOTS - 1u)
#define WORDS         (DEADLINE_WHEEL_SLOTS / 64u)
#define SUMMARY_WORDS (WORDS / 64u)

bool deadline_wheel_init(struct deadline_wheel *wheel, const struct core_memory *memory)
{
    memset(wheel, 0, sizeof(*wheel));
    wheel->slots = memory->allocate(memory->context, DEADLINE_WHEEL_SLOTS * sizeof(*wheel->slots));
    wheel->memory = memory;
    return wheel->slots != NULL;
}

void deadline_wheel_cleanup(struct deadline_wheel *wheel)
{
    if (wheel->slots != NULL)
        wheel->memory->release(wheel->memory->context, wheel->slots, DEADLINE_WHEEL_SLOTS * sizeof(*wheel->slots));
    memset(wheel, 0, sizeof(*wheel));
}

static uint32_t lowest_bit(uint64_t word)
{
    uint32_t bit = 0;

    for (uint32_t width = 32; width != 0; width /= 2) {
        if ((word & (((uint64_t)1 << width) - 1u)) == 0) {
            word >>= width;
            bit += width;
        }
    }
    return bit;
}

static void slot_mark(struct deadline_wheel *wheel, uint32_t slot)
{
    wheel->used[slot / 64u] |= (uint64_t)1 << (slot % 64u);
    wheel->summary[slot / 4096u] |= (uint64_t)1 << (slot / 64u % 64u);
}

static void slot_unmark(struct deadline_wheel *wheel, uint32_t slot)
{
    wheel->used[slot / 64u] &= ~((uint64_t)1 << (slot % 64u));
    if (wheel->used[slot / 64u] == 0)
        wheel->summary[slot / 4096u] &= ~((uint64_t)1 << (slot / 64u % 64u));
}

/* The first used slot at or after from, not beyond the end; DEADLINE_WHEEL_SLOTS: none. */
static uint32_t slot_from(const struct deadline_wheel *wheel, uint32_t from)
{
    uint32_t word = from / 64u;
    uint64_t bits;

    if (from >= DEADLINE_WHEEL_SLOTS)
        return DEADLINE_WHEEL_SLOTS;
    bits = wheel->used[word] & (UINT64_MAX << (from % 64u));
    if (bits != 0)
        return word * 64u + lowest_bit(bits);
    word++;
    for (uint32_t i = word / 64u; i < SUMMARY_WORDS; i++) {
        bits = wheel->summary[i];
        if (i == word / 64u)
            bits &= UINT64_MAX << (word % 64u);
        if (bits != 0) {
            word = i * 64u + lowest_bit(bits);
            return word * 64u + lowest_bit(wheel->used[word]);
        }
    }
    return DEADLINE_WHEEL_SLOTS;
}

/* The first used slot after the cursor, once around; its tick in this round. The wheel is not empty. */
static uint64_t next_tick(const struct deadline_wheel *wheel)
{
    uint32_t start = (uint32_t)((wheel->cursor + 1u) & SLOT_MASK);
    uint32_t slot = slot_from(wheel, start);

    if (slot == DEADLINE_WHEEL_SLOTS)
        slot = slot_from(wheel, 0);
    return wheel->cursor + 1u + ((slot - start) & SLOT_MASK);
}

void deadline_wheel_insert(struct deadline_wheel *wheel, struct deadline_link *link, uint64_t now, uint64_t due)
{
    uint64_t now_tick = now >> DEADLINE_WHEEL_TICK_SHIFT;

    if (due > now + DEADLINE_WHEEL_SPAN)
        due = now + DEADLINE_WHEEL_SPAN;
    if (wheel->count == 0 && now_tick > wheel->cursor)
        wheel->cursor = now_tick;
    link->tick = (due + DEADLINE_WHEEL_TICK - 1u) >> DEADLINE_WHEEL_TICK_SHIFT;
    if (link->tick <= wheel->cursor)
        link->tick = wheel->cursor + 1u;

    uint32_t slot = (uint32_t)(link->tick & SLOT_MASK);
    link->next = wheel->slots[slot];
    link->link = &wheel->slots[slot];
    if (link->next != NULL)
        link->next->link = &link->next;
    wheel->slots[slot] = link;
    slot_mark(wheel, slot);
    wheel->count++;
}

void deadline_wheel_remove(struct deadline_wheel *wheel, struct deadline_link *link)
{
    uint32_t slot = (uint32_t)(link->tick & SLOT_MASK);

    if (link->link == NULL)
        return;
    *link->link = link->next;
    if (link->next != NULL)
        link->next->link = link->link;
    link->next = NULL;
    link->link = NULL;
    wheel->count--;
    if (wheel->slots[slot] == NULL)
        slot_unmark(wheel, slot);
}

uint64_t deadline_wheel_next(const struct deadline_wheel *wheel)
{
    return wheel->count == 0 ? DEADLINE_NEVER : next_tick(wheel) << DEADLINE_WHEEL_TICK_SHIFT;
}

struct deadline_link *deadline_wheel_take(struct deadline_wheel *wheel, uint64_t now)
{
    uint64_t now_tick = now >> DEADLINE_WHEEL_TICK_SHIFT;

    while (wheel->count != 0) {
        uint64_t tick = next_tick(wheel);
        if (tick > now_tick)
            break;
        for (struct deadline_link *link = wheel->slots[tick & SLOT_MASK]; link != NULL; link = link->next) {
            if (link->tick <= now_tick) {
                deadline_wheel_remove(wheel, link);
                return link;
            }
        }
        wheel->cursor = tick;
    }
    if (wheel->cursor < now_tick)
        wheel->cursor = now_tick;
    return NULL;
}
