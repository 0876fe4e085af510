/* SPDX-License-Identifier: MIT */
/*
 * foreign.c - where code of drivers lies, and what a place in a driver binary is called; see nt/foreign.h.
 *
 * A driver that is a shared object, or linked in, has the segments of that file.
 */
#define _GNU_SOURCE
#include "nt/foreign.h"
#include "nt/internal.h"

#include <link.h>
#include <stdio.h>

uintptr_t nt_foreign_start, nt_foreign_size;
static nt_code_namer *namer;

void nt_set_foreign_code(const void *start, size_t size)
{
    __atomic_store_n(&nt_foreign_start, (uintptr_t)start, __ATOMIC_RELAXED);
    __atomic_store_n(&nt_foreign_size, size, __ATOMIC_RELAXED);
}

void nt_set_code_namer(nt_code_namer *name)
{
    __atomic_store_n(&namer, name, __ATOMIC_RELEASE);
}

const char *nt_name_code(const void *address, char *text, size_t size)
{
    nt_code_namer *name = __atomic_load_n(&namer, __ATOMIC_ACQUIRE);
    if (name == NULL || !name(address, text, size))
        snprintf(text, size, "%p", address);
    return text;
}

static __thread struct nt_code next_code;

void nt_next_driver_code(const void *start, size_t size)
{
    next_code = (struct nt_code){(uintptr_t)start, size};
}

bool nt_code_next(struct nt_code *code)
{
    bool given = next_code.size != 0;
    if (given)
        *code = next_code;
    next_code = (struct nt_code){0, 0};
    return given;
}

bool nt_code_holds(const struct nt_code *code, const void *address)
{
    return (uintptr_t)address - code->start < code->size;
}

struct module {
    uintptr_t address;
    struct nt_code *code;
};

static int look_at(struct dl_phdr_info *info, size_t size, void *opaque)
{
    struct module *module = opaque;
    uintptr_t low = UINTPTR_MAX, high = 0;
    (void)size;
    for (int index = 0; index < info->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[index];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type != PT_LOAD)
            continue;
        low = start < low ? start : low;
        high = start + segment->p_memsz > high ? start + segment->p_memsz : high;
    }
    if (low > module->address || module->address >= high)
        return 0;
    *module->code = (struct nt_code){low, high - low};
    return 1;
}

void nt_code_find(const void *address, struct nt_code *code)
{
    struct module module = {(uintptr_t)address, code};
    *code = (struct nt_code){0, 0};
    (void)dl_iterate_phdr(look_at, &module);
}
