/* SPDX-License-Identifier: MIT */
/*
 * program_path_unix.c - see program_path.h. The kernel names a program by its path without symbolic links.
 */
#define _GNU_SOURCE
#include "agent/program_path.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(PROGRAM_PATH_MAX >= PATH_MAX, "realpath's result fits");

enum agent_result program_path_resolve(const char *written, char *resolved, enum program_path_kind *kind,
                                       struct problem *problem)
{
    char real[PATH_MAX];

    if (written[0] != '/' || strlen(written) >= PATH_MAX)
        return problem_set(
            problem, AGENT_USAGE,
            "--except takes a program's whole path, from / on, not '%.100s': 'command -v NAME' tells it.", written);
    if (realpath(written, real) == NULL) {
        memcpy(resolved, written, strlen(written) + 1);
        *kind = PROGRAM_PATH_ABSENT;
        return AGENT_OK;
    }
    *kind = strcmp(real, written) == 0 ? PROGRAM_PATH_REAL : PROGRAM_PATH_LED;
    memcpy(resolved, real, strlen(real) + 1);
    return AGENT_OK;
}
