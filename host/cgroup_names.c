/* SPDX-License-Identifier: MIT */
/*
 * cgroup_names.c - see cgroup_names.h. A table with one place for each hash: bounded, and a collision only costs
 * finding the path again.
 */
#include "host/cgroup_names.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "core/sha256.h"
#include "host/gate.h"

#define PLACES        512u /* a power of two */
#define PATH_MAX_SIZE 4096u
#define UNIT          80u
#define GROUP         81u

/* A kernfs handle is the node's 64-bit number. */
#define HANDLE_KERNFS 0xfe

struct entry {
    uint64_t number;
    size_t count;
    struct cgroup_sid *sids; /* NULL: the place is free */
};

struct cgroup_names {
    int root;
    struct entry entries[PLACES];
};

struct cgroup_names *cgroup_names_new(void)
{
    struct cgroup_names *names = calloc(1, sizeof(*names));

    if (!names)
        return NULL;
    names->root = gate_cgroup_root();
    if (names->root >= 0)
        return names;
    free(names);
    return NULL;
}

void cgroup_names_free(struct cgroup_names *names)
{
    if (!names)
        return;
    for (size_t i = 0; i < PLACES; i++)
        free(names->entries[i].sids);
    close(names->root);
    free(names);
}

/* --- From path to SIDs ----------------------------------------------------------------------- */

static void make_sid(struct cgroup_sid *sid, uint32_t kind, const char *text, size_t size)
{
    uint8_t digest[SHA256_SIZE];

    sha256_of(text, size, digest);
    *sid = (struct cgroup_sid){.revision = 1, .count = 6, .authority = {0, 0, 0, 0, 0, 5}, .part = {kind}};
    for (unsigned i = 0; i < 5; i++)
        sid->part[1 + i] = (uint32_t)digest[i * 4] | (uint32_t)digest[i * 4 + 1] << 8 |
                           (uint32_t)digest[i * 4 + 2] << 16 | (uint32_t)digest[i * 4 + 3] << 24;
}

/* Kinds of units that have a control group (page systemd.unit). */
static bool is_unit(const char *name, size_t size)
{
    static const char *const suffixes[] = {".service", ".scope", ".slice", ".socket", ".mount", ".swap"};

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        size_t length = strlen(suffixes[i]);

        if (size > length && memcmp(name + size - length, suffixes[i], length) == 0)
            return true;
    }
    return false;
}

size_t cgroup_names_of(const char *path, struct cgroup_sid sids[CGROUP_SIDS_MAX])
{
    size_t count = 0, at = 1;

    make_sid(&sids[count++], GROUP, "/", 1);
    while (path[0] == '/' && path[at] && count + 2 <= CGROUP_SIDS_MAX) {
        size_t size = strcspn(path + at, "/");

        make_sid(&sids[count++], GROUP, path, at + size);
        if (is_unit(path + at, size))
            make_sid(&sids[count++], UNIT, path + at, size);
        at += size + (path[at + size] == '/');
    }
    return count;
}

/* --- From number to path --------------------------------------------------------------------- */

static bool descriptor_path(int fd, char path[PATH_MAX_SIZE])
{
    char name[32];

    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    ssize_t size = readlink(name, path, PATH_MAX_SIZE - 1);
    path[size > 0 ? size : 0] = 0;
    return size > 0 && (size_t)size < PATH_MAX_SIZE - 1 && path[0] == '/';
}

static bool find_path(const struct cgroup_names *names, uint64_t number, char path[PATH_MAX_SIZE])
{
    struct {
        struct file_handle head;
        uint64_t number;
    } handle = {.head = {.handle_bytes = sizeof(uint64_t), .handle_type = HANDLE_KERNFS}};
    char root[PATH_MAX_SIZE];

    memcpy(handle.head.f_handle, &number, sizeof(number));
    int fd = open_by_handle_at(names->root, &handle.head, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool found = descriptor_path(names->root, root) && descriptor_path(fd, path);
    close(fd);
    size_t size = found && root[1] ? strlen(root) : 0; /* where it is mounted, if it is */
    if (!found || strncmp(path, root, size) != 0)
        return false;
    memmove(path, path + size, strlen(path + size) + 1);
    static const char deleted[] = " (deleted)";
    size_t length = strlen(path), tail = sizeof(deleted) - 1;
    if (length > tail && strcmp(path + length - tail, deleted) == 0)
        return false;
    if (!path[0])
        memcpy(path, "/", 2);
    return true;
}

size_t cgroup_names_find(struct cgroup_names *names, uint64_t number, const struct cgroup_sid **sids)
{
    struct entry *entry = &names->entries[(number * 0x9e3779b97f4a7c15u) >> 55];
    struct cgroup_sid found[CGROUP_SIDS_MAX];
    char path[PATH_MAX_SIZE];

    if (!entry->sids || entry->number != number) {
        if (!number || !find_path(names, number, path))
            return 0;
        size_t count = cgroup_names_of(path, found);
        struct cgroup_sid *copy = malloc(count * sizeof(*copy));

        if (!copy)
            return 0;
        memcpy(copy, found, count * sizeof(*copy));
        free(entry->sids);
        *entry = (struct entry){.number = number, .count = count, .sids = copy};
    }
    *sids = entry->sids;
    return entry->count;
}
