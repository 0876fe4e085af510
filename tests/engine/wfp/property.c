/* SPDX-License-Identifier: MIT */
/*
 * property.c - random policies and connects: the engine against a second, naive evaluation written from the page
 * Filter Arbitration (win32 desktop-src/FWP) and the FWP_MATCH_TYPE page. The seed is printed; give it as argument.
 */
#include "tests/lib/engine_fixture.h"

#include <stdio.h>
#include <time.h>

#define SUBLAYERS  4
#define FILTERS    12
#define CONDITIONS 4
#define POLICIES   400
#define CONNECTS   60

enum field { PROTOCOL, PORT, ADDRESS, FLAGS, FIELD_COUNT };

struct model_condition {
    enum field field;
    FWP_MATCH_TYPE match;
    UINT32 low, high; /* ADDRESS with EQUAL: address and mask */
};

struct model_filter {
    UINT64 id, weight;
    int sublayer;
    FWP_ACTION_TYPE action;
    int callout; /* -1: none */
    BOOLEAN clear_right, permit_if_unregistered;
    int count;
    struct model_condition conditions[CONDITIONS];
};

struct model_connect {
    UINT32 value[FIELD_COUNT];
};

static unsigned long long random_state;

static unsigned pick(unsigned bound)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(random_state >> 33) % bound;
}

static struct sample callouts[4];
static BOOLEAN registered[4];
static struct model_filter model[FILTERS];
static UINT16 sublayer_weight[SUBLAYERS];

static BOOLEAN condition_holds(const struct model_condition *condition, UINT32 value)
{
    switch (condition->match) {
    case FWP_MATCH_EQUAL:
        return condition->field == ADDRESS ? (value & condition->high) == (condition->low & condition->high)
                                           : value == condition->low;
    case FWP_MATCH_NOT_EQUAL:
        return value != condition->low;
    case FWP_MATCH_GREATER:
        return value > condition->low;
    case FWP_MATCH_LESS_OR_EQUAL:
        return value <= condition->low;
    case FWP_MATCH_RANGE:
        return value >= condition->low && value <= condition->high;
    case FWP_MATCH_FLAGS_ALL_SET:
        return (value & condition->low) == condition->low;
    case FWP_MATCH_FLAGS_ANY_SET:
        return (value & condition->low) != 0;
    default:
        return (value & condition->low) == 0;
    }
}

static BOOLEAN filter_matches(const struct model_filter *filter, const struct model_connect *connect)
{
    for (int field = 0; field < FIELD_COUNT; field++) {
        int asked = 0, held = 0;

        for (int i = 0; i < filter->count; i++) {
            if ((int)filter->conditions[i].field == field) {
                asked++;
                held += condition_holds(&filter->conditions[i], connect->value[field]);
            }
        }
        if (asked != 0 && held == 0)
            return FALSE;
    }
    return TRUE;
}

/* What one filter says: action 0 nothing; *hard. had_right and so_far as the page has them. */
static FWP_ACTION_TYPE says(const struct model_filter *filter, BOOLEAN had_right, FWP_ACTION_TYPE so_far, BOOLEAN *hard)
{
    FWP_ACTION_TYPE action = filter->action;

    if (action == FWP_ACTION_CONTINUE)
        return 0;
    if (filter->callout >= 0) {
        if (!registered[filter->callout]) {
            if (action == FWP_ACTION_CALLOUT_INSPECTION)
                return 0;
            action = filter->permit_if_unregistered ? FWP_ACTION_PERMIT : FWP_ACTION_BLOCK;
        } else {
            enum sample_act act = callouts[filter->callout].act;

            if (action == FWP_ACTION_CALLOUT_INSPECTION)
                return 0;
            if (act == SAMPLE_VETO)
                return !had_right && so_far == FWP_ACTION_PERMIT ? (*hard = TRUE, FWP_ACTION_BLOCK) : 0;
            if (!had_right || act == SAMPLE_CONTINUE)
                return 0;
            *hard = act == SAMPLE_PERMIT_HARD || act == SAMPLE_BLOCK_HARD;
            return act == SAMPLE_PERMIT_SOFT || act == SAMPLE_PERMIT_HARD ? FWP_ACTION_PERMIT : FWP_ACTION_BLOCK;
        }
    }
    *hard = action == FWP_ACTION_BLOCK || filter->clear_right;
    return action;
}

/* The next heavier-first filter of a sublayer below weight. */
static const struct model_filter *next_in(int sublayer, UINT64 below)
{
    const struct model_filter *best = NULL;

    for (int i = 0; i < FILTERS; i++)
        if (model[i].sublayer == sublayer && model[i].weight < below &&
            (best == NULL || model[i].weight > best->weight))
            best = &model[i];
    return best;
}

static enum wfp_outcome evaluate(const struct model_connect *connect, UINT64 *filter_id)
{
    FWP_ACTION_TYPE so_far = 0;
    BOOLEAN right = TRUE;
    BOOLEAN visited[SUBLAYERS] = {0};

    *filter_id = 0;
    for (int round = 0; round < SUBLAYERS; round++) {
        int sublayer = -1;
        UINT64 below = UINT64_MAX;
        const struct model_filter *filter;

        for (int i = 0; i < SUBLAYERS; i++)
            if (!visited[i] && (sublayer < 0 || sublayer_weight[i] > sublayer_weight[sublayer]))
                sublayer = i;
        visited[sublayer] = TRUE;
        while ((filter = next_in(sublayer, below)) != NULL) {
            BOOLEAN hard = FALSE;
            FWP_ACTION_TYPE action;

            below = filter->weight;
            if (!filter_matches(filter, connect))
                continue;
            action = says(filter, right, so_far, &hard);
            if (action == 0)
                continue;
            /* Without the right only a callout's veto gets here as an answer that counts. */
            if (right || (filter->callout >= 0 && registered[filter->callout] && action == FWP_ACTION_BLOCK)) {
                so_far = action;
                right = right && !hard;
                *filter_id = filter->id;
            }
            break;
        }
    }
    return so_far == FWP_ACTION_BLOCK ? WFP_BLOCK : WFP_PERMIT;
}

static void make_condition(struct model_condition *condition, FWPM_FILTER_CONDITION0 *real, FWP_RANGE0 *range,
                           FWP_V4_ADDR_AND_MASK *subnet)
{
    static const FWP_MATCH_TYPE number_matches[] = {FWP_MATCH_EQUAL, FWP_MATCH_NOT_EQUAL, FWP_MATCH_GREATER,
                                                    FWP_MATCH_LESS_OR_EQUAL, FWP_MATCH_RANGE};
    static const FWP_MATCH_TYPE flag_matches[] = {FWP_MATCH_FLAGS_ALL_SET, FWP_MATCH_FLAGS_ANY_SET,
                                                  FWP_MATCH_FLAGS_NONE_SET};

    condition->field = (enum field)pick(FIELD_COUNT);
    condition->low = pick(8);
    condition->high = condition->low + pick(4);
    condition->match = condition->field == FLAGS     ? flag_matches[pick(3)]
                       : condition->field == ADDRESS ? FWP_MATCH_EQUAL
                                                     : number_matches[pick(5)];
    real->matchType = condition->match;
    if (condition->field == PROTOCOL) {
        real->fieldKey = FWPM_CONDITION_IP_PROTOCOL;
        real->conditionValue.type = FWP_UINT8;
        real->conditionValue.uint8 = (UINT8)condition->low;
    } else if (condition->field == PORT) {
        real->fieldKey = FWPM_CONDITION_IP_REMOTE_PORT;
        real->conditionValue.type = FWP_UINT16;
        real->conditionValue.uint16 = (UINT16)condition->low;
    } else if (condition->field == FLAGS) {
        real->fieldKey = FWPM_CONDITION_FLAGS;
        real->conditionValue.type = FWP_UINT32;
        real->conditionValue.uint32 = condition->low;
    } else {
        condition->high = 0xffffffffu << pick(4);
        real->fieldKey = FWPM_CONDITION_IP_REMOTE_ADDRESS;
        *subnet = (FWP_V4_ADDR_AND_MASK){condition->low, condition->high};
        real->conditionValue.type = FWP_V4_ADDR_MASK;
        real->conditionValue.v4AddrMask = subnet;
    }
    if (condition->match == FWP_MATCH_RANGE) {
        range->valueLow.type = range->valueHigh.type = real->conditionValue.type;
        range->valueLow.uint16 = (UINT16)condition->low;
        range->valueHigh.uint16 = (UINT16)condition->high;
        real->conditionValue.type = FWP_RANGE_TYPE;
        real->conditionValue.rangeValue = range;
    }
}

static void make_filter(HANDLE session, struct model_filter *filter, int serial, const GUID *sublayers)
{
    static const FWP_ACTION_TYPE actions[] = {FWP_ACTION_PERMIT,          FWP_ACTION_BLOCK,
                                              FWP_ACTION_CONTINUE,        FWP_ACTION_CALLOUT_TERMINATING,
                                              FWP_ACTION_CALLOUT_UNKNOWN, FWP_ACTION_CALLOUT_INSPECTION};
    FWPM_FILTER_CONDITION0 conditions[CONDITIONS];
    FWP_RANGE0 ranges[CONDITIONS];
    FWP_V4_ADDR_AND_MASK subnets[CONDITIONS];
    struct filter_spec spec;

    memset(filter, 0, sizeof(*filter));
    filter->sublayer = (int)pick(SUBLAYERS);
    filter->weight = 1 + pick(1000) * FILTERS + (unsigned)serial;
    filter->action = actions[pick(6)];
    filter->callout = (filter->action & FWP_ACTION_FLAG_CALLOUT) != 0 ? (int)pick(4) : -1;
    filter->clear_right = pick(3) == 0;
    filter->permit_if_unregistered =
        filter->callout >= 0 && filter->action != FWP_ACTION_CALLOUT_INSPECTION && pick(2) == 0;
    filter->count = (int)pick(CONDITIONS + 1);
    for (int i = 0; i < filter->count; i++)
        make_condition(&filter->conditions[i], &conditions[i], &ranges[i], &subnets[i]);
    spec = (struct filter_spec){
        .sublayer = &sublayers[filter->sublayer],
        .weight = filter->weight,
        .action = filter->action,
        .callout = filter->callout < 0 ? NULL : &callouts[filter->callout],
        .flags = (filter->clear_right ? FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT : 0u) |
                 (filter->permit_if_unregistered ? FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED : 0u),
        .conditions = conditions,
        .count = (UINT32)filter->count,
    };
    filter->id = add_filter(session, &spec);
}

static void try_connects(int policy)
{
    for (int i = 0; i < CONNECTS; i++) {
        struct model_connect connect = {{pick(10), pick(12), pick(12), pick(8) & ~4u}};
        struct wfp_ale_connect real = make_connect(7);
        struct wfp_decision decision;
        UINT64 filter_id;
        enum wfp_outcome expected = evaluate(&connect, &filter_id);

        real.protocol = (UINT8)connect.value[PROTOCOL];
        real.remote_port = (UINT16)connect.value[PORT];
        memset(real.remote_address, 0, sizeof(real.remote_address));
        real.remote_address[3] = (UINT8)connect.value[ADDRESS];
        real.condition_flags = connect.value[FLAGS];
        wfp_ale_connect(&real, on_done, NULL, &decision);
        if (decision.outcome != expected || decision.filter_id != filter_id)
            fail_msg("policy %d connect %d: outcome %d filter %llu, naive %d filter %llu", policy, i, decision.outcome,
                     (unsigned long long)decision.filter_id, expected, (unsigned long long)filter_id);
        wfp_ale_endpoint_closed(7);
    }
}

static void test_random_policies(void **state)
{
    static const enum sample_act acts[] = {SAMPLE_CONTINUE,   SAMPLE_PERMIT_SOFT, SAMPLE_PERMIT_HARD,
                                           SAMPLE_BLOCK_SOFT, SAMPLE_BLOCK_HARD,  SAMPLE_VETO};
    FWPM_SESSION0 dynamic = {.flags = FWPM_SESSION_FLAG_DYNAMIC};

    (void)state;
    for (int i = 0; i < 4; i++)
        callouts[i].key = make_key(800000u + (unsigned)i);
    for (int policy = 0; policy < POLICIES; policy++) {
        GUID sublayers[SUBLAYERS];
        HANDLE session;

        assert_int_equal(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &dynamic, &session), STATUS_SUCCESS);
        for (int i = 0; i < SUBLAYERS; i++) {
            sublayer_weight[i] = (UINT16)(pick(1000) * SUBLAYERS + (unsigned)i);
            sublayers[i] = add_sublayer(session, sublayer_weight[i]);
        }
        for (int i = 0; i < 4; i++) {
            callouts[i].act = acts[pick(6)];
            registered[i] = pick(4) != 0;
            if (registered[i])
                assert_int_equal(sample_register(&callouts[i], pick(4), 0), STATUS_SUCCESS);
            else
                callouts[i].id = 0;
            add_callout(session, &callouts[i], NULL);
        }
        for (int i = 0; i < FILTERS; i++)
            make_filter(session, &model[i], i, sublayers);
        try_connects(policy);
        assert_int_equal(FwpmEngineClose0(session), STATUS_SUCCESS);
        for (int i = 0; i < 4; i++)
            if (registered[i])
                assert_int_equal(sample_unregister(&callouts[i]), STATUS_SUCCESS);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random_policies, engine_setup, engine_teardown),
    };

    random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : (unsigned long long)time(NULL);
    printf("seed %llu\n", random_state);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
