/* SPDX-License-Identifier: MIT */
/*
 * cache.bpf.h - ring 0: the engine's verdicts, found again by the fields that they looked at.
 *
 * Filled by host/gate_cache.c. An answer holds for the generation it was made under; so do masks. Whatever is not known
 * for sure is no answer: then the packet goes the long way.
 */
#ifndef BPF_CACHE_BPF_H
#define BPF_CACHE_BPF_H

#include "decided.bpf.h"

/* Goes to this machine itself? Guessed; the packet knows. */
static __always_inline bool is_local(struct gate_state *state, const struct gate_flow_key *flow)
{
    const __u64 *words = (const void *)flow->remote_address;
    __u32 bit;

    if (flow->ip_version == 4 && flow->remote_address[0] == 127)
        return true;
    if (flow->ip_version == 6 && words[0] == 0 && words[1] == bpf_cpu_to_be64(1))
        return true;
    bit = gate_local_hash(flow->remote_address);
    if (!(state->local[(bit / 64) & (GATE_LOCAL_BITS / 64 - 1)] & 1ull << (bit & 63)))
        return false;
    return bpf_map_lookup_elem(&gate_local, flow->remote_address) != NULL;
}

/* To no address means to this machine or to the socket's own address: the kernel finds out later. */
static __always_inline bool has_address(const struct gate_flow_key *flow)
{
    const __u64 *words = (const void *)flow->remote_address;

    return words[0] || words[1];
}

/* The cache's answer in one word. */
#define ANSWER(value)         ((value)->hits << 8 | (value)->fields << 4 | (value)->verdict)
#define ANSWER_VERDICT(found) ((found)&15)
#define ANSWER_FIELDS(found)  ((found) >> 4 & 15)
#define ANSWER_HITS(found)    ((found) >> 8)

/* 0: none. full: the key with all that is known. Not static: the verifier looks at it once, not for each hook. */
__noinline __u32 ask_cache(const struct gate_cache_key *full, __u32 family, __u32 generation)
{
    struct gate_cache_value *value;
    struct gate_cache_key key;
    struct gate_masks *masks;
    struct gate_state *state;
    const __u64 *all;
    __u64 *some = (void *)&key;
    __u32 i, count, zero = 0;

    state = bpf_map_lookup_elem(&gate_state, &zero);
    if (!state || !full)
        return 0;
    all = (const void *)full;
    masks = &state->masks[family & 1];
    if (*(volatile __u32 *)&masks->generation != generation)
        return 0;
    count = *(volatile __u32 *)&masks->count;
    for (i = 0; i < GATE_MASKS; i++) {
        struct gate_mask *mask = &masks->masks[i];
        __u32 number;

        if (i >= count)
            break;
        number = *(volatile __u32 *)&mask->number;
        if (mask->fields & GATE_LOOKED_PROGRAM && !full->program[0])
            continue;
        if (mask->fields & GATE_LOOKED_USER && full->groups == GATE_GROUPS_UNKNOWN)
            continue;
        some[0] = all[0] & mask->bits[0];
        some[1] = all[1] & mask->bits[1];
        some[2] = all[2] & mask->bits[2];
        some[3] = all[3] & mask->bits[3];
        some[4] = all[4] & mask->bits[4];
        some[5] = all[5] & mask->bits[5];
        some[6] = all[6] & mask->bits[6];
        some[7] = all[7] & mask->bits[7];
        key.mask = number;
        if (!number || *(volatile __u32 *)&mask->number != number)
            continue;
        value = bpf_map_lookup_elem(&gate_cache, &key);
        if (value && value->generation == generation)
            return ANSWER(value);
    }
    return 0;
}

static __always_inline void count_hit(__u32 place)
{
    struct gate_hit *hit;

    if (!place--)
        return;
    hit = bpf_map_lookup_elem(&gate_hits, &place);
    if (!hit)
        return;
    __sync_fetch_and_add(&hit->hits, 1);
    hit->last = bpf_ktime_get_boot_ns();
}

#endif
