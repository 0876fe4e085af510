/* SPDX-License-Identifier: MIT */
/*
 * server_private.h - what server.c (who may call now) and server_calls.c (what each call does) share.
 */
#ifndef FWPUCLNT_SERVER_PRIVATE_H
#define FWPUCLNT_SERVER_PRIVATE_H

#include "fwpuclnt/server.h"
#include "fwpuclnt/wire.h"

struct fwpm_session {
    UINT32 handle; /* the client's name for it; 0: free */
    HANDLE engine;
};

struct fwpm_enumeration {
    UINT32 handle; /* 0: free */
    HANDLE engine; /* its session's */
    HANDLE engine_enumeration;
    FWPM_FILTER0 **carried; /* one entry that did not fit the last answer, or NULL */
};

struct fwpm_client {
    struct fwpm_server *server;
    struct fwpm_client *next;    /* of the server's leaving */
    struct fwpm_client *waiting; /* next of the server's waiting */
    BOOLEAN waits;
    UINT64 asked; /* when it was last told WIRE_BUSY */
    UINT32 last_handle;
    struct fwpm_session sessions[FWPM_SESSIONS_MAX];
    struct fwpm_enumeration enumerations[FWPM_ENUMERATIONS_MAX];
};

struct fwpm_server {
    struct fwpm_server_host host;
    HANDLE owner; /* the engine session with an open transaction, or NULL */
    UINT64 owner_since;
    struct fwpm_client *leaving; /* disconnected, not closed yet */
    UINT32 leaving_count;
    struct fwpm_client *waiting; /* told WIRE_BUSY and still asking, first come first */
    UINT32 waiting_count;
};

/* One call under way. */
struct fwpm_call {
    struct fwpm_client *client;
    struct fwpm_session *session; /* NULL for WIRE_ENGINE_OPEN */
    struct wire in, out;
};

/* Reads the rest of the call and runs it; writes results to out only on success. Knows every number from 1 on. */
NTSTATUS fwpm_call_run(struct fwpm_call *call, UINT32 number);

/*
 * Ends a session with its enumerations, or a single enumeration. STATUS_FWP_TIMEOUT: the engine's own side is in the
 * way, and it is still there.
 */
NTSTATUS fwpm_session_close(struct fwpm_client *client, struct fwpm_session *session);
NTSTATUS fwpm_enumeration_close(struct fwpm_enumeration *enumeration);

#endif
