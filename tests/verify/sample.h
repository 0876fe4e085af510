/* SPDX-License-Identifier: MIT */
/*
 * sample.h - what stands for a driver in the tests of reports: functions with known names that break rules on purpose.
 *
 * No function here is inlined, and none ends in a jump, so each has a frame.
 */
#ifndef TESTS_VERIFY_SAMPLE_H
#define TESTS_VERIFY_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "nt/verify/verify.h"

void sample_allocates(uint64_t key);   /* begins a block */
void sample_frees_twice(uint64_t key); /* pool-double-free, about that block */
void sample_takes(uint64_t lock);
void sample_releases(uint64_t lock);
void sample_releases_too_much(void);                /* rundown-not-held, found by the real routine */
void sample_forgets_a_decision(uint64_t operation); /* decision-not-stored, about that connection */
void sample_says(const char *detail);               /* assert, with this detail */
void sample_takes_stack(unsigned depth, struct nt_stack *stack);
void sample_takes_stack_of_damaged_frame(struct nt_stack *stack);
void sample_faults(void);     /* reads where nothing is */
void sample_calls_null(void); /* calls what is no code */

#endif
