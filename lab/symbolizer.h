/* SPDX-License-Identifier: MIT */
/*
 * symbolizer.h - runs addr2line for the places of one file; for lab/symbols.c.
 */
#ifndef LAB_SYMBOLIZER_H
#define LAB_SYMBOLIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LAB_SYMBOLIZER_DEADLINE_MS 10000

/* For each address as the file has it: the innermost function first (inlined ones), each with its file and line. "" and
 * 0: not known. The strings are valid during the call. */
typedef void lab_symbolizer_found(void *context, size_t index, const char *function, const char *file, unsigned line);

/* false: there is no such program, or it failed or took too long; then found may have been called for some. */
bool lab_symbolizer_run(const char *program, const char *path, const uint64_t *addresses, size_t count,
                        lab_symbolizer_found *found, void *context);

#endif
