/* SPDX-License-Identifier: MIT */
/*
 * soft-block - classifyFn blocks and leaves FWPS_RIGHT_ACTION_WRITE set. A callout's block is soft then: a filter of a
 * lower sublayer permits.
 * Windows: blocked programs connect, on the machines that have a second firewall; one product shipped it.
 */
#define PLANT_WEIGHT 0xf000 /* above the filter that permits */

#include "plant.h"

PLANT_CLASSIFY(classify)
{
    if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0)
        return;
    out->actionType = FWP_ACTION_BLOCK;
#ifdef MENDED
    out->rights &= ~(UINT32)FWPS_RIGHT_ACTION_WRITE;
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
