/* SPDX-License-Identifier: MIT */
/*
 * fault.c - see fault.h.
 *
 * The list of failed calls is the table of known stacks too: there are some hundred. Which place an address is,
 * relative to its file, is kept in a small cache, because a run asks for the same ones again and again.
 */
#include "nt/verify/fault.h"

#include "nt/foreign.h"
#include "nt/internal.h"

#include <stdlib.h>

#define FRAMES 12u
#define FAILED 4096u
#define NAMES  64u
#define PLACES 1024u

struct counter {
    const char *routine;
    uint32_t calls;
};

struct nt_faults {
    pthread_mutex_t lock;
    unsigned frames, skip, wanted_call;
    const char *wanted; /* routine; NULL: new stacks fail */
    bool done;          /* this run's call was failed */
    struct counter counters[NAMES];
    size_t failed_count, seen_count;
    struct nt_failed failed[FAILED];
    uint64_t seen[FAILED]; /* new stacks of this run that were skipped */
    struct {
        const void *address;
        uint64_t place;
    } places[PLACES];
};

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0xff51afd7ed558ccdull;
    return hash ^ hash >> 32;
}

static uint64_t find_place(const void *address)
{
    struct nt_code code;
    char name[128];
    uint64_t place = 1;
    if (NT_IS_FOREIGN(address)) {
        for (const char *at = nt_name_code(address, name, sizeof name); *at != 0; at++)
            place = mix(place, (UCHAR)*at);
        return place;
    }
    nt_code_find(address, &code);
    return mix(code.size, (uintptr_t)address - code.start);
}

static uint64_t place_of(struct nt_faults *faults, const void *address)
{
    size_t at = (size_t)(mix(0, (uintptr_t)address) % PLACES);
    if (faults->places[at].address != address) {
        faults->places[at].address = address;
        faults->places[at].place = find_place(address);
    }
    return faults->places[at].place;
}

static bool is_driver(const void *address)
{
    return NT_IS_FOREIGN(address) || nt_is_driver_code(address);
}

/* 0: no driver is among the callers. */
static uint64_t site_of(struct nt_faults *faults, const char *routine, const struct nt_stack *stack)
{
    uint64_t site = 2;
    uint32_t first = 0;
    for (; *routine != 0; routine++)
        site = mix(site, (UCHAR)*routine);
    while (first < stack->count && !is_driver(stack->frames[first]))
        first++;
    if (first == stack->count)
        return 0;
    for (uint32_t index = first; index < stack->count && index < first + faults->frames; index++)
        site = mix(site, place_of(faults, stack->frames[index]));
    return site;
}

static uint32_t count_call(struct nt_faults *faults, const char *routine)
{
    size_t index = 0;
    while (index < NAMES && faults->counters[index].routine != NULL &&
           strcmp(faults->counters[index].routine, routine) != 0)
        index++;
    if (index == NAMES)
        return 0;
    faults->counters[index].routine = routine;
    return ++faults->counters[index].calls;
}

static bool is_new(const struct nt_faults *faults, uint64_t site)
{
    for (size_t index = 0; index < faults->failed_count; index++)
        if (faults->failed[index].site == site)
            return false;
    return true;
}

/* A new stack that the run is to leave alone; one that comes again is not counted again. */
static bool skipped(struct nt_faults *faults, uint64_t site)
{
    for (size_t index = 0; index < faults->seen_count; index++)
        if (faults->seen[index] == site)
            return true;
    if (faults->seen_count >= faults->skip || faults->seen_count == FAILED)
        return false;
    faults->seen[faults->seen_count++] = site;
    return true;
}

static BOOLEAN hook(const char *routine, void *context)
{
    struct nt_faults *faults = context;
    struct nt_stack stack;
    bool fails = false;
    nt_stack_take(&stack);
    pthread_mutex_lock(&faults->lock);
    uint64_t site = faults->done || faults->failed_count == FAILED ? 0 : site_of(faults, routine, &stack);
    if (site != 0) {
        uint32_t call = count_call(faults, routine);
        if (faults->wanted != NULL)
            fails = call == faults->wanted_call && strcmp(routine, faults->wanted) == 0;
        else
            fails = is_new(faults, site) && !skipped(faults, site);
        if (fails)
            faults->failed[faults->failed_count++] = (struct nt_failed){routine, call, site, stack};
        faults->done = fails;
    }
    pthread_mutex_unlock(&faults->lock);
    return fails;
}

struct nt_faults *nt_faults_new(unsigned frames)
{
    struct nt_faults *faults = calloc(1, sizeof *faults);
    if (faults == NULL)
        return NULL;
    pthread_mutex_init(&faults->lock, NULL);
    faults->frames = frames == 0 ? FRAMES : frames;
    return faults;
}

void nt_faults_free(struct nt_faults *faults)
{
    if (faults == NULL)
        return;
    pthread_mutex_destroy(&faults->lock);
    free(faults);
}

static void begin(struct nt_faults *faults)
{
    memset(faults->counters, 0, sizeof faults->counters);
    faults->seen_count = 0;
    faults->done = false;
    nt_set_fault(hook, faults);
}

void nt_faults_begin(struct nt_faults *faults, unsigned skip)
{
    faults->skip = skip;
    faults->wanted = NULL;
    begin(faults);
}

void nt_faults_begin_call(struct nt_faults *faults, const char *routine, unsigned call)
{
    faults->wanted = routine;
    faults->wanted_call = call;
    begin(faults);
}

bool nt_faults_end(struct nt_faults *faults)
{
    nt_set_fault(NULL, NULL);
    return faults->done;
}

const struct nt_failed *nt_faults_at(const struct nt_faults *faults, size_t index)
{
    return index < faults->failed_count ? &faults->failed[index] : NULL;
}
