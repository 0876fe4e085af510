/* SPDX-License-Identifier: MIT */
/*
 * transaction.c - all or nothing. Pages: Transaction Management, Session Management, Object Management (win32
 * desktop-src/FWP), FwpmTransactionBegin0/Commit0/Abort0 (fwpmk.h), FWPS_CALLOUT_NOTIFY_FN1 (fwpsk.h).
 */
#include "tests/lib/engine_fixture.h"

static HANDLE open_session(UINT32 flags, UINT32 timeout_ms)
{
    FWPM_SESSION0 session = {.flags = flags, .txnWaitTimeoutInMSec = timeout_ms};
    HANDLE handle;

    assert_int_equal(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &handle), STATUS_SUCCESS);
    return handle;
}

static void test_commit_and_abort(void **state)
{
    FWPM_FILTER0 *seen;
    UINT64 block;

    (void)state;
    assert_int_equal(FwpmTransactionCommit0(engine), STATUS_FWP_NO_TXN_IN_PROGRESS);
    assert_int_equal(FwpmTransactionAbort0(engine), STATUS_FWP_NO_TXN_IN_PROGRESS);
    assert_int_equal(FwpmTransactionBegin0(engine, 0), STATUS_SUCCESS);
    assert_int_equal(FwpmTransactionBegin0(engine, 0), STATUS_FWP_TXN_IN_PROGRESS);
    block = add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_BLOCK});
    /* Classify sees the old policy, the session itself the new one. */
    assert_int_equal(connect_now(1).outcome, WFP_PERMIT);
    assert_int_equal(FwpmFilterGetById0(engine, block, &seen), STATUS_SUCCESS);
    FwpmFreeMemory0((void **)&seen);
    assert_int_equal(FwpmTransactionAbort0(engine), STATUS_SUCCESS);
    assert_int_equal(FwpmFilterGetById0(engine, block, &seen), STATUS_FWP_FILTER_NOT_FOUND);
    assert_int_equal(connect_now(2).outcome, WFP_PERMIT);
    assert_int_equal(FwpmTransactionBegin0(engine, 0), STATUS_SUCCESS);
    block = add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_BLOCK});
    assert_int_equal(FwpmTransactionCommit0(engine), STATUS_SUCCESS);
    assert_int_equal(connect_now(3).outcome, WFP_BLOCK);
    /* A deletion undone. */
    assert_int_equal(FwpmTransactionBegin0(engine, 0), STATUS_SUCCESS);
    assert_int_equal(FwpmFilterDeleteById0(engine, block), STATUS_SUCCESS);
    assert_int_equal(FwpmFilterDeleteById0(engine, block), STATUS_FWP_FILTER_NOT_FOUND);
    assert_int_equal(FwpmTransactionAbort0(engine), STATUS_SUCCESS);
    assert_int_equal(connect_now(4).outcome, WFP_BLOCK);
    assert_int_equal(FwpmFilterDeleteById0(engine, block), STATUS_SUCCESS);
}

/* Everything of one key replaced in one transaction, then undone: the old objects are whole again. */
static void test_replace_and_undo(void **state)
{
    GUID sublayer = add_sublayer(engine, 9);
    UINT64 old = add_filter(engine, &(struct filter_spec){.sublayer = &sublayer, .action = FWP_ACTION_BLOCK});
    wchar_t name[] = L"again";
    FWPM_SUBLAYER0 again = {.subLayerKey = sublayer, .displayData.name = name, .weight = 1};

    (void)state;
    assert_int_equal(FwpmTransactionBegin0(engine, 0), STATUS_SUCCESS);
    assert_int_equal(FwpmSubLayerDeleteByKey0(engine, &sublayer), STATUS_FWP_IN_USE);
    assert_int_equal(FwpmFilterDeleteById0(engine, old), STATUS_SUCCESS);
    assert_int_equal(FwpmSubLayerDeleteByKey0(engine, &sublayer), STATUS_SUCCESS);
    assert_int_equal(FwpmSubLayerAdd0(engine, &again, NULL), STATUS_SUCCESS);
    add_filter(engine, &(struct filter_spec){.sublayer = &sublayer, .action = FWP_ACTION_PERMIT});
    assert_int_equal(FwpmTransactionAbort0(engine), STATUS_SUCCESS);
    assert_int_equal(connect_now(1).filter_id, old);
    assert_int_equal(FwpmSubLayerDeleteByKey0(engine, &sublayer), STATUS_FWP_IN_USE);
    assert_int_equal(FwpmFilterDeleteById0(engine, old), STATUS_SUCCESS);
    assert_int_equal(FwpmSubLayerDeleteByKey0(engine, &sublayer), STATUS_SUCCESS);
}

/* Other sessions wait, as long as theirs says; closing a session aborts its transaction. */
static void test_waiting(void **state)
{
    HANDLE other = open_session(0, 50);

    (void)state;
    assert_int_equal(FwpmTransactionBegin0(engine, 0), STATUS_SUCCESS);
    add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_BLOCK});
    assert_int_equal(FwpmTransactionBegin0(other, 0), STATUS_FWP_TIMEOUT);
    assert_int_equal(try_filter(other, &(struct filter_spec){.action = FWP_ACTION_BLOCK}, NULL), STATUS_FWP_TIMEOUT);
    assert_int_equal(FwpmEngineClose0(engine), STATUS_SUCCESS);
    assert_int_equal(FwpmTransactionBegin0(other, FWPM_TXN_READ_ONLY), STATUS_SUCCESS);
    assert_int_equal(try_filter(other, &(struct filter_spec){.action = FWP_ACTION_BLOCK}, NULL),
                     STATUS_FWP_INCOMPATIBLE_TXN);
    assert_int_equal(FwpmTransactionAbort0(other), STATUS_SUCCESS);
    assert_int_equal(connect_now(1).outcome, WFP_PERMIT);
    assert_int_equal(FwpmEngineClose0(engine), STATUS_INVALID_HANDLE);
    wfp_ale_endpoint_closed(1);
}

/* "Dynamic: deleted when the session ends"; nobody else may name or delete them. */
static void test_dynamic_session(void **state)
{
    HANDLE dynamic = open_session(FWPM_SESSION_FLAG_DYNAMIC, 0);
    struct wfp_counts counts;
    GUID sublayer;
    UINT64 id;

    (void)state;
    sublayer = add_sublayer(dynamic, 5);
    id = add_filter(dynamic, &(struct filter_spec){.sublayer = &sublayer, .action = FWP_ACTION_BLOCK});
    assert_int_equal(try_filter(engine, &(struct filter_spec){.sublayer = &sublayer, .action = FWP_ACTION_BLOCK}, NULL),
                     STATUS_FWP_LIFETIME_MISMATCH);
    assert_int_equal(FwpmFilterDeleteById0(engine, id), STATUS_FWP_WRONG_SESSION);
    assert_int_equal(try_filter(dynamic,
                                &(struct filter_spec){.flags = FWPM_FILTER_FLAG_PERSISTENT, .action = FWP_ACTION_BLOCK},
                                NULL),
                     STATUS_FWP_DYNAMIC_SESSION_IN_PROGRESS);
    assert_int_equal(connect_now(1).outcome, WFP_BLOCK);
    assert_int_equal(FwpmEngineClose0(dynamic), STATUS_SUCCESS);
    assert_int_equal(connect_now(1).outcome, WFP_PERMIT);
    wfp_count(&counts);
    assert_int_equal(counts.filters + counts.sublayers, 0);
    wfp_ale_endpoint_closed(1);
}

/* ADD_FILTER may refuse; DELETE_FILTER comes for what was added, at commit or when it is undone. */
static void test_notify(void **state)
{
    struct sample sample = {.act = SAMPLE_CONTINUE, .refuse_add = STATUS_ACCESS_DENIED};
    struct filter_spec spec = {.action = FWP_ACTION_CALLOUT_TERMINATING, .callout = &sample};
    UINT64 id;

    (void)state;
    assert_int_equal(sample_register(&sample, 2, 0), STATUS_SUCCESS);
    add_callout(engine, &sample, NULL);
    assert_int_equal(try_filter(engine, &spec, NULL), STATUS_FWP_CALLOUT_NOTIFICATION_FAILED);
    assert_int_equal(connect_now(1).filter_id, 0);
    sample.refuse_add = STATUS_SUCCESS;
    id = add_filter(engine, &spec);
    assert_int_equal(sample.added, 1);
    assert_int_equal(FwpmTransactionBegin0(engine, 0), STATUS_SUCCESS);
    assert_int_equal(FwpmFilterDeleteById0(engine, id), STATUS_SUCCESS);
    assert_int_equal(sample.deleted, 0);
    add_filter(engine, &spec);
    assert_int_equal(sample.added, 2);
    assert_int_equal(FwpmTransactionAbort0(engine), STATUS_SUCCESS);
    assert_int_equal(sample.deleted, 1);
    assert_int_equal(FwpmCalloutDeleteById0(engine, sample.id), STATUS_FWP_IN_USE);
    assert_int_equal(FwpmFilterDeleteById0(engine, id), STATUS_SUCCESS);
    assert_int_equal(sample.deleted, 2);
    assert_int_equal(FwpmCalloutDeleteById0(engine, sample.id), STATUS_SUCCESS);
    assert_int_equal(FwpmCalloutDeleteById0(engine, sample.id), STATUS_FWP_CALLOUT_NOT_FOUND);
    assert_int_equal(sample_unregister(&sample), STATUS_SUCCESS);
    wfp_ale_endpoint_closed(1);
}

static unsigned until_failure;

static BOOLEAN fail_nth(const char *routine, void *context)
{
    (void)routine;
    (void)context;
    return until_failure != 0 && --until_failure == 0;
}

/* One policy in one transaction, any step of which may run out of memory. */
static NTSTATUS build_policy(HANDLE session, const struct sample *sample)
{
    wchar_t name[] = L"name";
    GUID key = make_key(500000);
    FWPM_PROVIDER0 provider = {.providerKey = key, .displayData.name = name};
    FWPM_SUBLAYER0 sublayer = {.subLayerKey = key, .displayData.name = name, .providerKey = &key};
    FWPM_CALLOUT0 callout = {
        .calloutKey = sample->key, .displayData.name = name, .applicableLayer = LAYER_V4, .providerKey = &key};
    FWPM_FILTER_CONDITION0 condition = {.fieldKey = FWPM_CONDITION_IP_REMOTE_PORT,
                                        .conditionValue = {.type = FWP_UINT16, .uint16 = 443}};
    NTSTATUS status = FwpmTransactionBegin0(session, 0);

    if (!NT_SUCCESS(status))
        return status;
    status = FwpmProviderAdd0(session, &provider, NULL);
    if (NT_SUCCESS(status))
        status = FwpmSubLayerAdd0(session, &sublayer, NULL);
    if (NT_SUCCESS(status))
        status = FwpmCalloutAdd0(session, &callout, NULL, NULL);
    for (int i = 0; i < 3 && NT_SUCCESS(status); i++)
        status = try_filter(session,
                            &(struct filter_spec){.sublayer = &key,
                                                  .action = FWP_ACTION_CALLOUT_TERMINATING,
                                                  .callout = sample,
                                                  .conditions = &condition,
                                                  .count = 1},
                            NULL);
    if (NT_SUCCESS(status))
        return FwpmTransactionCommit0(session);
    FwpmTransactionAbort0(session);
    return status;
}

/* SQLite's loop: fail the first allocation, then the second ..., until the work goes through. */
static void test_every_allocation_fails_once(void **state)
{
    struct sample sample = {.key = make_key(600000)};
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
    struct wfp_counts counts;
    unsigned n = 0;

    (void)state;
    nt_set_fault(fail_nth, NULL);
    while (status == STATUS_INSUFFICIENT_RESOURCES || status == STATUS_FWP_TIMEOUT) {
        until_failure = ++n;
        status = build_policy(engine, &sample);
        until_failure = 0;
        wfp_count(&counts);
        if (!NT_SUCCESS(status)) {
            assert_int_equal(counts.providers + counts.sublayers + counts.callouts + counts.filters, 0);
            assert_int_equal(connect_now(1).outcome, WFP_PERMIT);
        }
        assert_true(n < 200);
    }
    assert_int_equal(status, STATUS_SUCCESS);
    assert_true(n > 10);
    assert_int_equal(counts.filters, 3);
    assert_int_equal(connect_now(1).outcome, WFP_BLOCK);
    /* A connect without memory is blocked and leaves nothing. */
    for (until_failure = n = 1; n < 4; until_failure = ++n)
        assert_int_equal(connect_now(50 + n).outcome, WFP_BLOCK);
    until_failure = 0;
    wfp_ale_endpoint_closed(1);
    wfp_count(&counts);
    assert_int_equal(counts.endpoints + counts.flows, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_setup, engine_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_commit_and_abort), TEST(test_replace_and_undo), TEST(test_waiting),
        TEST(test_dynamic_session),  TEST(test_notify),           TEST(test_every_allocation_fails_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
