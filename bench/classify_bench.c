/* SPDX-License-Identifier: MIT */
/*
 * classify_bench.c - what one classify costs with many filters that do not match, and one at the end that does.
 *
 *   classify_bench FILTERS [SAMPLES]
 *
 * Each filter names a program, a remote network and a port, as rules of a person do; the connection
 * matches none of them but the last, least heavy one, which blocks: no flow is made, so that one
 * classify is like the other. It prints "classify P50 P99" in nanoseconds.
 */
#include <initguid.h>

#include "wfp/ale.h"

#include <fwpmk.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GROUP 8u

static const UINT16 other_program[] = {'/', 'b', 'i', 'n', '/', 'o', 't', 'h', 'e', 'r', 0};
static const UINT16 this_program[] = {'/', 'b', 'i', 'n', '/', 'c', 'u', 'r', 'l', 0};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void filter_add(HANDLE engine, FWPM_FILTER_CONDITION0 *conditions, UINT32 count, UINT64 weight)
{
    wchar_t name[] = L"bench";
    FWPM_FILTER0 filter = {.displayData.name = name,
                           .layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4,
                           .numFilterConditions = count,
                           .filterCondition = conditions,
                           .action.type = FWP_ACTION_BLOCK,
                           .weight = {.type = FWP_UINT64, .uint64 = &weight}};
    UINT64 id;

    if (FwpmFilterAdd0(engine, &filter, NULL, &id) != STATUS_SUCCESS) {
        fprintf(stderr, "classify_bench: a filter was refused\n");
        exit(1);
    }
}

static void filters_add(HANDLE engine, UINT32 count)
{
    FWP_BYTE_BLOB program = {sizeof(other_program), (UINT8 *)(uintptr_t)other_program};
    FWP_V4_ADDR_AND_MASK network = {0, 0xFFFFFF00u};
    FWPM_FILTER_CONDITION0 conditions[3] = {
        {.fieldKey = FWPM_CONDITION_ALE_APP_ID, .conditionValue = {.type = FWP_BYTE_BLOB_TYPE, .byteBlob = &program}},
        {.fieldKey = FWPM_CONDITION_IP_REMOTE_ADDRESS,
         .conditionValue = {.type = FWP_V4_ADDR_MASK, .v4AddrMask = &network}},
        {.fieldKey = FWPM_CONDITION_IP_REMOTE_PORT, .conditionValue = {.type = FWP_UINT16}}};

    if (FwpmTransactionBegin0(engine, 0) != STATUS_SUCCESS)
        exit(1);
    for (UINT32 i = 0; i < count; i++) {
        /* Every second one is for this program too, elsewhere. */
        program.data = (UINT8 *)(uintptr_t)(i % 2 == 0 ? other_program : this_program);
        program.size = i % 2 == 0 ? sizeof(other_program) : sizeof(this_program);
        network.addr = 0x0B000000u + (i << 8);
        conditions[2].conditionValue.uint16 = (UINT16)(1000 + i % 5000);
        filter_add(engine, conditions, 3, 1000 + i);
    }
    filter_add(engine, NULL, 0, 1);
    if (FwpmTransactionCommit0(engine) != STATUS_SUCCESS)
        exit(1);
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

static void classifies(double *samples, size_t count)
{
    FWP_BYTE_BLOB program = {sizeof(this_program), (UINT8 *)(uintptr_t)this_program};
    struct wfp_ale_connect connect = {.ip_version = 4,
                                      .protocol = 6,
                                      .local_port = 40000,
                                      .remote_port = 443,
                                      .local_address = {10, 0, 0, 1},
                                      .remote_address = {192, 0, 2, 7},
                                      .has_process = TRUE,
                                      .process_id = 77,
                                      .process_start = 1000,
                                      .app_id = &program};
    struct wfp_decision decision;

    for (size_t i = 0; i < count; i++) {
        uint64_t start = now_ns();
        for (unsigned j = 0; j < GROUP; j++) {
            connect.endpoint = i * GROUP + j + 1;
            wfp_ale_connect(&connect, pended_done, NULL, &decision);
        }
        samples[i] = (double)(now_ns() - start) / GROUP;
        for (unsigned j = 0; j < GROUP; j++)
            wfp_ale_endpoint_closed(i * GROUP + j + 1);
        if (decision.outcome != WFP_BLOCK) {
            fprintf(stderr, "classify_bench: the last filter did not decide\n");
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    UINT32 filters = argc > 1 ? (UINT32)strtoul(argv[1], NULL, 10) : 0;
    size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000;
    double *samples = calloc(count, sizeof(*samples));
    HANDLE engine;

    if (argc < 2 || count < 100 || samples == NULL) {
        fprintf(stderr, "usage: classify_bench FILTERS [SAMPLES], at least 100\n");
        return 2;
    }
    if (FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine) != STATUS_SUCCESS)
        return 1;
    filters_add(engine, filters);
    classifies(samples, count);
    qsort(samples, count, sizeof(*samples), sample_compare);
    printf("classify %.1f %.1f\n", samples[count / 2], samples[count * 99 / 100]);
    FwpmEngineClose0(engine);
    wfp_reset();
    return 0;
}
