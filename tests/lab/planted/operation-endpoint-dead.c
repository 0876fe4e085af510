/* SPDX-License-Identifier: MIT */
/*
 * operation-endpoint-dead - the driver does not watch the closure layer: a program that holds a pended connect is
 * ended, and its operation is completed when the answer comes.
 * Windows: a bug check in FwpsCompleteOperation0 was reported, after a process had been killed.
 */
#include "plant_hold.h"

PLANT_CLASSIFY(closed)
{
#ifdef MENDED
    if (plant_hold.endpoint == plant_endpoint(metadata))
        (void)plant_hold_answer(FWP_ACTION_BLOCK);
#endif
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_hold_classify},
                 {.layer = &FWPM_LAYER_ALE_ENDPOINT_CLOSURE_V4,
                  .classify = closed,
                  .action = FWP_ACTION_CALLOUT_INSPECTION}},
    .start = plant_hold_start,
    .drain = plant_hold_drain,
    .control = plant_hold_control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
