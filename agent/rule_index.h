/* SPDX-License-Identifier: MIT */
/*
 * rule_index.h - the rules of an image by number and by id, and how people name one.
 *
 * A rule's number is its place in the order of deciding, from 1. Its id (gatehouse/rules.h) is 16 hexadecimal digits,
 * of which people see and write as many as are needed to tell it from the others. Pure; one thread.
 */
#ifndef AGENT_RULE_INDEX_H
#define AGENT_RULE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include <gatehouse/rules.h>

#include "agent/result.h"
#include "agent/text.h"

#define RULE_INDEX_DIGITS_MIN 6u /* shorter words of digits are numbers */

struct rule_index {
    const struct gatehouse_rule **rules; /* owned; in the image's order */
    uint32_t count;
    unsigned digits; /* that tell all ids apart */
};

/* image has passed rule_image_check and stays the caller's. False: out of memory. */
bool rule_index_init(struct rule_index *index, const void *image);
void rule_index_cleanup(struct rule_index *index);

/* word is a number or an id's first digits. AGENT_USAGE with a sentence when it names none, or more than one. */
enum agent_result rule_index_find(const struct rule_index *index, const char *word, uint32_t *at,
                                  struct problem *problem);

/* As many digits as tell it apart; digits 0: all. */
void rule_index_show_id(struct text *text, uint64_t id, unsigned digits);

/* "added", "answer", or the file and line: "/etc/gatehouse/rules:12". */
void rule_show_place(struct text *text, const struct gatehouse_rule *rule);

#endif
