/* SPDX-License-Identifier: MIT */
/*
 * shrink.c - see shrink.h. Pure but for the caller's test.
 */
#include "lab/shrink.h"

#include <stdlib.h>
#include <string.h>

struct shrinking {
    bool *keep, *without;
    size_t count;
    lab_still_fails *still_fails;
    void *context;
    unsigned tests, max_tests;
};

static size_t kept(const struct shrinking *shrinking)
{
    size_t sum = 0;

    for (size_t i = 0; i < shrinking->count; i++)
        sum += shrinking->keep[i];
    return sum;
}

/* Leaves out the kept things number first .. first + size - 1. true: it still fails, and they are gone. */
static bool leave_out(struct shrinking *shrinking, size_t first, size_t size)
{
    size_t number = 0;

    memcpy(shrinking->without, shrinking->keep, shrinking->count * sizeof(bool));
    for (size_t i = 0; i < shrinking->count; i++) {
        if (!shrinking->keep[i])
            continue;
        if (number >= first && number < first + size)
            shrinking->without[i] = false;
        number++;
    }
    shrinking->tests++;
    if (!shrinking->still_fails(shrinking->context, shrinking->without, shrinking->count))
        return false;
    memcpy(shrinking->keep, shrinking->without, shrinking->count * sizeof(bool));
    return true;
}

/* One pass with pieces of this size, from the end: later steps depend on earlier ones. */
static bool pass(struct shrinking *shrinking, size_t size)
{
    bool smaller = false;
    size_t end = kept(shrinking);

    while (end > 0 && shrinking->tests < shrinking->max_tests) {
        size_t first = end > size ? end - size : 0;

        smaller |= leave_out(shrinking, first, end - first);
        end = first;
    }
    return smaller;
}

unsigned lab_shrink(bool *keep, size_t count, lab_still_fails *still_fails, void *context, unsigned max_tests)
{
    struct shrinking shrinking = {keep, calloc(count + 1, sizeof(bool)), count, still_fails, context, 0, max_tests};
    size_t size = kept(&shrinking) / 2;

    if (shrinking.without == NULL)
        return 0;
    while (kept(&shrinking) > 0 && shrinking.tests < max_tests) {
        if (size == 0)
            size = 1;
        if (!pass(&shrinking, size) && size == 1)
            break;
        size = size > 1 ? size / 2 : 1;
    }
    free(shrinking.without);
    return shrinking.tests;
}
