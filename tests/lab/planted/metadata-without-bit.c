/* SPDX-License-Identifier: MIT */
/*
 * metadata-without-bit - classifyFn reads the process id without a look at its bit. Connects of the kernel have none,
 * and then the member is whatever was there.
 * Windows: the System process is taken for the program that connected before it.
 */
#include "plant.h"

static UINT64 last_process;

PLANT_CLASSIFY(classify)
{
#ifdef MENDED
    if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_PROCESS_ID))
#endif
        last_process = metadata->processId;
    plant_decide(out, last_process == 4 ? FWP_ACTION_BLOCK : FWP_ACTION_PERMIT);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
