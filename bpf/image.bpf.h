/* SPDX-License-Identifier: MIT */
/*
 * image.bpf.h - the path of an executable, taken in the kernel, and note_image: what is known of a running one.
 *
 * No program sleeps or holds a lock. What they share for each CPU is claimed first: the hooks can be preempted.
 */
#ifndef BPF_IMAGE_BPF_H
#define BPF_IMAGE_BPF_H

#include "maps.bpf.h"

struct walk {
    struct vfsmount *mount;
    struct dentry *dentry;
};

/* Puts one name, or the step over a mount point, before the text. Returns false at the end. */
static __always_inline bool walk_step(struct walk *walk, struct gate_image *image)
{
    struct vfsmount *here = walk->mount;
    struct dentry *dentry = walk->dentry;
    struct dentry *root = BPF_CORE_READ(here, mnt_root);
    struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
    const unsigned char *name;
    __u32 length, start = image->start;

    if (dentry == root || dentry == parent) {
        struct mount *mount = (void *)((char *)here - bpf_core_field_offset(struct mount, mnt));
        struct mount *above = BPF_CORE_READ(mount, mnt_parent);

        if (dentry != root || above == mount || !above)
            return false;
        walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
        walk->mount = (void *)((char *)above + bpf_core_field_offset(struct mount, mnt));
        return true;
    }
    length = BPF_CORE_READ(dentry, d_name.len);
    name = BPF_CORE_READ(dentry, d_name.name);
    if (length > 255 || start > GATE_PATH_MAX || start < length + 1) {
        image->flags |= GATE_CALLER_PATH_CUT;
        return false;
    }
    start = (start - length) & (GATE_PATH_MAX - 1);
    if (bpf_probe_read_kernel(&image->text[start], length & 255, name)) {
        image->flags |= GATE_CALLER_PATH_CUT;
        return false;
    }
    start = (start - 1) & (GATE_PATH_MAX - 1);
    image->text[start] = '/';
    image->start = start;
    walk->dentry = parent;
    return true;
}

/* Deeper paths are cut, and a cut path matches nothing. */
#define WALK_STEPS 320

static __always_inline __u64 turn_left(__u64 word, int bits)
{
    return word << bits | word >> (64 - bits);
}

/* SipHash's round. */
static __always_inline void mix(__u64 v[4])
{
    v[0] += v[1];
    v[1] = turn_left(v[1], 13) ^ v[0];
    v[0] = turn_left(v[0], 32);
    v[2] += v[3];
    v[3] = turn_left(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = turn_left(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = turn_left(v[1], 17) ^ v[2];
    v[2] = turn_left(v[2], 32);
}

static __always_inline void mix_in(__u64 v[4], __u64 word)
{
    v[3] ^= word;
    mix(v);
    v[0] ^= word;
}

/*
 * SipHash-1-3 with 128 bits of output over the path and the rest that a decision can depend on: a user who chooses
 * paths cannot make two alike without the secret. Which file it is counts only for another mount namespace's
 * (gate_images.c).
 */
static __noinline int hash_image(struct scratch *scratch, const struct gate_image_key *key)
{
    struct gate_image *image = &scratch->image;
    __u32 zero = 0, start = image->start;
    struct gate_state *state = bpf_map_lookup_elem(&gate_state, &zero);
    __u64 v[4];
    int i;

    if (!state)
        return 0;
    v[0] = state->secret[0] ^ 0x736f6d6570736575ull;
    v[1] = state->secret[1] ^ 0x646f72616e646f6dull ^ 0xee;
    v[2] = state->secret[0] ^ 0x6c7967656e657261ull;
    v[3] = state->secret[1] ^ 0x7465646279746573ull;
    mix_in(v, (__u64)start << 32 | image->flags);
    if (image->flags & GATE_CALLER_OTHER_MOUNTS) {
        mix_in(v, image->mount_namespace);
        mix_in(v, key->exe_inode);
        mix_in(v, key->exe_device);
    }
    for (i = 0; i < GATE_PATH_MAX / 8; i++) {
        if (start >= GATE_PATH_MAX)
            break;
        mix_in(v, *(__u64 *)&image->text[start & (GATE_PATH_MAX - 1)]); /* the last reads into the slack, zeros */
        start += 8;
    }
    v[2] ^= 0xee;
    mix(v);
    mix(v);
    mix(v);
    image->program[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    mix(v);
    mix(v);
    mix(v);
    image->program[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
    return 0;
}

static __noinline int walk_path(struct scratch *scratch, struct file *file)
{
    struct gate_image *image = &scratch->image;
    struct walk walk;
    struct mount *mount;
    int i;

    walk.mount = BPF_CORE_READ(file, f_path.mnt);
    walk.dentry = BPF_CORE_READ(file, f_path.dentry);
    mount = (void *)((char *)walk.mount - bpf_core_field_offset(struct mount, mnt));
    image->flags = 0;
    image->start = GATE_PATH_MAX;
    image->mount_namespace = BPF_CORE_READ(mount, mnt_ns, ns.inum);
    if (image->mount_namespace != host_mount_namespace)
        image->flags |= GATE_CALLER_OTHER_MOUNTS;
    for (i = 0; i < WALK_STEPS; i++)
        if (!walk_step(&walk, image))
            break;
    if (i == WALK_STEPS)
        image->flags |= GATE_CALLER_PATH_CUT;
    image->ready = 1;
    return 0;
}

/* A file that was unlinked since its path was taken is another program to rules. */
static __always_inline __u64 deleted_mark(const struct gate_caller *caller)
{
    return caller->flags & GATE_CALLER_DELETED ? 0x9e3779b97f4a7c15ull : 0;
}

static __always_inline void note_program(struct gate_caller *caller, const struct gate_image *image)
{
    caller->program[0] = image->program[0];
    caller->program[1] = image->program[1] ^ deleted_mark(caller);
}

/*
 * Finds out the path of the program that runs, and notes it with the caller. When the scratch space of this CPU is
 * taken by a preempted caller, the path is left for the next time: the host can ask elsewhere. Not static: see
 * ask_cache.
 */
__noinline int take_image(struct gate_caller *caller)
{
    struct task_struct *task = (void *)bpf_get_current_task_btf();
    struct mm_struct *mm = task->mm;
    struct gate_image_key key = {};
    struct scratch *scratch;
    struct file *file;
    __u32 zero = 0;

    if (!caller || !mm)
        return 0;
    file = mm->exe_file;
    if (!file)
        return 0;
    key.start_boottime_ns = caller->start_boottime_ns;
    key.exe_inode = caller->exe_inode;
    key.exe_device = caller->exe_device;
    key.pid = caller->pid;
    scratch = bpf_map_lookup_elem(&gate_scratch, &zero);
    if (!scratch || __sync_lock_test_and_set(&scratch->busy, 1))
        return 0;
    walk_path(scratch, file);
    hash_image(scratch, &key);
    bpf_map_update_elem(&gate_images, &key, &scratch->image, BPF_ANY);
    caller->flags = (caller->flags & ~GATE_CALLER_OTHER_MOUNTS) | scratch->image.flags;
    caller->mount_namespace = scratch->image.mount_namespace;
    note_program(caller, &scratch->image);
    scratch->busy = 0;
    return 0;
}

static __always_inline struct gate_program *find_program(const struct gate_caller *caller)
{
    __u32 place = ((caller->start_boottime_ns ^ caller->pid) * 0x9e3779b97f4a7c15ull >> 32) & (GATE_PROGRAMS - 1);

    return bpf_map_lookup_elem(&gate_programs, &place);
}

/* False: not there. */
static __always_inline bool recall_program(const struct gate_program *place, struct gate_caller *caller)
{
    __u32 flags;

    if (*(volatile __u64 *)&place->start_boottime_ns != caller->start_boottime_ns || place->pid != caller->pid ||
        place->exe_inode != caller->exe_inode || place->exe_device != caller->exe_device)
        return false;
    flags = place->flags;
    caller->mount_namespace = place->mount_namespace;
    caller->program[0] = place->program[0];
    caller->program[1] = place->program[1] ^ deleted_mark(caller);
    caller->flags |= flags;
    return *(volatile __u64 *)&place->start_boottime_ns == caller->start_boottime_ns;
}

static __always_inline void remember_program(struct gate_program *place, const struct gate_caller *caller,
                                             const struct gate_image *image)
{
    if (__sync_lock_test_and_set(&place->start_boottime_ns, GATE_START_BUSY) == GATE_START_BUSY)
        return;
    place->exe_inode = caller->exe_inode;
    place->exe_device = caller->exe_device;
    place->pid = caller->pid;
    place->flags = image->flags;
    place->mount_namespace = image->mount_namespace;
    place->program[0] = image->program[0];
    place->program[1] = image->program[1];
    __sync_lock_test_and_set(&place->start_boottime_ns, caller->start_boottime_ns);
}

/*
 * The program has just begun: whatever was known of the same process and file is of another run. The process may have
 * run the file by another name (a link), and its number may be another file's by now.
 */
static __always_inline void renew_image(struct gate_caller *caller)
{
    struct gate_image_key key = {.start_boottime_ns = caller->start_boottime_ns,
                                 .exe_inode = caller->exe_inode,
                                 .exe_device = caller->exe_device,
                                 .pid = caller->pid};
    struct gate_program *place = find_program(caller);

    if (place && place->pid == caller->pid)
        __sync_val_compare_and_swap(&place->start_boottime_ns, caller->start_boottime_ns, 0);
    bpf_map_delete_elem(&gate_images, &key);
    caller->flags |= GATE_CALLER_OTHER_MOUNTS;
    take_image(caller);
}

/* Adds what is known of the image to the caller. */
static __always_inline void note_image(struct gate_caller *caller)
{
    struct gate_image_key key = {.start_boottime_ns = caller->start_boottime_ns,
                                 .exe_inode = caller->exe_inode,
                                 .exe_device = caller->exe_device,
                                 .pid = caller->pid};
    struct gate_program *place = find_program(caller);
    struct gate_image *image;

    if (place && recall_program(place, caller))
        return;
    image = bpf_map_lookup_elem(&gate_images, &key);
    if (!image) {
        caller->flags |= GATE_CALLER_OTHER_MOUNTS;
        take_image(caller);
        return;
    }
    caller->flags |= image->flags;
    caller->mount_namespace = image->mount_namespace;
    note_program(caller, image);
    if (place)
        remember_program(place, caller, image);
}

#endif
