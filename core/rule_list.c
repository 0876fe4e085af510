/* SPDX-License-Identifier: MIT */
/*
 * rule_list.c - see rule_list.h.
 */
#include "core/rule_list.h"

#define WEIGHTS  (1ull << 40) /* above a base */
#define STEP_MAX (1ull << 20) /* a million rules fit so, and most insertions find room */

static void *take(const struct rule_list *list, size_t count, size_t size)
{
    return list->memory->allocate(list->memory->context, (count + 1) * size);
}

static void give(const struct rule_list *list, const void *p, size_t count, size_t size)
{
    if (p != NULL)
        list->memory->release(list->memory->context, (void *)(uintptr_t)p, (count + 1) * size);
}

static void give_sets(struct rule_list *list)
{
    give(list, list->sets, list->head.set_count, sizeof(*list->sets));
    list->sets = NULL;
}

static void give_tables(struct rule_list *list)
{
    give_sets(list);
    give(list, list->entries, list->head.rule_count, sizeof(*list->entries));
    give(list, list->by_id, list->by_id_size, sizeof(*list->by_id));
}

static uint32_t id_slot(const struct rule_list *list, uint64_t id)
{
    return (uint32_t)(id ^ id >> 32) & (list->by_id_size - 1);
}

static void fill_sets(struct rule_list *list)
{
    uint32_t i = 0;

    for (const struct gatehouse_set *set = rule_image_set(list->image, 0); set != NULL;
         set = rule_image_next_set(list->image, set))
        list->sets[i++] = set;
}

/* The rule, which lies in the list's image. */
static struct gatehouse_rule *writable(const struct rule_list *list, const struct gatehouse_rule *rule)
{
    return (void *)((uint8_t *)list->image + ((const uint8_t *)rule - (const uint8_t *)list->image));
}

static void fill(struct rule_list *list)
{
    fill_sets(list);
    list->tail = list->image->rule_count;
    for (const struct gatehouse_rule *rule = rule_image_first_rule(list->image); rule != NULL;
         rule = rule_image_next_rule(list->image, rule)) {
        bool of_tail = rule->place == GATEHOUSE_PLACE_FILE ? rule->action == GATEHOUSE_RULE_ASK
                                                           : rule->place == GATEHOUSE_PLACE_ASK;
        uint32_t slot = id_slot(list, rule->id);
        struct rule_entry *entry = &list->entries[list->count];

        if (of_tail && list->count < list->tail)
            list->tail = list->count;
        list->count++;
        entry->rule = writable(list, rule);
        entry->id = rule->id;
        entry->ends = rule->ends;
        entry->until = rule->until;
        while (list->by_id[slot] != 0)
            slot = (slot + 1) & (list->by_id_size - 1);
        list->by_id[slot] = list->count;
    }
}

bool rule_list_init(struct rule_list *list, const struct core_memory *memory, struct gatehouse_rules_image *image)
{
    memset(list, 0, sizeof(*list));
    list->memory = memory;
    list->image = image;
    list->head = *image;
    list->by_id_size = 2;
    while (list->by_id_size < 2 * image->rule_count)
        list->by_id_size *= 2;
    list->sets = take(list, image->set_count, sizeof(*list->sets));
    list->entries = take(list, image->rule_count, sizeof(*list->entries));
    list->by_id = take(list, list->by_id_size, sizeof(*list->by_id));
    if (list->sets == NULL || list->entries == NULL || list->by_id == NULL) {
        give_tables(list);
        memset(list, 0, sizeof(*list));
        return false;
    }
    fill(list);
    return true;
}

void rule_list_cleanup(struct rule_list *list)
{
    if (list->entries != NULL)
        give_tables(list);
    if (list->image != NULL)
        list->memory->release(list->memory->context, list->image, list->image->size);
    memset(list, 0, sizeof(*list));
}

void rule_list_put_away(struct rule_list *list)
{
    if (list->image == NULL)
        return;
    list->head = *list->image;
    give_sets(list);
    list->memory->release(list->memory->context, list->image, list->image->size);
    list->image = NULL;
    for (uint32_t i = 0; i < list->count; i++)
        list->entries[i].rule = NULL;
}

/* It has as many rules. */
static bool is_of_list(const struct rule_list *list, const struct gatehouse_rules_image *image)
{
    uint32_t i = 0;

    for (const struct gatehouse_rule *rule = rule_image_first_rule(image); rule != NULL;
         rule = rule_image_next_rule(image, rule)) {
        if (rule->id != list->entries[i].id || rule->until != list->entries[i].until)
            return false;
        i++;
    }
    return true;
}

/* Ends that came while the image was away. */
static void enter_ends(struct rule_list *list)
{
    bool changed = false;

    for (uint32_t i = 0; i < list->count; i++) {
        struct rule_entry *entry = &list->entries[i];

        changed = changed || entry->rule->ends != entry->ends;
        entry->rule->ends = entry->ends;
    }
    if (!changed)
        return;
    list->stored = false;
    list->image->check = rule_image_sum(list->image, list->image->size);
}

bool rule_list_bring_back(struct rule_list *list, struct gatehouse_rules_image *image, bool *no_memory)
{
    uint32_t i = 0;

    *no_memory = false;
    if (memcmp(image, &list->head, sizeof(list->head)) != 0 || !is_of_list(list, image))
        return false;
    list->sets = take(list, image->set_count, sizeof(*list->sets));
    *no_memory = list->sets == NULL;
    if (list->sets == NULL)
        return false;
    list->image = image;
    fill_sets(list);
    for (const struct gatehouse_rule *rule = rule_image_first_rule(image); rule != NULL;
         rule = rule_image_next_rule(image, rule))
        list->entries[i++].rule = writable(list, rule);
    enter_ends(list);
    return true;
}

struct rule_entry *rule_list_find(const struct rule_list *list, uint64_t id)
{
    if (list->entries == NULL)
        return NULL;
    for (uint32_t slot = id_slot(list, id); list->by_id[slot] != 0; slot = (slot + 1) & (list->by_id_size - 1)) {
        struct rule_entry *entry = &list->entries[list->by_id[slot] - 1];

        if (entry->id == id)
            return entry;
    }
    return NULL;
}

/* How often each meaning came so far. */
struct meaning {
    uint64_t id;
    uint32_t count;
};

static bool ids_are_right(const struct rule_list *list, uint64_t *set_hashes, struct meaning *meanings)
{
    for (uint32_t i = 0; i < list->image->set_count; i++)
        set_hashes[i] = rule_set_hash(list->sets[i]);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct gatehouse_rule *rule = list->entries[i].rule;
        uint64_t id = rule_id(rule, set_hashes, 0);
        uint32_t slot = id_slot(list, id);

        while (meanings[slot].id != 0 && meanings[slot].id != id)
            slot = (slot + 1) & (list->by_id_size - 1);
        meanings[slot].id = id;
        if (meanings[slot].count != 0)
            id = rule_id(rule, set_hashes, meanings[slot].count);
        meanings[slot].count++;
        if (rule->id != id)
            return false;
    }
    return true;
}

enum rule_ids rule_list_check_ids(const struct rule_list *list)
{
    uint64_t *set_hashes = take(list, list->image->set_count, sizeof(*set_hashes));
    struct meaning *meanings = take(list, list->by_id_size, sizeof(*meanings));
    enum rule_ids result = RULE_IDS_NO_MEMORY;

    if (set_hashes != NULL && meanings != NULL)
        result = ids_are_right(list, set_hashes, meanings) ? RULE_IDS_RIGHT : RULE_IDS_WRONG;
    give(list, set_hashes, list->image->set_count, sizeof(*set_hashes));
    give(list, meanings, list->by_id_size, sizeof(*meanings));
    return result;
}

uint64_t rule_list_ranges_named(const struct rule_list *list)
{
    uint64_t ranges = 0;

    for (uint32_t i = 0; i < list->count; i++) {
        const struct gatehouse_rule *rule = list->entries[i].rule;

        for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
             part = rule_next_part(rule, part)) {
            if (part->type >= GATEHOUSE_PART_REMOTE && part->type <= GATEHOUSE_PART_LOCAL_PORT)
                ranges += list->sets[rule_part_set(part)]->count;
        }
    }
    return ranges;
}

/* A head or a tail. */
struct stretch {
    struct rule_entry *entries;
    uint32_t count;
};

static bool same_rule(const struct rule_entry *a, const struct rule_entry *b)
{
    return a->id == b->id;
}

/* The entries from first to before last get weights below high and above low. */
static void spread(struct rule_entry *entries, uint32_t count, uint64_t high, bool high_taken, uint64_t low,
                   bool low_taken)
{
    uint64_t step = (high - low) / ((uint64_t)count + 1), first;

    if (step > STEP_MAX)
        step = STEP_MAX;
    if (low_taken && !high_taken)
        first = low + step * count;
    else if (high_taken)
        first = high - step;
    else
        first = low + (high - low + step * count) / 2;
    for (uint32_t i = 0; i < count; i++)
        entries[i].weight = first - step * i;
}

static void weigh(const struct stretch *now, const struct stretch *before, uint64_t base)
{
    uint32_t front = 0, back = 0, count;
    uint64_t high, low;

    while (front < now->count && front < before->count && same_rule(&now->entries[front], &before->entries[front])) {
        now->entries[front].weight = before->entries[front].weight;
        front++;
    }
    while (back < now->count - front && back < before->count - front &&
           same_rule(&now->entries[now->count - 1 - back], &before->entries[before->count - 1 - back])) {
        now->entries[now->count - 1 - back].weight = before->entries[before->count - 1 - back].weight;
        back++;
    }
    count = now->count - front - back;
    if (count == 0)
        return;
    high = front != 0 ? now->entries[front - 1].weight : base + WEIGHTS;
    low = back != 0 ? now->entries[now->count - back].weight : base;
    if (high - low > count)
        spread(now->entries + front, count, high, front != 0, low, back != 0);
    else
        spread(now->entries, now->count, base + WEIGHTS, false, base, false);
}

/* What the entry takes over from the one that was in force before. */
static void inherit(struct rule_entry *now, struct rule_entry *before)
{
    now->ends = now->rule->ends = before->ends;
    if (before->rule != NULL)
        now->rule->added = before->rule->added;
    now->ended = before->ended;
    if (now->ended || now->weight != before->weight)
        return;
    now->number = before->number;
    now->filters = before->filters;
    now->stays = before->stays = true;
}

/* The list's tail; NULL has no places behind it. */
static struct stretch tail_of(const struct rule_list *list)
{
    const struct stretch tail = {list->entries == NULL ? NULL : list->entries + list->tail, list->count - list->tail};

    return tail;
}

void rule_list_follow(struct rule_list *list, struct rule_list *before, const struct rule_bases *bases)
{
    const struct stretch head = {list->entries, list->tail}, head_before = {before->entries, before->tail};
    const struct stretch tail = tail_of(list), tail_before = tail_of(before);

    weigh(&head, &head_before, bases->head);
    weigh(&tail, &tail_before, bases->tail);
    for (uint32_t i = 0; i < list->count; i++) {
        struct rule_entry *was = rule_list_find(before, list->entries[i].id);

        if (was != NULL)
            inherit(&list->entries[i], was);
    }
}

void rule_list_unfollow(struct rule_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        list->entries[i].stays = false;
}
