/* SPDX-License-Identifier: MIT */
/*
 * registration.c - see registration.h. The only file that defines GUIDs.
 */
#include <initguid.h>

#include "driver/registration.h"

#include "gatehouse/objects.h"

#include "driver/callout.h"
#include "driver/holds.h"
#include "driver/rule_callout.h"

static const GUID provider_key = GATEHOUSE_KEY_PROVIDER;
static const GUID sublayer_key = GATEHOUSE_KEY_SUBLAYER;

/* Ours: made at random, never reused. */
DEFINE_GUID(GATEHOUSE_CALLOUT_CONNECT_V4, 0x6b1f5d0e, 0x3c1a, 0x4f58, 0x9d, 0x0c, 0x41, 0x7e, 0xa2, 0x5b, 0x96, 0x10);
DEFINE_GUID(GATEHOUSE_CALLOUT_CONNECT_V6, 0x6b1f5d0e, 0x3c1a, 0x4f58, 0x9d, 0x0c, 0x41, 0x7e, 0xa2, 0x5b, 0x96, 0x11);
DEFINE_GUID(GATEHOUSE_CALLOUT_FLOW_V4, 0x6b1f5d0e, 0x3c1a, 0x4f58, 0x9d, 0x0c, 0x41, 0x7e, 0xa2, 0x5b, 0x96, 0x12);
DEFINE_GUID(GATEHOUSE_CALLOUT_FLOW_V6, 0x6b1f5d0e, 0x3c1a, 0x4f58, 0x9d, 0x0c, 0x41, 0x7e, 0xa2, 0x5b, 0x96, 0x13);
DEFINE_GUID(GATEHOUSE_CALLOUT_CLOSURE_V4, 0x6b1f5d0e, 0x3c1a, 0x4f58, 0x9d, 0x0c, 0x41, 0x7e, 0xa2, 0x5b, 0x96, 0x14);
DEFINE_GUID(GATEHOUSE_CALLOUT_CLOSURE_V6, 0x6b1f5d0e, 0x3c1a, 0x4f58, 0x9d, 0x0c, 0x41, 0x7e, 0xa2, 0x5b, 0x96, 0x15);

static const GUID rule_keys[10] = {
    GATEHOUSE_KEY_CALLOUT_RULE_CONNECT_V4, GATEHOUSE_KEY_CALLOUT_RULE_CONNECT_V6, GATEHOUSE_KEY_CALLOUT_RULE_ACCEPT_V4,
    GATEHOUSE_KEY_CALLOUT_RULE_ACCEPT_V6,  GATEHOUSE_KEY_CALLOUT_LOG_CONNECT_V4,  GATEHOUSE_KEY_CALLOUT_LOG_CONNECT_V6,
    GATEHOUSE_KEY_CALLOUT_LOG_ACCEPT_V4,   GATEHOUSE_KEY_CALLOUT_LOG_ACCEPT_V6,   GATEHOUSE_KEY_CALLOUT_NAME_CONNECT_V4,
    GATEHOUSE_KEY_CALLOUT_NAME_CONNECT_V6,
};

static UINT64 weight_callout = GATEHOUSE_WEIGHT_CALLOUT;
static UINT64 weight_others = GATEHOUSE_WEIGHT_OTHERS;
static UINT64 weight_loopback = GATEHOUSE_WEIGHT_LOOPBACK;

#define UNREGISTER_TRIES      200u
#define UNREGISTER_WAIT_TICKS 100000 /* 10 ms */
#define REMOVE_TRIES          3u

struct callout_row {
    const GUID *key;
    const GUID *layer;
    FWPS_CALLOUT_CLASSIFY_FN3 classify;
    FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0 flow_delete;
    FWP_ACTION_TYPE action; /* of the filter that leads there always; 0: none */
    const wchar_t *name;
};

/* The order is that of enum callout_index in callout.h. */
static const struct callout_row rows[DRIVER_CALLOUTS] = {
    {&GATEHOUSE_CALLOUT_CONNECT_V4, &FWPM_LAYER_ALE_AUTH_CONNECT_V4, callout_connect, NULL,
     FWP_ACTION_CALLOUT_TERMINATING, L"Gatehouse connect IPv4"},
    {&GATEHOUSE_CALLOUT_CONNECT_V6, &FWPM_LAYER_ALE_AUTH_CONNECT_V6, callout_connect, NULL,
     FWP_ACTION_CALLOUT_TERMINATING, L"Gatehouse connect IPv6"},
    {&GATEHOUSE_CALLOUT_FLOW_V4, &FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4, callout_flow_established, callout_flow_deleted,
     FWP_ACTION_CALLOUT_INSPECTION, L"Gatehouse flow IPv4"},
    {&GATEHOUSE_CALLOUT_FLOW_V6, &FWPM_LAYER_ALE_FLOW_ESTABLISHED_V6, callout_flow_established, callout_flow_deleted,
     FWP_ACTION_CALLOUT_INSPECTION, L"Gatehouse flow IPv6"},
    {&GATEHOUSE_CALLOUT_CLOSURE_V4, &FWPM_LAYER_ALE_ENDPOINT_CLOSURE_V4, callout_endpoint_closed, NULL,
     FWP_ACTION_CALLOUT_INSPECTION, L"Gatehouse closure IPv4"},
    {&GATEHOUSE_CALLOUT_CLOSURE_V6, &FWPM_LAYER_ALE_ENDPOINT_CLOSURE_V6, callout_endpoint_closed, NULL,
     FWP_ACTION_CALLOUT_INSPECTION, L"Gatehouse closure IPv6"},
    {&rule_keys[0], &FWPM_LAYER_ALE_AUTH_CONNECT_V4, rule_callout, NULL, 0, L"Gatehouse rules, outgoing IPv4"},
    {&rule_keys[1], &FWPM_LAYER_ALE_AUTH_CONNECT_V6, rule_callout, NULL, 0, L"Gatehouse rules, outgoing IPv6"},
    {&rule_keys[2], &FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4, rule_callout, NULL, 0, L"Gatehouse rules, incoming IPv4"},
    {&rule_keys[3], &FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V6, rule_callout, NULL, 0, L"Gatehouse rules, incoming IPv6"},
    {&rule_keys[4], &FWPM_LAYER_ALE_AUTH_CONNECT_V4, rule_callout, NULL, 0, L"Gatehouse logging rules, outgoing IPv4"},
    {&rule_keys[5], &FWPM_LAYER_ALE_AUTH_CONNECT_V6, rule_callout, NULL, 0, L"Gatehouse logging rules, outgoing IPv6"},
    {&rule_keys[6], &FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4, rule_callout, NULL, 0,
     L"Gatehouse logging rules, incoming IPv4"},
    {&rule_keys[7], &FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V6, rule_callout, NULL, 0,
     L"Gatehouse logging rules, incoming IPv6"},
    {&rule_keys[8], &FWPM_LAYER_ALE_AUTH_CONNECT_V4, rule_callout, NULL, 0, L"Gatehouse rules with names, IPv4"},
    {&rule_keys[9], &FWPM_LAYER_ALE_AUTH_CONNECT_V6, rule_callout, NULL, 0, L"Gatehouse rules with names, IPv6"},
};
_Static_assert(CALLOUT_COUNT == DRIVER_CALLOUTS, "one row each");

const GUID *registration_rule_callout(enum callout_index kind, uint32_t layer)
{
    return rows[(uint32_t)kind + layer].key;
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS register_callouts(void)
{
    NTSTATUS status = STATUS_SUCCESS;

    for (ULONG i = 0; i < DRIVER_CALLOUTS && NT_SUCCESS(status); i++) {
        FWPS_CALLOUT3 callout;

        RtlZeroMemory(&callout, sizeof(callout));
        callout.calloutKey = *rows[i].key;
        callout.classifyFn = rows[i].classify;
        callout.notifyFn = callout_notify;
        callout.flowDeleteFn = rows[i].flow_delete;
        status = FwpsCalloutRegister3(driver_state.device, &callout, &driver_state.callout_ids[i]);
    }
    return status;
}

/* Where `gatehouse install` or `gatehouse filter add` ran, ours join what is there. */
static NTSTATUS there_or(NTSTATUS status)
{
    return status == STATUS_FWP_ALREADY_EXISTS ? STATUS_SUCCESS : status;
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS add_provider(HANDLE engine)
{
    FWPM_PROVIDER0 provider;

    RtlZeroMemory(&provider, sizeof(provider));
    provider.providerKey = provider_key;
    provider.displayData.name = (wchar_t *)L"Gatehouse";
    provider.displayData.description = (wchar_t *)L"Holds new connections until they are decided";
    provider.serviceName = (wchar_t *)GATEHOUSE_SERVICE;
    return there_or(FwpmProviderAdd0(engine, &provider, NULL));
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS add_sublayer(HANDLE engine)
{
    FWPM_SUBLAYER0 sublayer;

    RtlZeroMemory(&sublayer, sizeof(sublayer));
    sublayer.subLayerKey = sublayer_key;
    sublayer.displayData.name = (wchar_t *)L"Gatehouse";
    sublayer.providerKey = (GUID *)&provider_key;
    sublayer.weight = GATEHOUSE_SUBLAYER_WEIGHT;
    return there_or(FwpmSubLayerAdd0(engine, &sublayer, NULL));
}

/*
 * Provider and sublayer are no dynamic objects: a filter that outlives our session (`gatehouse filter add`) could not
 * be in the sublayer of one (page Object Management, lifetimes), and outside of it could not come before the callout
 * filter.
 */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS add_shared(void)
{
    NTSTATUS status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &driver_state.shared_engine);

    if (!NT_SUCCESS(status)) {
        driver_state.shared_engine = NULL;
        return status;
    }
    status = add_provider(driver_state.shared_engine);
    if (NT_SUCCESS(status))
        status = add_sublayer(driver_state.shared_engine);
    return status;
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS remove_sublayer(HANDLE engine)
{
    FWPM_SUBLAYER0 *sublayer;
    NTSTATUS status = FwpmSubLayerGetByKey0(engine, &sublayer_key, &sublayer);
    BOOLEAN may_go;

    if (!NT_SUCCESS(status))
        return status;
    may_go = (sublayer->flags & FWPM_SUBLAYER_FLAG_PERSISTENT) == 0;
    FwpmFreeMemory0((void **)&sublayer);
    return may_go ? FwpmSubLayerDeleteByKey0(engine, &sublayer_key) : STATUS_SUCCESS;
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS remove_provider(HANDLE engine)
{
    FWPM_PROVIDER0 *provider;
    NTSTATUS status = FwpmProviderGetByKey0(engine, &provider_key, &provider);
    BOOLEAN may_go;

    if (!NT_SUCCESS(status))
        return status;
    may_go = (provider->flags & FWPM_PROVIDER_FLAG_PERSISTENT) == 0;
    FwpmFreeMemory0((void **)&provider);
    return may_go ? FwpmProviderDeleteByKey0(engine, &provider_key) : STATUS_SUCCESS;
}

/* Memory that is short for a moment leaves nothing behind; what is in use, or gone, is settled. */
_IRQL_requires_(PASSIVE_LEVEL)
static void remove_surely(NTSTATUS (*remove)(HANDLE engine))
{
    for (ULONG i = 0; i < REMOVE_TRIES; i++) {
        NTSTATUS status = remove(driver_state.shared_engine);

        if (NT_SUCCESS(status) || status == STATUS_FWP_IN_USE || status == STATUS_FWP_SUBLAYER_NOT_FOUND ||
            status == STATUS_FWP_PROVIDER_NOT_FOUND)
            break;
    }
}

/*
 * Whoever made them: the one who goes last takes them along, or they would stay until BFE ends. What others still use
 * stays (STATUS_FWP_IN_USE), and so does what `gatehouse install` made for good. The session was opened at the start,
 * because opening one can fail.
 */
_IRQL_requires_(PASSIVE_LEVEL)
static void remove_shared(void)
{
    if (driver_state.shared_engine == NULL)
        return;
    remove_surely(remove_sublayer);
    remove_surely(remove_provider);
    (void)FwpmEngineClose0(driver_state.shared_engine);
    driver_state.shared_engine = NULL;
}

_Use_decl_annotations_
void registration_filter_init(FWPM_FILTER0 *filter, const GUID *layer, const wchar_t *name, UINT64 *weight)
{
    RtlZeroMemory(filter, sizeof(*filter));
    filter->displayData.name = (wchar_t *)name;
    filter->providerKey = (GUID *)&provider_key;
    filter->layerKey = *layer;
    filter->subLayerKey = sublayer_key;
    filter->weight.type = FWP_UINT64;
    filter->weight.uint64 = weight;
}

/* TCP or UDP: nobody expects to be asked about the rest unless a rule says so. */
static void only_ports(FWPM_FILTER_CONDITION0 conditions[2])
{
    RtlZeroMemory(conditions, 2 * sizeof(conditions[0]));
    for (ULONG i = 0; i < 2; i++) {
        conditions[i].fieldKey = FWPM_CONDITION_IP_PROTOCOL;
        conditions[i].matchType = FWP_MATCH_EQUAL;
        conditions[i].conditionValue.type = FWP_UINT8;
        conditions[i].conditionValue.uint8 = i == 0 ? 6 : 17;
    }
}

/* What the closed mode blocks while the driver is away. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS permit_others(const GUID *layer)
{
    FWPM_FILTER0 filter;

    registration_filter_init(&filter, layer, L"Gatehouse permits other protocols", &weight_others);
    filter.action.type = FWP_ACTION_PERMIT;
    return FwpmFilterAdd0(driver_state.engine, &filter, NULL, NULL);
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS add_callout(const struct callout_row *row)
{
    FWPM_FILTER_CONDITION0 conditions[2];
    FWPM_CALLOUT0 callout;
    FWPM_FILTER0 filter;
    NTSTATUS status;

    RtlZeroMemory(&callout, sizeof(callout));
    callout.calloutKey = *row->key;
    callout.displayData.name = (wchar_t *)row->name;
    callout.providerKey = (GUID *)&provider_key;
    callout.applicableLayer = *row->layer;
    status = FwpmCalloutAdd0(driver_state.engine, &callout, NULL, NULL);
    if (!NT_SUCCESS(status) || row->action == 0)
        return status;

    registration_filter_init(&filter, row->layer, row->name, &weight_callout);
    filter.action.type = row->action;
    filter.action.calloutKey = *row->key;
    if (row->classify != callout_connect)
        return FwpmFilterAdd0(driver_state.engine, &filter, NULL, NULL);
    only_ports(conditions);
    filter.filterCondition = conditions;
    filter.numFilterConditions = RTL_NUMBER_OF(conditions);
    status = FwpmFilterAdd0(driver_state.engine, &filter, NULL, NULL);
    return NT_SUCCESS(status) ? permit_others(row->layer) : status;
}

/*
 * What asks and what answers talk over loopback: asking about that could lock itself out. It is a filter
 * of its own, so that whoever looks at the engine sees why loopback passes.
 */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS add_loopback(const GUID *layer, UINT64 *id)
{
    FWPM_FILTER_CONDITION0 condition;
    FWPM_FILTER0 filter;

    RtlZeroMemory(&condition, sizeof(condition));
    condition.fieldKey = FWPM_CONDITION_FLAGS;
    condition.matchType = FWP_MATCH_FLAGS_ALL_SET;
    condition.conditionValue.type = FWP_UINT32;
    condition.conditionValue.uint32 = FWP_CONDITION_FLAG_IS_LOOPBACK;
    registration_filter_init(&filter, layer, L"Gatehouse permits loopback", &weight_loopback);
    filter.action.type = FWP_ACTION_PERMIT;
    filter.filterCondition = &condition;
    filter.numFilterConditions = 1;
    return FwpmFilterAdd0(driver_state.engine, &filter, NULL, id);
}

/* A filter may be gone with the transaction that added it. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS delete_filter(UINT64 id)
{
    NTSTATUS status = FwpmFilterDeleteById0(driver_state.engine, id);

    return status == STATUS_FWP_FILTER_NOT_FOUND ? STATUS_SUCCESS : status;
}

_Use_decl_annotations_
NTSTATUS registration_pass_loopback_in(BOOLEAN pass)
{
    UINT64 *ids = driver_state.loopback_in;
    NTSTATUS status = STATUS_SUCCESS;

    if (driver_state.hold_loopback || pass == (ids[0] != 0))
        return status;
    if (pass) {
        status = add_loopback(&FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4, &driver_state.loopback_in_new[0]);
        return NT_SUCCESS(status) ? add_loopback(&FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V6, &driver_state.loopback_in_new[1])
                                  : status;
    }
    RtlZeroMemory(driver_state.loopback_in_new, sizeof(driver_state.loopback_in_new));
    status = delete_filter(ids[0]);
    return NT_SUCCESS(status) ? delete_filter(ids[1]) : status;
}

_Use_decl_annotations_
void registration_loopback_in_done(BOOLEAN committed)
{
    if (committed)
        RtlCopyMemory(driver_state.loopback_in, driver_state.loopback_in_new, sizeof(driver_state.loopback_in));
    else
        RtlCopyMemory(driver_state.loopback_in_new, driver_state.loopback_in, sizeof(driver_state.loopback_in));
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS add_objects(void)
{
    NTSTATUS status = FwpmTransactionBegin0(driver_state.engine, 0);

    if (!NT_SUCCESS(status))
        return status;
    for (ULONG i = 0; i < DRIVER_CALLOUTS && NT_SUCCESS(status); i++)
        status = add_callout(&rows[i]);
    if (NT_SUCCESS(status) && !driver_state.hold_loopback)
        status = add_loopback(&FWPM_LAYER_ALE_AUTH_CONNECT_V4, NULL);
    if (NT_SUCCESS(status) && !driver_state.hold_loopback)
        status = add_loopback(&FWPM_LAYER_ALE_AUTH_CONNECT_V6, NULL);
    if (NT_SUCCESS(status))
        return FwpmTransactionCommit0(driver_state.engine);
    (void)FwpmTransactionAbort0(driver_state.engine);
    return status;
}

_Use_decl_annotations_
NTSTATUS registration_start(void)
{
    FWPM_SESSION0 session;
    NTSTATUS status = register_callouts();

    RtlZeroMemory(&session, sizeof(session));
    session.displayData.name = (wchar_t *)L"Gatehouse";
    session.flags = FWPM_SESSION_FLAG_DYNAMIC;
    if (NT_SUCCESS(status))
        status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &driver_state.engine);
    if (NT_SUCCESS(status))
        status = add_shared();
    if (NT_SUCCESS(status))
        status = add_objects();
    if (!NT_SUCCESS(status))
        (void)registration_stop();
    return status;
}

/* Busy: a flow context is left, or a classifyFn runs. Both end soon; not waiting for ever beats hanging the machine. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS unregister(UINT32 id)
{
    NTSTATUS status = STATUS_DEVICE_BUSY;

    for (ULONG i = 0; i < UNREGISTER_TRIES; i++) {
        LARGE_INTEGER wait;

        holds_remove_flow_contexts();
        status = FwpsCalloutUnregisterById0(id);
        if (status != STATUS_DEVICE_BUSY && status != STATUS_FWP_IN_USE)
            break;
        wait.QuadPart = -UNREGISTER_WAIT_TICKS;
        (void)KeDelayExecutionThread(KernelMode, FALSE, &wait);
    }
    return status;
}

/* Closing the dynamic session deletes its filters, then callouts, as one change. */
_Use_decl_annotations_
NTSTATUS registration_stop(void)
{
    NTSTATUS status = STATUS_SUCCESS;

    if (driver_state.engine != NULL) {
        (void)FwpmEngineClose0(driver_state.engine);
        driver_state.engine = NULL;
    }
    remove_shared();
    for (ULONG i = 0; i < DRIVER_CALLOUTS; i++) {
        if (driver_state.callout_ids[i] != 0) {
            NTSTATUS one = unregister(driver_state.callout_ids[i]);
            if (!NT_SUCCESS(one)) {
                DRIVER_TRACE("callout %u could not be unregistered: %08x\n", (unsigned)i, (unsigned)one);
                status = one;
            }
            driver_state.callout_ids[i] = 0;
        }
    }
    return status;
}
