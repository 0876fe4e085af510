/* SPDX-License-Identifier: MIT */
/*
 * fwpuclnt_engine.c - the channel of a fwpuclnt.dll that reaches the engine under Wine: the client of fwpuclnt/, its
 * calls carried by ENGINE_IOCTL_MANAGE.
 *
 * One handle for the process, opened by the first call: the end of the process is the end of its sessions. Without an
 * engine a call gives what the platform's gives without the service BFE, EPT_S_NOT_REGISTERED.
 */
#include <winsock2.h>

#include <windows.h>

#include "fwpuclnt/client.h"
#include "tests/wine/engine_control.h"

static HANDLE engine = INVALID_HANDLE_VALUE;

static DWORD channel_call(void *context, const void *input, UINT32 input_size, void *output, UINT32 capacity,
                          UINT32 *output_size)
{
    DWORD size = 0;

    (void)context;
    if (engine == INVALID_HANDLE_VALUE)
        engine = CreateFileW(ENGINE_DEVICE, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    if (engine == INVALID_HANDLE_VALUE)
        return EPT_S_NOT_REGISTERED;
    if (!DeviceIoControl(engine, ENGINE_IOCTL_MANAGE, (void *)(ULONG_PTR)input, input_size, output, capacity, &size,
                         NULL))
        return RPC_S_CALL_FAILED;
    *output_size = size;
    return ERROR_SUCCESS;
}

static void channel_pause(void *context, UINT32 milliseconds)
{
    (void)context;
    Sleep(milliseconds);
}

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID reserved);

BOOL WINAPI DllMain(HINSTANCE module, DWORD reason, LPVOID reserved)
{
    static const struct fwpm_channel channel = {.call = channel_call, .pause = channel_pause};

    (void)module;
    (void)reserved;
    if (reason == DLL_PROCESS_ATTACH)
        fwpm_use_channel(&channel);
    return TRUE;
}
