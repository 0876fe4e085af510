/* SPDX-License-Identifier: MIT */
/*
 * engine_platform.h - the engine's platform under Wine: the rules that were broken so far.
 */
#ifndef TESTS_WINE_ENGINE_PLATFORM_H
#define TESTS_WINE_ENGINE_PLATFORM_H

#include <ntddk.h>

/* As a DllMain: 1 the file is loaded, 0 the driver host ends. */
BOOLEAN NTAPI engine_entry_point(PVOID module, ULONG reason, PVOID reserved);

/* How many since the start. */
UINT32 engine_violations(void);

/* The oldest of the latest 16 that was not asked for yet, with its NUL; empty: none. */
void engine_next_violation(char *text, size_t size);

#endif
