/* SPDX-License-Identifier: MIT */
/*
 * fwpmk.h - the management API as kernel drivers see it: NTSTATUS results, PASSIVE_LEVEL throughout.
 *
 * The GUIDs are in fwpmkeys.h. Include <initguid.h> first in one source file of the driver.
 *
 * Prototypes: the pages of fwpmk.h (windows-driver-docs-ddi) and of fwpmu.h (Windows API reference).
 * Parameters of type PSECURITY_DESCRIPTOR are taken and ignored: whoever can load a driver here may
 * change everything. Objects and strings handed in are copied. Every pointer an Fwpm routine hands
 * out is freed with FwpmFreeMemory0.
 *
 * Conditions, what is supported (wfp/condition.h has the rules): EQUAL for every type; NOT_EQUAL,
 * GREATER(_OR_EQUAL), LESS(_OR_EQUAL), RANGE for integers, BYTE_ARRAY16, BYTE_BLOB; FLAGS_* for
 * unsigned integers; V4_ADDR_MASK, V6_ADDR_MASK (EQUAL, NOT_EQUAL); PREFIX, NOT_PREFIX for BYTE_BLOB;
 * SECURITY_DESCRIPTOR on ALE_USER_ID: a self-relative descriptor whose DACL's allow and deny entries
 * are held against the token's SIDs in order, asking for FWP_ACTRL_MATCH_FILTER (owner, SACL,
 * object, conditional and callback entries do not count).
 *
 * Statuses: DUPLICATE_CONDITION is never returned (same field twice means OR, as since Windows 7).
 */
#ifndef FWPMK_H
#define FWPMK_H

#include <fwpmkeys.h>
#include <fwpmtypes.h>
#include <guiddef.h>

#ifndef NTAPI
#define NTAPI
#endif

#ifndef RPC_C_AUTHN_WINNT
#define RPC_C_AUTHN_WINNT   10
#define RPC_C_AUTHN_DEFAULT 0xFFFFFFFF
#endif

/* serverName and authIdentity must be NULL; session may be NULL. Closing aborts an open transaction and deletes a
 * dynamic session's objects. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmEngineOpen0(const wchar_t *serverName, UINT32 authnService, void *authIdentity,
                               const FWPM_SESSION0 *session, HANDLE *engineHandle);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmEngineClose0(HANDLE engineHandle);

/*
 * One transaction of all sessions at a time: Begin waits for the others as long as the session says,
 * then STATUS_FWP_TIMEOUT; a second one of the same session is STATUS_FWP_TXN_IN_PROGRESS. A change
 * outside a transaction is one of its own. A Commit that fails (no memory) has rolled everything back.
 */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmTransactionBegin0(HANDLE engineHandle, UINT32 flags);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmTransactionCommit0(HANDLE engineHandle);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmTransactionAbort0(HANDLE engineHandle);

_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmProviderAdd0(HANDLE engineHandle, const FWPM_PROVIDER0 *provider, PSECURITY_DESCRIPTOR sd);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmProviderDeleteByKey0(HANDLE engineHandle, const GUID *key);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmProviderGetByKey0(HANDLE engineHandle, const GUID *key, FWPM_PROVIDER0 **provider);

_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmSubLayerAdd0(HANDLE engineHandle, const FWPM_SUBLAYER0 *subLayer, PSECURITY_DESCRIPTOR sd);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmSubLayerDeleteByKey0(HANDLE engineHandle, const GUID *key);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmSubLayerGetByKey0(HANDLE engineHandle, const GUID *key, FWPM_SUBLAYER0 **subLayer);

_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmCalloutAdd0(HANDLE engineHandle, const FWPM_CALLOUT0 *callout, PSECURITY_DESCRIPTOR sd, UINT32 *id);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmCalloutDeleteById0(HANDLE engineHandle, UINT32 id);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmCalloutDeleteByKey0(HANDLE engineHandle, const GUID *key);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmCalloutGetByKey0(HANDLE engineHandle, const GUID *key, FWPM_CALLOUT0 **callout);

_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmFilterAdd0(HANDLE engineHandle, const FWPM_FILTER0 *filter, PSECURITY_DESCRIPTOR sd, UINT64 *id);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmFilterDeleteById0(HANDLE engineHandle, UINT64 id);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmFilterDeleteByKey0(HANDLE engineHandle, const GUID *key);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmFilterGetById0(HANDLE engineHandle, UINT64 id, FWPM_FILTER0 **filter);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmFilterGetByKey0(HANDLE engineHandle, const GUID *key, FWPM_FILTER0 **filter);

/* enumTemplate NULL: all. Of a template, providerKey, layerKey, calloutKey and actionMask count. The handle sees the
 * filters there were when it was made. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmFilterCreateEnumHandle0(HANDLE engineHandle, const FWPM_FILTER_ENUM_TEMPLATE0 *enumTemplate,
                                           HANDLE *enumHandle);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmFilterEnum0(HANDLE engineHandle, HANDLE enumHandle, UINT32 numEntriesRequested,
                               FWPM_FILTER0 ***entries, UINT32 *numEntriesReturned);
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS NTAPI FwpmFilterDestroyEnumHandle0(HANDLE engineHandle, HANDLE enumHandle);

/* *p may be NULL; it is set to NULL. */
_IRQL_requires_(PASSIVE_LEVEL)
void NTAPI FwpmFreeMemory0(void **p);

#include <fwpvi.h>

#endif
