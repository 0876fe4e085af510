/* SPDX-License-Identifier: MIT */
/*
 * hold_test.c - holding: many at once, identical ones, deadlines, deciders that die, applications that go.
 */
#include "driver_fixture.h"

#include <fwpmk.h>

#define MANY 10000

static struct nt_file *decider;

/* 10,000 held at once, answered in random order in batches: each gets its own verdict. */
static void many_in_random_order(void **state)
{
    struct fixture_connection *held = calloc(MANY, sizeof(*held));
    uint64_t *ids = calloc(MANY, sizeof(*ids));
    int *order = calloc(MANY, sizeof(*order));
    struct gatehouse_request requests[400];
    unsigned got = 0, step;

    (void)state;
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    for (int i = 0; i < MANY; i++) {
        fixture_connect_to(&held[i], fixture_endpoint(),
                           &(struct fixture_connect){.ip_version = i % 3 == 0 ? 6 : 4,
                                                     .remote_last = (uint8_t)(i % 5),
                                                     .program = i % 2 ? "/bin/a" : "/bin/b"});
        assert_pended(&held[i]);
        order[i] = i;
    }
    assert_int_equal(fixture_status(decider).held, MANY);
    while ((step = fixture_get(decider, requests, 400)) != 0) {
        for (unsigned i = 0; i < step; i++) {
            assert_int_equal(requests[i].endpoint, held[got + i].endpoint); /* first come, first offered */
            ids[got + i] = requests[i].id;
        }
        got += step;
    }
    assert_int_equal(got, MANY);
    for (int i = MANY - 1; i > 0; i--) {
        int k = (int)fixture_random((uint32_t)i + 1), swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
    for (int i = 0; i < MANY; i++) {
        int k = order[i];
        uint32_t verdict = k * 7 % 3 ? GATEHOUSE_VERDICT_PERMIT : GATEHOUSE_VERDICT_BLOCK;
        assert_pended(&held[k]);
        assert_int_equal(fixture_decide(decider, ids[k], verdict, 0, 0), 0);
        assert_decided(&held[k], verdict == GATEHOUSE_VERDICT_PERMIT ? WFP_PERMIT : WFP_BLOCK);
    }
    struct gatehouse_status status = fixture_status(decider);
    assert_int_equal(status.held, 0);
    assert_int_equal(status.permitted_by_decider + status.blocked_by_decider, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(held[i].done, 1);
        wfp_ale_endpoint_closed(held[i].endpoint);
    }
    assert_int_equal(fixture_status(decider).verdicts, 0);
    nt_file_close(decider);
    fixture_unload();
    free(held);
    free(ids);
    free(order);
}

/* Same program, same destination, same ports, other socket: never the other's verdict. */
static void identical_connections_never_swap(void **state)
{
    (void)state;
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    for (int round = 0; round < 100; round++) {
        struct fixture_connection a, b;
        struct gatehouse_request requests[2];
        uint32_t first = round & 1 ? 1 : 0;

        fixture_connect(&a);
        fixture_connect(&b);
        assert_int_equal(fixture_get(decider, requests, 2), 2);
        assert_int_equal(requests[0].endpoint, a.endpoint);
        assert_int_equal(fixture_decide(decider, requests[first].id,
                                        first ? GATEHOUSE_VERDICT_PERMIT : GATEHOUSE_VERDICT_BLOCK, 0, 0),
                         0);
        assert_int_equal(first ? a.done : b.done, 0);
        assert_int_equal(fixture_decide(decider, requests[!first].id,
                                        !first ? GATEHOUSE_VERDICT_PERMIT : GATEHOUSE_VERDICT_BLOCK, 0, 0),
                         0);
        assert_decided(&a, WFP_BLOCK);
        assert_decided(&b, WFP_PERMIT);
        wfp_ale_endpoint_closed(a.endpoint);
        wfp_ale_endpoint_closed(b.endpoint);
    }
    nt_file_close(decider);
    fixture_unload();
}

/* Never before its time, at most a tick (13.2 ms) after it; the verdict is the configured one. */
static void deadline_decides(void **state)
{
    (void)state;
    for (uint32_t undecided = GATEHOUSE_VERDICT_PERMIT; undecided <= GATEHOUSE_VERDICT_BLOCK; undecided++) {
        const struct nt_registry_value values[] = {{"DeadlineMs", 2500}, {"Undecided", undecided}};
        struct fixture_connection held[3];
        uint64_t started;

        fixture_load(values, 2);
        started = fixture_now();
        fixture_connect(&held[0]);
        fixture_advance(1000 * MS);
        fixture_connect(&held[1]);
        decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
        fixture_connect(&held[2]);
        struct gatehouse_request requests[3];
        assert_int_equal(fixture_get(decider, requests, 3), 3);
        assert_int_equal(requests[0].deadline - requests[0].held_at, 2500 * MS);
        assert_int_equal(fixture_decide(decider, requests[2].id, GATEHOUSE_VERDICT_BLOCK, 0, 0), 0);
        while (fixture_now() < started + 2499 * MS) {
            fixture_advance(MS);
            assert_pended(&held[0]);
        }
        fixture_advance(15 * MS);
        assert_decided(&held[0], undecided == GATEHOUSE_VERDICT_PERMIT ? WFP_PERMIT : WFP_BLOCK);
        assert_pended(&held[1]); /* offered or not makes no difference, time does */
        assert_int_equal(fixture_decide(decider, requests[0].id, GATEHOUSE_VERDICT_PERMIT, 0, 0),
                         GATEHOUSE_E_UNKNOWN_ID);
        fixture_advance(3600000 * MS); /* the machine slept */
        assert_decided(&held[1], undecided == GATEHOUSE_VERDICT_PERMIT ? WFP_PERMIT : WFP_BLOCK);
        assert_int_equal(fixture_status(decider).expired, 2);
        nt_file_close(decider);
        fixture_unload();
    }
}

/* 1,000 that end at once: the DPC works in batches, all end. Then nothing is armed: no wake-up for ever. */
static void many_deadlines_then_silence(void **state)
{
    static struct fixture_connection held[1000];

    (void)state;
    fixture_load(NULL, 0);
    for (int i = 0; i < 1000; i++)
        fixture_connect(&held[i]);
    fixture_advance(60014 * MS);
    for (int i = 0; i < 1000; i++)
        assert_decided(&held[i], WFP_BLOCK);
    assert_true(nt_pump() == NT_NEVER);
    fixture_unload();
}

static void decider_death_gives_back(void **state)
{
    struct fixture_connection held[5];
    struct gatehouse_request requests[5];
    static struct fixture_call waiting;

    (void)state;
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    for (int i = 0; i < 4; i++)
        fixture_connect(&held[i]);
    assert_int_equal(fixture_get(decider, requests, 5), 4);
    assert_int_equal(fixture_decide(decider, requests[1].id, GATEHOUSE_VERDICT_PERMIT, 0, 0), 0);
    fixture_connect(&held[4]);
    assert_int_equal(fixture_status(decider).offered, 3);
    nt_file_close(decider);
    assert_int_equal(fixture_status(NULL).queued, 4);
    decider = fixture_open_as(3, GATEHOUSE_ROLE_DECIDER);
    assert_int_equal(fixture_decide(decider, requests[0].id, GATEHOUSE_VERDICT_PERMIT, 0, 0), GATEHOUSE_E_NOT_YOURS);
    assert_int_equal(fixture_get(decider, requests, 5), 4);
    for (int i = 0; i < 4; i++) {
        int k = i == 0 ? 0 : i + 1;
        assert_int_equal(requests[i].endpoint, held[k].endpoint);
        assert_int_equal((requests[i].flags & GATEHOUSE_REQUEST_REOFFERED) != 0, k != 4);
    }
    assert_int_equal(fixture_status(decider).requeued, 3);
    fixture_start(&waiting, decider, GATEHOUSE_IOCTL_GET_REQUESTS, 1000);
    nt_file_close(decider);
    assert_int_equal(fixture_finish(&waiting), STATUS_CANCELLED);
    fixture_unload();
    for (int i = 0; i < 5; i++)
        assert_decided(&held[i], i == 1 ? WFP_PERMIT : WFP_BLOCK);
}

/* The no-decider policy: at classify, and when the decider goes. */
static void no_decider_policy(void **state)
{
    (void)state;
    for (uint32_t policy = GATEHOUSE_NO_DECIDER_PERMIT; policy <= GATEHOUSE_NO_DECIDER_BLOCK; policy++) {
        const struct nt_registry_value values[] = {{"NoDecider", policy}};
        enum wfp_outcome outcome = policy == GATEHOUSE_NO_DECIDER_PERMIT ? WFP_PERMIT : WFP_BLOCK;
        struct fixture_connection held[200], at_once;
        struct gatehouse_request request[100];

        fixture_load(values, 1);
        fixture_connect(&at_once);
        assert_int_equal(at_once.first.outcome, outcome);
        decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
        for (int i = 0; i < 100; i++)
            fixture_connect(&held[i]);
        assert_int_equal(fixture_get(decider, request, 100), 100);
        for (int i = 100; i < 200; i++)
            fixture_connect(&held[i]);
        for (int i = 0; i < 200; i++)
            assert_pended(&held[i]);
        nt_file_close(decider);
        for (int i = 0; i < 200; i++)
            assert_decided(&held[i], outcome);
        assert_int_equal(fixture_status(NULL).refused_no_decider, 201);
        fixture_unload();
    }
}

/* With the article's client deciding, IPv6 is nobody's: the same policy. */
static void seed_decider_leaves_ipv6_to_policy(void **state)
{
    const struct nt_registry_value values[] = {{"NoDecider", GATEHOUSE_NO_DECIDER_PERMIT}};
    struct fixture_connection v4, v6;
    static struct fixture_call get;
    struct nt_file *seed;

    (void)state;
    fixture_load(values, 1);
    seed = fixture_open(2);
    fixture_start(&get, seed, IOCTL_WFP_GET_NEXT_REQUEST, 24);
    fixture_connect_to(&v6, fixture_endpoint(), &(struct fixture_connect){.ip_version = 6});
    assert_int_equal(v6.first.outcome, WFP_PERMIT);
    fixture_connect(&v4);
    assert_pended(&v4);
    assert_int_equal(fixture_finish(&get), 0);
    nt_file_close(seed);
    assert_decided(&v4, WFP_PERMIT);
    fixture_unload();
}

static void full_table(void **state)
{
    const struct nt_registry_value values[] = {{"Capacity", 10}};
    struct fixture_connection held[10], over;
    struct gatehouse_request requests[10];

    (void)state;
    fixture_load(values, 1);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    for (int i = 0; i < 10; i++)
        fixture_connect(&held[i]);
    fixture_connect(&over);
    assert_int_equal(over.first.outcome, WFP_BLOCK);
    assert_int_equal(fixture_set_policy(decider, 60000, GATEHOUSE_VERDICT_PERMIT, 0), 0);
    fixture_connect(&over);
    assert_int_equal(over.first.outcome, WFP_PERMIT);
    assert_int_equal(fixture_status(decider).refused_full, 2);
    assert_int_equal(fixture_get(decider, requests, 10), 10);
    assert_int_equal(fixture_decide(decider, requests[3].id, GATEHOUSE_VERDICT_BLOCK, 0, 0), 0);
    fixture_connect(&over);
    assert_pended(&over);
    nt_file_close(decider);
    fixture_unload();
    assert_decided(&over, WFP_BLOCK);
}

/* The application goes while held: the operation ends, the decider is told, nothing is left. */
static void application_gone(void **state)
{
    struct fixture_connection held[3];
    struct gatehouse_request requests[3];

    (void)state;
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    for (int i = 0; i < 3; i++)
        fixture_connect(&held[i]);
    assert_int_equal(fixture_get(decider, requests, 3), 3);
    wfp_ale_endpoint_closed(held[1].endpoint);
    assert_decided(&held[1], WFP_BLOCK);
    assert_pended(&held[0]);
    assert_int_equal(fixture_decide(decider, requests[1].id, GATEHOUSE_VERDICT_PERMIT, 0, 0), GATEHOUSE_E_UNKNOWN_ID);
    struct gatehouse_status status = fixture_status(decider);
    assert_int_equal(status.cancelled, 1);
    assert_int_equal(status.held, 2);
    assert_int_equal(status.verdicts, 0);
    assert_int_equal(fixture_decide(decider, requests[0].id, GATEHOUSE_VERDICT_PERMIT, 0, 0), 0);
    wfp_ale_endpoint_closed(held[0].endpoint);
    assert_int_equal(fixture_status(decider).verdicts, 0);
    nt_file_close(decider);
    fixture_unload();
}

/* Two destinations of one UDP socket: held, decided and reauthorized each for itself. */
static void one_socket_two_destinations(void **state)
{
    struct fixture_connection held[2];
    struct gatehouse_request requests[2];
    UINT64 endpoint = fixture_endpoint();

    (void)state;
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    for (int i = 0; i < 2; i++)
        fixture_connect_to(&held[i], endpoint,
                           &(struct fixture_connect){.protocol = 17, .remote_last = (uint8_t)(i + 1)});
    assert_int_equal(fixture_get(decider, requests, 2), 2);
    assert_int_equal(fixture_decide(decider, requests[1].id, GATEHOUSE_VERDICT_PERMIT, 0, 0), 0);
    assert_decided(&held[1], WFP_PERMIT);
    assert_pended(&held[0]);
    wfp_ale_endpoint_closed(endpoint);
    assert_decided(&held[0], WFP_BLOCK);
    nt_file_close(decider);
    fixture_unload();
}

/* Anybody's filter change reauthorizes every live flow; each keeps its verdict, nobody is asked. */
static void policy_change_keeps_flows(void **state)
{
    static struct fixture_connection flows[50];
    struct gatehouse_request requests[50];
    HANDLE engine = NULL;

    (void)state;
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    for (int i = 0; i < 50; i++)
        fixture_connect(&flows[i]);
    assert_int_equal(fixture_get(decider, requests, 50), 50);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(fixture_decide(decider, requests[i].id, GATEHOUSE_VERDICT_PERMIT, 0, 0), 0);
        if (i & 1)
            wfp_ale_flow_established(flows[i].final.flow);
    }
    assert_int_equal(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine), 0);
    for (int round = 0; round < 3; round++) {
        FWPM_FILTER0 filter = {.displayData.name = (wchar_t *)L"other", .action.type = FWP_ACTION_PERMIT};
        UINT64 id;
        uint64_t before = fixture_status(decider).reauthorized;
        FWPM_FILTER_CONDITION0 nowhere = {.matchType = FWP_MATCH_EQUAL, .conditionValue.type = FWP_UINT16};

        nowhere.fieldKey = FWPM_CONDITION_IP_REMOTE_PORT;
        nowhere.conditionValue.uint16 = 9;
        filter.layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4;
        filter.filterCondition = &nowhere;
        filter.numFilterConditions = 1;
        assert_int_equal(FwpmFilterAdd0(engine, &filter, NULL, &id), 0);
        for (int i = 0; i < 50; i++) {
            struct wfp_decision decision;
            BOOLEAN reauthorized = FALSE;
            wfp_ale_flow_packet(flows[i].final.flow, i % 3 == 0, NULL, &decision, &reauthorized);
            assert_true(reauthorized);
            assert_int_equal(decision.outcome, WFP_PERMIT);
        }
        assert_int_equal(fixture_status(decider).reauthorized, before + 50);
        assert_int_equal(FwpmFilterDeleteById0(engine, id), 0);
    }
    assert_int_equal(FwpmEngineClose0(engine), 0);
    assert_int_equal(fixture_status(decider).held, 0);
    for (int i = 0; i < 50; i++)
        wfp_ale_endpoint_closed(flows[i].endpoint);
    assert_int_equal(fixture_status(decider).verdicts, 0);
    nt_file_close(decider);
    fixture_unload();
}

/* What a request says, against what was connected. */
/* Passes by a filter, of both families, without the driver's classifyFn; held like any other when asked for. */
static void loopback_passes_unless_held(void **state)
{
    const struct nt_registry_value hold = {"HoldLoopback", 1};
    struct fixture_connection connection;

    (void)state;
    for (int held = 0; held < 2; held++) {
        fixture_load(&hold, (size_t)held);
        decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
        for (uint8_t ip_version = 4; ip_version <= 6; ip_version += 2) {
            fixture_connect_to(
                &connection, fixture_endpoint(),
                &(struct fixture_connect){.ip_version = ip_version, .flags = FWP_CONDITION_FLAG_IS_LOOPBACK});
            if (held)
                assert_pended(&connection);
            else
                assert_decided(&connection, WFP_PERMIT);
        }
        assert_int_equal(fixture_status(decider).classified, held ? 2 : 0);
        nt_file_close(decider);
        fixture_unload();
    }
}

static void request_content(void **state)
{
    const struct nt_registry_value hold = {"HoldLoopback", 1};
    struct {
        struct gatehouse_request request;
        uint8_t path[64];
    } got;
    static struct fixture_call get;
    struct fixture_connection held;

    (void)state;
    fixture_load(&hold, 1);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    nt_set_current_process(4242, 99);
    fixture_connect_to(&held, fixture_endpoint(),
                       &(struct fixture_connect){.ip_version = 6,
                                                 .protocol = 17,
                                                 .remote_port = 53,
                                                 .remote_last = 9,
                                                 .process_id = 4242,
                                                 .program = "/sbin/x",
                                                 .flags = FWP_CONDITION_FLAG_IS_LOOPBACK});
    nt_set_current_process(0, 0);
    fixture_start(&get, decider, GATEHOUSE_IOCTL_GET_REQUESTS, 1000);
    assert_int_equal(fixture_finish(&get), 0);
    memcpy(&got, get.buffer, get.information);
    assert_int_equal(get.information, got.request.size);
    assert_int_equal(got.request.ip_version, 6);
    assert_int_equal(got.request.protocol, 17);
    assert_int_equal(got.request.process_id, 4242);
    assert_int_equal(got.request.process_start, 130000000000000000ull + 4242);
    assert_int_equal(got.request.endpoint, held.endpoint);
    assert_int_equal(got.request.local_port, 40000);
    assert_int_equal(got.request.remote_port, 53);
    assert_int_equal(got.request.remote_address[15], 9);
    assert_int_equal(got.request.local_address[0], 0xfd);
    assert_int_equal(got.request.flags, GATEHOUSE_REQUEST_LOOPBACK);
    assert_int_equal(got.request.layer, FWPS_LAYER_ALE_AUTH_CONNECT_V6);
    assert_int_equal(got.request.path_size, 14);
    for (int i = 0; i < 7; i++)
        assert_int_equal(got.path[2 * i], "/sbin/x"[i]);
    nt_file_close(decider);
    fixture_unload();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_in_random_order),
        cmocka_unit_test(identical_connections_never_swap),
        cmocka_unit_test(deadline_decides),
        cmocka_unit_test(many_deadlines_then_silence),
        cmocka_unit_test(decider_death_gives_back),
        cmocka_unit_test(no_decider_policy),
        cmocka_unit_test(seed_decider_leaves_ipv6_to_policy),
        cmocka_unit_test(full_table),
        cmocka_unit_test(application_gone),
        cmocka_unit_test(one_socket_two_destinations),
        cmocka_unit_test(policy_change_keeps_flows),
        cmocka_unit_test(loopback_passes_unless_held),
        cmocka_unit_test(request_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
