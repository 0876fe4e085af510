/* SPDX-License-Identifier: MIT */
/*
 * classify-under-lock - the driver takes its contexts back from the flows with the lock of their list held.
 * FwpsFlowRemoveContext0 calls flowDeleteFn before it returns, and that takes the lock to unlink the context.
 * Windows: the processor spins for ever with its own lock, at unload, if there is a connection.
 */
#include "plant.h"

static KSPIN_LOCK lock;
static UINT64 flow;

static NTSTATUS start(void)
{
    KeInitializeSpinLock(&lock);
    return STATUS_SUCCESS;
}

PLANT_CLASSIFY(flow_established)
{
    KIRQL irql;

    if (!FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_FLOW_HANDLE) ||
        !NT_SUCCESS(FwpsFlowAssociateContext0(metadata->flowHandle, values->layerId, plant.ids[0], 1)))
        return;
    KeAcquireSpinLock(&lock, &irql);
    flow = metadata->flowHandle;
    KeReleaseSpinLock(&lock, irql);
}

static void NTAPI flow_deleted(UINT16 layer, UINT32 callout, UINT64 context)
{
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    flow = 0;
    KeReleaseSpinLock(&lock, irql);
}

static void drain(void)
{
    UINT64 taken;
    KIRQL irql;

    KeAcquireSpinLock(&lock, &irql);
    taken = flow;
#ifndef MENDED
    if (taken != 0)
        (void)FwpsFlowRemoveContext0(taken, FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4, plant.ids[0]);
    KeReleaseSpinLock(&lock, irql);
#else
    KeReleaseSpinLock(&lock, irql);
    if (taken != 0)
        (void)FwpsFlowRemoveContext0(taken, FWPS_LAYER_ALE_FLOW_ESTABLISHED_V4, plant.ids[0]);
#endif
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4,
                                                       .classify = flow_established,
                                                       .flow_delete = flow_deleted,
                                                       .action = FWP_ACTION_CALLOUT_INSPECTION}},
                                         .start = start,
                                         .drain = drain};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
