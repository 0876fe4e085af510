/* SPDX-License-Identifier: MIT */
/*
 * seed_test.c - items 1 to 8 of the article's checklist, by a client that knows the article only.
 */
#include "driver_fixture.h"

#include "tests/lib/sample_callout.h"

static struct nt_file *seed_open(void)
{
    struct nt_caller caller = {4711, TRUE};
    struct nt_file *file = NULL;

    assert_int_equal(nt_file_open("\\\\.\\SampleWfpCallout", GENERIC_READ | GENERIC_WRITE, &caller, &file), 0);
    return file;
}

/* Items 1 and 2: the device, its links, who may open it; the engine's objects, and all of it gone after unload. */
static void sets_up_and_takes_down(void **state)
{
    struct wfp_counts counts;
    struct nt_caller user = {5, FALSE};
    struct nt_file *file = NULL;

    (void)state;
    fixture_load(NULL, 0);
    wfp_count(&counts);
    assert_int_equal(counts.providers, 1);
    assert_int_equal(counts.callouts, 16);
    assert_int_equal(counts.registered_callouts, 16);
    assert_int_equal(counts.filters,
                     10); /* one a callout that rules do not use, two for loopback, two for other protocols */
    assert_int_equal(nt_file_open("\\\\.\\Gatehouse", GENERIC_READ, &user, &file), STATUS_ACCESS_DENIED);
    assert_int_equal(nt_file_open("\\\\.\\SampleWfpCallout", GENERIC_READ, &user, &file), STATUS_ACCESS_DENIED);
    assert_int_equal(nt_file_open("\\\\.\\Gatehouse\\below", GENERIC_READ, &user, &file), STATUS_ACCESS_DENIED);
    fixture_unload(); /* asserts that nothing is left */
    user.administrator = TRUE;
    assert_true(nt_file_open("\\\\.\\Gatehouse", GENERIC_READ, &user, &file) != STATUS_SUCCESS);
}

/* Items 3, 5, 6, 7, 8: both verdicts, with the read waiting before and after the connection comes. */
static void decides_connections(void **state)
{
    static struct fixture_call get;
    struct fixture_connection connection;
    struct nt_file *seed;

    (void)state;
    fixture_load(NULL, 0);
    seed = seed_open();
    for (int i = 0; i < 4; i++) {
        bool read_first = (i & 1) != 0;
        uint32_t block = (i & 2) != 0;
        USER_CLASSIFY_REQUEST request;
        USER_CLASSIFY_DECISION decision = {0, block, 0xABCD}, output;
        size_t information = 0;

        if (read_first)
            fixture_start(&get, seed, IOCTL_WFP_GET_NEXT_REQUEST, sizeof(request));
        fixture_connect(&connection);
        assert_pended(&connection);
        assert_true(connection.first.by_callout);
        if (!read_first)
            fixture_start(&get, seed, IOCTL_WFP_GET_NEXT_REQUEST, sizeof(request));
        assert_int_equal(fixture_finish(&get), STATUS_SUCCESS);
        assert_int_equal(get.information, 24);
        memcpy(&request, get.buffer, sizeof(request));
        assert_int_equal(request.ProcessId, 77);
        assert_int_equal(request.RemoteAddressV4, 0xC0000201u);
        assert_int_equal(request.RemotePort, 443);
        assert_int_equal(request.Reserved, 0);
        assert_pended(&connection);

        decision.RequestId = request.RequestId + 1;
        assert_int_equal(fixture_control(seed, IOCTL_WFP_SUBMIT_DECISION, &decision, 16, &output, 16, &information),
                         STATUS_NOT_FOUND);
        assert_pended(&connection);
        decision.RequestId = request.RequestId;
        assert_int_equal(fixture_control(seed, IOCTL_WFP_SUBMIT_DECISION, &decision, 16, &output, 16, &information), 0);
        assert_int_equal(information, sizeof(USER_CLASSIFY_DECISION));
        assert_decided(&connection, block ? WFP_BLOCK : WFP_PERMIT);
        assert_int_equal(fixture_control(seed, IOCTL_WFP_SUBMIT_DECISION, &decision, 16, NULL, 0, &information),
                         STATUS_NOT_FOUND);
        if (!block)
            wfp_ale_flow_end(connection.final.flow);
    }
    nt_file_close(seed);
    fixture_unload();
}

/* Item 3: without the metadata bit there is no process id, and 0 is reported. */
static void process_id_only_when_there(void **state)
{
    static struct fixture_call get;
    struct fixture_connection connection;
    struct nt_file *seed;
    USER_CLASSIFY_REQUEST request;

    (void)state;
    fixture_load(NULL, 0);
    seed = seed_open();
    fixture_connect_to(&connection, fixture_endpoint(), &(struct fixture_connect){.no_process = true});
    fixture_start(&get, seed, IOCTL_WFP_GET_NEXT_REQUEST, sizeof(request));
    assert_int_equal(fixture_finish(&get), STATUS_SUCCESS);
    memcpy(&request, get.buffer, sizeof(request));
    assert_int_equal(request.ProcessId, 0);
    nt_file_close(seed);
    fixture_unload();
    assert_decided(&connection, WFP_BLOCK);
}

/* Item 4: flowDeleteFn is called when a flow with context ends: the verdict goes. */
static void flow_context_is_dropped(void **state)
{
    struct fixture_connection connection;
    struct gatehouse_request request;
    struct nt_file *decider;

    (void)state;
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    fixture_connect(&connection);
    assert_int_equal(fixture_get(decider, &request, 1), 1);
    assert_int_equal(fixture_decide(decider, request.id, GATEHOUSE_VERDICT_PERMIT, 0, 0), 0);
    assert_decided(&connection, WFP_PERMIT);
    wfp_ale_flow_established(connection.final.flow);
    assert_int_equal(fixture_status(decider).verdicts, 1);
    wfp_ale_flow_end(connection.final.flow);
    assert_int_equal(fixture_status(decider).verdicts, 0);
    nt_file_close(decider);
    fixture_unload();
}

/* The article's client is offered IPv4 only; a second one is refused; closing frees the place. */
static void one_seed_decider_ipv4_only(void **state)
{
    static struct fixture_call get, second;
    struct fixture_connection v4, v6;
    struct nt_file *seed, *other, *decider;
    struct gatehouse_hello hello = {GATEHOUSE_PROTOCOL_VERSION, GATEHOUSE_ROLE_DECIDER, 0};
    struct gatehouse_request requests[2];

    (void)state;
    fixture_load(NULL, 0);
    seed = seed_open();
    other = seed_open();
    decider = fixture_open(9);
    fixture_start(&get, seed, IOCTL_WFP_GET_NEXT_REQUEST, 24);
    fixture_start(&second, other, IOCTL_WFP_GET_NEXT_REQUEST, 24);
    assert_int_equal(fixture_finish(&second), STATUS_DEVICE_BUSY);
    assert_int_equal(
        (uint32_t)fixture_control(decider, GATEHOUSE_IOCTL_HELLO, &hello, sizeof(hello), &hello, sizeof(hello), NULL),
        GATEHOUSE_E_DECIDER_PRESENT);
    fixture_connect_to(&v6, fixture_endpoint(), &(struct fixture_connect){.ip_version = 6});
    assert_pended(&v6); /* no-decider policy is HOLD */
    assert_int_equal(get.done, 0);
    fixture_connect(&v4);
    assert_int_equal(fixture_finish(&get), STATUS_SUCCESS);
    nt_file_close(seed);
    assert_pended(&v4);
    assert_int_equal(
        fixture_control(decider, GATEHOUSE_IOCTL_HELLO, &hello, sizeof(hello), &hello, sizeof(hello), NULL), 0);
    assert_int_equal(fixture_get(decider, requests, 2), 2);
    assert_true((requests[0].flags & GATEHOUSE_REQUEST_REOFFERED) == 0 && requests[0].ip_version == 6);
    assert_true((requests[1].flags & GATEHOUSE_REQUEST_REOFFERED) != 0 && requests[1].ip_version == 4);
    nt_file_close(decider);
    nt_file_close(other);
    fixture_advance(61000 * MS);
    assert_decided(&v4, WFP_BLOCK);
    assert_decided(&v6, WFP_BLOCK);
    fixture_unload();
}

/* Item 8, its end: another product pended the connection and completes it. Our callout sees a completion for which
 * nothing is stored, and blocks, over that product's hard permit (page Filter Arbitration: a callout may veto). */
static void completion_without_decision_blocks(void **state)
{
    struct sample other = {.act = SAMPLE_PEND, .verdict = FWP_ACTION_PERMIT};
    FWPM_SUBLAYER0 sublayer = {
        .displayData.name = (wchar_t *)L"other", .weight = 0x9000, .subLayerKey = {1, 2, 3, {4}}};
    FWPM_CALLOUT0 callout = {.displayData.name = (wchar_t *)L"other"};
    FWPM_FILTER0 filter = {.displayData.name = (wchar_t *)L"other", .action.type = FWP_ACTION_CALLOUT_TERMINATING};
    struct fixture_connection connection;
    HANDLE engine = NULL;

    (void)state;
    fixture_load(NULL, 0);
    assert_int_equal(sample_register(&other, 3, 0), 0);
    assert_int_equal(
        FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &(FWPM_SESSION0){.flags = FWPM_SESSION_FLAG_DYNAMIC}, &engine),
        0);
    callout.calloutKey = filter.action.calloutKey = other.key;
    callout.applicableLayer = filter.layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4;
    filter.subLayerKey = sublayer.subLayerKey;
    assert_int_equal(FwpmSubLayerAdd0(engine, &sublayer, NULL), 0);
    assert_int_equal(FwpmCalloutAdd0(engine, &callout, NULL, NULL), 0);
    assert_int_equal(FwpmFilterAdd0(engine, &filter, NULL, NULL), 0);
    fixture_connect(&connection);
    assert_pended(&connection);
    assert_int_equal(fixture_status(NULL).held, 0); /* not ours: no right to pend */
    FwpsCompleteOperation0((HANDLE)(uintptr_t)other.pended, NULL);
    assert_int_equal(other.reauthorized, 1);
    assert_decided(&connection, WFP_BLOCK);
    assert_int_equal(FwpmEngineClose0(engine), 0);
    assert_int_equal(sample_unregister(&other), 0);
    fixture_unload();
}

static char traced[65536];

static void on_trace(void *context, ULONG component, ULONG level, const char *text)
{
    size_t used = strlen(traced);

    (void)context;
    (void)level;
    if (component == DPFLTR_IHVDRIVER_ID && used + strlen(text) < sizeof(traced))
        memcpy(traced + used, text, strlen(text) + 1);
}

/* Items 4 and 10: notifyFn's filters and each step of a decision show in the debug output. */
static void traces_what_happens(void **state)
{
    const char *const expected[] = {"filter added", "request dispatched", "decision submitted",
                                    "decided:",     "reauthorization:",   "filter deleted",
                                    "unloaded"};
    static struct fixture_call get;
    struct fixture_connection connection;
    USER_CLASSIFY_DECISION decision = {0, 1, 0};
    USER_CLASSIFY_REQUEST request;
    struct nt_file *seed;
    const char *at = traced;

    (void)state;
    nt_set_debug_sink(on_trace, NULL);
    fixture_load(NULL, 0);
    seed = seed_open();
    fixture_connect(&connection);
    fixture_start(&get, seed, IOCTL_WFP_GET_NEXT_REQUEST, sizeof(request));
    assert_int_equal(fixture_finish(&get), 0);
    memcpy(&request, get.buffer, sizeof(request));
    decision.RequestId = request.RequestId;
    assert_int_equal(fixture_control(seed, IOCTL_WFP_SUBMIT_DECISION, &decision, 16, NULL, 0, NULL), 0);
    nt_file_close(seed);
    fixture_unload();
    nt_set_debug_sink(NULL, NULL);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        at = strstr(at, expected[i]);
        assert_non_null(at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_up_and_takes_down),     cmocka_unit_test(decides_connections),
        cmocka_unit_test(process_id_only_when_there), cmocka_unit_test(flow_context_is_dropped),
        cmocka_unit_test(one_seed_decider_ipv4_only), cmocka_unit_test(completion_without_decision_blocks),
        cmocka_unit_test(traces_what_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
