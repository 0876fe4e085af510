/* SPDX-License-Identifier: MIT */
/*
 * condition.c - which connects a condition meets, field type by field type. Pages: FWP_MATCH_TYPE, FWP_DATA_TYPE,
 * ALE Re-authorization (FWP_EMPTY), Permitting and Blocking Applications and Users (win32 desktop-src/FWP).
 */
#include "tests/lib/engine_fixture.h"

/* Blocked by a filter with just this condition? */
static BOOLEAN meets(const struct wfp_ale_connect *connect, FWPM_FILTER_CONDITION0 condition)
{
    const GUID layer = connect->ip_version == 6 ? FWPM_LAYER_ALE_AUTH_CONNECT_V6 : FWPM_LAYER_ALE_AUTH_CONNECT_V4;
    UINT64 id = add_filter(
        engine,
        &(struct filter_spec){.layer = &layer, .action = FWP_ACTION_BLOCK, .conditions = &condition, .count = 1});
    struct wfp_decision decision;

    wfp_ale_connect(connect, NULL, NULL, &decision);
    wfp_ale_endpoint_closed(connect->endpoint);
    assert_int_equal(FwpmFilterDeleteById0(engine, id), STATUS_SUCCESS);
    return decision.outcome == WFP_BLOCK;
}

static FWPM_FILTER_CONDITION0 blob_condition(FWP_MATCH_TYPE match, FWP_BYTE_BLOB *blob)
{
    return (FWPM_FILTER_CONDITION0){FWPM_CONDITION_ALE_APP_ID, match, {.type = FWP_BYTE_BLOB_TYPE, .byteBlob = blob}};
}

static void test_app_id(void **state)
{
    wchar_t same[] = L"\\bin\\sample", other_case[] = L"\\bin\\SAMPLE", end[] = L"\\sample";
    FWP_BYTE_BLOB same_blob = {sizeof(same), (UINT8 *)same}, case_blob = {sizeof(other_case), (UINT8 *)other_case};
    FWP_BYTE_BLOB end_blob = {sizeof(end), (UINT8 *)end};
    struct wfp_ale_connect connect = make_connect(1);
    FWPM_FILTER_CONDITION0 empty = {FWPM_CONDITION_ALE_APP_ID, FWP_MATCH_EQUAL, {.type = FWP_EMPTY}};

    (void)state;
    assert_true(meets(&connect, blob_condition(FWP_MATCH_EQUAL, &same_blob)));
    /* Windows would say yes: paths have case here. */
    assert_false(meets(&connect, blob_condition(FWP_MATCH_EQUAL, &case_blob)));
    assert_true(meets(&connect, blob_condition(FWP_MATCH_NOT_EQUAL, &case_blob)));
    /* "Tests whether the value ends with the condition value." */
    assert_true(meets(&connect, blob_condition(FWP_MATCH_PREFIX, &end_blob)));
    assert_false(meets(&connect, blob_condition(FWP_MATCH_NOT_PREFIX, &end_blob)));
    assert_false(meets(&connect, empty));
    connect.app_id = NULL;
    assert_true(meets(&connect, empty));
    assert_false(meets(&connect, blob_condition(FWP_MATCH_NOT_EQUAL, &same_blob)));
}

static void test_v6(void **state)
{
    struct wfp_ale_connect connect = make_connect(1);
    FWP_V6_ADDR_AND_MASK subnet = {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0x10}, 60};
    FWP_BYTE_ARRAY16 exact = {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0x17, 0, 0, 0, 0, 0, 0, 0, 1}};
    FWPM_FILTER_CONDITION0 in_subnet = {
        FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_MATCH_EQUAL, {.type = FWP_V6_ADDR_MASK, .v6AddrMask = &subnet}};
    FWPM_FILTER_CONDITION0 is_exact = {
        FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_MATCH_EQUAL, {.type = FWP_BYTE_ARRAY16_TYPE, .byteArray16 = &exact}};

    (void)state;
    connect.ip_version = 6;
    memcpy(connect.remote_address, &exact, sizeof(exact));
    assert_true(meets(&connect, in_subnet));
    assert_true(meets(&connect, is_exact));
    connect.remote_address[7] = 0x27;
    assert_false(meets(&connect, in_subnet));
    assert_false(meets(&connect, is_exact));
}

/* S-1-22-1-uid, as hosts on Linux name users. */
struct one_user {
    TOKEN_ACCESS_INFORMATION token;
    SID_AND_ATTRIBUTES_HASH hash;
    SID_AND_ATTRIBUTES entry;
    UINT8 sid[16];
};

static void make_user(struct one_user *user, UINT32 uid)
{
    const UINT8 head[12] = {1, 2, 0, 0, 0, 0, 0, 22, 1, 0, 0, 0};

    memset(user, 0, sizeof(*user));
    memcpy(user->sid, head, sizeof(head));
    memcpy(user->sid + 12, &uid, sizeof(uid));
    user->entry.Sid = (PSID)user->sid;
    user->hash.SidCount = 1;
    user->hash.SidAttr = &user->entry;
    user->token.SidHash = &user->hash;
}

/* A self-relative descriptor with one entry: type 0 allows, 1 denies. */
static FWP_BYTE_BLOB make_descriptor(UINT8 *bytes, UINT8 type, UINT32 mask, const UINT8 *sid)
{
    const UINT8 head[28] = {1, 0, 0x04, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 2, 0, 32, 0, 1, 0, 0, 0};

    memcpy(bytes, head, sizeof(head));
    memset(bytes + 28, 0, 4);
    bytes[28] = type;
    bytes[30] = 24;
    memcpy(bytes + 32, &mask, 4);
    memcpy(bytes + 36, sid, 16);
    return (FWP_BYTE_BLOB){52, bytes};
}

static void test_user(void **state)
{
    struct wfp_ale_connect connect = make_connect(1);
    struct one_user alice, bob;
    UINT8 bytes[52];
    FWP_BYTE_BLOB token = {sizeof(alice.token), (UINT8 *)&alice.token}, descriptor;
    FWPM_FILTER_CONDITION0 condition = {
        FWPM_CONDITION_ALE_USER_ID, FWP_MATCH_EQUAL, {.type = FWP_SECURITY_DESCRIPTOR_TYPE, .sd = &descriptor}};

    (void)state;
    make_user(&alice, 1000);
    make_user(&bob, 1001);
    descriptor = make_descriptor(bytes, 0, FWP_ACTRL_MATCH_FILTER, alice.sid);
    connect.user = NULL;
    assert_false(meets(&connect, condition));
    connect.user = &token;
    assert_true(meets(&connect, condition));
    descriptor = make_descriptor(bytes, 0, FWP_ACTRL_MATCH_FILTER, bob.sid);
    assert_false(meets(&connect, condition));
    descriptor = make_descriptor(bytes, 0, 2, alice.sid);
    assert_false(meets(&connect, condition));
    descriptor = make_descriptor(bytes, 1, FWP_ACTRL_MATCH_FILTER, alice.sid);
    assert_false(meets(&connect, condition));
}

/* ntifs.h RtlAbsoluteToSelfRelativeSD: what a driver builds with the run-time library; each allow entry grants. */
static void test_built_descriptor(void **state)
{
    struct wfp_ale_connect connect = make_connect(1);
    struct one_user users[3];
    FWP_BYTE_BLOB token = {sizeof(users[0].token), NULL}, descriptor;
    FWPM_FILTER_CONDITION0 condition = {
        FWPM_CONDITION_ALE_USER_ID, FWP_MATCH_EQUAL, {.type = FWP_SECURITY_DESCRIPTOR_TYPE, .sd = &descriptor}};
    SECURITY_DESCRIPTOR absolute;
    union {
        ACL acl;
        UINT8 bytes[sizeof(ACL) + 2 * (8 + 16)];
    } dacl;
    _Alignas(8) UINT8 relative[256];
    ULONG size = sizeof(relative);

    (void)state;
    for (UINT32 i = 0; i < 3; i++)
        make_user(&users[i], 1000 + i);
    assert_int_equal(RtlCreateAcl(&dacl.acl, sizeof(dacl), ACL_REVISION), STATUS_SUCCESS);
    for (UINT32 i = 0; i < 2; i++)
        assert_int_equal(RtlAddAccessAllowedAce(&dacl.acl, ACL_REVISION, FWP_ACTRL_MATCH_FILTER, (PSID)users[i].sid),
                         STATUS_SUCCESS);
    assert_int_equal(RtlCreateSecurityDescriptor(&absolute, SECURITY_DESCRIPTOR_REVISION), STATUS_SUCCESS);
    assert_int_equal(RtlSetDaclSecurityDescriptor(&absolute, TRUE, &dacl.acl, FALSE), STATUS_SUCCESS);
    assert_int_equal(RtlSetOwnerSecurityDescriptor(&absolute, (PSID)users[0].sid, FALSE), STATUS_SUCCESS);
    assert_int_equal(RtlSetGroupSecurityDescriptor(&absolute, (PSID)users[0].sid, FALSE), STATUS_SUCCESS);
    assert_int_equal(RtlAbsoluteToSelfRelativeSD(&absolute, relative, &size), STATUS_SUCCESS);
    descriptor = (FWP_BYTE_BLOB){size, relative};
    connect.user = &token;
    for (UINT32 i = 0; i < 3; i++) {
        token.data = (UINT8 *)&users[i].token;
        assert_int_equal(meets(&connect, condition), i < 2);
    }
}

/* IPv4 fields are in host byte order; a range's ends belong to it. */
static void test_numbers(void **state)
{
    struct wfp_ale_connect connect = make_connect(1);
    FWP_RANGE0 ports = {{.type = FWP_UINT16, .uint16 = 443}, {.type = FWP_UINT16, .uint16 = 444}};
    FWPM_FILTER_CONDITION0 range = {
        FWPM_CONDITION_IP_REMOTE_PORT, FWP_MATCH_RANGE, {.type = FWP_RANGE_TYPE, .rangeValue = &ports}};
    FWPM_FILTER_CONDITION0 address = {
        FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_MATCH_EQUAL, {.type = FWP_UINT32, .uint32 = 0xc0000207}};
    FWPM_FILTER_CONDITION0 interface = {
        FWPM_CONDITION_INTERFACE_INDEX, FWP_MATCH_NOT_EQUAL, {.type = FWP_UINT32, .uint32 = 5}};

    (void)state;
    assert_true(meets(&connect, range));
    assert_true(meets(&connect, address));
    connect.remote_port = 445;
    assert_false(meets(&connect, range));
    /* FWP_EMPTY meets no test but EQUAL to FWP_EMPTY. */
    assert_false(meets(&connect, interface));
    connect.interface_index = 4;
    assert_true(meets(&connect, interface));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, engine_setup, engine_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_app_id), TEST(test_v6), TEST(test_user), TEST(test_built_descriptor), TEST(test_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
