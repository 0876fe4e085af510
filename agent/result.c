/* SPDX-License-Identifier: MIT */
/*
 * result.c - fills in a problem. See result.h.
 */
#include "agent/result.h"

#include <stdarg.h>
#include <stdio.h>

enum agent_result problem_set(struct problem *problem, enum agent_result result, const char *format, ...)
{
    va_list arguments;

    if (problem == NULL)
        return result;
    problem->result = result;
    va_start(arguments, format);
    vsnprintf(problem->sentence, sizeof(problem->sentence), format, arguments);
    va_end(arguments);
    return result;
}
