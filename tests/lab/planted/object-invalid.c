/* SPDX-License-Identifier: MIT */
/*
 * object-invalid - the thread object is dereferenced when it has ended, and again on the way out. Two references were
 * taken back, one was held.
 * Windows: REFERENCE_BY_POINTER, when the memory has another owner.
 */
#include "plant_thread.h"

static void work(void)
{
}

static NTSTATUS start(void)
{
    return plant_thread_start(work);
}

static void stop(void)
{
    plant_thread_wait();
#ifndef MENDED
    ObDereferenceObject(plant_thread.object);
#endif
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .start = start, .stop = stop};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
