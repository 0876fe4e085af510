/* SPDX-License-Identifier: MIT */
/*
 * rule_writer.h - makes images of rules: one out of the rules of others, or one with a single answer.
 *
 * Memory comes from the caller's struct core_memory; what is returned is the caller's, with the check value set.
 * No state, no lock.
 */
#ifndef CORE_RULE_WRITER_H
#define CORE_RULE_WRITER_H

#include "core/connection.h"
#include "core/rule_list.h"

/* An image to take rules from, with its sets by number. */
struct rule_source {
    const struct gatehouse_rules_image *image;
    const struct gatehouse_set *const *sets;
};

struct rule_pick {
    const struct gatehouse_rule *rule;
    uint32_t source; /* its number among the sources */
};

/* The picked rules in their order, with the sets that they name. NULL: no memory, or too large. */
struct gatehouse_rules_image *rule_image_write(const struct core_memory *memory, const struct rule_source *sources,
                                               uint32_t source_count, const struct rule_pick *picks, uint32_t count);

/* Picks rules of two lists, one by one, and makes an image of them. */
struct rule_picking {
    const struct core_memory *memory;
    struct rule_source sources[2];
    struct rule_pick *picks;
    uint32_t count, room;
};

/* false: no memory. second may be NULL. Both lists stay until the end. */
bool rule_picking_begin(struct rule_picking *picking, const struct core_memory *memory, const struct rule_list *first,
                        const struct rule_list *second);
/* source: 0 first, 1 second. At most as many as both have. */
void rule_pick(struct rule_picking *picking, uint32_t source, const struct gatehouse_rule *rule);
/* Frees the picks. NULL: no memory, or more than most. */
struct gatehouse_rules_image *rule_picking_end(struct rule_picking *picking, uint32_t most);

/* What an answer to a held connection says. */
struct rule_answer {
    const void *path;
    uint16_t path_size;
    const struct destination *to; /* NULL: anywhere */
    uint8_t action;               /* enum gatehouse_rule_action */
    uint8_t until;                /* enum gatehouse_rule_until */
    uint32_t lifetime_ms;
    bool any_address; /* protocol and port of to alone */
    const void *name; /* to this name, at any address: to is NULL then. NULL: not about a name */
    uint16_t name_size;
};

/* An image with that one rule (PLACE_ASK, its id set). NULL: no memory. */
struct gatehouse_rules_image *rule_image_of_answer(const struct core_memory *memory, const struct rule_answer *answer);

#endif
