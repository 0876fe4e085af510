/* SPDX-License-Identifier: MIT */
/*
 * verdict_table.c - see verdict_table.h.
 */
#include "core/verdict_table.h"

static bool endpoint_matches(const struct group_link *link, const void *key)
{
    return core_container(link, struct verdict_entry, by_endpoint)->endpoint == *(const uint64_t *)key;
}

static uint32_t endpoint_hash(const struct verdict_table *table, uint64_t endpoint)
{
    return hash_finish(hash_add(table->by_endpoint.hash.seed, endpoint));
}

static uint32_t flow_hash(const struct verdict_table *table, uint64_t endpoint, const struct destination *to)
{
    uint64_t words[2];
    uint64_t state = hash_add(table->by_flow.seed, endpoint);

    memcpy(words, to->address, sizeof(words));
    state = hash_add(state, (uint64_t)to->ip_version << 24 | (uint64_t)to->protocol << 16 | to->port);
    return hash_finish(hash_add(hash_add(state, words[0]), words[1]));
}

bool verdict_table_init(struct verdict_table *table, const struct core_memory *memory, uint32_t limit, uint64_t seed)
{
    memset(table, 0, sizeof(*table));
    list_init(&table->recent);
    if (slot_pool_init(&table->slots, memory, (sizeof(struct verdict_entry) + 15u) & ~15u, limit) &&
        group_index_init(&table->by_endpoint, memory, limit, seed, endpoint_matches) &&
        hash_index_init(&table->by_flow, memory, limit, seed + 1u))
        return true;
    verdict_table_cleanup(table);
    return false;
}

void verdict_table_cleanup(struct verdict_table *table)
{
    hash_index_cleanup(&table->by_flow);
    group_index_cleanup(&table->by_endpoint);
    slot_pool_cleanup(&table->slots);
}

uint32_t verdict_table_count(const struct verdict_table *table)
{
    return table->slots.used;
}

static struct verdict_entry *entry_find(const struct verdict_table *table, uint64_t endpoint,
                                        const struct destination *to)
{
    struct hash_node *node = hash_index_first(&table->by_flow, flow_hash(table, endpoint, to));

    for (; node != NULL; node = hash_index_next(node)) {
        struct verdict_entry *entry = core_container(node, struct verdict_entry, by_flow);
        if (entry->endpoint == endpoint && destination_equal(&entry->to, to))
            return entry;
    }
    return NULL;
}

static void entry_remove(struct verdict_table *table, struct verdict_entry *entry)
{
    list_remove(&entry->recent);
    group_index_remove(&table->by_endpoint, &entry->by_endpoint);
    hash_index_remove(&table->by_flow, &entry->by_flow);
    slot_pool_give(&table->slots, &entry->slot);
}

static void entry_touch(struct verdict_table *table, struct verdict_entry *entry)
{
    list_remove(&entry->recent);
    list_insert_last(&table->recent, &entry->recent);
}

/* A slot, if need be that of the entry longest unused. */
static struct verdict_entry *entry_take(struct verdict_table *table, struct verdict_flow *evicted)
{
    struct verdict_entry *entry = (struct verdict_entry *)slot_pool_take(&table->slots);
    struct list_link *oldest = list_first(&table->recent);

    if (entry == NULL && oldest != NULL) {
        struct verdict_entry *victim = core_container(oldest, struct verdict_entry, recent);
        evicted->flow = victim->flow;
        evicted->layer = victim->flow_layer;
        entry_remove(table, victim);
        entry = (struct verdict_entry *)slot_pool_take(&table->slots);
    }
    return entry;
}

/* What is there, or a new one without a verdict. NULL: no memory. */
static struct verdict_entry *entry_make(struct verdict_table *table, uint64_t endpoint, const struct destination *to,
                                        struct verdict_flow *evicted)
{
    struct verdict_entry *entry = entry_find(table, endpoint, to);

    evicted->flow = 0;
    evicted->layer = 0;
    if (entry == NULL) {
        entry = entry_take(table, evicted);
        if (entry == NULL)
            return NULL;
        entry->endpoint = endpoint;
        entry->to = *to;
        list_init(&entry->recent);
        group_index_insert(&table->by_endpoint, &entry->by_endpoint, endpoint_hash(table, endpoint), &endpoint);
        hash_index_insert(&table->by_flow, &entry->by_flow, flow_hash(table, endpoint, to));
    }
    entry_touch(table, entry);
    return entry;
}

bool verdict_table_put(struct verdict_table *table, uint64_t endpoint, const struct destination *to,
                       enum gatehouse_verdict verdict, struct verdict_flow *evicted)
{
    struct verdict_entry *entry = entry_make(table, endpoint, to, evicted);

    if (entry != NULL)
        entry->verdict = (uint8_t)verdict;
    return entry != NULL;
}

bool verdict_table_note_rule(struct verdict_table *table, uint64_t endpoint, const struct destination *to,
                             uint64_t rule, struct verdict_flow *evicted)
{
    struct verdict_entry *entry = entry_make(table, endpoint, to, evicted);

    if (entry != NULL)
        entry->rule = rule;
    return entry != NULL;
}

uint64_t verdict_table_rule(const struct verdict_table *table, uint64_t endpoint, const struct destination *to)
{
    const struct verdict_entry *entry = entry_find(table, endpoint, to);

    return entry == NULL ? 0 : entry->rule;
}

/* With a flow, the entry has to stay for its context. */
void verdict_table_block(struct verdict_table *table, uint64_t endpoint, const struct destination *to)
{
    struct verdict_entry *entry = entry_find(table, endpoint, to);

    if (entry != NULL && entry->flow != 0)
        entry->verdict = GATEHOUSE_VERDICT_BLOCK;
    else if (entry != NULL)
        entry_remove(table, entry);
}

enum gatehouse_verdict verdict_table_get(struct verdict_table *table, uint64_t endpoint, const struct destination *to)
{
    struct verdict_entry *entry = entry_find(table, endpoint, to);

    if (entry == NULL)
        return GATEHOUSE_VERDICT_NONE;
    entry_touch(table, entry);
    return (enum gatehouse_verdict)entry->verdict;
}

uint64_t verdict_table_set_flow(struct verdict_table *table, uint64_t endpoint, const struct destination *to,
                                uint64_t flow, uint16_t layer)
{
    struct verdict_entry *entry = entry_find(table, endpoint, to);

    if (entry == NULL || entry->flow != 0)
        return 0;
    entry->flow = flow;
    entry->flow_layer = layer;
    return entry->slot.id;
}

bool verdict_table_has(const struct verdict_table *table, uint64_t context)
{
    return slot_pool_find(&table->slots, context) != NULL;
}

void verdict_table_flow_deleted(struct verdict_table *table, uint64_t context)
{
    struct verdict_entry *entry = (struct verdict_entry *)slot_pool_find(&table->slots, context);

    if (entry != NULL)
        entry_remove(table, entry);
}

void verdict_table_clear_flow(struct verdict_table *table, uint64_t context)
{
    struct verdict_entry *entry = (struct verdict_entry *)slot_pool_find(&table->slots, context);

    if (entry != NULL)
        entry->flow = 0;
}

uint32_t verdict_table_endpoint_closed(struct verdict_table *table, uint64_t endpoint)
{
    struct group_link *leader = group_index_find(&table->by_endpoint, endpoint_hash(table, endpoint), &endpoint);
    struct list_link doomed;
    uint32_t count = 0;

    list_init(&doomed);
    for (struct group_link *link = leader; link != NULL; link = group_next(leader, link)) {
        struct verdict_entry *entry = core_container(link, struct verdict_entry, by_endpoint);
        if (entry->flow == 0) {
            list_remove(&entry->recent);
            list_insert_last(&doomed, &entry->recent);
        }
    }
    for (; !list_is_empty(&doomed); count++)
        entry_remove(table, core_container(list_first(&doomed), struct verdict_entry, recent));
    return count;
}

struct verdict_flow verdict_table_any_flow(const struct verdict_table *table, uint64_t *context)
{
    struct verdict_flow found = {0, 0};

    for (struct list_link *link = table->recent.next; link != &table->recent; link = link->next) {
        const struct verdict_entry *entry = core_container(link, struct verdict_entry, recent);
        if (entry->flow != 0) {
            found.flow = entry->flow;
            found.layer = entry->flow_layer;
            *context = entry->slot.id;
            break;
        }
    }
    return found;
}
