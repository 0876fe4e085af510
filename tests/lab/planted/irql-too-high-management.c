/* SPDX-License-Identifier: MIT */
/*
 * irql-too-high-management - classifyFn adds a filter for the program that it has just seen, so that it is not asked
 * again. Every Fwpm routine goes through the Base Filtering Engine and may be called at PASSIVE_LEVEL only.
 * Windows: the RPC waits at DISPATCH_LEVEL: ATTEMPTED_SWITCH_FROM_DPC, or a dead machine.
 */
#include "plant.h"

PLANT_CLASSIFY(classify)
{
#ifndef MENDED
    (void)plant_filter_add(0, NULL);
#endif
    plant_decide(out, FWP_ACTION_PERMIT);
}

/* The client asks for it, at PASSIVE_LEVEL. */
static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    return plant_complete(irp, plant_filter_add(0, NULL), 0);
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
