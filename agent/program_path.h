/* SPDX-License-Identifier: MIT */
/*
 * program_path.h - from the path a person writes to the path the platform knows a program by.
 */
#ifndef AGENT_PROGRAM_PATH_H
#define AGENT_PROGRAM_PATH_H

#include <stddef.h>

#include "agent/result.h"

#define PROGRAM_PATH_MAX 4096u

enum program_path_kind {
    PROGRAM_PATH_REAL,  /* as written */
    PROGRAM_PATH_LED,   /* it leads to another path, which is the one in resolved */
    PROGRAM_PATH_ABSENT /* nothing is there now; as written */
};

/* AGENT_USAGE for a path that is not absolute or too long. resolved has PROGRAM_PATH_MAX bytes. */
enum agent_result program_path_resolve(const char *written, char *resolved, enum program_path_kind *kind,
                                       struct problem *problem);

#endif
