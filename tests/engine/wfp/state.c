/* SPDX-License-Identifier: MIT */
/*
 * state.c - the snapshot against what was put in; the options of a lab (wfp/verify.h); the history of a connection.
 * Pages: `netsh wfp show state`; FWPS_CALLOUT_NOTIFY_FN1, FwpsCalloutUnregisterById0 (fwpsk.h), ALE Reauthorization.
 */
#include "nt/verify/report.h"
#include "nt/verify/verify.h"
#include "tests/lib/hook_callout.h"
#include "wfp/state.h"
#include "wfp/verify.h"

static struct hook hook;

static int setup(void **state)
{
    nt_verify_on = true;
    memset(&hook, 0, sizeof(hook));
    hook_forget_all();
    return engine_setup(state);
}

static int teardown(void **state)
{
    int failed = hook.id != 0 && !NT_SUCCESS(FwpsCalloutUnregisterById0(hook.id));

    failed |= engine_teardown(state);
    nt_verify_on = false;
    return failed;
}

static void test_empty(void **unused)
{
    struct wfp_state *state = wfp_state_take();

    (void)unused;
    assert_int_equal(state->sessions, 1);
    assert_int_equal(state->sublayers, 1);
    assert_string_equal(state->sublayer[0].name, "Universal");
    assert_true(state->sublayer[0].builtin);
    assert_int_equal(state->providers + state->callouts + state->filters + state->operations + state->flows, 0);
    wfp_state_free(state);
}

static void test_objects(void **unused)
{
    GUID light = add_sublayer(engine, 1), heavy = add_sublayer(engine, 0xfff0);
    FWPM_FILTER_CONDITION0 port = {.fieldKey = FWPM_CONDITION_IP_REMOTE_PORT,
                                   .conditionValue = {.type = FWP_UINT16, .uint16 = 443}};
    struct wfp_state *state;

    (void)unused;
    hook.classify = hook_permit;
    hook_start(&hook, NULL, &light);
    UINT64 low =
        add_filter(engine, &(struct filter_spec){.sublayer = &heavy, .action = FWP_ACTION_PERMIT, .weight = 3});
    UINT64 high = add_filter(
        engine, &(struct filter_spec){
                    .sublayer = &heavy, .action = FWP_ACTION_CONTINUE, .weight = 9, .conditions = &port, .count = 1});
    assert_int_equal(connect_now(1).outcome, WFP_PERMIT);
    state = wfp_state_take();
    assert_int_equal(state->sublayers, 3);
    assert_int_equal(state->sublayer[0].weight, 0xfff0);
    assert_int_equal(state->sublayer[0].filters, 2);
    assert_int_equal(state->sublayer[2].weight, 1);
    assert_int_equal(state->callouts, 1);
    assert_int_equal(state->callout[0].id, hook.id);
    assert_true(state->callout[0].registered && state->callout[0].added);
    assert_string_equal(state->callout[0].layer, "ALE_AUTH_CONNECT_V4");
    assert_string_equal(state->callout[0].name, "callout");
    assert_int_equal(state->filters, 3);
    assert_int_equal(state->filter[0].id, high);
    assert_int_equal(state->filter[0].weight, 9);
    assert_int_equal(state->filter[0].conditions, 1);
    assert_int_equal(state->filter[0].hits, 1);
    assert_int_equal(state->filter[1].id, low);
    assert_int_equal(state->filter[1].action, FWP_ACTION_PERMIT);
    assert_int_equal(state->filter[2].callout, hook.id);
    assert_true(state->filter[2].callout_registered);
    assert_int_equal(state->filter[2].hits, 1);
    assert_int_equal(state->flows, 1);
    assert_string_equal(state->flow[0].layer, "ALE_AUTH_CONNECT_V4");
    assert_true(state->flow[0].is_current);
    wfp_state_free(state);
    wfp_ale_endpoint_closed(1);
}

static uint64_t virtual_time;

static uint64_t now(void)
{
    return virtual_time;
}

static void test_held_operations(void **unused)
{
    char text[WFP_PEER_TEXT];
    struct wfp_state *state;

    (void)unused;
    virtual_time = 1000;
    nt_set_clock(now);
    hook.classify = hook_pend;
    hook_start(&hook, NULL, NULL);
    struct wfp_decision decision = connect_now(1);
    virtual_time += 70000000;
    state = wfp_state_take();
    nt_set_clock(NULL);
    assert_int_equal(state->operations, 1);
    assert_int_equal(state->operation[0].operation, decision.operation);
    assert_int_equal(state->operation[0].context, (uintptr_t)hook.context);
    assert_int_equal(state->operation[0].age, 70000000);
    assert_int_equal(state->operation[0].callout, hook.id);
    assert_int_equal(state->operation[0].connection.process_id, 77);
    assert_string_equal(state->operation[0].connection.app, "\\bin\\sample");
    assert_string_equal(wfp_peer_text(&state->operation[0].connection, text), "192.0.2.7:443");
    wfp_state_free(state);
    FwpsCompleteOperation0(hook.context, NULL);
    wfp_ale_endpoint_closed(1);
}

/* A transaction that is open holds nobody up who looks. */
static void test_in_transaction(void **unused)
{
    struct wfp_state *state;

    (void)unused;
    assert_int_equal(FwpmTransactionBegin0(engine, 0), STATUS_SUCCESS);
    add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_PERMIT});
    state = wfp_state_take();
    assert_true(state->session[0].in_transaction);
    assert_int_equal(state->filters, 1);
    wfp_state_free(state);
    assert_int_equal(FwpmTransactionAbort0(engine), STATUS_SUCCESS);
}

/* --- Options -------------------------------------------------------------------------------------- */

static KIRQL seen[4];

static void see_irql(const struct hook_call *call)
{
    seen[(call->hook->classified - 1) % 4] = KeGetCurrentIrql();
    hook_permit(call);
}

static void test_alternating_irql(void **state)
{
    struct wfp_verify_options options = {.alternate_irql = TRUE};

    (void)state;
    wfp_set_verify_options(&options);
    hook.classify = see_irql;
    hook_start(&hook, NULL, NULL);
    for (UINT64 endpoint = 1; endpoint <= 4; endpoint++) {
        connect_now(endpoint);
        wfp_ale_endpoint_closed(endpoint);
    }
    assert_int_equal(seen[0], DISPATCH_LEVEL);
    assert_int_equal(seen[1], PASSIVE_LEVEL);
    assert_int_equal(seen[2], DISPATCH_LEVEL);
    assert_int_equal(seen[3], PASSIVE_LEVEL);
}

static unsigned told_deletions;
static UINT64 told_context;

static NTSTATUS hear(struct hook *told, FWPS_CALLOUT_NOTIFY_TYPE type, const FWPS_FILTER3 *filter)
{
    (void)told;
    if (type == FWPS_CALLOUT_NOTIFY_DELETE_FILTER) {
        told_deletions++;
        told_context = filter->context;
    }
    return STATUS_SUCCESS;
}

static UINT64 filter_to_delete(enum wfp_deletion_notice deletions)
{
    struct wfp_verify_options options = {.deletions = deletions};
    struct sample named = {0};

    wfp_set_verify_options(&options);
    told_deletions = 0;
    hook.classify = hook_permit;
    hook.notify = hear;
    hook_start(&hook, NULL, NULL);
    named.key = hook.key;
    return add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_CALLOUT_TERMINATING, .callout = &named});
}

/* "notifyFn may be told of a deletion at any later time": a notice that comes late, ... */
static void test_late_notice(void **state)
{
    UINT64 filter = filter_to_delete(WFP_NOTICE_LATER);

    (void)state;
    assert_int_equal(FwpmFilterDeleteById0(engine, filter), STATUS_SUCCESS);
    assert_int_equal(told_deletions, 0);
    wfp_notices_give();
    assert_int_equal(told_deletions, 1);
    wfp_notices_give();
    assert_int_equal(told_deletions, 1);
}

/* ... never, because the callout is gone, ... */
static void test_notice_for_nobody(void **state)
{
    UINT64 filter = filter_to_delete(WFP_NOTICE_LATER);

    (void)state;
    assert_int_equal(FwpmFilterDeleteById0(engine, filter), STATUS_SUCCESS);
    hook_stop(&hook);
    hook.id = 0;
    wfp_notices_give();
    assert_int_equal(told_deletions, 0);
}

/* ... or never at all. */
static void test_dropped_notice(void **state)
{
    UINT64 filter = filter_to_delete(WFP_NOTICE_NEVER);

    (void)state;
    assert_int_equal(FwpmFilterDeleteById0(engine, filter), STATUS_SUCCESS);
    wfp_notices_give();
    assert_int_equal(told_deletions, 0);
}

static UINT32 asked_reason;

static void block_new_interface(const struct hook_call *call)
{
    if (!call->reauthorize) {
        hook_permit(call);
        return;
    }
    asked_reason = call->values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_REAUTHORIZE_REASON].value.uint32;
    hook_block(call);
}

static unsigned heard;
static UINT64 heard_flow;

static void hear_decision(void *context, UINT64 flow, const struct wfp_decision *decision)
{
    (void)context;
    assert_true(flow > heard_flow);
    heard_flow = flow;
    heard += decision->outcome == WFP_BLOCK;
}

/* After a resume each flow is asked about again, oldest first, and a block ends it. */
static void test_reauthorize_all(void **state)
{
    struct wfp_counts counts;

    (void)state;
    hook.classify = block_new_interface;
    hook_start(&hook, NULL, NULL);
    for (UINT64 endpoint = 1; endpoint <= 9; endpoint++)
        assert_int_equal(connect_now(endpoint).outcome, WFP_PERMIT);
    heard = 0;
    heard_flow = 0;
    wfp_ale_reauthorize_all(FWP_CONDITION_REAUTHORIZE_REASON_NEW_ARRIVAL_INTERFACE, hear_decision, NULL);
    assert_int_equal(heard, 9);
    assert_int_equal(asked_reason, FWP_CONDITION_REAUTHORIZE_REASON_NEW_ARRIVAL_INTERFACE);
    wfp_count(&counts);
    assert_int_equal(counts.flows, 0);
    for (UINT64 endpoint = 1; endpoint <= 9; endpoint++)
        wfp_ale_endpoint_closed(endpoint);
}

static const char *fault_routine;

static BOOLEAN fail_named(const char *routine, void *context)
{
    (void)context;
    return strcmp(routine, fault_routine) == 0;
}

static NTSTATUS with_fault(const char *routine, NTSTATUS (*call)(void))
{
    fault_routine = routine;
    nt_set_fault(fail_named, NULL);
    NTSTATUS status = call();
    nt_set_fault(NULL, NULL);
    return status;
}

static NTSTATUS open_session(void)
{
    HANDLE session;

    return FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &session);
}

static NTSTATUS begin(void)
{
    return FwpmTransactionBegin0(engine, 0);
}

static NTSTATUS commit(void)
{
    assert_int_equal(begin(), STATUS_SUCCESS);
    add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_BLOCK});
    return FwpmTransactionCommit0(engine);
}

static NTSTATUS add_one(void)
{
    return try_filter(engine, &(struct filter_spec){.action = FWP_ACTION_BLOCK}, NULL);
}

static NTSTATUS unregister(void)
{
    return FwpsCalloutUnregisterById0(hook.id);
}

/* Each routine fails as it can on Windows, and changes nothing. */
static void test_faults(void **state)
{
    struct wfp_counts counts;

    (void)state;
    hook.classify = hook_permit;
    hook_start(&hook, NULL, NULL);
    assert_int_equal(with_fault("FwpmEngineOpen0", open_session), STATUS_INSUFFICIENT_RESOURCES);
    assert_int_equal(with_fault("FwpmTransactionBegin0", begin), STATUS_FWP_TIMEOUT);
    assert_int_equal(with_fault("FwpmTransactionCommit0", commit), STATUS_INSUFFICIENT_RESOURCES);
    assert_int_equal(with_fault("FwpmFilterAdd0", add_one), STATUS_INSUFFICIENT_RESOURCES);
    assert_int_equal(with_fault("FwpsCalloutUnregisterById0", unregister), STATUS_DEVICE_BUSY);
    wfp_count(&counts);
    assert_int_equal(counts.filters, 1);
    assert_int_equal(counts.sessions, 1);
    assert_int_equal(connect_now(1).outcome, WFP_PERMIT);
    wfp_ale_endpoint_closed(1);
}

/* --- History -------------------------------------------------------------------------------------- */

/* One held connect's life, in order, and the same again after a reset: numbers begin anew. */
static void test_history(void **state)
{
    static const char *const expected[] = {"connect: TCP",     "classified at ALE_AUTH_CONNECT_V4",
                                           "is asked",         "pended by",
                                           "answers BLOCK",    "completed: context",
                                           "again: CLASSIFY_", "answers PERMIT",
                                           "permitted",        "endpoint is closed",
                                           "flow ended"};
    static struct nt_event first[64], second[64];
    size_t counts[2];

    (void)state;
    for (unsigned run = 0; run < 2; run++) {
        wfp_reset();
        nt_history_clear();
        hook_forget_all();
        memset(&hook, 0, sizeof(hook));
        hook.key = make_key(900000);
        assert_int_equal(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine), STATUS_SUCCESS);
        hook.classify = hook_pend;
        hook_start(&hook, NULL, NULL);
        UINT64 operation = connect_now(1).operation;
        FwpsCompleteOperation0(hook.context, NULL);
        wfp_ale_endpoint_closed(1);
        hook_stop(&hook);
        hook.id = 0;
        counts[run] = nt_history(operation, run == 0 ? first : second, 64);
    }
    size_t at = 0;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        while (at < counts[0] && strstr(first[at].text, expected[i]) == NULL)
            at++;
        if (at == counts[0])
            print_error("no note \"%s\" at its place\n", expected[i]);
        assert_true(at < counts[0]);
    }
    assert_int_equal(counts[0], counts[1]);
    for (size_t i = 0; i < counts[0]; i++)
        assert_string_equal(first[i].text, second[i].text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_empty),
        TEST(test_objects),
        TEST(test_held_operations),
        TEST(test_in_transaction),
        TEST(test_alternating_irql),
        TEST(test_late_notice),
        TEST(test_notice_for_nobody),
        TEST(test_dropped_notice),
        TEST(test_reauthorize_all),
        TEST(test_faults),
        TEST(test_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
