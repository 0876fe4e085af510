/* SPDX-License-Identifier: MIT */
/*
 * collect_test.c - events and flows as records: what is told of one connection in several ways is one row, in every
 * order; what is told of two is two. The oracle is SQLite's count of rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <gatehouse/rules.h>

#include "agent/clock.h"
#include "history/collect.h"
#include "tests/history/history_fixture.h"
#include "tests/lib/rule_builder.h"

#define ROWS "SELECT count(*) FROM connections"

static const uint8_t program[] = "/\0u\0s\0r\0/\0b\0i\0n\0/\0c\0u\0r\0l\0"; /* UTF-16LE */
#define PROGRAM_SIZE (sizeof(program) - 1)

static struct history *history;
static struct history_collect *collect;

static int set_up(void **state)
{
    if (fixture_set_up(state) != 0)
        return -1;
    history = fixture_writer(*state, NULL);
    collect = history_collect_new(4711);
    return collect ? 0 : -1;
}

static int tear_down(void **state)
{
    history_collect_free(collect);
    history_close(history);
    return fixture_tear_down(state);
}

static struct event make_event(unsigned by, unsigned verdict, uint16_t port, uint64_t rule)
{
    struct event event = {.fixed = {.type = GATEHOUSE_EVENT_DECIDED,
                                    .verdict = (uint8_t)verdict,
                                    .by = (uint8_t)by,
                                    .time = clock_boot(),
                                    .count = rule}};
    struct gatehouse_request *fixed = &event.request.fixed;

    *fixed = (struct gatehouse_request){.path_size = PROGRAM_SIZE,
                                        .ip_version = 4,
                                        .protocol = 6,
                                        .process_id = 12,
                                        .process_start = 99,
                                        .local_port = port,
                                        .remote_port = 443,
                                        .layer = 48,
                                        .held_at = event.fixed.time - 5 * CLOCK_SECOND};
    fixed->local_address[0] = 10;
    fixed->remote_address[0] = 192;
    event.request.path = program;
    return event;
}

static struct flow make_flow(uint64_t number, uint16_t port, uint32_t flags)
{
    struct flow flow = {.fixed = {.path_size = PROGRAM_SIZE,
                                  .ip_version = 4,
                                  .protocol = 6,
                                  .number = number,
                                  .process_id = 12,
                                  .process_start = 99,
                                  .local_port = port,
                                  .remote_port = 443,
                                  .user = 1000,
                                  .flags = flags,
                                  .began = clock_wall()}};

    flow.fixed.local_address[0] = 10;
    flow.fixed.remote_address[0] = 192;
    flow.path = program;
    flow.name = program;
    if (flags & GATEHOUSE_FLOW_ENDED)
        flow.fixed.ended = clock_wall() + CLOCK_SECOND;
    if (flags & GATEHOUSE_FLOW_COUNTED)
        flow.fixed.bytes_out = 77;
    return flow;
}

static void add_event(const struct event *event, const char *who)
{
    struct history_record record;

    assert_true(history_from_event(collect, event, who, &record));
    assert_string_equal(record.program, "/usr/bin/curl");
    history_add(history, &record);
}

static void add_flow(const struct flow *flow)
{
    struct history_record record;

    assert_true(history_from_flow(collect, flow, &record));
    history_add(history, &record);
}

static int64_t number(void **state, const char *sql)
{
    struct history_fixture *fixture = *state;

    assert_true(history_flush(history, FIXTURE_MS));
    return fixture_number(fixture->file, sql);
}

/* Held, answered, lives, has ended, is counted late; told in each order, some of it twice, as after a restart. */
static void test_one_connection(void **state)
{
    static const int orders[][4] = {{0, 1, 2, 3}, {1, 0, 2, 3}, {1, 2, 0, 3}, {2, 1, 3, 0}, {3, 0, 1, 2}, {2, 3, 0, 1}};

    for (unsigned i = 0; i < 6; i++) {
        uint16_t port = (uint16_t)(1000 + i);
        struct event event = make_event(GATEHOUSE_BY_DECIDER, GATEHOUSE_VERDICT_PERMIT, port, 0);
        struct flow flows[] = {make_flow(i + 1, port, 0), make_flow(i + 1, port, GATEHOUSE_FLOW_ENDED),
                               make_flow(i + 1, port, GATEHOUSE_FLOW_ENDED | GATEHOUSE_FLOW_COUNTED)};

        for (unsigned at = 0; at < 8; at++) {
            int what = orders[i][at % 4];

            if (what == 0)
                add_event(&event, "alice");
            else
                add_flow(&flows[what - 1]);
        }
        assert_int_equal(number(state, ROWS), i + 1);
    }
    assert_int_equal(number(state, ROWS " WHERE who='alice' AND by=1 AND bytes_out=77 AND ended > began AND"
                                        " decided - began BETWEEN 4900000 AND 5100000 AND user=1000 AND verdict=1"),
                     6);
}

/* The same ends again, later: another connection. So is a second question, and one of another process or gatehoused. */
static void test_others(void **state)
{
    struct event event = make_event(GATEHOUSE_BY_DECIDER, GATEHOUSE_VERDICT_BLOCK, 1, 0);
    struct flow flow = make_flow(1, 2, GATEHOUSE_FLOW_ENDED);

    add_event(&event, NULL);
    event.request.fixed.held_at += CLOCK_SECOND * 10;
    event.fixed.time += CLOCK_SECOND * 10;
    add_event(&event, NULL);
    assert_int_equal(number(state, ROWS), 2);
    add_flow(&flow);
    flow.fixed.number = 2;
    flow.fixed.began += 2 * CLOCK_SECOND;
    flow.fixed.ended += 2 * CLOCK_SECOND;
    add_flow(&flow);
    assert_int_equal(number(state, ROWS), 4);
    flow.fixed.process_start++;
    add_flow(&flow);
    assert_int_equal(number(state, ROWS), 5);
    history_collect_free(collect);
    collect = history_collect_new(4712);
    add_flow(&flow);
    assert_int_equal(number(state, ROWS), 6);
}

static void test_blocked(void **state)
{
    struct flow flow = make_flow(1, 0, GATEHOUSE_FLOW_ENDED | GATEHOUSE_FLOW_BLOCKED);

    flow.fixed.count = 1;
    add_flow(&flow);
    flow.fixed.count = 900;
    flow.fixed.ended += CLOCK_SECOND;
    add_flow(&flow);
    flow.fixed.number = 2;
    flow.fixed.count = 3;
    add_flow(&flow);
    assert_int_equal(number(state, ROWS), 2);
    assert_int_equal(number(state, "SELECT sum(count) FROM connections WHERE verdict=2"), 903);
}

static void key_of(uint64_t id, uint8_t key[16])
{
    static const uint8_t begin[8] = {0x0e, 0x5d, 0x1f, 0x6b, 0x1a, 0x3c, 0x00, 0x80};

    memcpy(key, begin, sizeof(begin));
    for (int i = 0; i < 8; i++)
        key[8 + i] = (uint8_t)(id >> (56 - 8 * i));
}

/* Texts of rules are those of the policy; a rule that logs is told of by events alone. */
static void test_rules(void **state)
{
    struct flow flow = make_flow(1, 0, GATEHOUSE_FLOW_ENDED | GATEHOUSE_FLOW_BLOCKED);
    struct rule_policy policy = {0};
    struct rule_builder builder;
    struct history_record record;
    struct event event;
    uint64_t plain, logs;

    assert_true(history_collect_wants_rules(collect));
    assert_false(history_collect_wants_rules(collect)); /* not at once again */
    builder_begin(&builder);
    builder_rule(&builder, GATEHOUSE_RULE_BLOCK, GATEHOUSE_RULE_OUT)->line = 7;
    builder_part(&builder, GATEHOUSE_PART_TEXT, "block out # mine", 16);
    builder_part(&builder, GATEHOUSE_PART_FILE, "/etc/rules", 10);
    builder_rule(&builder, GATEHOUSE_RULE_PERMIT, GATEHOUSE_RULE_OUT)->flags = GATEHOUSE_RULE_LOG;
    builder_finish(&builder);
    plain = builder_rule_at(&builder, 0)->id;
    logs = builder_rule_at(&builder, 1)->id;
    policy.image = malloc(builder.size);
    policy.size = builder.size;
    memcpy(policy.image, builder.image, builder.size);
    builder_free(&builder);
    history_collect_rules(collect, &policy);
    assert_null(policy.image);

    key_of(plain, flow.fixed.filter_key);
    assert_true(history_from_flow(collect, &flow, &record));
    assert_string_equal(record.rule, "block out # mine");
    assert_string_equal(record.place, "/etc/rules:7");
    assert_true(record.rule_id == plain && record.by == GATEHOUSE_BY_RULE);
    key_of(logs, flow.fixed.filter_key);
    assert_false(history_from_flow(collect, &flow, &record));
    event = make_event(GATEHOUSE_BY_RULE, GATEHOUSE_VERDICT_PERMIT, 5, logs);
    assert_true(history_from_event(collect, &event, NULL, &record));
    assert_true(record.rule_id == logs && record.rule != NULL);
    event = make_event(GATEHOUSE_BY_RULE, GATEHOUSE_VERDICT_PERMIT, 5, 12345);
    assert_true(history_from_event(collect, &event, NULL, &record));
    assert_true(record.rule_id == 12345 && record.rule == NULL && record.place == NULL);
    event.fixed.type = GATEHOUSE_EVENT_HELD;
    assert_false(history_from_event(collect, &event, NULL, &record));
    (void)state;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_one_connection), TEST(test_others), TEST(test_blocked),
                                       TEST(test_rules)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
