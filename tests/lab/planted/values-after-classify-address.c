/* SPDX-License-Identifier: MIT */
/*
 * values-after-classify-address - the IPv4 address was a number and could be kept; the code was copied for IPv6, where
 * the value is a pointer to sixteen bytes of the engine's.
 * Windows: the user is asked about an address that nobody connects to.
 */
#include "plant.h"

#ifndef MENDED
static const FWP_BYTE_ARRAY16 *kept;
#else
static UINT8 kept[16];
#endif
static ULONG kept_size;

PLANT_CLASSIFY(classify)
{
    const FWP_VALUE0 *address = &values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V6_IP_REMOTE_ADDRESS].value;

    if (address->type == FWP_BYTE_ARRAY16_TYPE) {
#ifndef MENDED
        kept = address->byteArray16;
#else
        RtlCopyMemory(kept, address->byteArray16, sizeof(kept));
#endif
        kept_size = sizeof(*address->byteArray16);
    }
    plant_decide(out, FWP_ACTION_PERMIT);
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    ULONG size = kept_size;

    UNREFERENCED_PARAMETER(device);
    if (size == 0 || plant_output(irp) < size)
        return plant_complete(irp, STATUS_BUFFER_TOO_SMALL, 0);
    RtlCopyMemory(irp->AssociatedIrp.SystemBuffer, kept, size);
    return plant_complete(irp, STATUS_SUCCESS, size);
}

static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V6, .classify = classify}},
                                         .control = control};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
