/* SPDX-License-Identifier: MIT */
/*
 * driver_file_windows.h - gatehouse.sys: beside the program, and where Windows keeps drivers.
 *
 * Replacing keeps the file that was there until driver_file_settle or driver_file_undo. A file in use can be renamed,
 * but not deleted; then it goes when Windows restarts. Numbers are GetLastError()'s; 0 is success.
 *
 * Beside target is also the lock that keeps two installs or uninstalls from doing their work at once: a file that is
 * open for one program alone and goes with it, in a folder where only administrators can make one.
 */
#ifndef AGENT_DRIVER_FILE_WINDOWS_H
#define AGENT_DRIVER_FILE_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRIVER_FILE_PATH_MAX 520

struct driver_file {
    wchar_t source[DRIVER_FILE_PATH_MAX];
    wchar_t target[DRIVER_FILE_PATH_MAX]; /* System32\drivers\gatehouse.sys */
    bool there;                           /* target exists */
    bool same;                            /* and has source's bytes */
    bool left;                            /* copies beside target that an interrupted run left */
    bool replaced, kept;                  /* what undo needs: target is ours, the old one is kept */
    void *lock;                           /* NULL: not taken */
};

/* Finds both paths, takes the lock if that is wanted, and looks at target. Does not need source. ERROR_LOCK_VIOLATION:
 * another program has the lock. */
uint32_t driver_file_find(struct driver_file *file, bool lock);
/* Gives the lock back, if there is one. */
void driver_file_unlock(struct driver_file *file);

/* Is source a driver for this machine? ERROR_BAD_EXE_FORMAT if not, ERROR_FILE_NOT_FOUND if there is none. */
uint32_t driver_file_check(const struct driver_file *file);

uint32_t driver_file_replace(struct driver_file *file);
uint32_t driver_file_undo(struct driver_file *file);
void driver_file_settle(struct driver_file *file);

/* Also what is left beside it. *later: it is in use and goes when Windows restarts. */
uint32_t driver_file_remove(struct driver_file *file, bool *later);

#endif
