/* SPDX-License-Identifier: MIT */
/*
 * packed.c - conditions as they are kept (wfp/packed.h). What is given back is what was added, for each type and also
 * in an order that is not the fields'; and a plain filter meets the connections that one with a callout meets, whose
 * conditions are kept as they came.
 */
#include "tests/lib/engine_fixture.h"

#include "wfp/token.h"

#define KINDS 20u

static unsigned seed = 77;

static unsigned pick(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % below;
}

/* What conditions point to. */
struct room {
    FWP_RANGE0 range;
    FWP_V4_ADDR_AND_MASK v4;
    FWP_V6_ADDR_AND_MASK v6;
    FWP_BYTE_ARRAY16 address[2];
    FWP_BYTE_BLOB blob[2];
    UINT64 number[2];
    _Alignas(8) UINT8 bytes[2][64];
    _Alignas(8) UINT8 sid[16];
};

static FWP_VALUE0 blob_value(struct room *room, unsigned at)
{
    static const wchar_t names[3][12] = {L"\\bin\\sample", L"\\bin\\other", L"\\sample"};
    unsigned name = pick(4);

    room->blob[at] = (FWP_BYTE_BLOB){name == 3 ? 0 : sizeof(names[0]) - 2 * (name == 1) - 8 * (name == 2), NULL};
    if (name != 3)
        memcpy(room->bytes[at], names[name], room->blob[at].size);
    room->blob[at].data = name == 3 ? NULL : room->bytes[at];
    return (FWP_VALUE0){.type = FWP_BYTE_BLOB_TYPE, .byteBlob = &room->blob[at]};
}

static FWP_VALUE0 address_value(struct room *room, unsigned at)
{
    memset(&room->address[at], (int)(at * 0x40), sizeof(room->address[at]));
    room->address[at].byteArray16[15] = (UINT8)pick(3);
    return (FWP_VALUE0){.type = FWP_BYTE_ARRAY16_TYPE, .byteArray16 = &room->address[at]};
}

static FWP_VALUE0 number_value(struct room *room, unsigned at)
{
    room->number[at] = 0x100000000ull * at + pick(3);
    return (FWP_VALUE0){.type = FWP_UINT64, .uint64 = &room->number[at]};
}

static FWP_VALUE0 string_value(struct room *room, unsigned at, const wchar_t *text)
{
    size_t i = 0;

    for (; text[i] != 0; i++)
        memcpy(room->bytes[at] + 2 * i, text + i, 2);
    memset(room->bytes[at] + 2 * i, 0, 2);
    return (FWP_VALUE0){.type = FWP_UNICODE_STRING_TYPE, .unicodeString = (wchar_t *)(void *)room->bytes[at]};
}

static FWPM_FILTER_CONDITION0 plain(const GUID *key, FWP_MATCH_TYPE match, FWP_VALUE0 value)
{
    FWPM_FILTER_CONDITION0 condition = {.fieldKey = *key, .matchType = match};

    memcpy(&condition.conditionValue, &value, sizeof(value));
    return condition;
}

static FWPM_FILTER_CONDITION0 range_of(struct room *room, const GUID *key, FWP_VALUE0 low, FWP_VALUE0 high)
{
    room->range = (FWP_RANGE0){low, high};
    return (FWPM_FILTER_CONDITION0){*key, FWP_MATCH_RANGE, {.type = FWP_RANGE_TYPE, .rangeValue = &room->range}};
}

static FWPM_FILTER_CONDITION0 v6_condition(struct room *room, unsigned kind)
{
    const GUID *remote = &FWPM_CONDITION_IP_REMOTE_ADDRESS;

    if (kind == 0)
        return plain(remote, FWP_MATCH_EQUAL, address_value(room, 0));
    if (kind == 1)
        return range_of(room, remote, address_value(room, 0), address_value(room, 1));
    room->v6 = (FWP_V6_ADDR_AND_MASK){{0}, (UINT8)(120 + pick(9))};
    room->v6.addr[15] = (UINT8)pick(3);
    return (FWPM_FILTER_CONDITION0){*remote, FWP_MATCH_EQUAL, {.type = FWP_V6_ADDR_MASK, .v6AddrMask = &room->v6}};
}

static FWPM_FILTER_CONDITION0 v4_condition(struct room *room, unsigned kind)
{
    const GUID *remote = &FWPM_CONDITION_IP_REMOTE_ADDRESS;
    FWP_VALUE0 address = {.type = FWP_UINT32, .uint32 = 0xc0000206u + pick(3)}, last = address;

    if (kind == 0)
        return plain(remote, pick(2) == 0 ? FWP_MATCH_EQUAL : FWP_MATCH_NOT_EQUAL, address);
    last.uint32 += 1;
    if (kind == 1)
        return range_of(room, remote, address, last);
    room->v4 = (FWP_V4_ADDR_AND_MASK){0xc0000200u + pick(16), 0xffffff00u | (pick(2) == 0 ? 0xf8 : 0xff)};
    return (FWPM_FILTER_CONDITION0){*remote, FWP_MATCH_EQUAL, {.type = FWP_V4_ADDR_MASK, .v4AddrMask = &room->v4}};
}

/* A security descriptor need not be one that grants: each is kept. */
static FWPM_FILTER_CONDITION0 other_condition(struct room *room, unsigned kind)
{
    static const UINT8 sid[16] = {1, 2, 0, 0, 0, 0, 0, 15, 2, 0, 0, 0, 9, 9, 9, 9};
    static const UINT8 descriptor[52] = {1, 0, 0x04, 0x80, 0,  0, 0, 0,  0, 0, 0, 0, 0,  0, 0, 0, 20, 0,
                                         0, 0, 2,    0,    32, 0, 1, 0,  0, 0, 0, 0, 24, 0, 1, 0, 0,  0,
                                         1, 2, 0,    0,    0,  0, 0, 22, 1, 0, 0, 0, 5,  0, 0, 0};

    switch (kind) {
    case 0:
        return plain(&FWPM_CONDITION_ALE_APP_ID, pick(2) == 0 ? FWP_MATCH_EQUAL : FWP_MATCH_PREFIX,
                     blob_value(room, 0));
    case 1:
        return plain(&FWPM_CONDITION_ALE_APP_ID, FWP_MATCH_NOT_EQUAL, blob_value(room, 0));
    case 2:
        return plain(&FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_EQUAL, (FWP_VALUE0){.type = FWP_UINT8, .uint8 = pick(8)});
    case 3:
        return plain(&FWPM_CONDITION_IP_REMOTE_PORT, FWP_MATCH_GREATER_OR_EQUAL,
                     (FWP_VALUE0){.type = FWP_UINT16, .uint16 = (UINT16)(442 + pick(3))});
    case 4:
        return range_of(room, &FWPM_CONDITION_IP_REMOTE_PORT, (FWP_VALUE0){.type = FWP_UINT16, .uint16 = 440},
                        (FWP_VALUE0){.type = FWP_UINT16, .uint16 = (UINT16)(442 + pick(3))});
    case 5:
        return plain(&FWPM_CONDITION_FLAGS, FWP_MATCH_FLAGS_NONE_SET,
                     (FWP_VALUE0){.type = FWP_UINT32, .uint32 = 1u << pick(4)});
    case 6:
        return plain(&FWPM_CONDITION_IP_LOCAL_INTERFACE, FWP_MATCH_LESS, number_value(room, 1));
    case 7:
        return range_of(room, &FWPM_CONDITION_IP_LOCAL_INTERFACE, number_value(room, 0), number_value(room, 1));
    case 8:
        memcpy(room->sid, sid, sizeof(sid));
        return plain(&FWPM_CONDITION_ALE_PACKAGE_ID, FWP_MATCH_NOT_EQUAL,
                     (FWP_VALUE0){.type = FWP_SID, .sid = (SID *)(void *)room->sid});
    case 9:
        room->blob[0] = (FWP_BYTE_BLOB){sizeof(descriptor), room->bytes[0]};
        memcpy(room->bytes[0], descriptor, sizeof(descriptor));
        return plain(&FWPM_CONDITION_ALE_USER_ID, FWP_MATCH_EQUAL,
                     (FWP_VALUE0){.type = FWP_SECURITY_DESCRIPTOR_TYPE, .sd = &room->blob[0]});
    case 10:
        return plain(&FWPM_CONDITION_PEER_NAME, FWP_MATCH_NOT_EQUAL, string_value(room, 0, pick(2) == 0 ? L"" : L"b"));
    case 11:
        return range_of(room, &FWPM_CONDITION_PEER_NAME, string_value(room, 0, L"a"), string_value(room, 1, L"abc"));
    case 12:
        room->blob[0] = (FWP_BYTE_BLOB){1, (UINT8 *)"A"};
        room->blob[1] = (FWP_BYTE_BLOB){3, (UINT8 *)"zzz"};
        return range_of(room, &FWPM_CONDITION_ALE_APP_ID,
                        (FWP_VALUE0){.type = FWP_BYTE_BLOB_TYPE, .byteBlob = &room->blob[0]},
                        (FWP_VALUE0){.type = FWP_BYTE_BLOB_TYPE, .byteBlob = &room->blob[1]});
    default:
        return plain(&FWPM_CONDITION_INTERFACE_INDEX, FWP_MATCH_EQUAL, (FWP_VALUE0){.type = FWP_EMPTY});
    }
}

static FWPM_FILTER_CONDITION0 random_condition(struct room *room, BOOLEAN v6)
{
    unsigned kind = pick(17);

    if (kind < 3)
        return v6 ? v6_condition(room, kind) : v4_condition(room, kind);
    return other_condition(room, kind - 3);
}

static void assert_same_value(const FWP_VALUE0 *a, const FWP_VALUE0 *b)
{
    assert_int_equal(a->type, b->type);
    switch (a->type) {
    case FWP_EMPTY:
        break;
    case FWP_UINT8:
        assert_int_equal(a->uint8, b->uint8);
        break;
    case FWP_UINT16:
        assert_int_equal(a->uint16, b->uint16);
        break;
    case FWP_UINT32:
        assert_int_equal(a->uint32, b->uint32);
        break;
    case FWP_UINT64:
        assert_true(*a->uint64 == *b->uint64);
        break;
    case FWP_BYTE_ARRAY16_TYPE:
        assert_memory_equal(a->byteArray16, b->byteArray16, 16);
        break;
    case FWP_SID:
        assert_memory_equal(a->sid, b->sid, wfp_sid_size(a->sid));
        break;
    case FWP_UNICODE_STRING_TYPE:
        for (size_t i = 0; i == 0 || a->unicodeString[i - 1] != 0; i++)
            assert_int_equal(a->unicodeString[i], b->unicodeString[i]);
        break;
    default:
        assert_true(a->type == FWP_BYTE_BLOB_TYPE || a->type == FWP_SECURITY_DESCRIPTOR_TYPE);
        assert_int_equal(a->byteBlob->size, b->byteBlob->size);
        if (a->byteBlob->size != 0)
            assert_memory_equal(a->byteBlob->data, b->byteBlob->data, a->byteBlob->size);
        break;
    }
}

static void assert_same(const FWPM_FILTER_CONDITION0 *a, const FWPM_FILTER_CONDITION0 *b)
{
    const FWP_CONDITION_VALUE0 *x = &a->conditionValue, *y = &b->conditionValue;

    assert_true(IsEqualGUID(&a->fieldKey, &b->fieldKey));
    assert_int_equal(a->matchType, b->matchType);
    assert_int_equal(x->type, y->type);
    if (x->type == FWP_V4_ADDR_MASK) {
        assert_memory_equal(x->v4AddrMask, y->v4AddrMask, sizeof(*x->v4AddrMask));
    } else if (x->type == FWP_V6_ADDR_MASK) {
        assert_memory_equal(x->v6AddrMask, y->v6AddrMask, sizeof(*x->v6AddrMask));
    } else if (x->type == FWP_RANGE_TYPE) {
        assert_same_value(&x->rangeValue->valueLow, &y->rangeValue->valueLow);
        assert_same_value(&x->rangeValue->valueHigh, &y->rangeValue->valueHigh);
    } else {
        assert_same_value((const FWP_VALUE0 *)x, (const FWP_VALUE0 *)y);
    }
}

static BOOLEAN blocks(UINT64 id, BOOLEAN v6)
{
    struct wfp_ale_connect connect = make_connect(1);
    struct wfp_decision decision;

    if (v6) {
        connect.ip_version = 6;
        memset(connect.remote_address, 0, sizeof(connect.remote_address));
        connect.remote_address[15] = 1;
    }
    wfp_ale_connect(&connect, NULL, NULL, &decision);
    wfp_ale_endpoint_closed(connect.endpoint);
    assert_int_equal(FwpmFilterDeleteById0(engine, id), STATUS_SUCCESS);
    return decision.outcome == WFP_BLOCK;
}

static UINT64 add_and_get(const struct filter_spec *spec)
{
    UINT64 id = add_filter(engine, spec);
    FWPM_FILTER0 *copy;

    assert_int_equal(FwpmFilterGetById0(engine, id, &copy), STATUS_SUCCESS);
    assert_int_equal(copy->numFilterConditions, spec->count);
    assert_int_equal(copy->action.type, spec->action);
    for (UINT32 i = 0; i < spec->count; i++)
        assert_same(&copy->filterCondition[i], &spec->conditions[i]);
    FwpmFreeMemory0((void **)&copy);
    return id;
}

static void test_random(void **state)
{
    static struct room rooms[KINDS];
    FWPM_FILTER_CONDITION0 conditions[KINDS];
    struct sample blocker[2] = {{.act = SAMPLE_BLOCK_HARD}, {.act = SAMPLE_BLOCK_HARD}};
    const GUID layers[2] = {FWPM_LAYER_ALE_AUTH_CONNECT_V4, FWPM_LAYER_ALE_AUTH_CONNECT_V6};
    unsigned met = 0;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(sample_register(&blocker[i], 3, 0), STATUS_SUCCESS);
        add_callout(engine, &blocker[i], &layers[i]);
    }
    for (unsigned round = 0; round < 20000; round++) {
        BOOLEAN v6 = pick(2) == 0;
        unsigned count = pick(8) == 0 ? pick(KINDS + 1) : pick(4);
        struct filter_spec spec = {
            .layer = &layers[v6], .action = FWP_ACTION_BLOCK, .conditions = conditions, .count = count};
        BOOLEAN blocked;

        for (unsigned i = 0; i < count; i++)
            conditions[i] = random_condition(&rooms[i], v6);
        blocked = blocks(add_and_get(&spec), v6);
        spec.action = FWP_ACTION_CALLOUT_TERMINATING;
        spec.callout = &blocker[v6];
        assert_int_equal(blocks(add_and_get(&spec), v6), blocked);
        met += blocked;
    }
    assert_true(met > 2000 && met < 18000);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(sample_unregister(&blocker[i]), STATUS_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random, engine_setup, engine_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
