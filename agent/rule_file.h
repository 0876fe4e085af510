/* SPDX-License-Identifier: MIT */
/*
 * rule_file.h - a file of rules, or one rule as text, made into an image on this machine; what is wrong with it, and
 * what is odd about it.
 *
 * Needs no driver and no privilege. policy/ does the work; here are the sentences, and the rules that never match.
 */
#ifndef AGENT_RULE_FILE_H
#define AGENT_RULE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/policy.h"

#include "agent/result.h"
#include "agent/text.h"

struct rule_file {
    const char *name; /* the caller's */
    struct policy_system system;
    struct policy *policy;
    struct policy_image image; /* once there is no error */
    unsigned errors, warnings; /* of policy/ */
};

/*
 * AGENT_USAGE with a sentence that counts the errors; they are in file either way, and so is the image on AGENT_OK
 * alone. The caller ends with rule_file_free after any result. place: GATEHOUSE_PLACE_*.
 */
enum agent_result rule_file_read(const char *path, struct rule_file *file, struct problem *problem);
enum agent_result rule_file_read_rule(const char *words, uint8_t place, struct rule_file *file,
                                      struct problem *problem);
void rule_file_free(struct rule_file *file);

/* Errors and warnings as policy/ says them: with their line and a caret below it. */
void rule_file_show_errors(const struct rule_file *file, struct text *text);
/* One object a line. */
void rule_file_show_errors_json(const struct rule_file *file, struct text *text);

#endif
