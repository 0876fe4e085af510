/* SPDX-License-Identifier: MIT */
/*
 * image.c - see image.h.
 *
 * Offsets come from the file as 32-bit numbers and are checked in 64 bits, so no sum wraps. Numbers
 * are read byte by byte through get(), which needs no alignment.
 *
 * When you accept another kind of file, add it to tests/pe/image_test.c and to the fuzz corpus.
 */
#include "pe/image.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    MACHINE_I386 = 0x14c,
    MACHINE_AMD64 = 0x8664,
    MACHINE_ARM64 = 0xaa64,
    FILE_RELOCS_STRIPPED = 0x0001,
    FILE_EXECUTABLE = 0x0002,
    FILE_DLL = 0x2000,
    MAGIC_PE32 = 0x10b,
    MAGIC_PE32_PLUS = 0x20b,
    SUBSYSTEM_NATIVE = 1,
    OPTIONAL_FIXED = 112, /* up to the directories */
    DIRECTORY_COUNT = 16,
    DIRECTORY_IMPORT = 1,
    DIRECTORY_EXCEPTION = 3,
    DIRECTORY_RELOCATION = 5,
    DIRECTORY_TLS = 9,
    DIRECTORY_DELAY_IMPORT = 13,
    DIRECTORY_CLR = 14,
    SECTION_HEADER = 40,
    IMPORT_DESCRIPTOR = 20,
    RELOCATION_NONE = 0,
    RELOCATION_DIR64 = 10
};
#define SECTION_EXECUTE 0x20000000u
#define SECTION_WRITE   0x80000000u

/* Bytes with a known end: the file, or the image in memory. */
struct view {
    const uint8_t *bytes;
    uint64_t size;
};

static bool refuse(struct pe_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(struct pe_error *error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    return false;
}

static bool within(const struct view *view, uint64_t offset, uint64_t size)
{
    return size <= view->size && offset <= view->size - size;
}

/* The caller has checked that it lies within. */
static uint64_t get(const struct view *view, uint64_t offset, unsigned size)
{
    uint64_t value = 0;

    for (unsigned index = 0; index < size; index++)
        value |= (uint64_t)view->bytes[offset + index] << (8 * index);
    return value;
}

static uint32_t get32(const struct view *view, uint64_t offset)
{
    return (uint32_t)get(view, offset, 4);
}

static bool power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static uint64_t whole_pages(uint64_t size)
{
    return (size + PE_PAGE - 1) & ~(uint64_t)(PE_PAGE - 1);
}

/* --- Headers ------------------------------------------------------------------------------- */

struct headers {
    uint64_t optional, sections; /* file offsets */
    unsigned section_count;
};

static bool check_machine(unsigned machine, struct pe_error *error)
{
    if (machine == MACHINE_I386)
        return refuse(error, "it is a 32-bit x86 file; build the driver for x86-64.");
    if (machine == MACHINE_ARM64)
        return refuse(error, "it is an ARM64 file; build the driver for x86-64.");
    if (machine != MACHINE_AMD64)
        return refuse(error, "it is for machine type 0x%04X, not for x86-64.", machine);
    return true;
}

static bool parse_file_header(const struct view *file, struct headers *headers, struct pe_error *error)
{
    if (!within(file, 0, 2) || get(file, 0, 2) != 0x5a4d)
        return refuse(error, "it is not a Windows program file: it does not begin with an MZ header.");
    if (!within(file, 0, 64))
        return refuse(error, "it is truncated within its MZ header.");
    uint64_t at = get32(file, 60);
    if (!within(file, at, 24))
        return refuse(error, "it is truncated: its PE header would begin at byte %llu.", (unsigned long long)at);
    if (get32(file, at) != 0x4550)
        return refuse(error, "it is not a Windows program file: there is no PE signature at byte %llu.",
                      (unsigned long long)at);
    if (!check_machine((unsigned)get(file, at + 4, 2), error))
        return false;
    headers->section_count = (unsigned)get(file, at + 6, 2);
    unsigned optional_size = (unsigned)get(file, at + 20, 2), flags = (unsigned)get(file, at + 22, 2);
    headers->optional = at + 24;
    headers->sections = headers->optional + optional_size;
    if (optional_size < OPTIONAL_FIXED || !within(file, headers->optional, optional_size))
        return refuse(error, "it is damaged or truncated: its optional header has %u bytes.", optional_size);
    if (headers->section_count == 0 || headers->section_count > PE_SECTIONS_MAX)
        return refuse(error, "it has %u sections; from 1 to %u can be loaded.", headers->section_count,
                      PE_SECTIONS_MAX);
    if (!within(file, headers->sections, (uint64_t)headers->section_count * SECTION_HEADER))
        return refuse(error, "it is truncated within its section table.");
    if ((flags & FILE_EXECUTABLE) == 0)
        return refuse(error, "it is not linked to the end: its header does not say that it can run.");
    if ((flags & FILE_DLL) != 0)
        return refuse(error, "it is a DLL, not a driver; link it without the DLL flag.");
    if ((flags & FILE_RELOCS_STRIPPED) != 0)
        return refuse(error, "its relocations were stripped, so it cannot be moved; link it with /DYNAMICBASE.");
    return true;
}

static bool parse_directories(const struct view *file, const struct headers *headers, struct pe_image *image,
                              struct pe_error *error)
{
    static const struct {
        unsigned number;
        const char *what;
    } unwanted[] = {{DIRECTORY_TLS, "thread-local storage"},
                    {DIRECTORY_DELAY_IMPORT, "delay-loaded imports"},
                    {DIRECTORY_CLR, ".NET code"}};
    uint32_t count = get32(file, headers->optional + 108);
    struct pe_range directories[DIRECTORY_COUNT] = {{0, 0}};

    if (count > DIRECTORY_COUNT || headers->optional + OPTIONAL_FIXED + (uint64_t)count * 8 > headers->sections)
        return refuse(error, "it is damaged: its %u data directories do not fit its optional header.", count);
    for (uint32_t index = 0; index < count; index++) {
        uint64_t at = headers->optional + OPTIONAL_FIXED + (uint64_t)index * 8;
        directories[index] = (struct pe_range){get32(file, at), get32(file, at + 4)};
    }
    for (size_t index = 0; index < sizeof(unwanted) / sizeof(unwanted[0]); index++)
        if (directories[unwanted[index].number].size != 0)
            return refuse(error, "it has %s, which a driver cannot have.", unwanted[index].what);
    image->imports = directories[DIRECTORY_IMPORT];
    image->relocations = directories[DIRECTORY_RELOCATION];
    if ((uint64_t)image->imports.address + image->imports.size > image->size ||
        (uint64_t)image->relocations.address + image->relocations.size > image->size)
        return refuse(error, "it is damaged: its import or relocation table lies outside the image.");
    /* Nothing but reports reads it, so a driver runs without. */
    image->functions = directories[DIRECTORY_EXCEPTION];
    if ((uint64_t)image->functions.address + image->functions.size > image->size)
        image->functions = (struct pe_range){0, 0};
    if (image->imports.size == 0)
        return refuse(error, "it imports nothing: it is packed, or it is no driver.");
    return true;
}

static bool parse_optional_header(const struct view *file, const struct headers *headers, struct pe_image *image,
                                  struct pe_error *error)
{
    uint64_t at = headers->optional;
    unsigned magic = (unsigned)get(file, at, 2), subsystem = (unsigned)get(file, at + 68, 2);
    uint32_t section_alignment = get32(file, at + 32), file_alignment = get32(file, at + 36);
    uint64_t size = whole_pages(get32(file, at + 56));

    if (magic == MAGIC_PE32)
        return refuse(error, "it is a 32-bit file (PE32); build the driver for x86-64.");
    if (magic != MAGIC_PE32_PLUS)
        return refuse(error, "it is damaged: its optional header's magic is 0x%X, not 0x20B.", magic);
    if (subsystem != SUBSYSTEM_NATIVE)
        return refuse(error, "it is a program for subsystem %u, not a driver (subsystem 1, native).", subsystem);
    if (!power_of_two(section_alignment) || section_alignment < PE_PAGE || !power_of_two(file_alignment) ||
        file_alignment < 512 || file_alignment > section_alignment)
        return refuse(error, "its alignments (%u in memory, %u in the file) are none that a driver on pages can have.",
                      section_alignment, file_alignment);
    if (size == 0 || size > PE_IMAGE_MAX)
        return refuse(error, "its image would take %llu bytes; at most %u can be loaded.", (unsigned long long)size,
                      PE_IMAGE_MAX);
    image->entry = get32(file, at + 16);
    image->base = get(file, at + 24, 8);
    image->size = (uint32_t)size;
    image->headers_size = get32(file, at + 60);
    if (image->headers_size > image->size || !within(file, 0, image->headers_size))
        return refuse(error, "it is damaged or truncated: its headers would take %u bytes.", image->headers_size);
    return parse_directories(file, headers, image, error);
}

/* --- Sections ------------------------------------------------------------------------------ */

static void copy_name(char name[9], const uint8_t *raw)
{
    for (unsigned index = 0; index < 8; index++)
        name[index] = raw[index] == 0 ? '\0' : raw[index] >= ' ' && raw[index] < 127 ? (char)raw[index] : '?';
    name[8] = '\0';
}

static bool check_section(const struct view *file, const struct pe_image *image, const struct pe_section *section,
                          uint64_t free_from, struct pe_error *error)
{
    uint64_t end = (uint64_t)section->address + section->size;

    if (section->address % PE_PAGE != 0 || section->address < free_from || end > image->size)
        return refuse(error, "it is damaged or packed: its section \"%s\" overlaps another or lies outside the image.",
                      section->name);
    if (section->size == 0)
        return refuse(error, "it is damaged: its section \"%s\" is empty.", section->name);
    if (!within(file, section->file_offset, section->file_size))
        return refuse(error, "it is truncated: its section \"%s\" ends at byte %llu, the file at %llu.", section->name,
                      (unsigned long long)section->file_offset + section->file_size, (unsigned long long)file->size);
    if (section->file_size != 0 && section->file_offset < image->headers_size)
        return refuse(error, "it is damaged or packed: its section \"%s\" lies over the file's headers.",
                      section->name);
    if (section->writable && section->executable)
        return refuse(error, "its section \"%s\" is writable and executable, as in packed files; that is not loaded.",
                      section->name);
    for (const struct pe_section *other = image->sections; other < section; other++)
        if (section->file_size != 0 && other->file_size != 0 &&
            section->file_offset < (uint64_t)other->file_offset + other->file_size &&
            other->file_offset < (uint64_t)section->file_offset + section->file_size)
            return refuse(error, "it is damaged or packed: its sections \"%s\" and \"%s\" share bytes of the file.",
                          other->name, section->name);
    return true;
}

static bool parse_sections(const struct view *file, const struct headers *headers, struct pe_image *image,
                           struct pe_error *error)
{
    uint64_t free_from = whole_pages(image->headers_size);

    for (unsigned index = 0; index < headers->section_count; index++) {
        struct pe_section *section = &image->sections[index];
        uint64_t at = headers->sections + (uint64_t)index * SECTION_HEADER;
        uint32_t virtual_size = get32(file, at + 8), flags = get32(file, at + 36);

        copy_name(section->name, file->bytes + at);
        section->address = get32(file, at + 12);
        section->file_size = get32(file, at + 16);
        section->file_offset = get32(file, at + 20);
        uint64_t size = whole_pages(virtual_size != 0 ? virtual_size : section->file_size);
        if (size > PE_IMAGE_MAX)
            return refuse(error, "it is damaged: its section \"%s\" would take %llu bytes.", section->name,
                          (unsigned long long)size);
        section->size = (uint32_t)size;
        section->writable = (flags & SECTION_WRITE) != 0;
        section->executable = (flags & SECTION_EXECUTE) != 0;
        if (!check_section(file, image, section, free_from, error))
            return false;
        free_from = (uint64_t)section->address + section->size;
    }
    image->section_count = headers->section_count;
    return true;
}

const struct pe_section *pe_image_section(const struct pe_image *image, uint32_t address)
{
    for (unsigned index = 0; index < image->section_count; index++)
        if (address >= image->sections[index].address &&
            address - image->sections[index].address < image->sections[index].size)
            return &image->sections[index];
    return NULL;
}

bool pe_image_parse(const void *bytes, size_t size, struct pe_image *image, struct pe_error *error)
{
    const struct view file = {bytes, size};
    struct headers headers = {0, 0, 0};
    struct pe_image parsed;

    memset(&parsed, 0, sizeof(parsed));
    if (!parse_file_header(&file, &headers, error) || !parse_optional_header(&file, &headers, &parsed, error) ||
        !parse_sections(&file, &headers, &parsed, error))
        return false;
    const struct pe_section *code = pe_image_section(&parsed, parsed.entry);
    if (code == NULL || !code->executable)
        return refuse(error, "its entry point 0x%X lies in no section with code.", parsed.entry);
    *image = parsed;
    return true;
}

/* --- Memory -------------------------------------------------------------------------------- */

static bool relocate_block(const struct pe_image *image, uint8_t *memory, uint64_t at, uint32_t block, uint64_t moved,
                           struct pe_error *error)
{
    const struct view view = {memory, image->size};
    uint32_t page = get32(&view, at);

    for (uint64_t entry = at + 8; entry + 2 <= at + block; entry += 2) {
        unsigned value = (unsigned)get(&view, entry, 2), type = value >> 12;
        uint64_t target = (uint64_t)page + (value & 0xfff);

        if (type == RELOCATION_NONE)
            continue;
        if (type != RELOCATION_DIR64)
            return refuse(error, "it is damaged: it has a relocation of type %u, which x86-64 does not know.", type);
        if (target < image->headers_size || !within(&view, target, 8))
            return refuse(error, "it is damaged: a relocation changes address 0x%llX, outside its sections.",
                          (unsigned long long)target);
        uint64_t moved_to = get(&view, target, 8) + moved;
        memcpy(memory + target, &moved_to, sizeof(moved_to));
    }
    return true;
}

/* A relocation may change the table that is being read: every number is checked when it is used. */
static bool relocate(const struct pe_image *image, uint8_t *memory, uint64_t moved, struct pe_error *error)
{
    const struct view view = {memory, image->size};
    uint64_t at = image->relocations.address, end = at + image->relocations.size;

    while (end - at >= 8) {
        uint32_t block = get32(&view, at + 4);
        if (block < 8 || block > end - at)
            return refuse(error, "it is damaged: a block of its relocations has %u bytes.", block);
        if (!relocate_block(image, memory, at, block, moved, error))
            return false;
        at += block;
    }
    return true;
}

bool pe_image_lay_out(const struct pe_image *image, const void *bytes, size_t size, void *memory, uint64_t address,
                      struct pe_error *error)
{
    const struct view file = {bytes, size};

    if (!within(&file, 0, image->headers_size))
        return refuse(error, "it became shorter while it was read.");
    memcpy(memory, bytes, image->headers_size);
    for (unsigned index = 0; index < image->section_count; index++) {
        const struct pe_section *section = &image->sections[index];
        uint32_t used = section->file_size < section->size ? section->file_size : section->size;

        if (!within(&file, section->file_offset, used))
            return refuse(error, "it became shorter while it was read.");
        memcpy((uint8_t *)memory + section->address, file.bytes + section->file_offset, used);
    }
    return relocate(image, memory, address - image->base, error);
}

/* --- Imports ------------------------------------------------------------------------------- */

/* A NUL-terminated name of printable characters in the image, or NULL. */
static const char *name_at(const struct view *view, uint64_t address)
{
    for (uint64_t at = address; at < view->size && at - address < PE_NAME_MAX; at++) {
        if (view->bytes[at] == 0)
            return at == address ? NULL : (const char *)view->bytes + address;
        if (view->bytes[at] <= ' ' || view->bytes[at] >= 127)
            return NULL;
    }
    return NULL;
}

struct binding {
    const struct pe_image *image;
    uint8_t *memory;
    pe_import *import;
    void *context;
    unsigned count;
};

static bool bind_library(struct binding *binding, const char *library, uint64_t names, uint64_t slots,
                         struct pe_error *error)
{
    const struct view view = {binding->memory, binding->image->size};

    for (;; names += 8, slots += 8) {
        if (!within(&view, names, 8) || !within(&view, slots, 8) || slots < binding->image->headers_size)
            return refuse(error, "it is damaged: its imports from %s run out of the image.", library);
        uint64_t lookup = get(&view, names, 8);
        if (lookup == 0)
            return true;
        if (++binding->count > PE_IMPORTS_MAX)
            return refuse(error, "it has more than %u imports.", PE_IMPORTS_MAX);
        if (lookup >> 63 != 0)
            return refuse(error, "it imports %s by number (%u), not by name.", library, (unsigned)(lookup & 0xffff));
        const char *name = lookup >> 31 != 0 ? NULL : name_at(&view, lookup + 2);
        if (name == NULL)
            return refuse(error, "it is damaged: an import from %s has no name.", library);
        uint64_t address = binding->import(binding->context, library, name);
        memcpy(binding->memory + slots, &address, sizeof(address));
    }
}

bool pe_image_bind(const struct pe_image *image, void *memory, pe_import *import, void *context, struct pe_error *error)
{
    const struct view view = {memory, image->size};
    struct binding binding = {image, memory, import, context, 0};
    uint64_t at = image->imports.address;

    for (unsigned library = 0; image->imports.size != 0; library++, at += IMPORT_DESCRIPTOR) {
        if (!within(&view, at, IMPORT_DESCRIPTOR) || library >= PE_LIBRARIES_MAX)
            return refuse(error, "it is damaged: its table of imports has no end.");
        uint32_t names = get32(&view, at), name = get32(&view, at + 12), slots = get32(&view, at + 16);
        if (name == 0 && slots == 0)
            return true;
        const char *found = name_at(&view, name);
        char copy[PE_NAME_MAX];
        if (found == NULL)
            return refuse(error, "it is damaged: a library that it imports from has no name.");
        snprintf(copy, sizeof(copy), "%s", found);
        if (!bind_library(&binding, copy, names != 0 ? names : slots, slots, error))
            return false;
    }
    return true;
}
