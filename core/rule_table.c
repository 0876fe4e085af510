/* SPDX-License-Identifier: MIT */
/*
 * rule_table.c - see rule_table.h.
 */
#include "core/rule_table.h"

#define SLOT_SIZE(type) ((uint32_t)((sizeof(type) + 15u) & ~(size_t)15u))

struct watch {
    struct slot_header slot;
    struct hash_node by_process;
    uint64_t process;
    uint64_t number; /* of the rule: it may be gone before the process */
};

bool rule_table_init(struct rule_table *table, const struct core_memory *memory, uint32_t limit, uint64_t seed)
{
    memset(table, 0, sizeof(*table));
    table->memory = memory;
    list_init(&table->retired);
    if (slot_pool_init(&table->slots, memory, SLOT_SIZE(struct live_rule), limit) &&
        slot_pool_init(&table->watches, memory, SLOT_SIZE(struct watch), RULE_TABLE_PROCESSES_MAX) &&
        hash_index_init(&table->by_process, memory, RULE_TABLE_PROCESSES_MAX, seed))
        return true;
    slot_pool_cleanup(&table->watches);
    slot_pool_cleanup(&table->slots);
    memset(table, 0, sizeof(*table));
    return false;
}

void rule_table_cleanup(struct rule_table *table)
{
    if (table->memory == NULL)
        return;
    rule_table_sweep(table);
    hash_index_cleanup(&table->by_process);
    slot_pool_cleanup(&table->watches);
    slot_pool_cleanup(&table->slots);
    memset(table, 0, sizeof(*table));
}

uint64_t rule_table_add(struct rule_table *table, const struct gatehouse_rule *rule)
{
    struct gatehouse_rule *copy = table->memory->allocate(table->memory->context, rule->size);
    struct live_rule *live;

    if (copy == NULL)
        return 0;
    live = (struct live_rule *)slot_pool_take(&table->slots);
    if (live == NULL) {
        table->memory->release(table->memory->context, copy, rule->size);
        return 0;
    }
    memcpy(copy, rule, rule->size);
    live->rule = copy;
    live->references = 1;
    return live->slot.id;
}

struct live_rule *rule_table_get(struct rule_table *table, uint64_t number)
{
    struct live_rule *live = (struct live_rule *)slot_pool_find(&table->slots, number);

    if (live != NULL)
        live->references++;
    return live;
}

void rule_table_put(struct rule_table *table, struct live_rule *live)
{
    if (--live->references != 0)
        return;
    table->memory->release(table->memory->context, (void *)live->rule, live->rule->size);
    slot_pool_give(&table->slots, &live->slot);
}

void rule_table_retire(struct rule_table *table, uint64_t number)
{
    struct live_rule *live = (struct live_rule *)slot_pool_find(&table->slots, number);

    if (live != NULL)
        list_insert_last(&table->retired, &live->slot.list);
}

void rule_table_sweep(struct rule_table *table)
{
    for (struct list_link *link = list_first(&table->retired); link != NULL; link = list_first(&table->retired)) {
        list_remove(link);
        rule_table_put(table, core_container(link, struct live_rule, slot.list));
    }
}

static uint32_t process_hash(const struct rule_table *table, uint64_t process)
{
    return hash_finish(hash_add(table->by_process.seed, process));
}

bool rule_table_watch(struct rule_table *table, struct live_rule *live, uint64_t process)
{
    uint32_t hash = process_hash(table, process);
    struct watch *watch;

    for (struct hash_node *node = hash_index_first(&table->by_process, hash); node != NULL;
         node = hash_index_next(node)) {
        watch = core_container(node, struct watch, by_process);
        if (watch->process == process && watch->number == live->slot.id)
            return true;
    }
    watch = (struct watch *)slot_pool_take(&table->watches);
    if (watch == NULL)
        return false;
    watch->process = process;
    watch->number = live->slot.id;
    hash_index_insert(&table->by_process, &watch->by_process, hash);
    live->processes++;
    return true;
}

/* TRUE: its rule is over with it. */
static bool watch_end(struct rule_table *table, struct watch *watch)
{
    struct live_rule *live = (struct live_rule *)slot_pool_find(&table->slots, watch->number);

    hash_index_remove(&table->by_process, &watch->by_process);
    slot_pool_give(&table->watches, &watch->slot);
    if (live == NULL || --live->processes != 0)
        return false;
    live->over = true;
    return true;
}

bool rule_table_process_exited(struct rule_table *table, uint64_t process)
{
    struct hash_node *next;
    bool over = false;

    for (struct hash_node *node = hash_index_first(&table->by_process, process_hash(table, process)); node != NULL;
         node = next) {
        struct watch *watch = core_container(node, struct watch, by_process);

        next = hash_index_next(node);
        if (watch->process == process && watch_end(table, watch))
            over = true;
    }
    return over;
}

bool rule_table_is_over(const struct rule_table *table, uint64_t number)
{
    const struct live_rule *live = (const struct live_rule *)slot_pool_find(&table->slots, number);

    return live != NULL && live->over;
}
