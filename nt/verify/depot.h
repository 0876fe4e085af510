/* SPDX-License-Identifier: MIT */
/*
 * depot.h - keeps each different stack once, under a small number.
 *
 * Bounded; when it is full, new stacks are lost (number 0) and counted. Any thread, any IRQL.
 */
#ifndef NT_VERIFY_DEPOT_H
#define NT_VERIFY_DEPOT_H

#include "nt/verify/verify.h"

uint32_t nt_depot_put(const struct nt_stack *stack); /* 0: there is no room, or the stack is empty */
bool nt_depot_get(uint32_t number, struct nt_stack *stack);

struct nt_depot_usage {
    uint32_t stacks, words, words_most;
    uint32_t lost;
};
void nt_depot_usage(struct nt_depot_usage *usage);

/* Forgets all stacks: no number is valid afterwards. Nobody else may be in here. */
void nt_depot_clear(void);

#endif
