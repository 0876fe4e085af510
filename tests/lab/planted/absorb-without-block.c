/* SPDX-License-Identifier: MIT */
/*
 * absorb-without-block - the flag that hides a block from the audit is set at the top of classifyFn, for all ways out,
 * and one of them permits.
 * Windows: FWPS_CLASSIFY_OUT_FLAG_ABSORB has a meaning with FWP_ACTION_BLOCK only; a permitted packet may vanish.
 */
#include "plant.h"

PLANT_CLASSIFY(classify)
{
    UINT16 port = values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_PORT].value.uint16;

    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0)
        return;
#ifndef MENDED
    out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    plant_decide(out, port == 23 ? FWP_ACTION_BLOCK : FWP_ACTION_PERMIT);
#else
    if (port == 23)
        plant_absorb(out);
    else
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
