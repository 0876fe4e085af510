/* SPDX-License-Identifier: MIT */
/*
 * rule_list.h - the rules of one image, each with what is known of it while it is in force.
 *
 * There are two lists: the rules of the file, and those added one by one. A list is made whole from an image and later
 * replaced by another whole one; rule_list_follow takes over what stays as it was, so that a change touches only the
 * filters of rules that changed. Memory is the caller's struct core_memory. The caller's lock is held for every call.
 *
 * The image of a list in force is only needed to show and to store its rules. A caller that has it in a file as well
 * may put it away; what the list does itself it then goes on doing.
 */
#ifndef CORE_RULE_LIST_H
#define CORE_RULE_LIST_H

#include "core/locked.h"
#include "core/memory.h"
#include "core/rule_image.h"

struct rule_entry {
    struct gatehouse_rule *rule; /* in the list's image; NULL: that is put away */
    uint64_t id;                 /* these three are the rule's */
    uint64_t ends;
    uint64_t weight; /* of its filters */
    uint64_t number; /* in the rule table; 0: plain filters */
    uint8_t until;
    uint8_t filters; /* which of its filters are there: rule_filters.h */
    bool ended;
    bool stays; /* during a change: its filters are those of the list before */
};

struct CORE_LOCKABLE rule_list {
    const struct core_memory *memory;
    struct gatehouse_rules_image *image; /* NULL: put away, or the list is zeroed and has no rule */
    struct gatehouse_rules_image head;   /* what its header was when it was put away */
    bool stored;                         /* the caller's note: a file has the image as it is */
    const struct gatehouse_set **sets;   /* by number; with the image */
    struct rule_entry *entries;          /* first match first */
    uint32_t count;
    uint32_t tail; /* of a file, the first rule that asks; of added ones, the first PLACE_ASK; count: none */
    uint32_t *by_id;
    uint32_t by_id_size; /* a power of two */
};

/* Each base has room for 2^40 above it (gatehouse/objects.h). */
struct rule_bases {
    uint64_t head, tail;
};

/* image passed rule_image_check, lies in memory of its size, and is the list's from now on. false: no memory, the image
 * stays the caller's. */
bool rule_list_init(struct rule_list *list, const struct core_memory *memory, struct gatehouse_rules_image *image);

/* Frees the image too. Harmless on a zeroed list. */
void rule_list_cleanup(struct rule_list *list);

static inline bool rule_list_is_away(const struct rule_list *list)
{
    return list->image == NULL && list->entries != NULL;
}

/* Frees the image alone, whose check is right. */
void rule_list_put_away(struct rule_list *list);

/*
 * The image, which passed rule_image_check, is the list's again; ends that it does not know yet are entered, and stored
 * is false then. false: it is not the one that was put away, or no
 * memory (*no_memory): then it stays the caller's.
 */
bool rule_list_bring_back(struct rule_list *list, struct gatehouse_rules_image *image, bool *no_memory);

enum rule_ids { RULE_IDS_RIGHT, RULE_IDS_WRONG, RULE_IDS_NO_MEMORY };

/* Does each rule have the id that rule_id gives it? Then an id means the same in every image. */
enum rule_ids rule_list_check_ids(const struct rule_list *list);

/* How many ranges its rules name, each as often as it is named: the filter engine has a condition for each. */
uint64_t rule_list_ranges_named(const struct rule_list *list);

/* NULL: none. */
struct rule_entry *rule_list_find(const struct rule_list *list, uint64_t id);

/*
 * Gives the list its weights. A rule that was in the list before keeps its end, or stays ended; when it was added, if
 * that list's image is not away; and its weight and
 * filters, if it stands in the part of the list, at the front or the back of head or tail, that is as it was: new rules
 * between get weights between. Marks both entries of those that stay.
 */
void rule_list_follow(struct rule_list *list, struct rule_list *before, const struct rule_bases *bases);

/* The change came to nothing: no entry stays any more. */
void rule_list_unfollow(struct rule_list *list);

#endif
