/* SPDX-License-Identifier: MIT */
/*
 * irql-raise-lowers - classifyFn raises to APC_LEVEL around its work, to keep APCs away; it was only ever tried at
 * PASSIVE_LEVEL. At DISPATCH_LEVEL that is below where it already is.
 * Windows: bug check IRQL_NOT_GREATER_OR_EQUAL.
 */
#include "plant.h"

static LONG connects;

PLANT_CLASSIFY(classify)
{
#ifndef MENDED
    KIRQL irql;

    KeRaiseIrql(APC_LEVEL, &irql);
    InterlockedIncrement(&connects);
    KeLowerIrql(irql);
#else
    InterlockedIncrement(&connects);
#endif
    plant_decide(out, FWP_ACTION_PERMIT);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
