/* SPDX-License-Identifier: MIT */
/*
 * symbols.c - see symbols.h.
 *
 * A place is a module and an offset; what the symbolizer said of it is kept in a table by both, so a search that meets
 * the same stacks again and again runs no program. A call's return address may belong to the next line or function:
 * one is subtracted before the look-up, and the offset is told as it is.
 */
#define _GNU_SOURCE
#include "lab/symbols.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/symbolizer.h"
#include "pe/map.h"

#define DRIVERS_MOST 16u
#define MODULES_MOST 64u
#define PLACES_MOST  8192u
#define INLINED_MOST 6u

struct module {
    char path[512]; /* "": no file to ask about */
    char name[64];
    bool binary; /* a driver binary: the file's addresses begin at its base */
    bool broken; /* the symbolizer could not read it */
    uint64_t base;
};

struct source {
    char function[128], file[256];
    unsigned line;
};

struct place {
    unsigned module;
    uint64_t offset;
    bool asked;
    unsigned count;
    struct source sources[INLINED_MOST];
};

static char *drivers[DRIVERS_MOST];
static unsigned driver_count;
static struct module modules[MODULES_MOST];
static unsigned module_count;
static struct place *places;
static unsigned place_count, place_room;
static const char *program; /* NULL: the installed ones */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void forget_places(void)
{
    free(places);
    places = NULL;
    place_count = place_room = module_count = 0;
}

bool lab_symbols_add_driver(const char *path)
{
    char *copy = driver_count < DRIVERS_MOST ? realpath(path, NULL) : NULL;
    if (copy == NULL && driver_count < DRIVERS_MOST)
        copy = strdup(path);
    if (copy == NULL)
        return false;
    drivers[driver_count++] = copy;
    forget_places(); /* another file may have had this name */
    return true;
}

void lab_symbols_forget_drivers(void)
{
    while (driver_count != 0)
        free(drivers[--driver_count]);
    forget_places();
}

bool lab_symbols_has_drivers(void)
{
    return driver_count != 0;
}

void lab_symbols_set_program(const char *name)
{
    program = name;
    forget_places();
}

/* --- Modules ------------------------------------------------------------------------------- */

/* Which driver this module is: by path, or by name where only that is known; NULL: none. */
static const char *driver_path(const struct module *module)
{
    for (unsigned index = 0; index < driver_count; index++)
        if (strcmp(drivers[index], module->path) == 0 ||
            (module->binary && strcmp(base_name(drivers[index]), module->name) == 0))
            return drivers[index];
    return NULL;
}

static unsigned keep_module(const struct module *module)
{
    for (unsigned index = 0; index < module_count; index++)
        if (strcmp(modules[index].name, module->name) == 0 && strcmp(modules[index].path, module->path) == 0)
            return index;
    if (module_count == MODULES_MOST)
        return MODULES_MOST;
    modules[module_count] = *module;
    return module_count++;
}

struct object_search {
    uintptr_t address;
    uint64_t offset;
    struct module *module;
};

static int match_object(struct dl_phdr_info *info, size_t size, void *context)
{
    struct object_search *search = context;
    (void)size;
    for (unsigned index = 0; index < info->dlpi_phnum; index++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[index];
        if (part->p_type != PT_LOAD || search->address - info->dlpi_addr - part->p_vaddr >= part->p_memsz)
            continue;
        char path[sizeof search->module->path] = "";
        const char *name = info->dlpi_name;
        if (name[0] == '\0' && readlink("/proc/self/exe", path, sizeof path - 1) > 0)
            name = path;
        snprintf(search->module->name, sizeof search->module->name, "%s", base_name(name));
        if (name[0] != '/' || realpath(name, path) == NULL)
            path[0] = '\0';
        snprintf(search->module->path, sizeof search->module->path, "%s", path);
        search->offset = search->address - info->dlpi_addr;
        return 1;
    }
    return 0;
}

/* MODULES_MOST: the address is in none. */
static unsigned find_module(const void *address, uint64_t *offset)
{
    struct module module;
    memset(&module, 0, sizeof module);
    const struct pe_map *map = pe_map_find(address);
    if (map != NULL) {
        *offset = (uintptr_t)address - (uintptr_t)map->memory;
        snprintf(module.name, sizeof module.name, "%s", map->name);
        module.binary = true;
        module.base = map->image.base;
        const char *path = driver_path(&module);
        snprintf(module.path, sizeof module.path, "%s", path != NULL ? path : "");
        return keep_module(&module);
    }
    struct object_search search = {(uintptr_t)address, 0, &module};
    if (dl_iterate_phdr(match_object, &search) == 0)
        return MODULES_MOST;
    *offset = search.offset;
    return keep_module(&module);
}

/* --- Places -------------------------------------------------------------------------------- */

/* NULL: no room. Invalid at the next call. */
static struct place *place_of(unsigned module, uint64_t offset)
{
    for (unsigned index = 0; index < place_count; index++)
        if (places[index].module == module && places[index].offset == offset)
            return &places[index];
    if (place_count == place_room) {
        unsigned room = place_room == 0 ? 64 : place_room * 2;
        struct place *larger = room <= PLACES_MOST ? realloc(places, room * sizeof *places) : NULL;
        if (larger == NULL)
            return NULL;
        places = larger;
        place_room = room;
    }
    struct place *place = &places[place_count++];
    memset(place, 0, sizeof *place);
    place->module = module;
    place->offset = offset;
    return place;
}

/* "/a/b/../c" becomes "/a/c", and a path below the working folder is told relative to it. */
static void tidy_path(const char *path, char *tidy, size_t size)
{
    char folder[512], parts[256];
    size_t used = 0;
    if (path[0] != '/') {
        snprintf(tidy, size, "%s", path);
        return;
    }
    for (const char *part = path; *part != '\0';) {
        size_t length = strcspn(part + 1, "/") + 1;
        if (length == 3 && memcmp(part, "/..", 3) == 0) {
            while (used != 0 && parts[--used] != '/')
                ;
        } else if (length > 1 && !(length == 2 && part[1] == '.') && used + length < sizeof parts) {
            memcpy(parts + used, part, length);
            used += length;
        }
        part += length;
    }
    parts[used] = '\0';
    size_t below = getcwd(folder, sizeof folder) != NULL ? strlen(folder) : 0;
    if (below > 1 && strncmp(parts, folder, below) == 0 && parts[below] == '/')
        snprintf(tidy, size, "%s", parts + below + 1);
    else
        snprintf(tidy, size, "%s", parts);
}

static void keep_source(void *context, size_t index, const char *function, const char *file, unsigned line)
{
    struct place *place = &places[((const unsigned *)context)[index]];
    if (place->count == INLINED_MOST || (function[0] == '\0' && file[0] == '\0'))
        return;
    struct source *source = &place->sources[place->count++];
    snprintf(source->function, sizeof source->function, "%s", function);
    tidy_path(file, source->file, sizeof source->file);
    source->line = line;
}

/* Asks about all places of a module that nobody asked about yet. */
static void ask_module(unsigned number)
{
    /* The GNU one reads no symbols of a Windows binary without debug information; for the rest it is the quicker. */
    static const char *const installed[] = {"llvm-addr2line", "addr2line", "llvm-addr2line"};
    static uint64_t addresses[512];
    static unsigned which[512];
    struct module *module = &modules[number];
    size_t count = 0;
    for (unsigned index = 0; index < place_count && count < 512; index++) {
        if (places[index].module != number || places[index].asked)
            continue;
        places[index].asked = true;
        addresses[count] = module->base + places[index].offset - 1;
        which[count++] = index;
    }
    if (count == 0 || module->broken || module->path[0] == '\0' || (program != NULL && program[0] == '\0'))
        return;
    bool good = false;
    if (program != NULL)
        good = lab_symbolizer_run(program, module->path, addresses, count, keep_source, which);
    for (size_t index = 0; program == NULL && !good && index < 2; index++)
        good =
            lab_symbolizer_run(installed[index + !module->binary], module->path, addresses, count, keep_source, which);
    module->broken = !good;
}

void lab_symbols_prepare(const struct nt_stack *const *stacks, size_t count)
{
    if (place_count > PLACES_MOST / 2)
        forget_places();
    for (size_t index = 0; index < count; index++) {
        for (uint32_t frame = 0; frame < stacks[index]->count; frame++) {
            uint64_t offset;
            unsigned module = find_module(stacks[index]->frames[frame], &offset);
            if (module != MODULES_MOST)
                (void)place_of(module, offset);
        }
    }
    for (unsigned module = 0; module < module_count; module++)
        ask_module(module);
}

/* --- Frames -------------------------------------------------------------------------------- */

static void name_exported(struct lab_frame *frame, const void *address)
{
    Dl_info info;
    if (dladdr((const char *)address - 1, &info) != 0 && info.dli_sname != NULL)
        snprintf(frame->function, sizeof frame->function, "%s", info.dli_sname);
}

static void add_frames(struct lab_frames *frames, const void *address)
{
    struct lab_frame frame;
    memset(&frame, 0, sizeof frame);
    unsigned module = find_module(address, &frame.offset);
    const struct place *place = module != MODULES_MOST ? place_of(module, frame.offset) : NULL;
    if (module != MODULES_MOST) {
        snprintf(frame.module, sizeof frame.module, "%s", modules[module].name);
        frame.driver = driver_path(&modules[module]) != NULL;
    } else {
        frame.offset = 0; /* differs from run to run */
    }
    unsigned count = place != NULL ? place->count : 0;
    for (unsigned index = 0; index < count && frames->count < LAB_FRAMES_MOST; index++) {
        const struct source *source = &place->sources[index];
        memcpy(frame.function, source->function, sizeof frame.function);
        /* Without debug information it is the nearest name before, which may be far: only a driver's is worth it. */
        if (source->line == 0 && !frame.driver) {
            frame.function[0] = '\0';
            name_exported(&frame, address);
        }
        memcpy(frame.file, source->file, sizeof frame.file);
        frame.line = source->line;
        frame.inlined = index + 1 < count;
        frames->frames[frames->count++] = frame;
    }
    if (count == 0 && frames->count < LAB_FRAMES_MOST) {
        if (module != MODULES_MOST && !modules[module].binary)
            name_exported(&frame, address);
        frames->frames[frames->count++] = frame;
    }
}

void lab_symbols_name(const struct nt_stack *stack, struct lab_frames *frames)
{
    lab_symbols_prepare(&stack, 1);
    frames->count = 0;
    for (uint32_t index = 0; index < stack->count; index++)
        add_frames(frames, stack->frames[index]);
}

static bool is_platform(const struct lab_frame *frame, const char *routine)
{
    static const char *const folders[] = {"nt/", "wfp/", "pe/"};
    if (strcmp(frame->function, routine) == 0)
        return true;
    for (size_t index = 0; index < sizeof folders / sizeof folders[0]; index++) {
        const char *at = strstr(frame->file, folders[index]);
        if (at != NULL && (at == frame->file || at[-1] == '/') && strstr(frame->file, "tests/") == NULL)
            return true;
    }
    return false;
}

/* Ours, inlined into a driver: IoMarkIrpPending, RemoveEntryList. */
static bool is_header(const struct lab_frame *frame)
{
    static const char *const folders[] = {"nt/include/", "wfp/include/", "include/gatehouse-lab/"};
    for (size_t index = 0; frame->inlined && index < sizeof folders / sizeof folders[0]; index++)
        if (strstr(frame->file, folders[index]) != NULL)
            return true;
    return false;
}

const struct lab_frame *lab_symbols_blame(const struct lab_frames *frames, const char *routine)
{
    for (size_t index = 0; index < frames->count; index++)
        if (frames->frames[index].driver && !is_header(&frames->frames[index]))
            return &frames->frames[index];
    for (size_t index = 0; driver_count == 0 && index < frames->count; index++)
        if (!is_platform(&frames->frames[index], routine))
            return &frames->frames[index];
    return frames->count != 0 ? &frames->frames[0] : NULL;
}
