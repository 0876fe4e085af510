/* SPDX-License-Identifier: MIT */
/*
 * callout.h - for the steps: one callout at ALE_AUTH_CONNECT_V4, with a filter that leads every connect to it.
 *
 * Included by one C file, which writes classify and calls start and stop.
 */
#include <initguid.h>

#include <ntddk.h>

#include <fwpsk.h>

#include <fwpmk.h>

DEFINE_GUID(STEP_CALLOUT, 0x5c0c6e1a, 0x8e44, 0x4d6b, 0xa1, 0x7f, 0x3a, 0x61, 0x09, 0x2d, 0x7b, 0x20);

static PDEVICE_OBJECT device;
static HANDLE engine;
static UINT32 callout_id;

static void NTAPI classify(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                           void *layer_data, const void *context, const FWPS_FILTER3 *filter, UINT64 flow_context,
                           FWPS_CLASSIFY_OUT0 *out);

static NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *filter_key, FWPS_FILTER3 *filter)
{
    (void)type, (void)filter_key, (void)filter;
    return STATUS_SUCCESS;
}

static VOID NTAPI stop(PDRIVER_OBJECT driver)
{
    (void)driver;
    FwpmEngineClose0(engine); /* a dynamic session: what was added in it goes with it */
    FwpsCalloutUnregisterById0(callout_id);
    IoDeleteDevice(device);
}

static NTSTATUS start(PDRIVER_OBJECT driver)
{
    FWPM_SESSION0 session = {.flags = FWPM_SESSION_FLAG_DYNAMIC};
    FWPM_DISPLAY_DATA0 name = {.name = (wchar_t *)L"Step"};
    FWPS_CALLOUT3 callout = {.calloutKey = STEP_CALLOUT, .classifyFn = classify, .notifyFn = notify};
    FWPM_CALLOUT0 known = {
        .calloutKey = STEP_CALLOUT, .displayData = name, .applicableLayer = FWPM_LAYER_ALE_AUTH_CONNECT_V4};
    FWPM_FILTER0 filter = {.displayData = name,
                           .layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4,
                           .action = {.type = FWP_ACTION_CALLOUT_TERMINATING, .calloutKey = STEP_CALLOUT}};
    NTSTATUS status = IoCreateDevice(driver, 0, NULL, FILE_DEVICE_NETWORK, 0, FALSE, &device);

    driver->DriverUnload = stop;
    if (NT_SUCCESS(status))
        status = FwpsCalloutRegister3(device, &callout, &callout_id); /* the function, for the engine to call */
    if (NT_SUCCESS(status))
        status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &engine);
    if (NT_SUCCESS(status))
        status = FwpmCalloutAdd0(engine, &known, NULL, NULL); /* the name, for filters to use */
    return NT_SUCCESS(status) ? FwpmFilterAdd0(engine, &filter, NULL, NULL) : status;
}
