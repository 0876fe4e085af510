/* SPDX-License-Identifier: MIT */
/*
 * fwpuclnt_windows.c - the management calls of <fwpmu.h>, taken from the system's own fwpuclnt.dll when first used.
 *
 * A program that were linked with fwpuclnt.dll would look for it beside itself first (library_windows.h), and would not
 * start at all where it is missing. Each routine here has the name and the parameters of the system's; without the
 * library or the routine it returns ERROR_PROC_NOT_FOUND. Two threads that call one for the first time both find the
 * same address.
 *
 * When you call another Fwpm routine, add its row.
 */
#include "agent/library_windows.h"

#include <winsock2.h>

#include <windows.h>

#include <fwpmu.h>

#define FORWARD(name, parameters, arguments)                                                                           \
    DWORD WINAPI name parameters                                                                                       \
    {                                                                                                                  \
        DWORD(WINAPI *routine) parameters = (DWORD(WINAPI *) parameters)library_routine(L"fwpuclnt.dll", #name);       \
                                                                                                                       \
        return routine == NULL ? ERROR_PROC_NOT_FOUND : routine arguments;                                             \
    }

/* clang-format off */
FORWARD(FwpmEngineOpen0, (const wchar_t *server, UINT32 service, SEC_WINNT_AUTH_IDENTITY_W *identity,
                          const FWPM_SESSION0 *session, HANDLE *engine), (server, service, identity, session, engine))
FORWARD(FwpmEngineClose0, (HANDLE engine), (engine))
FORWARD(FwpmTransactionBegin0, (HANDLE engine, UINT32 flags), (engine, flags))
FORWARD(FwpmTransactionCommit0, (HANDLE engine), (engine))
FORWARD(FwpmTransactionAbort0, (HANDLE engine), (engine))
FORWARD(FwpmProviderAdd0, (HANDLE engine, const FWPM_PROVIDER0 *provider, PSECURITY_DESCRIPTOR sd),
        (engine, provider, sd))
FORWARD(FwpmProviderDeleteByKey0, (HANDLE engine, const GUID *key), (engine, key))
FORWARD(FwpmProviderGetByKey0, (HANDLE engine, const GUID *key, FWPM_PROVIDER0 **provider), (engine, key, provider))
FORWARD(FwpmSubLayerAdd0, (HANDLE engine, const FWPM_SUBLAYER0 *sublayer, PSECURITY_DESCRIPTOR sd),
        (engine, sublayer, sd))
FORWARD(FwpmSubLayerDeleteByKey0, (HANDLE engine, const GUID *key), (engine, key))
FORWARD(FwpmSubLayerGetByKey0, (HANDLE engine, const GUID *key, FWPM_SUBLAYER0 **sublayer), (engine, key, sublayer))
FORWARD(FwpmFilterAdd0, (HANDLE engine, const FWPM_FILTER0 *filter, PSECURITY_DESCRIPTOR sd, UINT64 *id),
        (engine, filter, sd, id))
FORWARD(FwpmFilterDeleteById0, (HANDLE engine, UINT64 id), (engine, id))
FORWARD(FwpmFilterDeleteByKey0, (HANDLE engine, const GUID *key), (engine, key))
FORWARD(FwpmFilterGetById0, (HANDLE engine, UINT64 id, FWPM_FILTER0 **filter), (engine, id, filter))
FORWARD(FwpmFilterGetByKey0, (HANDLE engine, const GUID *key, FWPM_FILTER0 **filter), (engine, key, filter))
FORWARD(FwpmFilterCreateEnumHandle0, (HANDLE engine, const FWPM_FILTER_ENUM_TEMPLATE0 *wanted, HANDLE *listing),
        (engine, wanted, listing))
FORWARD(FwpmFilterEnum0, (HANDLE engine, HANDLE listing, UINT32 wanted, FWPM_FILTER0 ***filters, UINT32 *returned),
        (engine, listing, wanted, filters, returned))
FORWARD(FwpmFilterDestroyEnumHandle0, (HANDLE engine, HANDLE listing), (engine, listing))
FORWARD(FwpmGetAppIdFromFileName0, (const wchar_t *file, FWP_BYTE_BLOB **app_id), (file, app_id))
/* clang-format on */

void WINAPI FwpmFreeMemory0(void **p)
{
    void(WINAPI * routine)(void **) = (void(WINAPI *)(void **))library_routine(L"fwpuclnt.dll", "FwpmFreeMemory0");

    if (routine != NULL)
        routine(p);
}
