/* SPDX-License-Identifier: MIT */
/*
 * missing.h - which routines a driver wants that nobody here has, so that one sentence can name them all.
 */
#ifndef LAB_MISSING_H
#define LAB_MISSING_H

#include <stddef.h>

/* "ZwCreateKey, ZwOpenKey and 3 others" of this shared object; how many they are, 0 if it cannot be read. */
size_t lab_missing(const char *path, char *text, size_t room);

#endif
