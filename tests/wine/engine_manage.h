/* SPDX-License-Identifier: MIT */
/*
 * engine_manage.h - the management calls of programs (ENGINE_IOCTL_MANAGE), run by fwpuclnt/server.h on the engine.
 *
 * One server for the driver host; a client for each handle that calls. PASSIVE_LEVEL; any thread: one call at a time
 * runs.
 */
#ifndef TESTS_WINE_ENGINE_MANAGE_H
#define TESTS_WINE_ENGINE_MANAGE_H

#include <ntddk.h>

struct fwpm_client;

/* *client, at first NULL, is the handle's. input and output may be one buffer. *answer_size is written on success. */
NTSTATUS engine_manage_call(struct fwpm_client **client, const void *input, ULONG input_size, void *output,
                            ULONG output_size, ULONG *answer_size);

/* The handle is closed; takes NULL. */
void engine_manage_leave(struct fwpm_client *client);

#endif
