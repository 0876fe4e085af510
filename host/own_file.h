/* SPDX-License-Identifier: MIT */
/*
 * own_file.h - files that say what the gate does: settings, rules. Who can change one is root, in effect.
 */
#ifndef HOST_OWN_FILE_H
#define HOST_OWN_FILE_H

#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN_FILE_ADVICE                                                                                                \
    "can be changed by others than root: give it to root (chown root) and take the right from the others (chmod go-w)"

/* Only root and who runs this can change it. */
static inline bool own_file_is(const struct stat *status)
{
    return (status->st_uid == 0 || status->st_uid == geteuid()) && !(status->st_mode & (S_IWGRP | S_IWOTH));
}

#endif
