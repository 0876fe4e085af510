/* SPDX-License-Identifier: MIT */
/*
 * wire_test.c - agent/wire against hostile bytes: every single wrong size, every cut, and random changes. The
 * records lie at the end of an allocation of their exact size, so that a sanitizer sees any read past it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/wire.h"

static size_t make_named_request(uint8_t *bytes, uint16_t path_size, uint16_t name_size)
{
    struct gatehouse_request request = {
        .path_size = path_size, .ip_version = 4, .protocol = 6, .id = 7, .name_size = name_size};

    request.size = (uint32_t)((sizeof(request) + path_size + name_size + 7) & ~(size_t)7);
    memset(bytes, 0, request.size);
    memcpy(bytes, &request, sizeof(request));
    memset(bytes + sizeof(request), 'a', path_size);
    memset(bytes + sizeof(request) + path_size, 'n', name_size);
    return request.size;
}

static size_t make_request(uint8_t *bytes, uint16_t path_size)
{
    return make_named_request(bytes, path_size, 0);
}

static void test_names(void **state)
{
    static const uint8_t bad[] = {0, ' ', '\n', 0x7F, 0x80, 0xFF};
    uint8_t bytes[1024];
    size_t size = make_named_request(bytes, 6, 11);
    struct wire_cursor cursor = {bytes, size};
    struct request request;
    const char *why = NULL;

    (void)state;
    assert_int_equal(wire_next_request(&cursor, &request, &why), WIRE_RECORD);
    assert_memory_equal(request.name, "nnnnnnnnnnn", 11);
    for (size_t i = 0; i < sizeof(bad); i++) {
        cursor = (struct wire_cursor){bytes, size};
        bytes[sizeof(struct gatehouse_request) + 6 + 5] = bad[i];
        assert_int_equal(wire_next_request(&cursor, &request, &why), WIRE_BAD);
    }
    size = make_named_request(bytes, 6, GATEHOUSE_NAME_MAX + 1);
    cursor = (struct wire_cursor){bytes, size};
    assert_int_equal(wire_next_request(&cursor, &request, &why), WIRE_BAD);
}

static unsigned walk_requests(const uint8_t *bytes, size_t size, enum wire_step *last)
{
    uint8_t *exact = malloc(size == 0 ? 1 : size);
    struct wire_cursor cursor = {exact, size};
    struct request request;
    const char *why = NULL;
    unsigned count = 0;

    assert_non_null(exact);
    memcpy(exact, bytes, size);
    while ((*last = wire_next_request(&cursor, &request, &why)) == WIRE_RECORD) {
        assert_true(request.fixed.user_sid_size <= GATEHOUSE_SID_MAX && request.fixed.path_size % 2 == 0);
        for (unsigned i = 0; i < request.fixed.path_size; i++)
            (void)*(volatile const uint8_t *)(request.path + i);
        count++;
    }
    if (*last == WIRE_BAD)
        assert_non_null(why);
    free(exact);
    return count;
}

static void test_good_requests(void **state)
{
    static uint8_t bytes[3 * 66000];
    enum wire_step last;
    size_t size = make_request(bytes, 0);

    (void)state;
    size += make_request(bytes + size, 14);
    size += make_request(bytes + size, 65534);
    assert_int_equal(walk_requests(bytes, size, &last), 3);
    assert_int_equal(last, WIRE_END);
    assert_int_equal(walk_requests(bytes, 0, &last), 0);
    assert_int_equal(last, WIRE_END);
}

static void test_every_cut(void **state)
{
    uint8_t bytes[1024];
    size_t first = make_request(bytes, 26), size = first + make_request(bytes + first, 12);
    enum wire_step last;

    (void)state;
    for (size_t cut = 1; cut < size; cut++) {
        unsigned count = walk_requests(bytes, cut, &last);

        assert_int_equal(count, cut >= first);
        assert_int_equal(last, cut == first ? WIRE_END : WIRE_BAD);
    }
}

static void test_every_wrong_size(void **state)
{
    uint8_t bytes[1024];
    uint32_t good = (uint32_t)make_request(bytes, 26);
    enum wire_step last;

    (void)state;
    for (uint32_t size = 0; size < 70000; size++) {
        memcpy(bytes, &size, sizeof(size));
        (void)walk_requests(bytes, good, &last);
        assert_int_equal(last, size == good ? WIRE_END : WIRE_BAD);
    }
    memcpy(bytes, &good, sizeof(good));
    for (uint32_t path = 0; path < 65536; path++) {
        uint16_t path_size = (uint16_t)path;

        memcpy(bytes + 4, &path_size, sizeof(path_size));
        (void)walk_requests(bytes, good, &last);
        /* A path of 28 bytes ends in the padding, which would then be less than 8 and still zero. */
        assert_int_equal(last, path == 26 || path == 28 || path == 30 || path == 32 ? WIRE_END : WIRE_BAD);
    }
}

static void test_bad_fields(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {{offsetof(struct gatehouse_request, ip_version), 0},
                   {offsetof(struct gatehouse_request, ip_version), 5},
                   {offsetof(struct gatehouse_request, user_sid_size), 69},
                   {offsetof(struct gatehouse_request, user_sid_size) + 1, 1},
                   {sizeof(struct gatehouse_request) + 26, 1}};
    uint8_t bytes[1024];
    enum wire_step last;

    (void)state;
    for (unsigned i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        size_t size = make_request(bytes, 26);

        bytes[changes[i].at] = changes[i].value;
        assert_int_equal(walk_requests(bytes, size, &last), 0);
        assert_int_equal(last, WIRE_BAD);
    }
}

static void test_random_changes(void **state)
{
    uint8_t good[2048], bytes[2048];
    size_t size = make_request(good, 26);
    enum wire_step last;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        size += make_request(good + size, (uint16_t)(i * 6));
    srandom(20260102);
    for (unsigned round = 0; round < 100000; round++) {
        memcpy(bytes, good, size);
        for (long changes = random() % 4; changes >= 0; changes--)
            bytes[(size_t)random() % size] = (uint8_t)random();
        (void)walk_requests(bytes, (size_t)random() % (size + 1), &last);
    }
}

static void test_events(void **state)
{
    uint8_t bytes[512] = {0};
    struct gatehouse_event event = {.type = GATEHOUSE_EVENT_DECIDED, .verdict = 2, .by = 3};
    size_t size = sizeof(event) + make_request(bytes + sizeof(event), 26);

    (void)state;
    for (uint32_t told = 0; told < 1000; told++) {
        struct wire_cursor cursor = {bytes, size};
        struct event found;
        const char *why = NULL;

        event.size = told;
        memcpy(bytes, &event, sizeof(event));
        assert_int_equal(wire_next_event(&cursor, &found, &why), told == size ? WIRE_RECORD : WIRE_BAD);
    }
    event = (struct gatehouse_event){.size = sizeof(event), .type = GATEHOUSE_EVENT_LOST, .count = 9};
    for (uint16_t type = 0; type < 300; type++) {
        struct wire_cursor cursor = {bytes, sizeof(event)};
        struct event found;
        const char *why = NULL;

        event.type = type;
        memcpy(bytes, &event, sizeof(event));
        assert_int_equal(wire_next_event(&cursor, &found, &why), type == GATEHOUSE_EVENT_LOST ? WIRE_RECORD : WIRE_BAD);
    }
}

static void test_flows(void **state)
{
    uint8_t good[176] = {0}, bytes[176];
    struct gatehouse_flow_entry entry = {.size = 152, .path_size = 20, .name_size = 3, .ip_version = 6, .number = 7};
    static const uint8_t versions[] = {0, 5, 7, 255};
    struct wire_cursor cursor;
    const char *why = NULL;
    struct flow found;

    (void)state;
    memcpy(good, &entry, sizeof(entry));
    memset(good + sizeof(entry) + 20, 'n', 3);
    for (size_t size = 0; size < sizeof(good); size++) {
        cursor = (struct wire_cursor){good, size};
        assert_int_equal(wire_next_flow(&cursor, &found, &why), size == 0    ? WIRE_END
                                                                : size < 152 ? WIRE_BAD
                                                                             : WIRE_RECORD);
    }
    assert_int_equal(cursor.left, sizeof(good) - 1 - 152);
    assert_true(found.fixed.number == 7 && found.path == good + sizeof(entry) && found.name == found.path + 20);
    for (uint32_t told = 0; told < 400; told++) {
        memcpy(bytes, good, sizeof(bytes));
        memcpy(bytes, &told, sizeof(told));
        cursor = (struct wire_cursor){bytes, sizeof(bytes)};
        assert_int_equal(wire_next_flow(&cursor, &found, &why), told == 152 ? WIRE_RECORD : WIRE_BAD);
    }
    entry.name_size = GATEHOUSE_NAME_MAX + 1;
    entry.path_size = 0;
    entry.size = sizeof(entry) + 256;
    uint8_t large[sizeof(entry) + 256] = {0};
    memcpy(large, &entry, sizeof(entry));
    cursor = (struct wire_cursor){large, sizeof(large)};
    assert_int_equal(wire_next_flow(&cursor, &found, &why), WIRE_BAD);
    for (size_t i = 0; i < sizeof(versions); i++) {
        memcpy(bytes, good, sizeof(bytes));
        bytes[6] = versions[i];
        cursor = (struct wire_cursor){bytes, sizeof(bytes)};
        assert_int_equal(wire_next_flow(&cursor, &found, &why), WIRE_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_requests), cmocka_unit_test(test_names),
        cmocka_unit_test(test_every_cut),     cmocka_unit_test(test_every_wrong_size),
        cmocka_unit_test(test_bad_fields),    cmocka_unit_test(test_random_changes),
        cmocka_unit_test(test_events),        cmocka_unit_test(test_flows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
