/* SPDX-License-Identifier: MIT */
/*
 * calls.h - the calls of the page that ask the driver or the history, by name. What each takes and gives is in
 * docs/page.md. They run on the thread of work.h.
 */
#ifndef PAGE_CALLS_H
#define PAGE_CALLS_H

#include "page/work.h"

/* NULL: there is none of that name. */
work_call *calls_find(const char *name);

/* The calls, for calls_find's table alone. */
unsigned calls_rules(struct work *work, const json_t *input, struct text *output);
unsigned calls_rule_add(struct work *work, const json_t *input, struct text *output);
unsigned calls_rule_remove(struct work *work, const json_t *input, struct text *output);
unsigned calls_status(struct work *work, const json_t *input, struct text *output);
unsigned calls_history(struct work *work, const json_t *input, struct text *output);

#endif
