/* SPDX-License-Identifier: MIT */
/*
 * metadata-without-bit-path - classifyFn takes the length of the program's path without a look at the bit of that
 * member. Connects of the kernel itself have no path.
 * Windows: the member is what the last classify on this processor left there, or nothing: an access violation.
 */
#include "plant.h"

static ULONG longest;

PLANT_CLASSIFY(classify)
{
#ifdef MENDED
    if (FWPS_IS_METADATA_FIELD_PRESENT(metadata, FWPS_METADATA_FIELD_PROCESS_PATH))
#endif
        if (metadata->processPath->size > longest)
            longest = metadata->processPath->size;
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
