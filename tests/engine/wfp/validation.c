/* SPDX-License-Identifier: MIT */
/*
 * validation.c - what the management API refuses, and with which status. Pages: WFP Error Codes, Object Management
 * (win32 desktop-src/FWP), FWPM_FILTER0, FWPM_SUBLAYER0, FwpmEngineOpen0, FwpmCalloutDeleteById0, FWP_MATCH_TYPE.
 */
#include "tests/lib/engine_fixture.h"

static wchar_t name[] = L"name";

static NTSTATUS add(const FWPM_FILTER0 *filter)
{
    UINT64 id;
    NTSTATUS status = FwpmFilterAdd0(engine, filter, NULL, &id);

    if (NT_SUCCESS(status))
        assert_int_equal(FwpmFilterDeleteById0(engine, id), STATUS_SUCCESS);
    return status;
}

static FWPM_FILTER0 good(void)
{
    return (FWPM_FILTER0){.displayData.name = name, .layerKey = LAYER_V4, .action.type = FWP_ACTION_BLOCK};
}

static void test_filters(void **state)
{
    struct sample sample = {.key = make_key(1)};
    const GUID v6 = FWPM_LAYER_ALE_AUTH_CONNECT_V6;
    FWPM_FILTER0 filter = good();

    (void)state;
    assert_int_equal(add(&filter), STATUS_SUCCESS);
    filter.displayData.name = NULL;
    assert_int_equal(add(&filter), STATUS_FWP_NULL_DISPLAY_NAME);
    filter = good();
    filter.layerKey = make_key(9);
    assert_int_equal(add(&filter), STATUS_FWP_LAYER_NOT_FOUND);
    filter = good();
    filter.subLayerKey = make_key(9);
    assert_int_equal(add(&filter), STATUS_FWP_SUBLAYER_NOT_FOUND);
    filter = good();
    GUID provider = make_key(9);
    filter.providerKey = &provider;
    assert_int_equal(add(&filter), STATUS_FWP_PROVIDER_NOT_FOUND);
    filter = good();
    filter.action.type = FWP_ACTION_NONE;
    assert_int_equal(add(&filter), STATUS_FWP_INVALID_ACTION_TYPE);
    filter = good();
    filter.flags = 0x80000000;
    assert_int_equal(add(&filter), STATUS_FWP_INVALID_FLAGS);
    filter.flags = FWPM_FILTER_FLAG_PERSISTENT | FWPM_FILTER_FLAG_BOOTTIME;
    assert_int_equal(add(&filter), STATUS_FWP_INVALID_FLAGS);
    filter.flags = FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED;
    assert_int_equal(add(&filter), STATUS_FWP_INVALID_FLAGS);
    filter = good();
    filter.action.type = FWP_ACTION_CALLOUT_TERMINATING;
    filter.action.calloutKey = sample.key;
    assert_int_equal(add(&filter), STATUS_FWP_CALLOUT_NOT_FOUND);
    add_callout(engine, &sample, &v6);
    assert_int_equal(add(&filter), STATUS_FWP_INCOMPATIBLE_LAYER);
    filter.layerKey = v6;
    assert_int_equal(add(&filter), STATUS_SUCCESS);
    filter.flags = FWPM_FILTER_FLAG_PERSISTENT;
    assert_int_equal(add(&filter), STATUS_FWP_LIFETIME_MISMATCH);
    assert_int_equal(FwpmFilterAdd0(engine, NULL, NULL, NULL), STATUS_FWP_NULL_POINTER);
}

/* Filter Weight Assignment. */
static void test_weights(void **state)
{
    FWPM_FILTER_CONDITION0 condition = {.fieldKey = FWPM_CONDITION_IP_PROTOCOL,
                                        .conditionValue = {.type = FWP_UINT8, .uint8 = 6}};
    FWPM_FILTER0 filter = good();
    UINT64 wide, narrow;
    FWPM_FILTER0 *seen;

    (void)state;
    filter.weight.type = FWP_UINT8;
    filter.weight.uint8 = 16;
    assert_int_equal(add(&filter), STATUS_FWP_INVALID_WEIGHT);
    filter.weight.type = FWP_UINT32;
    assert_int_equal(add(&filter), STATUS_FWP_INVALID_WEIGHT);
    filter.weight.type = FWP_UINT8;
    filter.weight.uint8 = 15;
    assert_int_equal(FwpmFilterAdd0(engine, &filter, NULL, &wide), STATUS_SUCCESS);
    filter.weight.type = FWP_EMPTY;
    filter.numFilterConditions = 1;
    filter.filterCondition = &condition;
    assert_int_equal(FwpmFilterAdd0(engine, &filter, NULL, &narrow), STATUS_SUCCESS);
    assert_int_equal(FwpmFilterGetById0(engine, wide, &seen), STATUS_SUCCESS);
    assert_int_equal(*seen->effectiveWeight.uint64 >> 60, 15);
    UINT64 low = *seen->effectiveWeight.uint64 & FWPM_AUTO_WEIGHT_MAX;
    FwpmFreeMemory0((void **)&seen);
    assert_int_equal(FwpmFilterGetById0(engine, narrow, &seen), STATUS_SUCCESS);
    assert_true(*seen->effectiveWeight.uint64 > low);
    assert_true(*seen->effectiveWeight.uint64 <= FWPM_AUTO_WEIGHT_MAX);
    assert_int_equal(seen->filterCondition[0].conditionValue.uint8, 6);
    FwpmFreeMemory0((void **)&seen);
    assert_null(seen);
}

static void test_conditions(void **state)
{
    UINT8 bytes[1] = {1};
    FWP_BYTE_BLOB blob = {1, bytes};
    FWP_V4_ADDR_AND_MASK odd = {0x0a000000, 0xff00ff00}, net = {0x0a000000, 0xff000000};
    FWP_V6_ADDR_AND_MASK long_prefix = {{0}, 129};
    FWP_RANGE0 backwards = {{.type = FWP_UINT16, .uint16 = 9}, {.type = FWP_UINT16, .uint16 = 3}};
    const struct {
        FWPM_FILTER_CONDITION0 condition;
        NTSTATUS expected;
    } cases[] = {
        {{FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_EQUAL, {.type = FWP_UINT8, .uint8 = 6}}, STATUS_SUCCESS},
        {{FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_EQUAL, {.type = FWP_UINT16, .uint16 = 6}}, STATUS_FWP_TYPE_MISMATCH},
        {{FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_EQUAL, {.type = FWP_EMPTY}}, STATUS_SUCCESS},
        {{FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_GREATER, {.type = FWP_EMPTY}}, STATUS_FWP_MATCH_TYPE_MISMATCH},
        {{FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_RANGE, {.type = FWP_UINT8, .uint8 = 6}},
         STATUS_FWP_MATCH_TYPE_MISMATCH},
        {{FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_TYPE_MAX, {.type = FWP_UINT8}}, STATUS_FWP_MATCH_TYPE_MISMATCH},
        {{FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_MATCH_EQUAL, {.type = FWP_V4_ADDR_MASK, .v4AddrMask = &net}},
         STATUS_SUCCESS},
        {{FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_MATCH_EQUAL, {.type = FWP_V4_ADDR_MASK, .v4AddrMask = &odd}},
         STATUS_FWP_INVALID_NET_MASK},
        {{FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_MATCH_EQUAL, {.type = FWP_V4_ADDR_MASK}}, STATUS_FWP_NULL_POINTER},
        {{FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_MATCH_EQUAL, {.type = FWP_V6_ADDR_MASK, .v6AddrMask = &long_prefix}},
         STATUS_FWP_TYPE_MISMATCH},
        {{FWPM_CONDITION_IP_REMOTE_PORT, FWP_MATCH_RANGE, {.type = FWP_RANGE_TYPE, .rangeValue = &backwards}},
         STATUS_FWP_INVALID_RANGE},
        {{FWPM_CONDITION_ALE_APP_ID, FWP_MATCH_EQUAL, {.type = FWP_BYTE_BLOB_TYPE, .byteBlob = &blob}}, STATUS_SUCCESS},
        {{FWPM_CONDITION_ALE_APP_ID, FWP_MATCH_FLAGS_ALL_SET, {.type = FWP_BYTE_BLOB_TYPE, .byteBlob = &blob}},
         STATUS_FWP_MATCH_TYPE_MISMATCH},
        {{FWPM_CONDITION_ALE_APP_ID, FWP_MATCH_EQUAL_CASE_INSENSITIVE, {.type = FWP_BYTE_BLOB_TYPE, .byteBlob = &blob}},
         STATUS_FWP_MATCH_TYPE_MISMATCH},
        {{FWPM_CONDITION_ALE_USER_ID, FWP_MATCH_EQUAL, {.type = FWP_SECURITY_DESCRIPTOR_TYPE, .sd = &blob}},
         STATUS_INVALID_SECURITY_DESCR},
        {{FWPM_CONDITION_DIRECTION, FWP_MATCH_EQUAL, {.type = FWP_UINT32}}, STATUS_FWP_CONDITION_NOT_FOUND},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        FWPM_FILTER_CONDITION0 condition = cases[i].condition;
        FWPM_FILTER0 filter = good();

        filter.numFilterConditions = 1;
        filter.filterCondition = &condition;
        NTSTATUS status = add(&filter);
        if (status != cases[i].expected)
            fail_msg("case %zu: 0x%08x", i, (unsigned)status);
    }
}

static void test_other_objects(void **state)
{
    GUID key = add_sublayer(engine, 1);
    FWPM_SUBLAYER0 sublayer = {.subLayerKey = key, .displayData.name = name};
    FWPM_SUBLAYER0 *seen;
    FWPM_SESSION0 session = {.flags = 0x40};
    HANDLE handle;

    (void)state;
    assert_int_equal(FwpmSubLayerAdd0(engine, &sublayer, NULL), STATUS_FWP_ALREADY_EXISTS);
    assert_int_equal(FwpmSubLayerDeleteByKey0(engine, &FWPM_SUBLAYER_UNIVERSAL), STATUS_FWP_BUILTIN_OBJECT);
    assert_int_equal(FwpmSubLayerGetByKey0(engine, &key, &seen), STATUS_SUCCESS);
    assert_int_equal(seen->weight, 1);
    FwpmFreeMemory0((void **)&seen);
    assert_int_equal(FwpmSubLayerDeleteByKey0(engine, &key), STATUS_SUCCESS);
    assert_int_equal(FwpmSubLayerDeleteByKey0(engine, &key), STATUS_FWP_SUBLAYER_NOT_FOUND);
    assert_int_equal(FwpmProviderDeleteByKey0(engine, &key), STATUS_FWP_PROVIDER_NOT_FOUND);
    assert_int_equal(FwpmCalloutDeleteByKey0(engine, &key), STATUS_FWP_CALLOUT_NOT_FOUND);
    assert_int_equal(FwpmFilterDeleteByKey0(engine, &key), STATUS_FWP_FILTER_NOT_FOUND);
    assert_int_equal(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &handle), STATUS_FWP_INVALID_FLAGS);
    assert_int_equal(FwpmEngineOpen0(NULL, 3, NULL, NULL, &handle), STATUS_INVALID_PARAMETER);
    assert_int_equal(FwpmEngineClose0((HANDLE)(uintptr_t)0x999), STATUS_INVALID_HANDLE);
}

/* Every management routine's page: IRQL PASSIVE_LEVEL. */
static void test_irql(void **state)
{
    KIRQL irql;

    (void)state;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    FwpmTransactionAbort0(engine);
    KeLowerIrql(irql);
    assert_int_equal(violations("irql-too-high"), 1);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, engine_setup, engine_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_filters), TEST(test_weights), TEST(test_conditions), TEST(test_other_objects), TEST(test_irql),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
