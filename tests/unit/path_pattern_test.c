/* SPDX-License-Identifier: MIT */
/*
 * path_pattern_test.c - core/path_pattern against a matcher by plain recursion, over all short patterns and paths and
 * random long ones; the examples of the header; and that nothing is slow.
 */
#include "core_test.h"

#include <time.h>

#include "core/path_pattern.h"

#define UNITS 70000

static size_t units_of(const char *text, uint8_t *units)
{
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++) {
        units[2 * i] = (uint8_t)text[i];
        units[2 * i + 1] = 0;
    }
    return 2 * size;
}

static bool matches(const char *pattern, const char *path)
{
    static uint8_t a[2 * UNITS], b[2 * UNITS];

    return path_pattern_matches(a, units_of(pattern, a), b, units_of(path, b));
}

/* The header's four lines, one branch each. */
static bool oracle(const char *p, const char *s, char separator)
{
    if (*p == 0)
        return *s == 0;
    if (p[0] == '*' && p[1] == '*')
        return oracle(p[2] == '*' ? p + 1 : p + 2, s, separator) || (*s != 0 && oracle(p, s + 1, separator));
    if (*p == '*')
        return oracle(p + 1, s, separator) || (*s != 0 && *s != separator && oracle(p, s + 1, separator));
    if (*p == '?')
        return *s != 0 && *s != separator && oracle(p + 1, s + 1, separator);
    if (*p == '\\' && separator == '/' && p[1] != 0)
        p++;
    return *p == *s && oracle(p + 1, s + 1, separator);
}

static void as_the_header_says(void **state)
{
    (void)state;
    assert_true(matches("/usr/bin/curl", "/usr/bin/curl"));
    assert_false(matches("/usr/bin/curl", "/usr/bin/curl2"));
    assert_false(matches("/usr/bin/curl2", "/usr/bin/curl"));
    assert_false(matches("/usr/bin/curl", "/usr/bin/Curl"));
    assert_true(matches("/usr/bin/c?rl", "/usr/bin/curl"));
    assert_false(matches("/usr?bin", "/usr/bin"));
    assert_true(matches("/opt/*/bin/x", "/opt/a/bin/x"));
    assert_true(matches("/opt/*/x", "/opt//x"));
    assert_false(matches("/opt/*/x", "/opt/a/b/x"));
    assert_true(matches("/opt/**", "/opt/telemetry/agent"));
    assert_true(matches("/opt/**/x", "/opt/a/b/c/x"));
    assert_false(matches("/opt/**", "/optional"));
    assert_true(matches("**", ""));
    assert_true(matches("", ""));
    assert_false(matches("", "a"));
    assert_true(matches("/a\\*b", "/a*b"));
    assert_false(matches("/a\\*b", "/acb"));
    assert_true(matches("/a\\?", "/a?"));
    assert_true(matches("/a\\", "/a\\"));
    assert_true(matches("\\device\\*\\app.exe", "\\device\\disk1\\app.exe"));
    assert_false(matches("\\device\\*.exe", "\\device\\disk1\\app.exe"));
    assert_true(matches("\\device\\**.exe", "\\device\\disk1\\app.exe"));
}

/* Every text of up to size of these letters, counted. */
static void text_number(unsigned number, const char *letters, unsigned size, char *text)
{
    unsigned base = (unsigned)strlen(letters) + 1;

    for (unsigned i = 0; i < size; i++, number /= base) {
        if (number % base != 0)
            *text++ = letters[number % base - 1];
    }
    *text = 0;
}

static void same_as_the_oracle(void **state)
{
    char pattern[64], path[64];

    (void)state;
    for (unsigned i = 0; i < 7776; i++) {
        text_number(i, "a*/?\\", 5, pattern);
        for (unsigned j = 0; j < 243; j++) {
            text_number(j, "a/", 5, path);
            if (matches(pattern, path) != oracle(pattern, path, '/'))
                fail_msg("pattern %s, path %s", pattern, path);
        }
    }
    for (int i = 0; i < 200000; i++) {
        unsigned a = test_random(14), b = test_random(16);
        char separator = test_random(4) == 0 ? '\\' : '/';

        for (unsigned k = 0; k < a; k++)
            pattern[k] = "ab**?/*/a*"[test_random(10)];
        for (unsigned k = 0; k < b; k++)
            path[k] = "aab/"[test_random(4)];
        pattern[a] = path[b] = 0;
        for (unsigned k = 0; separator == '\\' && k < 16; k++) {
            if (k < a && pattern[k] == '/')
                pattern[k] = '\\';
            if (k < b && path[k] == '/')
                path[k] = '\\';
        }
        if (b != 0 && separator == '\\')
            path[0] = '\\';
        if (b == 0)
            separator = '/';
        if (matches(pattern, path) != oracle(pattern, path, separator))
            fail_msg("pattern %s, path %s", pattern, path);
    }
}

/* What makes careless matchers exponential or cubic; the bound is generous: 2 s of processor for 10 * 30,000 * 100. */
static void nothing_is_slow(void **state)
{
    static const char *const patterns[] = {"**a*a*a*a*a*a*a*a*a*a*a*a*a*b", "**aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
                                           "**/*a*/*a*/*a*/*b", "**a**a**a**a**a**b", "*a*a*a*a*a*b"};
    static char path[30001];
    clock_t start = clock();

    (void)state;
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        memset(path, 'a', sizeof(path) - 1);
        assert_false(matches(patterns[i], path));
        for (size_t k = 0; k < sizeof(path) - 1; k += 20)
            path[k] = '/';
        assert_false(matches(patterns[i], path));
    }
    assert_true((clock() - start) / CLOCKS_PER_SEC < 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_header_says),
        cmocka_unit_test(same_as_the_oracle),
        cmocka_unit_test(nothing_is_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
