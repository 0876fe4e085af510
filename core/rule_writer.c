/* SPDX-License-Identifier: MIT */
/*
 * rule_writer.c - see rule_writer.h.
 */
#include "core/rule_writer.h"

#define UNUSED UINT32_MAX

struct writing {
    const struct core_memory *memory;
    const struct rule_source *sources;
    uint32_t source_count;
    const struct rule_pick *picks;
    uint32_t count;
    uint32_t *numbers; /* of the sets of all sources, one source behind the other: their number here, or UNUSED */
    uint32_t all_sets;
    uint32_t set_count;
    uint64_t size;
};

static bool names_set(const struct gatehouse_rule_part *part)
{
    return part->type >= GATEHOUSE_PART_REMOTE && part->type <= GATEHOUSE_PART_LOCAL_PORT;
}

/* Where the numbers of this source's sets begin. */
static uint32_t *numbers_of(const struct writing *w, uint32_t source)
{
    uint32_t *at = w->numbers;

    for (uint32_t i = 0; i < source; i++)
        at += w->sources[i].image->set_count;
    return at;
}

static void mark_used(struct writing *w)
{
    for (uint32_t i = 0; i < w->count; i++) {
        const struct gatehouse_rule *rule = w->picks[i].rule;
        uint32_t *numbers = numbers_of(w, w->picks[i].source);

        for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
             part = rule_next_part(rule, part)) {
            if (names_set(part))
                numbers[rule_part_set(part)] = 0;
        }
        w->size += rule->size;
    }
}

/* Kind by kind, as images have them. out NULL: numbers them and adds up their sizes. */
static uint8_t *put_sets(struct writing *w, uint8_t *out)
{
    for (unsigned kind = GATEHOUSE_SET_V4; kind <= GATEHOUSE_SET_PORT; kind++) {
        for (uint32_t source = 0; source < w->source_count; source++) {
            uint32_t *numbers = numbers_of(w, source);

            for (uint32_t i = 0; i < w->sources[source].image->set_count; i++) {
                const struct gatehouse_set *set = w->sources[source].sets[i];

                if (numbers[i] == UNUSED || set->kind != kind)
                    continue;
                if (out == NULL) {
                    numbers[i] = w->set_count++;
                    w->size += set->size;
                } else {
                    memcpy(out, set, set->size);
                    out += set->size;
                }
            }
        }
    }
    return out;
}

static void put_rules(const struct writing *w, uint8_t *out)
{
    for (uint32_t i = 0; i < w->count; i++) {
        struct gatehouse_rule *rule = (void *)out;
        const uint32_t *numbers = numbers_of(w, w->picks[i].source);

        memcpy(rule, w->picks[i].rule, w->picks[i].rule->size);
        for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
             part = rule_next_part(rule, part)) {
            uint32_t *data = (uint32_t *)(void *)((uint8_t *)rule + ((const uint8_t *)(part + 1) - (uint8_t *)rule));

            if (names_set(part))
                data[0] = numbers[data[0]];
        }
        out += rule->size;
    }
}

static struct gatehouse_rules_image *image_write(struct writing *w)
{
    struct gatehouse_rules_image *image;

    w->size = sizeof(*image);
    mark_used(w);
    (void)put_sets(w, NULL);
    if (w->size > GATEHOUSE_IMAGE_MAX_SIZE)
        return NULL;
    image = w->memory->allocate(w->memory->context, (size_t)w->size);
    if (image == NULL)
        return NULL;
    image->magic = GATEHOUSE_RULES_MAGIC;
    image->version = GATEHOUSE_RULES_VERSION;
    image->size = (uint32_t)w->size;
    image->set_count = w->set_count;
    image->rule_count = w->count;
    put_rules(w, put_sets(w, (uint8_t *)(image + 1)));
    image->check = rule_image_sum(image, image->size);
    return image;
}

struct gatehouse_rules_image *rule_image_write(const struct core_memory *memory, const struct rule_source *sources,
                                               uint32_t source_count, const struct rule_pick *picks, uint32_t count)
{
    struct writing w = {memory, sources, source_count, picks, count, NULL, 0, 0, 0};
    struct gatehouse_rules_image *image;
    size_t size;

    for (uint32_t i = 0; i < source_count; i++)
        w.all_sets += sources[i].image->set_count;
    size = ((size_t)w.all_sets + 1) * sizeof(*w.numbers);
    w.numbers = memory->allocate(memory->context, size);
    if (w.numbers == NULL)
        return NULL;
    for (uint32_t i = 0; i < w.all_sets; i++)
        w.numbers[i] = UNUSED;
    image = image_write(&w);
    memory->release(memory->context, w.numbers, size);
    return image;
}

/* --- Picking ---------------------------------------------------------------------------------- */

static struct rule_source source_of(const struct rule_list *list)
{
    static const struct gatehouse_rules_image nothing;
    struct rule_source source = {&nothing, NULL};

    if (list != NULL && list->image != NULL) {
        source.image = list->image;
        source.sets = list->sets;
    }
    return source;
}

bool rule_picking_begin(struct rule_picking *picking, const struct core_memory *memory, const struct rule_list *first,
                        const struct rule_list *second)
{
    picking->memory = memory;
    picking->sources[0] = source_of(first);
    picking->sources[1] = source_of(second);
    picking->count = 0;
    picking->room = first->count + (second == NULL ? 0 : second->count) + 1;
    picking->picks = memory->allocate(memory->context, picking->room * sizeof(*picking->picks));
    return picking->picks != NULL;
}

void rule_pick(struct rule_picking *picking, uint32_t source, const struct gatehouse_rule *rule)
{
    picking->picks[picking->count].rule = rule;
    picking->picks[picking->count++].source = source;
}

struct gatehouse_rules_image *rule_picking_end(struct rule_picking *picking, uint32_t most)
{
    struct gatehouse_rules_image *image = NULL;

    if (picking->count <= most)
        image = rule_image_write(picking->memory, picking->sources, 2, picking->picks, picking->count);
    picking->memory->release(picking->memory->context, picking->picks, picking->room * sizeof(*picking->picks));
    return image;
}

/* --- One answer ------------------------------------------------------------------------------ */

/* Room for the header, an address set, a port set, the rule and its parts but for path and name. */
#define ANSWER_ROOM 512u

struct answer_image {
    struct gatehouse_rules_image *image;
    uint8_t *end;
    struct gatehouse_rule *rule;
};

static void put_set(struct answer_image *a, uint16_t kind, const void *range, uint32_t range_size)
{
    struct gatehouse_set *set = (void *)a->end;

    set->kind = kind;
    set->count = 1;
    set->size = ((uint32_t)sizeof(*set) + range_size + 7u) & ~7u;
    memcpy(set + 1, range, range_size);
    a->end += set->size;
    a->image->set_count++;
}

static void put_part(struct answer_image *a, uint16_t type, const void *data, uint16_t size)
{
    struct gatehouse_rule_part *part = (void *)a->end;

    part->type = type;
    part->data_size = size;
    part->size = ((uint32_t)sizeof(*part) + size + 7u) & ~7u;
    memcpy(part + 1, data, size);
    a->end += part->size;
    a->rule->size += part->size;
    a->rule->part_count++;
}

static bool has_ports(const struct destination *to)
{
    return to->protocol == 6 || to->protocol == 17;
}

static void put_address_set(struct answer_image *a, const struct destination *to)
{
    if (to->ip_version == 6) {
        struct gatehouse_range_v6 range;

        memcpy(range.low, to->address, sizeof(range.low));
        memcpy(range.high, to->address, sizeof(range.high));
        put_set(a, GATEHOUSE_SET_V6, &range, sizeof(range));
    } else {
        uint32_t address = (uint32_t)to->address[0] << 24 | (uint32_t)to->address[1] << 16 |
                           (uint32_t)to->address[2] << 8 | to->address[3];
        struct gatehouse_range_v4 range = {address, address};

        put_set(a, GATEHOUSE_SET_V4, &range, sizeof(range));
    }
}

static void put_sets_of(struct answer_image *a, const struct rule_answer *answer)
{
    const struct destination *to = answer->to;

    if (!answer->any_address)
        put_address_set(a, to);
    if (has_ports(to)) {
        struct gatehouse_range_port range = {to->port, to->port};

        put_set(a, GATEHOUSE_SET_PORT, &range, sizeof(range));
    }
}

static void put_parts_of(struct answer_image *a, const struct rule_answer *answer)
{
    const struct destination *to = answer->to;
    const uint32_t address[2] = {0, 0}, port[2] = {answer->any_address ? 0 : 1, 0};

    put_part(a, GATEHOUSE_PART_PROTOCOL, &to->protocol, 1);
    if (!answer->any_address)
        put_part(a, GATEHOUSE_PART_REMOTE, address, sizeof(address));
    if (has_ports(to))
        put_part(a, GATEHOUSE_PART_REMOTE_PORT, port, sizeof(port));
}

static void put_answer(struct answer_image *a, const struct rule_answer *answer)
{
    const struct destination *to = answer->to;

    if (to != NULL)
        put_sets_of(a, answer);
    a->rule = (void *)a->end;
    a->rule->size = sizeof(*a->rule);
    a->end += a->rule->size;
    a->rule->action = answer->action;
    a->rule->direction = GATEHOUSE_RULE_OUT;
    a->rule->family = to == NULL || answer->any_address ? 0 : to->ip_version;
    a->rule->until = answer->until;
    a->rule->place = GATEHOUSE_PLACE_ASK;
    a->rule->lifetime_ms = answer->until == GATEHOUSE_UNTIL_TIME ? answer->lifetime_ms : 0;
    put_part(a, GATEHOUSE_PART_PROGRAM, answer->path, answer->path_size);
    if (to != NULL)
        put_parts_of(a, answer);
    if (answer->name != NULL)
        put_part(a, GATEHOUSE_PART_NAME, answer->name, answer->name_size);
}

struct gatehouse_rules_image *rule_image_of_answer(const struct core_memory *memory, const struct rule_answer *answer)
{
    size_t room = ANSWER_ROOM + answer->path_size + answer->name_size;
    struct answer_image a = {memory->allocate(memory->context, room), NULL, NULL};
    struct gatehouse_rules_image *image;

    if (a.image == NULL)
        return NULL;
    a.image->magic = GATEHOUSE_RULES_MAGIC;
    a.image->version = GATEHOUSE_RULES_VERSION;
    a.image->rule_count = 1;
    a.end = (uint8_t *)(a.image + 1);
    put_answer(&a, answer);
    a.image->size = (uint32_t)(a.end - (uint8_t *)a.image);
    a.rule->id = rule_image_id(a.image, a.rule, 0);
    a.image->check = rule_image_sum(a.image, a.image->size);
    /* The memory is given back by the size that the image says. */
    image = memory->allocate(memory->context, a.image->size);
    if (image != NULL)
        memcpy(image, a.image, a.image->size);
    memory->release(memory->context, a.image, room);
    return image;
}
