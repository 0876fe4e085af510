/* SPDX-License-Identifier: MIT */
/*
 * width_test.c - text in columns. Oracle: what the characters are, by Unicode.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <locale.h>

#include "screen/width.h"

#define WIDE  "\xE9\x96\x80" /* U+9580 */
#define ACUTE "e\xCC\x81"    /* e, U+0301 */
#define SMILE "\xF0\x9F\x98\x80"

static struct text text;

static const char *cut(const char *string, unsigned columns)
{
    text_clear(&text);
    assert_true(width_add(&text, string, columns, "...") <= columns);
    return text_string(&text);
}

static const char *ends(const char *string, unsigned columns)
{
    text_clear(&text);
    assert_true(width_add_ends(&text, string, columns, "...") <= columns);
    return text_string(&text);
}

static void test_widths(void **state)
{
    (void)state;
    assert_int_equal(width_of(""), 0);
    assert_int_equal(width_of("curl"), 4);
    assert_int_equal(width_of(WIDE WIDE), 4);
    assert_int_equal(width_of(ACUTE "x"), 2);
    assert_int_equal(width_of(SMILE), 2);
    assert_int_equal(width_of("\xff\xc3"), 2);
    assert_int_equal(width_of("a\x1b[2J"), 5);
}

static void test_cuts(void **state)
{
    (void)state;
    assert_string_equal(cut("curl", 4), "curl");
    assert_string_equal(cut("curling", 6), "cur...");
    assert_string_equal(cut("curling", 2), "");
    assert_string_equal(cut(WIDE WIDE WIDE, 5), WIDE "...");
    assert_string_equal(cut(WIDE WIDE, 3), "...");
    assert_string_equal(cut("ab" ACUTE "cdef", 6), "ab" ACUTE "...");
    assert_string_equal(cut("a\x1b"
                            "b",
                            3),
                        "a?b");
    assert_string_equal(cut("\xff", 3), "?");
    assert_string_equal(ends("/usr/bin/a-long-name", 14), "/us...ong-name");
    assert_string_equal(ends("/usr/bin/curl", 13), "/usr/bin/curl");
    assert_string_equal(ends("aaaaaaaaaa" ACUTE ACUTE, 8), "a..."
                                                           "aa" ACUTE ACUTE);
}

static void test_breaks(void **state)
{
    (void)state;
    assert_int_equal(width_break("one two three", 9), 8);
    assert_int_equal(width_break("onetwothree", 9), 9);
    assert_int_equal(width_break(WIDE WIDE, 1), 3);
    assert_int_equal(width_break("", 9), 0);
    assert_int_equal(width_break("x", 0), 1);
}

static void test_plain(void **state)
{
    (void)state;
    text_clear(&text);
    width_add_plain(&text, "a" WIDE "\xff" SMILE);
    assert_string_equal(text_string(&text), "a\\u{9580}?\\u{1f600}");
}

/* Whatever bytes: never wider than asked, never anything that a terminal acts on. */
static void test_anything(void **state)
{
    char string[40];

    (void)state;
    srandom(7);
    for (unsigned round = 0; round < 300000; round++) {
        unsigned columns = (unsigned)random() % 24;
        unsigned length = (unsigned)random() % (sizeof(string) - 1);

        for (unsigned i = 0; i < length; i++)
            string[i] = (char)(1 + random() % 255);
        string[length] = '\0';
        text_clear(&text);
        assert_true((round % 2 ? width_add_ends : width_add)(&text, string, columns, "...") <= columns);
        assert_true(width_of(text_string(&text)) <= columns);
        for (const char *at = text_string(&text); *at != '\0'; at++)
            assert_true((unsigned char)*at >= 0x20 && *at != 0x7F);
    }
    text_free(&text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_widths), cmocka_unit_test(test_cuts),
                                              cmocka_unit_test(test_breaks), cmocka_unit_test(test_plain),
                                              cmocka_unit_test(test_anything)};

    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
