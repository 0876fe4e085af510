/* SPDX-License-Identifier: MIT */
/*
 * name_table.c - see name_table.h.
 */
#include "core/name_table.h"

#include "core/name_pattern.h"
#include "core/sha256.h"

#define SLOT_SIZE(type) ((uint32_t)((sizeof(type) + 15u) & ~(size_t)15u))
#define PER_MS          10000u /* of 100 ns */

static const struct name_program any_program;

/* One that has names. */
struct program_entry {
    struct slot_header slot;
    struct hash_node node;
    struct name_program program;
    struct list_link oldest; /* its names, learned longest ago first */
    uint32_t count;
};

struct name_key {
    struct name_program program;
    struct name_address address;
};

/* The members of a group stand in the order they were learned. */
struct name_entry {
    struct slot_header slot;
    struct list_link oldest;
    struct list_link of_program;
    struct group_link by_address;
    struct program_entry *program;
    struct name_address address;
    uint8_t size;
    uint8_t text[GATEHOUSE_NAME_MAX];
    uint64_t until;
};

struct name_program name_program_of(const void *path, size_t path_size)
{
    struct name_program program = {{0}};

    if (path_size != 0)
        sha256_of(path, path_size, program.digest);
    return program;
}

static bool same_program(const struct name_program *a, const struct name_program *b)
{
    return memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

static bool entry_matches(const struct group_link *link, const void *key)
{
    const struct name_entry *entry = core_container(link, struct name_entry, by_address);
    const struct name_key *wanted = key;

    return entry->address.ip_version == wanted->address.ip_version &&
           memcmp(entry->address.bytes, wanted->address.bytes, sizeof(entry->address.bytes)) == 0 &&
           same_program(&entry->program->program, &wanted->program);
}

static uint32_t key_hash(const struct name_table *table, const struct name_key *key)
{
    uint64_t state = hash_add(table->by_address.hash.seed, key->address.ip_version);

    state = hash_add_bytes(state, key->address.bytes, sizeof(key->address.bytes));
    return hash_finish(hash_add_bytes(state, key->program.digest, sizeof(key->program.digest)));
}

bool name_table_init(struct name_table *table, const struct core_memory *memory, uint32_t limit, uint64_t seed)
{
    memset(table, 0, sizeof(*table));
    list_init(&table->oldest);
    if (slot_pool_init(&table->names, memory, SLOT_SIZE(struct name_entry), limit) &&
        slot_pool_init(&table->programs, memory, SLOT_SIZE(struct program_entry), limit + 1u) &&
        group_index_init(&table->by_address, memory, limit, seed, entry_matches) &&
        hash_index_init(&table->by_program, memory, limit, seed + 1u))
        return true;
    name_table_cleanup(table);
    return false;
}

void name_table_cleanup(struct name_table *table)
{
    hash_index_cleanup(&table->by_program);
    group_index_cleanup(&table->by_address);
    slot_pool_cleanup(&table->programs);
    slot_pool_cleanup(&table->names);
    memset(table, 0, sizeof(*table));
}

uint32_t name_table_count(const struct name_table *table)
{
    return table->names.used;
}

/* By its size and its last character: the programs of a machine mostly differ there. */
static uint32_t recalled_place(const uint8_t *path, size_t path_size)
{
    return (uint32_t)(path_size / 2u + (path_size < 2 ? 0u : path[path_size - 2])) % NAME_TABLE_RECALLED;
}

bool name_table_recall_program(const struct name_table *table, const void *path, size_t path_size,
                               struct name_program *program)
{
    const struct name_recalled *recalled = &table->recalled[path_size == 0 ? 0 : recalled_place(path, path_size)];

    if (path_size != 0 && (recalled->path_size != path_size || memcmp(recalled->path, path, path_size) != 0))
        return false;
    *program = path_size == 0 ? any_program : recalled->program;
    return true;
}

void name_table_keep_program(struct name_table *table, const void *path, size_t path_size,
                             const struct name_program *program)
{
    struct name_recalled *recalled;

    if (path_size == 0 || path_size > NAME_TABLE_PATH_MAX)
        return;
    recalled = &table->recalled[recalled_place(path, path_size)];
    recalled->path_size = (uint32_t)path_size;
    memcpy(recalled->path, path, path_size);
    recalled->program = *program;
}

static struct program_entry *program_find(const struct name_table *table, const struct name_program *program,
                                          uint32_t hash)
{
    for (struct hash_node *node = hash_index_first(&table->by_program, hash); node != NULL;
         node = hash_index_next(node)) {
        struct program_entry *entry = core_container(node, struct program_entry, node);

        if (same_program(&entry->program, program))
            return entry;
    }
    return NULL;
}

static void program_release(struct name_table *table, struct program_entry *program)
{
    if (program->count != 0)
        return;
    hash_index_remove(&table->by_program, &program->node);
    slot_pool_give(&table->programs, &program->slot);
}

static struct program_entry *program_get(struct name_table *table, const struct name_program *program)
{
    uint32_t hash = hash_finish(hash_add_bytes(table->by_program.seed, program->digest, sizeof(program->digest)));
    struct program_entry *entry = program_find(table, program, hash);

    if (entry != NULL)
        return entry;
    entry = (struct program_entry *)slot_pool_take(&table->programs);
    if (entry == NULL)
        return NULL;
    entry->program = *program;
    list_init(&entry->oldest);
    hash_index_insert(&table->by_program, &entry->node, hash);
    return entry;
}

/* The program stays, with no name perhaps: the caller releases it. */
static void entry_remove(struct name_table *table, struct name_entry *entry)
{
    list_remove(&entry->oldest);
    list_remove(&entry->of_program);
    group_index_remove(&table->by_address, &entry->by_address);
    entry->program->count--;
    slot_pool_give(&table->names, &entry->slot);
}

static void oldest_remove(struct name_table *table, const struct program_entry *keep)
{
    struct name_entry *victim = core_container(list_first(&table->oldest), struct name_entry, oldest);
    struct program_entry *program = victim->program;

    entry_remove(table, victim);
    if (program != keep)
        program_release(table, program);
}

/* What was under this key: *same, the entry with this name; and room for one more name. */
static void group_make_room(struct name_table *table, const struct name_key *key, uint32_t hash, const uint8_t *name,
                            size_t size, struct name_entry **same)
{
    struct group_link *leader = group_index_find(&table->by_address, hash, key);
    struct name_entry *first = NULL;
    uint32_t count = 0;

    *same = NULL;
    for (struct group_link *link = leader; link != NULL; link = group_next(leader, link), count++) {
        struct name_entry *entry = core_container(link, struct name_entry, by_address);

        if (first == NULL)
            first = entry;
        if (entry->size == size && memcmp(entry->text, name, size) == 0)
            *same = entry;
    }
    if (*same == NULL && count >= NAME_TABLE_NAMES_MAX)
        entry_remove(table, first);
}

static struct name_entry *entry_take(struct name_table *table, struct program_entry *program)
{
    uint32_t share = table->names.limit / (same_program(&program->program, &any_program) ? 2u : 4u);

    if (program->count != 0 && program->count >= share)
        entry_remove(table, core_container(list_first(&program->oldest), struct name_entry, of_program));
    if (slot_pool_is_full(&table->names))
        oldest_remove(table, program);
    return (struct name_entry *)slot_pool_take(&table->names);
}

static void entry_insert(struct name_table *table, struct name_entry *entry, struct program_entry *program,
                         const struct name_key *key, uint32_t hash)
{
    entry->program = program;
    entry->address = key->address;
    list_init(&entry->oldest);
    list_init(&entry->of_program);
    list_insert_last(&table->oldest, &entry->oldest);
    list_insert_last(&program->oldest, &entry->of_program);
    group_index_insert(&table->by_address, &entry->by_address, hash, key);
    program->count++;
}

static uint64_t until_of(uint64_t now, uint32_t ttl_ms)
{
    if (ttl_ms < GATEHOUSE_NAME_KEEP_MIN_MS)
        ttl_ms = GATEHOUSE_NAME_KEEP_MIN_MS;
    if (ttl_ms > GATEHOUSE_NAME_KEEP_MAX_MS)
        ttl_ms = GATEHOUSE_NAME_KEEP_MAX_MS;
    return now + (uint64_t)ttl_ms * PER_MS;
}

bool name_table_learn(struct name_table *table, const struct name_program *program, const struct name_address *address,
                      const void *name, size_t name_size, uint32_t ttl_ms, uint64_t now)
{
    struct name_key key = {*program, *address};
    uint32_t hash = key_hash(table, &key);
    uint64_t until = until_of(now, ttl_ms);
    uint8_t text[GATEHOUSE_NAME_MAX];
    struct program_entry *owner;
    struct name_entry *entry;

    if (!name_is_valid(name, name_size))
        return false;
    name_fold(text, name, name_size);
    owner = program_get(table, program);
    if (owner == NULL)
        return false;
    group_make_room(table, &key, hash, text, name_size, &entry);
    if (entry != NULL) { /* out and in again: it is the latest now */
        if (entry->until > until)
            until = entry->until;
        entry_remove(table, entry);
    }
    entry = entry_take(table, owner);
    if (entry == NULL) {
        program_release(table, owner);
        return false;
    }
    memcpy(entry->text, text, name_size);
    entry->size = (uint8_t)name_size;
    entry->until = until;
    entry_insert(table, entry, owner, &key, hash);
    return true;
}

/* The latest of a group that has not run out; of those that match, when there is a pattern. */
static const struct name_entry *group_latest(const struct name_table *table, const struct name_program *program,
                                             const struct name_address *address, uint64_t now, const void *pattern,
                                             size_t pattern_size)
{
    struct name_key key = {*program, *address};
    struct group_link *leader = group_index_find(&table->by_address, key_hash(table, &key), &key);
    const struct name_entry *latest = NULL;

    for (struct group_link *link = leader; link != NULL; link = group_next(leader, link)) {
        const struct name_entry *entry = core_container(link, struct name_entry, by_address);

        if (entry->until > now &&
            (pattern == NULL || name_pattern_matches(pattern, pattern_size, entry->text, entry->size)))
            latest = entry;
    }
    return latest;
}

static const struct name_entry *latest_of(const struct name_table *table, const struct name_program *program,
                                          const struct name_address *address, uint64_t now, const void *pattern,
                                          size_t pattern_size)
{
    const struct name_entry *entry = group_latest(table, program, address, now, pattern, pattern_size);

    return entry != NULL ? entry : group_latest(table, &any_program, address, now, pattern, pattern_size);
}

uint16_t name_table_find(const struct name_table *table, const struct name_program *program,
                         const struct name_address *address, uint64_t now, void *name)
{
    const struct name_entry *entry = latest_of(table, program, address, now, NULL, 0);

    if (entry == NULL)
        return 0;
    memcpy(name, entry->text, entry->size);
    return entry->size;
}

bool name_table_matches(const struct name_table *table, const struct name_program *program,
                        const struct name_address *address, uint64_t now, const void *pattern, size_t pattern_size)
{
    return latest_of(table, program, address, now, pattern, pattern_size) != NULL;
}
