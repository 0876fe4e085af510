/* SPDX-License-Identifier: MIT */
/*
 * index.c - the index against a walk through all filters one by one, through random commits, and what a decision
 * looked at: bits that it did not look at are changed, and the decision must stay.
 *
 *   wfp-index [SEED [CASES]]
 *
 * The walk shares no line with wfp/: a condition is a span of numbers, a program's number, or flags. Pages: Filter
 * Arbitration, FWP_MATCH_TYPE (win32 desktop-src/FWP). Three callouts stand in the filters: one answers by the program
 * and promises that (wfp_callout_looks), one promises it of CONTINUE alone, one promises nothing.
 */
#include "tests/lib/engine_fixture.h"
#include "wfp/policy.h"

#include <stdio.h>
#include <time.h>

#define MOST_FILTERS    600
#define MOST_CONDITIONS 40
#define SUBLAYERS       2
#define PROGRAMS        6
#define ASKED           700
#define FREE_FLAGS      0x1fbu /* not IS_REAUTHORIZE, which is the engine's */

__extension__ typedef unsigned __int128 number;

enum field { APP, PROTOCOL, REMOTE_PORT, LOCAL_PORT, REMOTE_ADDRESS, LOCAL_ADDRESS, FLAGS, FIELDS };

struct condition {
    enum field field;
    FWP_MATCH_TYPE match; /* of FLAGS; else EQUAL or NOT_EQUAL to be in the span */
    number low, high;
};

struct filter {
    BOOLEAN there, deleted;
    UINT64 id, weight, context;
    int sublayer, callout; /* -1: none */
    FWP_ACTION_TYPE action;
    unsigned count;
    struct condition conditions[MOST_CONDITIONS];
};

struct connection {
    number value[FIELDS];
};

static unsigned long long seed, cases_wanted;
static UINT64 random_state;
static struct filter filters[MOST_FILTERS];
static struct filter *order[MOST_FILTERS];
static unsigned filter_count, order_count;
static GUID sublayers[SUBLAYERS];
static struct sample callouts[3];
static BOOLEAN v6;
static UINT64 asked[ASKED], expected[ASKED];
static unsigned asked_count, expected_count;
static wchar_t programs[PROGRAMS][8];

static unsigned pick(unsigned bound)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(random_state >> 33) % bound;
}

static unsigned width_of(enum field field)
{
    static const unsigned widths[FIELDS] = {8, 8, 16, 16, 0, 0, 32};

    return widths[field] != 0 ? widths[field] : v6 ? 128 : 32;
}

static number most(unsigned width)
{
    return ~(number)0 >> (128 - width);
}

/* Few of them, close together: so that prefixes hold one another, and values meet conditions. */
static number any_number(enum field field)
{
    unsigned width = width_of(field);
    number value = pick(4) == 0 ? pick(3) : 0;

    if (field == APP)
        return pick(PROGRAMS);
    if (field == PROTOCOL)
        return pick(3) == 0 ? 17 : 6;
    if (field == FLAGS)
        return ((number)pick(8) | (pick(4) == 0 ? 0x100u : 0)) & FREE_FLAGS;
    for (unsigned i = 0; i < 3; i++)
        value ^= (number)1 << (pick(3) != 0 ? pick(width) : width - 1 - pick(6));
    return (pick(2) == 0 ? most(width) / 3 : (number)10 << (width - 8)) ^ value;
}

/* --- The walk -------------------------------------------------------------------------------------------------- */

static BOOLEAN holds(const struct condition *condition, number value)
{
    UINT32 flags = (UINT32)value, wanted = (UINT32)condition->low;

    if (condition->field == FLAGS)
        return condition->match == FWP_MATCH_FLAGS_ALL_SET   ? (flags & wanted) == wanted
               : condition->match == FWP_MATCH_FLAGS_ANY_SET ? (flags & wanted) != 0
                                                             : (flags & wanted) == 0;
    return (value >= condition->low && value <= condition->high) == (condition->match == FWP_MATCH_EQUAL);
}

static BOOLEAN matches(const struct filter *filter, const struct connection *connection)
{
    unsigned named = 0, held = 0;

    for (unsigned i = 0; i < filter->count; i++) {
        const struct condition *condition = &filter->conditions[i];

        named |= 1u << condition->field;
        if ((held & 1u << condition->field) == 0 && holds(condition, connection->value[condition->field]))
            held |= 1u << condition->field;
    }
    return named == held;
}

static FWP_ACTION_TYPE answer_of(int callout, UINT64 context, unsigned program)
{
    if (callout != 0 || (context + program) % 3 == 0)
        return FWP_ACTION_CONTINUE;
    return (context + program) % 3 == 1 ? FWP_ACTION_PERMIT : FWP_ACTION_BLOCK;
}

static enum wfp_outcome walk(const struct connection *connection, UINT64 *decided_by)
{
    enum wfp_outcome outcome = WFP_PERMIT;
    BOOLEAN right = TRUE;
    int decided = -1; /* sublayer */

    *decided_by = 0;
    expected_count = 0;
    for (unsigned i = 0; i < order_count; i++) {
        const struct filter *filter = order[i];
        FWP_ACTION_TYPE action = filter->action;

        if (filter->sublayer == decided || !matches(filter, connection) || action == FWP_ACTION_CONTINUE)
            continue;
        if (filter->callout >= 0) {
            expected[expected_count++] = filter->id;
            action = right ? answer_of(filter->callout, filter->context, (unsigned)connection->value[APP])
                           : FWP_ACTION_CONTINUE;
            if (action == FWP_ACTION_CONTINUE)
                continue;
        }
        decided = filter->sublayer;
        if (!right)
            continue;
        outcome = action == FWP_ACTION_BLOCK ? WFP_BLOCK : WFP_PERMIT;
        *decided_by = filter->id;
        right = action != FWP_ACTION_BLOCK || filter->callout >= 0;
    }
    return outcome;
}

static int compare_filters(const void *a, const void *b)
{
    const struct filter *x = *(struct filter *const *)a, *y = *(struct filter *const *)b;

    if (x->sublayer != y->sublayer)
        return x->sublayer - y->sublayer;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void sort_filters(void)
{
    order_count = 0;
    for (unsigned i = 0; i < MOST_FILTERS; i++)
        if (filters[i].there)
            order[order_count++] = &filters[i];
    qsort(order, order_count, sizeof(order[0]), compare_filters);
}

/* --- The engine ------------------------------------------------------------------------------------------------ */

static void NTAPI ask(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata, void *data,
                      const void *classify_context, const FWPS_FILTER3 *filter, UINT64 flow, FWPS_CLASSIFY_OUT0 *out)
{
    const FWP_BYTE_BLOB *app = values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_ALE_APP_ID].value.byteBlob;
    int callout = (int)(filter->context >> 32);

    (void)metadata;
    (void)data;
    (void)classify_context;
    (void)flow;
    if (asked_count < ASKED)
        asked[asked_count++] = filter->filterId;
    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0)
        return;
    out->actionType = answer_of(callout, filter->context & 0xffffffff, app->data[10] - '0');
}

static NTSTATUS NTAPI agree(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *key, FWPS_FILTER3 *filter)
{
    (void)type;
    (void)key;
    (void)filter;
    return STATUS_SUCCESS;
}

static const GUID *layer_key(void)
{
    return v6 ? &FWPM_LAYER_ALE_AUTH_CONNECT_V6 : &FWPM_LAYER_ALE_AUTH_CONNECT_V4;
}

static void put_bytes(number value, UINT8 bytes[16])
{
    for (unsigned i = 0; i < 16; i++)
        bytes[i] = (UINT8)(value >> (120 - 8 * i));
}

/* What the real conditions point to. */
static struct {
    FWP_RANGE0 range;
    FWP_BYTE_ARRAY16 low, high;
    FWP_V4_ADDR_AND_MASK v4;
    FWP_V6_ADDR_AND_MASK v6;
    FWP_BYTE_BLOB app;
} stores[MOST_CONDITIONS];

static void put_value(FWP_VALUE0 *to, enum field field, number value, FWP_BYTE_ARRAY16 *bytes)
{
    unsigned width = width_of(field);

    if (width == 128) {
        put_bytes(value, bytes->byteArray16);
        to->type = FWP_BYTE_ARRAY16_TYPE;
        to->byteArray16 = bytes;
    } else {
        to->type = width == 8 ? FWP_UINT8 : width == 16 ? FWP_UINT16 : FWP_UINT32;
        to->uint32 = (UINT32)value;
    }
}

/* A subnet; the span is made to fit. */
static void put_subnet(struct condition *condition, FWPM_FILTER_CONDITION0 *real, unsigned at)
{
    unsigned width = width_of(condition->field), length = pick(4) == 0 ? pick(width + 1) : width - pick(13);
    number mask = length == 0 ? 0 : most(width) << (width - length) & most(width);

    condition->low &= mask;
    condition->high = condition->low | (most(width) & ~mask);
    if (v6) {
        put_bytes(condition->low, stores[at].v6.addr);
        stores[at].v6.prefixLength = (UINT8)length;
        real->conditionValue.type = FWP_V6_ADDR_MASK;
        real->conditionValue.v6AddrMask = &stores[at].v6;
    } else {
        stores[at].v4 = (FWP_V4_ADDR_AND_MASK){(UINT32)condition->low, (UINT32)mask};
        real->conditionValue.type = FWP_V4_ADDR_MASK;
        real->conditionValue.v4AddrMask = &stores[at].v4;
    }
}

static void put_comparison(struct condition *condition, FWPM_FILTER_CONDITION0 *real, unsigned at)
{
    unsigned width = width_of(condition->field);
    number value = condition->low;

    put_value((FWP_VALUE0 *)&real->conditionValue, condition->field, value, &stores[at].low);
    if (condition->match == FWP_MATCH_NOT_EQUAL || pick(3) != 0)
        return;
    if (pick(2) == 0) {
        condition->high = most(width);
        real->matchType = value != most(width) && pick(2) == 0 ? FWP_MATCH_GREATER : FWP_MATCH_GREATER_OR_EQUAL;
        condition->low += real->matchType == FWP_MATCH_GREATER;
    } else {
        condition->low = 0;
        real->matchType = value != 0 && pick(2) == 0 ? FWP_MATCH_LESS : FWP_MATCH_LESS_OR_EQUAL;
        condition->high -= real->matchType == FWP_MATCH_LESS;
    }
}

static void make_condition(struct condition *condition, FWPM_FILTER_CONDITION0 *real, unsigned at, enum field field)
{
    static const GUID *const keys[FIELDS] = {
        &FWPM_CONDITION_ALE_APP_ID,    &FWPM_CONDITION_IP_PROTOCOL,       &FWPM_CONDITION_IP_REMOTE_PORT,
        &FWPM_CONDITION_IP_LOCAL_PORT, &FWPM_CONDITION_IP_REMOTE_ADDRESS, &FWPM_CONDITION_IP_LOCAL_ADDRESS,
        &FWPM_CONDITION_FLAGS};
    number value = any_number(field);

    *condition = (struct condition){field, pick(12) == 0 ? FWP_MATCH_NOT_EQUAL : FWP_MATCH_EQUAL, value, value};
    *real = (FWPM_FILTER_CONDITION0){.fieldKey = *keys[field]};
    if (field == FLAGS)
        condition->match = (FWP_MATCH_TYPE)(FWP_MATCH_FLAGS_ALL_SET + pick(3));
    real->matchType = condition->match;
    if (field == APP) {
        stores[at].app = (FWP_BYTE_BLOB){sizeof(programs[0]), (UINT8 *)programs[(unsigned)value]};
        real->conditionValue.type = FWP_BYTE_BLOB_TYPE;
        real->conditionValue.byteBlob = &stores[at].app;
    } else if ((field == REMOTE_ADDRESS || field == LOCAL_ADDRESS) && pick(2) == 0) {
        put_subnet(condition, real, at);
    } else if (field != FLAGS && condition->match == FWP_MATCH_EQUAL && pick(3) == 0) {
        number other = pick(2) == 0 ? any_number(field) : value + pick(9);

        other = other > most(width_of(field)) ? value : other;
        condition->low = value < other ? value : other;
        condition->high = value < other ? other : value;
        put_value(&stores[at].range.valueLow, field, condition->low, &stores[at].low);
        put_value(&stores[at].range.valueHigh, field, condition->high, &stores[at].high);
        real->matchType = FWP_MATCH_RANGE;
        real->conditionValue.type = FWP_RANGE_TYPE;
        real->conditionValue.rangeValue = &stores[at].range;
    } else if (field == FLAGS) {
        put_value((FWP_VALUE0 *)&real->conditionValue, field, value, &stores[at].low);
    } else {
        put_comparison(condition, real, at);
    }
}

/* Mostly one condition a field; lists of several; now and then a long one. */
static void make_conditions(struct filter *filter, FWPM_FILTER_CONDITION0 *real)
{
    static const enum field often[] = {APP,      APP,           REMOTE_ADDRESS, REMOTE_ADDRESS, REMOTE_PORT,
                                       PROTOCOL, LOCAL_ADDRESS, LOCAL_PORT,     FLAGS};

    for (unsigned fields = pick(8) == 0 ? 0 : 1 + pick(3); fields != 0; fields--) {
        enum field field = often[pick(sizeof(often) / sizeof(often[0]))];
        unsigned count = pick(4) != 0 ? 1 : pick(10) != 0 ? 1 + pick(3) : 9 + pick(4);

        for (; count != 0 && filter->count < MOST_CONDITIONS; count--, filter->count++)
            make_condition(&filter->conditions[filter->count], &real[filter->count], filter->count, field);
    }
}

static void add_one(void)
{
    static const FWP_ACTION_TYPE actions[] = {FWP_ACTION_PERMIT, FWP_ACTION_BLOCK,    FWP_ACTION_PERMIT,
                                              FWP_ACTION_BLOCK,  FWP_ACTION_CONTINUE, FWP_ACTION_CALLOUT_TERMINATING};
    FWPM_FILTER_CONDITION0 real[MOST_CONDITIONS];
    unsigned slot = 0;

    while (slot < MOST_FILTERS && filters[slot].there)
        slot++;
    if (slot == MOST_FILTERS)
        return;
    struct filter *filter = &filters[slot];
    wchar_t name[] = L"index";
    *filter = (struct filter){.there = TRUE,
                              .weight = 1 + pick(200),
                              .context = pick(100),
                              .sublayer = (int)pick(SUBLAYERS),
                              .callout = -1,
                              .action = actions[pick(6)]};
    if (filter->action == FWP_ACTION_CALLOUT_TERMINATING)
        filter->callout = pick(6) == 0 ? 2 : (int)pick(2);
    make_conditions(filter, real);
    FWPM_FILTER0 add = {.displayData.name = name,
                        .layerKey = *layer_key(),
                        .subLayerKey = sublayers[filter->sublayer],
                        .weight = {.type = FWP_UINT64, .uint64 = &filter->weight},
                        .numFilterConditions = filter->count,
                        .filterCondition = real,
                        .rawContext = filter->context | (UINT64)(filter->callout < 0 ? 0 : filter->callout) << 32,
                        .action.type = filter->action};
    if (filter->callout >= 0)
        add.action.calloutKey = callouts[filter->callout].key;
    assert_int_equal(FwpmFilterAdd0(engine, &add, NULL, &filter->id), STATUS_SUCCESS);
    filter_count++;
}

static void delete_one(void)
{
    if (filter_count == 0)
        return;
    unsigned at = pick(MOST_FILTERS);
    while (!filters[at].there)
        at = (at + 1) % MOST_FILTERS;
    assert_int_equal(FwpmFilterDeleteById0(engine, filters[at].id), STATUS_SUCCESS);
    filters[at].there = FALSE;
    filter_count--;
}

/* A commit: one filter, some, or many; sometimes taken back, which the walk must not see. */
static void change(unsigned wanted)
{
    unsigned adds = filter_count < wanted ? (pick(3) == 0 ? wanted - filter_count : 1 + pick(12)) : pick(3);
    unsigned deletes = filter_count > wanted / 2 ? pick(4) == 0 ? pick(filter_count + 1) : pick(4) : 0;
    static struct filter before[MOST_FILTERS];
    unsigned count_before = filter_count;
    BOOLEAN undo = pick(8) == 0;

    if (undo)
        memcpy(before, filters, sizeof(before));
    assert_int_equal(FwpmTransactionBegin0(engine, 0), STATUS_SUCCESS);
    while (adds + deletes != 0) {
        if (pick(adds + deletes) < adds) {
            add_one();
            adds--;
        } else {
            delete_one();
            deletes--;
        }
    }
    assert_int_equal(undo ? FwpmTransactionAbort0(engine) : FwpmTransactionCommit0(engine), STATUS_SUCCESS);
    if (undo) {
        memcpy(filters, before, sizeof(before));
        filter_count = count_before;
    }
    sort_filters();
}

/* --- Cases ----------------------------------------------------------------------------------------------------- */

static void classify(const struct connection *connection, struct wfp_decision *decision)
{
    FWP_BYTE_BLOB app = {sizeof(programs[0]), (UINT8 *)programs[(unsigned)connection->value[APP]]};
    struct wfp_ale_connect real = make_connect(7);
    UINT8 remote[16], local[16];

    put_bytes(connection->value[REMOTE_ADDRESS] << (v6 ? 0 : 96), remote);
    put_bytes(connection->value[LOCAL_ADDRESS] << (v6 ? 0 : 96), local);
    memcpy(real.remote_address, remote, 16);
    memcpy(real.local_address, local, 16);
    real.ip_version = v6 ? 6 : 4;
    real.app_id = &app;
    real.protocol = (UINT8)connection->value[PROTOCOL];
    real.remote_port = (UINT16)connection->value[REMOTE_PORT];
    real.local_port = (UINT16)connection->value[LOCAL_PORT];
    real.condition_flags = (UINT32)connection->value[FLAGS];
    asked_count = 0;
    wfp_ale_connect(&real, on_done, NULL, decision);
    wfp_ale_endpoint_closed(7);
}

/* Bits of the field that were not looked at. */
static number unseen(const struct wfp_looked *looked, enum field field)
{
    static const unsigned places[FIELDS] = {FWPS_FIELD_ALE_AUTH_CONNECT_V4_ALE_APP_ID,
                                            FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_PROTOCOL,
                                            FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_PORT,
                                            FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_LOCAL_PORT,
                                            FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_ADDRESS,
                                            FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_LOCAL_ADDRESS,
                                            FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS};
    unsigned width = width_of(field);
    unsigned bits = field == REMOTE_ADDRESS ? looked->remote_address_bits : looked->local_address_bits;

    if ((looked->fields & 1ull << places[field]) == 0)
        return field == FLAGS ? FREE_FLAGS : most(width);
    switch (field) {
    case REMOTE_PORT:
        return (UINT16)~looked->remote_port_mask;
    case LOCAL_PORT:
        return (UINT16)~looked->local_port_mask;
    case REMOTE_ADDRESS:
    case LOCAL_ADDRESS:
        return bits >= width ? 0 : most(width) >> bits;
    case FLAGS:
        return FREE_FLAGS & ~looked->flags_mask;
    default:
        return 0;
    }
}

/* Another connection that differs only in what was not looked at. */
static struct connection disguise(const struct connection *connection, const struct wfp_looked *looked)
{
    struct connection other = *connection;

    for (unsigned field = 0; field < FIELDS; field++) {
        number mask = unseen(looked, (enum field)field);
        number value = pick(2) == 0 ? any_number((enum field)field) : connection->value[field];

        if (pick(3) == 0 && field != APP && field != FLAGS)
            value ^= ((number)pick(0x7fffffff) << 96 | (number)pick(0x7fffffff) << 64 | (number)pick(0x7fffffff) << 32 |
                      pick(0x7fffffff)) &
                     most(width_of((enum field)field));
        other.value[field] = (connection->value[field] & ~mask) | (value & mask);
    }
    return other;
}

static void compare(const struct connection *connection, const struct wfp_decision *decision, const char *what)
{
    UINT64 decided_by;
    enum wfp_outcome outcome = walk(connection, &decided_by);

    if (decision->outcome != outcome || decision->filter_id != decided_by || asked_count != expected_count ||
        memcmp(asked, expected, asked_count * sizeof(asked[0])) != 0)
        fail_msg("seed %llu, %s: outcome %d by filter %llu, %u asked; the walk says %d by %llu, %u", seed, what,
                 decision->outcome, (unsigned long long)decision->filter_id, asked_count, outcome,
                 (unsigned long long)decided_by, expected_count);
}

static unsigned looked_count, partly_count;

static void try_connection(void)
{
    struct connection connection;
    struct wfp_decision decision, again;

    for (unsigned field = 0; field < FIELDS; field++)
        connection.value[field] = any_number((enum field)field);
    classify(&connection, &decision);
    compare(&connection, &decision, "as it is");
    if (decision.looked.all)
        return;
    looked_count++;
    partly_count += unseen(&decision.looked, REMOTE_ADDRESS) != 0;
    for (unsigned i = 0; i < 2; i++) {
        struct connection other = disguise(&connection, &decision.looked);

        classify(&other, &again);
        if (again.outcome != decision.outcome || again.filter_id != decision.filter_id)
            fail_msg("seed %llu: filter %llu decided %d, and with other values where nothing was looked at, filter "
                     "%llu %d",
                     seed, (unsigned long long)decision.filter_id, decision.outcome,
                     (unsigned long long)again.filter_id, again.outcome);
        compare(&other, &again, "disguised");
    }
}

static void add_callouts(void)
{
    for (unsigned i = 0; i < 3; i++) {
        FWPS_CALLOUT3 callout = {.classifyFn = ask, .notifyFn = agree};

        callouts[i] = (struct sample){.key = make_key(910000u + i)};
        callout.calloutKey = callouts[i].key;
        assert_int_equal(FwpsCalloutRegister3(&callout, &callout, &callouts[i].id), STATUS_SUCCESS);
        add_callout(engine, &callouts[i], layer_key());
    }
    wfp_callout_looks(&callouts[0].key, 1ull << FWPS_FIELD_ALE_AUTH_CONNECT_V4_ALE_APP_ID, TRUE);
    wfp_callout_looks(&callouts[1].key, 1ull << FWPS_FIELD_ALE_AUTH_CONNECT_V4_ALE_APP_ID, FALSE);
}

static void remove_all(void)
{
    for (unsigned i = 0; i < MOST_FILTERS; i++)
        if (filters[i].there)
            assert_int_equal(FwpmFilterDeleteById0(engine, filters[i].id), STATUS_SUCCESS);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(FwpmCalloutDeleteByKey0(engine, &callouts[i].key), STATUS_SUCCESS);
        assert_int_equal(FwpsCalloutUnregisterById0(callouts[i].id), STATUS_SUCCESS);
    }
    for (unsigned i = 0; i < SUBLAYERS; i++)
        assert_int_equal(FwpmSubLayerDeleteByKey0(engine, &sublayers[i]), STATUS_SUCCESS);
    memset(filters, 0, sizeof(filters));
    filter_count = order_count = 0;
}

/* One life of a policy: many commits, connections after each. */
static unsigned long long try_policy(void)
{
    static const unsigned sizes[] = {6, 20, 60, 60, 150, 400};
    unsigned wanted = sizes[pick(6)];
    unsigned long long cases = 0;

    v6 = pick(3) == 0;
    wfp_policy_set_steps(2 + pick(12), 16 + pick(60));
    for (unsigned i = 0; i < SUBLAYERS; i++)
        sublayers[i] = add_sublayer(engine, (UINT16)(100 - i));
    add_callouts();
    for (unsigned commits = 8 + pick(20); commits != 0; commits--) {
        change(wanted);
        for (unsigned i = 0; i < 60; i++, cases++)
            try_connection();
    }
    remove_all();
    return cases;
}

static void test_random_policies(void **state)
{
    unsigned long long cases = 0;

    (void)state;
    for (unsigned i = 0; i < PROGRAMS; i++)
        for (unsigned j = 0; j < 8; j++)
            programs[i][j] = j == 5 ? (wchar_t)('0' + i) : j == 7 ? 0 : 'p';
    while (cases < cases_wanted)
        cases += try_policy();
    wfp_policy_set_steps(0, 0);
    print_message("%llu cases; what was looked at is known of %u, %u of them not the whole address\n", cases,
                  looked_count, partly_count);
    assert_true(looked_count > cases / 4);
    assert_true(partly_count > cases / 8);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_policies, engine_setup, engine_teardown),
    };
    const char *full = getenv("GATEHOUSE_FULL");

    seed = random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : (unsigned long long)time(NULL);
    cases_wanted = argc > 2 ? strtoull(argv[2], NULL, 0) : full != NULL && full[0] == '1' ? 3000000 : 300000;
    printf("seed %llu\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
