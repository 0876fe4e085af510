/* SPDX-License-Identifier: MIT */
/*
 * foreign.c - where code of driver binaries lies, and what a place in it is called; see nt/foreign.h.
 */
#include "nt/foreign.h"
#include "nt/internal.h"

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
