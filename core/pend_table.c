/* SPDX-License-Identifier: MIT */
/*
 * pend_table.c - see pend_table.h.
 *
 * An undecided entry is in: one queue or one owner's list, the wheel, the three group indexes and
 * its program's list. Claiming takes it out of all but by_endpoint and by_flow, which the
 * reauthorization and the endpoint's closure need; releasing takes it out of those.
 */
#include "core/pend_table.h"

struct flow_key {
    uint64_t endpoint;
    const struct destination *to;
};

struct destination_key {
    const struct program *program;
    const struct destination *to;
};

static bool endpoint_matches(const struct group_link *link, const void *key)
{
    return core_container(link, struct pend_entry, by_endpoint)->connection.endpoint == *(const uint64_t *)key;
}

static bool flow_matches(const struct group_link *link, const void *key)
{
    const struct pend_entry *entry = core_container(link, struct pend_entry, by_flow);
    const struct flow_key *flow = key;

    return entry->connection.endpoint == flow->endpoint && connection_goes_to(&entry->connection, flow->to);
}

static bool destination_matches(const struct group_link *link, const void *key)
{
    const struct pend_entry *entry = core_container(link, struct pend_entry, by_destination);
    const struct destination_key *wanted = key;

    return entry->program == wanted->program && connection_goes_to(&entry->connection, wanted->to);
}

/*
 * Endpoint handles are given out in rising order, so neighbours in time get neighbouring buckets: with a million held,
 * memory that was just touched is touched again. The multiple keeps handles that are multiples of a power of two apart.
 * The system picks these handles; what others pick, the destination, is mixed with the secret seed.
 */
static uint32_t local_hash(uint64_t endpoint)
{
    return (uint32_t)(endpoint + (endpoint >> 7) * 5u + (endpoint >> 14) * 3u);
}

static uint64_t hash_destination(uint64_t state, const struct destination *to)
{
    uint64_t words[2];

    memcpy(words, to->address, sizeof(words));
    state = hash_add(state, (uint64_t)to->ip_version << 24 | (uint64_t)to->protocol << 16 | to->port);
    return hash_add(hash_add(state, words[0]), words[1]);
}

static uint32_t flow_hash(const struct pend_table *table, uint64_t endpoint, const struct destination *to)
{
    return local_hash(endpoint) ^ hash_finish(hash_destination(table->by_flow.hash.seed, to));
}

static uint32_t destination_hash(const struct pend_table *table, const struct program *program,
                                 const struct destination *to)
{
    return hash_finish(hash_destination(hash_add(table->by_destination.hash.seed, (uintptr_t)program), to));
}

bool pend_table_init(struct pend_table *table, const struct core_memory *memory, uint32_t capacity, uint64_t seed)
{
    memset(table, 0, sizeof(*table));
    list_init(&table->queues[0]);
    list_init(&table->queues[1]);
    list_init(&table->walks);
    if (slot_pool_init(&table->slots, memory, (sizeof(struct pend_entry) + 63u) & ~63u, capacity) &&
        deadline_wheel_init(&table->wheel, memory) &&
        group_index_init(&table->by_endpoint, memory, capacity, seed, endpoint_matches) &&
        group_index_init(&table->by_flow, memory, capacity, seed + 1u, flow_matches) &&
        group_index_init(&table->by_destination, memory, capacity, seed + 2u, destination_matches) &&
        program_table_init(&table->programs, memory, capacity, seed + 3u) &&
        program_table_init(&table->names, memory, capacity, seed + 4u))
        return true;
    pend_table_cleanup(table);
    return false;
}

void pend_table_cleanup(struct pend_table *table)
{
    program_table_cleanup(&table->names);
    program_table_cleanup(&table->programs);
    group_index_cleanup(&table->by_destination);
    group_index_cleanup(&table->by_flow);
    group_index_cleanup(&table->by_endpoint);
    deadline_wheel_cleanup(&table->wheel);
    slot_pool_cleanup(&table->slots);
}

void pend_owner_init(struct pend_owner *owner)
{
    list_init(&owner->offered);
    owner->count = 0;
}

uint32_t pend_table_held(const struct pend_table *table)
{
    return table->slots.used;
}

enum pend_result pend_table_reserve(struct pend_table *table, const void *path, size_t path_size,
                                    struct pend_entry **entry)
{
    struct program *program = NULL;

    if (slot_pool_is_full(&table->slots))
        return PEND_FULL;
    if (path != NULL) {
        program = program_table_get(&table->programs, path, path_size);
        if (program == NULL)
            return PEND_NO_MEMORY;
    }

    struct pend_entry *fresh = (struct pend_entry *)slot_pool_take(&table->slots);
    if (fresh == NULL) {
        program_table_put(&table->programs, program);
        return PEND_NO_MEMORY;
    }
    fresh->program = program;
    fresh->state = PEND_NEW;
    list_init(&fresh->slot.list);
    list_init(&fresh->by_program);
    *entry = fresh;
    table->fresh++;
    return PEND_OK;
}

static void entry_free(struct pend_table *table, struct pend_entry *entry)
{
    entry->state = PEND_FREE;
    program_table_put(&table->programs, entry->program);
    program_table_put(&table->names, entry->name);
    entry->program = NULL;
    entry->name = NULL;
    slot_pool_give(&table->slots, &entry->slot);
}

void pend_table_abandon(struct pend_table *table, struct pend_entry *entry)
{
    group_index_remove(&table->by_endpoint, &entry->by_endpoint);
    table->fresh--;
    entry_free(table, entry);
}

void pend_table_set_name(struct pend_table *table, struct pend_entry *entry, const void *name, size_t size)
{
    entry->name = program_table_get(&table->names, name, size);
}

void pend_table_watch(struct pend_table *table, struct pend_entry *entry, uint64_t endpoint)
{
    entry->connection.endpoint = endpoint;
    group_index_insert(&table->by_endpoint, &entry->by_endpoint, local_hash(endpoint), &endpoint);
}

/* NEW no longer. */
static void entry_index(struct pend_table *table, struct pend_entry *entry) CORE_LOCKED(*table)
{
    struct destination to = connection_destination(&entry->connection);
    struct flow_key flow = {entry->connection.endpoint, &to};

    table->fresh--;
    if (!entry->by_endpoint.member)
        pend_table_watch(table, entry, entry->connection.endpoint);
    group_index_insert(&table->by_flow, &entry->by_flow, flow_hash(table, entry->connection.endpoint, &to), &flow);
}

void pend_table_park(struct pend_table *table, struct pend_entry *entry)
{
    struct destination to = connection_destination(&entry->connection);
    struct destination_key key = {entry->program, &to};

    entry_index(table, entry);
    if (entry->program != NULL) {
        group_index_insert(&table->by_destination, &entry->by_destination, destination_hash(table, entry->program, &to),
                           &key);
        list_insert_last(&entry->program->held, &entry->by_program);
    }
    deadline_wheel_insert(&table->wheel, &entry->due, entry->connection.held_at, entry->connection.deadline);
    entry->sequence = table->sequence++;
    list_insert_last(&table->queues[entry->connection.ip_version == 6], &entry->slot.list);
    entry->state = PEND_QUEUED;
    table->queued++;
}

struct pend_entry *pend_table_peek(const struct pend_table *table, uint32_t versions)
{
    struct pend_entry *best = NULL;

    for (uint32_t i = 0; i < 2; i++) {
        struct list_link *link = (versions & (1u << i)) != 0 ? list_first(&table->queues[i]) : NULL;
        if (link != NULL) {
            struct pend_entry *entry = core_container(link, struct pend_entry, slot.list);
            if (best == NULL || entry->sequence < best->sequence)
                best = entry;
        }
    }
    return best;
}

void pend_table_offer(struct pend_table *table, struct pend_entry *entry, struct pend_owner *owner)
{
    list_remove(&entry->slot.list);
    list_insert_last(&owner->offered, &entry->slot.list);
    owner->count++;
    entry->owner = owner;
    entry->state = PEND_OFFERED;
    table->queued--;
    table->offered++;
}

/* Newest first, each to the front: the oldest ends up foremost. Offers are made in the queue's order, so
 * everything given back is older than everything that still waits. */
uint32_t pend_table_give_back(struct pend_table *table, struct pend_owner *owner, uint32_t limit)
{
    uint32_t moved = 0;

    for (; moved < limit && owner->count != 0; moved++) {
        struct pend_entry *entry = core_container(list_last(&owner->offered), struct pend_entry, slot.list);
        list_remove(&entry->slot.list);
        list_insert_first(&table->queues[entry->connection.ip_version == 6], &entry->slot.list);
        entry->connection.flags |= GATEHOUSE_REQUEST_REOFFERED;
        entry->owner = NULL;
        entry->state = PEND_QUEUED;
        owner->count--;
        table->offered--;
        table->queued++;
    }
    return moved;
}

enum pend_result pend_table_find(const struct pend_table *table, uint64_t id, const struct pend_owner *owner,
                                 struct pend_entry **entry)
{
    struct pend_entry *found = (struct pend_entry *)slot_pool_find(&table->slots, id);

    if (found == NULL || found->state == PEND_NEW)
        return PEND_UNKNOWN;
    if (found->state >= PEND_CLAIMED)
        return PEND_DECIDED;
    if (found->state != PEND_OFFERED || found->owner != owner)
        return PEND_NOT_YOURS;
    *entry = found;
    return PEND_OK;
}

static bool is_undecided(const struct pend_entry *entry)
{
    return entry->state == PEND_QUEUED || entry->state == PEND_OFFERED;
}

struct pend_entry *pend_table_undecided(const struct pend_table *table, uint64_t id)
{
    struct pend_entry *found = (struct pend_entry *)slot_pool_find(&table->slots, id);

    return found != NULL && is_undecided(found) ? found : NULL;
}

struct pend_entry *pend_table_next_undecided(const struct pend_table *table, uint32_t *place, uint32_t *steps)
{
    struct slot_header *slot = slot_pool_next(&table->slots, place, steps);

    while (slot != NULL && !is_undecided((struct pend_entry *)slot))
        slot = slot_pool_next(&table->slots, place, steps);
    return (struct pend_entry *)slot;
}

static void entry_claim(struct pend_entry *entry, enum gatehouse_verdict verdict, enum gatehouse_decided_by by,
                        struct list_link *claimed)
{
    entry->state = PEND_CLAIMED;
    entry->verdict = (uint8_t)verdict;
    entry->by = (uint8_t)by;
    list_insert_last(claimed, &entry->slot.list);
}

/* It leaves its program's list: nobody's walk may go on there. */
static void walks_pass(struct pend_table *table, struct pend_entry *entry)
{
    for (struct list_link *link = table->walks.next; link != &table->walks; link = link->next) {
        struct pend_walk *walk = core_container(link, struct pend_walk, walks);

        if (walk->next == &entry->by_program)
            walk->next = entry->by_program.next;
    }
}

bool pend_table_claim(struct pend_table *table, struct pend_entry *entry, enum gatehouse_verdict verdict,
                      enum gatehouse_decided_by by, struct list_link *claimed)
{
    if (entry->state == PEND_OFFERED) {
        entry->owner->count--;
        entry->owner = NULL;
        table->offered--;
    } else if (entry->state == PEND_QUEUED) {
        table->queued--;
    } else {
        return false;
    }
    list_remove(&entry->slot.list);
    deadline_wheel_remove(&table->wheel, &entry->due);
    group_index_remove(&table->by_destination, &entry->by_destination);
    walks_pass(table, entry);
    list_remove(&entry->by_program);
    entry_claim(entry, verdict, by, claimed);
    return true;
}

void pend_table_park_claimed(struct pend_table *table, struct pend_entry *entry, enum gatehouse_verdict verdict,
                             enum gatehouse_decided_by by, struct list_link *claimed)
{
    entry_index(table, entry);
    entry_claim(entry, verdict, by, claimed);
}

struct pend_entry *pend_claimed_take(struct list_link *claimed)
{
    struct list_link *link = list_first(claimed);

    if (link == NULL)
        return NULL;
    list_remove(link);
    return core_container(link, struct pend_entry, slot.list);
}

void pend_table_completing(struct pend_table *table, struct pend_entry *entry)
{
    table->completing = entry;
    entry->state = PEND_COMPLETING;
}

/* Completing an operation runs its reauthorization at once, so it is most often the newest one: its group needs no
 * search. Else NULL or the group's leader. */
static struct group_link *completing_flow(struct pend_table *table, const struct flow_key *key)
{
    if (table->completing != NULL && flow_matches(&table->completing->by_flow, key))
        return &table->completing->by_flow;
    return group_index_find(&table->by_flow, flow_hash(table, key->endpoint, key->to), key);
}

struct pend_entry *pend_table_reauthorize(struct pend_table *table, uint64_t endpoint, const struct destination *to,
                                          enum gatehouse_verdict *verdict)
{
    struct flow_key key = {endpoint, to};
    struct group_link *leader = completing_flow(table, &key);
    struct pend_entry *found = NULL;

    for (struct group_link *link = leader; link != NULL; link = group_next(leader, link)) {
        struct pend_entry *entry = core_container(link, struct pend_entry, by_flow);
        if (entry->state < PEND_COMPLETING)
            continue;
        if (found == NULL) {
            *verdict = (enum gatehouse_verdict)entry->verdict;
            found = entry;
        } else if (entry->verdict != *verdict) {
            *verdict = GATEHOUSE_VERDICT_BLOCK;
        }
        if (found->state == PEND_REAUTHED)
            found = entry;
    }
    if (found != NULL)
        found->state = PEND_REAUTHED;
    return found;
}

void pend_table_release(struct pend_table *table, struct pend_entry *entry)
{
    if (table->completing == entry)
        table->completing = NULL;
    group_index_remove(&table->by_flow, &entry->by_flow);
    group_index_remove(&table->by_endpoint, &entry->by_endpoint);
    entry_free(table, entry);
}

struct pend_entry *pend_table_covered(const struct pend_table *table, const struct program *program,
                                      const struct destination *to)
{
    if (to == NULL) {
        struct list_link *link = list_first(&program->held);
        return link == NULL ? NULL : core_container(link, struct pend_entry, by_program);
    }

    struct destination_key key = {program, to};
    struct group_link *link = group_index_find(&table->by_destination, destination_hash(table, program, to), &key);
    return link == NULL ? NULL : core_container(link, struct pend_entry, by_destination);
}

void pend_walk_begin(struct pend_table *table, struct pend_walk *walk, const struct program *program)
{
    walk->program = program;
    walk->next = program->held.next;
    walk->before = table->sequence;
    list_init(&walk->walks);
    list_insert_last(&table->walks, &walk->walks);
}

/* At the end it stays at the list's head, and sees what is parked behind: that came later. */
struct pend_entry *pend_walk_next(struct pend_table *table, struct pend_walk *walk)
{
    struct pend_entry *entry;

    (void)table;
    if (walk->next == &walk->program->held)
        return NULL;
    entry = core_container(walk->next, struct pend_entry, by_program);
    if (entry->sequence >= walk->before)
        return NULL;
    walk->next = walk->next->next;
    return entry;
}

void pend_walk_end(struct pend_table *table, struct pend_walk *walk)
{
    (void)table;
    list_remove(&walk->walks);
}

uint32_t pend_table_endpoint_closed(struct pend_table *table, uint64_t endpoint, struct list_link *claimed)
{
    struct group_link *leader = group_index_find(&table->by_endpoint, local_hash(endpoint), &endpoint);
    uint32_t count = 0;

    for (struct group_link *link = leader; link != NULL; link = group_next(leader, link)) {
        struct pend_entry *entry = core_container(link, struct pend_entry, by_endpoint);
        entry->endpoint_gone = true;
        if (pend_table_claim(table, entry, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_BY_CANCEL, claimed))
            count++;
    }
    return count;
}

uint64_t pend_table_next_deadline(const struct pend_table *table)
{
    return deadline_wheel_next(&table->wheel);
}

struct pend_entry *pend_table_expired(struct pend_table *table, uint64_t now)
{
    struct deadline_link *link = deadline_wheel_take(&table->wheel, now);

    return link == NULL ? NULL : core_container(link, struct pend_entry, due);
}
