/* SPDX-License-Identifier: MIT */
/*
 * filter_show.h - filters of the engine as a table for people and as JSON for programs.
 *
 * Includes the management API's header, so only the filter_*.c files include this. Text from others is escaped as in
 * show.h.
 */
#ifndef AGENT_FILTER_SHOW_H
#define AGENT_FILTER_SHOW_H

#include <stdbool.h>

#include <fwpmu.h>

#include "wfp/include/fwpmkeys.h"

#include "agent/text.h"

struct filter_shown {
    const FWPM_FILTER0 *filter;
    bool ours; /* added by 'gatehouse filter add' */
};

/* In the order of evaluation: by layer, heaviest first. Sorts list. marks: a star before ours. */
void filter_show_table(struct text *text, struct filter_shown *list, unsigned count, bool marks);
void filter_show_json(struct text *text, struct filter_shown *list, unsigned count);

#endif
