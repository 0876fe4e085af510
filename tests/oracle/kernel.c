/* SPDX-License-Identifier: MIT */
/*
 * kernel.c - see kernel.h.
 */
#include "tests/oracle/kernel.h"

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define bpf_map_lookup_elem kernel_lookup
__u32 ask_cache(const struct gate_cache_key *full, __u32 family, __u32 generation);
#include "bpf/cache.bpf.h"

struct kernel_answer kernel_ask(const struct gate_cache_key *full, uint32_t family, uint32_t generation)
{
    __u32 found = ask_cache(full, family, generation);

    return (struct kernel_answer){ANSWER_VERDICT(found), ANSWER_HITS(found)};
}

const void *kernel_map_state(void)
{
    return &gate_state;
}

const void *kernel_map_cache(void)
{
    return &gate_cache;
}
