/* SPDX-License-Identifier: MIT */
/*
 * flow.c - flows after the permit. Pages: ALE Stateful Filtering, ALE Re-authorization (win32 desktop-src/FWP),
 * FwpsFlowAssociateContext0, FwpsFlowRemoveContext0, FwpsCalloutUnregisterById0 (fwpsk.h), Metadata Fields at
 * Each Filtering Layer (windows-driver-docs).
 */
#include "tests/lib/engine_fixture.h"

static struct wfp_decision packet(UINT64 flow, BOOLEAN inbound, BOOLEAN *reauthorized)
{
    static int data;
    struct wfp_decision decision;

    wfp_ale_flow_packet(flow, inbound, &data, &decision, reauthorized);
    return decision;
}

/* "The first packet that traverses an ALE flow created at the affected layer" is classified again, either direction. */
static void test_policy_change(void **state)
{
    struct sample sample = {.act = SAMPLE_PERMIT_SOFT};
    struct wfp_decision decision;
    BOOLEAN again;

    (void)state;
    assert_int_equal(sample_register(&sample, 3, 0), STATUS_SUCCESS);
    add_callout(engine, &sample, NULL);
    add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_CALLOUT_TERMINATING, .callout = &sample});
    decision = connect_now(1);
    assert_int_equal(decision.outcome, WFP_PERMIT);
    assert_int_equal(packet(decision.flow, FALSE, &again).outcome, WFP_PERMIT);
    assert_false(again);
    /* A change at another layer does not concern it. */
    UINT64 elsewhere = add_filter(
        engine, &(struct filter_spec){.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V6, .action = FWP_ACTION_PERMIT});
    packet(decision.flow, FALSE, &again);
    assert_false(again);
    UINT64 dummy = add_filter(engine, &(struct filter_spec){.weight = 1, .action = FWP_ACTION_CONTINUE});
    assert_int_equal(packet(decision.flow, TRUE, &again).outcome, WFP_PERMIT);
    assert_true(again);
    assert_int_equal(sample.reason, FWP_CONDITION_REAUTHORIZE_REASON_POLICY_CHANGE);
    assert_int_equal(sample.direction, FWP_DIRECTION_INBOUND);
    assert_int_equal(sample.flow, decision.flow);
    assert_non_null(sample.layer_data);
    packet(decision.flow, FALSE, &again);
    assert_false(again);
    /* Deleting counts as well; a block ends the flow. */
    assert_int_equal(FwpmFilterDeleteById0(engine, dummy), STATUS_SUCCESS);
    sample.act = SAMPLE_BLOCK_HARD;
    assert_int_equal(packet(decision.flow, FALSE, &again).outcome, WFP_BLOCK);
    assert_true(again);
    assert_int_equal(packet(decision.flow, FALSE, &again).outcome, WFP_BLOCK);
    assert_false(again);
    assert_int_equal(FwpmFilterDeleteById0(engine, elsewhere), STATUS_SUCCESS);
    wfp_ale_endpoint_closed(1);
    assert_int_equal(sample_unregister(&sample), STATUS_SUCCESS);
}

/* ALE_PACKAGE_ID (page Filtering Condition Identifiers: a SID): whoever knows it gives it, first and when asked again.
 * And a host is told whether anybody wants to know. */
static void test_package(void **state)
{
    static struct {
        UINT8 revision, count, authority[6];
        UINT32 part[3];
    } sid = {1, 3, {0, 0, 0, 0, 0, 15}, {2, 7, 8}}, other;
    FWP_BYTE_BLOB package = {sizeof(sid), (UINT8 *)&sid};
    FWPM_FILTER_CONDITION0 condition = {
        .fieldKey = FWPM_CONDITION_ALE_PACKAGE_ID,
        .matchType = FWP_MATCH_EQUAL,
        .conditionValue = {.type = FWP_SID, .sid = (SID *)(void *)&sid},
    };
    struct filter_spec block = {.action = FWP_ACTION_BLOCK, .conditions = &condition, .count = 1};
    struct wfp_ale_connect connect = make_connect(1);
    struct wfp_decision decision;
    BOOLEAN again;

    (void)state;
    assert_false(wfp_package_wanted());
    UINT64 id = add_filter(engine, &block);
    assert_true(wfp_package_wanted());
    wfp_ale_connect(&connect, on_done, NULL, &decision);
    assert_int_equal(decision.outcome, WFP_PERMIT);
    connect.endpoint = 2;
    connect.package = &package;
    wfp_ale_connect(&connect, on_done, NULL, &decision);
    assert_int_equal(decision.outcome, WFP_BLOCK);
    assert_int_equal(FwpmFilterDeleteById0(engine, id), STATUS_SUCCESS);
    assert_false(wfp_package_wanted());
    other = sid;
    other.part[2]++;
    package.data = (UINT8 *)&other;
    connect.endpoint = 3;
    wfp_ale_connect(&connect, on_done, NULL, &decision);
    memset(&other, 0, sizeof(other)); /* the engine has a copy */
    assert_int_equal(decision.outcome, WFP_PERMIT);
    assert_int_equal(FwpmTransactionBegin0(engine, 0), STATUS_SUCCESS);
    add_filter(engine, &block);
    assert_int_equal(FwpmTransactionAbort0(engine), STATUS_SUCCESS);
    assert_false(wfp_package_wanted());
    sid.part[2]++;
    add_filter(engine, &block);
    assert_int_equal(packet(decision.flow, FALSE, &again).outcome, WFP_BLOCK);
    assert_true(again);
    for (UINT64 endpoint = 1; endpoint <= 3; endpoint++)
        wfp_ale_endpoint_closed(endpoint);
}

/* The listener hears each committed change once, with the layer's new generation. */
static UINT16 heard_layer;
static UINT64 heard_generation;
static unsigned heard;

static void listen(void *context, UINT16 layer, UINT64 generation)
{
    (void)context;
    heard_layer = layer;
    heard_generation = generation;
    heard++;
}

/*
 * A connection that was permitted before the engine knew it (ale.h): its first packet is classified as after a policy
 * change, whether anything changed or not, later ones are not; and nothing is left of it, though nobody tells of its
 * socket's end.
 */
static void test_adopted(void **state)
{
    struct wfp_ale_connect connect = make_connect(9);
    struct sample sample = {.act = SAMPLE_PERMIT_SOFT};
    struct wfp_counts counts;
    BOOLEAN again;
    UINT64 flow;

    (void)state;
    assert_int_equal(sample_register(&sample, 3, 0), STATUS_SUCCESS);
    add_callout(engine, &sample, NULL);
    add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_CALLOUT_TERMINATING, .callout = &sample});
    flow = wfp_ale_adopt(&connect);
    assert_int_not_equal(flow, 0);
    assert_int_equal(sample.classified, 0);
    assert_int_equal(packet(flow, FALSE, &again).outcome, WFP_PERMIT);
    assert_true(again);
    assert_int_equal(sample.reason, FWP_CONDITION_REAUTHORIZE_REASON_POLICY_CHANGE);
    assert_int_equal(sample.flow, flow);
    assert_int_equal(packet(flow, FALSE, &again).outcome, WFP_PERMIT);
    assert_false(again);
    wfp_ale_flow_end(flow);
    sample.act = SAMPLE_BLOCK_HARD;
    flow = wfp_ale_adopt(&connect);
    assert_int_equal(packet(flow, FALSE, &again).outcome, WFP_BLOCK);
    wfp_count(&counts);
    assert_int_equal(counts.flows, 0);
    assert_int_equal(counts.endpoints, 0);
    assert_int_equal(sample_unregister(&sample), STATUS_SUCCESS);
}

static void test_policy_changed_is_told(void **state)
{
    (void)state;
    heard = 0;
    wfp_set_policy_changed(listen, NULL);
    add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_PERMIT});
    assert_int_equal(heard, 1);
    assert_int_equal(heard_layer, FWPS_LAYER_ALE_AUTH_CONNECT_V4);
    UINT64 first = heard_generation;
    assert_int_equal(FwpmTransactionBegin0(engine, 0), STATUS_SUCCESS);
    add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_PERMIT});
    assert_int_equal(heard, 1);
    assert_int_equal(FwpmTransactionCommit0(engine), STATUS_SUCCESS);
    assert_int_equal(heard, 2);
    assert_int_equal(heard_generation, first + 1);
    add_sublayer(engine, 3);
    assert_int_equal(heard, 2);
}

static void test_contexts(void **state)
{
    struct sample sample = {.act = SAMPLE_PERMIT_SOFT, .keep_context = TRUE};
    const GUID layer = FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4;
    struct wfp_decision decision;

    (void)state;
    assert_int_equal(sample_register(&sample, 0, 0), STATUS_SUCCESS);
    add_callout(engine, &sample, &layer);
    add_filter(engine,
               &(struct filter_spec){.layer = &layer, .action = FWP_ACTION_CALLOUT_INSPECTION, .callout = &sample});
    decision = connect_now(1);
    wfp_ale_flow_established(decision.flow);
    assert_int_equal(sample.classified, 1);
    assert_int_equal(sample.layer_id, FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4);
    assert_int_equal(sample.pend_status, STATUS_SUCCESS);
    wfp_ale_flow_established(decision.flow);
    assert_int_equal(sample.classified, 1);
    assert_int_equal(FwpsFlowAssociateContext0(decision.flow, FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4, sample.id, 2),
                     STATUS_OBJECT_NAME_EXISTS);
    assert_int_equal(FwpsFlowAssociateContext0(decision.flow, FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4, sample.id, 0),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(FwpsFlowAssociateContext0(999999999, FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4, sample.id, 2),
                     STATUS_INVALID_PARAMETER);
    /* "STATUS_DEVICE_BUSY: data flows that have an outstanding context". */
    assert_int_equal(sample_unregister(&sample), STATUS_DEVICE_BUSY);
    assert_int_equal(FwpsFlowRemoveContext0(decision.flow, FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4, sample.id),
                     STATUS_SUCCESS);
    assert_int_equal(sample.flows_deleted, 1);
    assert_int_equal(FwpsFlowRemoveContext0(decision.flow, FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4, sample.id),
                     STATUS_UNSUCCESSFUL);
    assert_int_equal(FwpsFlowAssociateContext0(decision.flow, FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4, sample.id, 0x1234),
                     STATUS_SUCCESS);
    wfp_ale_flow_end(decision.flow);
    assert_int_equal(sample.flows_deleted, 2);
    assert_int_equal(sample_unregister(&sample), STATUS_SUCCESS);
    wfp_ale_endpoint_closed(1);
}

/* ENDPOINT_CLOSURE is indicated once and ends the endpoint's flows. */
static void test_endpoint_closure(void **state)
{
    struct sample sample = {.act = SAMPLE_CONTINUE};
    const GUID layer = FWPM_LAYER_ALE_ENDPOINT_CLOSURE_V4;
    struct wfp_decision first, second;
    struct wfp_counts counts;
    BOOLEAN again;

    (void)state;
    assert_int_equal(sample_register(&sample, 3, 0), STATUS_SUCCESS);
    add_callout(engine, &sample, &layer);
    add_filter(engine,
               &(struct filter_spec){.layer = &layer, .action = FWP_ACTION_CALLOUT_INSPECTION, .callout = &sample});
    first = connect_now(5);
    second = connect_now(5);
    wfp_count(&counts);
    assert_int_equal(counts.endpoints, 1);
    assert_int_equal(counts.flows, 2);
    wfp_ale_endpoint_closed(5);
    wfp_ale_endpoint_closed(5);
    assert_int_equal(sample.classified, 1);
    assert_int_equal(sample.endpoint, 5);
    assert_int_equal(sample.metadata_bits & FWPS_METADATA_FIELD_COMPLETION_HANDLE, 0);
    assert_int_equal(packet(first.flow, FALSE, &again).outcome, WFP_BLOCK);
    assert_int_equal(packet(second.flow, FALSE, &again).outcome, WFP_BLOCK);
    assert_int_equal(sample_unregister(&sample), STATUS_SUCCESS);
}

static void test_abort(void **state)
{
    struct wfp_decision decision = connect_now(1);
    BOOLEAN again;

    (void)state;
    assert_int_equal(FwpsFlowAbort0(decision.flow), STATUS_SUCCESS);
    assert_int_equal(FwpsFlowAbort0(decision.flow), STATUS_INVALID_PARAMETER);
    assert_int_equal(packet(decision.flow, FALSE, &again).outcome, WFP_BLOCK);
    wfp_ale_endpoint_closed(1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_setup, engine_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_package),  TEST(test_policy_change),    TEST(test_policy_changed_is_told),
        TEST(test_contexts), TEST(test_endpoint_closure), TEST(test_abort),
        TEST(test_adopted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
