/* SPDX-License-Identifier: MIT */
/*
 * trap.c - what classifyFn is given may be used until it returns (FWPS_CALLOUT_CLASSIFY_FN1, fwpsk.h), and a metadata
 * member only where its bit is set (FWPS_IS_METADATA_FIELD_PRESENT): with the verifier on, anything else faults, and
 * nt_trap_explain knows what it was.
 */
#include "nt/verify/trap_page.h"
#include "nt/verify/verify.h"
#include "tests/lib/hook_callout.h"
#include "wfp/indication.h"

#include <signal.h>

static struct hook hook;
static sigjmp_buf back;
static struct nt_trap trap;
static bool explained;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    explained = nt_trap_explain(info->si_addr, &trap);
    siglongjmp(back, 1);
}

/* cmocka has a handler of its own for each test. */
static void catch_faults(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

    sigaction(SIGSEGV, &action, NULL);
}

/* true: reading there faults. */
static bool faults(const volatile void *address)
{
    explained = false;
    catch_faults();
    if (sigsetjmp(back, 1) != 0)
        return true;
    (void)*(const volatile char *)address;
    return false;
}

static bool faults_when_written(volatile void *address)
{
    explained = false;
    catch_faults();
    if (sigsetjmp(back, 1) != 0)
        return true;
    *(volatile char *)address = 1;
    return false;
}

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

/* What a careless driver keeps. */
static struct {
    const FWPS_INCOMING_VALUES0 *values;
    const FWPS_INCOMING_VALUE0 *value;
    const FWP_BYTE_BLOB *app_id, *path;
    const UINT8 *app_bytes, *remote;
    const FWPS_INCOMING_METADATA_VALUES0 *metadata;
    const FWPS_FILTER3 *filter;
    FWPS_CLASSIFY_OUT0 *out;
} kept;

static void keep(const struct hook_call *call)
{
    kept.values = call->values;
    kept.value = call->values->incomingValue;
    kept.app_id = call->values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_ALE_APP_ID].value.byteBlob;
    kept.app_bytes = kept.app_id->data;
    kept.path = call->metadata->processPath;
    kept.metadata = call->metadata;
    kept.filter = call->filter;
    kept.out = call->out;
    assert_int_equal(call->filter->action.calloutId, call->hook->id);
    hook_permit(call);
}

static void test_values_after_classify(void **state)
{
    struct wfp_decision decision;

    (void)state;
    hook.classify = keep;
    hook_start(&hook, NULL, NULL);
    decision = connect_now(1);
    const volatile void *all[] = {kept.values, kept.value,    kept.app_id, kept.app_bytes,
                                  kept.path,   kept.metadata, kept.filter, kept.out};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        assert_true(faults(all[i]));
        assert_true(explained);
        assert_string_equal(trap.label, "ALE_AUTH_CONNECT_V4");
        assert_int_equal(trap.connection, decision.flow);
        assert_non_null(trap.group);
    }
    assert_true(faults_when_written(&kept.out->actionType));
    wfp_ale_endpoint_closed(1);
}

static void use(const struct hook_call *call)
{
    keep(call);
    assert_memory_equal(kept.app_bytes, L"\\bin\\sample", sizeof(L"\\bin\\sample"));
    assert_int_equal(kept.app_id->size, kept.path->size);
}

/* The negative: everything is there while classifyFn runs. A long app id too. */
static void test_values_in_classify(void **state)
{
    static wchar_t text[4000] = L"\\bin\\sample";
    FWP_BYTE_BLOB app_id = {sizeof(text), (UINT8 *)text};
    struct wfp_ale_connect connect = make_connect(1);
    struct wfp_decision decision;

    (void)state;
    hook.classify = use;
    hook_start(&hook, NULL, NULL);
    connect_now(1);
    connect.app_id = &app_id;
    wfp_ale_connect(&connect, on_done, NULL, &decision);
    assert_true(faults(kept.app_bytes + sizeof(text) - 1));
    wfp_ale_endpoint_closed(1);
}

static void keep_v6(const struct hook_call *call)
{
    kept.remote =
        call->values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V6_IP_REMOTE_ADDRESS].value.byteArray16->byteArray16;
    hook_permit(call);
}

static void test_v6_address(void **state)
{
    GUID layer = FWPM_LAYER_ALE_AUTH_CONNECT_V6;
    struct wfp_ale_connect connect = make_connect(1);
    struct wfp_decision decision;

    (void)state;
    connect.ip_version = 6;
    hook.classify = keep_v6;
    hook_start(&hook, &layer, NULL);
    wfp_ale_connect(&connect, on_done, NULL, &decision);
    assert_true(faults(kept.remote));
    assert_string_equal(trap.label, "ALE_AUTH_CONNECT_V6");
    wfp_ale_endpoint_closed(1);
}

/* Members without a bit: pointers fault, numbers are nobody's. */
static void look_at_metadata(const struct hook_call *call)
{
    const FWPS_INCOMING_METADATA_VALUES0 *metadata = call->metadata;

    assert_true(faults(metadata->originalDestination));
    assert_true(explained);
    assert_string_equal(trap.label, "metadata member originalDestination without its bit");
    assert_null(trap.group);
    assert_true(faults(metadata->controlData));
    assert_true(faults(metadata->redirectRecords));
    assert_true(faults(metadata->subProcessTag));
    assert_int_equal(metadata->flowHandle, WFP_NO_METADATA_UINT64);
    assert_int_equal(metadata->token, WFP_NO_METADATA_UINT64);
    assert_int_equal(metadata->processId, 77);
    hook_permit(call);
}

static void test_metadata_without_bit(void **state)
{
    (void)state;
    hook.classify = look_at_metadata;
    hook_start(&hook, NULL, NULL);
    assert_int_equal(connect_now(1).outcome, WFP_PERMIT);
    wfp_ale_endpoint_closed(1);
}

static void test_path_without_bit(void **state)
{
    struct wfp_ale_connect connect = make_connect(1);

    (void)state;
    connect.app_id = NULL;
    connect.has_process = FALSE;
    struct wfp_authorization *authorization = wfp_authorization_make(&connect);
    struct wfp_request request = {.authorization = authorization, .layer = WFP_AUTH_CONNECT_V4};
    struct wfp_indication spare, *indication = wfp_indication_begin(&spare, &request);
    assert_ptr_not_equal(indication, &spare);
    assert_true(faults(indication->metadata.processPath));
    assert_string_equal(trap.label, "metadata member processPath without its bit");
    assert_int_equal(indication->metadata.processId, WFP_NO_METADATA_UINT64);
    wfp_indication_end(indication);
    assert_true(faults(&indication->metadata));
    wfp_authorization_put(authorization);
}

/* The ring: a closed group faults although hundreds came after it, an open one stays readable while it goes round. */
static void test_ring(void **state)
{
    char *open = nt_trap_open(100, "open", 1), *last = NULL;
    char *closed = nt_trap_open(3 * 4096 + 1, "closed", 2);

    (void)state;
    memset(open, 'x', 4096);
    memset(closed, 'y', 3 * 4096 + 1);
    nt_trap_close(closed);
    for (int i = 0; i < 2000; i++) {
        last = nt_trap_open(1, "last", 3);
        assert_non_null(last);
        *last = 'z';
        nt_trap_close(last);
    }
    assert_true(faults(closed + 3 * 4096));
    assert_string_equal(trap.label, "closed");
    assert_int_equal(trap.offset, 3 * 4096);
    for (int i = 0; i < 20000; i++) {
        char *group = nt_trap_open(i % 5 * 4096u + 1, "many", 4);
        assert_non_null(group);
        assert_ptr_not_equal(group, open);
        group[i % 5 * 4096u] = 'z';
        nt_trap_close(group);
    }
    assert_int_equal(open[4095], 'x');
    assert_false(nt_trap_explain(open, &trap));
    assert_false(nt_trap_explain(&open, &trap));
    nt_trap_close(open);
    assert_null(nt_trap_open((size_t)1 << 30, "large", 5));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_values_after_classify), TEST(test_values_in_classify), TEST(test_v6_address),
        TEST(test_metadata_without_bit),  TEST(test_path_without_bit),   TEST(test_ring),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
