/* SPDX-License-Identifier: MIT */
/*
 * answer_table.c - see answer_table.h.
 */
#include "core/answer_table.h"

bool answer_table_init(struct answer_table *table, const struct core_memory *memory, uint32_t limit)
{
    memset(table, 0, sizeof(*table));
    list_init(&table->all);
    return slot_pool_init(&table->slots, memory, (sizeof(struct answer) + 15u) & ~15u, limit);
}

void answer_table_cleanup(struct answer_table *table)
{
    slot_pool_cleanup(&table->slots);
}

uint32_t answer_table_count(const struct answer_table *table)
{
    return table->slots.used;
}

struct answer *answer_table_find(const struct answer_table *table, const struct program *program,
                                 const struct destination *to)
{
    for (struct list_link *link = table->all.next; link != &table->all; link = link->next) {
        struct answer *answer = core_container(link, struct answer, all);
        if (answer->program == program && answer->anywhere == (to == NULL) &&
            (to == NULL || destination_equal(&answer->to, to)))
            return answer;
    }
    return NULL;
}

struct answer *answer_table_add(struct answer_table *table, struct program *program, const struct destination *to)
{
    struct answer *answer = (struct answer *)slot_pool_take(&table->slots);

    if (answer == NULL)
        return NULL;
    answer->program = program;
    answer->anywhere = to == NULL;
    if (to != NULL)
        answer->to = *to;
    answer->ends = ANSWER_NEVER;
    list_insert_last(&table->all, &answer->all);
    return answer;
}

void answer_table_remove(struct answer_table *table, struct answer *answer)
{
    list_remove(&answer->all);
    slot_pool_give(&table->slots, &answer->slot);
}

struct answer *answer_table_next(const struct answer_table *table)
{
    struct answer *soonest = NULL;

    for (struct list_link *link = table->all.next; link != &table->all; link = link->next) {
        struct answer *answer = core_container(link, struct answer, all);
        if (answer->ends != ANSWER_NEVER && (soonest == NULL || answer->ends < soonest->ends))
            soonest = answer;
    }
    return soonest;
}

struct answer *answer_table_any(const struct answer_table *table)
{
    struct list_link *link = list_first(&table->all);

    return link == NULL ? NULL : core_container(link, struct answer, all);
}
