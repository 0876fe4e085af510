/* SPDX-License-Identifier: MIT */
/*
 * calls_history.c - what was, from the history's file (history/history.h).
 */
#include "page/calls.h"

unsigned calls_history(struct work *work, const json_t *input, struct text *output)
{
    (void)work, (void)input;
    return work_refuse(output, 503, "there is no history here.");
}
