/* SPDX-License-Identifier: MIT */
/*
 * drivers_engine.c - see lab/world_drivers.h: the one driver that tests/driver/load.h has.
 */
#include "lab/world_drivers.h"

#include "lab/scenario_world.h"
#include "tests/driver/load.h"

size_t world_driver_count(void)
{
    return 1;
}

const char *world_driver_name(size_t driver)
{
    (void)driver;
    return "gatehouse";
}

NTSTATUS world_driver_load(size_t driver, const struct nt_registry_value *values, size_t count)
{
    (void)driver;
    return driver_load(values, count);
}

void world_driver_unload(size_t driver)
{
    (void)driver;
    driver_unload();
}
