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
#define ANSWER(entry)         ((entry)->hits << 8 | (entry)->fields << 4 | (entry)->verdict)
#define ANSWER_VERDICT(found) ((found)&15)
#define ANSWER_FIELDS(found)  ((found) >> 4 & 15)
#define ANSWER_HITS(found)    ((found) >> 8)

static __always_inline __u32 ask_place(__u32 place, const __u64 key[GATE_KEY_WORDS], __u32 generation)
{
    const struct gate_cache_entry *entry = bpf_map_lookup_elem(&gate_cache, &place);
    const __u64 *here;
    __u32 sequence, answer;

    if (!entry)
        return 0;
    sequence = *(volatile __u32 *)&entry->sequence;
    barrier();
    here = (const void *)&entry->key;
    if (entry->generation != generation || here[7] != key[7] || here[5] != key[5] || here[0] != key[0] ||
        here[1] != key[1] || here[2] != key[2] || here[3] != key[3] || here[4] != key[4] || here[6] != key[6])
        return 0;
    answer = ANSWER(entry);
    if (entry->ends && bpf_ktime_get_boot_ns() >= entry->ends)
        return 0; /* of a rule for a time, which may be over while no gatehoused lives */
    barrier();
    return *(volatile __u32 *)&entry->sequence == sequence && !(sequence & 1) ? answer : 0;
}

/* 0: none. full: the key with all that is known. Not static: the verifier looks at it once, not for each hook. */
__noinline __u32 ask_cache(const struct gate_cache_key *full, __u32 family, __u32 generation)
{
    struct gate_masks *masks;
    struct gate_state *state;
    const __u64 *all;
    __u64 key[GATE_KEY_WORDS];
    __u32 i, count, place, answer, zero = 0;

    state = bpf_map_lookup_elem(&gate_state, &zero);
    if (!state || !full)
        return 0;
    all = (const void *)full;
    masks = &state->masks[family & 1];
    count = *(volatile __u32 *)&masks->count;
    for (i = 0; i < GATE_MASKS; i++) {
        struct gate_mask *mask = &masks->masks[i];
        __u32 number;

        if (i >= count)
            break;
        number = *(volatile __u32 *)&mask->number;
        if (mask->fields & GATE_LOOKED_PROGRAM && !all[0])
            continue;
        if (mask->fields & GATE_LOOKED_USER && full->groups == GATE_GROUPS_UNKNOWN)
            continue;
        key[0] = all[0] & mask->bits[0];
        key[1] = all[1] & mask->bits[1];
        key[2] = all[2] & mask->bits[2];
        key[3] = all[3] & mask->bits[3];
        key[4] = all[4] & mask->bits[4];
        key[5] = all[5] & mask->bits[5];
        key[6] = all[6] & mask->bits[6];
        key[7] = all[7] & mask->bits[7];
        ((struct gate_cache_key *)key)->mask = number;
        if (!number || *(volatile __u32 *)&mask->number != number)
            continue;
        place = gate_cache_place(key, state->secret[0]);
        answer = ask_place(place, key, generation);
        if (!answer)
            answer = ask_place(place ^ 1, key, generation);
        if (answer)
            return answer;
    }
    return 0;
}

/* To read the processor's clock takes as long as all the rest of count_hit: the last tick's time will do. */
static __always_inline __u64 coarse_boot_ns(struct gate_state *state)
{
    __u64 now = bpf_ktime_get_coarse_ns();

    if (now - state->clock_seen > 1000000000ull) {
        state->clock_ahead = bpf_ktime_get_boot_ns() - bpf_ktime_get_ns();
        state->clock_seen = now;
    }
    return now + state->clock_ahead;
}

static __always_inline void count_hit(struct gate_state *state, __u32 place)
{
    struct gate_hit *hit;

    if (!place--)
        return;
    hit = bpf_map_lookup_elem(&gate_hits, &place);
    if (!hit)
        return;
    __sync_fetch_and_add(&hit->hits, 1);
    hit->last = coarse_boot_ns(state);
}

#endif
