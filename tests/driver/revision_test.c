/* SPDX-License-Identifier: MIT */
/*
 * revision_test.c - a change of rules and what is held: what the new rules permit or block without asking is completed,
 * once; what they ask about, and what cannot be told of a held connection, waits on. And the races: with a decider's
 * answer, the program's end, another change, the unload; a connection that was classified before the change.
 */
#include "rules_case.h"

#include "core/rule_image.h"

/* The rule's record, until the next call. */
static struct gatehouse_rule *rule_about(uint8_t action, const char *program)
{
    (void)builder_rule(&b, action, OUTGOING);
    if (program != NULL)
        builder_text(&b, GATEHOUSE_PART_PROGRAM, program);
    return (struct gatehouse_rule *)(void *)(b.rules + b.rule_at);
}

static uint32_t add(uint8_t action, const char *program)
{
    builder_free(&b);
    rule_about(action, program)->place = GATEHOUSE_PLACE_TOP;
    return rules_add_built(decider, &b);
}

static void hold(struct fixture_connection *connection, const char *program, uint8_t last)
{
    fixture_connect_to(connection, fixture_endpoint(),
                       &(struct fixture_connect){.program = program, .remote_last = last});
    assert_pended(connection);
}

static void added_rule_decides_what_is_held(void **state)
{
    struct fixture_connection a[3], other;
    struct gatehouse_request requests[4];
    struct gatehouse_status status;

    (void)state;
    for (uint8_t i = 0; i < 3; i++)
        hold(&a[i], "/bin/a", i);
    assert_int_equal(fixture_get(decider, requests, 4), 3); /* in a decider's hands */
    hold(&other, "/bin/b", 1);
    assert_int_equal(add(PERMIT, "/bin/a"), 0);
    rules_settle();
    for (int i = 0; i < 3; i++)
        assert_decided(&a[i], WFP_PERMIT);
    assert_pended(&other);
    assert_int_equal(fixture_decide(decider, requests[0].id, GATEHOUSE_VERDICT_BLOCK, 0, 0), GATEHOUSE_E_UNKNOWN_ID);
    status = fixture_status(decider);
    assert_int_equal(status.held, 1);
    assert_int_equal(status.offered, 0);
    assert_int_equal(status.permitted_by_answer, 3);
    assert_int_equal(add(BLOCK, "/bin/b"), 0);
    rules_settle();
    assert_decided(&other, WFP_BLOCK);
}

static void load_remove_and_end_decide_too(void **state)
{
    struct fixture_connection a, c, d;
    struct gatehouse_rule *rule;
    uint64_t id;

    (void)state;
    hold(&a, "/bin/a", 1);
    rule_about(BLOCK, "/bin/a");
    rule_about(PERMIT, "/bin/c");
    rule_about(PERMIT, "/bin/d");
    assert_int_equal(rules_load_built(decider, &b), 0);
    rules_settle();
    assert_decided(&a, WFP_BLOCK);

    assert_int_equal(add(ASK, "/bin/c"), 0);
    id = builder_rule_at(&b, 0)->id;
    hold(&c, "/bin/c", 1);
    rules_settle();
    assert_pended(&c);
    assert_int_equal(rules_remove_id(decider, id), 0);
    rules_settle();
    assert_decided(&c, WFP_PERMIT);

    builder_free(&b);
    rule = rule_about(ASK, "/bin/d");
    rule->place = GATEHOUSE_PLACE_TOP;
    rule->until = GATEHOUSE_UNTIL_TIME;
    rule->lifetime_ms = 5000;
    assert_int_equal(rules_add_built(decider, &b), 0);
    hold(&d, "/bin/d", 1);
    fixture_advance(5001 * MS);
    rules_settle();
    assert_decided(&d, WFP_PERMIT);
}

/* First match: a rule that asks in front, also one that only may match, and the default. */
static void what_is_asked_about_waits(void **state)
{
    static const uint8_t group[16] = {1, 2, 0, 0, 0, 0, 0, 22, 2, 0, 0, 0, 100};
    struct fixture_connection asked, maybe, sure;

    (void)state;
    hold(&asked, "/bin/a", 1);
    hold(&maybe, "/bin/b", 1);
    hold(&sure, "/bin/c", 1);
    rule_about(ASK, "/bin/a");
    rule_about(PERMIT, "/bin/a");
    rule_about(BLOCK, "/bin/b");
    builder_part(&b, GATEHOUSE_PART_GROUP, group, sizeof(group));
    rule_about(PERMIT, "/bin/b");
    rule_about(BLOCK, "/bin/c");
    builder_part(&b, GATEHOUSE_PART_GROUP, group, sizeof(group));
    rule_about(BLOCK, "/bin/c"); /* whether of that group or not */
    assert_int_equal(rules_load_built(decider, &b), 0);
    rules_settle();
    assert_pended(&asked);
    assert_pended(&maybe);
    assert_decided(&sure, WFP_BLOCK);
    assert_int_equal(fixture_status(decider).held, 2);
    wfp_ale_endpoint_closed(asked.endpoint);
    wfp_ale_endpoint_closed(maybe.endpoint);
}

/* What came in goes on with its packet, or is dropped; an ask that is gone leaves the default, which passes. */
static void inbound_too(void **state)
{
    const struct fixture_connect in = {.program = "/bin/a", .remote_last = 1, .inbound = true};
    struct fixture_connection first, second;

    (void)state;
    builder_rule(&b, ASK, INCOMING);
    assert_int_equal(rules_load_built(decider, &b), 0);
    fixture_connect_to(&first, fixture_endpoint(), &in);
    assert_pended(&first);
    builder_free(&b);
    builder_rule(&b, BLOCK, INCOMING);
    assert_int_equal(rules_load_built(decider, &b), 0);
    rules_settle();
    assert_decided(&first, WFP_BLOCK);
    builder_free(&b);
    builder_rule(&b, ASK, INCOMING);
    assert_int_equal(rules_load_built(decider, &b), 0);
    fixture_connect_to(&second, fixture_endpoint(), &in);
    assert_pended(&second);
    builder_free(&b);
    builder_begin(&b);
    assert_int_equal(rules_load_built(decider, &b), 0);
    rules_settle();
    assert_decided(&second, WFP_PERMIT);
}

/* More than a batch, and more rules than are read in one run. */
static void many(void **state)
{
    static struct fixture_connection held[300];

    (void)state;
    for (int i = 0; i < 300; i++)
        hold(&held[i], i % 3 == 0 ? "/bin/a" : i % 3 == 1 ? "/bin/b" : "/bin/c", (uint8_t)i);
    for (unsigned i = 0; i < 1000; i++) {
        rule_about(BLOCK, "/bin/nobody");
        builder_set_part(&b, GATEHOUSE_PART_REMOTE, builder_v4(&b, i, i));
    }
    rule_about(PERMIT, "/bin/a");
    rule_about(BLOCK, "/bin/b");
    assert_int_equal(rules_load_built(decider, &b), 0);
    rules_settle();
    for (int i = 0; i < 300; i++) {
        if (i % 3 == 2)
            assert_pended(&held[i]);
        else
            assert_decided(&held[i], i % 3 == 0 ? WFP_PERMIT : WFP_BLOCK);
    }
    assert_int_equal(fixture_status(decider).held, 100);
}

/* Told once, with the rule's id. */
static void observers_are_told(void **state)
{
    struct nt_file *observer = fixture_open_as(9, GATEHOUSE_ROLE_OBSERVER);
    static struct fixture_call call;
    struct fixture_connection held;
    struct gatehouse_event event;
    struct gatehouse_request request;
    size_t offset;

    (void)state;
    hold(&held, "/bin/a", 1);
    assert_int_equal(add(BLOCK, "/bin/a"), 0);
    rules_settle();
    assert_decided(&held, WFP_BLOCK);
    fixture_start(&call, observer, GATEHOUSE_IOCTL_READ_EVENTS, 4096);
    assert_int_equal(fixture_finish(&call), STATUS_SUCCESS);
    memcpy(&event, call.buffer, sizeof(event));
    assert_int_equal(event.type, GATEHOUSE_EVENT_HELD);
    offset = event.size;
    memcpy(&event, call.buffer + offset, sizeof(event));
    memcpy(&request, call.buffer + offset + sizeof(event), sizeof(request));
    assert_int_equal(call.information, offset + event.size);
    assert_int_equal(event.type, GATEHOUSE_EVENT_DECIDED);
    assert_int_equal(event.by, GATEHOUSE_BY_RULE);
    assert_int_equal(event.verdict, GATEHOUSE_VERDICT_BLOCK);
    assert_true(event.count == builder_rule_at(&b, 0)->id);
    assert_true(request.id != 0 && request.held_at != 0);
    nt_file_close(observer);
}

/* --- Races ------------------------------------------------------------------------------------ */

static struct fixture_connection late[8];

static void connect_some(void *context)
{
    (void)context;
    for (uint8_t i = 0; i < 8; i++)
        fixture_connect_to(&late[i], fixture_endpoint(),
                           &(struct fixture_connect){.program = "/bin/a", .remote_last = i});
}

static void add_a_rule(void *context)
{
    (void)context;
    assert_int_equal(add(PERMIT, "/bin/a"), 0);
}

/* Whether classified before the change or after: none of them waits for a decider. */
static void none_slips_between(void **state)
{
    struct test_thread connects, adds;

    (void)state;
    memset(late, 0, sizeof(late));
    thread_start(&connects, "connects", connect_some, NULL);
    thread_start(&adds, "adds", add_a_rule, NULL);
    thread_join(&connects);
    thread_join(&adds);
    rules_settle();
    for (int i = 0; i < 8; i++)
        assert_decided(&late[i], WFP_PERMIT);
}

static uint64_t ids[8];

static void decide_all(void *context)
{
    (void)context;
    for (int i = 0; i < 8; i++) {
        uint32_t status = fixture_decide(decider, ids[i], GATEHOUSE_VERDICT_BLOCK, 0, 0);

        assert_true(status == 0 || status == GATEHOUSE_E_UNKNOWN_ID || status == GATEHOUSE_E_ALREADY_DECIDED);
    }
}

static void close_some(void *context)
{
    (void)context;
    for (int i = 0; i < 8; i += 3)
        wfp_ale_endpoint_closed(late[i].endpoint);
}

/* Whoever is first decides; each is completed once. */
static void one_of_many_decides(void **state)
{
    struct gatehouse_request requests[8];
    struct gatehouse_status status;
    struct test_thread threads[3];

    (void)state;
    memset(late, 0, sizeof(late));
    connect_some(NULL);
    for (int i = 0; i < 8; i++)
        assert_pended(&late[i]);
    assert_int_equal(fixture_get(decider, requests, 8), 8);
    for (int i = 0; i < 8; i++)
        ids[i] = requests[i].id;
    thread_start(&threads[0], "adds", add_a_rule, NULL);
    thread_start(&threads[1], "decides", decide_all, NULL);
    thread_start(&threads[2], "closes", close_some, NULL);
    for (int i = 0; i < 3; i++)
        thread_join(&threads[i]);
    rules_settle();
    for (int i = 0; i < 8; i++)
        assert_int_equal(late[i].done, 1);
    status = fixture_status(NULL);
    assert_int_equal(status.held, 0);
    assert_int_equal(status.permitted_by_answer + status.blocked_by_decider + status.cancelled, 8);
}

/* A look under way is no reason not to go. */
static void unload_meanwhile(void **state)
{
    static struct fixture_connection held[200];

    (void)state;
    for (int i = 0; i < 200; i++)
        hold(&held[i], "/bin/a", (uint8_t)i);
    assert_int_equal(add(PERMIT, "/bin/a"), 0);
    nt_file_close(decider);
    fixture_unload();
    for (int i = 0; i < 200; i++)
        assert_int_equal(held[i].done, 1);
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(added_rule_decides_what_is_held),
        CASE(load_remove_and_end_decide_too),
        CASE(what_is_asked_about_waits),
        CASE(inbound_too),
        CASE(many),
        CASE(observers_are_told),
        CASE(none_slips_between),
        CASE(one_of_many_decides),
        CASE(unload_meanwhile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
