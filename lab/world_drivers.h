/* SPDX-License-Identifier: MIT */
/*
 * world_drivers.h - where the drivers of a world on nt/ and wfp/ come from: one file that implements it is linked.
 *   lab/driver_file.c                  what the command line of wfplab names
 *   tests/scenario/drivers_engine.c    the one of tests/driver/load.h: linked in, or GATEHOUSE_SYS
 */
#ifndef LAB_WORLD_DRIVERS_H
#define LAB_WORLD_DRIVERS_H

#include <nt/nt.h>

/* Which there are: world_driver_count and world_driver_name (lab/scenario_world.h). */

/* Calls DriverEntry. PASSIVE_LEVEL, at most once until it is unloaded. */
NTSTATUS world_driver_load(size_t driver, const struct nt_registry_value *values, size_t count);
void world_driver_unload(size_t driver);

#endif
