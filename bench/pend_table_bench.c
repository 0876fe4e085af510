/* SPDX-License-Identifier: MIT */
/*
 * pend_table_bench.c - what one submit costs in core/ with few and with very many connections held.
 *
 *   pend_table_bench HELD SUBMITS
 *
 * Holds HELD connections of 100 programs, all offered to one decider. Then takes SUBMITS verdicts
 * for random ones, each followed, outside the measured time, by a new connection in its place. One
 * submit is what the driver does for one decision: find by id, claim, complete, reauthorize,
 * release. It prints three lines of samples' p50 and p99 in nanoseconds:
 *
 *   warm P50 P99       for random ones, one submit after the other, in groups of 16
 *   ordered P50 P99    the same, in the order in which they came
 *   cold P50 P99       random, and other memory is walked before each, as other programs do between two submits
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <ntddk.h>

#include "core/pend_table.h"

#define PROGRAMS     100u
#define GROUP        16u
#define COLD_SUBMITS 500u
#define HELD_MOST    4000000u
#define OTHER_MEMORY (64u << 20)

struct bench {
    struct pend_table table;
    struct pend_owner owner;
    uint64_t *ids;
    uint32_t held;
    uint64_t random;
    uint64_t endpoint;
};

/* The pool that gatehoused gives its driver. */
static void *memory_allocate(void *context, size_t size)
{
    (void)context;
    return ExAllocatePool2(POOL_FLAG_NON_PAGED, size, 'hcnB');
}

static void memory_release(void *context, void *p, size_t size)
{
    (void)context;
    (void)size;
    ExFreePoolWithTag(p, 'hcnB');
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t bench_random(struct bench *bench)
{
    bench->random ^= bench->random << 13;
    bench->random ^= bench->random >> 7;
    bench->random ^= bench->random << 17;
    return bench->random;
}

/* A connection as a driver parks it: its own socket, one of 100 programs, one of many destinations. */
static uint64_t bench_hold(struct bench *bench)
{
    uint16_t path[24] = {'/', 'u', 's', 'r', '/', 'b', 'i', 'n', '/'};
    uint64_t where = bench_random(bench);
    struct pend_entry *entry;

    path[20] = (uint16_t)('0' + where % PROGRAMS);
    if (pend_table_reserve(&bench->table, path, sizeof(path), &entry) != PEND_OK) {
        fprintf(stderr, "pend_table_bench: the table is full or memory is out\n");
        exit(1);
    }
    entry->connection = (struct connection){.endpoint = ++bench->endpoint,
                                            .process_id = 1000 + where % 5000,
                                            .held_at = bench->endpoint,
                                            .deadline = bench->endpoint + 600000000u + where % 1000000u,
                                            .local_port = (uint16_t)(where >> 8),
                                            .remote_port = 443,
                                            .ip_version = 4,
                                            .protocol = 6};
    memcpy(entry->connection.remote_address, &where, 4);
    pend_table_park(&bench->table, entry);
    pend_table_offer(&bench->table, entry, &bench->owner);
    return entry->slot.id;
}

static void bench_submit(struct bench *bench, uint64_t id)
{
    struct list_link claimed;
    enum gatehouse_verdict verdict = GATEHOUSE_VERDICT_NONE;
    struct pend_entry *entry = NULL;
    struct destination to;

    list_init(&claimed);
    if (pend_table_find(&bench->table, id, &bench->owner, &entry) != PEND_OK ||
        !pend_table_claim(&bench->table, entry, GATEHOUSE_VERDICT_PERMIT, GATEHOUSE_BY_DECIDER, &claimed)) {
        fprintf(stderr, "pend_table_bench: a held connection was not found\n");
        exit(1);
    }
    entry = pend_claimed_take(&claimed);
    pend_table_completing(&bench->table, entry);
    to = connection_destination(&entry->connection);
    if (pend_table_reauthorize(&bench->table, entry->connection.endpoint, &to, &verdict) != entry ||
        verdict != GATEHOUSE_VERDICT_PERMIT) {
        fprintf(stderr, "pend_table_bench: a verdict was not found\n");
        exit(1);
    }
    pend_table_release(&bench->table, entry);
}

static int sample_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void samples_tell(const char *name, double *samples, size_t count)
{
    qsort(samples, count, sizeof(*samples), sample_compare);
    printf("%s %.1f %.1f\n", name, samples[count / 2], samples[count * 99 / 100]);
}

static void bench_warm(struct bench *bench, const char *name, uint32_t submits, bool ordered)
{
    uint32_t groups = submits / GROUP, at[GROUP] = {0}, step = ordered ? 1 : bench->held / GROUP;
    double *samples = calloc(groups, sizeof(*samples));

    assert(bench->held != 0 && samples != NULL);
    for (uint32_t group = 0; group < groups; group++) {
        uint64_t first = ordered ? (uint64_t)group * GROUP : bench_random(bench), start;
        for (uint32_t i = 0; i < GROUP; i++)
            at[i] = (uint32_t)((first + (uint64_t)i * step) % bench->held);
        start = now_ns();
        for (uint32_t i = 0; i < GROUP; i++)
            bench_submit(bench, bench->ids[at[i]]);
        samples[group] = (double)(now_ns() - start) / GROUP;
        for (uint32_t i = 0; i < GROUP; i++)
            bench->ids[at[i]] = bench_hold(bench);
    }
    samples_tell(name, samples, groups);
    free(samples);
}

static void bench_cold(struct bench *bench)
{
    double samples[COLD_SUBMITS];
    volatile unsigned char *other = calloc(1, OTHER_MEMORY);
    uint64_t start;

    assert(other != NULL);
    for (uint32_t i = 0; i < COLD_SUBMITS; i++) {
        uint32_t at = (uint32_t)(bench_random(bench) % bench->held);
        for (size_t byte = 0; byte < OTHER_MEMORY; byte += 64)
            other[byte]++;
        start = now_ns();
        bench_submit(bench, bench->ids[at]);
        samples[i] = (double)(now_ns() - start);
        bench->ids[at] = bench_hold(bench);
    }
    samples_tell("cold", samples, COLD_SUBMITS);
    free((void *)other);
}

int main(int argc, char **argv)
{
    static struct bench bench = {.random = 88172645463325252u};
    const struct core_memory memory = {memory_allocate, memory_release, NULL};
    uint32_t submits;

    if (argc != 3 || (bench.held = (uint32_t)strtoul(argv[1], NULL, 10)) < 100 || bench.held > HELD_MOST ||
        (submits = (uint32_t)strtoul(argv[2], NULL, 10)) < 100 * GROUP) {
        fprintf(stderr, "usage: pend_table_bench HELD SUBMITS, at least 100 and %u\n", 100 * GROUP);
        return 2;
    }
    bench.ids = calloc(bench.held, sizeof(*bench.ids));
    if (bench.ids == NULL || !pend_table_init(&bench.table, &memory, bench.held + GROUP, 12345)) {
        fprintf(stderr, "pend_table_bench: out of memory\n");
        return 1;
    }
    pend_owner_init(&bench.owner);
    for (uint32_t i = 0; i < bench.held; i++)
        bench.ids[i] = bench_hold(&bench);
    bench_warm(&bench, "ordered", submits, true);
    bench_warm(&bench, "warm", submits, false);
    bench_cold(&bench);
    return 0;
}
