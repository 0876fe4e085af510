/* SPDX-License-Identifier: MIT */
/*
 * engine_platform.h - the engine's platform under Wine: the rules that were broken so far.
 */
#ifndef TESTS_WINE_ENGINE_PLATFORM_H
#define TESTS_WINE_ENGINE_PLATFORM_H

#include <ntddk.h>

/* How many; text gets the first one. */
UINT32 engine_violations(char *text, size_t size);

#endif
