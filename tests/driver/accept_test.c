/* SPDX-License-Identifier: MIT */
/*
 * accept_test.c - rules that ask about what comes in: held by clone, permitted by injection, or freed.
 *
 * Every violation that the engine finds (clones left, a packet not cloned, a list misused) ends the program. Pages:
 * FwpsPendOperation0, FwpsCompleteOperation0, FwpsInjectTransportReceiveAsync0 (fwpsk.h).
 */
#include "rules_client.h"

static struct nt_file *decider;
static struct rule_builder b;

/* ask in; the rest passes, as rules.h says of what comes in. */
static void load_ask(void)
{
    builder_begin(&b);
    builder_rule(&b, ASK, INCOMING);
    builder_text(&b, GATEHOUSE_PART_PROGRAM, "/bin/server");
    assert_int_equal(rules_load_built(decider, &b), 0);
}

static int setup(void **state)
{
    (void)state;
    decider = rules_begin(&b);
    load_ask();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rules_end(decider, &b);
    return 0;
}

static void come_in(struct fixture_connection *connection, int ip_version, int protocol)
{
    fixture_connect_to(connection, fixture_endpoint(),
                       &(struct fixture_connect){.ip_version = ip_version,
                                                 .protocol = protocol,
                                                 .remote_last = 9,
                                                 .remote_port = 50000,
                                                 .program = "/bin/server",
                                                 .inbound = true});
}

static uint64_t ask_for(const struct fixture_connection *connection)
{
    struct gatehouse_request request;

    assert_int_equal(fixture_get(decider, &request, 1), 1);
    assert_int_equal(request.endpoint, connection->endpoint);
    return request.id;
}

static void permitted(void **state)
{
    static const int ways[][2] = {{4, 6}, {4, 17}, {6, 6}, {6, 17}};

    (void)state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct fixture_connection connection;
        struct gatehouse_request request;

        come_in(&connection, ways[i][0], ways[i][1]);
        assert_pended(&connection);
        assert_int_equal(fixture_get(decider, &request, 1), 1);
        assert_int_equal(request.layer,
                         ways[i][0] == 6 ? FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V6 : FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
        assert_int_equal(request.local_port, 40000);
        assert_int_equal(request.remote_port, 50000);
        assert_int_equal(fixture_decide(decider, request.id, GATEHOUSE_VERDICT_PERMIT, 0, 0), 0);
        assert_decided(&connection, WFP_PERMIT);
        assert_int_equal(connection.done, 1);
        assert_int_not_equal(connection.final.flow, 0);
        wfp_ale_flow_established(connection.final.flow);
        wfp_ale_endpoint_closed(connection.endpoint);
    }
    assert_int_equal(fixture_status(decider).permitted_by_decider, 4);
}

static void blocked(void **state)
{
    struct fixture_connection connection;

    (void)state;
    come_in(&connection, 4, 17);
    assert_pended(&connection);
    assert_int_equal(fixture_decide(decider, ask_for(&connection), GATEHOUSE_VERDICT_BLOCK, 0, 0), 0);
    assert_decided(&connection, WFP_BLOCK);
    assert_int_equal(connection.done, 1);
}

/* What the rule does not name passes, and is not held. */
static void others_pass(void **state)
{
    struct fixture_connection connection;

    (void)state;
    fixture_connect_to(&connection, fixture_endpoint(),
                       &(struct fixture_connect){.program = "/bin/other", .remote_last = 9, .inbound = true});
    assert_decided(&connection, WFP_PERMIT);
    wfp_ale_endpoint_closed(connection.endpoint);
}

static void deadline_passes(void **state)
{
    struct fixture_connection first, second;

    (void)state;
    assert_true(NT_SUCCESS(fixture_set_policy(decider, 1000, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_NO_DECIDER_HOLD)));
    come_in(&first, 4, 6);
    assert_pended(&first);
    fixture_advance(1300 * MS);
    assert_decided(&first, WFP_BLOCK);
    assert_true(NT_SUCCESS(fixture_set_policy(decider, 1000, GATEHOUSE_VERDICT_PERMIT, GATEHOUSE_NO_DECIDER_HOLD)));
    come_in(&second, 6, 17);
    assert_pended(&second);
    fixture_advance(1300 * MS);
    assert_decided(&second, WFP_PERMIT);
    wfp_ale_endpoint_closed(second.endpoint);
}

static void listener_goes(void **state)
{
    struct fixture_connection connection;

    (void)state;
    come_in(&connection, 4, 6);
    assert_pended(&connection);
    wfp_ale_endpoint_closed(connection.endpoint);
    assert_decided(&connection, WFP_BLOCK);
    assert_int_equal(fixture_status(decider).cancelled, 1);
}

static void nobody_decides(void **state)
{
    struct fixture_connection held, at_once;

    (void)state;
    assert_true(NT_SUCCESS(fixture_set_policy(decider, 60000, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_NO_DECIDER_PERMIT)));
    come_in(&held, 4, 6);
    assert_pended(&held);
    nt_file_close(decider);
    assert_decided(&held, WFP_PERMIT);
    come_in(&at_once, 4, 17);
    assert_decided(&at_once, WFP_PERMIT);
    wfp_ale_endpoint_closed(held.endpoint);
    wfp_ale_endpoint_closed(at_once.endpoint);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
}

static void unloaded_while_held(void **state)
{
    struct fixture_connection connections[3];
    struct gatehouse_request requests[3];

    (void)state;
    decider = rules_begin(&b);
    load_ask();
    for (int i = 0; i < 3; i++) {
        come_in(&connections[i], i == 1 ? 6 : 4, i == 2 ? 17 : 6);
        assert_pended(&connections[i]);
    }
    assert_int_equal(fixture_get(decider, requests, 3), 3); /* in a decider's hands */
    builder_free(&b);
    nt_file_close(decider);
    fixture_unload();
    for (int i = 0; i < 3; i++)
        assert_decided(&connections[i], WFP_BLOCK);
}

/* A policy change reauthorizes the flow at RECV_ACCEPT: its verdict is kept, nobody is asked again. */
static void reauthorized(void **state)
{
    struct fixture_connection connection;
    struct gatehouse_request request;
    struct wfp_decision decision;
    BOOLEAN again = FALSE;

    (void)state;
    come_in(&connection, 4, 6);
    assert_pended(&connection);
    assert_int_equal(fixture_decide(decider, ask_for(&connection), GATEHOUSE_VERDICT_PERMIT, 0, 0), 0);
    assert_decided(&connection, WFP_PERMIT);
    wfp_ale_flow_established(connection.final.flow);
    builder_free(&b);
    builder_begin(&b);
    builder_rule(&b, ASK, INCOMING);
    assert_int_equal(rules_load_built(decider, &b), 0);
    wfp_ale_flow_packet(connection.final.flow, TRUE, NULL, &decision, &again);
    assert_true(again);
    assert_int_equal(decision.outcome, WFP_PERMIT);
    assert_int_equal(fixture_get(decider, &request, 1), 0);
    builder_free(&b);
    builder_begin(&b);
    builder_rule(&b, BLOCK, INCOMING);
    assert_int_equal(rules_load_built(decider, &b), 0);
    wfp_ale_flow_packet(connection.final.flow, TRUE, NULL, &decision, &again);
    assert_int_equal(decision.outcome, WFP_BLOCK);
    wfp_ale_endpoint_closed(connection.endpoint);
}

/* Two from the same peer at once keep apart. */
static void twins(void **state)
{
    struct fixture_connection a, c;
    struct gatehouse_request requests[2];

    (void)state;
    come_in(&a, 4, 6);
    come_in(&c, 4, 6);
    assert_pended(&a);
    assert_pended(&c);
    assert_int_equal(fixture_get(decider, requests, 2), 2);
    assert_int_equal(fixture_decide(decider, requests[1].id, GATEHOUSE_VERDICT_PERMIT, 0, 0), 0);
    assert_decided(&c, WFP_PERMIT);
    assert_pended(&a);
    assert_int_equal(fixture_decide(decider, requests[0].id, GATEHOUSE_VERDICT_BLOCK, 0, 0), 0);
    assert_decided(&a, WFP_BLOCK);
    wfp_ale_endpoint_closed(c.endpoint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(permitted, setup, teardown),
        cmocka_unit_test_setup_teardown(blocked, setup, teardown),
        cmocka_unit_test_setup_teardown(others_pass, setup, teardown),
        cmocka_unit_test_setup_teardown(deadline_passes, setup, teardown),
        cmocka_unit_test_setup_teardown(listener_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_decides, setup, teardown),
        cmocka_unit_test(unloaded_while_held),
        cmocka_unit_test_setup_teardown(reauthorized, setup, teardown),
        cmocka_unit_test_setup_teardown(twins, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
