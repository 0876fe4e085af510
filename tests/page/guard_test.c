/* SPDX-License-Identifier: MIT */
/*
 * guard_test.c - tokens, the code of the link that is opened, and which heads are refused (page/guard.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "page/guard.h"

#define PORT 40123

static void make(struct guard *guard)
{
    assert_true(guard_init(guard, PORT));
}

static bool admits(const struct guard *guard, const char *token)
{
    char header[64];

    snprintf(header, sizeof(header), "Bearer %s", token);
    return guard_admits(guard, header);
}

static void token_is_128_random_bits(void **state)
{
    struct guard one, other;

    (void)state;
    make(&one);
    make(&other);
    assert_int_equal(strlen(one.token), 32);
    assert_int_equal(strspn(one.token, "0123456789abcdef"), 32);
    assert_string_not_equal(one.token, other.token);
    assert_string_not_equal(one.token, one.code);
}

static void only_the_token_is_admitted(void **state)
{
    struct guard guard;
    char near[GUARD_TOKEN_SIZE];

    (void)state;
    make(&guard);
    assert_true(admits(&guard, guard.token));
    for (size_t i = 0; i < 32; i++) {
        memcpy(near, guard.token, sizeof(near));
        near[i] = near[i] == '0' ? '1' : '0';
        assert_false(admits(&guard, near));
    }
    assert_false(admits(&guard, guard.code));
    assert_false(admits(&guard, ""));
    assert_false(guard_admits(&guard, NULL));
    assert_false(guard_admits(&guard, guard.token));
}

static void nothing_is_admitted_by_zeros(void **state)
{
    struct guard guard;
    char header[7 + GUARD_TOKEN_SIZE] = "Bearer ";

    (void)state;
    make(&guard);
    assert_false(guard_admits(&guard, header));
}

static void code_is_good_once(void **state)
{
    struct guard guard;
    char token[GUARD_TOKEN_SIZE], again[GUARD_TOKEN_SIZE];

    (void)state;
    make(&guard);
    assert_int_equal(guard_enter(&guard, guard.token, token), GUARD_ENTRY_WRONG);
    assert_int_equal(guard_enter(&guard, "", token), GUARD_ENTRY_WRONG);
    assert_int_equal(guard_enter(&guard, guard.code, token), GUARD_ENTRY_GIVEN);
    assert_true(admits(&guard, token));
    assert_true(admits(&guard, guard.token));
    assert_string_not_equal(token, guard.token);
    /* Whoever of the two was not meant, both are out; the link that was printed stays. */
    assert_int_equal(guard_enter(&guard, guard.code, again), GUARD_ENTRY_AGAIN);
    assert_false(admits(&guard, token));
    assert_true(admits(&guard, guard.token));
    assert_int_equal(guard_enter(&guard, guard.code, again), GUARD_ENTRY_AGAIN);
}

static const char *refusal(const char *host, const char *origin, const char *site, bool call)
{
    struct guard guard;
    struct guard_head head = {.host = host,
                              .origin = origin,
                              .site = site,
                              .mode = "navigate",
                              .destination = "document",
                              .hosts = host == NULL ? 0 : 1,
                              .call = call};

    make(&guard);
    return guard_refusal(&guard, &head);
}

static void heads(void **state)
{
    static const struct {
        const char *host, *origin, *site;
        bool call, good;
    } rows[] = {{"127.0.0.1:40123", NULL, NULL, true, true},
                {"[::1]:40123", NULL, NULL, true, true},
                {"localhost:40123", "http://localhost:40123", "same-origin", true, true},
                {"127.0.0.1:40123", "http://localhost:40123", NULL, true, false},
                {"127.0.0.1:40123", "https://127.0.0.1:40123", NULL, true, false},
                {"127.0.0.1:40123", "null", NULL, true, false},
                {"127.0.0.1:40124", NULL, NULL, false, false},
                {"127.0.0.1", NULL, NULL, false, false},
                {"example.org:40123", NULL, NULL, false, false},
                {"localhost.example.org:40123", NULL, NULL, false, false},
                {NULL, NULL, NULL, false, false},
                {"127.0.0.1:40123", NULL, "none", false, true},
                {"127.0.0.1:40123", NULL, "none", true, false},
                {"127.0.0.1:40123", NULL, "same-site", false, false},
                {"127.0.0.1:40123", NULL, "cross-site", false, false}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if ((refusal(rows[i].host, rows[i].origin, rows[i].site, rows[i].call) == NULL) != rows[i].good)
            fail_msg("row %zu", i);
}

static void port_80_may_be_left_out(void **state)
{
    struct guard guard;
    struct guard_head head = {.host = "127.0.0.1", .hosts = 1};

    (void)state;
    assert_true(guard_init(&guard, 80));
    assert_null(guard_refusal(&guard, &head));
    head.host = "127.0.0.1:80";
    assert_null(guard_refusal(&guard, &head));
    head.hosts = 2;
    assert_non_null(guard_refusal(&guard, &head));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(token_is_128_random_bits),
                                              cmocka_unit_test(only_the_token_is_admitted),
                                              cmocka_unit_test(nothing_is_admitted_by_zeros),
                                              cmocka_unit_test(code_is_good_once),
                                              cmocka_unit_test(heads),
                                              cmocka_unit_test(port_80_may_be_left_out)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
