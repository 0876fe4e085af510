/* SPDX-License-Identifier: MIT */
/*
 * left-file - settings are read from a file at start; the path on which it is empty forgets the handle.
 * Windows: the file stays open, and nobody may delete or rename it, until the machine restarts.
 */
#include "plant.h"

static NTSTATUS start(void)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\?\?\\unix\\dev\\shm\\wfplab-planted-left-file");
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK block;
    HANDLE file;
    UCHAR first;
    NTSTATUS status;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    status = ZwCreateFile(&file, FILE_GENERIC_READ | DELETE, &attributes, &block, NULL, FILE_ATTRIBUTE_NORMAL, 0,
                          FILE_OPEN_IF, FILE_SYNCHRONOUS_IO_NONALERT | FILE_DELETE_ON_CLOSE, NULL, 0);
    if (!NT_SUCCESS(status))
        return status;
    status = ZwReadFile(file, NULL, NULL, NULL, &block, &first, sizeof(first), NULL, NULL);
#ifndef MENDED
    if (status == STATUS_END_OF_FILE)
        return STATUS_SUCCESS;
#endif
    ZwClose(file);
    return status == STATUS_END_OF_FILE ? STATUS_SUCCESS : status;
}

static const struct plant_hooks hooks = {
    .callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = plant_permit}}, .start = start};

DRIVER_INITIALIZE DriverEntry;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
