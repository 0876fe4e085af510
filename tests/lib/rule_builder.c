/* SPDX-License-Identifier: MIT */
/*
 * rule_builder.c - see rule_builder.h.
 */
#include "tests/lib/rule_builder.h"

#include <stdlib.h>
#include <string.h>

#include "core/rule_image.h"

void builder_begin(struct rule_builder *builder)
{
    memset(builder, 0, sizeof(*builder));
}

void builder_free(struct rule_builder *builder)
{
    free(builder->sets);
    free(builder->rules);
    free(builder->image);
    builder_begin(builder);
}

static void *grow(uint8_t **bytes, size_t *used, size_t *room, size_t size)
{
    void *place;

    size = (size + 7) / 8 * 8;
    if (*used + size > *room) {
        *room = 2 * (*used + size);
        *bytes = realloc(*bytes, *room);
        if (*bytes == NULL)
            abort();
    }
    place = *bytes + *used;
    memset(place, 0, size);
    *used += size;
    return place;
}

uint32_t builder_set(struct rule_builder *b, uint16_t kind, const void *ranges, uint32_t count)
{
    size_t one = kind == GATEHOUSE_SET_V4 ? 8 : kind == GATEHOUSE_SET_V6 ? 32 : 4;
    struct gatehouse_set *set = grow(&b->sets, &b->sets_size, &b->sets_room, sizeof(*set) + one * count);

    set->size = (uint32_t)(sizeof(*set) + one * count + 7) / 8 * 8;
    set->kind = kind;
    set->count = count;
    if (count != 0)
        memcpy(set + 1, ranges, one * count);
    return b->set_count++;
}

uint32_t builder_v4(struct rule_builder *b, uint32_t low, uint32_t high)
{
    return builder_set(b, GATEHOUSE_SET_V4, &(struct gatehouse_range_v4){low, high}, 1);
}

uint32_t builder_port(struct rule_builder *b, uint16_t low, uint16_t high)
{
    return builder_set(b, GATEHOUSE_SET_PORT, &(struct gatehouse_range_port){low, high}, 1);
}

struct gatehouse_rule *builder_rule(struct rule_builder *b, uint8_t action, uint8_t direction)
{
    struct gatehouse_rule *rule;

    b->rule_at = b->rules_size;
    rule = grow(&b->rules, &b->rules_size, &b->rules_room, sizeof(*rule));
    rule->size = sizeof(*rule);
    rule->action = action;
    rule->direction = direction;
    b->rule_count++;
    return rule;
}

void builder_part(struct rule_builder *b, uint16_t type, const void *data, size_t size)
{
    struct gatehouse_rule_part *part = grow(&b->rules, &b->rules_size, &b->rules_room, sizeof(*part) + size);
    struct gatehouse_rule *rule = (void *)(b->rules + b->rule_at);

    part->type = type;
    part->data_size = (uint16_t)size;
    part->size = (uint32_t)(sizeof(*part) + size + 7) / 8 * 8;
    memcpy(part + 1, data, size);
    rule->size += part->size;
    rule->part_count++;
}

void builder_text(struct rule_builder *b, uint16_t type, const char *ascii)
{
    uint8_t units[2048];
    size_t size = strlen(ascii);

    for (size_t i = 0; i < size; i++) {
        units[2 * i] = (uint8_t)ascii[i];
        units[2 * i + 1] = 0;
    }
    builder_part(b, type, units, 2 * size);
}

void builder_byte(struct rule_builder *b, uint16_t type, uint8_t value)
{
    builder_part(b, type, &value, 1);
}

void builder_set_part(struct rule_builder *b, uint16_t type, uint32_t set)
{
    const uint32_t data[2] = {set, 0};

    builder_part(b, type, data, sizeof(data));
}

/* Puts the sets in the order of their kinds; numbers gets the new number of each. */
static uint8_t *put_sets(struct rule_builder *b, uint8_t *out, uint32_t *numbers)
{
    uint32_t next = 0;

    for (uint16_t kind = GATEHOUSE_SET_V4; kind <= GATEHOUSE_SET_PORT; kind++) {
        const uint8_t *at = b->sets;

        for (uint32_t i = 0; i < b->set_count; i++) {
            const struct gatehouse_set *set = (const void *)at;

            if (set->kind == kind) {
                memcpy(out, set, set->size);
                out += set->size;
                numbers[i] = next++;
            }
            at += set->size;
        }
    }
    return out;
}

static void renumber(struct gatehouse_rule *rule, const uint32_t *numbers)
{
    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        uint32_t *data = (uint32_t *)(uintptr_t)rule_part_data(part);

        if (part->type >= GATEHOUSE_PART_REMOTE && part->type <= GATEHOUSE_PART_LOCAL_PORT)
            data[0] = numbers[data[0]];
    }
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Ids as the header says: the number among equal rules counts, in the order of the image. */
static void give_ids(struct rule_builder *b, const uint64_t *set_hashes)
{
    uint64_t *sorted = calloc(b->rule_count + 1, sizeof(*sorted));
    uint32_t *counts = calloc(b->rule_count + 1, sizeof(*counts));
    uint32_t i = 0;

    for (const struct gatehouse_rule *rule = rule_image_first_rule(b->image); rule != NULL;
         rule = rule_image_next_rule(b->image, rule))
        sorted[i++] = rule_id(rule, set_hashes, 0);
    qsort(sorted, b->rule_count, sizeof(*sorted), compare_ids);
    for (const struct gatehouse_rule *rule = rule_image_first_rule(b->image); rule != NULL;
         rule = rule_image_next_rule(b->image, rule)) {
        uint64_t id = rule_id(rule, set_hashes, 0);
        uint64_t *found = bsearch(&id, sorted, b->rule_count, sizeof(*sorted), compare_ids);

        while (found > sorted && found[-1] == id)
            found--;
        ((struct gatehouse_rule *)(uintptr_t)rule)->id = rule_id(rule, set_hashes, counts[found - sorted]++);
    }
    free(sorted);
    free(counts);
}

void builder_finish(struct rule_builder *b)
{
    uint32_t *numbers = calloc(b->set_count + 1, sizeof(*numbers));
    uint64_t *hashes = calloc(b->set_count + 1, sizeof(*hashes));
    struct gatehouse_rules_image *header;
    uint8_t *rules;
    uint32_t i = 0;

    free(b->image);
    b->size = sizeof(*header) + b->sets_size + b->rules_size;
    b->image = calloc(1, b->size);
    header = (void *)b->image;
    header->magic = GATEHOUSE_RULES_MAGIC;
    header->version = GATEHOUSE_RULES_VERSION;
    header->size = (uint32_t)b->size;
    header->set_count = b->set_count;
    header->rule_count = b->rule_count;
    rules = put_sets(b, b->image + sizeof(*header), numbers);
    if (b->rules_size != 0)
        memcpy(rules, b->rules, b->rules_size);
    for (const struct gatehouse_set *set = rule_image_set(b->image, 0); set != NULL;
         set = rule_image_next_set(b->image, set))
        hashes[i++] = rule_set_hash(set);
    for (const struct gatehouse_rule *rule = rule_image_first_rule(b->image); rule != NULL;
         rule = rule_image_next_rule(b->image, rule))
        renumber((struct gatehouse_rule *)(uintptr_t)rule, numbers);
    give_ids(b, hashes);
    builder_check(b);
    free(numbers);
    free(hashes);
}

void builder_check(struct rule_builder *b)
{
    ((struct gatehouse_rules_image *)(void *)b->image)->check = rule_image_sum(b->image, b->size);
}

struct gatehouse_rule *builder_rule_at(struct rule_builder *b, uint32_t number)
{
    const struct gatehouse_rule *rule = rule_image_first_rule(b->image);

    while (number-- != 0)
        rule = rule_image_next_rule(b->image, rule);
    return (struct gatehouse_rule *)(uintptr_t)rule;
}
