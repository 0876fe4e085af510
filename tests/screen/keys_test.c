/* SPDX-License-Identifier: MIT */
/*
 * keys_test.c - what terminals send that TERM does not name. Oracle: ECMA-48, and what xterm, the Linux console, rxvt
 * and tmux are known to send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "screen/keys.h"
#include "screen/model.h"

static int take_all(struct keys *keys, const char *bytes, unsigned *count)
{
    int last = 0;

    *count = 0;
    for (; *bytes != '\0'; bytes++) {
        int key = keys_take(keys, (unsigned char)*bytes);

        if (key != 0) {
            last = key;
            ++*count;
        }
    }
    return last;
}

static void test_known(void **state)
{
    static const struct {
        const char *bytes;
        int key;
    } rows[] = {
        {"\x1b[A", MODEL_KEY_UP},
        {"\x1bOA", MODEL_KEY_UP},
        {"\x1b[B", MODEL_KEY_DOWN},
        {"\x1b[1~", MODEL_KEY_HOME},
        {"\x1b[7~", MODEL_KEY_HOME},
        {"\x1b[H", MODEL_KEY_HOME},
        {"\x1bOH", MODEL_KEY_HOME},
        {"\x1b[4~", MODEL_KEY_END},
        {"\x1b[8~", MODEL_KEY_END},
        {"\x1bOF", MODEL_KEY_END},
        {"\x1b[5~", MODEL_KEY_PAGE_UP},
        {"\x1b[6~", MODEL_KEY_PAGE_DOWN},
        {"\x1b[1;5A", MODEL_KEY_UP},
        {"\x1b[5;2~", MODEL_KEY_PAGE_UP},
        {"\x1bOM", MODEL_KEY_ENTER},
        {"y", 'y'},
        {"\x1b[200~", 0},
        {"\x1b[15~", 0},
        {"\x1b[<0;10;12M", 0},
        {"\x1b[?1;2c", 0},
        {"\x1b[M", 0},
        {"\x1by", 0},
        {"\x1b[y", 0},
        {"\x1bOy", 0},
        {"\x1b[1;2y", 0},
        {"\x1b[n", 0},
        {"\x1b[10;20R", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct keys keys = {0};
        unsigned count;

        assert_int_equal(take_all(&keys, rows[i].bytes, &count), rows[i].key);
        assert_int_equal(count, rows[i].key != 0);
        assert_int_equal(keys.state, KEYS_PLAIN);
        assert_int_equal(keys_pause(&keys), 0);
    }
}

static void test_escape(void **state)
{
    struct keys keys = {0};
    unsigned count;

    (void)state;
    assert_int_equal(keys_take(&keys, 27), 0);
    assert_int_equal(keys_pause(&keys), MODEL_KEY_ESCAPE);
    assert_int_equal(keys_pause(&keys), 0);
    /* The rest came late: still no letters. */
    assert_int_equal(take_all(&keys, "[1;2", &count), 0);
    assert_int_equal(keys_pause(&keys), 0);
    assert_int_equal(keys_take(&keys, 'y'), 0);
    assert_int_equal(keys_take(&keys, 'y'), 'y');
    assert_int_equal(keys_take(&keys, 27), 0);
    assert_int_equal(keys_pause(&keys), MODEL_KEY_ESCAPE);
    assert_int_equal(keys_take(&keys, 'y'), 'y');
    assert_int_equal(take_all(&keys, "\x1b\x1b", &count), MODEL_KEY_ESCAPE);
    assert_int_equal(keys_pause(&keys), MODEL_KEY_ESCAPE);
}

static void test_endless(void **state)
{
    struct keys keys = {0};
    unsigned count;

    (void)state;
    assert_int_equal(take_all(&keys, "\x1b[1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;", &count), ';');
    assert_int_equal(keys_take(&keys, 'y'), 'y');
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_known), cmocka_unit_test(test_escape),
                                              cmocka_unit_test(test_endless)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
