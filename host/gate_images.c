/* SPDX-License-Identifier: MIT */
/*
 * gate_images.c - the path of an executable, found once for each run of a program.
 *
 * The kernel side walked the path when the process first connected. It is read from there once and kept in a table with
 * one place for each hash: bounded, and a collision only costs a second read.
 *
 * A program from another mount namespace has no path on the host, unless the host's file of that name is the very same
 * file (`ip netns exec` starts every program in a mount namespace of its own): then its path is the host's. The same
 * file means the same device and inode, looked up below the host's root without following links.
 */
#include "gate_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define PLACES 1024 /* a power of two */

struct entry {
    struct gate_image_key key;
    uint64_t program; /* of gate_caller: the same process can run the same file by another name */
    uint32_t flags;
    uint32_t mount_namespace;
    size_t size;
    char *path; /* NULL: the place is free */
};

struct gate_images {
    struct entry entries[PLACES];
    struct gate_image buffer;
};

struct gate_images *gate_images_new(void)
{
    return calloc(1, sizeof(struct gate_images));
}

void gate_images_free(struct gate_images *images)
{
    for (size_t i = 0; images && i < PLACES; i++)
        free(images->entries[i].path);
    free(images);
}

/* The kernel keeps a device number as 12 bits major, 20 bits minor. */
static dev_t device_of(uint32_t kernel_device)
{
    return makedev(kernel_device >> 20, kernel_device & 0xfffff);
}

static bool is_host_file(const char *path, uint64_t device, uint64_t inode)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    struct stat found;
    bool same = false;
    struct gate_host host;
    int root = -1, fd;

    if (gate_host_find(&host, NULL))
        return false;
    root = open(host.root[0] ? host.root : "/", O_PATH | O_CLOEXEC | O_DIRECTORY);
    fd = root < 0 ? -1 : (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

    if (fd >= 0)
        same = !fstat(fd, &found) && found.st_dev == device && found.st_ino == inode;
    if (fd >= 0)
        close(fd);
    if (root >= 0)
        close(root);
    return same;
}

/*
 * When the kernel's record is gone: the link in /proc, if it is beyond doubt that it is of the same process, which
 * lives afterwards and so had the pid all the time, and of the same program: path and file are those of one look, for
 * the process may become another program between two. Returns the size, or -1.
 */
static ssize_t ask_proc(const struct gate_caller *caller, char *path, size_t size)
{
    char name[40];
    struct stat found;
    ssize_t length = -1;
    int fd;

    snprintf(name, sizeof(name), "/proc/%u/exe", caller->pid);
    fd = open(name, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (!fstat(fd, &found) && found.st_dev == device_of(caller->exe_device) && found.st_ino == caller->exe_inode) {
        snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        length = readlink(name, path, size - 1);
    }
    close(fd);
    if (length <= 0 || (size_t)length >= size - 1 || path[0] != '/' || !gate_caller_lives(caller))
        return -1;
    path[length] = 0;
    return length;
}

/* Takes the kernel's record, or failing that /proc's, into the buffer. Returns the path, or NULL. */
static const char *read_path(struct gate_images *images, int map, const struct gate_caller *caller,
                             const struct gate_image_key *key, struct entry *entry)
{
    struct gate_image *image = &images->buffer;
    static const char deleted[] = " (deleted)";
    ssize_t length;

    memset(image, 0, sizeof(*image));
    if (!bpf_map_lookup_elem(map, key, image) && image->ready && image->start <= GATE_PATH_MAX) {
        if (caller->program[0] && caller->program[0] != image->program[0])
            return NULL; /* of a later run */
        entry->flags = image->flags;
        entry->mount_namespace = image->mount_namespace;
        entry->size = GATE_PATH_MAX - image->start;
        image->text[GATE_PATH_MAX] = 0;
        return image->text + image->start;
    }
    length = ask_proc(caller, image->text, sizeof(image->text));
    if (length < 0)
        return NULL;
    if ((caller->flags & GATE_CALLER_DELETED) && length > (ssize_t)sizeof(deleted) &&
        !strcmp(image->text + length - (sizeof(deleted) - 1), deleted)) {
        length -= (ssize_t)sizeof(deleted) - 1;
        image->text[length] = 0;
    }
    entry->flags = caller->flags & (GATE_CALLER_OTHER_MOUNTS | GATE_CALLER_PATH_CUT);
    entry->mount_namespace = caller->mount_namespace;
    entry->size = (size_t)length;
    return image->text;
}

static bool fill(struct gate_images *images, int map, const struct gate_caller *caller,
                 const struct gate_image_key *key, struct entry *entry)
{
    struct entry fresh = {.key = *key, .program = caller->program[0]};
    const char *path = read_path(images, map, caller, key, &fresh);

    if (!path)
        return false;
    fresh.path = malloc(fresh.size + 1);
    if (!fresh.path)
        return false;
    memcpy(fresh.path, path, fresh.size + 1);
    if ((fresh.flags & GATE_CALLER_OTHER_MOUNTS) && !(fresh.flags & GATE_CALLER_PATH_CUT) &&
        is_host_file(fresh.path, device_of(caller->exe_device), caller->exe_inode))
        fresh.flags &= ~GATE_CALLER_OTHER_MOUNTS;
    free(entry->path);
    *entry = fresh;
    return true;
}

void gate_images_find(struct gate_images *images, int map, const struct gate_caller *caller, struct gate_owner *owner)
{
    struct gate_image_key key = {.start_boottime_ns = caller->start_boottime_ns,
                                 .exe_inode = caller->exe_inode,
                                 .exe_device = caller->exe_device,
                                 .pid = caller->pid};
    uint64_t hash =
        (key.start_boottime_ns ^ key.exe_inode * 0x9e3779b97f4a7c15u ^ (uint64_t)key.pid << 20) * 0x9e3779b97f4a7c15u;
    struct entry *entry = &images->entries[hash >> 54];

    owner->exe_device = device_of(caller->exe_device);
    owner->path = "";
    owner->path_size = 0;
    if (!entry->path || memcmp(&entry->key, &key, sizeof(key)) || entry->program != caller->program[0])
        if (!fill(images, map, caller, &key, entry)) {
            owner->flags |= GATE_OWNER_PATH_CUT;
            return;
        }
    owner->flags = (owner->flags & ~(GATE_OWNER_OTHER_MOUNTS | GATE_OWNER_PATH_CUT)) | entry->flags;
    owner->mount_namespace = entry->mount_namespace;
    owner->path = entry->path;
    owner->path_size = entry->size;
}
