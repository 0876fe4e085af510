/* SPDX-License-Identifier: MIT */
/*
 * lock-freed - each entry has a lock of its own; the entry is taken out and freed while its lock is held, and the lock
 * is released in the freed block.
 * Windows: writes into whatever got the memory; special pool stops at the release.
 */
#include "plant.h"

struct entry {
    KSPIN_LOCK lock;
    UINT64 endpoint;
};

static NTSTATUS NTAPI control(PDEVICE_OBJECT device, PIRP irp)
{
    struct entry *entry = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(*entry), PLANT_TAG);
    KIRQL irql;

    UNREFERENCED_PARAMETER(device);
    if (entry == NULL)
        return plant_complete(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    KeInitializeSpinLock(&entry->lock);
    KeAcquireSpinLock(&entry->lock, &irql);
    entry->endpoint = 0;
#ifndef MENDED
    ExFreePoolWithTag(entry, PLANT_TAG);
    KeReleaseSpinLock(&entry->lock, irql);
#else
    KeReleaseSpinLock(&entry->lock, irql);
    ExFreePoolWithTag(entry, PLANT_TAG);
#endif
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
