/* SPDX-License-Identifier: MIT */
/*
 * action-without-right-pair - two callout drivers are at one layer. The other one (neighbour.c) is asked first and
 * blocks for good; this one permits every connect, without a look at rights. Each of them works when it is alone.
 * Windows: the two drivers' users blame each other; what passes depends on the weights of their sublayers.
 */
#include "plant.h"

PLANT_CLASSIFY(classify)
{
#ifndef MENDED
    out->actionType = FWP_ACTION_PERMIT;
#else
    plant_decide(out, FWP_ACTION_PERMIT);
#endif
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
