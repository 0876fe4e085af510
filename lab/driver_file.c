/* SPDX-License-Identifier: MIT */
/*
 * driver_file.c - see driver_file.h.
 */
#include "lab/driver_file.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/missing.h"
#include "lab/scenario_world.h"
#include "lab/symbols.h"
#include "lab/world_drivers.h"
#include "nt/verify/fault.h"
#include "pe/loader.h"

#define REGIONS_MAX 8u
#define PAGE        4096u

/* A writable part of a shared object, and what was in it. */
struct region {
    uint8_t *address;
    size_t size;
    uint8_t *saved;
};

static struct driver {
    enum driver_kind kind;
    char name[WORLD_NAME_MAX + 1];
    char path[DRIVER_PATH_MAX];
    /* DRIVER_C, DRIVER_SHARED */
    void *object;
    PDRIVER_INITIALIZE entry;
    struct nt_driver *driver;
    struct region regions[REGIONS_MAX];
    size_t region_count;
    uintptr_t start, end;
    /* DRIVER_SYS */
    struct pe_driver *pe;
} drivers[WORLD_DRIVERS_MAX];
static size_t driver_count;

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), tail = strlen(end);

    return size > tail && strcmp(text + size - tail, end) == 0;
}

enum driver_kind driver_kind_of(const char *path)
{
    struct stat status;

    return ends_with(path, ".sys")                               ? DRIVER_SYS
           : ends_with(path, ".so")                              ? DRIVER_SHARED
           : ends_with(path, ".c")                               ? DRIVER_C
           : stat(path, &status) == 0 && S_ISDIR(status.st_mode) ? DRIVER_C
                                                                 : DRIVER_NONE;
}

static bool name_driver(struct driver *driver, const char *path, struct driver_error *error)
{
    const char *end = path + strlen(path), *begin, *dot;

    while (end > path + 1 && end[-1] == '/')
        end--;
    for (begin = end; begin > path && begin[-1] != '/'; begin--)
        ;
    dot = end;
    for (const char *p = end; p > begin; p--)
        if (*p == '.' && dot == end)
            dot = p;
    if (dot == begin)
        dot = end;
    snprintf(driver->name, sizeof(driver->name), "%.*s", (int)(dot - begin), begin);
    for (size_t i = 0; i < driver_count; i++) {
        if (strcmp(drivers[i].name, driver->name) != 0)
            continue;
        snprintf(error->text, sizeof(error->text), "%s: there are two drivers called %s; rename one of the files.",
                 path, driver->name);
        return false;
    }
    return true;
}

static int find_regions(struct dl_phdr_info *info, size_t size, void *context)
{
    struct driver *driver = context;
    uintptr_t kept = 0, kept_end = 0, base = info->dlpi_addr;

    (void)size;
    if (base != driver->start)
        return 0;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];

        if (header->p_type == PT_GNU_RELRO) {
            kept = base + header->p_vaddr;
            kept_end = (kept + header->p_memsz) & ~(uintptr_t)(PAGE - 1);
        }
        if (header->p_type == PT_LOAD && base + header->p_vaddr + header->p_memsz > driver->end)
            driver->end = base + header->p_vaddr + header->p_memsz;
    }
    for (size_t i = 0; i < info->dlpi_phnum && driver->region_count < REGIONS_MAX; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = base + header->p_vaddr, end = start + header->p_memsz;

        if (header->p_type != PT_LOAD || (header->p_flags & PF_W) == 0)
            continue;
        if (kept <= start && kept_end > start)
            start = kept_end;
        if (start < end)
            driver->regions[driver->region_count++] = (struct region){(uint8_t *)start, end - start, NULL};
    }
    return 1;
}

/* Not memcpy, which AddressSanitizer watches: there are its zones between a driver's variables. */
__attribute__((no_sanitize("address"))) static void copy(uint8_t *to, const uint8_t *from, size_t size)
{
    volatile uint8_t *place = to;

    for (size_t i = 0; i < size; i++)
        place[i] = ((const volatile uint8_t *)from)[i];
}

static void save_regions(struct driver *driver)
{
    for (size_t i = 0; i < driver->region_count; i++) {
        struct region *region = &driver->regions[i];

        region->saved = malloc(region->size);
        if (region->saved == NULL)
            abort();
        copy(region->saved, region->address, region->size);
    }
}

static void restore_regions(struct driver *driver)
{
    for (size_t i = 0; i < driver->region_count; i++)
        copy(driver->regions[i].address, driver->regions[i].saved, driver->regions[i].size);
}

static void tell_unopened(const struct driver *driver, const char *file, const char *why, struct driver_error *error)
{
    char names[400];

    if (strstr(why, "undefined symbol") != NULL && lab_missing(file, names, sizeof(names)) != 0)
        snprintf(error->text, sizeof(error->text),
                 "%.900s: it uses %s: neither the driver nor wfplab has that. Leave it out under #ifndef NT_LAB.",
                 driver->path, names);
    else
        snprintf(error->text, sizeof(error->text), "%s: it cannot be opened: %s.", driver->path, why);
}

static bool open_object(struct driver *driver, const char *path, struct driver_error *error)
{
    char file[DRIVER_PATH_MAX + 4];
    struct link_map *map;
    void *entry;

    snprintf(file, sizeof(file), "%s%s", strchr(path, '/') == NULL ? "./" : "", path);
    driver->object = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (driver->object == NULL) {
        tell_unopened(driver, file, dlerror(), error);
        return false;
    }
    entry = dlsym(driver->object, "DriverEntry");
    if (entry == NULL || dlinfo(driver->object, RTLD_DI_LINKMAP, &map) != 0) {
        snprintf(error->text, sizeof(error->text), "%s: it has no DriverEntry, so it is no driver.", driver->path);
        dlclose(driver->object);
        return false;
    }
    memcpy(&driver->entry, &entry, sizeof(entry));
    driver->start = map->l_addr;
    (void)dl_iterate_phdr(find_regions, driver);
    save_regions(driver);
    return true;
}

/* Its pool on special pool, as is that of C drivers without ASan (nt/ex/special_pool.c). */
static bool open_sys(struct driver *driver, struct driver_error *error)
{
    struct pe_error why = {""};

    driver->pe = pe_driver_open(driver->path, &why);
    if (driver->pe == NULL)
        snprintf(error->text, sizeof(error->text), "%s", why.text);
    return driver->pe != NULL;
}

bool driver_add(const struct driver_sources *sources, struct driver_error *error)
{
    struct driver *driver = &drivers[driver_count];
    const char *path = sources->path[0];
    char object[DRIVER_PATH_MAX];

    if (driver_count == WORLD_DRIVERS_MAX) {
        snprintf(error->text, sizeof(error->text), "%s: more than %u drivers cannot be run together.", path,
                 WORLD_DRIVERS_MAX);
        return false;
    }
    *driver = (struct driver){.kind = driver_kind_of(path)};
    snprintf(driver->path, sizeof(driver->path), "%s", path);
    if (!name_driver(driver, path, error))
        return false;
    if (driver->kind == DRIVER_SYS) {
        if (!open_sys(driver, error))
            return false;
        (void)lab_symbols_add_driver(path);
    } else if (driver->kind == DRIVER_SHARED) {
        if (!open_object(driver, path, error))
            return false;
        (void)lab_symbols_add_driver(path);
    } else {
        if (!driver_compile(sources, object, error) || !open_object(driver, object, error))
            return false;
        (void)lab_symbols_add_driver(object);
    }
    driver_count++;
    return true;
}

bool driver_holds(const void *address)
{
    for (size_t i = 0; i < driver_count; i++)
        if ((uintptr_t)address >= drivers[i].start && (uintptr_t)address < drivers[i].end)
            return true;
    return false;
}

void driver_remove_all(void)
{
    for (size_t i = 0; i < driver_count; i++) {
        for (size_t k = 0; k < drivers[i].region_count; k++)
            free(drivers[i].regions[k].saved);
        if (drivers[i].object != NULL)
            dlclose(drivers[i].object);
        if (drivers[i].pe != NULL)
            pe_driver_close(drivers[i].pe);
    }
    lab_symbols_forget_drivers();
    driver_count = 0;
}

/* --- lab/world_drivers.h --- */

size_t world_driver_count(void)
{
    return driver_count;
}

const char *world_driver_name(size_t driver)
{
    return drivers[driver].name;
}

NTSTATUS world_driver_load(size_t index, const struct nt_registry_value *values, size_t count)
{
    struct driver *driver = &drivers[index];
    struct pe_error error = {""};

    if (driver->kind != DRIVER_SYS) {
        restore_regions(driver);
        return nt_driver_load(driver->name, driver->entry, values, count, &driver->driver);
    }
    if (pe_driver_start(driver->pe, driver->name, values, count, &error))
        return STATUS_SUCCESS;
    if (!nt_faults_happened()) /* else explore made it so */
        fprintf(stderr, "%s\n", error.text);
    return STATUS_UNSUCCESSFUL;
}

void world_driver_unload(size_t index)
{
    if (drivers[index].kind == DRIVER_SYS)
        pe_driver_stop(drivers[index].pe);
    else
        nt_driver_unload(drivers[index].driver);
}
