/* SPDX-License-Identifier: MIT */
/*
 * server.h - runs the management calls of clients (wire.h) on the engine's kernel-side Fwpm routines.
 *
 * What a client opened is its own: no other client can name its sessions or enumerations, and with the client they go,
 * its open transaction aborted, its dynamic objects deleted. Nobody waits in here:
 *  - while one client's transaction is open, or one of the engine's own side (the driver), calls are answered
 *    WIRE_BUSY; the clients call again;
 *  - a call from the engine's own side aborts an open transaction of a client instead of waiting for it;
 *  - a transaction is aborted when its time is up: FWPM_TRANSACTION_MAX_MS, divided by it and those who wait. They
 * begin theirs in the order in which they first asked. So whoever asks gets in within that time, however many ask. A
 * client whose transaction was aborted so is told STATUS_FWP_TXN_ABORTED until it ends it.
 *
 * Kernel-safe: no libc but memcpy and memset; memory and time come from the host. PASSIVE_LEVEL. One call at a time of
 * one server: the host sees to that (a mutex, or one thread).
 */
#ifndef FWPUCLNT_SERVER_H
#define FWPUCLNT_SERVER_H

#include <fwpmk.h>

#define FWPM_SESSIONS_MAX       8u     /* of one client */
#define FWPM_ENUMERATIONS_MAX   8u     /* of one client */
#define FWPM_TRANSACTION_MAX_MS 10000u /* below the 15 s that others wait by default: so they get in */
#define FWPM_TRANSACTION_MIN_MS 100u   /* of it, however many wait */
#define FWPM_ASKS_AGAIN_MS      100u   /* who does not call again within that time does not wait any more */
#define FWPM_LEAVING_MAX        64u    /* clients; while so many wait for a transaction's end, no session is opened */
#define FWPM_NEVER              (~0ull)

struct fwpm_server_host {
    void *context;
    void *(*allocate)(void *context, size_t size); /* zeroed, 8-byte aligned; NULL: none left */
    void (*release)(void *context, void *memory);
    UINT64 (*now_ms)(void *context); /* never goes back */
    /* The engine's wfp_session_give_way and wfp_session_in_transaction (wfp/ale.h). */
    void (*give_way)(HANDLE engine);
    BOOLEAN (*in_transaction)(HANDLE engine);
};

struct fwpm_server;
struct fwpm_client;

/* host is copied. NULL: no memory. */
struct fwpm_server *fwpm_server_new(const struct fwpm_server_host *host);
/* Takes NULL. All clients are disconnected before. */
void fwpm_server_free(struct fwpm_server *server);

/* NULL: no memory. */
struct fwpm_client *fwpm_server_connect(struct fwpm_server *server);
/* Takes NULL. While another client's transaction is open, the rest is done by the next call or tick. */
void fwpm_server_disconnect(struct fwpm_client *client);

/*
 * One call: bytes in, the answer's bytes into output (WIRE_ANSWER_MAX bytes suffice for every answer). Returns the
 * answer's size; 0 if output has no room for an answer's head. Any input is fine.
 */
UINT32 fwpm_server_call(struct fwpm_client *client, const void *input, UINT32 input_size, void *output,
                        UINT32 output_size);

/* Ends what is overdue. Returns when to call again at the latest (now_ms), or FWPM_NEVER. Cheap. */
UINT64 fwpm_server_tick(struct fwpm_server *server);

#endif
