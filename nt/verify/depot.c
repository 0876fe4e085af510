/* SPDX-License-Identifier: MIT */
/*
 * depot.c - see depot.h.
 *
 * Stacks stand one behind the other in an array of words and are never changed, so a look-up needs no lock: a stack
 * is published by the store of its bucket's head. The number of a stack is its first word's index plus one.
 */
#include "nt/verify/depot.h"

#include <string.h>

#include "nt/verify/self.h"

#define WORDS   (1u << 19) /* 4 MB, of which only what is used gets memory */
#define BUCKETS (1u << 14)

/* A stack: one word of header, then its frames. */
struct header {
    uint32_t next; /* number of the next stack of this bucket; 0: none */
    uint16_t count;
    uint16_t tag; /* of the hash, so that a look-up compares few frames */
};
_Static_assert(sizeof(struct header) == sizeof(uint64_t), "a header is one word");

static uint64_t words[WORDS];
static uint32_t heads[BUCKETS];
static uint32_t used, stacks, lost;
static bool lock;

static uint64_t hash(const struct nt_stack *stack)
{
    uint64_t value = stack->count;
    for (uint32_t index = 0; index < stack->count; index++)
        value = (value ^ (uintptr_t)stack->frames[index]) * UINT64_C(0x9e3779b97f4a7c15);
    return value ^ value >> 29;
}

static bool holds(uint32_t number, const struct nt_stack *stack, uint16_t tag)
{
    struct header header;
    memcpy(&header, &words[number - 1], sizeof header);
    if (header.tag != tag || header.count != stack->count)
        return false;
    for (uint32_t index = 0; index < stack->count; index++)
        if (words[number + index] != (uintptr_t)stack->frames[index])
            return false;
    return true;
}

static uint32_t find(uint32_t number, const struct nt_stack *stack, uint16_t tag)
{
    while (number != 0 && !holds(number, stack, tag)) {
        struct header header;
        memcpy(&header, &words[number - 1], sizeof header);
        number = header.next;
    }
    return number;
}

static uint32_t append(uint32_t *head, const struct nt_stack *stack, uint16_t tag)
{
    if (WORDS - used < stack->count + 1) {
        lost++;
        return 0;
    }
    struct header header = {*head, (uint16_t)stack->count, tag};
    uint32_t number = used + 1;
    memcpy(&words[used], &header, sizeof header);
    for (uint32_t index = 0; index < stack->count; index++)
        words[number + index] = (uintptr_t)stack->frames[index];
    used += stack->count + 1;
    stacks++;
    __atomic_store_n(head, number, __ATOMIC_RELEASE);
    return number;
}

uint32_t nt_depot_put(const struct nt_stack *stack)
{
    if (stack->count == 0)
        return 0;
    uint64_t value = hash(stack);
    uint16_t tag = (uint16_t)(value >> 48);
    uint32_t *head = &heads[value % BUCKETS];
    uint32_t number = find(__atomic_load_n(head, __ATOMIC_ACQUIRE), stack, tag);
    if (number != 0)
        return number;
    nt_verify_lock(&lock);
    number = find(*head, stack, tag); /* somebody may have been faster */
    if (number == 0)
        number = append(head, stack, tag);
    nt_verify_unlock(&lock);
    return number;
}

bool nt_depot_get(uint32_t number, struct nt_stack *stack)
{
    struct header header;
    if (number == 0 || number > WORDS)
        return false;
    memcpy(&header, &words[number - 1], sizeof header);
    stack->count = header.count;
    for (uint32_t index = 0; index < header.count; index++)
        stack->frames[index] = (const void *)(uintptr_t)words[number + index];
    return true;
}

void nt_depot_usage(struct nt_depot_usage *usage)
{
    nt_verify_lock(&lock);
    *usage = (struct nt_depot_usage){stacks, used, WORDS, lost};
    nt_verify_unlock(&lock);
}

void nt_depot_clear(void)
{
    nt_verify_lock(&lock);
    memset(heads, 0, sizeof heads);
    used = stacks = lost = 0;
    nt_verify_unlock(&lock);
}
