/* SPDX-License-Identifier: MIT */
/*
 * install_objects.c - see install_objects.h.
 *
 * Pages (win32 desktop-src/FWP): Object Management (lifetimes; a persistent object is loaded at BFE's start only while
 * its provider's service is set to start automatically; a persistent object may name no shorter-lived one, so no
 * callout of the driver's), WFP Operation (boot-time filters hold from the TCP/IP driver's start until BFE
 * has put the persistent ones in their place, as one change), Filter Arbitration, Installing a Provider, Uninstalling
 * a Provider. A filter may be boot-time or persistent, not both (FWPM_FILTER0), so the closed mode writes each twice.
 *
 * When you add a row, also add it to docs/windows-install.md and tests/engine/install.
 */
#include "agent/install_objects.h"

#include <gatehouse/objects.h>

#include <string.h>

#include <fwpmu.h>

_Static_assert(sizeof(FWPM_PROVIDER0) == 64 && sizeof(FWPM_SUBLAYER0) == 72 && sizeof(FWPM_FILTER_CONDITION0) == 40 &&
                   sizeof(FWPM_FILTER0) == 200,
               "layouts of fwpmtypes.h");

/* mingw-w64's fwpmtypes.h lacks these. */
#define PERSISTENT 1u /* FWPM_PROVIDER_FLAG_, FWPM_SUBLAYER_FLAG_, FWPM_FILTER_FLAG_PERSISTENT */
#define BOOTTIME   2u /* FWPM_FILTER_FLAG_BOOTTIME */

/* clang-format off */
#define FIELD_FLAGS       { 0x632ce23b, 0x5167, 0x435c, { 0x86, 0xd7, 0xe9, 0x03, 0x68, 0x4a, 0xa8, 0x0c } }
#define FIELD_PROTOCOL    { 0x3971ef2b, 0x623e, 0x4f9a, { 0x8c, 0xb1, 0x6e, 0x79, 0xb8, 0x06, 0xb9, 0xa7 } }
#define FIELD_LOCAL_PORT  { 0x0c1ba1af, 0x5765, 0x453f, { 0xaf, 0x22, 0xa8, 0xf7, 0x91, 0xac, 0x77, 0x5b } }
#define FIELD_REMOTE_PORT { 0xc35a604d, 0xd22b, 0x4e1a, { 0x91, 0xb4, 0x68, 0xf6, 0x74, 0xee, 0x67, 0x4b } }
#define FIELD_ICMP_TYPE   FIELD_LOCAL_PORT /* FWPM_CONDITION_ICMP_TYPE */

static const GUID provider_key = GATEHOUSE_KEY_PROVIDER;
static const GUID sublayer_key = GATEHOUSE_KEY_SUBLAYER;
/* FWPM_LAYER_ALE_AUTH_CONNECT_V4, _V6 */
static const GUID connect_v4 = { 0xc38d57d1, 0x05a7, 0x4c33, { 0x90, 0x4f, 0x7f, 0xbc, 0xee, 0xe6, 0x0e, 0x82 } };
static const GUID connect_v6 = { 0x4a72393b, 0x319f, 0x44bc, { 0x84, 0xc3, 0xba, 0x54, 0xdc, 0xb3, 0xb6, 0xb4 } };
/* clang-format on */

#define EQUAL_8(field, value)                                                                                          \
    {                                                                                                                  \
        .fieldKey = field, .matchType = FWP_MATCH_EQUAL, .conditionValue = {.type = FWP_UINT8, .uint8 = (value) }      \
    }
#define EQUAL_16(field, value)                                                                                         \
    {                                                                                                                  \
        .fieldKey = field, .matchType = FWP_MATCH_EQUAL, .conditionValue = {.type = FWP_UINT16, .uint16 = (value) }    \
    }

static FWPM_FILTER_CONDITION0 is_loopback[] = {
    {.fieldKey = FIELD_FLAGS,
     .matchType = FWP_MATCH_FLAGS_ALL_SET,
     .conditionValue = {.type = FWP_UINT32, .uint32 = FWP_CONDITION_FLAG_IS_LOOPBACK}}};
static FWPM_FILTER_CONDITION0 is_dhcp[] = {EQUAL_8(FIELD_PROTOCOL, 17), EQUAL_16(FIELD_LOCAL_PORT, 68),
                                           EQUAL_16(FIELD_REMOTE_PORT, 67)};
static FWPM_FILTER_CONDITION0 is_dhcpv6[] = {EQUAL_8(FIELD_PROTOCOL, 17), EQUAL_16(FIELD_LOCAL_PORT, 546),
                                             EQUAL_16(FIELD_REMOTE_PORT, 547)};
/* What a host sends: router and neighbour solicitation, neighbour advertisement (RFC 4861), and the multicast report
 * that makes switches deliver the answers (RFC 3810). Conditions on one field are alternatives. */
static FWPM_FILTER_CONDITION0 is_neighbour[] = {EQUAL_8(FIELD_PROTOCOL, 58), EQUAL_16(FIELD_ICMP_TYPE, 133),
                                                EQUAL_16(FIELD_ICMP_TYPE, 135), EQUAL_16(FIELD_ICMP_TYPE, 136),
                                                EQUAL_16(FIELD_ICMP_TYPE, 143)};

#define NAME(text)        .name = text, .wide = L##text
#define CONDITIONS(array) .conditions = (array), .count = sizeof(array) / sizeof((array)[0])

struct row {
    const char *name;
    const wchar_t *wide;
    UINT8 key; /* the GUID's last byte; the boot-time twin's is BOOT_TWIN more */
    const GUID *layer;
    FWP_ACTION_TYPE action;
    UINT64 weight;
    FWPM_FILTER_CONDITION0 *conditions;
    UINT32 count;
    bool closed_only;
};

#define BOOT_TWIN 0x40

static const struct row rows[] = {
    {NAME("Gatehouse permits DHCP"), 0x20, &connect_v4, FWP_ACTION_PERMIT, GATEHOUSE_WEIGHT_ALWAYS,
     CONDITIONS(is_dhcp)},
    {NAME("Gatehouse permits DHCPv6"), 0x21, &connect_v6, FWP_ACTION_PERMIT, GATEHOUSE_WEIGHT_ALWAYS,
     CONDITIONS(is_dhcpv6)},
    {NAME("Gatehouse permits neighbour discovery"), 0x22, &connect_v6, FWP_ACTION_PERMIT, GATEHOUSE_WEIGHT_ALWAYS,
     CONDITIONS(is_neighbour)},
    {NAME("Gatehouse closed: loopback passes"), 0x23, &connect_v4, FWP_ACTION_PERMIT, GATEHOUSE_WEIGHT_CLOSED_PASS,
     CONDITIONS(is_loopback), true},
    {NAME("Gatehouse closed: loopback passes"), 0x24, &connect_v6, FWP_ACTION_PERMIT, GATEHOUSE_WEIGHT_CLOSED_PASS,
     CONDITIONS(is_loopback), true},
    {NAME("Gatehouse closed: the driver is away"), 0x25, &connect_v4, FWP_ACTION_BLOCK, GATEHOUSE_WEIGHT_CLOSED,
     .closed_only = true},
    {NAME("Gatehouse closed: the driver is away"), 0x26, &connect_v6, FWP_ACTION_BLOCK, GATEHOUSE_WEIGHT_CLOSED,
     .closed_only = true},
};
#define ROWS       (sizeof(rows) / sizeof(rows[0]))
#define ROW_CLOSED 5 /* its presence says which mode is installed */

static GUID row_key(const struct row *row, bool boot_time)
{
    GUID key = GATEHOUSE_KEY(0);

    key.Data4[7] = (UINT8)(row->key + (boot_time ? BOOT_TWIN : 0));
    return key;
}

/* Boot-time twins come with the closed mode only. */
static bool row_is_in(const struct row *row, enum install_mode mode, bool boot_time)
{
    return mode == INSTALL_CLOSED || (mode == INSTALL_OPEN && !row->closed_only && !boot_time);
}

void install_objects_list(enum install_mode mode, void (*take)(void *context, const struct install_object *object),
                          void *context)
{
    if (mode == INSTALL_NONE)
        return;
    take(context, &(struct install_object){"provider", "Gatehouse", "", "", "persistent"});
    take(context, &(struct install_object){"sublayer", "Gatehouse", "", "", "persistent"});
    for (int boot_time = 0; boot_time < 2; boot_time++)
        for (size_t i = 0; i < ROWS; i++)
            if (row_is_in(&rows[i], mode, boot_time))
                take(context, &(struct install_object){"filter", rows[i].name,
                                                       rows[i].layer == &connect_v4 ? "connect IPv4" : "connect IPv6",
                                                       rows[i].action == FWP_ACTION_PERMIT ? "permit" : "block",
                                                       boot_time ? "boot-time" : "persistent"});
}

static uint32_t add_provider(HANDLE engine)
{
    FWPM_PROVIDER0 provider;
    uint32_t error;

    memset(&provider, 0, sizeof(provider));
    provider.providerKey = provider_key;
    provider.displayData.name = (wchar_t *)L"Gatehouse";
    provider.displayData.description = (wchar_t *)L"Holds new connections until they are decided";
    provider.flags = PERSISTENT;
    provider.serviceName = (wchar_t *)GATEHOUSE_SERVICE;
    error = (uint32_t)FwpmProviderAdd0(engine, &provider, NULL);
    return error == (uint32_t)FWP_E_ALREADY_EXISTS ? 0 : error;
}

static uint32_t add_sublayer(HANDLE engine)
{
    FWPM_SUBLAYER0 sublayer;
    uint32_t error;

    memset(&sublayer, 0, sizeof(sublayer));
    sublayer.subLayerKey = sublayer_key;
    sublayer.displayData.name = (wchar_t *)L"Gatehouse";
    sublayer.flags = PERSISTENT;
    sublayer.providerKey = (GUID *)&provider_key;
    sublayer.weight = GATEHOUSE_SUBLAYER_WEIGHT;
    error = (uint32_t)FwpmSubLayerAdd0(engine, &sublayer, NULL);
    return error == (uint32_t)FWP_E_ALREADY_EXISTS ? 0 : error;
}

static uint32_t add_row(HANDLE engine, const struct row *row, bool boot_time)
{
    UINT64 weight = row->weight;
    FWPM_FILTER0 filter;

    memset(&filter, 0, sizeof(filter));
    filter.filterKey = row_key(row, boot_time);
    filter.displayData.name = (wchar_t *)row->wide;
    filter.flags = boot_time ? BOOTTIME : PERSISTENT;
    filter.providerKey = (GUID *)&provider_key;
    filter.layerKey = *row->layer;
    filter.subLayerKey = sublayer_key;
    filter.weight.type = FWP_UINT64;
    filter.weight.uint64 = &weight;
    filter.numFilterConditions = row->count;
    filter.filterCondition = row->conditions;
    filter.action.type = row->action;
    return (uint32_t)FwpmFilterAdd0(engine, &filter, NULL, NULL);
}

static uint32_t add_mode(HANDLE engine, enum install_mode mode, const char **what)
{
    uint32_t error;

    *what = "adding the provider";
    error = add_provider(engine);
    if (error == 0) {
        *what = "adding the sublayer";
        error = add_sublayer(engine);
    }
    for (size_t i = 0; i < 2 * ROWS && error == 0; i++) {
        if (!row_is_in(&rows[i / 2], mode, i % 2 != 0))
            continue;
        *what = "adding a filter";
        error = add_row(engine, &rows[i / 2], i % 2 != 0);
    }
    return error;
}

static uint32_t remove_rows(HANDLE engine, const char **what)
{
    *what = "deleting a filter";
    for (size_t i = 0; i < 2 * ROWS; i++) {
        GUID key = row_key(&rows[i / 2], i % 2 != 0);
        uint32_t error = (uint32_t)FwpmFilterDeleteByKey0(engine, &key);

        if (error != 0 && error != (uint32_t)FWP_E_FILTER_NOT_FOUND)
            return error;
    }
    return 0;
}

static bool is_ours(const FWPM_FILTER0 *filter)
{
    return filter->providerKey != NULL && memcmp(filter->providerKey, &provider_key, sizeof(GUID)) == 0;
}

/* Goes through all filters, since a template cannot name a provider without naming a layer. change: deletes ours, but
 * those of a driver that is still loaded. */
static uint32_t visit_ours(HANDLE engine, bool change, uint32_t *count, const char **what)
{
    HANDLE listing = NULL;
    UINT32 returned = 0;
    uint32_t error;

    *what = "listing the filters";
    *count = 0;
    error = (uint32_t)FwpmFilterCreateEnumHandle0(engine, NULL, &listing);
    if (error != 0)
        return error;
    do {
        FWPM_FILTER0 **filters = NULL;

        error = (uint32_t)FwpmFilterEnum0(engine, listing, 256, &filters, &returned);
        for (UINT32 i = 0; i < returned && error == 0; i++) {
            if (!is_ours(filters[i]))
                continue;
            ++*count;
            if (change)
                error = (uint32_t)FwpmFilterDeleteById0(engine, filters[i]->filterId);
            if (error == (uint32_t)FWP_E_WRONG_SESSION || error == (uint32_t)FWP_E_FILTER_NOT_FOUND)
                error = 0;
        }
        FwpmFreeMemory0((void **)&filters);
    } while (error == 0 && returned != 0);
    (void)FwpmFilterDestroyEnumHandle0(engine, listing);
    return error;
}

/* What is referred to cannot be deleted: *left then, and no error. */
static uint32_t remove_shared(HANDLE engine, bool *left, const char **what)
{
    uint32_t error;

    *what = "deleting the sublayer";
    error = (uint32_t)FwpmSubLayerDeleteByKey0(engine, &sublayer_key);
    if (error == 0 || error == (uint32_t)FWP_E_SUBLAYER_NOT_FOUND) {
        *what = "deleting the provider";
        error = (uint32_t)FwpmProviderDeleteByKey0(engine, &provider_key);
    }
    *left = error == (uint32_t)FWP_E_IN_USE || error == (uint32_t)FWP_E_WRONG_SESSION;
    return *left || error == (uint32_t)FWP_E_PROVIDER_NOT_FOUND ? 0 : error;
}

static uint32_t change(HANDLE engine, enum install_mode mode, bool *left, const char **what)
{
    uint32_t count;
    uint32_t error = remove_rows(engine, what);

    if (error == 0 && mode == INSTALL_NONE)
        error = visit_ours(engine, true, &count, what);
    /* Sublayer and provider of a driver that came without an installation are not there for good: ours replace them. */
    if (error == 0)
        error = remove_shared(engine, left, what);
    if (error == 0 && mode != INSTALL_NONE)
        error = add_mode(engine, mode, what);
    return error;
}

static uint32_t open_engine(HANDLE *engine, const char **what)
{
    FWPM_SESSION0 session;

    memset(&session, 0, sizeof(session));
    session.displayData.name = (wchar_t *)L"Gatehouse installation";
    session.txnWaitTimeoutInMSec = 15000;
    *what = "opening the filter engine";
    return (uint32_t)FwpmEngineOpen0(NULL, RPC_C_AUTHN_DEFAULT, NULL, &session, engine);
}

uint32_t install_objects_set(enum install_mode mode, bool *left, const char **what)
{
    HANDLE engine = NULL;
    bool remains = false;
    uint32_t error = open_engine(&engine, what);

    if (error != 0)
        return error;
    *what = "beginning the change";
    error = (uint32_t)FwpmTransactionBegin0(engine, 0);
    if (error != 0)
        goto out;
    error = change(engine, mode, &remains, what);
    if (error == 0) {
        *what = "committing the change";
        error = (uint32_t)FwpmTransactionCommit0(engine);
    } else {
        (void)FwpmTransactionAbort0(engine);
    }
    if (error == 0)
        *left = remains && mode == INSTALL_NONE;
out:
    (void)FwpmEngineClose0(engine);
    return error;
}

/* 0 and *there: whether the filter with this row's key is there. */
static uint32_t find_row(HANDLE engine, const struct row *row, bool *there)
{
    GUID key = row_key(row, false);
    FWPM_FILTER0 *filter = NULL;
    uint32_t error = (uint32_t)FwpmFilterGetByKey0(engine, &key, &filter);

    *there = error == 0;
    if (error == 0)
        FwpmFreeMemory0((void **)&filter);
    return error == (uint32_t)FWP_E_FILTER_NOT_FOUND ? 0 : error;
}

static uint32_t find_sublayer(HANDLE engine, bool *installed)
{
    FWPM_SUBLAYER0 *sublayer = NULL;
    uint32_t error = (uint32_t)FwpmSubLayerGetByKey0(engine, &sublayer_key, &sublayer);

    *installed = error == 0 && (sublayer->flags & PERSISTENT) != 0;
    if (error == 0)
        FwpmFreeMemory0((void **)&sublayer);
    return error == (uint32_t)FWP_E_SUBLAYER_NOT_FOUND ? 0 : error;
}

uint32_t install_objects_read(struct install_found *found, const char **what)
{
    bool installed = false, closed = false;
    HANDLE engine = NULL;
    uint32_t filters = 0;
    uint32_t error = open_engine(&engine, what);

    if (error != 0)
        return error;
    error = visit_ours(engine, false, &filters, what);
    if (error == 0) {
        *what = "looking for the sublayer";
        error = find_sublayer(engine, &installed);
    }
    if (error == 0) {
        *what = "looking for a filter";
        error = find_row(engine, &rows[ROW_CLOSED], &closed);
    }
    if (error == 0) {
        found->mode = closed ? INSTALL_CLOSED : installed ? INSTALL_OPEN : INSTALL_NONE;
        found->filters = filters;
    }
    (void)FwpmEngineClose0(engine);
    return error;
}
