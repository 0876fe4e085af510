/* SPDX-License-Identifier: MIT */
/*
 * engine_fuzz.c - rows of operations on the filter engine and on a reference model of it (engine_model.h).
 *
 * Objects come and go, in transactions and without; callouts register and unregister; connections are made, pended,
 * completed in any order, asked again when filters changed, closed while they are held. After each operation both have
 * to say the same: the status, the decision, which filter made it, which callouts were asked in which order and with
 * which right, whether a connection was asked again, what is left. At the end nothing may be.
 */
#include <initguid.h>

#include "tests/fuzz/engine_model.h"
#include "tests/fuzz/fuzz.h"
#include "wfp/ale.h"
#include "wfp/verify.h"

#include <fwpmk.h>
#include <nt/nt.h>

#define OPERATIONS_MAX 400u
#define ASKED_MAX      1024u
#define CONTEXT        0x1000u

struct real_connect {
    uint64_t flow, contexts[MODEL_PENDS];
    unsigned pends, done;
    struct wfp_decision decision;
};

static struct model model;
static HANDLE session;
static UINT32 ids[MODEL_CALLOUTS];
static unsigned flows_deleted[MODEL_CALLOUTS];
static struct real_connect connects[MODEL_CONNECTS];
static struct real_connect *current; /* whose connect is classified for the first time */
static struct model_asked asked[ASKED_MAX];
static unsigned asked_count, asked_seen;
static unsigned told; /* layers of which the engine said that their filters changed */
static uint64_t next_endpoint;
static int device;

static GUID key_of(unsigned kind, unsigned slot)
{
    return (GUID){0x66000000u + (kind << 8) + slot, 0x1234, 0x4567, {0x80, 1, 2, 3, 4, 5, 6, 7}};
}

static const GUID *layer_key(unsigned layer)
{
    return layer == MODEL_V6 ? &FWPM_LAYER_ALE_AUTH_CONNECT_V6 : &FWPM_LAYER_ALE_AUTH_CONNECT_V4;
}

/* --- The test callout ------------------------------------------------------------------------------------------ */

static unsigned callout_of(UINT32 id)
{
    unsigned callout = 0;

    while (callout < MODEL_CALLOUTS && (!model.registered[callout] || ids[callout] != id))
        callout++;
    fuzz_check(callout < MODEL_CALLOUTS);
    return callout;
}

static void answer(FWPS_CLASSIFY_OUT0 *out, FWP_ACTION_TYPE action, bool hard)
{
    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0)
        return;
    out->actionType = action;
    if (hard)
        out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
}

static void pend(enum model_act act, HANDLE handle, bool again, FWPS_CLASSIFY_OUT0 *out)
{
    HANDLE context = NULL;
    NTSTATUS status;

    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0 && act != ACT_PEND_TOO)
        return;
    status = FwpsPendOperation0(handle, &context);
    fuzz_check(status == (again ? STATUS_FWP_CANNOT_PEND : STATUS_SUCCESS));
    if (again) {
        answer(out, act == ACT_PEND_BLOCK ? FWP_ACTION_BLOCK : FWP_ACTION_PERMIT, true);
        return;
    }
    out->actionType = FWP_ACTION_BLOCK;
    out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
    if (act == ACT_PEND_NOW)
        FwpsCompleteOperation0(context, NULL);
    else
        current->contexts[current->pends++] = (uint64_t)(uintptr_t)context;
}

static void perform_act(enum model_act act, HANDLE handle, bool again, FWPS_CLASSIFY_OUT0 *out)
{
    switch (act) {
    case ACT_NOTHING:
        break;
    case ACT_CONTINUE:
        answer(out, FWP_ACTION_CONTINUE, false);
        break;
    case ACT_PERMIT_SOFT:
    case ACT_PERMIT_HARD:
        answer(out, FWP_ACTION_PERMIT, act == ACT_PERMIT_HARD);
        break;
    case ACT_ABSORB:
        if ((out->rights & FWPS_RIGHT_ACTION_WRITE) != 0)
            out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
        answer(out, FWP_ACTION_BLOCK, true);
        break;
    case ACT_BLOCK_SOFT:
    case ACT_BLOCK_HARD:
        answer(out, FWP_ACTION_BLOCK, act == ACT_BLOCK_HARD);
        break;
    case ACT_VETO:
        if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0)
            out->actionType = FWP_ACTION_BLOCK;
        break;
    default:
        pend(act, handle, again, out);
        break;
    }
}

static void NTAPI classify(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                           void *layer_data, const FWPS_FILTER0 *filter, UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    unsigned callout = callout_of(filter->action.calloutId);
    UINT32 flags = values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS].value.uint32;
    bool again = (flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0;
    bool right = (out->rights & FWPS_RIGHT_ACTION_WRITE) != 0;

    (void)layer_data;
    fuzz_check(asked_count < ASKED_MAX);
    asked[asked_count++] = (struct model_asked){callout, right, again,
                                                out->actionType == FWP_ACTION_PERMIT  ? MODEL_PERMIT
                                                : out->actionType == FWP_ACTION_BLOCK ? MODEL_BLOCK
                                                                                      : MODEL_CONTINUE};
    if ((metadata->currentMetadataValues & FWPS_METADATA_FIELD_FLOW_HANDLE) != 0 && model.keeps_context[callout]) {
        NTSTATUS status = FwpsFlowAssociateContext0(metadata->flowHandle, values->layerId, filter->action.calloutId,
                                                    CONTEXT + callout);
        fuzz_check(status == (flow_context != 0 ? STATUS_OBJECT_NAME_EXISTS : STATUS_SUCCESS) ||
                   status == STATUS_OBJECT_NAME_EXISTS);
    }
    fuzz_check(flow_context == 0 || flow_context == CONTEXT + callout);
    perform_act(model.acts[callout], metadata->completionHandle, again, out);
}

static NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *key, FWPS_FILTER0 *filter)
{
    (void)type;
    (void)key;
    (void)filter;
    return STATUS_SUCCESS;
}

static void NTAPI flow_deleted(UINT16 layer, UINT32 id, UINT64 context)
{
    (void)layer;
    fuzz_check(context >= CONTEXT && context < CONTEXT + MODEL_CALLOUTS && callout_of(id) == context - CONTEXT);
    flows_deleted[context - CONTEXT]++;
}

/* --- Comparing ------------------------------------------------------------------------------------------------- */

static void compare_asked(const struct model_answer *wanted)
{
    for (unsigned i = 0; i < wanted->count; i++) {
        fuzz_check(asked_seen < asked_count);
        fuzz_check(asked[asked_seen].callout == wanted->asked[i].callout);
        fuzz_check(asked[asked_seen].right == wanted->asked[i].right);
        fuzz_check(asked[asked_seen].again == wanted->asked[i].again);
        fuzz_check(asked[asked_seen].so_far == wanted->asked[i].so_far);
        asked_seen++;
    }
}

static void compare(const struct wfp_decision *decision, const struct model_answer *wanted, bool pended)
{
    fuzz_check(decision->outcome == (pended ? WFP_PENDED : wanted->block ? WFP_BLOCK : WFP_PERMIT));
    fuzz_check(decision->filter_id == wanted->filter);
    fuzz_check(!decision->absorb == !wanted->absorb);
    fuzz_check(!decision->by_callout == !wanted->by_callout);
    compare_asked(wanted);
}

static void compare_counts(void)
{
    const struct model_policy *policy = model_policy(&model);
    struct wfp_counts counts;
    size_t flows = 0, pended = 0, filters = 0, sublayers = 0, callouts = 0;

    wfp_count(&counts);
    for (unsigned i = 0; i < MODEL_CONNECTS; i++) {
        flows += model.connects[i].state == CONNECT_FLOW;
        pended += model.connects[i].open;
    }
    for (unsigned i = 0; i < MODEL_FILTERS; i++)
        filters += policy->filters[i].there;
    for (unsigned i = 0; i < MODEL_SUBLAYERS; i++)
        sublayers += policy->sublayers[i].there;
    for (unsigned i = 0; i < MODEL_CALLOUTS; i++) {
        callouts += policy->callouts[i];
        fuzz_check(flows_deleted[i] == model.deleted[i]);
    }
    fuzz_check(counts.flows == flows);
    fuzz_check(counts.pended == pended);
    fuzz_check(counts.filters == filters);
    fuzz_check(counts.sublayers == sublayers);
    fuzz_check(counts.callouts == callouts);
}

/* Of a management call: it did what the model did, and told of the same layers. */
static void compare_change(NTSTATUS status, bool good, unsigned changed)
{
    fuzz_check(NT_SUCCESS(status) == good);
    fuzz_check(told == changed);
}

static void on_changed(void *context, UINT16 layer, UINT64 generation)
{
    (void)context;
    (void)generation;
    told |= layer == FWPS_LAYER_ALE_AUTH_CONNECT_V6 ? 1u << MODEL_V6 : 1u << MODEL_V4;
}

/* --- Objects --------------------------------------------------------------------------------------------------- */

static wchar_t any_name[] = L"fuzz";

static void do_transaction(struct fuzz_bytes *in)
{
    unsigned how = fuzz_below(in, 4), changed = 0;

    if (how < 2) {
        bool good = model_begin(&model);
        compare_change(FwpmTransactionBegin0(session, 0), good, 0);
    } else {
        bool good = model_end(&model, how == 2, &changed);
        compare_change(how == 2 ? FwpmTransactionCommit0(session) : FwpmTransactionAbort0(session), good, changed);
    }
}

static void do_sublayer(struct fuzz_bytes *in)
{
    unsigned slot = fuzz_below(in, MODEL_SUBLAYERS), how = fuzz_byte(in), changed = 0;
    FWPM_SUBLAYER0 sublayer = {
        .subLayerKey = key_of(1, slot), .displayData.name = any_name, .weight = (UINT16)(how % 8)};
    bool good;

    if (how < 192) {
        good = model_add_sublayer(&model, slot, sublayer.weight, &changed);
        compare_change(FwpmSubLayerAdd0(session, &sublayer, NULL), good, changed);
    } else {
        good = model_delete_sublayer(&model, slot, &changed);
        compare_change(FwpmSubLayerDeleteByKey0(session, &sublayer.subLayerKey), good, changed);
    }
}

static void do_callout(struct fuzz_bytes *in)
{
    unsigned slot = fuzz_below(in, MODEL_CALLOUTS), changed = 0;
    FWPM_CALLOUT0 callout = {.calloutKey = key_of(2, slot),
                             .displayData.name = any_name,
                             .applicableLayer = *layer_key(slot == MODEL_CALLOUTS - 1 ? MODEL_V6 : MODEL_V4)};
    bool good;

    if (fuzz_byte(in) < 192) {
        good = model_add_callout(&model, slot, &changed);
        compare_change(FwpmCalloutAdd0(session, &callout, NULL, NULL), good, changed);
    } else {
        good = model_delete_callout(&model, slot, &changed);
        compare_change(FwpmCalloutDeleteByKey0(session, &callout.calloutKey), good, changed);
    }
}

static void take_filter(struct fuzz_bytes *in, struct model_filter *filter)
{
    unsigned bits = fuzz_byte(in);

    memset(filter, 0, sizeof(*filter));
    filter->layer = (bits & 1) != 0 ? MODEL_V6 : MODEL_V4;
    filter->clear_right = (bits & 2) != 0;
    filter->permit_if_missing = (bits & 4) != 0;
    filter->has_ports = (bits & 8) != 0;
    filter->has_protocol = (bits & 16) != 0;
    filter->callout = filter->layer == MODEL_V6 || (bits & 224) == 224 ? MODEL_CALLOUTS - 1 : (bits >> 5) % 3;
    filter->sublayer = fuzz_below(in, MODEL_SUBLAYERS);
    filter->weight = fuzz_below(in, 8);
    filter->action = (enum model_action)fuzz_below(in, MODEL_INSPECTION + 1);
    filter->port_low = (uint16_t)fuzz_below(in, 4);
    filter->port_high = (uint16_t)(filter->port_low + fuzz_below(in, 3));
    filter->protocol = fuzz_below(in, 2) != 0 ? 17 : 6;
}

static NTSTATUS add_filter(unsigned slot, struct model_filter *filter)
{
    static const FWP_ACTION_TYPE actions[] = {FWP_ACTION_PERMIT,          FWP_ACTION_BLOCK,
                                              FWP_ACTION_CONTINUE,        FWP_ACTION_CALLOUT_TERMINATING,
                                              FWP_ACTION_CALLOUT_UNKNOWN, FWP_ACTION_CALLOUT_INSPECTION};
    FWP_RANGE0 ports = {{.type = FWP_UINT16, .uint16 = filter->port_low},
                        {.type = FWP_UINT16, .uint16 = filter->port_high}};
    FWPM_FILTER_CONDITION0 conditions[2];
    UINT64 weight = filter->weight;
    FWPM_FILTER0 real = {.filterKey = key_of(3, slot),
                         .displayData.name = any_name,
                         .layerKey = *layer_key(filter->layer),
                         .subLayerKey = key_of(1, filter->sublayer),
                         .weight = {.type = FWP_UINT64, .uint64 = &weight},
                         .filterCondition = conditions,
                         .action.type = actions[filter->action]};

    if (filter->action >= MODEL_TERMINATING)
        real.action.calloutKey = key_of(2, filter->callout);
    real.flags = (filter->clear_right ? FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT : 0u) |
                 (filter->permit_if_missing ? FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED : 0u);
    if (filter->has_ports)
        conditions[real.numFilterConditions++] = (FWPM_FILTER_CONDITION0){
            FWPM_CONDITION_IP_REMOTE_PORT, FWP_MATCH_RANGE, {.type = FWP_RANGE_TYPE, .rangeValue = &ports}};
    if (filter->has_protocol)
        conditions[real.numFilterConditions++] = (FWPM_FILTER_CONDITION0){
            FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_EQUAL, {.type = FWP_UINT8, .uint8 = filter->protocol}};
    return FwpmFilterAdd0(session, &real, NULL, &filter->id);
}

static void do_filter(struct fuzz_bytes *in)
{
    unsigned slot = fuzz_below(in, MODEL_FILTERS), how = fuzz_byte(in), changed = 0;

    if (how < 176) {
        struct model_filter filter;

        take_filter(in, &filter);
        bool good = model_may_add_filter(&model, slot, &filter);
        NTSTATUS status = add_filter(slot, &filter);
        if (good)
            model_add_filter(&model, slot, &filter, &changed);
        compare_change(status, good, changed);
    } else {
        GUID key = key_of(3, slot);
        uint64_t id = model_policy(&model)->filters[slot].id;
        bool good = model_delete_filter(&model, slot, &changed);

        compare_change(how % 2 == 0 ? FwpmFilterDeleteByKey0(session, &key) : FwpmFilterDeleteById0(session, id), good,
                       changed);
    }
}

static void open_session(void)
{
    FWPM_SESSION0 dynamic = {.flags = FWPM_SESSION_FLAG_DYNAMIC};

    fuzz_check(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &dynamic, &session) == STATUS_SUCCESS);
}

static void do_session(void)
{
    unsigned changed = 0;

    model_close_session(&model, &changed);
    compare_change(FwpmEngineClose0(session), true, changed);
    open_session();
}

static void do_registration(struct fuzz_bytes *in)
{
    unsigned callout = fuzz_below(in, MODEL_CALLOUTS), how = fuzz_byte(in);
    FWPS_CALLOUT0 real = {
        .calloutKey = key_of(2, callout), .classifyFn = classify, .notifyFn = notify, .flowDeleteFn = flow_deleted};

    if (how < 160) {
        UINT32 id = 0;
        NTSTATUS status = FwpsCalloutRegister0(&device, &real, &id);

        fuzz_check(NT_SUCCESS(status) == !model.registered[callout]);
        if (NT_SUCCESS(status))
            ids[callout] = id;
        model.registered[callout] = true;
        model.keeps_context[callout] = how % 4 == 3;
    } else {
        bool good = model_may_unregister(&model, callout);

        fuzz_check(NT_SUCCESS(FwpsCalloutUnregisterById0(ids[callout])) == good);
        if (good)
            model.registered[callout] = false;
    }
}

/* --- Connections ----------------------------------------------------------------------------------------------- */

static void on_done(void *context, const struct wfp_decision *decision)
{
    struct real_connect *connect = context;

    connect->done++;
    connect->decision = *decision;
}

/* A new endpoint, or that of another connection that is not closed. */
static uint64_t take_endpoint(struct fuzz_bytes *in)
{
    const struct model_connect *other = &model.connects[fuzz_below(in, MODEL_CONNECTS * 2) % MODEL_CONNECTS];

    return fuzz_byte(in) < 64 && other->state != CONNECT_NONE && !other->dead ? other->endpoint : ++next_endpoint;
}

static void ended(struct real_connect *connect, const struct model_answer *wanted)
{
    fuzz_check(connect->done == 1);
    compare(&connect->decision, wanted, false);
    fuzz_check((connect->decision.flow != 0) == !wanted->block);
    connect->flow = connect->decision.flow;
}

static void do_connect(struct fuzz_bytes *in)
{
    unsigned slot = 0, bits = fuzz_byte(in);
    struct model_answer wanted, again;
    struct wfp_decision decision;
    struct wfp_ale_connect real = {.local_port = 4000, .has_process = (bits & 1) != 0, .process_id = 77};
    bool at_once = false;

    while (slot < MODEL_CONNECTS &&
           (model.connects[slot].state == CONNECT_HELD || model.connects[slot].state == CONNECT_FLOW))
        slot++;
    if (slot == MODEL_CONNECTS)
        return;
    struct model_connect *connect = &model.connects[slot];
    uint64_t endpoint = take_endpoint(in);
    *connect = (struct model_connect){.layer = (bits & 2) != 0 ? MODEL_V6 : MODEL_V4,
                                      .port = (uint16_t)((bits >> 2) % 6),
                                      .protocol = (bits & 128) != 0 ? 17 : 6,
                                      .endpoint = endpoint};
    real.ip_version = connect->layer == MODEL_V6 ? 6 : 4;
    real.remote_port = connect->port;
    real.protocol = connect->protocol;
    real.endpoint = endpoint;
    current = &connects[slot];
    memset(current, 0, sizeof(*current));
    wfp_ale_connect(&real, on_done, current, &decision);
    current = NULL;
    model_connect(&model, connect, &wanted, &at_once, &again);
    compare(&decision, &wanted, wanted.pends != 0);
    if (at_once)
        ended(&connects[slot], &again);
    else
        fuzz_check(connects[slot].done == 0 && connects[slot].pends == connect->open);
    if (wanted.pends == 0) {
        connects[slot].flow = decision.flow;
        fuzz_check((decision.flow != 0) == (connect->state == CONNECT_FLOW));
    }
}

/* The slot that the input means, among those in this state. NULL: there is none. */
static struct model_connect *pick(struct fuzz_bytes *in, enum model_state state)
{
    unsigned at = fuzz_byte(in);

    for (unsigned i = 0; i < MODEL_CONNECTS; i++) {
        struct model_connect *connect = &model.connects[(at + i) % MODEL_CONNECTS];

        if (connect->state == state)
            return connect;
    }
    return NULL;
}

static struct real_connect *real_of(const struct model_connect *connect)
{
    return &connects[connect - model.connects];
}

static void complete(struct model_connect *connect, unsigned which)
{
    struct real_connect *real = real_of(connect);
    struct model_answer wanted;
    uint64_t context = real->contexts[which % real->pends];

    real->contexts[which % real->pends] = real->contexts[real->pends - 1];
    real->pends--;
    FwpsCompleteOperation0((HANDLE)(uintptr_t)context, NULL);
    if (model_complete(&model, connect, &wanted))
        ended(real, &wanted);
    else
        fuzz_check(real->done == 0);
}

static void do_complete(struct fuzz_bytes *in)
{
    struct model_connect *connect = pick(in, CONNECT_HELD);

    if (connect != NULL)
        complete(connect, fuzz_byte(in));
}

static void do_packet(struct fuzz_bytes *in)
{
    unsigned how = fuzz_byte(in);
    struct model_connect *connect = pick(in, how < 200 ? CONNECT_FLOW : CONNECT_OVER);
    struct model_answer wanted;
    struct wfp_decision decision;
    BOOLEAN again;

    if (connect == NULL)
        return;
    if (how % 8 == 0)
        wfp_ale_flow_established(real_of(connect)->flow);
    wfp_ale_flow_packet(real_of(connect)->flow, how % 2 == 0, NULL, &decision, &again);
    fuzz_check(!again == !model_packet(&model, connect, false, &wanted));
    compare(&decision, &wanted, false);
    fuzz_check(decision.flow == (wanted.block ? 0 : real_of(connect)->flow));
}

static void do_end(struct fuzz_bytes *in)
{
    unsigned how = fuzz_byte(in);
    struct model_connect *connect = pick(in, how % 2 == 0 ? CONNECT_FLOW : CONNECT_HELD);

    if (connect == NULL)
        return;
    if (how < 96) {
        wfp_ale_flow_end(real_of(connect)->flow);
        if (connect->state == CONNECT_FLOW)
            model_end_flow(&model, connect);
    } else {
        wfp_ale_endpoint_closed(connect->endpoint);
        model_close_endpoint(&model, connect->endpoint);
    }
}

static void on_again(void *context, UINT64 flow, const struct wfp_decision *decision)
{
    uint64_t *last = context;
    struct model_answer wanted;
    struct model_connect *connect = NULL;

    for (unsigned i = 0; i < MODEL_CONNECTS; i++)
        if (model.connects[i].state == CONNECT_FLOW && connects[i].flow == flow)
            connect = &model.connects[i];
    fuzz_check(connect != NULL && flow > *last);
    *last = flow;
    fuzz_check(model_packet(&model, connect, true, &wanted));
    compare(decision, &wanted, false);
}

static void do_resume(void)
{
    uint64_t last = 0;
    unsigned flows = 0;

    for (unsigned i = 0; i < MODEL_CONNECTS; i++)
        flows += model.connects[i].state == CONNECT_FLOW;
    if (flows * MODEL_ASKED < ASKED_MAX)
        wfp_ale_reauthorize_all(FWP_CONDITION_REAUTHORIZE_REASON_NEW_ARRIVAL_INTERFACE, on_again, &last);
}

/* --- The run --------------------------------------------------------------------------------------------------- */

static void on_violation(const struct nt_violation *violation)
{
    fprintf(stderr, "fuzz: broken rule %s by %s: %s\n", violation->rule, violation->routine, violation->detail);
    abort();
}

static void perform(struct fuzz_bytes *in)
{
    switch (fuzz_below(in, 16)) {
    case 0:
        do_transaction(in);
        break;
    case 1:
        do_sublayer(in);
        break;
    case 2:
        do_callout(in);
        break;
    case 3:
    case 4:
    case 5:
        do_filter(in);
        break;
    case 6:
        do_registration(in);
        break;
    case 7: {
        unsigned callout = fuzz_below(in, MODEL_CALLOUTS);
        model.acts[callout] = (enum model_act)fuzz_below(in, MODEL_ACTS);
        break;
    }
    case 8:
    case 9:
    case 10:
        do_connect(in);
        break;
    case 11:
        do_complete(in);
        break;
    case 12:
        do_packet(in);
        break;
    case 13:
        do_end(in);
        break;
    case 14:
        do_resume();
        break;
    default:
        if (fuzz_byte(in) == 0)
            do_session();
        break;
    }
}

/* What is held is completed, what lives is closed; then nothing may be left. */
static void end(void)
{
    struct wfp_counts counts;
    size_t bytes, blocks;

    for (unsigned i = 0; i < MODEL_CONNECTS; i++)
        while (model.connects[i].state == CONNECT_HELD)
            complete(&model.connects[i], 0);
    for (uint64_t endpoint = 1; endpoint <= next_endpoint; endpoint++) {
        wfp_ale_endpoint_closed(endpoint);
        model_close_endpoint(&model, endpoint);
    }
    compare_counts();
    fuzz_check(NT_SUCCESS(FwpmEngineClose0(session)));
    for (unsigned i = 0; i < MODEL_CALLOUTS; i++)
        if (model.registered[i])
            fuzz_check(NT_SUCCESS(FwpsCalloutUnregisterById0(ids[i])));
    wfp_count(&counts);
    fuzz_check(counts.sessions + counts.sublayers + counts.callouts + counts.filters + counts.registered_callouts +
                   counts.flows + counts.pended + counts.endpoints ==
               0);
    wfp_reset();
    nt_pool_usage('Epfw', &bytes, &blocks);
    fuzz_check(blocks == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes in = {data, size};

    memset(&model, 0, sizeof(model));
    memset(flows_deleted, 0, sizeof(flows_deleted));
    memset(connects, 0, sizeof(connects));
    memset(ids, 0, sizeof(ids));
    next_endpoint = 0;
    nt_set_violation_handler(on_violation);
    wfp_set_policy_changed(on_changed, NULL);
    if (fuzz_byte(&in) % 2 == 1)
        wfp_set_classify_irql(PASSIVE_LEVEL);
    open_session();
    for (unsigned count = 0; count < OPERATIONS_MAX && in.left != 0; count++) {
        asked_count = asked_seen = told = 0;
        perform(&in);
        fuzz_check(asked_seen == asked_count);
        compare_counts();
    }
    asked_count = asked_seen = 0;
    end();
    nt_set_violation_handler(NULL);
    return 0;
}
