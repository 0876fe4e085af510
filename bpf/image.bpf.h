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

/*
 * Adds what is known of the image to the caller; finds the path out when it is the first time. When the scratch space
 * of this CPU is taken by a preempted caller, the path is left for the next time: the host can ask elsewhere.
 */
static __always_inline void note_image(struct gate_caller *caller, struct file *file)
{
    struct gate_image_key key = {.start_boottime_ns = caller->start_boottime_ns,
                                 .exe_inode = caller->exe_inode,
                                 .exe_device = caller->exe_device,
                                 .pid = caller->pid};
    struct gate_image *image = bpf_map_lookup_elem(&gate_images, &key);
    struct scratch *scratch;
    __u32 zero = 0;

    if (image) {
        caller->flags |= image->flags;
        caller->mount_namespace = image->mount_namespace;
        return;
    }
    caller->flags |= GATE_CALLER_OTHER_MOUNTS;
    scratch = bpf_map_lookup_elem(&gate_scratch, &zero);
    if (!scratch || __sync_lock_test_and_set(&scratch->busy, 1))
        return;
    walk_path(scratch, file);
    bpf_map_update_elem(&gate_images, &key, &scratch->image, BPF_ANY);
    caller->flags = (caller->flags & ~GATE_CALLER_OTHER_MOUNTS) | scratch->image.flags;
    caller->mount_namespace = scratch->image.mount_namespace;
    scratch->busy = 0;
}

#endif
