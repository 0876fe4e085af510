/* SPDX-License-Identifier: MIT */
/*
 * verify.c - the verifier's switch, and what a thread says about its next violation; see verify.h.
 */
#include "nt/verify/verify.h"

#include "nt/internal.h"
#include "nt/verify/report.h"

bool nt_verify_on;

void nt_about(enum nt_beginning what, uint64_t key)
{
    if (!NT_VERIFYING)
        return;
    nt_self.verify.about = what;
    nt_self.verify.about_key = key;
}

void nt_about_connection(uint64_t operation)
{
    if (NT_VERIFYING)
        nt_self.verify.about_connection = operation;
}

void nt_about_routine_verified(const void *routine)
{
    nt_self.verify.about_routine = routine;
}

void nt_about_stack(const struct nt_stack *stack)
{
    nt_self.verify.about_stack = stack;
}
