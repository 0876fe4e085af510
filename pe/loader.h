/* SPDX-License-Identifier: MIT */
/*
 * loader.h - runs an unmodified x86-64 Windows driver file on nt/ and wfp/.
 *
 * What a driver binary cannot have here: gs-relative accesses (the processor's block), structured
 * exception handling, what the shared page holds besides the two times, and imports that nt/ and wfp/ do not implement.
 * Its devices are opened with nt_file_open, as those of a linked driver are.
 */
#ifndef PE_LOADER_H
#define PE_LOADER_H

#include <nt/nt.h>

#include "pe/image.h"

#define PE_FILE_MAX (64u << 20)

/* For nt_special_pool_start: 128 MiB of addresses, and half the mappings that a process may have by default. */
#define PE_SPECIAL_POOL_PAGES 32768u

struct pe_driver;

/*
 * Loads the file and calls its DriverEntry, as nt_driver_load does with service and values.
 * PASSIVE_LEVEL, once at a time. false: nothing stays loaded; error names the file and says why. When
 * imports are missing, all of them go to stderr, one a line.
 */
bool pe_driver_load(const char *path, const char *service, const struct nt_registry_value *values, size_t value_count,
                    struct pe_driver **driver, struct pe_error *error);

/* nt_driver_unload, and the image is gone. */
void pe_driver_unload(struct pe_driver *driver);

/*
 * The same in parts, for a file that is started more than once: maps it; puts its writable sections back as they were
 * after mapping and calls DriverEntry; nt_driver_unload; unmaps it. NULL, false: as pe_driver_load.
 */
struct pe_driver *pe_driver_open(const char *path, struct pe_error *error);
bool pe_driver_start(struct pe_driver *driver, const char *service, const struct nt_registry_value *values,
                     size_t value_count, struct pe_error *error);
void pe_driver_stop(struct pe_driver *driver);
void pe_driver_close(struct pe_driver *driver);

#endif
