/* SPDX-License-Identifier: MIT */
/*
 * fuzz_rules.h - images of rules made of a fuzzer's bytes; ioctl_fuzz.c loads them.
 *
 * When rules get another kind of part, put_part makes it too.
 */
#ifndef TESTS_FUZZ_FUZZ_RULES_H
#define TESTS_FUZZ_FUZZ_RULES_H

#include "tests/fuzz/fuzz.h"
#include "tests/lib/rule_builder.h"

/* A new image in place of the one that rules has; mostly one that can be loaded. The caller frees it with builder_free.
 */
void fuzz_rules(struct fuzz_bytes *in, struct rule_builder *rules);

/* The input of NAMES_LEARNED: names for the destinations of connections, of any program. Returns its bytes: fewer than
 * 200. */
size_t fuzz_put_names(struct fuzz_bytes *in, uint8_t *bytes);

#endif
