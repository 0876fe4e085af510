/* SPDX-License-Identifier: MIT */
/*
 * leftover.c - what a driver may not leave in the engine when it is unloaded, and whose it was. Pages: Unloading a
 * Callout Driver, FwpsCalloutUnregisterById0 (windows-driver-docs), Object Management (win32 desktop-src/FWP).
 */
#include "nt/verify/verify.h"
#include "tests/lib/hook_callout.h"
#include "wfp/verify.h"

enum leave {
    LEAVE_SESSION = 1,
    LEAVE_PROVIDER = 2,
    LEAVE_SUBLAYER = 4,
    LEAVE_CALLOUT = 8,
    LEAVE_FILTER = 16,
    LEAVE_REGISTRATION = 32,
    LEAVE_OPERATION = 64,
    LEAVE_FLOW_CONTEXT = 128,
    DYNAMIC = 256,
    PERSISTENT = 512,
};

/* A driver; two of them can be loaded. */
struct maker {
    unsigned leave;
    HANDLE session;
    struct hook hook;
    GUID provider, sublayer;
    UINT64 filter, flow;
    struct nt_driver *driver;
};
static struct maker makers[2], *loading, *unloading;

static wchar_t name[] = L"left over";

static void add_objects(struct maker *maker)
{
    BOOLEAN persistent = (maker->leave & PERSISTENT) != 0;
    FWPM_PROVIDER0 provider = {.providerKey = maker->provider,
                               .displayData.name = name,
                               .flags = persistent ? FWPM_PROVIDER_FLAG_PERSISTENT : 0};
    FWPM_SUBLAYER0 sublayer = {.subLayerKey = maker->sublayer,
                               .displayData.name = name,
                               .flags = persistent ? FWPM_SUBLAYER_FLAG_PERSISTENT : 0};
    FWPM_CALLOUT0 callout = {.calloutKey = maker->hook.key,
                             .displayData.name = name,
                             .applicableLayer = LAYER_V4,
                             .flags = persistent ? FWPM_CALLOUT_FLAG_PERSISTENT : 0};
    FWPM_FILTER0 filter = {.displayData.name = name,
                           .layerKey = LAYER_V4,
                           .subLayerKey = maker->sublayer,
                           .flags = persistent ? FWPM_FILTER_FLAG_PERSISTENT : 0,
                           .action = {.type = FWP_ACTION_CALLOUT_TERMINATING, .calloutKey = maker->hook.key}};

    assert_int_equal(FwpmProviderAdd0(maker->session, &provider, NULL), STATUS_SUCCESS);
    assert_int_equal(FwpmSubLayerAdd0(maker->session, &sublayer, NULL), STATUS_SUCCESS);
    assert_int_equal(FwpmCalloutAdd0(maker->session, &callout, NULL, NULL), STATUS_SUCCESS);
    assert_int_equal(FwpmFilterAdd0(maker->session, &filter, NULL, &maker->filter), STATUS_SUCCESS);
}

static void unload(struct maker *maker)
{
    unsigned leave = maker->leave;

    if ((leave & LEAVE_OPERATION) == 0 && maker->hook.context != NULL)
        FwpsCompleteOperation0(maker->hook.context, NULL);
    if ((leave & LEAVE_FILTER) == 0)
        FwpmFilterDeleteById0(maker->session, maker->filter);
    if ((leave & LEAVE_CALLOUT) == 0)
        FwpmCalloutDeleteByKey0(maker->session, &maker->hook.key);
    if ((leave & LEAVE_SUBLAYER) == 0)
        FwpmSubLayerDeleteByKey0(maker->session, &maker->sublayer);
    if ((leave & LEAVE_PROVIDER) == 0)
        FwpmProviderDeleteByKey0(maker->session, &maker->provider);
    if ((leave & LEAVE_SESSION) == 0)
        assert_int_equal(FwpmEngineClose0(maker->session), STATUS_SUCCESS);
    if ((leave & LEAVE_FLOW_CONTEXT) == 0 && maker->flow != 0)
        FwpsFlowRemoveContext0(maker->flow, FWPS_LAYER_ALE_AUTH_CONNECT_V4, maker->hook.id);
    if ((leave & LEAVE_REGISTRATION) == 0)
        assert_int_equal(FwpsCalloutUnregisterById0(maker->hook.id), STATUS_SUCCESS);
}

static VOID NTAPI driver_unload(PDRIVER_OBJECT driver)
{
    assert_ptr_equal(nt_current_driver(), driver);
    unload(unloading);
}

static NTSTATUS NTAPI driver_entry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    struct maker *maker = loading;
    FWPM_SESSION0 session = {.flags = (maker->leave & DYNAMIC) != 0 ? FWPM_SESSION_FLAG_DYNAMIC : 0};

    (void)path;
    assert_ptr_equal(nt_current_driver(), driver);
    driver->DriverUnload = driver_unload;
    assert_int_equal(hook_register(&maker->hook), STATUS_SUCCESS);
    assert_int_equal(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &maker->session), STATUS_SUCCESS);
    add_objects(maker);
    return STATUS_SUCCESS;
}

static void load_maker(struct maker *maker, unsigned leave)
{
    unsigned number = (unsigned)(maker - makers);

    memset(maker, 0, sizeof(*maker));
    maker->leave = leave;
    maker->provider = make_key(800000 + number);
    maker->sublayer = make_key(810000 + number);
    maker->hook.key = make_key(820000 + number);
    maker->hook.classify = hook_pend;
    loading = maker;
    assert_int_equal(nt_driver_load(number == 0 ? "maker" : "other", driver_entry, NULL, 0, &maker->driver),
                     STATUS_SUCCESS);
}

static void unload_maker(struct maker *maker)
{
    unloading = maker;
    nt_driver_unload(maker->driver);
}

static int setup(void **state)
{
    nt_verify_on = true;
    hook_forget_all();
    return engine_setup(state);
}

static int teardown(void **state)
{
    int failed = engine_teardown(state);

    nt_verify_on = false;
    return failed;
}

static struct wfp_counts counted(void)
{
    struct wfp_counts counts;

    wfp_count(&counts);
    return counts;
}

/* A driver that cleans up is not reported. */
static void test_nothing_left(void **state)
{
    (void)state;
    load_maker(&makers[0], 0);
    assert_int_equal(connect_now(1).outcome, WFP_PENDED);
    unload_maker(&makers[0]);
    assert_int_equal(done_count, 1);
    wfp_ale_endpoint_closed(1);
    assert_int_equal(counted().filters + counted().callouts + counted().sublayers + counted().providers, 0);
}

/* A dynamic session's objects go with it: closing it is enough. */
static void test_dynamic_session(void **state)
{
    (void)state;
    load_maker(&makers[0], DYNAMIC | LEAVE_PROVIDER | LEAVE_SUBLAYER | LEAVE_CALLOUT | LEAVE_FILTER);
    unload_maker(&makers[0]);
    assert_int_equal(counted().filters, 0);
}

static void test_left_session(void **state)
{
    (void)state;
    load_maker(&makers[0], DYNAMIC | LEAVE_SESSION | LEAVE_FILTER | LEAVE_CALLOUT);
    unload_maker(&makers[0]);
    assert_int_equal(violations("left-session"), 1);
    assert_int_equal(counted().sessions, 1); /* the test's */
    assert_int_equal(counted().filters, 0);
}

/* Static objects stay until the base filtering engine stops. The filter's callout is gone: it blocks everything. */
static void test_left_objects(void **state)
{
    (void)state;
    load_maker(&makers[0], LEAVE_PROVIDER | LEAVE_SUBLAYER | LEAVE_CALLOUT | LEAVE_FILTER);
    unload_maker(&makers[0]);
    assert_int_equal(violations("left-provider"), 1);
    assert_int_equal(violations("left-sublayer"), 1);
    assert_int_equal(violations("left-callout"), 1);
    assert_int_equal(violations("left-filter"), 1);
    assert_int_equal(connect_now(1).outcome, WFP_BLOCK);
    assert_int_equal(violations("filter-without-callout"), 1);
}

/* Persistent ones are meant to stay. */
static void test_persistent_objects(void **state)
{
    (void)state;
    load_maker(&makers[0], PERSISTENT | LEAVE_PROVIDER | LEAVE_SUBLAYER | LEAVE_CALLOUT | LEAVE_FILTER);
    unload_maker(&makers[0]);
    assert_int_equal(counted().filters, 1);
}

/* Nobody calls code that is gone. */
static void test_left_registration(void **state)
{
    (void)state;
    load_maker(&makers[0], LEAVE_REGISTRATION | LEAVE_FILTER | LEAVE_CALLOUT | LEAVE_SUBLAYER);
    unload_maker(&makers[0]);
    assert_int_equal(violations("left-registration"), 1);
    assert_int_equal(violations("left-filter") + violations("left-callout") + violations("left-sublayer"), 3);
    assert_int_equal(connect_now(1).outcome, WFP_BLOCK);
    assert_int_equal(makers[0].hook.classified, 0);
    assert_int_equal(violations("code-after-unload"), 1);
    assert_int_equal(counted().registered_callouts, 0);
}

static void test_left_operation(void **state)
{
    (void)state;
    load_maker(&makers[0], LEAVE_OPERATION);
    assert_int_equal(connect_now(1).outcome, WFP_PENDED);
    unload_maker(&makers[0]);
    assert_int_equal(violations("left-operation"), 1);
    assert_int_equal(done_count, 1);
    assert_int_equal(done_decision.outcome, WFP_BLOCK);
    wfp_reset(); /* and not once more */
    assert_int_equal(violations("left-operation"), 1);
}

static void test_left_flow_context(void **state)
{
    struct wfp_decision decision;

    (void)state;
    load_maker(&makers[0], LEAVE_FLOW_CONTEXT | LEAVE_REGISTRATION);
    makers[0].hook.classify = hook_permit;
    decision = connect_now(1);
    assert_int_equal(decision.outcome, WFP_PERMIT);
    assert_int_equal(FwpsFlowAssociateContext0(decision.flow, FWPS_LAYER_ALE_AUTH_CONNECT_V4, makers[0].hook.id, 5),
                     STATUS_SUCCESS);
    unload_maker(&makers[0]);
    assert_int_equal(violations("left-flow-context"), 1);
    assert_int_equal(violations("left-registration"), 1);
    assert_int_equal(makers[0].hook.deleted, 0);
    wfp_ale_endpoint_closed(1);
}

/* Two drivers at one layer: each answers for its own only. */
static void test_two_drivers(void **state)
{
    (void)state;
    load_maker(&makers[0], LEAVE_OPERATION);
    load_maker(&makers[1], 0);
    assert_int_equal(connect_now(1).outcome, WFP_PENDED);
    assert_non_null(makers[0].hook.context);
    assert_non_null(makers[1].hook.context);
    unload_maker(&makers[1]);
    assert_int_equal(done_count, 0);
    assert_int_equal(violations("left-operation"), 0);
    assert_int_equal(counted().filters, 1);
    unload_maker(&makers[0]);
    assert_int_equal(violations("left-operation"), 1);
    assert_int_equal(done_count, 1);
}

/* What somebody else's filter names cannot be deleted: nobody is to blame. */
static void test_used_by_others(void **state)
{
    (void)state;
    load_maker(&makers[0], 0);
    UINT64 filter =
        add_filter(engine, &(struct filter_spec){.sublayer = &makers[0].sublayer, .action = FWP_ACTION_PERMIT});
    unload_maker(&makers[0]);
    assert_int_equal(counted().sublayers, 1);
    assert_int_equal(FwpmFilterDeleteById0(engine, filter), STATUS_SUCCESS);
}

static BOOLEAN refuse_deletions(const char *routine, void *context)
{
    (void)context;
    return strcmp(routine, "FwpmFilterDeleteById0") == 0;
}

/* What a fault kept from being deleted is not the driver's fault. */
static void test_fault_is_no_leftover(void **state)
{
    (void)state;
    load_maker(&makers[0], LEAVE_CALLOUT | LEAVE_SUBLAYER);
    nt_set_fault(refuse_deletions, NULL);
    unload_maker(&makers[0]);
    nt_set_fault(NULL, NULL);
    assert_int_equal(counted().filters, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_left),   TEST(test_dynamic_session),      TEST(test_left_session),
        TEST(test_left_objects),   TEST(test_persistent_objects),   TEST(test_left_registration),
        TEST(test_left_operation), TEST(test_left_flow_context),    TEST(test_two_drivers),
        TEST(test_used_by_others), TEST(test_fault_is_no_leftover),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
