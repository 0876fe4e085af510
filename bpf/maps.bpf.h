/* SPDX-License-Identifier: MIT */
/*
 * maps.bpf.h - the maps of gate.bpf.c, what the host sets before loading, and the counters.
 *
 * When you add a map: host/gate_bpf.c pins it by name; see GATE_LAYOUT in gate_maps.h.
 */
#ifndef BPF_MAPS_BPF_H
#define BPF_MAPS_BPF_H

#include <stdbool.h>
#include "kernel_types.h"
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "gate_maps.h"
#include "owners.bpf.h"

#define AF_INET     2
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17

#define LOOPBACK_INDEX 1 /* lo is the first device of every namespace */

/* Set by the host before loading. */
const volatile __u64 netns_cookie = 0;
const volatile __u64 undecided_limit_ns = 0;
const volatile __u32 host_mount_namespace = 0;
const volatile __u32 dead_open = 0;

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, GATE_FLOWS_MAX);
    __type(key, struct gate_flow_key);
    __type(value, struct gate_flow_state);
} gate_flows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, GATE_PENDED_MAX);
    __type(key, struct gate_tuple);
    __type(value, struct gate_pended);
} gate_waiting SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, GATE_SLOTS);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct gate_slot);
} gate_slots SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, GATE_IMAGES_MAX);
    __type(key, struct gate_image_key);
    __type(value, struct gate_image);
} gate_images SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, GATE_GROUP_SETS);
    __type(key, __u64);
    __type(value, struct gate_groups);
} gate_groups SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct gate_state);
} gate_state SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, GATE_COUNTERS);
    __type(key, __u32);
    __type(value, __u64);
} gate_counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, GATE_EVENTS_SIZE);
} gate_events SEC(".maps");

/* ---- the verdict cache ---- */

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, GATE_CACHE);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct gate_cache_entry);
} gate_cache SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, GATE_DECIDED);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct gate_decided);
} gate_decided SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, GATE_SPILLED_MAX);
    __type(key, __u64);
    __type(value, struct gate_caller);
} gate_spilled SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, GATE_PROGRAMS);
    __type(key, __u32);
    __type(value, struct gate_program);
} gate_programs SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, GATE_HITS_MAX);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct gate_hit);
} gate_hits SEC(".maps");

/* Addresses of this machine: what is sent to them goes through lo. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, GATE_LOCAL_MAX);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u8[16]);
    __type(value, __u32);
} gate_local SEC(".maps");

struct scratch {
    __u64 busy;
    struct gate_image image;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct scratch);
} gate_scratch SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, GATE_REFUSED_MAX);
    __type(key, struct gate_refused_key);
    __type(value, struct gate_refused);
} gate_refused SEC(".maps");

static __always_inline void count(__u32 counter)
{
    __u64 *value = bpf_map_lookup_elem(&gate_counters, &counter);

    if (value)
        *value += 1;
}

static __always_inline __u32 current_generation(void)
{
    __u32 zero = 0;
    struct gate_state *state = bpf_map_lookup_elem(&gate_state, &zero);

    return state ? state->generation : 0;
}

static __always_inline void count_lost_event(void)
{
    __u32 zero = 0;
    struct gate_state *state = bpf_map_lookup_elem(&gate_state, &zero);

    if (state)
        __sync_fetch_and_add(&state->events_lost, 1);
}

/* How to submit what is told for people: they are woken once, and look again by themselves until it is quiet. */
static __always_inline __u64 wake_watcher(void)
{
    __u32 zero = 0;
    struct gate_state *state = bpf_map_lookup_elem(&gate_state, &zero);

    return state && state->tell && __sync_val_compare_and_swap(&state->tell, 1, 0) == 1 ? BPF_RB_FORCE_WAKEUP
                                                                                        : BPF_RB_NO_WAKEUP;
}

#endif
