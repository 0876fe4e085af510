/* SPDX-License-Identifier: MIT */
/*
 * foreign.c - where code of driver binaries lies; see nt/foreign.h.
 */
#include "nt/foreign.h"
#include "nt/internal.h"

uintptr_t nt_foreign_start, nt_foreign_size;

void nt_set_foreign_code(const void *start, size_t size)
{
    __atomic_store_n(&nt_foreign_start, (uintptr_t)start, __ATOMIC_RELAXED);
    __atomic_store_n(&nt_foreign_size, size, __ATOMIC_RELAXED);
}
