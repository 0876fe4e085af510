/* SPDX-License-Identifier: MIT */
/*
 * caller.bpf.h - who calls connect() or sendmsg(): identity, and the owner of a socket and of a flow.
 *
 * gate_exec writes down the path of each program that is started in our namespace, as it is then.
 */
#ifndef BPF_CALLER_BPF_H
#define BPF_CALLER_BPF_H

#include "cache.bpf.h"
#include "image.bpf.h"

/* All but the image. False for a kernel thread, which has no program. Read here: a helper's call takes longer. */
static __always_inline bool identify_process(struct gate_caller *caller)
{
    struct task_struct *task = (void *)bpf_get_current_task_btf();
    struct mm_struct *mm = task->mm;
    struct file *file;
    struct inode *inode;
    struct dentry *dentry;
    const struct cred *cred = task->cred;

    if (!mm)
        return false;
    file = mm->exe_file;
    if (!file)
        return false;
    inode = file->f_inode;
    dentry = file->f_path.dentry;
    caller->flags = GATE_CALLER_KNOWN;
    caller->pid = task->tgid;
    caller->uid = cred->uid.val;
    caller->gid = cred->gid.val;
    caller->start_boottime_ns = task->group_leader->start_boottime;
    caller->exe_inode = inode->i_ino;
    caller->exe_generation = inode->i_generation;
    caller->exe_device = inode->i_sb->s_dev;
    caller->cgroup = task->cgroups->dfl_cgrp->kn->id;
    if (inode->i_nlink == 0 || (!dentry->d_hash.pprev && dentry->d_parent != dentry))
        caller->flags |= GATE_CALLER_DELETED;
    return true;
}

/* False for a kernel thread. */
static __always_inline bool identify_caller(struct gate_caller *caller)
{
    if (!identify_process(caller))
        return false;
    note_image(caller);
    return true;
}

/*
 * As a number that differs when they do; the host finds them by it in gate_groups. effective: the group whose rights
 * the process has, by a set-group-ID program; one of them when it is not caller->gid.
 */
static __always_inline void name_groups(const struct group_info *info, __u32 count, __u32 effective,
                                        struct gate_caller *caller)
{
    struct gate_groups groups = {};
    struct gate_state *state;
    __u32 i, zero = 0;
    __u64 mixed;

    caller->groups = GATE_GROUPS_UNKNOWN;
    state = bpf_map_lookup_elem(&gate_state, &zero);
    if (!state || count > GATE_GROUPS_MAX)
        return;
    if (bpf_probe_read_kernel(groups.gids, sizeof(groups.gids[0]) * count, info->gid))
        return;
    if (effective != caller->gid) {
        asm volatile("" : "+r"(count)); /* else the compiler asks for more than the verifier follows */
        if (count >= GATE_GROUPS_MAX)
            return;
        groups.gids[count++] = effective;
    }
    groups.count = count;
    mixed = (state->secret[0] ^ count) | 1;
    for (i = 0; i < GATE_GROUPS_MAX; i++)
        mixed = (turn_left(mixed, 27) ^ groups.gids[i] ^ state->secret[1]) * 0x9e3779b97f4a7c15ull;
    mixed = mixed >> 1 | 1;
    if (!bpf_map_lookup_elem(&gate_groups, &mixed) && bpf_map_update_elem(&gate_groups, &mixed, &groups, BPF_ANY))
        return;
    caller->groups = mixed;
}

/* Further groups; costs more than the rest. */
__noinline int note_groups(struct gate_caller *caller)
{
    struct task_struct *task = (void *)bpf_get_current_task_btf();
    const struct cred *cred = task->cred;
    struct group_info *info = cred->group_info;

    if (!caller)
        return 0;
    caller->groups = GATE_GROUPS_UNKNOWN;
    if (info)
        name_groups(info, info->ngroups, cred->egid.val, caller);
    return 0;
}

SEC("tp_btf/sched_process_exec")
int gate_exec(__u64 *ctx)
{
    struct task_struct *task = (void *)bpf_get_current_task_btf();
    struct gate_caller caller = {};

    (void)ctx;
    if (BPF_CORE_READ(task, nsproxy, net_ns, net_cookie) == netns_cookie && identify_process(&caller))
        renew_image(&caller);
    return 0;
}

/* The same program for the same user, as far as both are known. groups: 0 where nobody had to look at them. */
static __always_inline bool same_program(const struct gate_caller *a, const struct gate_caller *b)
{
    return a->pid == b->pid && a->start_boottime_ns == b->start_boottime_ns && a->exe_inode == b->exe_inode &&
           a->exe_device == b->exe_device && a->exe_generation == b->exe_generation && a->uid == b->uid &&
           a->gid == b->gid && a->flags == b->flags && a->program[0] == b->program[0] &&
           a->program[1] == b->program[1] && (a->groups == b->groups || !a->groups || !b->groups);
}

static __always_inline bool same_caller(const struct gate_caller *a, const struct gate_caller *b)
{
    return same_program(a, b) && a->cgroup == b->cgroup && a->groups == b->groups;
}

/* A new connect() is decided anew, whatever this socket was told before about the same destination. */
static __always_inline void own_stream(const struct gate_flow_key *flow, struct gate_owner_state *owner)
{
    struct gate_flow_key own = {.cookie = flow->cookie};
    struct gate_owner_state *old = bpf_map_lookup_elem(&gate_owners, &own);

    if (bpf_map_lookup_elem(&gate_flows, flow)) /* cheaper than to delete what is not there, as usual */
        bpf_map_delete_elem(&gate_flows, flow);
    if (old && old->pended) {
        struct gate_flow_key key = *flow;

        __builtin_memcpy(key.remote_address, old->last.remote_address, sizeof(key.remote_address));
        key.remote_port = old->last.remote_port;
        key.ip_version = old->last.ip_version;
        bpf_map_delete_elem(&gate_flows, &key);
    }
    bpf_map_update_elem(&gate_owners, &own, owner, BPF_ANY);
}

/*
 * The socket's own entry serves packets whose destination was rewritten on the way to the rules. It names nobody once
 * a second program has used the socket. What was said of another caller's flow to this destination does not count for
 * this one.
 */
static __always_inline void own_datagrams(const struct gate_flow_key *flow, struct gate_owner_state *owner)
{
    struct gate_flow_key own = {.cookie = flow->cookie};
    struct gate_owner_state *old = bpf_map_lookup_elem(&gate_owners, flow);
    struct gate_flow_state *said;

    if (old && same_caller(&old->caller, &owner->caller))
        return;
    said = old ? bpf_map_lookup_elem(&gate_flows, flow) : NULL;
    if (said && said->verdict != GATE_UNDECIDED && said->generation == current_generation() &&
        !(same_program(&old->caller, &owner->caller) && old->caller.cgroup == owner->caller.cgroup))
        bpf_map_delete_elem(&gate_flows, flow);
    bpf_map_update_elem(&gate_owners, flow, owner, BPF_ANY);
    old = bpf_map_lookup_elem(&gate_owners, &own);
    if (old && same_caller(&old->caller, &owner->caller))
        return;
    if (old) {
        owner->pended = old->pended;
        owner->last = old->last;
        if (!same_program(&old->caller, &owner->caller))
            owner->caller.flags |= GATE_CALLER_SEVERAL;
    }
    bpf_map_update_elem(&gate_owners, &own, owner, BPF_ANY);
}

#endif
