/* SPDX-License-Identifier: MIT */
/*
 * compile.c - the records and sets of a policy as one image (gatehouse/rules.h): sets in the order of their kinds,
 * rules with their ids.
 */
#include <stdlib.h>
#include <string.h>

#include "core/rule_image.h"
#include "policy/parser.h"

/* How many rules of each id there were so far. */
struct counts {
    uint64_t *ids;
    uint32_t *numbers;
    uint32_t mask;
};

static bool counts_init(struct counts *counts, uint32_t rules)
{
    uint32_t size = 16;

    while (size < rules * 2)
        size *= 2;
    counts->mask = size - 1;
    counts->ids = calloc(size, sizeof(*counts->ids));
    counts->numbers = calloc(size, sizeof(*counts->numbers));
    return counts->ids != NULL && counts->numbers != NULL;
}

static void counts_cleanup(struct counts *counts)
{
    free(counts->ids);
    free(counts->numbers);
}

/* How many there were before; one more now. */
static uint32_t count_one(struct counts *counts, uint64_t id)
{
    uint32_t slot = (uint32_t)(id ^ id >> 32) & counts->mask;

    while (counts->ids[slot] != 0 && counts->ids[slot] != id)
        slot = (slot + 1) & counts->mask;
    counts->ids[slot] = id;
    return counts->numbers[slot]++;
}

struct compiler {
    const struct policy *policy;
    struct policy_compile_options options;
    struct bytes image;
    uint32_t *renumbered; /* of each set in the store */
    uint64_t *hashes;     /* of each set in the image */
    struct counts counts;
};

static void copy_sets(struct compiler *c)
{
    const struct set_store *store = &c->policy->sets;
    uint32_t number = 0;

    for (unsigned kind = GATEHOUSE_SET_V4; kind <= GATEHOUSE_SET_PORT; kind++) {
        for (uint32_t i = 0; i < store->count; i++) {
            const struct gatehouse_set *set = set_store_at(store, i);

            if (set->kind != kind)
                continue;
            c->hashes[number] = rule_set_hash(set);
            c->renumbered[i] = number++;
            bytes_add(&c->image, set, set->size);
        }
    }
}

static bool names_set(uint16_t type)
{
    return type >= GATEHOUSE_PART_REMOTE && type <= GATEHOUSE_PART_LOCAL_PORT;
}

static void copy_rule(struct compiler *c, const struct gatehouse_rule *from)
{
    size_t first = c->image.size;
    struct gatehouse_rule *rule;
    uint64_t id;

    bytes_add(&c->image, from, sizeof(*from));
    if (c->image.failed)
        return;
    ((struct gatehouse_rule *)(void *)(c->image.at + first))->part_count = 0;
    for (const struct gatehouse_rule_part *part = rule_first_part(from); part != NULL;
         part = rule_next_part(from, part)) {
        size_t place = c->image.size;

        if (c->options.without_text && (part->type == GATEHOUSE_PART_TEXT || part->type == GATEHOUSE_PART_FILE))
            continue;
        bytes_add(&c->image, part, part->size);
        if (c->image.failed)
            return;
        if (names_set(part->type)) {
            uint32_t *number = (uint32_t *)(void *)(c->image.at + place + sizeof(*part));

            *number = c->renumbered[*number];
        }
        ((struct gatehouse_rule *)(void *)(c->image.at + first))->part_count++;
    }
    rule = (struct gatehouse_rule *)(void *)(c->image.at + first);
    rule->size = (uint32_t)(c->image.size - first);
    rule->place = c->options.place;
    id = rule_id(rule, c->hashes, 0);
    rule->id = rule_id(rule, c->hashes, count_one(&c->counts, id));
}

static bool build(struct compiler *c)
{
    const struct policy *policy = c->policy;
    struct gatehouse_rules_image header = {.magic = GATEHOUSE_RULES_MAGIC,
                                           .version = GATEHOUSE_RULES_VERSION,
                                           .set_count = policy->sets.count,
                                           .rule_count = policy->rule_count};
    size_t most = sizeof(header) + policy->sets.sets.size + policy->records.size;

    c->renumbered = calloc(policy->sets.count + 1u, sizeof(*c->renumbered));
    c->hashes = calloc(policy->sets.count + 1u, sizeof(*c->hashes));
    if (c->renumbered == NULL || c->hashes == NULL || !counts_init(&c->counts, policy->rule_count) ||
        bytes_grow(&c->image, most) == NULL)
        return false;
    /* The room is there: nothing moves from here on. */
    c->image.size = 0;
    bytes_add(&c->image, &header, sizeof(header));
    copy_sets(c);
    for (size_t at = 0; at < policy->records.size;) {
        const struct gatehouse_rule *rule = (const struct gatehouse_rule *)(const void *)(policy->records.at + at);

        copy_rule(c, rule);
        at += rule->size;
    }
    header.size = (uint32_t)c->image.size;
    header.check = rule_image_sum(c->image.at, c->image.size);
    memcpy(c->image.at, &header, sizeof(header));
    return !c->image.failed;
}

/* An error of the policy as a whole. */
static void fail(struct policy *policy, const char *sentence)
{
    struct policy_error *error = arena_take(&policy->arena, sizeof(*error));

    if (error == NULL || policy->failed_count == POLICY_ERRORS_MAX)
        return;
    *error = (struct policy_error){.file = "policy", .width = 1, .sentence = sentence};
    policy->errors[policy->error_count++] = error;
    policy->failed_count++;
}

bool policy_compile(struct policy *policy, const struct policy_compile_options *options, struct policy_image *image)
{
    struct compiler c = {.policy = policy};
    bool good = false;

    if (policy_failed(policy))
        return false;
    if (options != NULL)
        c.options = *options;
    if (sizeof(struct gatehouse_rules_image) + policy->sets.sets.size + policy->records.size > GATEHOUSE_IMAGE_MAX_SIZE)
        fail(policy, "the rules need more than 256 MiB; expected less; write lists of addresses into sets");
    else if (!(good = build(&c)))
        fail(policy, "out of memory");
    free(c.renumbered);
    free(c.hashes);
    counts_cleanup(&c.counts);
    if (good)
        *image = (struct policy_image){c.image.at, c.image.size};
    else
        bytes_cleanup(&c.image);
    return good;
}

void policy_image_cleanup(struct policy_image *image)
{
    free(image->bytes);
    *image = (struct policy_image){0};
}
