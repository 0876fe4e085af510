/* SPDX-License-Identifier: MIT */
/*
 * strategy.c - see strategy.h.
 *
 * NT_PRIORITIES is PCT (Burckhardt and others, 2010): each fiber gets a random priority, the highest runs, and at a few
 * random points the one that runs falls below all others. How long a run will be is not known, so the points are spread
 * evenly over the magnitudes. NT_EXHAUSTIVE is a depth-first search without stored states: a run follows the decisions
 * of the last one up to the deepest that has an alternative left, takes that, and then the first of each.
 */
#include "nt/verify/strategy.h"

#include <stdlib.h>
#include <string.h>

#define CHANGES_MAX 64u
#define TIME        0u /* in a choice, instead of a fiber: time jumps */

static const struct nt_schedule_options *options;
static uint64_t random_state;
static unsigned jump_shift; /* time jumps once in 2 to the power of this; 0: never */

static struct nt_choice *choices;
static size_t choice_count, choice_room, replayed;

static uint64_t *priorities; /* by number */
static size_t priority_room;
static uint64_t lowest;
static uint32_t changes[CHANGES_MAX];
static unsigned change_count;

static struct nt_decision *decisions;
static size_t decision_count, decision_room, depth;
static unsigned preemptions;

static uint64_t random_next(void)
{
    uint64_t value = random_state += 0x9e3779b97f4a7c15ull;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ value >> 27) * 0x94d049bb133111ebull;
    return value ^ value >> 31;
}

static uint32_t random_below(uint32_t bound)
{
    return (uint32_t)((random_next() >> 32) * bound >> 32);
}

static void *grow(void *array, size_t *room, size_t size)
{
    *room = *room == 0 ? 64 : *room * 2;
    void *larger = realloc(array, *room * size);
    if (larger == NULL)
        abort();
    return larger;
}

void nt_strategy_begin(const struct nt_schedule_options *given)
{
    options = given;
    random_state = given->seed;
    choice_count = replayed = 0;
    depth = 0;
    preemptions = 0;
    lowest = UINT32_MAX;
    change_count = 0;
    jump_shift = 0;
    if (given->strategy != NT_RANDOM_WALK && given->strategy != NT_PRIORITIES)
        return;
    uint32_t rarity = random_below(8);
    jump_shift = rarity == 0 ? 0 : 2 + rarity;
    if (given->strategy == NT_PRIORITIES)
        for (; change_count < given->preemptions && change_count < CHANGES_MAX; change_count++)
            changes[change_count] = 1 + random_below(1u << (4 + random_below(12)));
}

void nt_strategy_fiber(uint32_t number)
{
    if (options->strategy != NT_PRIORITIES)
        return;
    while (number >= priority_room)
        priorities = grow(priorities, &priority_room, sizeof *priorities);
    priorities[number] = (uint64_t)UINT32_MAX + 1 + (random_next() >> 24 << 8) + number % 256;
}

void nt_strategy_tire(uint32_t number)
{
    if (options->strategy == NT_PRIORITIES)
        priorities[number] = lowest--;
}

bool nt_strategy_asks(void)
{
    return options->strategy != NT_RUN_ON;
}

static void record(uint32_t point, uint32_t fiber)
{
    if (choice_count == choice_room)
        choices = grow(choices, &choice_room, sizeof *choices);
    choices[choice_count++] = (struct nt_choice){point, fiber};
}

const struct nt_choice *nt_strategy_choices(size_t *count)
{
    *count = choice_count;
    return choices;
}

/* Which of count alternatives this run takes. */
static uint32_t decide(uint32_t count)
{
    if (depth == decision_count) {
        if (decision_count == decision_room)
            decisions = grow(decisions, &decision_room, sizeof *decisions);
        decisions[decision_count++] = (struct nt_decision){0, count};
    }
    struct nt_decision *decision = &decisions[depth++];
    return decision->taken < count ? decision->taken : 0;
}

void nt_schedule_first(void)
{
    decision_count = 0;
}

bool nt_schedule_next(void)
{
    decision_count = depth;
    while (decision_count != 0 && decisions[decision_count - 1].taken + 1 >= decisions[decision_count - 1].count)
        decision_count--;
    if (decision_count == 0)
        return false;
    decisions[decision_count - 1].taken++;
    return true;
}

size_t nt_schedule_where(struct nt_decision *copy, size_t room)
{
    if (depth > room)
        return 0;
    memcpy(copy, decisions, depth * sizeof *copy);
    return depth;
}

bool nt_schedule_resume(const struct nt_decision *copy, size_t count)
{
    while (decision_room < count)
        decisions = grow(decisions, &decision_room, sizeof *decisions);
    memcpy(decisions, copy, count * sizeof *copy);
    depth = count;
    return nt_schedule_next();
}

/* The replay's choice at this point, if it is of this kind; NULL: none. */
static const struct nt_choice *replay(uint32_t point, bool time)
{
    while (replayed < options->choice_count && options->choices[replayed].point < point)
        replayed++;
    if (replayed == options->choice_count || options->choices[replayed].point != point ||
        (options->choices[replayed].fiber == TIME) != time)
        return NULL;
    return &options->choices[replayed++];
}

bool nt_strategy_jumps(uint32_t point)
{
    bool jumps = false;
    switch (options->strategy) {
    case NT_RANDOM_WALK:
    case NT_PRIORITIES:
        jumps = jump_shift != 0 && random_below(1u << jump_shift) == 0;
        break;
    case NT_EXHAUSTIVE:
        jumps = preemptions < options->preemptions && decide(2) != 0;
        preemptions += jumps;
        break;
    case NT_REPLAY:
        jumps = replay(point, true) != NULL;
        break;
    case NT_RUN_ON:
        break;
    }
    if (jumps)
        record(point, TIME);
    return jumps;
}

static size_t pick_highest(const struct nt_pick *pick)
{
    size_t highest = 0;
    for (unsigned index = 0; pick->preempts && index < change_count; index++)
        if (changes[index] == pick->point)
            priorities[pick->fibers[pick->usual]] = lowest--;
    for (size_t index = 1; index < pick->count; index++)
        if (priorities[pick->fibers[index]] > priorities[pick->fibers[highest]])
            highest = index;
    return highest;
}

static size_t pick_next_untried(const struct nt_pick *pick)
{
    if (pick->count == 1 || (pick->preempts && preemptions >= options->preemptions))
        return pick->usual;
    uint32_t taken = decide((uint32_t)pick->count);
    if (taken == 0)
        return pick->usual;
    preemptions += pick->preempts;
    return taken <= pick->usual ? taken - 1 : taken;
}

static size_t pick_replayed(const struct nt_pick *pick)
{
    const struct nt_choice *choice = replay(pick->point, false);
    for (size_t index = 0; choice != NULL && index < pick->count; index++)
        if (pick->fibers[index] == choice->fiber)
            return index;
    return pick->usual;
}

size_t nt_strategy_pick(const struct nt_pick *pick)
{
    size_t picked = pick->usual;
    switch (options->strategy) {
    case NT_RANDOM_WALK:
        picked = random_below((uint32_t)pick->count);
        break;
    case NT_PRIORITIES:
        picked = pick_highest(pick);
        break;
    case NT_EXHAUSTIVE:
        picked = pick_next_untried(pick);
        break;
    case NT_REPLAY:
        picked = pick_replayed(pick);
        break;
    case NT_RUN_ON:
        break;
    }
    if (picked != pick->usual)
        record(pick->point, pick->fibers[picked]);
    return picked;
}
