/* SPDX-License-Identifier: MIT */
/*
 * driver_file.h - the drivers that a command of wfplab names: C files, shared objects, Windows driver files.
 *
 * A C file, or a folder of them, is compiled by the machine's cc against nt/include and wfp/include into a cache
 * (driver_compile.h). A shared object is opened once; before each load its writable sections are put back as they
 * were after it was opened, so that a driver can be run many times in one process. A .sys is mapped anew by pe/.
 *
 * The names are those of the files without folder and what is behind the last dot; two drivers may not have the same.
 * Implements lab/world_drivers.h. One thread.
 */
#ifndef LAB_DRIVER_FILE_H
#define LAB_DRIVER_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "lab/driver_compile.h"

enum driver_kind { DRIVER_C, DRIVER_SHARED, DRIVER_SYS, DRIVER_NONE };

/* By its name's end, or because it is a folder: DRIVER_C. DRIVER_NONE: it is no driver. */
enum driver_kind driver_kind_of(const char *path);

struct driver_error {
    char text[1400]; /* one sentence, with the file's name */
};

/* Gets the next driver ready to be loaded; compiles it first if it is C, and what the compiler says goes to stderr. */
bool driver_add(const struct driver_sources *sources, struct driver_error *error);

/* Is this address in a driver's code? For reports of faults; callable from a signal handler. */
bool driver_holds(const void *address);

/* Takes back what driver_add did; none is loaded. */
void driver_remove_all(void);

#endif
