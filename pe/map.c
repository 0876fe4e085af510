/* SPDX-License-Identifier: MIT */
/*
 * map.c - see map.h.
 *
 * A slot is reserved for good at the first load and used again after an unload. Loading is the
 * host's business at start, so one lock covers it all.
 */
#include "pe/map.h"

#include <errno.h>
#include <nt/nt.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "pe/imports.h"

#define SLOT_GUARD ((size_t)65536)
#define SLOT_SIZE  ((size_t)PE_IMAGE_MAX + 2 * SLOT_GUARD)

static pthread_mutex_t maps_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pe_map maps[PE_MAPS_MAX];
static uint8_t *arena;

/* The sentence about what is missing names at most as many as fit; it always tells how many there are. */
struct missing {
    unsigned count;
    size_t used;
    char names[200];
};

static uint64_t import(void *context, const char *library, const char *name)
{
    struct missing *missing = context;
    uint64_t address = pe_import_find(library, name);

    if (address == 0) {
        fprintf(stderr, "%s%s!%s\n", missing->count == 0 ? "imports that are not implemented:\n  " : "  ", library,
                name);
        missing->count++;
        size_t room = sizeof(missing->names) - missing->used;
        int size = snprintf(missing->names + missing->used, room, "%s%s", missing->used != 0 ? ", " : "", name);
        if (size > 0 && (size_t)size < room)
            missing->used += (size_t)size;
        else
            missing->names[missing->used] = '\0';
    }
    return address;
}

static bool bind(struct pe_map *map, struct pe_error *error)
{
    struct missing missing = {0, 0, ""};

    if (!pe_image_bind(&map->image, map->memory, import, &missing, error))
        return false;
    if (missing.count != 0)
        snprintf(error->text, sizeof(error->text), "it needs %u routine%s not implemented here: %.180s%s.",
                 missing.count, missing.count == 1 ? " that is" : "s that are", missing.names,
                 strlen(missing.names) > 180 ? "..." : "");
    return missing.count == 0;
}

static bool protect(const struct pe_map *map, struct pe_error *error)
{
    int result = mprotect(map->memory, map->image.size, PROT_READ);

    for (unsigned index = 0; result == 0 && index < map->image.section_count; index++) {
        const struct pe_section *section = &map->image.sections[index];
        int flags = PROT_READ | (section->writable ? PROT_WRITE : 0) | (section->executable ? PROT_EXEC : 0);
        result = mprotect(map->memory + section->address, section->size, flags);
    }
    if (result != 0)
        snprintf(error->text, sizeof(error->text), "its sections cannot be protected: %s.", strerror(errno));
    return result == 0;
}

static bool arena_reserve(struct pe_error *error)
{
    if (arena != NULL)
        return true;
    void *memory = mmap(NULL, SLOT_SIZE * PE_MAPS_MAX, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        snprintf(error->text, sizeof(error->text), "there is no address space for it: %s.", strerror(errno));
        return false;
    }
    arena = memory;
    nt_set_code_namer(pe_map_name);
    nt_set_foreign_code(arena, SLOT_SIZE * PE_MAPS_MAX);
    return true;
}

static struct pe_map *slot_take(struct pe_error *error)
{
    struct pe_map *map = NULL;

    pthread_mutex_lock(&maps_lock);
    if (arena_reserve(error)) {
        for (unsigned index = 0; index < PE_MAPS_MAX && map == NULL; index++)
            if (!maps[index].used) {
                map = &maps[index];
                map->used = true;
                map->memory = arena + SLOT_SIZE * index + SLOT_GUARD;
            }
        if (map == NULL)
            snprintf(error->text, sizeof(error->text), "%u drivers are loaded already, which is the most.",
                     PE_MAPS_MAX);
    }
    pthread_mutex_unlock(&maps_lock);
    return map;
}

void pe_map_free(struct pe_map *map)
{
    /* Mapping anew gives the pages back and leaves the range reserved. */
    (void)mmap(map->memory, PE_IMAGE_MAX, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    pthread_mutex_lock(&maps_lock);
    map->used = false;
    pthread_mutex_unlock(&maps_lock);
}

struct pe_map *pe_map_new(const char *name, const void *bytes, size_t size, struct pe_error *error)
{
    struct pe_image image;

    if (!pe_image_parse(bytes, size, &image, error))
        return NULL;
    struct pe_map *map = slot_take(error);
    if (map == NULL)
        return NULL;
    map->image = image;
    snprintf(map->name, sizeof(map->name), "%s", name);
    bool good = mprotect(map->memory, image.size, PROT_READ | PROT_WRITE) == 0;
    if (!good)
        snprintf(error->text, sizeof(error->text), "there is no memory for it: %s.", strerror(errno));
    good = good && pe_image_lay_out(&image, bytes, size, map->memory, (uintptr_t)map->memory, error) &&
           bind(map, error) && protect(map, error);
    if (good)
        return map;
    pe_map_free(map);
    return NULL;
}

const struct pe_map *pe_map_find(const void *address)
{
    for (unsigned index = 0; index < PE_MAPS_MAX; index++)
        if (maps[index].used && (uintptr_t)address - (uintptr_t)maps[index].memory < maps[index].image.size)
            return &maps[index];
    return NULL;
}

bool pe_map_name(const void *address, char *text, size_t size)
{
    const struct pe_map *map = pe_map_find(address);

    if (map != NULL)
        snprintf(text, size, "%s+0x%zX", map->name, (size_t)((const uint8_t *)address - map->memory));
    return map != NULL;
}
