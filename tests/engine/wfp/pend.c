/* SPDX-License-Identifier: MIT */
/*
 * pend.c - the life of a held connect. Pages: FwpsPendOperation0, FwpsCompleteOperation0 (fwpsk.h), ALE
 * Re-authorization (win32 desktop-src/FWP), Processing Classify Callouts Asynchronously (windows-driver-docs).
 */
#include "tests/lib/engine_fixture.h"
#include "wfp/indication.h"

static struct sample sample;

static int setup(void **state)
{
    engine_setup(state);
    memset(&sample, 0, sizeof(sample));
    sample.act = SAMPLE_PEND;
    sample.verdict = FWP_ACTION_PERMIT;
    assert_int_equal(sample_register(&sample, 3, 0), STATUS_SUCCESS);
    add_callout(engine, &sample, NULL);
    add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_CALLOUT_TERMINATING, .callout = &sample});
    return 0;
}

static int teardown(void **state)
{
    NTSTATUS status = sample_unregister(&sample);

    return engine_teardown(state) != 0 || !NT_SUCCESS(status);
}

static void complete(void)
{
    FwpsCompleteOperation0((HANDLE)(uintptr_t)sample.pended, NULL);
}

static size_t pended_now(void)
{
    struct wfp_counts counts;

    wfp_count(&counts);
    return counts.pended;
}

/* Completing reauthorizes inline: IS_REAUTHORIZE, reason CLASSIFY_COMPLETION, no layerData, outbound, same process. */
static void test_permit(void **state)
{
    struct wfp_ale_connect connect = make_connect(1);
    struct wfp_decision decision;
    int packet;

    (void)state;
    connect.layer_data = &packet;
    wfp_ale_connect(&connect, on_done, NULL, &decision);
    assert_int_equal(decision.outcome, WFP_PENDED);
    assert_int_not_equal(decision.operation, 0);
    assert_int_equal(sample.irql, DISPATCH_LEVEL);
    assert_ptr_equal(sample.layer_data, &packet);
    assert_int_equal(sample.reason, 0);
    assert_int_equal(sample.flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE, 0);
    assert_int_equal(sample.process_id, 77);
    assert_int_equal(sample.process_start, 1000);
    assert_int_equal(sample.metadata_bits & FWPS_METADATA_FIELD_FLOW_HANDLE, 0);
    assert_int_equal(done_count, 0);
    assert_int_equal(pended_now(), 1);
    complete();
    assert_int_equal(done_count, 1);
    assert_int_equal(done_decision.outcome, WFP_PERMIT);
    assert_int_equal(done_decision.operation, decision.operation);
    assert_true(done_decision.by_callout);
    assert_int_equal(sample.classified, 2);
    assert_int_equal(sample.reauthorized, 1);
    assert_int_equal(sample.reason, FWP_CONDITION_REAUTHORIZE_REASON_CLASSIFY_COMPLETION);
    assert_null(sample.layer_data);
    assert_int_equal(sample.endpoint, 1);
    assert_int_equal(sample.direction, FWP_DIRECTION_OUTBOUND);
    assert_int_equal(sample.process_start, 1000);
    assert_int_equal(pended_now(), 0);
    assert_int_equal(KeGetCurrentIrql(), PASSIVE_LEVEL);
    wfp_ale_endpoint_closed(1);
}

static void test_block(void **state)
{
    (void)state;
    sample.verdict = FWP_ACTION_BLOCK;
    assert_int_equal(connect_now(1).outcome, WFP_PENDED);
    complete();
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
    assert_int_equal(done_decision.flow, 0);
}

/* Inside its own classify the completion waits until classifyFn has returned. */
static void test_complete_inside_classify(void **state)
{
    (void)state;
    sample.act = SAMPLE_PEND_AND_COMPLETE;
    assert_int_equal(connect_now(1).outcome, WFP_PENDED);
    assert_int_equal(done_count, 1);
    assert_int_equal(done_decision.outcome, WFP_PERMIT);
    assert_int_equal(sample.reauthorized, 1);
    wfp_ale_endpoint_closed(1);
}

/* "STATUS_FWP_CANNOT_PEND: a call was made in a reauthorization classify operation." */
static void test_cannot_pend_in_reauthorization(void **state)
{
    (void)state;
    sample.act = SAMPLE_PEND_ALWAYS;
    assert_int_equal(connect_now(1).outcome, WFP_PENDED);
    complete();
    assert_int_equal(sample.pend_status, STATUS_FWP_CANNOT_PEND);
    assert_int_equal(done_decision.outcome, WFP_PERMIT);
    wfp_ale_endpoint_closed(1);
}

static void test_bad_handle(void **state)
{
    HANDLE context;

    (void)state;
    sample.act = SAMPLE_PEND_BAD_HANDLE;
    assert_int_equal(connect_now(1).outcome, WFP_PERMIT);
    assert_int_equal(sample.pend_status, STATUS_FWP_NULL_POINTER);
    assert_int_equal(violations("pend-without-handle"), 1);
    assert_int_equal(FwpsPendOperation0(NULL, &context), STATUS_FWP_NULL_POINTER);
    assert_int_equal(FwpsPendOperation0((HANDLE)(uintptr_t)1, &context), STATUS_FWP_NULL_POINTER);
    assert_int_equal(violations("pend-outside-classify"), 1);
    wfp_ale_endpoint_closed(1);
}

/* After a successful pend classifyFn has to return BLOCK, ABSORB, no right; the connect stays held all the same. */
static void test_forgetful_pend(void **state)
{
    (void)state;
    sample.act = SAMPLE_PEND_FORGETFUL;
    assert_int_equal(connect_now(1).outcome, WFP_PENDED);
    assert_int_equal(violations("pend-not-blocked"), 1);
    complete();
    assert_int_equal(done_decision.outcome, WFP_PERMIT);
    wfp_ale_endpoint_closed(1);
}

static void test_complete_twice(void **state)
{
    (void)state;
    connect_now(1);
    complete();
    complete();
    assert_int_equal(violations("operation-completed-twice"), 1);
    FwpsCompleteOperation0(NULL, NULL);
    assert_int_equal(violations("operation-unknown"), 1);
    assert_int_equal(done_count, 1);
    wfp_ale_endpoint_closed(1);
}

static void test_complete_under_a_spin_lock(void **state)
{
    KSPIN_LOCK lock;
    KIRQL irql;

    (void)state;
    connect_now(1);
    KeInitializeSpinLock(&lock);
    KeAcquireSpinLock(&lock, &irql);
    complete();
    KeReleaseSpinLock(&lock, irql);
    assert_int_equal(violations("operation-completed-under-lock"), 1);
    wfp_ale_endpoint_closed(1);
}

/* ale.h: a dead operation is blocked without another classify. */
static void test_endpoint_closed_while_pended(void **state)
{
    (void)state;
    connect_now(1);
    wfp_ale_endpoint_closed(1);
    complete();
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
    assert_int_equal(sample.classified, 1);
}

/* A policy that changed in between decides: the filter is gone, nothing matches. */
static void test_policy_changes_while_pended(void **state)
{
    FWPM_FILTER0 **filters;
    HANDLE handle;
    UINT32 count;

    (void)state;
    connect_now(1);
    assert_int_equal(FwpmFilterCreateEnumHandle0(engine, NULL, &handle), STATUS_SUCCESS);
    assert_int_equal(FwpmFilterEnum0(engine, handle, 10, &filters, &count), STATUS_SUCCESS);
    assert_int_equal(count, 1);
    assert_int_equal(FwpmFilterDeleteById0(engine, filters[0]->filterId), STATUS_SUCCESS);
    FwpmFreeMemory0((void **)&filters);
    assert_int_equal(FwpmFilterDestroyEnumHandle0(engine, handle), STATUS_SUCCESS);
    complete();
    assert_int_equal(done_decision.outcome, WFP_PERMIT);
    assert_int_equal(done_decision.filter_id, 0);
    assert_int_equal(sample.classified, 1);
    wfp_ale_endpoint_closed(1);
}

/* Two callouts pend one connect: it goes on when both have completed. */
static void test_two_pend_one(void **state)
{
    struct sample other = {.act = SAMPLE_PEND, .verdict = FWP_ACTION_BLOCK};
    GUID light = add_sublayer(engine, 1);

    (void)state;
    assert_int_equal(sample_register(&other, 1, 0), STATUS_SUCCESS);
    add_callout(engine, &other, NULL);
    add_filter(engine,
               &(struct filter_spec){.sublayer = &light, .action = FWP_ACTION_CALLOUT_UNKNOWN, .callout = &other});
    sample.verdict = FWP_ACTION_CONTINUE;
    assert_int_equal(connect_now(1).outcome, WFP_PENDED);
    assert_int_equal(pended_now(), 2);
    complete();
    assert_int_equal(done_count, 0);
    FwpsCompleteOperation0((HANDLE)(uintptr_t)other.pended, NULL);
    assert_int_equal(done_count, 1);
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
    assert_int_equal(sample_unregister(&other), STATUS_SUCCESS);
}

/* FWPS_CALLOUT_CLASSIFY_FN1: what values and metadata point to is good for the call only; here it reads 0xdd then. */
static void test_values_are_poisoned(void **state)
{
    struct wfp_ale_connect connect = make_connect(1);
    struct wfp_authorization *authorization = wfp_authorization_make(&connect);
    struct wfp_request request = {.authorization = authorization, .layer = WFP_AUTH_CONNECT_V4};
    struct wfp_indication indication;

    (void)state;
    assert_true(wfp_indication_build(&indication, &request, NULL));
    assert_memory_equal(indication.metadata.processPath->data, connect.app_id->data, connect.app_id->size);
    assert_int_equal(indication.values[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_ADDRESS].value.uint32, 0xc0000207);
    wfp_indication_poison(&indication);
    for (size_t i = 0; i < offsetof(struct wfp_indication, bytes); i++)
        assert_int_equal(((UINT8 *)&indication)[i], 0xdd);
    for (size_t i = 0; i < connect.app_id->size; i++)
        assert_int_equal(indication.inline_bytes[i], 0xdd);
    wfp_authorization_put(authorization);
}

static BOOLEAN fail_pend(const char *routine, void *context)
{
    (void)context;
    return strcmp(routine, "FwpsPendOperation0") == 0;
}

static void test_pend_out_of_memory(void **state)
{
    (void)state;
    sample.verdict = FWP_ACTION_BLOCK;
    nt_set_fault(fail_pend, NULL);
    assert_int_equal(connect_now(1).outcome, WFP_BLOCK);
    nt_set_fault(NULL, NULL);
    assert_int_equal(sample.pend_status, STATUS_INSUFFICIENT_RESOURCES);
    assert_int_equal(pended_now(), 0);
}

/* wfp_reset finds what a driver never completed. */
static void test_reset_reports_a_leak(void **state)
{
    (void)state;
    connect_now(1);
    wfp_reset();
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
    assert_int_equal(violations("left-operation"), 1);
    assert_int_equal(violations("left-registration"), 1);
    assert_int_equal(sample_register(&sample, 3, 0), STATUS_SUCCESS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_permit),
        TEST(test_block),
        TEST(test_complete_inside_classify),
        TEST(test_cannot_pend_in_reauthorization),
        TEST(test_bad_handle),
        TEST(test_forgetful_pend),
        TEST(test_complete_twice),
        TEST(test_complete_under_a_spin_lock),
        TEST(test_endpoint_closed_while_pended),
        TEST(test_policy_changes_while_pended),
        TEST(test_two_pend_one),
        TEST(test_values_are_poisoned),
        TEST(test_pend_out_of_memory),
        TEST(test_reset_reports_a_leak),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
