/* SPDX-License-Identifier: MIT */
/*
 * sample_callout.c - the sample's classifyFn, notifyFn and flowDeleteFn. Finds its struct by callout id.
 */
#include "tests/lib/sample_callout.h"

#include <string.h>

static struct sample *samples[SAMPLE_MAX];
static int device; /* any address will do: nobody sends it I/O */

static struct sample *find(UINT32 id)
{
    for (int i = 0; i < SAMPLE_MAX; i++)
        if (samples[i] != NULL && samples[i]->id == id)
            return samples[i];
    return NULL;
}

static void remember(struct sample *sample, const FWPS_INCOMING_VALUES0 *values,
                     const FWPS_INCOMING_METADATA_VALUES0 *metadata, void *layer_data, UINT64 flow_context,
                     const FWPS_CLASSIFY_OUT0 *out)
{
    sample->layer_id = values->layerId;
    sample->metadata_bits = metadata->currentMetadataValues;
    sample->process_id = metadata->processId;
    sample->process_start = (UINT64)PsGetProcessCreateTimeQuadPart(PsGetCurrentProcess());
    sample->endpoint = metadata->transportEndpointHandle;
    sample->flow = metadata->flowHandle;
    sample->flow_context = flow_context;
    sample->direction = metadata->packetDirection;
    sample->layer_data = layer_data;
    sample->rights_in = out->rights;
    sample->action_in = out->actionType;
    sample->irql = KeGetCurrentIrql();
}

static void answer(FWPS_CLASSIFY_OUT0 *out, FWP_ACTION_TYPE action, BOOLEAN hard)
{
    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0)
        return;
    out->actionType = action;
    if (hard)
        out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
}

static void pend(struct sample *sample, HANDLE handle, FWPS_CLASSIFY_OUT0 *out)
{
    HANDLE context = NULL;

    sample->pend_status = FwpsPendOperation0(handle, &context);
    if (!NT_SUCCESS(sample->pend_status)) {
        answer(out, sample->verdict, TRUE);
        return;
    }
    if (sample->act == SAMPLE_PEND_FORGETFUL) {
        out->actionType = FWP_ACTION_PERMIT;
        atomic_store(&sample->pended, (UINT64)(uintptr_t)context);
        return;
    }
    out->actionType = FWP_ACTION_BLOCK;
    out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
    if (sample->act == SAMPLE_PEND_AND_COMPLETE)
        FwpsCompleteOperation0(context, NULL);
    else
        atomic_store(&sample->pended, (UINT64)(uintptr_t)context);
}

static void act(struct sample *sample, const FWPS_INCOMING_METADATA_VALUES0 *metadata, BOOLEAN reauthorize,
                FWPS_CLASSIFY_OUT0 *out)
{
    switch (sample->act) {
    case SAMPLE_NOTHING:
        break;
    case SAMPLE_CONTINUE:
        answer(out, FWP_ACTION_CONTINUE, FALSE);
        break;
    case SAMPLE_PERMIT_SOFT:
    case SAMPLE_PERMIT_HARD:
        answer(out, FWP_ACTION_PERMIT, sample->act == SAMPLE_PERMIT_HARD);
        break;
    case SAMPLE_BLOCK_SOFT:
    case SAMPLE_BLOCK_HARD:
        answer(out, FWP_ACTION_BLOCK, sample->act == SAMPLE_BLOCK_HARD);
        break;
    case SAMPLE_BLOCK_ABSORB:
        answer(out, FWP_ACTION_BLOCK, TRUE);
        out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
        break;
    case SAMPLE_VETO:
        if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0)
            out->actionType = FWP_ACTION_BLOCK;
        break;
    case SAMPLE_PERMIT_ANYWAY:
        out->actionType = FWP_ACTION_PERMIT;
        break;
    case SAMPLE_PEND_BAD_HANDLE:
        pend(sample, (HANDLE)(uintptr_t)0x7777777, out);
        break;
    case SAMPLE_PEND_ALWAYS:
        pend(sample, metadata->completionHandle, out);
        break;
    default:
        if (reauthorize)
            answer(out, sample->verdict, TRUE);
        else
            pend(sample, metadata->completionHandle, out);
        break;
    }
}

static void classify(UINT32 callout_id, const FWPS_INCOMING_VALUES0 *values,
                     const FWPS_INCOMING_METADATA_VALUES0 *metadata, void *layer_data, UINT64 flow_context,
                     FWPS_CLASSIFY_OUT0 *out)
{
    struct sample *sample = find(callout_id);
    BOOLEAN connect =
        values->layerId == FWPS_LAYER_ALE_AUTH_CONNECT_V4 || values->layerId == FWPS_LAYER_ALE_AUTH_CONNECT_V6;

    remember(sample, values, metadata, layer_data, flow_context, out);
    atomic_fetch_add(&sample->classified, 1);
    if (connect) {
        sample->flags = values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS].value.uint32;
        sample->reason = values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_REAUTHORIZE_REASON].value.uint32;
        if ((sample->flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0)
            atomic_fetch_add(&sample->reauthorized, 1);
    }
    if (sample->keep_context && (metadata->currentMetadataValues & FWPS_METADATA_FIELD_FLOW_HANDLE) != 0)
        sample->pend_status = FwpsFlowAssociateContext0(metadata->flowHandle, values->layerId, sample->id, 0x1234);
    act(sample, metadata, connect && (sample->flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0, out);
}

static void NTAPI classify0(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                            void *layer_data, const FWPS_FILTER0 *filter, UINT64 flow_context, FWPS_CLASSIFY_OUT0 *out)
{
    classify(filter->action.calloutId, values, metadata, layer_data, flow_context, out);
}

static void NTAPI classify3(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                            void *layer_data, const void *context, const FWPS_FILTER3 *filter, UINT64 flow_context,
                            FWPS_CLASSIFY_OUT0 *out)
{
    (void)context;
    classify(filter->action.calloutId, values, metadata, layer_data, flow_context, out);
}

static NTSTATUS told(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *key, UINT32 callout_id)
{
    struct sample *sample = find(callout_id);

    if (type == FWPS_CALLOUT_NOTIFY_DELETE_FILTER) {
        if (key == NULL)
            atomic_fetch_add(&sample->deleted, 1);
        return STATUS_SUCCESS;
    }
    if (type == FWPS_CALLOUT_NOTIFY_ADD_FILTER && NT_SUCCESS(sample->refuse_add))
        atomic_fetch_add(&sample->added, 1);
    return sample->refuse_add;
}

static NTSTATUS NTAPI notify0(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *key, FWPS_FILTER0 *filter)
{
    return told(type, key, filter->action.calloutId);
}

static NTSTATUS NTAPI notify3(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *key, FWPS_FILTER3 *filter)
{
    return told(type, key, filter->action.calloutId);
}

static void NTAPI flow_deleted(UINT16 layer_id, UINT32 callout_id, UINT64 context)
{
    struct sample *sample = find(callout_id);

    (void)layer_id;
    if (context == 0x1234)
        atomic_fetch_add(&sample->flows_deleted, 1);
}

NTSTATUS sample_register(struct sample *sample, unsigned version, UINT32 flags)
{
    static UINT32 serial;
    FWPS_CALLOUT0 old = {.flags = flags, .classifyFn = classify0, .notifyFn = notify0, .flowDeleteFn = flow_deleted};
    FWPS_CALLOUT3 new = {.flags = flags, .classifyFn = classify3, .notifyFn = notify3, .flowDeleteFn = flow_deleted};
    NTSTATUS status;

    if (sample->key.Data1 == 0)
        sample->key = (GUID){0x5a3b1e00u + ++serial, 0x1111, 0x4222, {0x83, 1, 2, 3, 4, 5, 6, 7}};
    old.calloutKey = new.calloutKey = sample->key;
    if (version == 0)
        status = FwpsCalloutRegister0(&device, &old, &sample->id);
    else if (version == 1)
        status = FwpsCalloutRegister1(&device, (const FWPS_CALLOUT1 *)(const void *)&new, &sample->id);
    else if (version == 2)
        status = FwpsCalloutRegister2(&device, (const FWPS_CALLOUT2 *)(const void *)&new, &sample->id);
    else
        status = FwpsCalloutRegister3(&device, &new, &sample->id);
    if (!NT_SUCCESS(status))
        return status;
    for (int i = 0; i < SAMPLE_MAX; i++) {
        if (samples[i] == NULL || samples[i] == sample) {
            samples[i] = sample;
            break;
        }
    }
    return status;
}

NTSTATUS sample_unregister(struct sample *sample)
{
    NTSTATUS status = FwpsCalloutUnregisterById0(sample->id);

    for (int i = 0; i < SAMPLE_MAX && NT_SUCCESS(status); i++) {
        if (samples[i] == sample)
            samples[i] = NULL;
    }
    return status;
}

void sample_forget_all(void)
{
    memset(samples, 0, sizeof(samples));
}
