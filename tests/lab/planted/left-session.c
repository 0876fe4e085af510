/* SPDX-License-Identifier: MIT */
/*
 * left-session - a second session is opened to look whether the provider is there, and the path on which it is not
 * there leaves without closing it.
 * Windows: the session stays until the machine is restarted, and its transaction lock with it, if it had one.
 */
#include "plant.h"

static const GUID provider_key = {0x9d1c0ef0, 0x52b7, 0x4f0a, {0x8e, 0x21, 1, 2, 3, 4, 5, 6}};

static BOOLEAN provider_is_there(void)
{
    FWPM_PROVIDER0 *provider = NULL;
    HANDLE engine;

    if (!NT_SUCCESS(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine)))
        return FALSE;
    if (!NT_SUCCESS(FwpmProviderGetByKey0(engine, &provider_key, &provider))) {
#ifdef MENDED
        (void)FwpmEngineClose0(engine);
#endif
        return FALSE;
    }
    FwpmFreeMemory0((void **)&provider);
    (void)FwpmEngineClose0(engine);
    return TRUE;
}

static NTSTATUS start(void)
{
    (void)provider_is_there();
    return STATUS_SUCCESS;
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .start = start};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
