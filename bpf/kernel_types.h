/* SPDX-License-Identifier: MIT */
/*
 * kernel_types.h - the few fields of kernel structures that gate.bpf.c reads.
 *
 * Only names and types count here: libbpf finds the real offsets in the running kernel's BTF when
 * the program is loaded (CO-RE), so that no vmlinux.h is needed to build. A member that the running
 * kernel keeps in an unnamed union or struct is still found by its name.
 *
 * When you add a field: it must exist in every kernel from 5.15 on, or be guarded by
 * bpf_core_field_exists.
 */
#ifndef BPF_KERNEL_TYPES_H
#define BPF_KERNEL_TYPES_H

#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
    unsigned int inum;
};

struct mnt_namespace {
    struct ns_common ns;
};

struct hlist_bl_node {
    struct hlist_bl_node **pprev;
};

struct qstr {
    __u32 len;
    const unsigned char *name;
};

struct dentry {
    struct hlist_bl_node d_hash;
    struct dentry *d_parent;
    struct qstr d_name;
};

struct vfsmount {
    struct dentry *mnt_root;
};

struct mount {
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
    struct vfsmount mnt;
    struct mnt_namespace *mnt_ns;
};

struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
};

struct super_block {
    __u32 s_dev;
};

struct inode {
    struct super_block *i_sb;
    unsigned long i_ino;
    unsigned int i_nlink;
    __u32 i_generation;
};

struct file {
    struct path f_path;
    struct inode *f_inode;
};

struct mm_struct {
    struct file *exe_file;
};

struct net {
    __u64 net_cookie;
};

struct nsproxy {
    struct net *net_ns;
};

typedef struct {
    __u32 val;
} kgid_t;

struct group_info {
    int ngroups;
    kgid_t gid[];
};

typedef struct {
    __u32 val;
} kuid_t;

struct cred {
    kuid_t uid;
    kgid_t gid;
    kgid_t egid;
    struct group_info *group_info;
};

struct kernfs_node {
    __u64 id;
};

struct cgroup {
    struct kernfs_node *kn;
};

struct css_set {
    struct cgroup *dfl_cgrp;
};

struct task_struct {
    struct mm_struct *mm;
    const struct cred *cred;
    struct nsproxy *nsproxy;
    struct task_struct *group_leader;
    __u64 start_boottime;
    int tgid;
    struct css_set *cgroups;
    char comm[16];
};

#pragma clang attribute pop

#endif
