/* SPDX-License-Identifier: MIT */
/*
 * fwpmu.h - the management API as programs see it, where the platform has none: Win32 and FWP_E_* results.
 *
 * The same calls as the platform's header of this name; what is there means what its pages say (Windows API reference,
 * fwpmu.h), as far as wfp/include/fwpmk.h supports it. Who carries the calls is said once, by fwpuclnt/client.h.
 *
 * Objects live as their session says: a dynamic session's end with it; others stay until the engine ends. A handle is
 * used by one thread at a time. All pointers handed out are freed with FwpmFreeMemory0, each as a whole.
 */
#ifndef FWPMU_H
#define FWPMU_H

#include <fwpmtypes.h>
#include <guiddef.h>

#include <fwpmkeys.h>

#ifndef WINAPI
#define WINAPI
#endif

#ifndef RPC_C_AUTHN_WINNT
#define RPC_C_AUTHN_WINNT   10
#define RPC_C_AUTHN_DEFAULT 0xFFFFFFFF
#endif

typedef void SEC_WINNT_AUTH_IDENTITY_W;

#define ERROR_SUCCESS                0L
#define ERROR_ACCESS_DENIED          5L
#define ERROR_INVALID_HANDLE         6L
#define ERROR_NOT_ENOUGH_MEMORY      8L
#define ERROR_NOT_ENOUGH_QUOTA       1816L
#define ERROR_GEN_FAILURE            31L
#define ERROR_NOT_SUPPORTED          50L
#define ERROR_INVALID_PARAMETER      87L
#define ERROR_INSUFFICIENT_BUFFER    122L
#define ERROR_REVISION_MISMATCH      1306L
#define ERROR_INVALID_SECURITY_DESCR 1338L
#define RPC_S_SERVER_UNAVAILABLE     1722L
#define RPC_S_CALL_FAILED            1726L

/* serverName and authIdentity must be NULL. RPC_S_SERVER_UNAVAILABLE: nobody to call. */
DWORD WINAPI FwpmEngineOpen0(const wchar_t *serverName, UINT32 authnService, SEC_WINNT_AUTH_IDENTITY_W *authIdentity,
                             const FWPM_SESSION0 *session, HANDLE *engineHandle);
DWORD WINAPI FwpmEngineClose0(HANDLE engineHandle);

/*
 * While another program's transaction is open, every call waits for it as long as the session says
 * (txnWaitTimeoutInMSec), then FWP_E_TIMEOUT. FWP_E_TXN_ABORTED: the transaction stayed open for too long, or the
 * engine's own side needed it; abort it and start again.
 */
DWORD WINAPI FwpmTransactionBegin0(HANDLE engineHandle, UINT32 flags);
DWORD WINAPI FwpmTransactionCommit0(HANDLE engineHandle);
DWORD WINAPI FwpmTransactionAbort0(HANDLE engineHandle);

/* sd is ignored: who may connect may change everything. */
DWORD WINAPI FwpmProviderAdd0(HANDLE engineHandle, const FWPM_PROVIDER0 *provider, PSECURITY_DESCRIPTOR sd);
DWORD WINAPI FwpmProviderDeleteByKey0(HANDLE engineHandle, const GUID *key);
DWORD WINAPI FwpmProviderGetByKey0(HANDLE engineHandle, const GUID *key, FWPM_PROVIDER0 **provider);

DWORD WINAPI FwpmSubLayerAdd0(HANDLE engineHandle, const FWPM_SUBLAYER0 *subLayer, PSECURITY_DESCRIPTOR sd);
DWORD WINAPI FwpmSubLayerDeleteByKey0(HANDLE engineHandle, const GUID *key);
DWORD WINAPI FwpmSubLayerGetByKey0(HANDLE engineHandle, const GUID *key, FWPM_SUBLAYER0 **subLayer);

DWORD WINAPI FwpmFilterAdd0(HANDLE engineHandle, const FWPM_FILTER0 *filter, PSECURITY_DESCRIPTOR sd, UINT64 *id);
DWORD WINAPI FwpmFilterDeleteById0(HANDLE engineHandle, UINT64 id);
DWORD WINAPI FwpmFilterDeleteByKey0(HANDLE engineHandle, const GUID *key);
DWORD WINAPI FwpmFilterGetById0(HANDLE engineHandle, UINT64 id, FWPM_FILTER0 **filter);
DWORD WINAPI FwpmFilterGetByKey0(HANDLE engineHandle, const GUID *key, FWPM_FILTER0 **filter);

DWORD WINAPI FwpmFilterCreateEnumHandle0(HANDLE engineHandle, const FWPM_FILTER_ENUM_TEMPLATE0 *enumTemplate,
                                         HANDLE *enumHandle);
DWORD WINAPI FwpmFilterEnum0(HANDLE engineHandle, HANDLE enumHandle, UINT32 numEntriesRequested,
                             FWPM_FILTER0 ***entries, UINT32 *numEntriesReturned);
DWORD WINAPI FwpmFilterDestroyEnumHandle0(HANDLE engineHandle, HANDLE enumHandle);

/* The app id of the program at this full path: here, the path itself. No file is looked at. */
DWORD WINAPI FwpmGetAppIdFromFileName0(const wchar_t *fileName, FWP_BYTE_BLOB **appId);

/* *p may be NULL; it is set to NULL. */
void WINAPI FwpmFreeMemory0(void **p);

#endif
