/* SPDX-License-Identifier: MIT */
/*
 * device_client.c - one handle on a driver's device, moved by lines on standard input. It knows no library of
 * Gatehouse, only include/gatehouse/protocol.h, and can do what gatehouse.exe never does.
 *
 *   open NAME          CreateFile \\.\NAME, overlapped
 *   hello ROLE         1 decides, 2 observes
 *   get                starts a GET_REQUESTS; "got ID PID ADDRESS PORT FLAGS" for each request when it ends, or "got
 * error CODE" seed               starts the article's GET_NEXT_REQUEST; "got ID PID ADDRESS PORT" when it ends cancel
 * CancelIoEx permit|block ID    SUBMIT_DECISIONS for this connection; "permit ok" or the status of the decision in
 * hexadecimal close              CloseHandle, with whatever is under way exit               ends the process at once,
 * with whatever is under way
 *
 * One line answers each at once: the command and "ok", or "error CODE".
 */
#include <windows.h>

#include <gatehouse/protocol.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static HANDLE device = INVALID_HANDLE_VALUE;

struct read {
    OVERLAPPED overlapped;
    HANDLE device;
    BOOL seed;
    unsigned char output[1 << 17];
};

static BOOL control(DWORD code, const void *input, DWORD input_size, void *output, DWORD output_size)
{
    OVERLAPPED overlapped = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
    DWORD size;
    BOOL taken = DeviceIoControl(device, code, (void *)input, input_size, output, output_size, &size, &overlapped);

    if (!taken && GetLastError() == ERROR_IO_PENDING)
        taken = GetOverlappedResult(device, &overlapped, &size, TRUE);
    CloseHandle(overlapped.hEvent);
    return taken;
}

static void say(const char *format, uint64_t a, uint64_t b, const unsigned char *address, uint32_t c, uint32_t d)
{
    printf(format, a, b, address[0], address[1], address[2], address[3], c, d);
    fflush(stdout);
}

static void show_requests(const unsigned char *at, DWORD size)
{
    while (size >= sizeof(struct gatehouse_request)) {
        struct gatehouse_request request;

        memcpy(&request, at, sizeof(request));
        say("got %" PRIu64 " %" PRIu64 " %u.%u.%u.%u %u %u\n", request.id, request.process_id, request.remote_address,
            request.remote_port, request.flags);
        at += request.size;
        size -= request.size;
    }
}

/* The event is waited for, not the handle: that may be closed meanwhile. */
static DWORD WINAPI wait_for(void *context)
{
    struct read *read = context;
    DWORD status;

    WaitForSingleObject(read->overlapped.hEvent, INFINITE);
    status = (DWORD)read->overlapped.Internal;
    if (status != 0) {
        printf("got error %lx\n", status);
        fflush(stdout);
    } else if (read->seed) {
        USER_CLASSIFY_REQUEST request;
        unsigned char address[4];

        memcpy(&request, read->output, sizeof(request));
        for (int i = 0; i < 4; i++)
            address[i] = (unsigned char)(request.RemoteAddressV4 >> (24 - 8 * i));
        say("got %" PRIu64 " %" PRIu64 " %u.%u.%u.%u %u %u\n", request.RequestId, request.ProcessId, address,
            request.RemotePort, 0);
    } else {
        show_requests(read->output, (DWORD)read->overlapped.InternalHigh);
    }
    CloseHandle(read->overlapped.hEvent);
    free(read);
    return 0;
}

static BOOL start_read(BOOL seed)
{
    struct read *read = calloc(1, sizeof(*read));
    DWORD code = seed ? IOCTL_WFP_GET_NEXT_REQUEST : GATEHOUSE_IOCTL_GET_REQUESTS;

    read->seed = seed;
    read->device = device;
    read->overlapped.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
    if (!DeviceIoControl(device, code, NULL, 0, read->output, sizeof(read->output), NULL, &read->overlapped) &&
        GetLastError() != ERROR_IO_PENDING)
        return FALSE;
    CloseHandle(CreateThread(NULL, 0, wait_for, read, 0, NULL));
    return TRUE;
}

static BOOL open_device(const char *name)
{
    char path[100];

    snprintf(path, sizeof(path), "\\\\.\\%s", name);
    device = CreateFileA(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
    return device != INVALID_HANDLE_VALUE;
}

static BOOL decide(uint64_t id, uint32_t verdict)
{
    struct {
        struct gatehouse_decisions head;
        struct gatehouse_decision one;
    } in = {{GATEHOUSE_PROTOCOL_VERSION, 1}, {.id = id, .verdict = verdict}};
    uint32_t status = 0;
    BOOL taken = control(GATEHOUSE_IOCTL_SUBMIT_DECISIONS, &in, sizeof(in), &status, sizeof(status));

    if (taken && status != 0)
        SetLastError(status);
    return taken && status == 0;
}

static BOOL run(const char *command, const char *argument)
{
    struct gatehouse_hello hello = {.version = GATEHOUSE_PROTOCOL_VERSION,
                                    .role = (uint32_t)strtoul(argument, NULL, 10)};

    SetLastError(ERROR_INVALID_FUNCTION);
    if (strcmp(command, "open") == 0)
        return open_device(argument);
    if (strcmp(command, "hello") == 0)
        return control(GATEHOUSE_IOCTL_HELLO, &hello, sizeof(hello), &hello, sizeof(hello));
    if (strcmp(command, "get") == 0 || strcmp(command, "seed") == 0)
        return start_read(command[0] == 's');
    if (strcmp(command, "cancel") == 0)
        return CancelIoEx(device, NULL);
    if (strcmp(command, "permit") == 0)
        return decide(strtoull(argument, NULL, 10), GATEHOUSE_VERDICT_PERMIT);
    if (strcmp(command, "block") == 0)
        return decide(strtoull(argument, NULL, 10), GATEHOUSE_VERDICT_BLOCK);
    return strcmp(command, "close") == 0 && CloseHandle(device);
}

int main(void)
{
    char line[256];

    printf("ready %lu\n", GetCurrentProcessId());
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *command = strtok(line, " \r\n");
        char *argument = strtok(NULL, " \r\n");

        if (command == NULL)
            continue;
        if (strcmp(command, "exit") == 0)
            ExitProcess(0);
        if (run(command, argument == NULL ? "" : argument))
            printf("%s ok\n", command);
        else
            printf("%s error %lx\n", command, GetLastError());
        fflush(stdout);
    }
    return 0;
}
