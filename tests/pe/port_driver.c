/* SPDX-License-Identifier: MIT */
/*
 * port_driver.c - a minifilter with a communication port, built by mingw-w64, for the loader's tests.
 *
 * Its program's "?" makes a system thread ask with FltSendMessage; what it got, status and text, is the answer to "!".
 */
#include <fltkernel.h>

#include <stddef.h>

#define PORT_NAME L"\\PePort"

/* mingw-w64 has its own fltuserstructures.h: the other source of these layouts. */
_Static_assert(sizeof(FILTER_MESSAGE_HEADER) == 16 && offsetof(FILTER_MESSAGE_HEADER, MessageId) == 8,
               "FILTER_MESSAGE_HEADER");
_Static_assert(sizeof(FILTER_REPLY_HEADER) == 16 && offsetof(FILTER_REPLY_HEADER, MessageId) == 8,
               "FILTER_REPLY_HEADER");
_Static_assert(sizeof(FLT_REGISTRATION) == 112, "FLT_REGISTRATION");

static PFLT_FILTER filter;
static PFLT_PORT server, client;
static PVOID thread;
static struct {
    NTSTATUS status;
    CHAR text[12];
} answer;

static VOID NTAPI ask(PVOID context)
{
    CHAR question[] = "permit?";
    ULONG size = sizeof(answer.text);
    LARGE_INTEGER timeout = {.QuadPart = -300000000}; /* 30 s */

    (void)context;
    answer.status = FltSendMessage(filter, &client, question, sizeof(question), answer.text, &size, &timeout);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS start_asking(void)
{
    HANDLE handle;
    NTSTATUS status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, ask, NULL);

    if (!NT_SUCCESS(status))
        return status;
    status = ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
    ZwClose(handle);
    return status;
}

static VOID end_asking(void)
{
    if (thread == NULL)
        return;
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
    thread = NULL;
}

static NTSTATUS FLTAPI on_connect(PFLT_PORT port, PVOID server_cookie, PVOID context, ULONG size, PVOID *cookie)
{
    (void)server_cookie, (void)context, (void)size;
    client = port;
    *cookie = &client;
    return STATUS_SUCCESS;
}

static VOID FLTAPI on_disconnect(PVOID cookie)
{
    end_asking();
    FltCloseClientPort(filter, (PFLT_PORT *)cookie);
}

static NTSTATUS FLTAPI on_message(PVOID cookie, PVOID input, ULONG input_size, PVOID output, ULONG output_size,
                                  PULONG returned)
{
    (void)cookie;
    if (input_size == 1 && *(CHAR *)input == '?')
        return start_asking();
    if (input_size != 1 || output_size < sizeof(answer))
        return STATUS_INVALID_PARAMETER;
    end_asking();
    RtlCopyMemory(output, &answer, sizeof(answer));
    *returned = sizeof(answer);
    return STATUS_SUCCESS;
}

static NTSTATUS FLTAPI on_unload(FLT_FILTER_UNLOAD_FLAGS flags)
{
    (void)flags;
    FltCloseCommunicationPort(server);
    FltUnregisterFilter(filter);
    return STATUS_SUCCESS;
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    const FLT_REGISTRATION registration = {
        .Size = sizeof(registration), .Version = FLT_REGISTRATION_VERSION, .FilterUnloadCallback = on_unload};
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;
    PSECURITY_DESCRIPTOR descriptor;

    (void)path;
    RtlInitUnicodeString(&name, PORT_NAME);
    NTSTATUS status = FltRegisterFilter(driver, &registration, &filter);
    if (!NT_SUCCESS(status))
        return status;
    status = FltBuildDefaultSecurityDescriptor(&descriptor, FLT_PORT_ALL_ACCESS);
    if (NT_SUCCESS(status)) {
        InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, descriptor);
        status =
            FltCreateCommunicationPort(filter, &server, &attributes, NULL, on_connect, on_disconnect, on_message, 1);
        FltFreeSecurityDescriptor(descriptor);
    }
    if (NT_SUCCESS(status))
        status = FltStartFiltering(filter);
    if (!NT_SUCCESS(status))
        FltUnregisterFilter(filter);
    return status;
}
