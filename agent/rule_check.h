/* SPDX-License-Identifier: MIT */
/*
 * rule_check.h - what is to be said about a file of rules that has no error.
 */
#ifndef AGENT_RULE_CHECK_H
#define AGENT_RULE_CHECK_H

#include "agent/rule_file.h"

/* Warnings of rules that never match, and one line of counts. AGENT_FAILED: out of memory. */
enum agent_result rule_check_show(const struct rule_file *file, struct text *summary, struct text *warnings,
                                  struct problem *problem);
/* One object for each warning, and one of counts; one a line. */
enum agent_result rule_check_show_json(const struct rule_file *file, struct text *text, struct problem *problem);

#endif
