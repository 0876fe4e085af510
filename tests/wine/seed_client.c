/* SPDX-License-Identifier: MIT */
/*
 * seed_client.c - the decision program as the article describes it, on Windows.
 *
 *   seed_client permit|block
 *
 * It knows the device \\.\SampleWfpCallout, two IOCTLs and two structures; it opens the device for synchronous
 * calls and decides everything one way. It prints "request ID PID ADDRESS PORT" for each and ends with "error CODE"
 * when a call fails, as one does when the driver is stopped.
 */
#include <windows.h>

#include <winioctl.h>

#include <stdio.h>
#include <string.h>

#define IOCTL_WFP_GET_NEXT_REQUEST CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_WFP_SUBMIT_DECISION  CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)

typedef struct _USER_CLASSIFY_REQUEST {
    unsigned __int64 RequestId;
    unsigned __int64 ProcessId;
    unsigned long RemoteAddressV4;
    unsigned short RemotePort;
    unsigned short Reserved;
} USER_CLASSIFY_REQUEST;

typedef struct _USER_CLASSIFY_DECISION {
    unsigned __int64 RequestId;
    unsigned long Block;
    unsigned long Reserved;
} USER_CLASSIFY_DECISION;

int main(int argc, char **argv)
{
    USER_CLASSIFY_REQUEST request;
    USER_CLASSIFY_DECISION decision = {0};
    DWORD returned;
    HANDLE device = CreateFileA("\\\\.\\SampleWfpCallout", GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
                                FILE_ATTRIBUTE_NORMAL, NULL);

    if (argc != 2 || device == INVALID_HANDLE_VALUE) {
        printf("error %lu\n", GetLastError());
        return 2;
    }
    printf("ready %lu\n", GetCurrentProcessId());
    fflush(stdout);
    while (DeviceIoControl(device, IOCTL_WFP_GET_NEXT_REQUEST, NULL, 0, &request, sizeof(request), &returned, NULL)) {
        printf("request %llu %llu %08lX %u\n", request.RequestId, request.ProcessId, request.RemoteAddressV4,
               request.RemotePort);
        fflush(stdout);
        decision.RequestId = request.RequestId;
        decision.Block = strcmp(argv[1], "block") == 0;
        if (!DeviceIoControl(device, IOCTL_WFP_SUBMIT_DECISION, &decision, sizeof(decision), NULL, 0, &returned, NULL))
            break;
    }
    printf("error %lu\n", GetLastError());
    return 0;
}
