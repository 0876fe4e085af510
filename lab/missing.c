/* SPDX-License-Identifier: MIT */
/*
 * missing.c - see missing.h: reads the names that a shared object does not define, and asks the linker for each.
 *
 * The loader itself tells of the first one only.
 */
#include "lab/missing.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct object {
    const uint8_t *bytes;
    size_t size;
    const ElfW(Sym) * symbols;
    size_t count;
    const char *names;
    size_t names_size;
};

/* A section's bytes; NULL: it does not lie in the file. */
static const void *section_at(const struct object *object, const ElfW(Shdr) * section)
{
    bool lies = section->sh_offset <= object->size && section->sh_size <= object->size - section->sh_offset;

    return lies && (section->sh_offset % 8 == 0 || section->sh_type == SHT_STRTAB) ? object->bytes + section->sh_offset
                                                                                   : NULL;
}

static void find_symbols(struct object *object)
{
    const ElfW(Ehdr) *header = (const void *)object->bytes;
    const ElfW(Shdr) * sections;

    if (object->size < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_shentsize != sizeof(*sections) || header->e_shoff % 8 != 0 || header->e_shoff > object->size ||
        header->e_shnum > (object->size - header->e_shoff) / sizeof(*sections))
        return;
    sections = (const void *)(object->bytes + header->e_shoff);
    for (size_t i = 0; i < header->e_shnum; i++) {
        const ElfW(Shdr) *section = &sections[i];

        if (section->sh_type != SHT_DYNSYM || section->sh_link >= header->e_shnum)
            continue;
        object->symbols = section_at(object, section);
        object->names = section_at(object, &sections[section->sh_link]);
        object->names_size = sections[section->sh_link].sh_size;
        object->count = object->symbols != NULL && object->names != NULL && object->names_size != 0 &&
                                object->names[object->names_size - 1] == 0
                            ? section->sh_size / sizeof(*object->symbols)
                            : 0;
    }
}

static size_t tell(const struct object *object, char *text, size_t room)
{
    size_t missing = 0, told = 0, used = 0;

    for (size_t i = 0; i < object->count; i++) {
        const ElfW(Sym) *symbol = &object->symbols[i];
        const char *name = symbol->st_name < object->names_size ? object->names + symbol->st_name : "";

        if (symbol->st_shndx != SHN_UNDEF || *name == 0 || ELF64_ST_BIND(symbol->st_info) != STB_GLOBAL ||
            dlsym(RTLD_DEFAULT, name) != NULL)
            continue;
        missing++;
        if (used + strlen(name) + 3 < room - 30) {
            used += (size_t)snprintf(text + used, room - used, "%s%s", used == 0 ? "" : ", ", name);
            told++;
        }
    }
    if (missing > told)
        snprintf(text + used, room - used, " and %zu others", missing - told);
    return missing;
}

size_t lab_missing(const char *path, char *text, size_t room)
{
    struct object object = {0};
    struct stat status;
    size_t missing = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    void *bytes = MAP_FAILED;

    *text = 0;
    if (file >= 0 && fstat(file, &status) == 0 && status.st_size > 0)
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (file >= 0)
        close(file);
    if (bytes == MAP_FAILED)
        return 0;
    object.bytes = bytes;
    object.size = (size_t)status.st_size;
    find_symbols(&object);
    missing = tell(&object, text, room);
    munmap(bytes, object.size);
    return missing;
}
