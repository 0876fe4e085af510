/* SPDX-License-Identifier: MIT */
/*
 * assert - an assertion says the opposite of what it is to say, and was never compiled in.
 * Windows: the checked build stops at the first connect; the free build is silent, and so is everybody who trusts the
 * line.
 */
#include "plant.h"

static LONG connects;

PLANT_CLASSIFY(classify)
{
#ifndef MENDED
    NT_ASSERT(KeGetCurrentIrql() > DISPATCH_LEVEL);
#else
    NT_ASSERT(KeGetCurrentIrql() <= DISPATCH_LEVEL);
#endif
    InterlockedIncrement(&connects);
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
