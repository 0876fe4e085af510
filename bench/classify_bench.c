/* SPDX-License-Identifier: MIT */
/*
 * classify_bench.c - what the filter engine costs with many filters: one classify, adding and deleting all, one change.
 *
 *   classify_bench MIX FILTERS [SAMPLES]
 *
 * MIX is what the filters compare: "programs" (a program each), "prefixes4" and "prefixes6" (a remote subnet each, of
 * many lengths), "triples" (program, subnet and port), "ports" (a range of ports each), "list" (one filter with that
 * many addresses), "mixed" (of all but the list). The connections differ: half of them were made to meet a filter.
 * Behind all stands one that blocks everything, and all others block: no flow is made, so that one classify is like the
 * other.
 *
 * It prints "classify P50 P99" and "cold P50 P99" in nanoseconds; "add MS" and "delete MS", of all in one transaction
 * each; "change BEST MEAN WORST" in microseconds, of adding or deleting one filter; and "resident KIB", what all
 * filters took.
 */
#include <initguid.h>

#include "wfp/ale.h"

#include <fwpmk.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GROUP       8u
#define CHANGES     17000u /* so many that every level of the policy is made anew, the largest too */
#define CONNECTIONS 512u

enum mix { PROGRAMS, PREFIXES4, PREFIXES6, TRIPLES, PORTS, LIST, MIXED, MIXES };

static const char *const mix_names[MIXES] = {"programs", "prefixes4", "prefixes6", "triples", "ports", "list", "mixed"};
static enum mix mix;
static UINT32 filter_count;
static HANDLE engine;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fail(const char *why)
{
    fprintf(stderr, "classify_bench: %s\n", why);
    exit(1);
}

/* The same for the same number, whoever asks. */
static UINT64 spread(UINT64 number)
{
    number = (number + 1) * 0x9e3779b97f4a7c15ull;
    number ^= number >> 29;
    number *= 0xbf58476d1ce4e5b9ull;
    return number ^ number >> 32;
}

static void program_of(UINT32 number, UINT16 name[40], FWP_BYTE_BLOB *blob)
{
    char text[40];
    int length = snprintf(text, sizeof(text), "/usr/bin/program-%u", number);

    for (int i = 0; i <= length; i++)
        name[i] = (UINT16)text[i];
    blob->size = (UINT32)(length + 1) * 2;
    blob->data = (UINT8 *)name;
}

static enum mix kind_of(UINT32 number)
{
    static const enum mix kinds[] = {PROGRAMS, PREFIXES4, TRIPLES, PREFIXES4, TRIPLES, PORTS};

    return mix != MIXED ? mix : number % 50 != 5 && kinds[number % 6] == PORTS ? TRIPLES : kinds[number % 6];
}

/* Lengths as in lists of networks: 24 most often, from 12 to 32. */
static unsigned length_of(UINT32 number)
{
    static const UINT8 lengths[] = {24, 24, 24, 32, 32, 22, 23, 20, 16, 28, 21, 19, 18, 17, 26, 12};

    return lengths[spread(number) >> 40 & 15];
}

/* What a filter or a connection is made of. */
struct parts {
    UINT16 name[40];
    FWP_BYTE_BLOB program;
    FWP_V4_ADDR_AND_MASK v4;
    FWP_V6_ADDR_AND_MASK v6;
    FWP_RANGE0 ports;
    FWPM_FILTER_CONDITION0 conditions[3];
};

static void put_program(struct parts *parts, FWPM_FILTER_CONDITION0 *condition, UINT32 number)
{
    program_of(number, parts->name, &parts->program);
    condition->fieldKey = FWPM_CONDITION_ALE_APP_ID;
    condition->conditionValue.type = FWP_BYTE_BLOB_TYPE;
    condition->conditionValue.byteBlob = &parts->program;
}

static void put_subnet(struct parts *parts, FWPM_FILTER_CONDITION0 *condition, UINT32 number)
{
    UINT64 bits = spread(number);

    condition->fieldKey = FWPM_CONDITION_IP_REMOTE_ADDRESS;
    if (mix == PREFIXES6) {
        memset(&parts->v6, 0, sizeof(parts->v6));
        parts->v6.addr[0] = 0x20;
        for (unsigned i = 1; i < 8; i++)
            parts->v6.addr[i] = (UINT8)(bits >> 8 * i);
        parts->v6.prefixLength = (UINT8)(length_of(number) * 2);
        condition->conditionValue.type = FWP_V6_ADDR_MASK;
        condition->conditionValue.v6AddrMask = &parts->v6;
    } else {
        parts->v4.mask = 0xffffffffu << (32 - length_of(number));
        parts->v4.addr = (UINT32)bits & parts->v4.mask;
        condition->conditionValue.type = FWP_V4_ADDR_MASK;
        condition->conditionValue.v4AddrMask = &parts->v4;
    }
}

static UINT32 put_conditions(struct parts *parts, UINT32 number)
{
    FWPM_FILTER_CONDITION0 *conditions = parts->conditions;
    UINT16 port = (UINT16)(1024 + spread(number) % 60000);

    memset(conditions, 0, sizeof(parts->conditions));
    switch (kind_of(number)) {
    case PROGRAMS:
        put_program(parts, &conditions[0], number);
        return 1;
    case PREFIXES4:
    case PREFIXES6:
        put_subnet(parts, &conditions[0], number);
        return 1;
    case TRIPLES:
        put_program(parts, &conditions[0], number / 64);
        put_subnet(parts, &conditions[1], number);
        conditions[2].fieldKey = FWPM_CONDITION_IP_REMOTE_PORT;
        conditions[2].conditionValue.type = FWP_UINT16;
        conditions[2].conditionValue.uint16 = port;
        return 3;
    default:
        parts->ports.valueLow.type = parts->ports.valueHigh.type = FWP_UINT16;
        parts->ports.valueLow.uint16 = port;
        parts->ports.valueHigh.uint16 = (UINT16)(port + spread(number) / 65536 % 200);
        conditions[0].fieldKey = FWPM_CONDITION_IP_REMOTE_PORT;
        conditions[0].matchType = FWP_MATCH_RANGE;
        conditions[0].conditionValue.type = FWP_RANGE_TYPE;
        conditions[0].conditionValue.rangeValue = &parts->ports;
        return 1;
    }
}

static UINT64 filter_add(FWPM_FILTER_CONDITION0 *conditions, UINT32 count, UINT64 weight)
{
    wchar_t name[] = L"bench";
    FWPM_FILTER0 filter = {.displayData.name = name,
                           .layerKey =
                               mix == PREFIXES6 ? FWPM_LAYER_ALE_AUTH_CONNECT_V6 : FWPM_LAYER_ALE_AUTH_CONNECT_V4,
                           .numFilterConditions = count,
                           .filterCondition = conditions,
                           .action.type = FWP_ACTION_BLOCK,
                           .weight = {.type = FWP_UINT64, .uint64 = &weight}};
    UINT64 id;

    if (FwpmFilterAdd0(engine, &filter, NULL, &id) != STATUS_SUCCESS)
        fail("a filter was refused");
    return id;
}

static UINT64 number_add(UINT32 number)
{
    struct parts parts;
    UINT32 count = put_conditions(&parts, number);

    return filter_add(parts.conditions, count, 1000u + number);
}

static UINT64 list_add(void)
{
    FWPM_FILTER_CONDITION0 *conditions = calloc(filter_count + 1, sizeof(*conditions));
    UINT64 id;

    if (conditions == NULL)
        fail("memory is out");
    for (UINT32 i = 0; i < filter_count; i++) {
        conditions[i].fieldKey = FWPM_CONDITION_IP_REMOTE_ADDRESS;
        conditions[i].conditionValue.type = FWP_UINT32;
        conditions[i].conditionValue.uint32 = (UINT32)spread(i);
    }
    id = filter_add(conditions, filter_count, 1000);
    free(conditions);
    return id;
}

static void transaction_begin(void)
{
    if (FwpmTransactionBegin0(engine, 0) != STATUS_SUCCESS)
        fail("no transaction");
}

static void transaction_commit(void)
{
    if (FwpmTransactionCommit0(engine) != STATUS_SUCCESS)
        fail("no commit");
}

static long resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0, resident = 0;

    if (file == NULL || fscanf(file, "%ld %ld", &pages, &resident) != 2)
        fail("no /proc/self/statm");
    fclose(file);
    return resident * 4;
}

static UINT64 *all_add(UINT32 *added)
{
    UINT64 *ids = calloc(filter_count + 2, sizeof(*ids));
    long before;

    if (ids == NULL)
        fail("memory is out");
    memset(ids, 1, (filter_count + 2) * sizeof(*ids)); /* not to be counted below */
    before = resident_kib();
    uint64_t start = now_ns();
    transaction_begin();
    *added = 0;
    if (mix == LIST)
        ids[(*added)++] = list_add();
    else
        for (UINT32 i = 0; i < filter_count; i++)
            ids[(*added)++] = number_add(i);
    ids[(*added)++] = filter_add(NULL, 0, 1);
    transaction_commit();
    printf("add %.1f\n", (double)(now_ns() - start) / 1e6);
    printf("resident %ld\n", resident_kib() - before);
    return ids;
}

static void all_delete(const UINT64 *ids, UINT32 added)
{
    uint64_t start = now_ns();

    transaction_begin();
    for (UINT32 i = 0; i < added; i++)
        if (FwpmFilterDeleteById0(engine, ids[i]) != STATUS_SUCCESS)
            fail("a filter was not deleted");
    transaction_commit();
    printf("delete %.1f\n", (double)(now_ns() - start) / 1e6);
}

/* One filter comes, one goes: each a commit. */
static void changes(void)
{
    double best = 1e12, worst = 0, sum = 0;
    static UINT64 ids[CHANGES];

    for (UINT32 i = 0; i < 2 * CHANGES; i++) {
        uint64_t start = now_ns();

        if (i < CHANGES)
            ids[i] = mix == LIST ? filter_add(NULL, 0, 2 + i) : number_add(filter_count + i);
        else if (FwpmFilterDeleteById0(engine, ids[i - CHANGES]) != STATUS_SUCCESS)
            fail("a filter was not deleted");
        double took = (double)(now_ns() - start) / 1e3;
        best = took < best ? took : best;
        worst = took > worst ? took : worst;
        sum += took;
    }
    printf("change %.1f %.1f %.1f\n", best, sum / (2 * CHANGES), worst);
}

static int sample_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void pended_done(void *context, const struct wfp_decision *decision)
{
    (void)context;
    (void)decision;
}

/* Every second one has the values of some filter; the others have values of their own. */
static void connection_make(UINT32 serial, struct wfp_ale_connect *connect, struct parts *parts)
{
    UINT32 number =
        filter_count == 0 || serial % 2 == 0 ? 0x40000000u + serial : (UINT32)(spread(serial * 7u) % filter_count);
    UINT64 bits = spread(number);

    memset(connect, 0, sizeof(*connect));
    program_of(kind_of(number) == TRIPLES ? number / 64 : number, parts->name, &parts->program);
    connect->ip_version = mix == PREFIXES6 ? 6 : 4;
    connect->protocol = 6;
    connect->local_port = 40000;
    connect->remote_port = (UINT16)(serial % 2 == 0 ? 443 : 1024 + bits % 60000);
    for (unsigned i = 0; i < 4; i++)
        connect->remote_address[i] = (UINT8)(bits >> (24 - 8 * i));
    if (mix == PREFIXES6) {
        connect->remote_address[0] = 0x20;
        for (unsigned i = 1; i < 8; i++)
            connect->remote_address[i] = (UINT8)(bits >> 8 * i);
    }
    connect->local_address[0] = 10;
    connect->has_process = TRUE;
    connect->process_id = 77;
    connect->process_start = 1000;
    connect->app_id = &parts->program;
}

static void classifies(const char *name, UINT32 different, double *samples, size_t count)
{
    struct wfp_ale_connect connects[GROUP];
    struct parts parts[GROUP];
    struct wfp_decision decision;

    for (size_t i = 0; i < count; i++) {
        for (unsigned j = 0; j < GROUP; j++) {
            connection_make((UINT32)((i * GROUP + j) % different), &connects[j], &parts[j]);
            connects[j].endpoint = i * GROUP + j + 1;
        }
        uint64_t start = now_ns();
        for (unsigned j = 0; j < GROUP; j++)
            wfp_ale_connect(&connects[j], pended_done, NULL, &decision);
        samples[i] = (double)(now_ns() - start) / GROUP;
        for (unsigned j = 0; j < GROUP; j++)
            wfp_ale_endpoint_closed(i * GROUP + j + 1);
        if (decision.outcome != WFP_BLOCK)
            fail("no filter decided");
    }
    qsort(samples, count, sizeof(*samples), sample_compare);
    printf("%s %.1f %.1f\n", name, samples[count / 2], samples[count * 99 / 100]);
}

int main(int argc, char **argv)
{
    size_t count = argc > 3 ? strtoul(argv[3], NULL, 10) : 20000;
    UINT32 added;
    double *samples;

    while (argc > 2 && mix < MIXES && strcmp(argv[1], mix_names[mix]) != 0)
        mix++;
    if (argc < 3 || mix == MIXES || count < 100) {
        fprintf(stderr, "usage: classify_bench programs|prefixes4|prefixes6|triples|ports|list|mixed FILTERS "
                        "[SAMPLES], at least 100\n");
        return 2;
    }
    filter_count = (UINT32)strtoul(argv[2], NULL, 10);
    samples = calloc(count, sizeof(*samples));
    if (samples == NULL || FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine) != STATUS_SUCCESS)
        fail("the engine does not open, or memory is out");
    UINT64 *ids = all_add(&added);
    classifies("classify", CONNECTIONS, samples, count);
    classifies("cold", 0xffffffffu, samples, count);
    changes();
    all_delete(ids, added);
    FwpmEngineClose0(engine);
    wfp_reset();
    free(samples);
    free(ids);
    return 0;
}
