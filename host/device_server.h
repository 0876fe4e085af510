/* SPDX-License-Identifier: MIT */
/*
 * device_server.h - the driver's device as a Unix socket (gatehouse/transport.h).
 *
 * Each accepted peer is one file handle on the device; each message is one device control call.
 * Only root and members of the group "gatehouse" may open it, as SO_PEERCRED and SO_PEERGROUPS tell.
 * 64 at once, of one user other than root 24, of all of them 48: STATUS_TOO_MANY_SESSIONS.
 * A client that does not read its answers is not read from either, so what is kept for it is bounded.
 * Filter management calls (GATEHOUSE_CALL_MANAGE) go past the device to the engine (fwpuclnt/server.h).
 */
#ifndef HOST_DEVICE_SERVER_H
#define HOST_DEVICE_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "gatehouse/transport.h"
#include "host/loop.h"

struct device_server;

/* Fills in what the Linux side counts, for GATEHOUSE_CALL_PLATFORM_STATUS. */
typedef void device_server_status(void *context, struct gatehouse_platform_status *status);

/* At most room entries from number first on, for GATEHOUSE_CALL_HITS. */
typedef void device_server_hits(void *context, uint64_t first, unsigned room, struct gatehouse_hits *head,
                                struct gatehouse_hit *entries);

/* Writes a struct gatehouse_flows and records, for GATEHOUSE_CALL_FLOWS; returns the bytes. room is 4096 at least. */
typedef size_t device_server_flows(void *context, const struct gatehouse_flows_get *get, void *out, size_t room);

struct device_server_options {
    const char *path;   /* of the socket; its folder is made if missing, a socket nobody answers at is replaced */
    const char *device; /* "\\\\.\\Gatehouse" */
    device_server_status *status;
    device_server_hits *hits;
    device_server_flows *flows;
    void (*wake)(void *context); /* on another thread a driver ended a call: device_server_tidy has work */
    void *context;               /* of all three */
};

/* This thread's is the server. 0, or -errno with a sentence in error. */
int device_server_start(struct loop *loop, const struct device_server_options *options, struct device_server **server,
                        char *error, size_t error_size);

/* Closes every client's handle (cleanup, close), then the socket, and unlinks it. NULL is allowed. */
void device_server_stop(struct device_server *server);

/*
 * Reads what a client sends back at once after it was given requests, and waits a moment for it, without sleeping, when
 * that was of use lately. Once after each turn of the loop. It may turn the loop itself.
 */
void device_server_look(struct device_server *server);

/* Answers calls that ended on other threads, and releases what ended calls held; once a turn. Returns when to be called
 * again at the latest (as nt_pump does). */
uint64_t device_server_tidy(struct device_server *server);

/* Calls that wait for flows: how many so far (0: none waits now); and answers those for which there is something. */
uint64_t device_server_follows(const struct device_server *server);
void device_server_tell_flows(struct device_server *server);

#endif
