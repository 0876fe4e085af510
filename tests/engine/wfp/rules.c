/* SPDX-License-Identifier: MIT */
/*
 * rules.c - each rule that the engine holds a callout driver to while it classifies, pends and completes: what breaks
 * it, and what is near it and does not. Pages, as each test names them: FwpsPendOperation0, FwpsCompleteOperation0,
 * FWPS_CLASSIFY_OUT0, FWPS_CALLOUT_CLASSIFY_FN1 (fwpsk.h), Types of Callouts, Processing Classify Callouts
 * Asynchronously, Filter Arbitration, ALE Reauthorization, ALE Endpoint Lifetime Management.
 *
 * A violation that a test does not ask for fails it (engine_teardown).
 */
#include "nt/verify/verify.h"
#include "tests/lib/hook_callout.h"
#include "wfp/verify.h"

static struct hook hook;
static KSPIN_LOCK lock;
static KIRQL lock_irql;

static int setup(void **state)
{
    nt_verify_on = true;
    memset(&hook, 0, sizeof(hook));
    hook_forget_all();
    KeInitializeSpinLock(&lock);
    return engine_setup(state);
}

static int teardown(void **state)
{
    int failed = hook.id != 0 && !NT_SUCCESS(FwpsCalloutUnregisterById0(hook.id));

    failed |= engine_teardown(state);
    nt_verify_on = false;
    return failed;
}

/* One connect with this classifyFn, and its endpoint closed. */
static struct wfp_decision connect_with(void (*classify)(const struct hook_call *call))
{
    struct wfp_decision decision;

    hook.classify = classify;
    hook_start(&hook, NULL, NULL);
    decision = connect_now(1);
    if (decision.outcome == WFP_PENDED)
        FwpsCompleteOperation0(hook.context, NULL);
    wfp_ale_endpoint_closed(1);
    return decision;
}

/* --- FwpsPendOperation0: what classifyFn returns afterwards ------------------------------------------ */

static void test_pend_as_the_page_says(void **state)
{
    (void)state;
    assert_int_equal(connect_with(hook_pend).outcome, WFP_PENDED);
    assert_int_equal(done_decision.outcome, WFP_PERMIT);
}

static void pend_and_permit(const struct hook_call *call)
{
    if (!call->reauthorize)
        hook_try_pend(call);
    hook_permit(call);
}

static void test_pend_not_blocked(void **state)
{
    (void)state;
    connect_with(pend_and_permit);
    assert_int_equal(violations("pend-not-blocked"), 1);
}

static void pend_without_absorb(const struct hook_call *call)
{
    hook_pend(call);
    if (!call->reauthorize)
        call->out->flags = 0;
}

static void test_pend_not_absorbed(void **state)
{
    (void)state;
    connect_with(pend_without_absorb);
    assert_int_equal(violations("pend-not-absorbed"), 1);
}

static void pend_and_keep_right(const struct hook_call *call)
{
    hook_pend(call);
    if (!call->reauthorize)
        call->out->rights |= FWPS_RIGHT_ACTION_WRITE;
}

static void test_pend_right_kept(void **state)
{
    (void)state;
    connect_with(pend_and_keep_right);
    assert_int_equal(violations("pend-right-kept"), 1);
}

/* --- FwpsPendOperation0: where and how it is called --------------------------------------------------- */

static NTSTATUS pend_status;

static void pend_always(const struct hook_call *call)
{
    pend_status = hook_try_pend(call);
    hook_answer_pended(call);
}

/* "STATUS_FWP_CANNOT_PEND: a call was made in a reauthorization": of what the driver itself had pended. */
static void test_pend_in_reauthorization(void **state)
{
    (void)state;
    connect_with(pend_always);
    assert_int_equal(pend_status, STATUS_FWP_CANNOT_PEND);
    assert_int_equal(violations("pend-in-reauthorization"), 1);
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
}

static void pend_or_block(const struct hook_call *call)
{
    pend_status = hook_try_pend(call);
    if (NT_SUCCESS(pend_status))
        hook_answer_pended(call);
    else
        hook_block(call);
}

static void pend_if_reauthorized(const struct hook_call *call)
{
    if (call->reauthorize)
        pend_always(call);
    else
        hook_permit(call);
}

static void reauthorize_flow(void (*classify)(const struct hook_call *call))
{
    hook.classify = classify;
    hook_start(&hook, NULL, NULL);
    assert_int_equal(connect_now(1).outcome, WFP_PERMIT);
    wfp_ale_reauthorize_all(FWP_CONDITION_REAUTHORIZE_REASON_POLICY_CHANGE, NULL, NULL);
    assert_int_equal(pend_status, STATUS_FWP_CANNOT_PEND);
    wfp_ale_endpoint_closed(1);
}

/* Refused, and the driver answers as if it held. */
static void test_refused_pend_that_is_ignored(void **state)
{
    (void)state;
    reauthorize_flow(pend_if_reauthorized);
    assert_int_equal(violations("pend-in-reauthorization"), 1);
}

static void ask_if_reauthorized(const struct hook_call *call)
{
    if (call->reauthorize)
        pend_or_block(call);
    else
        hook_permit(call);
}

/* Asking is no violation, nor is a block that is told. */
static void test_refused_pend_that_is_heeded(void **state)
{
    (void)state;
    reauthorize_flow(ask_if_reauthorized);
}

static void pend_somewhere(const struct hook_call *call)
{
    pend_status = hook_try_pend(call);
}

/* "can be called from RESOURCE_ASSIGNMENT, AUTH_LISTEN and AUTH_CONNECT": not where the flow is there or gone. */
static void test_pend_wrong_layer(void **state)
{
    GUID layers[] = {FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4, FWPM_LAYER_ALE_ENDPOINT_CLOSURE_V4};
    struct hook closing = {.classify = pend_somewhere};
    struct wfp_decision decision;

    (void)state;
    hook.classify = pend_somewhere;
    hook_start(&hook, &layers[0], NULL);
    hook_start(&closing, &layers[1], NULL);
    decision = connect_now(1);
    assert_int_equal(decision.outcome, WFP_PERMIT);
    wfp_ale_flow_established(decision.flow);
    assert_int_equal(violations("pend-wrong-layer"), 1);
    assert_int_equal(pend_status, STATUS_FWP_NULL_POINTER);
    wfp_ale_endpoint_closed(1);
    assert_int_equal(violations("pend-wrong-layer"), 2);
    hook_stop(&closing);
}

static void test_pend_without_handle(void **state)
{
    struct wfp_verify_options options = {.no_completion_handle = TRUE};

    (void)state;
    wfp_set_verify_options(&options);
    assert_int_equal(connect_with(pend_or_block).outcome, WFP_BLOCK);
    assert_int_equal(pend_status, STATUS_FWP_NULL_POINTER);
    assert_int_equal(violations("pend-without-handle"), 1);
}

static void pend_if_there(const struct hook_call *call)
{
    if (FWPS_IS_METADATA_FIELD_PRESENT(call->metadata, FWPS_METADATA_FIELD_COMPLETION_HANDLE))
        hook_pend(call);
    else
        hook_permit(call);
}

static void test_handle_that_is_asked_for(void **state)
{
    struct wfp_verify_options options = {.no_completion_handle = TRUE};

    (void)state;
    wfp_set_verify_options(&options);
    assert_int_equal(connect_with(pend_if_there).outcome, WFP_PERMIT);
}

static void test_pend_outside_classify(void **state)
{
    HANDLE context;

    (void)state;
    assert_int_equal(FwpsPendOperation0((HANDLE)(uintptr_t)1, &context), STATUS_FWP_NULL_POINTER);
    assert_int_equal(violations("pend-outside-classify"), 1);
}

static void pend_under_lock(const struct hook_call *call)
{
    KeAcquireSpinLock(&lock, &lock_irql);
    hook_pend(call);
    KeReleaseSpinLock(&lock, lock_irql);
}

static void test_pend_under_lock(void **state)
{
    (void)state;
    connect_with(pend_under_lock);
    assert_int_equal(violations("pend-under-lock"), 1);
}

/* Two callouts: what stands first has decided for good. Types of Callouts. */
static void with_first(struct hook *first, void (*classify)(const struct hook_call *call))
{
    GUID heavy = add_sublayer(engine, 0xffff);

    first->classify = classify;
    hook_start(first, NULL, &heavy);
}

static void test_pend_without_the_right(void **state)
{
    struct hook first = {0};

    (void)state;
    with_first(&first, hook_block);
    connect_with(hook_pend);
    assert_int_equal(violations("action-without-right"), 1);
    hook_stop(&first);
}

/* Each of two drivers may pend one classify; completing the first does not ask again before the second is there too. */
static void test_two_drivers_pend_one(void **state)
{
    struct hook first = {0};

    (void)state;
    with_first(&first, hook_pend);
    hook.classify = hook_pend;
    hook_start(&hook, NULL, NULL);
    assert_int_equal(connect_now(1).outcome, WFP_PENDED);
    FwpsCompleteOperation0(first.context, NULL);
    assert_int_equal(done_count, 0);
    FwpsCompleteOperation0(hook.context, NULL);
    assert_int_equal(done_count, 1);
    assert_int_equal(done_decision.outcome, WFP_PERMIT);
    assert_int_equal(first.classified, 2);
    assert_int_equal(hook.classified, 2);
    wfp_ale_endpoint_closed(1);
    hook_stop(&first);
}

static void keep_to_itself(const struct hook_call *call)
{
    if ((call->out->rights & FWPS_RIGHT_ACTION_WRITE) == 0)
        return;
    pend_or_block(call);
}

/* A driver that heeds the right is first asked in the other's reauthorization, where it cannot pend any more. */
static void test_second_driver_cannot_pend(void **state)
{
    struct hook first = {0};

    (void)state;
    with_first(&first, hook_pend);
    hook.classify = keep_to_itself;
    hook_start(&hook, NULL, NULL);
    pend_status = STATUS_SUCCESS;
    assert_int_equal(connect_now(1).outcome, WFP_PENDED);
    FwpsCompleteOperation0(first.context, NULL);
    assert_int_equal(pend_status, STATUS_FWP_CANNOT_PEND);
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
    hook_stop(&first);
}

/* Arbitration between two drivers: the veto of the second beats the first one's final permit. Filter Arbitration. */
static void permit_finally(const struct hook_call *call)
{
    hook_permit(call);
    call->out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
}

static void test_veto(void **state)
{
    struct hook first = {0};

    (void)state;
    with_first(&first, permit_finally);
    assert_int_equal(connect_with(hook_block).outcome, WFP_BLOCK);
    hook_stop(&first);
}

/* --- IRQL and locks ------------------------------------------------------------------------------------ */

/* The belief that pending lowers the IRQL: the forum's question. */
static void pend_and_go_on(const struct hook_call *call)
{
    hook_pend(call);
    if (!call->reauthorize)
        nt_require_irql("FltSendMessage", PASSIVE_LEVEL, APC_LEVEL);
}

static void test_pend_keeps_irql(void **state)
{
    (void)state;
    connect_with(pend_and_go_on);
    assert_int_equal(violations("pend-keeps-irql"), 1);
}

static void go_on(const struct hook_call *call)
{
    nt_require_irql("FltSendMessage", PASSIVE_LEVEL, APC_LEVEL);
    hook_permit(call);
}

static void test_too_high_without_a_pend(void **state)
{
    (void)state;
    connect_with(go_on);
    assert_int_equal(violations("irql-too-high"), 1);
}

static void keep_lock(const struct hook_call *call)
{
    KeAcquireSpinLock(&lock, &lock_irql);
    hook_permit(call);
}

static void test_lock_left(void **state)
{
    (void)state;
    hook.classify = keep_lock;
    hook_start(&hook, NULL, NULL);
    connect_now(1);
    assert_int_equal(violations("lock-left"), 1);
    (void)violations("irql-lowered-under-lock"); /* the engine's own */
    KeRaiseIrql(DISPATCH_LEVEL, &lock_irql);
    KeReleaseSpinLock(&lock, PASSIVE_LEVEL);
    wfp_ale_endpoint_closed(1);
}

static void associate(const struct hook_call *call)
{
    assert_int_equal(
        FwpsFlowAssociateContext0(call->metadata->flowHandle, call->values->layerId, call->hook->id, 0x1234),
        STATUS_SUCCESS);
    hook_permit(call);
}

static UINT64 flow_with_context(void)
{
    GUID layer = FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4;
    struct wfp_decision decision;

    hook.classify = associate;
    hook_start(&hook, &layer, NULL);
    decision = connect_now(1);
    wfp_ale_flow_established(decision.flow);
    return decision.flow;
}

/* FwpsFlowRemoveContext0 calls flowDeleteFn before it returns. */
static void test_flow_delete_under_lock(void **state)
{
    UINT64 flow = flow_with_context();

    (void)state;
    KeAcquireSpinLock(&lock, &lock_irql);
    assert_int_equal(FwpsFlowRemoveContext0(flow, FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4, hook.id), STATUS_SUCCESS);
    KeReleaseSpinLock(&lock, lock_irql);
    assert_int_equal(violations("classify-under-lock"), 1);
    wfp_ale_endpoint_closed(1);
}

static void test_flow_delete_without_lock(void **state)
{
    UINT64 flow = flow_with_context();

    (void)state;
    assert_int_equal(FwpsFlowRemoveContext0(flow, FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4, hook.id), STATUS_SUCCESS);
    assert_int_equal(hook.deleted, 1);
    wfp_ale_endpoint_closed(1);
}

/* --- FwpsCompleteOperation0 ---------------------------------------------------------------------------- */

static void test_completed_twice(void **state)
{
    (void)state;
    connect_with(hook_pend);
    FwpsCompleteOperation0(hook.context, NULL);
    assert_int_equal(violations("operation-completed-twice"), 1);
    assert_int_equal(done_count, 1);
}

static void test_unknown_operation(void **state)
{
    (void)state;
    connect_with(hook_pend);
    FwpsCompleteOperation0((HANDLE)(uintptr_t)0x7777777, NULL);
    FwpsCompleteOperation0(NULL, NULL);
    assert_int_equal(violations("operation-unknown"), 2);
}

static void test_completed_under_lock(void **state)
{
    (void)state;
    hook.classify = hook_pend;
    hook_start(&hook, NULL, NULL);
    connect_now(1);
    KeAcquireSpinLock(&lock, &lock_irql);
    FwpsCompleteOperation0(hook.context, NULL);
    KeReleaseSpinLock(&lock, lock_irql);
    assert_int_equal(violations("operation-completed-under-lock"), 1);
    wfp_ale_endpoint_closed(1);
}

static void pend_and_complete(const struct hook_call *call)
{
    hook_pend(call);
    if (!call->reauthorize)
        FwpsCompleteOperation0(call->hook->context, NULL);
}

/* The forum's driver again: it is asked only after it returned. */
static void test_completed_in_classify(void **state)
{
    (void)state;
    hook.classify = pend_and_complete;
    hook_start(&hook, NULL, NULL);
    assert_int_equal(connect_now(1).outcome, WFP_PENDED);
    assert_int_equal(violations("operation-completed-in-classify"), 1);
    assert_int_equal(done_count, 1);
    wfp_ale_endpoint_closed(1);
}

static void hold_and_close(void)
{
    hook.classify = hook_pend;
    hook_start(&hook, NULL, NULL);
    connect_now(1);
    wfp_ale_endpoint_closed(1);
    FwpsCompleteOperation0(hook.context, NULL);
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
}

static void test_endpoint_dead(void **state)
{
    (void)state;
    hold_and_close();
    assert_int_equal(violations("operation-endpoint-dead"), 1);
}

static void test_endpoint_dead_switched_off(void **state)
{
    struct wfp_verify_options options = {.endpoint_dead_is_fine = TRUE};

    (void)state;
    wfp_set_verify_options(&options);
    hold_and_close();
}

static uint64_t virtual_time;

static uint64_t now(void)
{
    return virtual_time;
}

static void test_too_old(void **state)
{
    struct wfp_verify_options options = {.oldest = 600000000};

    (void)state;
    virtual_time = 1;
    nt_set_clock(now);
    wfp_set_verify_options(&options);
    hook.classify = hook_pend;
    hook_start(&hook, NULL, NULL);
    connect_now(1);
    virtual_time += 600000000;
    wfp_check_ages();
    assert_int_equal(violations("operation-too-old"), 0);
    virtual_time++;
    wfp_check_ages();
    wfp_check_ages();
    FwpsCompleteOperation0(hook.context, NULL);
    nt_set_clock(NULL);
    assert_int_equal(violations("operation-too-old"), 1);
    wfp_ale_endpoint_closed(1);
}

/* --- FWPS_CLASSIFY_OUT0 -------------------------------------------------------------------------------- */

static void permit_anyway(const struct hook_call *call)
{
    call->out->actionType = FWP_ACTION_PERMIT;
}

static void test_action_without_right(void **state)
{
    struct hook first = {0};

    (void)state;
    with_first(&first, hook_block);
    assert_int_equal(connect_with(permit_anyway).outcome, WFP_BLOCK);
    assert_int_equal(violations("action-without-right"), 1);
    hook_stop(&first);
}

static void take_right(const struct hook_call *call)
{
    call->out->rights |= FWPS_RIGHT_ACTION_WRITE;
}

static void test_right_taken(void **state)
{
    struct hook first = {0};

    (void)state;
    with_first(&first, hook_block);
    connect_with(take_right);
    assert_int_equal(violations("right-taken"), 1);
    hook_stop(&first);
}

static void absorb(const struct hook_call *call)
{
    hook_permit(call);
    call->out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
}

static void test_absorb_without_block(void **state)
{
    (void)state;
    connect_with(absorb);
    assert_int_equal(violations("absorb-without-block"), 1);
}

static void touch(const struct hook_call *call)
{
    hook_permit(call);
    call->out->filterId = 7;
}

static void test_classify_out_touched(void **state)
{
    (void)state;
    connect_with(touch);
    assert_int_equal(violations("classify-out-touched"), 1);
}

static void block_softly(const struct hook_call *call)
{
    if ((call->out->rights & FWPS_RIGHT_ACTION_WRITE) != 0)
        call->out->actionType = FWP_ACTION_BLOCK;
}

/* "A callout's block is soft unless it clears the right": the later permit wins. Filter Arbitration. */
static void test_soft_block(void **state)
{
    struct hook first = {0};

    (void)state;
    with_first(&first, block_softly);
    assert_int_equal(connect_with(hook_permit).outcome, WFP_PERMIT);
    assert_int_equal(violations("soft-block"), 1);
    hook_stop(&first);
}

static void test_soft_block_that_nobody_overrides(void **state)
{
    (void)state;
    assert_int_equal(connect_with(block_softly).outcome, WFP_BLOCK);
}

/* --- The rest ------------------------------------------------------------------------------------------ */

static void test_datagram_lost(void **state)
{
    struct wfp_ale_connect connect = make_connect(1);
    struct wfp_decision decision;

    (void)state;
    connect.protocol = 17;
    hook.classify = hook_pend;
    hook_start(&hook, NULL, NULL);
    wfp_ale_connect(&connect, on_done, NULL, &decision);
    FwpsCompleteOperation0(hook.context, NULL);
    assert_int_equal(violations("datagram-lost"), 1);
    wfp_ale_endpoint_closed(1);
}

static void test_filter_without_callout(void **state)
{
    (void)state;
    hook.classify = hook_permit;
    hook_start(&hook, NULL, NULL);
    hook_stop(&hook);
    hook.id = 0;
    assert_int_equal(connect_now(1).outcome, WFP_BLOCK);
    assert_int_equal(connect_now(2).outcome, WFP_BLOCK);
    assert_int_equal(violations("filter-without-callout"), 1);
}

static void test_filter_that_permits_without_callout(void **state)
{
    struct sample named;

    (void)state;
    hook.classify = hook_permit;
    assert_int_equal(hook_register(&hook), STATUS_SUCCESS);
    named.key = hook.key;
    named.id = hook.id;
    add_callout(engine, &named, NULL);
    add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_CALLOUT_TERMINATING,
                                             .callout = &named,
                                             .flags = FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED});
    hook_stop(&hook);
    hook.id = 0;
    assert_int_equal(connect_now(1).outcome, WFP_PERMIT);
    wfp_ale_endpoint_closed(1);
}

static NTSTATUS flow_status;

/* The flow handle of the connect layer: there is no flow yet, and no bit. */
static void associate_too_early(const struct hook_call *call)
{
    flow_status = FwpsFlowAssociateContext0(call->metadata->flowHandle, call->values->layerId, call->hook->id, 1);
    hook_permit(call);
}

static void test_metadata_without_bit(void **state)
{
    (void)state;
    connect_with(associate_too_early);
    assert_int_equal(flow_status, STATUS_INVALID_PARAMETER);
    assert_int_equal(violations("metadata-without-bit"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pend_as_the_page_says),
        TEST(test_pend_not_blocked),
        TEST(test_pend_not_absorbed),
        TEST(test_pend_right_kept),
        TEST(test_pend_in_reauthorization),
        TEST(test_refused_pend_that_is_ignored),
        TEST(test_refused_pend_that_is_heeded),
        TEST(test_pend_wrong_layer),
        TEST(test_pend_without_handle),
        TEST(test_handle_that_is_asked_for),
        TEST(test_pend_outside_classify),
        TEST(test_pend_under_lock),
        TEST(test_pend_without_the_right),
        TEST(test_two_drivers_pend_one),
        TEST(test_second_driver_cannot_pend),
        TEST(test_veto),
        TEST(test_pend_keeps_irql),
        TEST(test_too_high_without_a_pend),
        TEST(test_lock_left),
        TEST(test_flow_delete_under_lock),
        TEST(test_flow_delete_without_lock),
        TEST(test_completed_twice),
        TEST(test_unknown_operation),
        TEST(test_completed_under_lock),
        TEST(test_completed_in_classify),
        TEST(test_endpoint_dead),
        TEST(test_endpoint_dead_switched_off),
        TEST(test_too_old),
        TEST(test_action_without_right),
        TEST(test_right_taken),
        TEST(test_absorb_without_block),
        TEST(test_classify_out_touched),
        TEST(test_soft_block),
        TEST(test_soft_block_that_nobody_overrides),
        TEST(test_datagram_lost),
        TEST(test_filter_without_callout),
        TEST(test_filter_that_permits_without_callout),
        TEST(test_metadata_without_bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
