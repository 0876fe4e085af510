/* SPDX-License-Identifier: MIT */
/*
 * load.h - where the driver under test comes from: linked into the test (load_linked.c), or a driver
 * file, which GATEHOUSE_SYS in the environment names (tests/pe/load_file.c).
 */
#ifndef DRIVER_LOAD_H
#define DRIVER_LOAD_H

#include <nt/nt.h>

NTSTATUS driver_load(const struct nt_registry_value *values, size_t count);
void driver_unload(void);

#endif
