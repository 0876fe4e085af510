/* SPDX-License-Identifier: MIT */
/*
 * left-operation - unload takes filters and callouts away and does not think of the connection that is still held.
 * Windows: the program waits in connect() until it is killed; what the engine keeps of the callout is freed under it.
 */
#include "plant_hold.h"

static void drain(void)
{
#ifdef MENDED
    plant_hold_drain();
#endif
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_hold_classify}},
    .start = plant_hold_start,
    .drain = drain,
    .control = plant_hold_control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
