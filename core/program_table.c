/* SPDX-License-Identifier: MIT */
/*
 * program_table.c - see program_table.h.
 */
#include "core/program_table.h"

static size_t program_size(size_t path_size)
{
    return offsetof(struct program, path) + path_size + 1u;
}

bool program_table_init(struct program_table *table, const struct core_memory *memory, uint32_t limit, uint64_t seed)
{
    memset(table, 0, sizeof(*table));
    table->memory = memory;
    list_init(&table->idle);
    return hash_index_init(&table->index, memory, limit, seed);
}

static void program_free(struct program_table *table, struct program *program)
{
    list_remove(&program->idle);
    hash_index_remove(&table->index, &program->node);
    table->idle_count--;
    table->count--;
    table->memory->release(table->memory->context, program, program_size(program->path_size));
}

static struct program *longest_idle(struct program_table *table)
{
    struct list_link *link = list_first(&table->idle);

    return link == NULL ? NULL : core_container(link, struct program, idle);
}

void program_table_cleanup(struct program_table *table)
{
    if (table->memory == NULL)
        return;
    while (!list_is_empty(&table->idle))
        program_free(table, longest_idle(table));
    hash_index_cleanup(&table->index);
    memset(table, 0, sizeof(*table));
}

void program_reference(struct program *program)
{
    program->references++;
}

static struct program *program_find(struct program_table *table, uint32_t hash, const void *path, size_t path_size)
{
    for (struct hash_node *node = hash_index_first(&table->index, hash); node != NULL; node = hash_index_next(node)) {
        struct program *program = core_container(node, struct program, node);
        if (program->path_size == path_size && memcmp(program->path, path, path_size) == 0)
            return program;
    }
    return NULL;
}

struct program *program_table_get(struct program_table *table, const void *path, size_t path_size)
{
    if (path_size > PROGRAM_PATH_MAX)
        return NULL;

    uint32_t hash = hash_finish(hash_add_bytes(table->index.seed, path, path_size));
    struct program *program = program_find(table, hash, path, path_size);

    if (program == NULL) {
        program = table->memory->allocate(table->memory->context, program_size(path_size));
        if (program == NULL)
            return NULL;
        memcpy(program->path, path, path_size);
        program->path_size = (uint16_t)path_size;
        list_init(&program->idle);
        list_init(&program->held);
        hash_index_insert(&table->index, &program->node, hash);
        table->count++;
    } else if (program->references == 0) {
        list_remove(&program->idle);
        table->idle_count--;
    }
    program->references++;
    return program;
}

void program_table_put(struct program_table *table, struct program *program)
{
    if (program == NULL || --program->references != 0)
        return;
    list_insert_last(&table->idle, &program->idle);
    table->idle_count++;
    if (table->idle_count > PROGRAM_TABLE_IDLE_MAX)
        program_free(table, longest_idle(table));
}
