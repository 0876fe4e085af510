/* SPDX-License-Identifier: MIT */
/*
 * callout.c - what a driver may not do to a callout at the wrong moment. Pages: FwpsCalloutUnregisterById0,
 * FWPS_CALLOUT_NOTIFY_FN3 (fwpsk.h); Object Management (win32 desktop-src/FWP).
 */
#include "tests/lib/engine_fixture.h"

#include <pthread.h>
#include <time.h>

static const GUID key = {0x5a3b2f01, 0x1111, 0x4222, {0x83, 1, 2, 3, 4, 5, 6, 8}};
static int device;
static _Atomic bool classifying, go_on;

static void wait_for(_Atomic bool *flag)
{
    for (int i = 0; i < 300000 && !*flag; i++) {
        struct timespec pause = {0, 100000};
        nanosleep(&pause, NULL);
    }
    assert_true(*flag);
}

static void NTAPI classify(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                           void *layer_data, const void *context, const FWPS_FILTER3 *filter, UINT64 flow_context,
                           FWPS_CLASSIFY_OUT0 *out)
{
    (void)values;
    (void)metadata;
    (void)layer_data;
    (void)context;
    (void)filter;
    (void)flow_context;
    classifying = true;
    wait_for(&go_on);
    out->actionType = FWP_ACTION_PERMIT;
}

static NTSTATUS (*in_notify)(void);
static NTSTATUS notify_result;
static unsigned notified;

static NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *filter_key, FWPS_FILTER3 *filter)
{
    (void)filter_key;
    (void)filter;
    if (type == FWPS_CALLOUT_NOTIFY_ADD_FILTER && in_notify != NULL) {
        notified++;
        notify_result = in_notify();
    }
    return STATUS_SUCCESS;
}

/* Registers the callout and adds it with a filter. */
static UINT32 set_up(UINT64 *filter_id)
{
    FWPS_CALLOUT3 callout = {.calloutKey = key, .classifyFn = classify, .notifyFn = notify};
    struct sample named = {.key = key};
    UINT32 id;

    assert_int_equal(FwpsCalloutRegister3(&device, &callout, &id), STATUS_SUCCESS);
    add_callout(engine, &named, NULL);
    *filter_id = add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_CALLOUT_TERMINATING, .callout = &named});
    return id;
}

static void *connector(void *decision)
{
    *(struct wfp_decision *)decision = connect_now(1);
    return NULL;
}

/* A callout whose classifyFn runs cannot be unregistered: STATUS_DEVICE_BUSY, nothing changed, and later it can. */
static void test_unregister_while_classifying(void **state)
{
    struct wfp_decision decision;
    UINT64 filter_id;
    pthread_t thread;
    UINT32 id;

    (void)state;
    in_notify = NULL;
    classifying = go_on = false;
    id = set_up(&filter_id);
    pthread_create(&thread, NULL, connector, &decision);
    wait_for(&classifying);
    assert_int_equal(FwpsCalloutUnregisterById0(id), STATUS_DEVICE_BUSY);
    assert_int_equal(FwpsCalloutUnregisterByKey0(&key), STATUS_DEVICE_BUSY);
    go_on = true;
    pthread_join(thread, NULL);
    assert_int_equal(decision.outcome, WFP_PERMIT);
    assert_int_equal(FwpsCalloutUnregisterById0(id), STATUS_SUCCESS);
    assert_int_equal(FwpsCalloutUnregisterById0(id), STATUS_FWP_CALLOUT_NOT_FOUND);
    /* Its filter stays, and blocks: a terminating callout that is not registered. */
    assert_int_equal(connect_now(2).outcome, WFP_BLOCK);
    wfp_ale_endpoint_closed(1);
}

static NTSTATUS begin(void)
{
    return FwpmTransactionBegin0(engine, 0);
}

static NTSTATUS commit(void)
{
    return FwpmTransactionCommit0(engine);
}

static NTSTATUS delete_filter(void)
{
    return FwpmFilterDeleteById0(engine, 1);
}

static NTSTATUS add_another(void)
{
    UINT64 id;

    return try_filter(engine, &(struct filter_spec){.action = FWP_ACTION_PERMIT}, &id);
}

static NTSTATUS delete_callout(void)
{
    return FwpmCalloutDeleteByKey0(engine, &key);
}

/* notifyFn runs inside the base filtering engine's own call: a management call from there is refused, told as a
 * violation, and does not hang; the call around it goes on. */
static void test_management_in_notify(void **state)
{
    static NTSTATUS (*const calls[])(void) = {begin, commit, delete_filter, add_another, delete_callout};
    struct wfp_counts before, after;
    struct sample named = {.key = key};
    UINT64 filter_id;
    UINT32 id;

    (void)state;
    in_notify = NULL;
    go_on = true;
    id = set_up(&filter_id);
    for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        wfp_count(&before);
        notified = 0;
        in_notify = calls[i];
        add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_CALLOUT_TERMINATING, .callout = &named});
        in_notify = NULL;
        assert_int_equal(notified, 1);
        assert_false(NT_SUCCESS(notify_result));
        assert_int_equal(violations("management-in-notify"), i + 1);
        wfp_count(&after);
        assert_int_equal(after.filters, before.filters + 1);
        assert_int_equal(after.callouts, before.callouts);
    }
    assert_int_equal(connect_now(1).outcome, WFP_PERMIT);
    wfp_ale_endpoint_closed(1);
    assert_int_equal(FwpsCalloutUnregisterById0(id), STATUS_SUCCESS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_setup, engine_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_unregister_while_classifying), TEST(test_management_in_notify)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
