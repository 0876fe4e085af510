/* SPDX-License-Identifier: MIT */
/*
 * event_ring_test.c - core/event_ring: observers read every record exactly once, in order, or are told how many they
 * missed.
 */
#include "core_test.h"

#include "core/event_ring.h"

#define RING      8192u
#define OBSERVERS 3

static uint8_t bytes[RING];

/* Record number n carries n in the id of its request; returns how far this observer is now. */
static uint64_t read_some(const struct event_ring *ring, struct event_cursor *cursor, uint64_t expected, uint32_t room)
{
    uint8_t out[4096];
    uint32_t next = 0, offset = 0;
    uint64_t lost = 0;
    bool had = event_ring_has(ring, cursor);
    uint32_t used = event_ring_read(ring, cursor, 7, out, room, &next, &lost);

    assert_true(used <= room);
    assert_true(had || used == 0);
    if (had && used == 0)
        assert_true(next > room);
    while (offset < used) {
        struct gatehouse_event event;
        struct gatehouse_request request;

        memcpy(&event, out + offset, sizeof(event));
        assert_true(event.size % 8 == 0 && event.size <= used - offset);
        if (event.type == GATEHOUSE_EVENT_LOST) {
            assert_int_equal(offset, 0);
            assert_true(event.count == lost && lost > 0);
            expected += event.count;
        } else {
            memcpy(&request, out + offset + sizeof(event), sizeof(request));
            assert_int_equal(request.id, expected);
            for (uint32_t i = 0; i < request.path_size; i++)
                assert_int_equal(out[offset + sizeof(event) + sizeof(request) + i], (uint8_t)request.id);
            expected++;
        }
        offset += event.size;
    }
    return expected;
}

static void every_record_once(void **state)
{
    struct event_ring ring;
    struct event_cursor cursors[OBSERVERS];
    uint64_t expected[OBSERVERS] = {0};
    struct connection connection = {0};
    uint64_t written = 0;

    (void)state;
    event_ring_init(&ring, bytes, RING);
    for (int i = 0; i < OBSERVERS; i++)
        event_cursor_start(&ring, &cursors[i]);
    for (int step = 0; step < 200000; step++) {
        if (test_random(3) != 0) {
            uint8_t path[300];
            struct wire_request request = {written, &connection, path, (uint16_t)test_random(300)};
            struct wire_event event = {GATEHOUSE_EVENT_HELD, 0, 0, 1, 0, &request};
            memset(path, (int)(uint8_t)written, sizeof(path));
            assert_true(event_ring_write(&ring, &event));
            written++;
        } else {
            int i = (int)test_random(OBSERVERS + 8) % OBSERVERS; /* the last ones are slower */
            expected[i] = read_some(&ring, &cursors[i], expected[i], test_random(4096));
        }
    }
    for (int i = 0; i < OBSERVERS; i++) {
        while (event_ring_has(&ring, &cursors[i]))
            expected[i] = read_some(&ring, &cursors[i], expected[i], 4096);
        assert_int_equal(expected[i], written);
    }
}

static void too_large_is_refused(void **state)
{
    static const uint8_t path[RING];
    struct event_ring ring;
    struct connection connection = {0};
    struct wire_request request = {1, &connection, path, RING / 2};
    struct wire_event event = {GATEHOUSE_EVENT_HELD, 0, 0, 1, 0, &request};
    struct event_cursor cursor;

    (void)state;
    event_ring_init(&ring, bytes, RING);
    event_cursor_start(&ring, &cursor);
    assert_false(event_ring_write(&ring, &event));
    assert_false(event_ring_has(&ring, &cursor));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_record_once), cmocka_unit_test(too_large_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
