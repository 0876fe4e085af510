/* SPDX-License-Identifier: MIT */
/*
 * settings.h - what the service's registry key says under Parameters.
 *
 *   DeadlineMs  100 .. 120000   default 60000
 *   Undecided   1 permit, 2 block   default 2
 *   NoDecider   0 hold, 1 permit, 2 block   default 0
 *   Capacity    1 .. 4194304   default 65536
 *   HoldLoopback  0 permit loopback by a filter, 1 hold it too   default 0
 *   RulesFolder, RulesVolatileFolder  strings, native paths without a separator at their end; empty: nothing is kept.
 *     They go to driver_state.
 *
 * A value that is missing or not allowed takes its default, each for itself; a trace says so. Fails when it cannot be
 * told whether rules are kept: no memory, say.
 */
#ifndef DRIVER_SETTINGS_H
#define DRIVER_SETTINGS_H

#include "driver/driver.h"

_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS settings_read(PUNICODE_STRING registry_path, struct gatehouse_policy *policy, uint32_t *capacity,
                       BOOLEAN *hold_loopback);

#endif
