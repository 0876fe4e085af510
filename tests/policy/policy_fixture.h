/* SPDX-License-Identifier: MIT */
/*
 * policy_fixture.h - a system for policies that lies in memory: files, users, programs behind links.
 */
#ifndef TESTS_POLICY_FIXTURE_H
#define TESTS_POLICY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/rule_image.h"
#include "policy/policy.h"
#include "policy/print.h"

#define FIXTURE_FILES_MAX 64u

struct fixture_file {
    char name[64];
    const char *text; /* NULL: it cannot be read */
    size_t size;
};

struct fixture {
    struct fixture_file files[FIXTURE_FILES_MAX];
    unsigned file_count;
    struct policy_system system; /* context is this fixture */
};

/* Users root 0 and alice 1000, group wheel 10. /bin is a link to /usr/bin. */
void fixture_init(struct fixture *fixture);
void fixture_add(struct fixture *fixture, const char *name, const char *text);

/* Must be without an error; the caller frees the image. */
struct policy_image fixture_compile(struct fixture *fixture, const char *text);
/* All errors as they are shown. The caller frees them. */
char *fixture_errors(const struct policy *policy);

#endif
