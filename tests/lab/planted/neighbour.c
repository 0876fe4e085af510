/* SPDX-License-Identifier: MIT */
/*
 * neighbour.c - the other callout driver at the layer, in a heavier sublayer: it blocks port 23 for good and permits
 * the rest. It breaks no rule, mended or not; see action-without-right-pair.c.
 */
#define PLANT_NUMBER 1
#define PLANT_DEVICE L"Neighbour"
#define PLANT_WEIGHT 0xf000

#include "plant.h"

PLANT_CLASSIFY(classify)
{
    UINT16 port = values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_PORT].value.uint16;

    plant_decide(out, port == 23 ? FWP_ACTION_BLOCK : FWP_ACTION_PERMIT);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
