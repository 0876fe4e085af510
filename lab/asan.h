/* SPDX-License-Identifier: MIT */
/*
 * asan.h - AddressSanitizer under a program that was not compiled with it: its library has to be there first.
 */
#ifndef LAB_ASAN_H
#define LAB_ASAN_H

#include <stdbool.h>

/* The library is loaded. */
bool asan_is_on(void);

/* This program again, with the library before all others. Does not return, or gives an exit code: told on stderr. */
int asan_restart(void);

#endif
