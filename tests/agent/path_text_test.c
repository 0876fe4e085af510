/* SPDX-License-Identifier: MIT */
/*
 * path_text_test.c - the round trip of agent/path_text, over random bytes and at the edges of UTF-8.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/path_text.h"

#define SIZE 64u

static void check_round_trip(const uint8_t *bytes, size_t count)
{
    uint8_t utf16[PATH_TEXT_UTF16_SIZE(SIZE)], back[PATH_TEXT_BYTES_SIZE(PATH_TEXT_UTF16_SIZE(SIZE))];
    size_t size = 0, back_count = 0;

    assert_true(path_text_from_bytes(bytes, count, utf16, sizeof(utf16), &size));
    assert_true(path_text_to_bytes(utf16, size, back, sizeof(back), &back_count));
    assert_int_equal(back_count, count);
    assert_memory_equal(back, bytes, count);
    /* One byte less room fails, and tells nothing. */
    if (count > 0) {
        size_t untouched = 99;

        assert_false(path_text_from_bytes(bytes, count, utf16, size - 1, &untouched));
        assert_false(path_text_to_bytes(utf16, size, back, count - 1, &untouched));
        assert_int_equal(untouched, 99);
    }
}

static void test_random_bytes(void **state)
{
    /* Bytes that start, continue and break sequences, far more often than chance would. */
    static const uint8_t edges[] = {0x00, 0x2F, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2,
                                    0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
    uint8_t bytes[SIZE];

    (void)state;
    srandom(20260101);
    for (unsigned round = 0; round < 300000; round++) {
        size_t count = (size_t)random() % (SIZE + 1);

        for (size_t i = 0; i < count; i++)
            bytes[i] = round % 2 == 0 ? edges[(size_t)random() % sizeof(edges)] : (uint8_t)random();
        check_round_trip(bytes, count);
    }
}

static void test_every_code_point(void **state)
{
    (void)state;
    for (uint32_t character = 0; character <= 0x10FFFF; character++) {
        uint8_t bytes[4], utf16[8];
        uint32_t back = 0;
        size_t size = 0, count;

        if (character >= 0xD800 && character <= 0xDFFF)
            continue;
        count = path_text_put_utf8(character, bytes);
        assert_true(path_text_from_bytes(bytes, count, utf16, sizeof(utf16), &size));
        assert_int_equal(size, character > 0xFFFF ? 4 : 2);
        assert_int_equal(path_text_next(utf16, size, &back), size);
        assert_int_equal(back, character);
        check_round_trip(bytes, count);
    }
}

static void check_units(const char *bytes, size_t count, const uint16_t *units, size_t unit_count)
{
    uint8_t utf16[64];
    size_t size = 0;

    assert_true(path_text_from_bytes((const uint8_t *)bytes, count, utf16, sizeof(utf16), &size));
    assert_int_equal(size, unit_count * 2);
    for (size_t i = 0; i < unit_count; i++)
        assert_int_equal(utf16[2 * i] | utf16[2 * i + 1] << 8, units[i]);
}

/* Unicode Standard, chapter 3, table 3-7: what is not well formed becomes one unit a byte. */
static void test_known_texts(void **state)
{
    (void)state;
    check_units("/a\xC3\xA9", 4, (const uint16_t[]){'/', 'a', 0xE9}, 3);
    check_units("\xF0\x9F\x98\x80", 4, (const uint16_t[]){0xD83D, 0xDE00}, 2);
    check_units("\xED\xA0\x80", 3, (const uint16_t[]){0xDCED, 0xDCA0, 0xDC80}, 3);
    check_units("\xC0\xAF", 2, (const uint16_t[]){0xDCC0, 0xDCAF}, 2);
    check_units("\xF4\x90\x80\x80", 4, (const uint16_t[]){0xDCF4, 0xDC90, 0xDC80, 0xDC80}, 4);
    check_units("\xE2\x82", 2, (const uint16_t[]){0xDCE2, 0xDC82}, 2);
    check_units("\xE2\x82/", 3, (const uint16_t[]){0xDCE2, 0xDC82, '/'}, 3);
}

static void test_refuses_what_no_bytes_give(void **state)
{
    static const uint8_t odd[] = {'a', 0, 'b'}, high[] = {0x3D, 0xD8}, low[] = {0x7F, 0xDC}, last[] = {0x00, 0xDD};
    uint8_t bytes[16];
    size_t count = 99;

    (void)state;
    assert_false(path_text_to_bytes(odd, sizeof(odd), bytes, sizeof(bytes), &count));
    assert_false(path_text_to_bytes(high, sizeof(high), bytes, sizeof(bytes), &count));
    assert_false(path_text_to_bytes(low, sizeof(low), bytes, sizeof(bytes), &count));
    assert_false(path_text_to_bytes(last, sizeof(last), bytes, sizeof(bytes), &count));
    assert_int_equal(count, 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_known_texts),
        cmocka_unit_test(test_refuses_what_no_bytes_give),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
