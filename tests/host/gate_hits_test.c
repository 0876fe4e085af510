/* SPDX-License-Identifier: MIT */
/*
 * gate_hits_test - counters by filter key, in a file in memory as in the kernel's array: each key has its own, over
 * pieces of the array and over restarts, until all places are taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <unistd.h>

#include "host/gate_private.h"

#define SIZE (GATE_HITS_MAX * sizeof(struct gate_hit))

static struct gate_state state;
static int file;
static struct map_window window;

static int begin(void **context)
{
    (void)context;
    memset(&state, 0, sizeof(state));
    file = memfd_create("gate_hits", MFD_CLOEXEC);
    return file < 0 || ftruncate(file, (off_t)SIZE) || map_window_open(&window, file, SIZE, 65536);
}

static int end(void **context)
{
    (void)context;
    map_window_close(&window);
    return close(file);
}

static const uint8_t *key_of(uint32_t number)
{
    static uint8_t key[16];
    uint64_t mixed = (number + 1) * 0x9e3779b97f4a7c15ull;

    memcpy(key, &mixed, sizeof(mixed));
    memcpy(key + 8, &number, sizeof(number));
    key[15] = 1;
    return key;
}

/* Odd ones are gone. */
static bool is_gone(void *context, const uint8_t key[16])
{
    uint32_t number;

    (void)context;
    memcpy(&number, key + 8, sizeof(number));
    return number & 1;
}

static void check_key(const struct gate_hits *hits, uint32_t place, uint32_t number)
{
    uint8_t key[16];

    assert_true(gate_hits_key(hits, place, key));
    assert_memory_equal(key, key_of(number), 16);
}

static void counts_over_a_restart(void **context)
{
    enum { KEYS = 10000 };
    struct gate_hits *hits = gate_hits_new(&window, &state);
    uint32_t places[KEYS];
    struct gate_hits_entry entries[64];
    uint64_t next = 0, found = 0;

    (void)context;
    assert_non_null(hits);
    for (uint32_t i = 0; i < KEYS; i++) {
        places[i] = gate_hits_place(hits, key_of(i), is_gone, NULL);
        assert_int_equal(places[i], i + 1);
        for (uint32_t n = 0; n < i % 7; n++)
            gate_hits_count(hits, places[i]);
    }
    gate_hits_free(hits);
    map_window_close(&window); /* the process ended */
    assert_int_equal(map_window_open(&window, file, SIZE, 65536), 0);
    hits = gate_hits_new(&window, &state);
    assert_non_null(hits);
    for (uint32_t i = 0; i < KEYS; i++) {
        assert_int_equal(gate_hits_place(hits, key_of(i), is_gone, NULL), places[i]);
        check_key(hits, places[i], i);
    }
    do {
        unsigned count = gate_hits_read(hits, next, entries, 64, &next);

        for (unsigned i = 0; i < count; i++, found++)
            assert_int_equal(entries[i].hits, found % 7);
    } while (next);
    assert_int_equal(found, KEYS);
    assert_false(gate_hits_key(hits, 0, entries[0].key));
    assert_false(gate_hits_key(hits, KEYS + 1, entries[0].key));
    gate_hits_free(hits);
}

static void full_gives_away(void **context)
{
    struct gate_hits *hits = gate_hits_new(&window, &state);

    (void)context;
    assert_non_null(hits);
    for (uint32_t i = 0; i < GATE_HITS_MAX; i++)
        assert_int_equal(gate_hits_place(hits, key_of(i), is_gone, NULL), i + 1);
    for (uint32_t i = GATE_HITS_MAX; i < GATE_HITS_MAX + 100; i++) {
        uint32_t place = gate_hits_place(hits, key_of(i), is_gone, NULL);

        assert_true(place != 0 && place <= GATE_HITS_MAX);
        check_key(hits, place, i);
        assert_int_equal(gate_hits_place(hits, key_of(i), is_gone, NULL), place);
    }
    for (uint32_t i = 0; i < GATE_HITS_MAX; i += 2)
        check_key(hits, gate_hits_place(hits, key_of(i), is_gone, NULL), i);
    gate_hits_free(hits);
}

/* Without memory for a new piece its keys are not counted; those that are there go on. */
static void memory_can_be_missing(void **context)
{
    struct gate_hits *hits = gate_hits_new(&window, &state);
    uint32_t each = 65536 / sizeof(struct gate_hit);

    (void)context;
    assert_non_null(hits);
    for (uint32_t i = 0; i < each; i++)
        assert_int_equal(gate_hits_place(hits, key_of(i), is_gone, NULL), i + 1);
    window.fd = -1;
    assert_int_equal(gate_hits_place(hits, key_of(each), is_gone, NULL), 0);
    gate_hits_count(hits, 0);
    assert_int_equal(gate_hits_place(hits, key_of(5), is_gone, NULL), 6);
    window.fd = file;
    assert_int_equal(gate_hits_place(hits, key_of(each), is_gone, NULL), each + 1);
    gate_hits_free(hits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts_over_a_restart, begin, end),
        cmocka_unit_test_setup_teardown(full_gives_away, begin, end),
        cmocka_unit_test_setup_teardown(memory_can_be_missing, begin, end),
    };

    return cmocka_run_group_tests_name("gate_hits", tests, NULL, NULL);
}
