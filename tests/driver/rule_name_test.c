/* SPDX-License-Identifier: MIT */
/*
 * rule_name_test.c - rules with names: which connections they decide, what becomes of flows when names are forgotten,
 * learned and rules change, answers for a name, and that nothing they had a say in may be kept by a host.
 */
#include "rules_case.h"

#include "core/rule_image.h"

/* What the program looked up: 192.0.2.last, or the fixture's IPv6 address. program "": any. */
static void learn(const char *program, const char *name, int ip_version, uint8_t last)
{
    struct {
        struct gatehouse_names header;
        struct gatehouse_name record;
        uint8_t bytes[512];
    } in = {{GATEHOUSE_PROTOCOL_VERSION, 1}, {0}, {0}};
    size_t path_size = 2 * strlen(program);

    in.record.path_size = (uint16_t)path_size;
    in.record.name_size = (uint16_t)strlen(name);
    in.record.ip_version = (uint8_t)ip_version;
    in.record.size = (uint32_t)(sizeof(in.record) + path_size + in.record.name_size + 7) / 8 * 8;
    if (ip_version == 6) {
        memcpy(in.record.address, (const uint8_t[16]){0xfd, [14] = 2, [15] = last}, 16);
    } else {
        memcpy(in.record.address, (const uint8_t[]){192, 0, 2, last}, 4);
    }
    for (size_t i = 0; i < path_size / 2; i++)
        in.bytes[2 * i] = (uint8_t)program[i];
    memcpy(in.bytes + path_size, name, in.record.name_size);
    assert_int_equal(
        fixture_control(decider, GATEHOUSE_IOCTL_NAMES_LEARNED, &in, sizeof(in.header) + in.record.size, NULL, 0, NULL),
        0);
}

static void rule_to(uint8_t action, const char *name)
{
    builder_rule(&b, action, OUTGOING);
    builder_part(&b, GATEHOUSE_PART_NAME, name, strlen(name));
}

static void load(void)
{
    assert_int_equal(rules_load_built(decider, &b), 0);
}

static struct wfp_decision decision_of(const struct fixture_connect *how)
{
    struct fixture_connection connection;

    fixture_connect_to(&connection, fixture_endpoint(), how);
    thread_settle();
    if (connection.first.outcome == WFP_PENDED)
        wfp_ale_endpoint_closed(connection.endpoint);
    return connection.first;
}

static enum wfp_outcome outcome(const char *program, uint8_t last)
{
    return decision_of(&(struct fixture_connect){.program = program, .remote_last = last}).outcome;
}

static void names_decide(void **state)
{
    (void)state;
    rule_to(PERMIT, "*.example.org");
    rule_to(PERMIT, "example.net");
    builder_rule(&b, BLOCK, OUTGOING);
    load();
    assert_int_equal(outcome("/bin/a", 1), WFP_BLOCK);
    learn("/bin/a", "www.example.org", 4, 1);
    learn("/bin/a", "example.net", 4, 2);
    learn("/bin/a", "example.org", 4, 3);
    learn("/bin/a", "a.example.net", 4, 4);
    learn("/bin/a", "wwwexample.org", 4, 5);
    assert_int_equal(outcome("/bin/a", 1), WFP_PERMIT);
    assert_int_equal(outcome("/bin/a", 2), WFP_PERMIT);
    assert_int_equal(outcome("/bin/a", 3), WFP_BLOCK);
    assert_int_equal(outcome("/bin/a", 4), WFP_BLOCK);
    assert_int_equal(outcome("/bin/a", 5), WFP_BLOCK);
    assert_int_equal(outcome("/bin/a", 6), WFP_BLOCK);
    assert_int_equal(outcome("/bin/b", 1), WFP_BLOCK); /* it did not look it up */
    assert_int_equal(outcome("", 1), WFP_BLOCK);
    assert_int_equal(
        decision_of(&(struct fixture_connect){.program = "/bin/a", .remote_last = 1, .protocol = 17}).outcome,
        WFP_PERMIT);
    assert_int_equal(
        decision_of(&(struct fixture_connect){.program = "/bin/a", .remote_last = 1, .ip_version = 6}).outcome,
        WFP_BLOCK);
    learn("/bin/a", "six.example.org", 6, 1);
    assert_int_equal(
        decision_of(&(struct fixture_connect){.program = "/bin/a", .remote_last = 1, .ip_version = 6}).outcome,
        WFP_PERMIT);
    /* Another name for the address changes nothing: it has both. */
    learn("/bin/a", "tracker.example", 4, 1);
    assert_int_equal(outcome("/bin/a", 1), WFP_PERMIT);
    learn("", "any.example.org", 4, 9);
    assert_int_equal(outcome("/bin/a", 9), WFP_PERMIT);
    assert_int_equal(outcome("/bin/b", 9), WFP_PERMIT);
    assert_int_equal(outcome("", 9), WFP_PERMIT);
    fixture_advance((uint64_t)(GATEHOUSE_NAME_KEEP_MIN_MS + 1) * MS);
    assert_int_equal(outcome("/bin/a", 1), WFP_BLOCK);
    assert_int_equal(outcome("/bin/b", 9), WFP_BLOCK);
}

/* permit NAME tcp port 443 with a pattern of a program; ask NAME; two names in one rule. */
static void other_conditions_hold_too(void **state)
{
    (void)state;
    rule_to(PERMIT, "a.example");
    builder_part(&b, GATEHOUSE_PART_NAME, "b.example", 9);
    builder_text(&b, GATEHOUSE_PART_PATTERN, "/opt/**");
    builder_byte(&b, GATEHOUSE_PART_PROTOCOL, 6);
    builder_set_part(&b, GATEHOUSE_PART_REMOTE_PORT, builder_port(&b, 443, 443));
    rule_to(ASK, "a.example");
    builder_rule(&b, BLOCK, OUTGOING);
    load();
    for (unsigned i = 0; i < 2; i++) {
        learn(i == 0 ? "/opt/x" : "/bin/x", "a.example", 4, 1);
        learn(i == 0 ? "/opt/x" : "/bin/x", "b.example", 4, 2);
    }
    assert_int_equal(outcome("/opt/x", 1), WFP_PERMIT);
    assert_int_equal(outcome("/opt/x", 2), WFP_PERMIT);
    assert_int_equal(outcome("/opt/x", 3), WFP_BLOCK);
    assert_int_equal(outcome("/bin/x", 1), WFP_PENDED);
    assert_int_equal(outcome("/bin/x", 2), WFP_BLOCK);
    assert_int_equal(
        decision_of(&(struct fixture_connect){.program = "/opt/x", .remote_last = 1, .remote_port = 80}).outcome,
        WFP_PENDED);
    assert_int_equal(
        decision_of(&(struct fixture_connect){.program = "/opt/x", .remote_last = 2, .remote_port = 80}).outcome,
        WFP_BLOCK);
}

/* What a name had a say in, also by not matching, is not to be kept; what never came to it may be. */
static void nothing_of_it_is_kept_by_a_host(void **state)
{
    (void)state;
    builder_rule(&b, PERMIT, OUTGOING);
    builder_text(&b, GATEHOUSE_PART_PROGRAM, "/bin/first");
    rule_to(PERMIT, "a.example");
    builder_text(&b, GATEHOUSE_PART_PROGRAM, "/bin/a");
    builder_rule(&b, BLOCK, OUTGOING);
    load();
    learn("/bin/a", "a.example", 4, 1);
    for (uint8_t last = 1; last <= 2; last++) {
        struct wfp_decision decision = decision_of(&(struct fixture_connect){.program = "/bin/a", .remote_last = last});

        assert_int_equal(decision.outcome, last == 1 ? WFP_PERMIT : WFP_BLOCK);
        assert_true(decision.looked.all);
        assert_false(decision_of(&(struct fixture_connect){.program = "/bin/first", .remote_last = last}).looked.all);
        assert_false(decision_of(&(struct fixture_connect){.program = "/bin/b", .remote_last = last}).looked.all);
    }
}

/* --- Flows ------------------------------------------------------------------------------------ */

static void open_flow(struct fixture_connection *connection, const char *program, uint8_t last)
{
    fixture_connect_to(connection, fixture_endpoint(),
                       &(struct fixture_connect){.program = program, .remote_last = last});
    assert_decided(connection, WFP_PERMIT);
    wfp_ale_flow_established(connection->final.flow);
}

/* Its next packet, after something changed. */
static enum wfp_outcome next_packet(const struct fixture_connection *connection)
{
    struct wfp_decision decision;
    BOOLEAN reauthorized = FALSE;

    wfp_ale_flow_packet(connection->final.flow, FALSE, NULL, &decision, &reauthorized);
    assert_true(reauthorized);
    return decision.outcome;
}

/* A rule about nobody here comes and changes the layer. */
static void change_filters(void)
{
    static uint8_t number;
    struct rule_builder one = {0};
    char program[] = {'/', 'n', '/', (char)('a' + number++ % 26), 0};

    builder_begin(&one);
    builder_rule(&one, BLOCK, OUTGOING);
    ((struct gatehouse_rule *)(void *)(one.rules + one.rule_at))->place = GATEHOUSE_PLACE_TOP;
    builder_text(&one, GATEHOUSE_PART_PROGRAM, program);
    assert_int_equal(rules_add_built(decider, &one), 0);
    builder_free(&one);
}

static void build_permit(void)
{
    builder_free(&b);
    rule_to(PERMIT, "a.example");
    builder_rule(&b, BLOCK, OUTGOING);
}

static void flows_outlive_names(void **state)
{
    struct fixture_connection first, second;

    (void)state;
    build_permit();
    load();
    learn("/bin/a", "a.example", 4, 1);
    open_flow(&first, "/bin/a", 1);
    change_filters();
    assert_int_equal(next_packet(&first), WFP_PERMIT);
    fixture_advance((uint64_t)(GATEHOUSE_NAME_KEEP_MIN_MS + 1) * MS);
    change_filters();
    assert_int_equal(next_packet(&first), WFP_PERMIT);
    assert_int_equal(outcome("/bin/a", 1), WFP_BLOCK);
    /* The same rule in another file: still its own. */
    builder_free(&b);
    builder_rule(&b, PERMIT, OUTGOING);
    builder_text(&b, GATEHOUSE_PART_PROGRAM, "/bin/other");
    rule_to(PERMIT, "a.example");
    builder_rule(&b, BLOCK, OUTGOING);
    load();
    assert_int_equal(next_packet(&first), WFP_PERMIT);
    /* A rule above it blocks: that counts. */
    learn("/bin/a", "a.example", 4, 1);
    open_flow(&second, "/bin/a", 1);
    builder_free(&b);
    builder_rule(&b, BLOCK, OUTGOING);
    builder_text(&b, GATEHOUSE_PART_PROGRAM, "/bin/a");
    rule_to(PERMIT, "a.example");
    load();
    assert_int_equal(next_packet(&first), WFP_BLOCK);
    assert_int_equal(next_packet(&second), WFP_BLOCK);
}

/* The rule goes: what is in force then decides, by what is known then. */
static void flows_follow_the_rule(void **state)
{
    struct fixture_connection known, forgotten;

    (void)state;
    build_permit();
    load();
    learn("/bin/a", "a.example", 4, 1);
    learn("/bin/a", "a.example", 4, 2);
    open_flow(&known, "/bin/a", 1);
    open_flow(&forgotten, "/bin/a", 2);
    fixture_advance((uint64_t)(GATEHOUSE_NAME_KEEP_MIN_MS + 1) * MS);
    learn("/bin/a", "a.example", 4, 1);
    builder_free(&b);
    rule_to(PERMIT, "*.example");
    builder_rule(&b, BLOCK, OUTGOING);
    load();
    assert_int_equal(next_packet(&known), WFP_PERMIT);
    assert_int_equal(next_packet(&forgotten), WFP_BLOCK);
    builder_free(&b);
    builder_rule(&b, BLOCK, OUTGOING);
    load();
    assert_int_equal(next_packet(&known), WFP_BLOCK);
}

/* A socket that is used again for another place, and a new one, have nothing of an old note. */
static void notes_are_of_one_connection(void **state)
{
    struct fixture_connection connection;
    UINT64 endpoint = fixture_endpoint();

    (void)state;
    build_permit();
    load();
    learn("/bin/a", "a.example", 4, 1);
    for (unsigned i = 0; i < 2; i++) {
        fixture_connect_to(&connection, endpoint,
                           &(struct fixture_connect){.program = "/bin/a", .remote_last = 1, .protocol = 17});
        assert_decided(&connection, i == 0 ? WFP_PERMIT : WFP_BLOCK);
        /* A note alone authorizes nothing that is new. */
        fixture_advance((uint64_t)(GATEHOUSE_NAME_KEEP_MIN_MS + 1) * MS);
    }
    wfp_ale_endpoint_closed(endpoint);
}

/* A name that comes later may put a flow under another rule, but only when rules change. */
static void names_that_come_later(void **state)
{
    struct fixture_connection connection;

    (void)state;
    rule_to(BLOCK, "*.ads.example");
    builder_rule(&b, PERMIT, OUTGOING);
    load();
    open_flow(&connection, "/bin/a", 1);
    learn("/bin/a", "x.ads.example", 4, 1);
    assert_int_equal(outcome("/bin/a", 1), WFP_BLOCK);
    change_filters();
    assert_int_equal(next_packet(&connection), WFP_BLOCK);
}

/* --- Asked about ------------------------------------------------------------------------------ */

static void build_ask(void)
{
    builder_free(&b);
    rule_to(ASK, "*.example");
    builder_rule(&b, BLOCK, OUTGOING);
}

/* Held for longer than the name is known: the answer counts. */
static void asks_outlive_names(void **state)
{
    (void)state;
    assert_int_equal(
        fixture_set_policy(decider, GATEHOUSE_DEADLINE_MAX_MS, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_NO_DECIDER_HOLD), 0);
    build_ask();
    load();
    for (uint32_t verdict = GATEHOUSE_VERDICT_PERMIT; verdict <= GATEHOUSE_VERDICT_BLOCK; verdict++) {
        struct fixture_connection connection;
        struct gatehouse_request request;

        learn("/bin/a", "a.example", 4, 1);
        fixture_advance((uint64_t)(GATEHOUSE_NAME_KEEP_MIN_MS - 1000) * MS);
        fixture_connect_to(&connection, fixture_endpoint(),
                           &(struct fixture_connect){.program = "/bin/a", .remote_last = 1});
        assert_pended(&connection);
        assert_int_equal(fixture_get(decider, &request, 1), 1);
        fixture_advance(1001 * MS);
        change_filters();
        assert_int_equal(fixture_decide(decider, request.id, verdict, 0, 0), 0);
        assert_decided(&connection, verdict == GATEHOUSE_VERDICT_PERMIT ? WFP_PERMIT : WFP_BLOCK);
        if (verdict == GATEHOUSE_VERDICT_PERMIT) {
            wfp_ale_flow_established(connection.final.flow);
            change_filters();
            assert_int_equal(next_packet(&connection), WFP_PERMIT);
        }
        assert_int_equal(outcome("/bin/a", 1), WFP_BLOCK);
    }
}

static uint64_t hold(struct fixture_connection *held, const char *program, uint8_t last)
{
    struct gatehouse_request request;

    fixture_connect_to(held, fixture_endpoint(), &(struct fixture_connect){.program = program, .remote_last = last});
    assert_pended(held);
    assert_int_equal(fixture_get(decider, &request, 1), 1);
    return request.id;
}

/* The answer for a name: everything held of it, and what comes, whatever its address; nothing of others. */
static void name_scope(void **state)
{
    (void)state;
    for (uint32_t verdict = GATEHOUSE_VERDICT_PERMIT; verdict <= GATEHOUSE_VERDICT_BLOCK; verdict++) {
        enum wfp_outcome expected = verdict == GATEHOUSE_VERDICT_PERMIT ? WFP_PERMIT : WFP_BLOCK;
        struct fixture_connection held[4];
        uint64_t id;

        learn("/bin/a", "a.example", 4, 1);
        learn("/bin/a", "a.example", 4, 2);
        learn("/bin/a", "b.example", 4, 3);
        learn("/bin/b", "a.example", 4, 1);
        id = hold(&held[0], "/bin/a", 1);
        (void)hold(&held[1], "/bin/a", 2);
        (void)hold(&held[2], "/bin/a", 3);
        (void)hold(&held[3], "/bin/b", 1);
        assert_int_equal(fixture_decide(decider, id, verdict, GATEHOUSE_SCOPE_PROGRAM_NAME, 1000), 0);
        assert_decided(&held[0], expected);
        assert_decided(&held[1], expected);
        assert_pended(&held[2]);
        assert_pended(&held[3]);
        learn("/bin/a", "a.example", 4, 4);
        assert_int_equal(outcome("/bin/a", 1), expected);
        assert_int_equal(outcome("/bin/a", 4), expected);
        assert_int_equal(outcome("/bin/a", 3), WFP_PENDED);
        assert_int_equal(outcome("/bin/b", 1), WFP_PENDED);
        assert_int_equal(
            fixture_decide(decider, hold(&held[0], "/bin/a", 9), verdict, GATEHOUSE_SCOPE_PROGRAM_NAME, 1000),
            GATEHOUSE_E_NO_NAME);
        for (unsigned i = 0; i < 4; i++)
            wfp_ale_endpoint_closed(held[i].endpoint);
        fixture_advance(1001 * MS);
        assert_int_equal(outcome("/bin/a", 1), WFP_PENDED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_decide, setup, teardown),
        cmocka_unit_test_setup_teardown(other_conditions_hold_too, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_of_it_is_kept_by_a_host, setup, teardown),
        cmocka_unit_test_setup_teardown(flows_outlive_names, setup, teardown),
        cmocka_unit_test_setup_teardown(flows_follow_the_rule, setup, teardown),
        cmocka_unit_test_setup_teardown(notes_are_of_one_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(names_that_come_later, setup, teardown),
        cmocka_unit_test_setup_teardown(asks_outlive_names, setup, teardown),
        cmocka_unit_test_setup_teardown(name_scope, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
