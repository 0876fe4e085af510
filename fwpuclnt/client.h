/* SPDX-License-Identifier: MIT */
/*
 * client.h - who carries the calls of fwpmu.h to the server (server.h): the one thing that this fwpuclnt asks for and
 * the platform's does not.
 *
 * On Linux it is gatehoused's socket. The functions of fwpmu.h may be called once a channel is set; a session keeps the
 * channel that it was opened with.
 */
#ifndef FWPUCLNT_CLIENT_H
#define FWPUCLNT_CLIENT_H

#include <fwpmu.h>

struct fwpm_channel {
    void *context;
    /* Carries input, and the answer of at most capacity bytes back. Not ERROR_SUCCESS: the call's own result then. */
    DWORD (*call)
    (void *context, const void *input, UINT32 input_size, void *output, UINT32 capacity, UINT32 *output_size);
    /* Another program's transaction is open: time to let pass before the next try. */
    void (*pause)(void *context, UINT32 milliseconds);
};

/* Copied; NULL: none any more. What context points to must live as long as the sessions. Not while others call. */
void fwpm_use_channel(const struct fwpm_channel *channel);

#endif
