/* SPDX-License-Identifier: MIT */
/*
 * client_channel.c - a server in this process, and the channel to it. See api.h.
 */
#include "fwpuclnt/client.h"
#include "tests/fwpuclnt/api.h"
#include "tests/fwpuclnt/server_here.h"

static DWORD carry(void *context, const void *input, UINT32 input_size, void *output, UINT32 capacity,
                   UINT32 *output_size)
{
    (void)context;
    *output_size = server_here_call(input, input_size, output, capacity);
    return *output_size == 0 ? RPC_S_CALL_FAILED : ERROR_SUCCESS;
}

static void let_pass(void *context, UINT32 milliseconds)
{
    (void)context;
    server_here_pass(milliseconds);
}

void client_start(void)
{
    struct fwpm_channel channel = {.call = carry, .pause = let_pass};

    server_here_start();
    fwpm_use_channel(&channel);
}

void client_stop(void)
{
    fwpm_use_channel(NULL);
    server_here_stop();
}

void client_pass(UINT64 milliseconds)
{
    server_here_pass(milliseconds);
}
