/* SPDX-License-Identifier: MIT */
/*
 * server_here.h - one server with one client, a clock of its own, and the count of its memory.
 */
#ifndef TESTS_FWPUCLNT_SERVER_HERE_H
#define TESTS_FWPUCLNT_SERVER_HERE_H

#include <fwpmtypes.h>

struct fwpm_server;

void server_here_start(void);
/* Disconnects; aborts the process if the server kept memory. */
void server_here_stop(void);
/* 0 once it is stopped. */
UINT32 server_here_call(const void *input, UINT32 size, void *output, UINT32 capacity);
void server_here_pass(UINT64 milliseconds);
/* For further clients. */
struct fwpm_server *server_here(void);

#endif
