/* SPDX-License-Identifier: MIT */
/*
 * hook_callout.c - see hook_callout.h.
 */
#include "tests/lib/hook_callout.h"

static struct hook *hooks[HOOK_MAX];
static int device;

static struct hook *find(UINT32 id)
{
    for (int i = 0; i < HOOK_MAX; i++)
        if (hooks[i] != NULL && hooks[i]->id == id)
            return hooks[i];
    return NULL;
}

static void NTAPI classify(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                           void *layer_data, const void *context, const FWPS_FILTER3 *filter, UINT64 flow_context,
                           FWPS_CLASSIFY_OUT0 *out)
{
    struct hook_call call = {
        find(filter->action.calloutId), values, metadata, filter, flow_context, out, FALSE, layer_data};

    (void)context;
    if (values->layerId == FWPS_LAYER_ALE_AUTH_CONNECT_V4)
        call.reauthorize = (values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS].value.uint32 &
                            FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0;
    if (values->layerId == FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V4 || values->layerId == FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V6)
        call.reauthorize = (values->incomingValue[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_FLAGS].value.uint32 &
                            FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0;
    call.hook->classified++;
    call.hook->classify(&call);
}

static NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *key, FWPS_FILTER3 *filter)
{
    struct hook *hook = find(filter->action.calloutId);

    (void)key;
    return hook->notify == NULL ? STATUS_SUCCESS : hook->notify(hook, type, filter);
}

static void NTAPI flow_deleted(UINT16 layer_id, UINT32 callout_id, UINT64 context)
{
    struct hook *hook = find(callout_id);

    (void)layer_id;
    hook->deleted++;
    if (hook->flow_deleted != NULL)
        hook->flow_deleted(hook, context);
}

NTSTATUS hook_register(struct hook *hook)
{
    static UINT32 serial;
    FWPS_CALLOUT3 callout = {.classifyFn = classify, .notifyFn = notify, .flowDeleteFn = flow_deleted};
    NTSTATUS status;

    if (hook->key.Data1 == 0)
        hook->key = make_key(700000 + ++serial);
    callout.calloutKey = hook->key;
    status = FwpsCalloutRegister3(&device, &callout, &hook->id);
    for (int i = 0; i < HOOK_MAX && NT_SUCCESS(status); i++)
        if (hooks[i] == NULL || hooks[i] == hook) {
            hooks[i] = hook;
            break;
        }
    return status;
}

void hook_start(struct hook *hook, const GUID *layer, const GUID *sublayer)
{
    struct sample named = {0};

    assert_int_equal(hook_register(hook), STATUS_SUCCESS);
    named.key = hook->key;
    add_callout(engine, &named, layer);
    add_filter(engine,
               &(struct filter_spec){
                   .layer = layer, .sublayer = sublayer, .action = FWP_ACTION_CALLOUT_TERMINATING, .callout = &named});
}

void hook_stop(struct hook *hook)
{
    assert_int_equal(FwpsCalloutUnregisterById0(hook->id), STATUS_SUCCESS);
    for (int i = 0; i < HOOK_MAX; i++)
        if (hooks[i] == hook)
            hooks[i] = NULL;
}

void hook_forget_all(void)
{
    memset(hooks, 0, sizeof(hooks));
}

NTSTATUS hook_try_pend(const struct hook_call *call)
{
    return FwpsPendOperation0(call->metadata->completionHandle, &call->hook->context);
}

void hook_answer_pended(const struct hook_call *call)
{
    call->out->actionType = FWP_ACTION_BLOCK;
    call->out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    call->out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
}

void hook_permit(const struct hook_call *call)
{
    if ((call->out->rights & FWPS_RIGHT_ACTION_WRITE) != 0)
        call->out->actionType = FWP_ACTION_PERMIT;
}

void hook_block(const struct hook_call *call)
{
    call->out->actionType = FWP_ACTION_BLOCK;
    call->out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
}

void hook_pend(const struct hook_call *call)
{
    if (call->reauthorize || !NT_SUCCESS(hook_try_pend(call)))
        hook_permit(call);
    else
        hook_answer_pended(call);
}
