/* SPDX-License-Identifier: MIT */
/*
 * irql-lower-raises - the old IRQL of a lock is kept beside it, in one variable for all, and an IOCTL releases with
 * what classifyFn left there. Lowering "back" to DISPATCH_LEVEL leaves the caller there.
 * Windows: the IOCTL returns at DISPATCH_LEVEL: IRQL_GT_ZERO_AT_SYSTEM_SERVICE.
 */
#include "plant.h"

static KIRQL saved; /* by whoever came last */
static LONG connects;

PLANT_CLASSIFY(classify)
{
    KIRQL irql;

    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    saved = irql;
    connects++;
    KeLowerIrql(irql);
    plant_decide(out, FWP_ACTION_PERMIT);
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    KIRQL irql;

    UNREFERENCED_PARAMETER(device);
    KeRaiseIrql(APC_LEVEL, &irql);
    connects = 0;
#ifndef MENDED
    KeLowerIrql(saved);
#else
    KeLowerIrql(irql);
#endif
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}},
                                         .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
