/* SPDX-License-Identifier: MIT */
/*
 * api.h - the management API from both sides under one shape: the engine's own routines, and the client's functions,
 * which have the same names and reach the engine through the wire (the client is compiled here with other names).
 *
 * Results are user mode's numbers on both sides; the kernel side's are translated by a table of its own.
 */
#ifndef TESTS_FWPUCLNT_API_H
#define TESTS_FWPUCLNT_API_H

#include <fwpmtypes.h>

struct api {
    UINT32 (*open)(const FWPM_SESSION0 *session, HANDLE *engine);
    UINT32 (*close)(HANDLE engine);
    UINT32 (*begin)(HANDLE engine, UINT32 flags);
    UINT32 (*commit)(HANDLE engine);
    UINT32 (*abort)(HANDLE engine);
    UINT32 (*provider_add)(HANDLE engine, const FWPM_PROVIDER0 *provider);
    UINT32 (*provider_delete)(HANDLE engine, const GUID *key);
    UINT32 (*provider_get)(HANDLE engine, const GUID *key, FWPM_PROVIDER0 **provider);
    UINT32 (*sublayer_add)(HANDLE engine, const FWPM_SUBLAYER0 *sublayer);
    UINT32 (*sublayer_delete)(HANDLE engine, const GUID *key);
    UINT32 (*sublayer_get)(HANDLE engine, const GUID *key, FWPM_SUBLAYER0 **sublayer);
    UINT32 (*filter_add)(HANDLE engine, const FWPM_FILTER0 *filter, UINT64 *id);
    UINT32 (*filter_delete_by_id)(HANDLE engine, UINT64 id);
    UINT32 (*filter_delete_by_key)(HANDLE engine, const GUID *key);
    UINT32 (*filter_get_by_id)(HANDLE engine, UINT64 id, FWPM_FILTER0 **filter);
    UINT32 (*filter_get_by_key)(HANDLE engine, const GUID *key, FWPM_FILTER0 **filter);
    UINT32 (*enum_create)(HANDLE engine, const FWPM_FILTER_ENUM_TEMPLATE0 *wanted, HANDLE *enumeration);
    UINT32 (*enum_next)(HANDLE engine, HANDLE enumeration, UINT32 asked, FWPM_FILTER0 ***entries, UINT32 *count);
    UINT32 (*enum_destroy)(HANDLE engine, HANDLE enumeration);
    void (*free_memory)(void **memory);
};

extern const struct api api_kernel, api_client;

/* A server in this process, and the client's channel to it. Calls of api_client go there in between. */
void client_start(void);
void client_stop(void);
/* Moves the server's clock. */
void client_pass(UINT64 milliseconds);

#endif
