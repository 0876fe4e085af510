/* SPDX-License-Identifier: MIT */
/*
 * start.h - what the mingw-w64 build of gatehouse.sys does before DriverEntry.
 */
#ifndef WINDOWS_START_H
#define WINDOWS_START_H

#include <ntddk.h>

/* The image's entry point: prepares what follows, then is DriverEntry. */
DRIVER_INITIALIZE driver_start;

/* Finds out what allocates (pool.c). */
_IRQL_requires_(PASSIVE_LEVEL)
void pool_start(void);

#endif
