/* SPDX-License-Identifier: MIT */
/*
 * world_folders.c - see world_folders.h.
 */
#include "lab/world_folders.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lab/scenario_world.h"

#define FOLDERS   2u
#define PATH_MOST 80u

static long owner;                       /* a process; 0: nobody yet */
static char folders[FOLDERS][PATH_MOST]; /* "": not made in this run */

static const char *base(char path[PATH_MOST])
{
    snprintf(path, PATH_MOST, "%s/wfplab-%ld", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", owner);
    return path;
}

static bool remove_folder(int at, const char *name, unsigned depth);

/* What is in it: true if there was something that is gone now. */
static bool empty_folder(DIR *folder, unsigned depth)
{
    bool any = false;

    rewinddir(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        any |= unlinkat(dirfd(folder), entry->d_name, 0) == 0 ||
               (depth != 0 && remove_folder(dirfd(folder), entry->d_name, depth - 1));
    }
    return any;
}

/* With the folders in it, so many levels deep. A listing from which something was deleted may pass others over. */
static bool remove_folder(int at, const char *name, unsigned depth)
{
    int handle = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = handle < 0 ? NULL : fdopendir(handle);

    while (folder != NULL && empty_folder(folder, depth))
        ;
    if (folder != NULL)
        (void)closedir(folder);
    return unlinkat(at, name, AT_REMOVEDIR) == 0;
}

void world_folders_own(void)
{
    owner = (long)getpid();
}

void world_folders_end(void)
{
    char path[PATH_MOST];

    for (size_t i = 0; i < FOLDERS; i++) {
        if (folders[i][0] != 0)
            (void)remove_folder(AT_FDCWD, folders[i], 0);
        folders[i][0] = 0;
    }
    if (owner == (long)getpid())
        (void)rmdir(base(path));
}

void world_folders_remove(void)
{
    char path[PATH_MOST];

    if (owner == (long)getpid())
        (void)remove_folder(AT_FDCWD, base(path), 1);
}

static void make_folder(size_t which)
{
    char path[PATH_MOST];

    if (owner == 0)
        world_folders_own();
    (void)mkdir(base(path), 0700);
    snprintf(folders[which], sizeof(folders[which]), "%.50s/%ld-%zu", path, (long)getpid(), which);
    (void)remove_folder(AT_FDCWD, folders[which], 0);
    if (mkdir(folders[which], 0700) != 0) {
        fprintf(stderr, "%s cannot be made\n", folders[which]);
        abort();
    }
}

const char *world_folder(bool kept)
{
    static char name[FOLDERS][PATH_MOST + 10];
    size_t which = kept ? 0 : 1;

    if (folders[which][0] == 0)
        make_folder(which);
    snprintf(name[which], sizeof(name[which]),
             "\\?"
             "?\\unix%s",
             folders[which]);
    for (char *at = name[which]; *at != 0; at++)
        if (*at == '/')
            *at = '\\';
    return name[which];
}
