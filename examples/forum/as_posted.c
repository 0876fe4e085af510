/* SPDX-License-Identifier: MIT */
/*
 * as_posted.c - the forum's driver as its author described it, mistakes included; README.md tells which.
 *
 * classifyFn at ALE_AUTH_CONNECT_V4 pends the connect, asks user level with FltSendMessage, completes the operation,
 * and returns the answer, all in one go. Do not use it: mended.c is the same firewall as it can be.
 */
#include <initguid.h>

#include <ntddk.h>

#include <fwpsk.h>

#include <fwpmk.h>

#include "forum.h"

DEFINE_GUID(FORUM_CALLOUT, 0x0f0a11c2, 0x52d0, 0x4e0b, 0xb1, 0x5e, 0x7a, 0x0c, 0x9b, 0x3d, 0x21, 0x01);

static PDEVICE_OBJECT device;
static PFLT_FILTER filter;
static PFLT_PORT server, client;
static HANDLE engine;
static UINT32 callout_id;

/* --- The port ------------------------------------------------------------------------------ */

static NTSTATUS FLTAPI on_connect(PFLT_PORT port, PVOID server_cookie, PVOID context, ULONG size, PVOID *cookie)
{
    (void)server_cookie, (void)context, (void)size;
    client = port;
    *cookie = NULL;
    return STATUS_SUCCESS;
}

static VOID FLTAPI on_disconnect(PVOID cookie)
{
    (void)cookie;
    FltCloseClientPort(filter, &client);
}

static NTSTATUS open_port(void)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(FORUM_PORT);
    PSECURITY_DESCRIPTOR descriptor;
    OBJECT_ATTRIBUTES attributes;
    NTSTATUS status = FltBuildDefaultSecurityDescriptor(&descriptor, FLT_PORT_ALL_ACCESS);

    if (!NT_SUCCESS(status))
        return status;
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, descriptor);
    status = FltCreateCommunicationPort(filter, &server, &attributes, NULL, on_connect, on_disconnect, NULL, 1);
    FltFreeSecurityDescriptor(descriptor);
    return status;
}

/* --- The callout --------------------------------------------------------------------------- */

static BOOLEAN ask(struct forum_question *question)
{
    struct forum_answer answer = {1};
    ULONG size = sizeof(answer);

    /* The crash: FltSendMessage waits, so it may be called at APC_LEVEL at most. */
    FltSendMessage(filter, &client, question, sizeof(*question), &answer, &size, NULL);
    return answer.safe_to_open != 0;
}

static void NTAPI classify(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                           void *layer_data, const void *context, const FWPS_FILTER1 *found, UINT64 flow_context,
                           FWPS_CLASSIFY_OUT0 *out)
{
    UINT32 flags = values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS].value.uint32;
    struct forum_question question = {
        .process_id = metadata->processId,
        .address = values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_ADDRESS].value.uint32,
        .port = values->incomingValue[FWPS_FIELD_ALE_AUTH_CONNECT_V4_IP_REMOTE_PORT].value.uint16};
    BOOLEAN safe_to_open = TRUE;
    HANDLE completion = NULL;

    (void)layer_data, (void)context, (void)found, (void)flow_context;
    out->actionType = FWP_ACTION_PERMIT;
    if ((flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE) == 0) {
        /* Meant to bring us to PASSIVE_LEVEL. It does not. */
        FwpsPendOperation0(metadata->completionHandle, &completion);
        safe_to_open = ask(&question);
        FwpsCompleteOperation0(completion, NULL);
    }
    out->actionType = safe_to_open ? FWP_ACTION_PERMIT : FWP_ACTION_BLOCK;
}

static NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID *filter_key, FWPS_FILTER1 *changed)
{
    (void)type, (void)filter_key, (void)changed;
    return STATUS_SUCCESS;
}

static NTSTATUS start_engine(void)
{
    FWPM_SESSION0 session = {.flags = FWPM_SESSION_FLAG_DYNAMIC};
    FWPM_DISPLAY_DATA0 name = {.name = (wchar_t *)L"Forum firewall"};
    FWPS_CALLOUT1 callout = {.calloutKey = FORUM_CALLOUT, .classifyFn = classify, .notifyFn = notify};
    FWPM_CALLOUT0 known = {
        .calloutKey = FORUM_CALLOUT, .displayData = name, .applicableLayer = FWPM_LAYER_ALE_AUTH_CONNECT_V4};
    FWPM_FILTER0 all = {.displayData = name,
                        .layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4,
                        .action = {.type = FWP_ACTION_CALLOUT_TERMINATING, .calloutKey = FORUM_CALLOUT}};
    NTSTATUS status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &engine);

    if (NT_SUCCESS(status))
        status = FwpsCalloutRegister1(device, &callout, &callout_id);
    if (NT_SUCCESS(status))
        status = FwpmCalloutAdd0(engine, &known, NULL, NULL);
    return NT_SUCCESS(status) ? FwpmFilterAdd0(engine, &all, NULL, NULL) : status;
}

/* --- Load and unload ----------------------------------------------------------------------- */

static void stop(void)
{
    if (engine != NULL)
        FwpmEngineClose0(engine);
    if (callout_id != 0)
        FwpsCalloutUnregisterById0(callout_id);
    if (server != NULL)
        FltCloseCommunicationPort(server);
    if (filter != NULL)
        FltUnregisterFilter(filter);
    IoDeleteDevice(device);
}

static NTSTATUS FLTAPI unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
    (void)flags;
    stop();
    return STATUS_SUCCESS;
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    FLT_REGISTRATION registration = {
        .Size = sizeof(registration), .Version = FLT_REGISTRATION_VERSION, .FilterUnloadCallback = unload};
    NTSTATUS status = IoCreateDevice(driver, 0, NULL, FILE_DEVICE_NETWORK, 0, FALSE, &device);

    (void)path;
    if (!NT_SUCCESS(status))
        return status;
    status = FltRegisterFilter(driver, &registration, &filter);
    if (NT_SUCCESS(status))
        status = open_port();
    if (NT_SUCCESS(status))
        status = FltStartFiltering(filter);
    if (NT_SUCCESS(status))
        status = start_engine();
    if (!NT_SUCCESS(status))
        stop();
    return status;
}
