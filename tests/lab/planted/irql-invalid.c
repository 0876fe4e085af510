/* SPDX-License-Identifier: MIT */
/*
 * irql-invalid - code from a 32-bit driver raises to 31, which was HIGH_LEVEL there; on x64 the highest IRQL is 15.
 * The number was written instead of the name.
 * Windows: CR8 takes four bits: general protection fault.
 */
#include "plant.h"

static LONG connects;

PLANT_CLASSIFY(classify)
{
    KIRQL irql;

#ifndef MENDED
    KeRaiseIrql(31, &irql);
#else
    KeRaiseIrql(HIGH_LEVEL, &irql);
#endif
    connects++;
    KeLowerIrql(irql);
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
