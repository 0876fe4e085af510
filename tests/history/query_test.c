/* SPDX-License-Identifier: MIT */
/*
 * query_test.c - questions to the history against the same questions to an array in memory, which is read plainly from
 * first to last. Records, and filters over them, are random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fnmatch.h>
#include <time.h>

#include <gatehouse/protocol.h>

#include "history/fit.h"
#include "history/query.h"
#include "history/when.h"
#include "tests/history/history_fixture.h"

#define RECORDS 3000u
#define BEGIN   INT64_C(1700000000000000)

static const char *const programs[] = {
    "/usr/bin/curl", "/usr/bin/wget", "/opt/\xff\xfe/curl", "/usr/bin/[", "curl", "mnt:[7]/usr/bin/curl", NULL};
static const char *const names[] = {"example.org", "www.example.org", "example.com", NULL, NULL};
static const char *const people[] = {"alice", "bob", NULL};
static const char *const rules[] = {"block all", "permit all", NULL};

static struct history_record records[RECORDS];
static struct history *history;

#define PICK(list) (list)[(size_t)random() % (sizeof(list) / sizeof((list)[0]))]

static struct history_record random_record(unsigned number)
{
    struct history_record record = {.began = BEGIN + random() % 1000000,
                                    .program = PICK(programs),
                                    .name = PICK(names),
                                    .who = PICK(people),
                                    .rule = PICK(rules),
                                    .user = random() % 4 ? 1000 + (uint32_t)random() % 2 : UINT32_MAX,
                                    .pid = number + 1,
                                    .ip_version = random() % 3 ? 4 : 6,
                                    .protocol = random() % 3 ? 6 : 17,
                                    .remote_port = random() % 2 ? 443 : 53,
                                    .inbound = random() % 4 == 0,
                                    .verdict = (uint8_t)(random() % 3),
                                    .by = (uint8_t)(random() % 10),
                                    .counted = random() % 2,
                                    .bytes_out = (uint64_t)random() % 1000,
                                    .bytes_in = (uint64_t)random() % 1000,
                                    .count = random() % 10 ? 1 : (uint32_t)random() % 50 + 1};

    record.rule_id = record.rule ? 1 + (record.rule[0] == 'b') : 0;
    if (record.ip_version == 6)
        memcpy(record.remote_address, "\x20\x01\x0d\xb8", 4);
    record.remote_address[record.ip_version == 4 ? 0 : 4] = 10;
    record.remote_address[3] |= (uint8_t)(random() % 2);
    record.remote_address[2] |= (uint8_t)(random() % 4);
    return record;
}

static int fill(void **state)
{
    if (fixture_set_up(state) != 0)
        return -1;
    srandom(20261122);
    history = fixture_writer(*state, NULL);
    for (unsigned i = 0; i < RECORDS; i++) {
        records[i] = random_record(i);
        history_add(history, &records[i]);
    }
    return history_flush(history, FIXTURE_MS) ? 0 : -1;
}

static int empty(void **state)
{
    history_close(history);
    return fixture_tear_down(state);
}

/* --- The plain way ----------------------------------------------------------------------------------------------- */

static bool plain_program(const char *pattern, const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    if (!*pattern || !path)
        return !*pattern && !path;
    if (strcmp(pattern, "/usr/bin/[") == 0) /* fnmatch knows brackets, which are nothing special here */
        return strcmp(pattern, path) == 0;
    return fnmatch(pattern, strchr(pattern, '/') || !slash ? path : slash + 1, FNM_NOESCAPE) == 0;
}

struct plain_to {
    const char *text, *name;
    int family;
    uint8_t bytes[16];
    unsigned bits;
    int port; /* -1: any */
};
static const struct plain_to destinations[] = {
    {"example.org", "example.org", 0, {0}, 0, -1},
    {"*.example.org", "*.example.org", 0, {0}, 0, -1},
    {"Example.ORG:443", "example.org", 0, {0}, 0, 443},
    {"10.0.1.0", NULL, 4, {10, 0, 1, 0}, 32, -1},
    {"10.0.2.0/23:53", NULL, 4, {10, 0, 2, 0}, 23, 53},
    {"0.0.0.0/0", NULL, 4, {0}, 0, -1},
    {"[2001:db8:a00::]:443", NULL, 6, {0x20, 1, 0x0d, 0xb8, 10}, 128, 443},
    {"2001:db8::/32", NULL, 6, {0x20, 1, 0x0d, 0xb8}, 32, -1},
    {"[2001:db8::]/31", NULL, 6, {0x20, 1, 0x0d, 0xb8}, 31, -1},
};

static bool plain_destination(const char *written, const struct history_record *record)
{
    const struct plain_to *to = destinations;

    while (strcmp(to->text, written) != 0)
        to++;
    if (to->port >= 0 && record->remote_port != to->port)
        return false;
    if (!to->family)
        return record->name && fnmatch(to->name, record->name, 0) == 0;
    if (record->ip_version != to->family)
        return false;
    for (unsigned bit = 0; bit < to->bits; bit++)
        if ((to->bytes[bit / 8] ^ record->remote_address[bit / 8]) >> (7 - bit % 8) & 1)
            return false;
    return true;
}

static bool plain_fits(const struct history_filter *filter, const struct history_record *record)
{
    return (!filter->program || plain_program(filter->program, record->program)) &&
           (!filter->to || plain_destination(filter->to, record)) &&
           (!filter->has_user || record->user == filter->user) &&
           (!filter->verdict || record->verdict == filter->verdict) && (!filter->has_by || record->by == filter->by) &&
           (!filter->who || (record->who && strcmp(record->who, filter->who) == 0)) &&
           (!filter->since || record->began >= filter->since) && (!filter->until || record->began < filter->until) &&
           (filter->outgoing == filter->inbound || record->inbound == filter->inbound);
}

static struct history_filter random_filter(void)
{
    static const char *const patterns[] = {"curl", "/usr/bin/curl", "*", "/usr/*", "?url", "", "/usr/bin/[", "none"};
    struct history_filter filter = {0};

    if (random() % 2)
        filter.program = PICK(patterns);
    if (random() % 3 == 0)
        filter.to = PICK(destinations).text;
    filter.has_user = random() % 4 == 0;
    filter.user = 1000 + (uint32_t)random() % 3;
    filter.verdict = random() % 2 ? 0 : (uint8_t)(random() % 3);
    filter.has_by = random() % 4 == 0;
    filter.by = (uint8_t)(random() % 10);
    filter.who = random() % 4 ? NULL : "alice";
    filter.since = random() % 3 ? 0 : BEGIN + random() % 1000000;
    filter.until = random() % 3 ? 0 : BEGIN + random() % 1000000;
    filter.outgoing = random() % 4 == 0;
    filter.inbound = random() % 4 == 0;
    filter.after = random() % 4 ? 0 : random() % RECORDS;
    filter.limit = random() % 3 ? 0 : (uint64_t)random() % 400 + 1;
    return filter;
}

/* --- Rows -------------------------------------------------------------------------------------------------------- */

struct seen {
    unsigned ids[RECORDS], count;
};

static bool same_text(const char *one, const char *other)
{
    return one && other ? strcmp(one, other) == 0 : one == other;
}

static bool see(void *context, const struct history_row *row)
{
    const struct history_record *told = &row->record, *was = &records[row->id - 1];
    struct seen *seen = context;

    assert_true(row->id >= 1 && row->id <= (int64_t)RECORDS);
    assert_true(same_text(told->program, was->program) && same_text(told->name, was->name));
    assert_true(same_text(told->who, was->who) && same_text(told->rule, was->rule));
    assert_memory_equal(told->remote_address, was->remote_address, 16);
    assert_true(told->began == was->began && told->user == was->user && told->pid == was->pid);
    assert_true(told->verdict == was->verdict && told->by == was->by && told->count == was->count);
    assert_true(told->counted == was->counted && (!was->counted || told->bytes_in == was->bytes_in));
    assert_true(told->inbound == was->inbound && told->protocol == was->protocol);
    seen->ids[seen->count++] = (unsigned)row->id;
    return true;
}

static void test_rows(void **state)
{
    unsigned found = 0;

    (void)state;
    for (unsigned round = 0; round < 400; round++) {
        struct history_filter filter = random_filter();
        static struct seen seen, expected;
        struct problem problem = {0};
        unsigned skip = 0;
        int64_t last = 0;

        seen.count = expected.count = 0;
        for (unsigned i = (unsigned)filter.after; i < RECORDS; i++)
            if (plain_fits(&filter, &records[i]))
                expected.ids[expected.count++] = i + 1;
        if (filter.limit && expected.count > filter.limit)
            skip = expected.count - (unsigned)filter.limit;
        assert_int_equal(history_query(history, &filter, see, &seen, &last, &problem), AGENT_OK);
        assert_int_equal(seen.count, expected.count - skip);
        assert_memory_equal(seen.ids, expected.ids + skip, seen.count * sizeof(seen.ids[0]));
        assert_int_equal(last, RECORDS);
        found += seen.count;
    }
    assert_true(found > 20000);
}

/* --- Sums -------------------------------------------------------------------------------------------------------- */

struct sums {
    uint64_t permitted, blocked, out, groups;
    const struct history_filter *filter;
    enum history_group group;
};

static bool is_in(const struct history_sum *sum, enum history_group group, const struct history_record *record)
{
    char address[INET6_ADDRSTRLEN];

    if (record->verdict == GATEHOUSE_VERDICT_NONE)
        return false;
    if (group == HISTORY_BY_PROGRAM)
        return same_text(sum->key, record->program);
    if (group == HISTORY_BY_RULE)
        return sum->key ? same_text(sum->key, record->rule) : !record->rule && record->by == sum->by;
    if (!sum->ip_version)
        return same_text(sum->key, record->name);
    inet_ntop(record->ip_version == 4 ? AF_INET : AF_INET6, record->remote_address, address, sizeof(address));
    return !record->name && strcmp(address, sum->key) == 0;
}

static bool see_sum(void *context, const struct history_sum *sum)
{
    struct history_sum expected = {.first = INT64_MAX};
    struct sums *sums = context;

    for (unsigned i = 0; i < RECORDS; i++) {
        const struct history_record *record = &records[i];

        if (!plain_fits(sums->filter, record) || !is_in(sum, sums->group, record))
            continue;
        *(record->verdict == GATEHOUSE_VERDICT_PERMIT ? &expected.permitted : &expected.blocked) += record->count;
        expected.bytes_out += record->counted ? record->bytes_out : 0;
        expected.bytes_in += record->counted ? record->bytes_in : 0;
        expected.first = record->began < expected.first ? record->began : expected.first;
        expected.last = record->began > expected.last ? record->began : expected.last;
    }
    assert_int_equal(sum->permitted, expected.permitted);
    assert_int_equal(sum->blocked, expected.blocked);
    assert_int_equal(sum->bytes_out, expected.bytes_out);
    assert_int_equal(sum->bytes_in, expected.bytes_in);
    assert_int_equal(sum->first, expected.first);
    assert_int_equal(sum->last, expected.last);
    sums->permitted += sum->permitted;
    sums->blocked += sum->blocked;
    sums->groups++;
    return true;
}

static void test_sums(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 90; round++) {
        struct history_filter filter = random_filter();
        struct sums sums = {.filter = &filter, .group = round % 3};
        uint64_t permitted[17], blocked[17], in_chart = 0, all = 0;
        struct problem problem = {0};

        filter.after = 0;
        assert_int_equal(history_sum_up(history, &filter, sums.group, random() % 3, 0, see_sum, &sums, &problem),
                         AGENT_OK);
        filter.since = BEGIN;
        filter.until = BEGIN + 1000000;
        for (unsigned i = 0; i < RECORDS; i++)
            if (plain_fits(&filter, &records[i]) && records[i].verdict != GATEHOUSE_VERDICT_NONE)
                all += records[i].count;
        assert_int_equal(history_chart(history, &filter, permitted, blocked, 17, &problem), AGENT_OK);
        for (unsigned i = 0; i < 17; i++)
            in_chart += permitted[i] + blocked[i];
        assert_int_equal(in_chart, all);
    }
}

/* Each group is told once, and the order is as asked for. */
static uint64_t before;
static unsigned told;

static bool see_order(void *context, const struct history_sum *sum)
{
    enum history_order order = *(enum history_order *)context;
    uint64_t value = order == HISTORY_LATEST_FIRST ? (uint64_t)sum->last
                     : order == HISTORY_MOST_FIRST ? sum->permitted + sum->blocked
                                                   : sum->bytes_out + sum->bytes_in;

    assert_true(told++ == 0 || value <= before);
    before = value;
    return true;
}

static void test_order(void **state)
{
    struct problem problem = {0};
    struct history_filter filter = {0};

    (void)state;
    for (enum history_order order = HISTORY_LATEST_FIRST; order <= HISTORY_BYTES_FIRST; order++) {
        told = 0;
        assert_int_equal(history_sum_up(history, &filter, HISTORY_BY_PROGRAM, order, 0, see_order, &order, &problem),
                         AGENT_OK);
        assert_int_equal(told, 7);
        told = 0;
        assert_int_equal(history_sum_up(history, &filter, HISTORY_BY_PROGRAM, order, 3, see_order, &order, &problem),
                         AGENT_OK);
        assert_int_equal(told, 3);
    }
}

/* A reader that is slow holds nothing up: it reads on while the writer writes. */
static bool see_slowly(void *context, const struct history_row *row)
{
    unsigned *count = context;

    (void)row;
    if ((*count)++ % 300 == 0) {
        struct history_record record = random_record(1);

        history_add(history, &record);
        assert_true(history_flush(history, FIXTURE_MS));
    }
    return true;
}

static void test_slow_reader(void **state)
{
    struct history_fixture *fixture = *state;
    struct history *reader = NULL;
    struct history_filter filter = {0};
    struct problem problem = {0};
    unsigned count = 0;

    assert_int_equal(history_open_reader(fixture->file, &reader, &problem), AGENT_OK);
    assert_int_equal(history_query(reader, &filter, see_slowly, &count, NULL, &problem), AGENT_OK);
    assert_true(count >= RECORDS);
    assert_int_equal(fixture_said_count("\n"), 0);
    history_close(reader);
}

/* --- What people write ------------------------------------------------------------------------------------------- */

static void test_destinations(void **state)
{
    static const char *const bad[] = {"",       "10.0.0.0/33", "::/129", "a b", "a:b",        "a:99999",    "[::1",
                                      "[::1]x", "10.0.0.1:",   "/",      "a/b", "1.2.3.4/-1", "[::1]:65536"};
    struct fit_destination ignored;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (fit_read_destination(bad[i], &ignored))
            fail_msg("'%s' was taken", bad[i]);
}

static int64_t utc(const char *text, int64_t now)
{
    int64_t found = -1;

    return history_read_time(text, now, &found) ? found : -1;
}

static void test_times(void **state)
{
    static const char *const bad[] = {"",
                                      "2026-02-31",
                                      "2026-13-01",
                                      "26-01-01",
                                      "12:60",
                                      "24:01",
                                      "-5m",
                                      "5",
                                      "m",
                                      "5y",
                                      "2026-1-01",
                                      "tomorrow",
                                      "99999999999s",
                                      "2026-11-22 14",
                                      "2026-11-22T14:05:06+01"};
    const int64_t now = INT64_C(1795356306) * 1000000; /* 2026-11-22 14:05:06 UTC */
    int64_t found;

    (void)state;
    setenv("TZ", "UTC-2", 1); /* two hours east */
    tzset();
    assert_int_equal(utc("2026-11-22T14:05:06Z", now), now);
    assert_int_equal(utc("2026-11-22 16:05:06", now), now);
    assert_int_equal(utc("16:05", now), now - 6000000);
    assert_int_equal(utc("2026-11-22", now), now - INT64_C(57906) * 1000000);
    assert_int_equal(utc("today", now), utc("2026-11-22", now));
    assert_int_equal(utc("yesterday", now), utc("2026-11-21", now));
    assert_int_equal(utc("90s", now), now - 90000000);
    assert_int_equal(utc("1w", now), now - INT64_C(604800000000));
    assert_int_equal(utc("now", now), now);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (history_read_time(bad[i], now, &found))
            fail_msg("'%s' was taken", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),        cmocka_unit_test(test_sums),         cmocka_unit_test(test_order),
        cmocka_unit_test(test_slow_reader), cmocka_unit_test(test_destinations), cmocka_unit_test(test_times),
    };

    return cmocka_run_group_tests(tests, fill, empty);
}
