/* SPDX-License-Identifier: MIT */
/*
 * filter_engine.c - see filter_engine.h.
 *
 * Pages (win32 desktop-src/FWP): Filter Arbitration, Filter Weight Assignment (a weight of FWP_UINT8 is a class from 0
 * to 15; inside it the narrower filter is heavier), Object Management (a filter that is neither dynamic nor
 * persistent lives until the engine ends).
 */
#include "agent/filter_engine.h"

#include <stdlib.h>
#include <string.h>

#include <fwpmu.h>

#include <gatehouse/objects.h>

#include "agent/filter_channel.h"
#include "agent/filter_show.h"
#include "words.h"
#include "core/path_text.h"

#define PERSISTENT     1u /* FWPM_SUBLAYER_FLAG_PERSISTENT, which mingw-w64's fwpmtypes.h lacks */
#define TRIES          5u /* of a transaction that the engine's own side aborted */
#define ENTRIES        256u
#define CONDITIONS_MAX 5u
#define TCP            6u
#define UDP            17u

static const GUID provider_key = GATEHOUSE_KEY_PROVIDER;
static const GUID sublayer_key = GATEHOUSE_KEY_SUBLAYER;
static const char mark[GATEHOUSE_FILTER_MARK_SIZE + 1] = GATEHOUSE_FILTER_MARK;

/* --- Results ------------------------------------------------------------------------------- */

static const struct {
    DWORD error;
    enum agent_result result;
    const char *sentence;
} sentences[] = {
    {ERROR_ACCESS_DENIED, AGENT_REFUSED, "you may not manage filters: " WORDS_ALLOWED "."},
    {ERROR_NOT_ENOUGH_MEMORY, AGENT_FAILED, "out of memory."},
    {1722, AGENT_UNREACHABLE, "the filter engine does not run: start the service BFE, or gatehoused."},
    {1753, AGENT_UNREACHABLE, "the filter engine does not run: start the service BFE, or gatehoused."},
    {1816, AGENT_REFUSED, "the filter engine keeps no more for programs than it does now: remove filters of theirs."},
    {(DWORD)FWP_E_TIMEOUT, AGENT_REFUSED,
     "another program changes the filter engine and does not end: try again, or end that program."},
    {(DWORD)FWP_E_TXN_ABORTED, AGENT_REFUSED, "the filter engine was changed at the same time: try again."},
    {(DWORD)FWP_E_LIFETIME_MISMATCH, AGENT_REFUSED,
     "the driver that runs keeps its sublayer for itself: use the driver of this version."},
};

static enum agent_result explain(DWORD error, const char *what, struct problem *problem)
{
    if (error == ERROR_SUCCESS)
        return AGENT_OK;
    if (problem->result != AGENT_OK)
        return problem->result;
    if (filter_channel_failed(problem))
        return problem->result;
    for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
        if (sentences[i].error == error)
            return problem_set(problem, sentences[i].result, "%s", sentences[i].sentence);
    return problem_set(problem, AGENT_REFUSED, "the filter engine refuses %s with 0x%08X.", what, (unsigned)error);
}

static bool is_ours(const FWPM_FILTER0 *filter)
{
    return filter->providerKey != NULL && memcmp(filter->providerKey, &provider_key, sizeof(GUID)) == 0 &&
           filter->providerData.size == GATEHOUSE_FILTER_MARK_SIZE &&
           memcmp(filter->providerData.data, mark, GATEHOUSE_FILTER_MARK_SIZE) == 0;
}

/* --- One transaction ----------------------------------------------------------------------- */

/* What is done in a transaction, and with what. *what names the step that failed. */
typedef DWORD transaction_work(HANDLE engine, void *context, const char **what, struct problem *problem);

static DWORD run_once(HANDLE engine, transaction_work *work, void *context, const char **what, struct problem *problem)
{
    DWORD error;

    *what = "a transaction";
    error = FwpmTransactionBegin0(engine, 0);
    if (error != ERROR_SUCCESS)
        return error;
    error = work(engine, context, what, problem);
    if (error == ERROR_SUCCESS) {
        *what = "the change";
        error = FwpmTransactionCommit0(engine);
    }
    if (error != ERROR_SUCCESS)
        (void)FwpmTransactionAbort0(engine);
    return error;
}

/* problem, if work set it, says why instead of the error. */
static enum agent_result run(const char *path, transaction_work *work, void *context, struct problem *problem)
{
    const char *what = "a session";
    HANDLE engine = NULL;
    DWORD error;
    enum agent_result result = filter_channel_open(path, problem);

    if (result != AGENT_OK)
        return result;
    problem->result = AGENT_OK;
    error = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine);
    if (error == ERROR_SUCCESS) {
        unsigned tries = 0;

        do {
            error = run_once(engine, work, context, &what, problem);
        } while (error == (DWORD)FWP_E_TXN_ABORTED && ++tries < TRIES);
    }
    result = explain(error, what, problem);
    if (engine != NULL)
        (void)FwpmEngineClose0(engine);
    filter_channel_close();
    return result;
}

/* --- Add ----------------------------------------------------------------------------------- */

struct condition_space {
    FWP_BYTE_BLOB program;
    FWP_V4_ADDR_AND_MASK v4;
    FWP_V6_ADDR_AND_MASK v6;
    FWP_RANGE0 ports;
    FWPM_FILTER_CONDITION0 list[CONDITIONS_MAX];
    UINT32 count;
};

static FWP_CONDITION_VALUE0 *condition(struct condition_space *space, const GUID *field, FWP_MATCH_TYPE match,
                                       FWP_DATA_TYPE type)
{
    FWPM_FILTER_CONDITION0 *added = &space->list[space->count++];

    added->fieldKey = *field;
    added->matchType = match;
    added->conditionValue.type = type;
    return &added->conditionValue;
}

static void add_address(struct condition_space *space, const struct filter_wish *wish)
{
    const uint8_t *a = wish->address;

    if (wish->v6) {
        memcpy(space->v6.addr, a, sizeof(space->v6.addr));
        space->v6.prefixLength = wish->prefix;
        condition(space, &FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_MATCH_EQUAL, FWP_V6_ADDR_MASK)->v6AddrMask = &space->v6;
        return;
    }
    space->v4.addr = (UINT32)a[0] << 24 | (UINT32)a[1] << 16 | (UINT32)a[2] << 8 | a[3];
    space->v4.mask = wish->prefix == 0 ? 0 : 0xFFFFFFFFu << (32 - wish->prefix);
    condition(space, &FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_MATCH_EQUAL, FWP_V4_ADDR_MASK)->v4AddrMask = &space->v4;
}

static void add_ports(struct condition_space *space, const struct filter_wish *wish)
{
    const GUID *field = wish->in ? &FWPM_CONDITION_IP_LOCAL_PORT : &FWPM_CONDITION_IP_REMOTE_PORT;

    if (wish->port_first == wish->port_last) {
        condition(space, field, FWP_MATCH_EQUAL, FWP_UINT16)->uint16 = wish->port_first;
        return;
    }
    space->ports.valueLow.type = space->ports.valueHigh.type = FWP_UINT16;
    space->ports.valueLow.uint16 = wish->port_first;
    space->ports.valueHigh.uint16 = wish->port_last;
    condition(space, field, FWP_MATCH_RANGE, FWP_RANGE_TYPE)->rangeValue = &space->ports;
}

/* Alternatives on one field, where ports alone are wished for: other protocols have other things in that field. */
static void add_protocol(struct condition_space *space, const struct filter_wish *wish)
{
    if (wish->protocol != 0) {
        condition(space, &FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_EQUAL, FWP_UINT8)->uint8 = wish->protocol;
    } else if (wish->has_port) {
        condition(space, &FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_EQUAL, FWP_UINT8)->uint8 = TCP;
        condition(space, &FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_EQUAL, FWP_UINT8)->uint8 = UDP;
    }
}

/* UTF-16 with a NUL, zeroed memory; NULL: none left. */
static uint8_t *to_utf16(const char *bytes, size_t *size)
{
    size_t count = strlen(bytes);
    uint8_t *utf16 = calloc(1, PATH_TEXT_UTF16_SIZE(count) + sizeof(wchar_t));

    if (utf16 != NULL)
        (void)path_text_from_bytes((const uint8_t *)bytes, count, utf16, PATH_TEXT_UTF16_SIZE(count), size);
    return utf16;
}

struct addition {
    const struct filter_wish *wish;
    struct condition_space space;
    uint8_t *name;
    uint64_t ids[FILTER_LAYERS];
    unsigned count;
};

/* ALREADY_EXISTS: the driver, install or an earlier filter brought it. */
static DWORD add_shared(HANDLE engine)
{
    FWPM_PROVIDER0 provider;
    FWPM_SUBLAYER0 sublayer;
    DWORD error;

    memset(&provider, 0, sizeof(provider));
    provider.providerKey = provider_key;
    provider.displayData.name = (wchar_t *)L"Gatehouse";
    provider.serviceName = (wchar_t *)GATEHOUSE_SERVICE;
    error = FwpmProviderAdd0(engine, &provider, NULL);
    if (error != ERROR_SUCCESS && error != (DWORD)FWP_E_ALREADY_EXISTS)
        return error;
    memset(&sublayer, 0, sizeof(sublayer));
    sublayer.subLayerKey = sublayer_key;
    sublayer.displayData.name = (wchar_t *)L"Gatehouse";
    sublayer.providerKey = (GUID *)&provider_key;
    sublayer.weight = GATEHOUSE_SUBLAYER_WEIGHT;
    error = FwpmSubLayerAdd0(engine, &sublayer, NULL);
    return error == (DWORD)FWP_E_ALREADY_EXISTS ? ERROR_SUCCESS : error;
}

static DWORD add_at(HANDLE engine, struct addition *addition, const GUID *layer)
{
    FWPM_FILTER0 filter;
    DWORD error;
    UINT64 id = 0;

    memset(&filter, 0, sizeof(filter));
    filter.displayData.name = (wchar_t *)addition->name;
    filter.providerKey = (GUID *)&provider_key;
    filter.providerData.size = GATEHOUSE_FILTER_MARK_SIZE;
    filter.providerData.data = (UINT8 *)mark;
    filter.layerKey = *layer;
    filter.subLayerKey = sublayer_key;
    filter.weight.type = FWP_UINT8;
    filter.weight.uint8 = addition->wish->weight;
    filter.numFilterConditions = addition->space.count;
    filter.filterCondition = addition->space.list;
    filter.action.type = addition->wish->block ? FWP_ACTION_BLOCK : FWP_ACTION_PERMIT;
    error = FwpmFilterAdd0(engine, &filter, NULL, &id);
    if (error == ERROR_SUCCESS)
        addition->ids[addition->count++] = id;
    return error;
}

static DWORD add_work(HANDLE engine, void *context, const char **what, struct problem *problem)
{
    struct addition *addition = context;
    DWORD error;

    (void)problem;
    addition->count = 0;
    *what = "Gatehouse's sublayer";
    error = add_shared(engine);
    if (error != ERROR_SUCCESS)
        return error;
    *what = "the filter";
    if (addition->wish->v4)
        error = add_at(engine, addition,
                       addition->wish->in ? &FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4 : &FWPM_LAYER_ALE_AUTH_CONNECT_V4);
    if (error == ERROR_SUCCESS && addition->wish->v6)
        error = add_at(engine, addition,
                       addition->wish->in ? &FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V6 : &FWPM_LAYER_ALE_AUTH_CONNECT_V6);
    return error;
}

enum agent_result filter_add(const char *path, const struct filter_wish *wish, uint64_t ids[FILTER_LAYERS],
                             unsigned *count, struct problem *problem)
{
    struct addition addition = {.wish = wish};
    struct condition_space *space = &addition.space;
    enum agent_result result = AGENT_FAILED;
    uint8_t *program = NULL;
    size_t size = 0;

    addition.name = to_utf16(wish->name, &size);
    if (wish->program != NULL)
        program = to_utf16(wish->program, &size);
    if (addition.name == NULL || (wish->program != NULL && program == NULL)) {
        problem_set(problem, AGENT_FAILED, "out of memory.");
        goto out;
    }
    if (program != NULL) {
        space->program.size = (UINT32)(size + sizeof(wchar_t)); /* the NUL belongs to it */
        space->program.data = program;
        condition(space, &FWPM_CONDITION_ALE_APP_ID, FWP_MATCH_EQUAL, FWP_BYTE_BLOB_TYPE)->byteBlob = &space->program;
    }
    if (wish->has_address)
        add_address(space, wish);
    if (wish->has_port)
        add_ports(space, wish);
    add_protocol(space, wish);
    result = run(path, add_work, &addition, problem);
    if (result == AGENT_OK) {
        memcpy(ids, addition.ids, sizeof(addition.ids));
        *count = addition.count;
    }
out:
    free(program);
    free(addition.name);
    return result;
}

/* --- All filters --------------------------------------------------------------------------- */

/* The engine's filters: batches own the memory that list points into. */
struct collection {
    FWPM_FILTER0 ***batches;
    unsigned batch_count;
    struct filter_shown *list;
    unsigned count;
};

static void collection_free(struct collection *collection)
{
    for (unsigned i = 0; i < collection->batch_count; i++)
        FwpmFreeMemory0((void **)&collection->batches[i]);
    free(collection->batches);
    free(collection->list);
    *collection = (struct collection){0};
}

static DWORD collect_batch(struct collection *collection, FWPM_FILTER0 **batch, UINT32 count, bool all)
{
    FWPM_FILTER0 ***batches = realloc(collection->batches, (collection->batch_count + 1) * sizeof(*batches));
    struct filter_shown *list;

    if (batches == NULL) {
        FwpmFreeMemory0((void **)&batch);
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    collection->batches = batches;
    batches[collection->batch_count++] = batch;
    list = realloc(collection->list, (collection->count + count) * sizeof(*list));
    if (list == NULL)
        return ERROR_NOT_ENOUGH_MEMORY;
    collection->list = list;
    for (UINT32 i = 0; i < count; i++)
        if (all || is_ours(batch[i]))
            list[collection->count++] = (struct filter_shown){batch[i], is_ours(batch[i])};
    return ERROR_SUCCESS;
}

/* On failure the caller frees what there is. */
static DWORD collect(HANDLE engine, struct collection *collection, bool all)
{
    UINT32 count = ENTRIES;
    HANDLE handle = NULL;
    DWORD error = FwpmFilterCreateEnumHandle0(engine, NULL, &handle);

    if (error != ERROR_SUCCESS)
        return error;
    while (error == ERROR_SUCCESS && count == ENTRIES) {
        FWPM_FILTER0 **batch = NULL;

        error = FwpmFilterEnum0(engine, handle, ENTRIES, &batch, &count);
        if (error == ERROR_SUCCESS && count == 0)
            FwpmFreeMemory0((void **)&batch);
        else if (error == ERROR_SUCCESS)
            error = collect_batch(collection, batch, count, all);
    }
    (void)FwpmFilterDestroyEnumHandle0(engine, handle);
    return error;
}

struct listing {
    struct collection collection;
    bool all;
};

static DWORD list_work(HANDLE engine, void *context, const char **what, struct problem *problem)
{
    struct listing *listing = context;

    (void)problem;
    *what = "listing filters";
    collection_free(&listing->collection);
    return collect(engine, &listing->collection, listing->all);
}

enum agent_result filter_list(const char *path, bool all, bool json, struct text *text, unsigned *count,
                              struct problem *problem)
{
    struct listing listing = {.all = all};
    enum agent_result result = run(path, list_work, &listing, problem);

    if (result == AGENT_OK) {
        *count = listing.collection.count;
        if (json)
            filter_show_json(text, listing.collection.list, *count);
        else
            filter_show_table(text, listing.collection.list, *count, all);
    }
    collection_free(&listing.collection);
    return result;
}

/* --- Remove -------------------------------------------------------------------------------- */

struct removal {
    const uint64_t *ids;
    unsigned count, removed;
};

static DWORD remove_one(HANDLE engine, uint64_t id, struct problem *problem)
{
    FWPM_FILTER0 *filter = NULL;
    DWORD error = FwpmFilterGetById0(engine, id, &filter);
    bool ours;

    if (error == (DWORD)FWP_E_FILTER_NOT_FOUND)
        problem_set(problem, AGENT_USAGE, "there is no filter %llu: see 'gatehouse filter list'; nothing was removed.",
                    (unsigned long long)id);
    if (error != ERROR_SUCCESS)
        return error;
    ours = is_ours(filter);
    FwpmFreeMemory0((void **)&filter);
    if (!ours) {
        problem_set(problem, AGENT_REFUSED,
                    "filter %llu was not added by 'gatehouse filter add', so it stays; nothing was removed.",
                    (unsigned long long)id);
        return ERROR_ACCESS_DENIED;
    }
    return FwpmFilterDeleteById0(engine, id);
}

static DWORD remove_work(HANDLE engine, void *context, const char **what, struct problem *problem)
{
    struct collection collection = {0};
    struct removal *removal = context;
    DWORD error = ERROR_SUCCESS;

    *what = "removing a filter";
    removal->removed = 0;
    if (removal->count == 0)
        error = collect(engine, &collection, false);
    for (unsigned i = 0; i < collection.count && error == ERROR_SUCCESS; i++, removal->removed++)
        error = FwpmFilterDeleteById0(engine, collection.list[i].filter->filterId);
    for (unsigned i = 0; i < removal->count && error == ERROR_SUCCESS; i++, removal->removed++)
        error = remove_one(engine, removal->ids[i], problem);
    collection_free(&collection);
    return error;
}

/* After the last filter: sublayer and provider that add_shared brought. In use, or installed for good, they stay. */
static DWORD tidy_work(HANDLE engine, void *context, const char **what, struct problem *problem)
{
    FWPM_SUBLAYER0 *sublayer = NULL;
    DWORD error = FwpmSubLayerGetByKey0(engine, &sublayer_key, &sublayer);
    bool persistent;

    (void)context;
    (void)what;
    (void)problem;
    if (error != ERROR_SUCCESS)
        return error;
    persistent = ((unsigned)sublayer->flags & PERSISTENT) != 0;
    FwpmFreeMemory0((void **)&sublayer);
    if (persistent)
        return ERROR_SUCCESS;
    error = FwpmSubLayerDeleteByKey0(engine, &sublayer_key);
    return error == ERROR_SUCCESS ? FwpmProviderDeleteByKey0(engine, &provider_key) : error;
}

enum agent_result filter_remove(const char *path, const uint64_t *ids, unsigned count, unsigned *removed,
                                struct problem *problem)
{
    struct removal removal = {.ids = ids, .count = count};
    enum agent_result result = run(path, remove_work, &removal, problem);
    struct problem ignored = {0};

    if (result != AGENT_OK)
        return result;
    *removed = removal.removed;
    if (removal.removed > 0)
        (void)run(path, tidy_work, NULL, &ignored);
    return AGENT_OK;
}
