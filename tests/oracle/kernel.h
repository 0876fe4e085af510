/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - bpf/cache.bpf.h compiled for this process; what it looks up is answered by kernel_lookup.
 */
#ifndef TESTS_ORACLE_KERNEL_H
#define TESTS_ORACLE_KERNEL_H

#include <stdint.h>

#include "bpf/gate_maps.h"

struct kernel_answer {
    uint32_t verdict; /* enum gate_verdict */
    uint32_t hits;    /* 1 + the counter's place */
};

struct kernel_answer kernel_ask(const struct gate_cache_key *full, uint32_t family, uint32_t generation);

const void *kernel_map_state(void);
const void *kernel_map_cache(void);

/* The caller's (cache.c). */
void *kernel_lookup(const void *map, const void *key);

#endif
