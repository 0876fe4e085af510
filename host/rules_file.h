/* SPDX-License-Identifier: MIT */
/*
 * rules_file.h - the file of rules (docs/rules.md), compiled to an image for the driver, or what is wrong with it.
 */
#ifndef HOST_RULES_FILE_H
#define HOST_RULES_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/policy.h"

struct rules_file {
    bool found; /* false: it is not there */
    bool right;
    uint32_t rules;            /* when it is right */
    struct policy_image image; /* the same */
    unsigned message_count;
    struct rules_message {
        char *file; /* it may be an included one */
        uint32_t line, column;
        bool warning;
        char *sentence;
    } messages[POLICY_ERRORS_MAX + 1]; /* sentences of what is wrong, or looks so */
};

/* Reads it and all it includes. Any thread. Ends with rules_file_cleanup, whatever came of it. */
void rules_file_read(const char *path, struct rules_file *file);
void rules_file_cleanup(struct rules_file *file);

#endif
