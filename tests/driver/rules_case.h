/* SPDX-License-Identifier: MIT */
/*
 * rules_case.h - what each case about rules begins and ends with: a loaded driver, a decider, an empty builder.
 *
 * Header-only, so that each test program has its own. Faults that a case planted end with it.
 */
#ifndef TESTS_DRIVER_RULES_CASE_H
#define TESTS_DRIVER_RULES_CASE_H

#include "rules_client.h"

static struct nt_file *decider;
static struct rule_builder b;

static inline int setup(void **state)
{
    (void)state;
    decider = rules_begin(&b);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    nt_set_fault(NULL, NULL);
    rules_end(decider, &b);
    return 0;
}

#endif
