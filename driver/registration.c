/* SPDX-License-Identifier: MIT */
/*
 * registration.c - see registration.h. The only file that defines GUIDs.
 */
#include <initguid.h>

#include "driver/registration.h"

#include "gatehouse/objects.h"

#include "driver/callout.h"
#include "driver/holds.h"

static const GUID provider_key = GATEHOUSE_KEY_PROVIDER;
static const GUID sublayer_key = GATEHOUSE_KEY_SUBLAYER;

/* Ours: made at random, never reused. */
DEFINE_GUID(GATEHOUSE_CALLOUT_CONNECT_V4, 0x6b1f5d0e, 0x3c1a, 0x4f58, 0x9d, 0x0c, 0x41, 0x7e, 0xa2, 0x5b, 0x96, 0x10);
DEFINE_GUID(GATEHOUSE_CALLOUT_CONNECT_V6, 0x6b1f5d0e, 0x3c1a, 0x4f58, 0x9d, 0x0c, 0x41, 0x7e, 0xa2, 0x5b, 0x96, 0x11);
DEFINE_GUID(GATEHOUSE_CALLOUT_FLOW_V4, 0x6b1f5d0e, 0x3c1a, 0x4f58, 0x9d, 0x0c, 0x41, 0x7e, 0xa2, 0x5b, 0x96, 0x12);
DEFINE_GUID(GATEHOUSE_CALLOUT_FLOW_V6, 0x6b1f5d0e, 0x3c1a, 0x4f58, 0x9d, 0x0c, 0x41, 0x7e, 0xa2, 0x5b, 0x96, 0x13);
DEFINE_GUID(GATEHOUSE_CALLOUT_CLOSURE_V4, 0x6b1f5d0e, 0x3c1a, 0x4f58, 0x9d, 0x0c, 0x41, 0x7e, 0xa2, 0x5b, 0x96, 0x14);
DEFINE_GUID(GATEHOUSE_CALLOUT_CLOSURE_V6, 0x6b1f5d0e, 0x3c1a, 0x4f58, 0x9d, 0x0c, 0x41, 0x7e, 0xa2, 0x5b, 0x96, 0x15);

static UINT64 weight_callout = GATEHOUSE_WEIGHT_CALLOUT;
static UINT64 weight_program = GATEHOUSE_WEIGHT_PROGRAM;
static UINT64 weight_destination = GATEHOUSE_WEIGHT_DESTINATION;
static UINT64 weight_loopback = GATEHOUSE_WEIGHT_LOOPBACK;

#define UNREGISTER_TRIES      200u
#define UNREGISTER_WAIT_TICKS 100000 /* 10 ms */
#define REMOVE_TRIES          3u

struct callout_row {
    const GUID *key;
    const GUID *layer;
    FWPS_CALLOUT_CLASSIFY_FN3 classify;
    FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0 flow_delete;
    FWP_ACTION_TYPE action;
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
};

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

static void filter_init(FWPM_FILTER0 *filter, const GUID *layer, const wchar_t *name, UINT64 *weight)
{
    RtlZeroMemory(filter, sizeof(*filter));
    filter->displayData.name = (wchar_t *)name;
    filter->providerKey = (GUID *)&provider_key;
    filter->layerKey = *layer;
    filter->subLayerKey = sublayer_key;
    filter->weight.type = FWP_UINT64;
    filter->weight.uint64 = weight;
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS add_callout(const struct callout_row *row)
{
    FWPM_CALLOUT0 callout;
    FWPM_FILTER0 filter;
    NTSTATUS status;

    RtlZeroMemory(&callout, sizeof(callout));
    callout.calloutKey = *row->key;
    callout.displayData.name = (wchar_t *)row->name;
    callout.providerKey = (GUID *)&provider_key;
    callout.applicableLayer = *row->layer;
    status = FwpmCalloutAdd0(driver_state.engine, &callout, NULL, NULL);
    if (!NT_SUCCESS(status))
        return status;

    filter_init(&filter, row->layer, row->name, &weight_callout);
    filter.action.type = row->action;
    filter.action.calloutKey = *row->key;
    return FwpmFilterAdd0(driver_state.engine, &filter, NULL, NULL);
}

/*
 * What asks and what answers talk over loopback: asking about that could lock itself out. It is a filter
 * of its own, so that whoever looks at the engine sees why loopback passes.
 */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS add_loopback(const GUID *layer)
{
    FWPM_FILTER_CONDITION0 condition;
    FWPM_FILTER0 filter;

    RtlZeroMemory(&condition, sizeof(condition));
    condition.fieldKey = FWPM_CONDITION_FLAGS;
    condition.matchType = FWP_MATCH_FLAGS_ALL_SET;
    condition.conditionValue.type = FWP_UINT32;
    condition.conditionValue.uint32 = FWP_CONDITION_FLAG_IS_LOOPBACK;
    filter_init(&filter, layer, L"Gatehouse permits loopback", &weight_loopback);
    filter.action.type = FWP_ACTION_PERMIT;
    filter.filterCondition = &condition;
    filter.numFilterConditions = 1;
    return FwpmFilterAdd0(driver_state.engine, &filter, NULL, NULL);
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
        status = add_loopback(&FWPM_LAYER_ALE_AUTH_CONNECT_V4);
    if (NT_SUCCESS(status) && !driver_state.hold_loopback)
        status = add_loopback(&FWPM_LAYER_ALE_AUTH_CONNECT_V6);
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

static void condition_set(FWPM_FILTER_CONDITION0 *condition, const GUID *field, FWP_DATA_TYPE type)
{
    condition->fieldKey = *field;
    condition->matchType = FWP_MATCH_EQUAL;
    condition->conditionValue.type = type;
}

/* Three conditions; v6 is where an IPv6 address may lie. */
static void conditions_of_destination(const struct destination *to, FWPM_FILTER_CONDITION0 *conditions,
                                      FWP_BYTE_ARRAY16 *v6)
{
    condition_set(&conditions[0], &FWPM_CONDITION_IP_PROTOCOL, FWP_UINT8);
    conditions[0].conditionValue.uint8 = to->protocol;
    condition_set(&conditions[1], &FWPM_CONDITION_IP_REMOTE_PORT, FWP_UINT16);
    conditions[1].conditionValue.uint16 = to->port;
    if (to->ip_version == 6) {
        condition_set(&conditions[2], &FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_BYTE_ARRAY16_TYPE);
        RtlCopyMemory(v6->byteArray16, to->address, sizeof(v6->byteArray16));
        conditions[2].conditionValue.byteArray16 = v6;
    } else {
        condition_set(&conditions[2], &FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_UINT32);
        conditions[2].conditionValue.uint32 =
            (UINT32)to->address[0] << 24 | (UINT32)to->address[1] << 16 | (UINT32)to->address[2] << 8 | to->address[3];
    }
}

_Use_decl_annotations_
NTSTATUS registration_add_answer(uint8_t ip_version, const struct program *program, const struct destination *to,
                                 BOOLEAN permit, uint64_t *filter_id)
{
    const GUID *layer = ip_version == 6 ? &FWPM_LAYER_ALE_AUTH_CONNECT_V6 : &FWPM_LAYER_ALE_AUTH_CONNECT_V4;
    ULONG path_size = program->path_size + (ULONG)sizeof(WCHAR);
    FWPM_FILTER_CONDITION0 conditions[4];
    FWP_BYTE_ARRAY16 v6;
    FWP_BYTE_BLOB path;
    FWPM_FILTER0 filter;
    NTSTATUS status;

    path.size = path_size;
    path.data = ExAllocatePool2(POOL_FLAG_NON_PAGED, path_size, DRIVER_POOL_TAG);
    if (path.data == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlCopyMemory(path.data, program->path, program->path_size); /* the NUL is there: the pool is zeroed */

    RtlZeroMemory(conditions, sizeof(conditions));
    filter_init(&filter, layer, L"Gatehouse remembered answer", to == NULL ? &weight_program : &weight_destination);
    filter.action.type = permit ? FWP_ACTION_PERMIT : FWP_ACTION_BLOCK;
    filter.filterCondition = conditions;
    filter.numFilterConditions = to == NULL ? 1 : 4;
    condition_set(&conditions[0], &FWPM_CONDITION_ALE_APP_ID, FWP_BYTE_BLOB_TYPE);
    conditions[0].conditionValue.byteBlob = &path;
    if (to != NULL)
        conditions_of_destination(to, &conditions[1], &v6);
    status = FwpmFilterAdd0(driver_state.engine, &filter, NULL, filter_id);
    ExFreePoolWithTag(path.data, DRIVER_POOL_TAG);
    return status;
}
