/* SPDX-License-Identifier: MIT */
/*
 * rule_builder.h - images of rules for tests, written plainly from gatehouse/rules.h, with right ids and check values.
 *
 * Sets may be made in any order; builder_finish puts them in the order of their kinds. A test that wants something
 * wrong changes the bytes afterwards.
 */
#ifndef TESTS_LIB_RULE_BUILDER_H
#define TESTS_LIB_RULE_BUILDER_H

#include <stddef.h>
#include <stdint.h>

#include "gatehouse/rules.h"

struct rule_builder {
    uint8_t *sets, *rules, *image;
    size_t sets_size, rules_size, sets_room, rules_room;
    uint32_t set_count, rule_count;
    size_t rule_at; /* the latest */
    size_t size;    /* of image, once finished */
};

void builder_begin(struct rule_builder *builder);
void builder_free(struct rule_builder *builder);

/* Returns its number for builder_set_part. */
uint32_t builder_set(struct rule_builder *builder, uint16_t kind, const void *ranges, uint32_t count);
uint32_t builder_v4(struct rule_builder *builder, uint32_t low, uint32_t high);
uint32_t builder_port(struct rule_builder *builder, uint16_t low, uint16_t high);

/* The rule's record, until the next call. */
struct gatehouse_rule *builder_rule(struct rule_builder *builder, uint8_t action, uint8_t direction);
void builder_part(struct rule_builder *builder, uint16_t type, const void *data, size_t size);
void builder_text(struct rule_builder *builder, uint16_t type, const char *ascii); /* as UTF-16LE */
void builder_byte(struct rule_builder *builder, uint16_t type, uint8_t value);
void builder_set_part(struct rule_builder *builder, uint16_t type, uint32_t set);

/* Sets image and size. */
void builder_finish(struct rule_builder *builder);
/* After bytes were changed: the check value once more. */
void builder_check(struct rule_builder *builder);
struct gatehouse_rule *builder_rule_at(struct rule_builder *builder, uint32_t number);

#endif
