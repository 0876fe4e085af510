/* SPDX-License-Identifier: MIT */
/*
 * filter-without-callout - to pause, the driver unregisters its callout and leaves the filter where it is. A
 * terminating filter without its callout blocks.
 * Windows: pausing the firewall cuts the machine off.
 */
#include "plant.h"

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
#ifdef MENDED
    plant_session_close();
#endif
    plant_unregister();
    return plant_complete(irp, STATUS_SUCCESS, 0);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
