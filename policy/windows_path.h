/* SPDX-License-Identifier: MIT */
/*
 * windows_path.h - does a path begin as one of Windows: "\" or "C:\". Backslashes in it are no escapes.
 */
#ifndef POLICY_WINDOWS_PATH_H
#define POLICY_WINDOWS_PATH_H

#include <stdbool.h>
#include <stddef.h>

static inline bool is_windows_path(const char *path, size_t size)
{
    if (size != 0 && path[0] == '\\')
        return true;
    return size >= 3 && ((path[0] >= 'A' && path[0] <= 'Z') || (path[0] >= 'a' && path[0] <= 'z')) && path[1] == ':' &&
           path[2] == '\\';
}

#endif
