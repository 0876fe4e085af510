/* SPDX-License-Identifier: MIT */
/*
 * owners.bpf.h - the map of who opened a socket, by cookie and, for datagrams, also by destination. For the gate's
 * object and for names.bpf.c, which is given the gate's.
 */
#ifndef BPF_OWNERS_BPF_H
#define BPF_OWNERS_BPF_H

#include "kernel_types.h"
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "gate_maps.h"

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, GATE_OWNERS_MAX);
    __type(key, struct gate_flow_key);
    __type(value, struct gate_owner_state);
} gate_owners SEC(".maps");

#endif
