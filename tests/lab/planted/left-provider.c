/* SPDX-License-Identifier: MIT */
/*
 * left-provider - the provider is added in a session that is not dynamic, so that others may name it, and unload does
 * not delete it.
 * Windows: it stays until the Base Filtering Engine ends, and the next start gets FWP_E_ALREADY_EXISTS.
 */
#include "plant.h"

static const GUID provider_key = {0x9d1c0ef0, 0x52b7, 0x4f0a, {0x8e, 0x21, 1, 2, 3, 4, 5, 6}};
static HANDLE engine;

static NTSTATUS start(void)
{
    FWPM_PROVIDER0 provider = {0};
    NTSTATUS status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine);

    if (!NT_SUCCESS(status))
        return status;
    provider.providerKey = provider_key;
    provider.displayData.name = (wchar_t *)L"Planted";
    status = FwpmProviderAdd0(engine, &provider, NULL);
    if (!NT_SUCCESS(status))
        (void)FwpmEngineClose0(engine);
    return status;
}

static void stop(void)
{
#ifdef MENDED
    (void)FwpmProviderDeleteByKey0(engine, &provider_key);
#endif
    (void)FwpmEngineClose0(engine);
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .start = start, .stop = stop};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
