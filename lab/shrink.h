/* SPDX-License-Identifier: MIT */
/*
 * shrink.h - the smallest part of something that still fails.
 *
 * For the steps of a scenario and for the choices of a schedule. Delta debugging: halves are left out, then
 * quarters, down to single things, as long as what remains still fails. The result is 1-minimal unless max_tests
 * ran out: leaving out any one thing more makes the failure go away.
 */
#ifndef LAB_SHRINK_H
#define LAB_SHRINK_H

#include <stdbool.h>
#include <stddef.h>

/* Does it still fail with only the things whose keep is true? */
typedef bool lab_still_fails(void *context, const bool *keep, size_t count);

/* keep: count flags; on entry what fails now, on return what is left of it. Returns how many tests it took. */
unsigned lab_shrink(bool *keep, size_t count, lab_still_fails *still_fails, void *context, unsigned max_tests);

#endif
