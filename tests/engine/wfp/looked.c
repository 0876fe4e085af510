/* SPDX-License-Identifier: MIT */
/*
 * looked.c - how narrow wfp_decision.looked is (wfp/ale.h), with few filters and with many; that it is true, index.c
 * shows. Also wfp_filter_key, wfp_filter_data, and filters with very many conditions.
 */
#include "tests/lib/engine_fixture.h"

#define PLACE(field) FWPS_FIELD_ALE_AUTH_CONNECT_V4_##field
#define BIT(field)   (1ull << PLACE(field))

static UINT16 this_app[] = {'/', 'b', 'i', 'n', '/', 'c', 'u', 'r', 'l', 0};
static UINT16 other_app[] = {'/', 'b', 'i', 'n', '/', 'l', 'y', 'n', 'x', 0};

static struct wfp_decision ask(UINT32 remote, UINT16 port)
{
    FWP_BYTE_BLOB app = {sizeof(this_app), (UINT8 *)this_app};
    struct wfp_ale_connect connect = make_connect(7);
    struct wfp_decision decision;

    connect.app_id = &app;
    connect.remote_port = port;
    for (unsigned i = 0; i < 4; i++)
        connect.remote_address[i] = (UINT8)(remote >> (24 - 8 * i));
    wfp_ale_connect(&connect, on_done, NULL, &decision);
    wfp_ale_endpoint_closed(7);
    return decision;
}

static UINT64 add_app(UINT64 weight, UINT16 *name, FWP_ACTION_TYPE action)
{
    FWP_BYTE_BLOB app = {sizeof(this_app), (UINT8 *)name};
    FWPM_FILTER_CONDITION0 condition = {.fieldKey = FWPM_CONDITION_ALE_APP_ID,
                                        .conditionValue = {.type = FWP_BYTE_BLOB_TYPE, .byteBlob = &app}};

    return add_filter(engine,
                      &(struct filter_spec){.weight = weight, .action = action, .conditions = &condition, .count = 1});
}

static UINT64 add_subnet(UINT64 weight, UINT32 address, unsigned length, UINT16 *name)
{
    FWP_BYTE_BLOB app = {sizeof(this_app), (UINT8 *)name};
    FWP_V4_ADDR_AND_MASK subnet = {address, 0xffffffffu << (32 - length)};
    FWPM_FILTER_CONDITION0 conditions[2] = {
        {.fieldKey = FWPM_CONDITION_IP_REMOTE_ADDRESS,
         .conditionValue = {.type = FWP_V4_ADDR_MASK, .v4AddrMask = &subnet}},
        {.fieldKey = FWPM_CONDITION_ALE_APP_ID, .conditionValue = {.type = FWP_BYTE_BLOB_TYPE, .byteBlob = &app}}};

    return add_filter(engine, &(struct filter_spec){.weight = weight,
                                                    .action = FWP_ACTION_BLOCK,
                                                    .conditions = conditions,
                                                    .count = name == NULL ? 1 : 2});
}

static UINT64 add_loopback(UINT64 weight)
{
    FWPM_FILTER_CONDITION0 condition = {
        .fieldKey = FWPM_CONDITION_FLAGS,
        .matchType = FWP_MATCH_FLAGS_ALL_SET,
        .conditionValue = {.type = FWP_UINT32, .uint32 = FWP_CONDITION_FLAG_IS_LOOPBACK}};

    return add_filter(engine, &(struct filter_spec){
                                  .weight = weight, .action = FWP_ACTION_PERMIT, .conditions = &condition, .count = 1});
}

static void test_program_first(void **state)
{
    struct wfp_decision decision;

    (void)state;
    /* Once as few filters, once as many. */
    for (unsigned more = 0; more < 2; more++) {
        UINT64 permit = add_app(900, this_app, FWP_ACTION_PERMIT);

        add_loopback(1000);
        for (unsigned i = 0; i < (more ? 50u : 0); i++)
            add_subnet(10 + i, 0x0a000000u + (i << 16), 16, i % 2 ? other_app : NULL);
        decision = ask(0xc0000207u, 443);
        assert_int_equal(decision.filter_id, permit);
        assert_false(decision.looked.all);
        assert_true(decision.looked.fields == (BIT(ALE_APP_ID) | BIT(FLAGS)));
        assert_int_equal(decision.looked.flags_mask, FWP_CONDITION_FLAG_IS_LOOPBACK);
        assert_int_equal(decision.looked.remote_address_bits, 0);
        assert_int_equal(FwpmFilterDeleteById0(engine, permit), STATUS_SUCCESS);
    }
}

static void test_leading_bits(void **state)
{
    (void)state;
    for (unsigned more = 0; more < 2; more++) {
        UINT64 block = add_subnet(1000, 0x0a000000u, 8, NULL);
        UINT64 permit = add_app(900, this_app, FWP_ACTION_PERMIT);

        for (unsigned i = 0; i < (more ? 50u : 0); i++)
            add_subnet(10 + i, 0x0a000000u + (i << 16), 16, i % 2 ? other_app : NULL);
        for (unsigned i = 0; i < (more ? 50u : 0); i++) /* inside of 10.0.0.0/8, for another program */
            add_subnet(2000 + i, 0x0a000000u + (i << 16), 16, other_app);
        struct wfp_decision decision = ask(0xc0000207u, 443);
        assert_int_equal(decision.filter_id, permit);
        assert_int_equal(decision.looked.remote_address_bits, 1); /* 192 is 11..., 10 is 00... */
        assert_int_equal(decision.looked.remote_port_mask, 0);
        decision = ask(0x0b000001u, 443); /* 11 and 10 differ in the last bit of the prefix */
        assert_int_equal(decision.filter_id, permit);
        assert_int_equal(decision.looked.remote_address_bits, 8);
        decision = ask(0x0a636363u, 443);
        assert_int_equal(decision.filter_id, block);
        /* An index looks at the program first, and knows subnets inside. */
        if (!more)
            assert_true(decision.looked.fields == BIT(IP_REMOTE_ADDRESS) && decision.looked.remote_address_bits == 8);
        assert_int_equal(FwpmFilterDeleteById0(engine, permit), STATUS_SUCCESS);
        assert_int_equal(FwpmFilterDeleteById0(engine, block), STATUS_SUCCESS);
    }
}

static void test_ports(void **state)
{
    FWP_RANGE0 range = {{.type = FWP_UINT16, .uint16 = 1024}, {.type = FWP_UINT16, .uint16 = 65535}};
    FWPM_FILTER_CONDITION0 condition = {.fieldKey = FWPM_CONDITION_IP_REMOTE_PORT,
                                        .matchType = FWP_MATCH_RANGE,
                                        .conditionValue = {.type = FWP_RANGE_TYPE, .rangeValue = &range}};

    (void)state;
    add_filter(engine,
               &(struct filter_spec){.weight = 5, .action = FWP_ACTION_BLOCK, .conditions = &condition, .count = 1});
    assert_int_equal(ask(0xc0000207u, 443).looked.remote_port_mask, 0xfc00);   /* below 1024 */
    assert_int_equal(ask(0xc0000207u, 50000).looked.remote_port_mask, 0x8000); /* 32768 and more */
}

static void test_callouts(void **state)
{
    struct sample sample = {.key = make_key(77), .act = SAMPLE_CONTINUE};

    (void)state;
    assert_int_equal(sample_register(&sample, 3, 0), STATUS_SUCCESS);
    add_callout(engine, &sample, NULL);
    add_filter(engine, &(struct filter_spec){.action = FWP_ACTION_CALLOUT_TERMINATING, .callout = &sample});
    assert_true(ask(0xc0000207u, 443).looked.all);
    wfp_callout_looks(&sample.key, BIT(IP_REMOTE_ADDRESS), FALSE);
    struct wfp_decision decision = ask(0xc0000207u, 443);
    assert_false(decision.looked.all);
    assert_true(decision.looked.fields == BIT(IP_REMOTE_ADDRESS));
    assert_int_equal(decision.looked.remote_address_bits, 32);
    sample.act = SAMPLE_BLOCK_HARD;
    assert_true(ask(0xc0000207u, 443).looked.all);
    wfp_callout_looks(&sample.key, BIT(ALE_APP_ID), TRUE);
    assert_true(ask(0xc0000207u, 443).looked.fields == BIT(ALE_APP_ID));
    assert_int_equal(sample_unregister(&sample), STATUS_SUCCESS);
    assert_true(ask(0xc0000207u, 443).looked.all); /* it may come back */
}

static void test_data(void **state)
{
    UINT8 marked[4] = {1, 2, 3, 4}, found[4] = {0};
    FWPM_FILTER0 filter = {.displayData.name = L"marked",
                           .layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4,
                           .action.type = FWP_ACTION_BLOCK,
                           .providerData = {sizeof(marked), marked}};
    UINT64 id, bare = add_app(5, this_app, FWP_ACTION_BLOCK);

    (void)state;
    assert_int_equal(FwpmFilterAdd0(engine, &filter, NULL, &id), STATUS_SUCCESS);
    assert_false(wfp_filter_data(id, found, 3));
    assert_false(wfp_filter_data(bare, found, sizeof(found)));
    assert_int_equal(found[0], 0);
    assert_true(wfp_filter_data(id, found, sizeof(found)));
    assert_memory_equal(found, marked, sizeof(marked));
    assert_int_equal(FwpmFilterDeleteById0(engine, id), STATUS_SUCCESS);
    assert_false(wfp_filter_data(id, found, sizeof(found)));
}

static void test_key(void **state)
{
    UINT64 id = add_app(5, this_app, FWP_ACTION_BLOCK);
    FWPM_FILTER0 *filter;
    GUID key;

    (void)state;
    assert_true(wfp_filter_key(id, &key));
    assert_int_equal(FwpmFilterGetByKey0(engine, &key, &filter), STATUS_SUCCESS);
    assert_int_equal(filter->filterId, id);
    FwpmFreeMemory0((void **)&filter);
    assert_int_equal(FwpmFilterDeleteById0(engine, id), STATUS_SUCCESS);
    assert_false(wfp_filter_key(id, &key));
}

/* 100,000 addresses and 3 ports in one filter, in any order: found, and given back as they were added. */
static void test_long_list(void **state)
{
    enum { MANY = 100000 };
    FWPM_FILTER_CONDITION0 *conditions = calloc(MANY + 3, sizeof(*conditions));
    FWPM_FILTER0 *copy;

    (void)state;
    assert_non_null(conditions);
    for (UINT32 i = 0; i < MANY + 3; i++) {
        BOOLEAN port = i % 40000 == 7;

        conditions[i].fieldKey = port ? FWPM_CONDITION_IP_REMOTE_PORT : FWPM_CONDITION_IP_REMOTE_ADDRESS;
        conditions[i].conditionValue.type = port ? FWP_UINT16 : FWP_UINT32;
        conditions[i].conditionValue.uint32 = port ? 443 + i / 40000 : (i * 2654435761u) | 1;
    }
    for (unsigned more = 0; more < 2; more++) {
        UINT64 id = add_filter(
            engine, &(struct filter_spec){
                        .weight = 9, .action = FWP_ACTION_BLOCK, .conditions = conditions, .count = MANY + 3});

        for (unsigned i = 0; i < (more ? 20u : 0); i++)
            add_subnet(10 + i, 0x0a000000u + (i << 16), 16, NULL);
        assert_int_equal(ask(conditions[777].conditionValue.uint32, 444).filter_id, id);
        assert_int_equal(ask(conditions[99999].conditionValue.uint32, 445).filter_id, id);
        assert_int_equal(ask(conditions[777].conditionValue.uint32, 446).filter_id, 0);
        assert_int_equal(ask(0xc0000200u, 443).filter_id, 0);
        assert_int_equal(FwpmFilterGetById0(engine, id, &copy), STATUS_SUCCESS);
        assert_int_equal(copy->numFilterConditions, MANY + 3);
        for (UINT32 i = 0; i < MANY + 3; i++)
            assert_true(IsEqualGUID(&copy->filterCondition[i].fieldKey, &conditions[i].fieldKey) &&
                        copy->filterCondition[i].conditionValue.uint32 == conditions[i].conditionValue.uint32);
        FwpmFreeMemory0((void **)&copy);
        assert_int_equal(FwpmFilterDeleteById0(engine, id), STATUS_SUCCESS);
    }
    free(conditions);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_setup, engine_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_program_first), TEST(test_leading_bits), TEST(test_ports),     TEST(test_callouts),
        TEST(test_key),           TEST(test_data),         TEST(test_long_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
