/* SPDX-License-Identifier: MIT */
/*
 * rules_command.h - `wfplab rules`: lists what the verifier checks.
 */
#ifndef LAB_RULES_COMMAND_H
#define LAB_RULES_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

/*
 * arguments are those behind "rules": [--json] [RULE...]. Rules named, or all: as text, or as one JSON array of
 * objects with id, severity, rule, page and advice. Gives the program's exit code: 0, or 2 for a wrong use, which
 * is told to errors in one sentence, with nothing written to out.
 */
int lab_rules_command(int count, const char *const *arguments, FILE *out, FILE *errors);

#endif
