/* SPDX-License-Identifier: MIT */
/*
 * fwpuclnt_double.c - a fwpuclnt.dll that only remembers: what `gatehouse install` adds is kept in a file, so that the
 * next program finds it, and the n-th call can be told to fail.
 *
 * GATEHOUSE_FWP_FILE: where the objects are. GATEHOUSE_FWP_FAIL: the number of the call that fails, from 1. It knows
 * one session and one transaction, keys and references; who decides a connection is proved elsewhere
 * (tests/driver/install).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <winsock2.h>

#include <windows.h>

#include <fwpmu.h>

#define OBJECTS_MAX 64
#define HANDLE_OF   ((HANDLE)(ULONG_PTR)0x6761)

enum kind { PROVIDER, SUBLAYER, FILTER };

struct object {
    enum kind kind;
    GUID key;
    GUID provider;
    UINT32 flags;
    FWP_ACTION_TYPE action;
};

struct state {
    unsigned count;
    struct object objects[OBJECTS_MAX];
};

static struct state now, changed;
static BOOL in_transaction;
static unsigned calls, listed;

static BOOL fails(void)
{
    const char *wanted = getenv("GATEHOUSE_FWP_FAIL");

    calls++;
    return wanted != NULL && (unsigned)atoi(wanted) == calls;
}

static FILE *open_file(const char *mode)
{
    const char *path = getenv("GATEHOUSE_FWP_FILE");

    return path == NULL ? NULL : fopen(path, mode);
}

static void load(void)
{
    FILE *file = open_file("rb");

    memset(&now, 0, sizeof(now));
    if (file == NULL)
        return;
    if (fread(&now, sizeof(now), 1, file) != 1)
        memset(&now, 0, sizeof(now));
    fclose(file);
}

static void save(void)
{
    FILE *file = open_file("wb");

    if (file == NULL)
        abort();
    fwrite(&now, sizeof(now), 1, file);
    fclose(file);
}

static struct object *find(enum kind kind, const GUID *key)
{
    for (unsigned i = 0; i < changed.count; i++)
        if (changed.objects[i].kind == kind && memcmp(&changed.objects[i].key, key, sizeof(*key)) == 0)
            return &changed.objects[i];
    return NULL;
}

static DWORD add(enum kind kind, const GUID *key, const GUID *provider, UINT32 flags, FWP_ACTION_TYPE action)
{
    struct object object = {.kind = kind, .key = *key, .flags = flags, .action = action};

    if (!in_transaction)
        return (DWORD)FWP_E_NO_TXN_IN_PROGRESS;
    if (fails() || changed.count == OBJECTS_MAX)
        return ERROR_NOT_ENOUGH_MEMORY;
    if (find(kind, key) != NULL)
        return (DWORD)FWP_E_ALREADY_EXISTS;
    if (provider != NULL) {
        if (find(PROVIDER, provider) == NULL)
            return (DWORD)FWP_E_PROVIDER_NOT_FOUND;
        object.provider = *provider;
    }
    changed.objects[changed.count++] = object;
    return 0;
}

static DWORD take_away(enum kind kind, const GUID *key, DWORD none)
{
    struct object *object;

    if (!in_transaction)
        return (DWORD)FWP_E_NO_TXN_IN_PROGRESS;
    if (fails())
        return ERROR_NOT_ENOUGH_MEMORY;
    object = find(kind, key);
    if (object == NULL)
        return none;
    for (unsigned i = 0; i < changed.count; i++)
        if (changed.objects[i].kind > kind)
            return (DWORD)FWP_E_IN_USE;
    *object = changed.objects[--changed.count];
    return 0;
}

DWORD WINAPI FwpmEngineOpen0(const wchar_t *server, UINT32 service, SEC_WINNT_AUTH_IDENTITY_W *identity,
                             const FWPM_SESSION0 *session, HANDLE *engine)
{
    (void)server;
    (void)service;
    (void)identity;
    (void)session;
    if (fails())
        return EPT_S_NOT_REGISTERED;
    load();
    *engine = HANDLE_OF;
    return 0;
}

DWORD WINAPI FwpmEngineClose0(HANDLE engine)
{
    (void)engine;
    in_transaction = FALSE;
    return 0;
}

DWORD WINAPI FwpmTransactionBegin0(HANDLE engine, UINT32 flags)
{
    (void)engine;
    (void)flags;
    if (fails())
        return (DWORD)FWP_E_TIMEOUT;
    changed = now;
    in_transaction = TRUE;
    return 0;
}

DWORD WINAPI FwpmTransactionCommit0(HANDLE engine)
{
    (void)engine;
    in_transaction = FALSE;
    if (fails())
        return ERROR_NOT_ENOUGH_MEMORY;
    now = changed;
    save();
    return 0;
}

DWORD WINAPI FwpmTransactionAbort0(HANDLE engine)
{
    (void)engine;
    in_transaction = FALSE;
    return 0;
}

DWORD WINAPI FwpmProviderAdd0(HANDLE engine, const FWPM_PROVIDER0 *provider, PSECURITY_DESCRIPTOR sd)
{
    (void)engine;
    (void)sd;
    if (provider->serviceName == NULL || wcscmp(provider->serviceName, L"gatehouse") != 0)
        return ERROR_INVALID_PARAMETER;
    return add(PROVIDER, &provider->providerKey, NULL, provider->flags, 0);
}

DWORD WINAPI FwpmProviderDeleteByKey0(HANDLE engine, const GUID *key)
{
    (void)engine;
    return take_away(PROVIDER, key, (DWORD)FWP_E_PROVIDER_NOT_FOUND);
}

DWORD WINAPI FwpmSubLayerAdd0(HANDLE engine, const FWPM_SUBLAYER0 *sublayer, PSECURITY_DESCRIPTOR sd)
{
    (void)engine;
    (void)sd;
    return add(SUBLAYER, &sublayer->subLayerKey, sublayer->providerKey, sublayer->flags, 0);
}

DWORD WINAPI FwpmSubLayerDeleteByKey0(HANDLE engine, const GUID *key)
{
    (void)engine;
    return take_away(SUBLAYER, key, (DWORD)FWP_E_SUBLAYER_NOT_FOUND);
}

DWORD WINAPI FwpmSubLayerGetByKey0(HANDLE engine, const GUID *key, FWPM_SUBLAYER0 **sublayer)
{
    (void)engine;
    if (fails())
        return ERROR_NOT_ENOUGH_MEMORY;
    changed = now;
    if (find(SUBLAYER, key) == NULL)
        return (DWORD)FWP_E_SUBLAYER_NOT_FOUND;
    *sublayer = calloc(1, sizeof(**sublayer));
    (*sublayer)->flags = find(SUBLAYER, key)->flags;
    return 0;
}

DWORD WINAPI FwpmFilterAdd0(HANDLE engine, const FWPM_FILTER0 *filter, PSECURITY_DESCRIPTOR sd, UINT64 *id)
{
    (void)engine;
    (void)sd;
    (void)id;
    if (find(SUBLAYER, &filter->subLayerKey) == NULL)
        return (DWORD)FWP_E_SUBLAYER_NOT_FOUND;
    return add(FILTER, &filter->filterKey, filter->providerKey, filter->flags, filter->action.type);
}

DWORD WINAPI FwpmFilterDeleteByKey0(HANDLE engine, const GUID *key)
{
    (void)engine;
    return take_away(FILTER, key, (DWORD)FWP_E_FILTER_NOT_FOUND);
}

DWORD WINAPI FwpmFilterDeleteById0(HANDLE engine, UINT64 id)
{
    (void)engine;
    return id >= changed.count ? (DWORD)FWP_E_FILTER_NOT_FOUND
                               : take_away(FILTER, &changed.objects[id].key, (DWORD)FWP_E_FILTER_NOT_FOUND);
}

DWORD WINAPI FwpmFilterGetByKey0(HANDLE engine, const GUID *key, FWPM_FILTER0 **filter)
{
    (void)engine;
    if (fails())
        return ERROR_NOT_ENOUGH_MEMORY;
    changed = now;
    if (find(FILTER, key) == NULL)
        return (DWORD)FWP_E_FILTER_NOT_FOUND;
    *filter = calloc(1, sizeof(**filter));
    return 0;
}

DWORD WINAPI FwpmFilterCreateEnumHandle0(HANDLE engine, const FWPM_FILTER_ENUM_TEMPLATE0 *wanted, HANDLE *listing)
{
    (void)engine;
    (void)wanted;
    if (fails())
        return ERROR_NOT_ENOUGH_MEMORY;
    if (!in_transaction)
        changed = now;
    listed = 0;
    *listing = HANDLE_OF;
    return 0;
}

/* All at once, in one block; then none. */
DWORD WINAPI FwpmFilterEnum0(HANDLE engine, HANDLE listing, UINT32 wanted, FWPM_FILTER0 ***filters, UINT32 *returned)
{
    struct block {
        FWPM_FILTER0 *pointers[OBJECTS_MAX];
        FWPM_FILTER0 filters[OBJECTS_MAX];
        GUID providers[OBJECTS_MAX];
    } * block;

    (void)engine;
    (void)listing;
    (void)wanted;
    *returned = 0;
    if (fails())
        return ERROR_NOT_ENOUGH_MEMORY;
    block = calloc(1, sizeof(*block));
    *filters = block->pointers;
    for (unsigned i = 0; i < changed.count && listed == 0; i++) {
        if (changed.objects[i].kind != FILTER)
            continue;
        block->providers[*returned] = changed.objects[i].provider;
        block->filters[*returned].providerKey = &block->providers[*returned];
        block->filters[*returned].filterId = i;
        block->pointers[*returned] = &block->filters[*returned];
        ++*returned;
    }
    listed = 1;
    return 0;
}

DWORD WINAPI FwpmFilterDestroyEnumHandle0(HANDLE engine, HANDLE listing)
{
    (void)engine;
    (void)listing;
    return 0;
}

void WINAPI FwpmFreeMemory0(void **p)
{
    free(*p);
    *p = NULL;
}
