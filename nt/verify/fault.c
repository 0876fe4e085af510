/* SPDX-License-Identifier: MIT */
/*
 * fault.c - see fault.h.
 *
 * A stack that is first seen behind a failure may never come without it. So it is kept with what failed before it, and
 * when nothing new comes alone any more, a run fails that again, and then it. Tables are looked through from end to
 * end: there are some hundred. Which place an address is, relative to its file, is kept in a small cache, because a run
 * asks for the same ones again and again.
 */
#include "nt/verify/fault.h"

#include "nt/foreign.h"
#include "nt/internal.h"

#include <sys/mman.h>

#define FRAMES 12u
#define FAILED 4096u
#define CHAIN  NT_FAULT_CALLS_MAX
#define NAMES  64u
#define PLACES 1024u

struct counter {
    const char *routine;
    uint32_t calls;
};

enum stack_state { SEEN, WAS_FAILED, GIVEN_UP };

struct known_stack {
    uint64_t site;
    enum stack_state state;
    uint32_t behind; /* index + 1 of what failed before it was seen; 0: nothing */
};

struct nt_faults {
    pthread_mutex_t lock;
    unsigned frames, skip;
    const struct nt_fault_call *wanted; /* NULL: new stacks fail */
    unsigned wanted_count;
    struct nt_fault_call of_run[CHAIN], one;
    unsigned of_run_count;
    bool exhausted;                   /* a run met nothing new without a failure before it */
    bool done;                        /* this run's call was failed */
    struct known_stack *last;         /* failed in this run; NULL: none */
    struct known_stack *chain[CHAIN]; /* to be failed in this run, the first one first; NULL: any new one */
    unsigned chain_count, chain_done;
    struct counter counters[NAMES];
    size_t failed_count, known_count, skipped_count;
    struct nt_failed failed[FAILED];
    struct known_stack known[FAILED];
    uint64_t skipped[FAILED]; /* new stacks of this run */
    struct {
        const void *address;
        uint64_t place;
    } places[PLACES];
};

static bool happened; /* since the run began */

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
    uint32_t first = 0, end = stack->count;
    for (; *routine != 0; routine++)
        site = mix(site, (UCHAR)*routine);
    while (first < end && !is_driver(stack->frames[first]))
        first++;
    while (end > first && !is_driver(stack->frames[end - 1]))
        end--;
    if (end > first + faults->frames)
        end = first + faults->frames;
    for (uint32_t index = first; index < end; index++)
        site = mix(site, place_of(faults, stack->frames[index]));
    return first == end ? 0 : site;
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

static struct known_stack *find_known(struct nt_faults *faults, uint64_t site)
{
    for (size_t index = 0; index < faults->known_count; index++)
        if (faults->known[index].site == site)
            return &faults->known[index];
    return NULL;
}

static struct known_stack *add_known(struct nt_faults *faults, uint64_t site)
{
    if (faults->known_count == FAILED)
        return NULL;
    uint32_t behind = faults->last == NULL ? 0 : (uint32_t)(faults->last - faults->known) + 1;
    struct known_stack *known = &faults->known[faults->known_count++];
    *known = (struct known_stack){site, SEEN, behind};
    return known;
}

/* A new stack that the run is to leave alone; one that comes again is not counted again. */
static bool is_skipped(struct nt_faults *faults, uint64_t site)
{
    for (size_t index = 0; index < faults->skipped_count; index++)
        if (faults->skipped[index] == site)
            return true;
    if (faults->skipped_count >= faults->skip || faults->skipped_count == FAILED)
        return false;
    faults->skipped[faults->skipped_count++] = site;
    return true;
}

static bool fails_in_chain(struct nt_faults *faults, uint64_t site)
{
    struct known_stack *next = faults->chain[faults->chain_done];
    if (next->site != site)
        return false;
    faults->last = next;
    faults->done = ++faults->chain_done == faults->chain_count;
    return true;
}

static bool fails_when_new(struct nt_faults *faults, uint64_t site)
{
    struct known_stack *known = find_known(faults, site);
    if ((known != NULL && known->state == WAS_FAILED) || is_skipped(faults, site))
        return false;
    faults->last = known != NULL ? known : add_known(faults, site);
    faults->done = faults->last != NULL;
    return faults->done;
}

static bool is_wanted(struct nt_faults *faults, const char *routine, uint32_t call)
{
    for (unsigned index = 0; index < faults->wanted_count; index++)
        if (call == faults->wanted[index].call && strcmp(routine, faults->wanted[index].routine) == 0) {
            faults->done = faults->of_run_count + 1 == faults->wanted_count;
            return true;
        }
    return false;
}

static bool decide(struct nt_faults *faults, const char *routine, uint32_t call, uint64_t site)
{
    if (faults->wanted != NULL)
        return is_wanted(faults, routine, call);
    if (faults->done) {
        if (find_known(faults, site) == NULL)
            (void)add_known(faults, site);
        return false;
    }
    return faults->chain_count != 0 ? fails_in_chain(faults, site) : fails_when_new(faults, site);
}

static BOOLEAN hook(const char *routine, void *context)
{
    struct nt_faults *faults = context;
    struct nt_stack stack;
    bool fails = false;
    nt_stack_take(&stack);
    pthread_mutex_lock(&faults->lock);
    uint64_t site = site_of(faults, routine, &stack);
    if (site != 0) {
        uint32_t call = count_call(faults, routine);
        fails = decide(faults, routine, call, site);
        if (fails && faults->of_run_count < CHAIN)
            faults->of_run[faults->of_run_count++] = (struct nt_fault_call){routine, call};
        if (fails && faults->last != NULL && faults->last->state == WAS_FAILED)
            site = 0; /* again, for what lies behind it */
        if (fails && faults->last != NULL)
            faults->last->state = WAS_FAILED;
        if (fails && site != 0 && faults->failed_count < FAILED)
            faults->failed[faults->failed_count++] = (struct nt_failed){routine, call, site, stack};
    }
    if (fails)
        __atomic_store_n(&happened, true, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&faults->lock);
    return fails;
}

bool nt_faults_happened(void)
{
    return __atomic_load_n(&happened, __ATOMIC_ACQUIRE);
}

struct nt_faults *nt_faults_new(unsigned frames)
{
    struct nt_faults *faults = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t shared;

    if (faults == MAP_FAILED)
        return NULL;
    /* explore's children wait for each other here: a private lock would not wake another process. */
    pthread_mutexattr_init(&shared);
    pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&faults->lock, &shared);
    pthread_mutexattr_destroy(&shared);
    faults->frames = frames == 0 ? FRAMES : frames;
    return faults;
}

void nt_faults_free(struct nt_faults *faults)
{
    if (faults == NULL)
        return;
    pthread_mutex_destroy(&faults->lock);
    munmap(faults, sizeof *faults);
}

static void begin(struct nt_faults *faults)
{
    memset(faults->counters, 0, sizeof faults->counters);
    faults->skipped_count = 0;
    faults->of_run_count = 0;
    faults->done = false;
    faults->last = NULL;
    __atomic_store_n(&happened, false, __ATOMIC_RELEASE);
    nt_set_fault(hook, faults);
}

/* A stack that was only seen; NULL: all were failed. */
static struct known_stack *next_seen(struct nt_faults *faults)
{
    for (size_t index = 0; index < faults->known_count; index++)
        if (faults->known[index].state == SEEN)
            return &faults->known[index];
    return NULL;
}

static void make_chain(struct nt_faults *faults, struct known_stack *target)
{
    unsigned length = 1;
    for (struct known_stack *at = target; at->behind != 0 && length <= CHAIN; length++)
        at = &faults->known[at->behind - 1];
    if (length > CHAIN) {
        target->state = GIVEN_UP;
        return;
    }
    faults->chain_count = length;
    faults->chain[length - 1] = target;
    for (unsigned place = length - 1; place != 0; place--)
        faults->chain[place - 1] = &faults->known[faults->chain[place]->behind - 1];
}

void nt_faults_begin(struct nt_faults *faults, unsigned skip)
{
    struct known_stack *seen;
    faults->skip = skip;
    faults->wanted = NULL;
    faults->chain_count = faults->chain_done = 0;
    while (faults->exhausted && skip == 0 && faults->chain_count == 0 && (seen = next_seen(faults)) != NULL)
        make_chain(faults, seen);
    begin(faults);
}

void nt_faults_begin_call(struct nt_faults *faults, const char *routine, unsigned call)
{
    faults->one = (struct nt_fault_call){routine, call};
    nt_faults_begin_calls(faults, &faults->one, 1);
}

void nt_faults_begin_calls(struct nt_faults *faults, const struct nt_fault_call *calls, unsigned count)
{
    faults->wanted = calls;
    faults->wanted_count = count;
    begin(faults);
}

const struct nt_fault_call *nt_faults_of_run(const struct nt_faults *faults, unsigned *count)
{
    *count = faults->of_run_count;
    return faults->of_run;
}

bool nt_faults_end(struct nt_faults *faults)
{
    nt_set_fault(NULL, NULL);
    __atomic_store_n(&happened, false, __ATOMIC_RELEASE);
    if (faults->wanted != NULL)
        return faults->done;
    if (faults->chain_count != 0 && !faults->done)
        faults->chain[faults->chain_count - 1]->state = GIVEN_UP;
    if (faults->chain_count == 0 && !faults->done && faults->skip == 0)
        faults->exhausted = true;
    if (faults->chain_count == 0 && faults->done)
        return true;
    return faults->skip == 0 && next_seen(faults) != NULL;
}

const struct nt_failed *nt_faults_at(const struct nt_faults *faults, size_t index)
{
    return index < faults->failed_count ? &faults->failed[index] : NULL;
}
