/* SPDX-License-Identifier: MIT */
/*
 * special_pool.c - pool blocks between inaccessible pages, for drivers whose stores no sanitizer sees.
 *
 * A span is the whole pages of one block with an inaccessible page behind them; the page before them
 * ends the span before, so each block has one on both sides. The block ends where its pages end (or
 * begins where they begin, in underrun mode), as near as its alignment of 16 bytes lets it; blocks of a
 * page or more are page-aligned, as ExAllocatePool2 promises. The rest of its pages is filled with a
 * pattern that is looked at when it is freed. A freed span loses its access, a long one its memory too; its pages
 * are taken again in turn, so that it stays out of use as long as the arena allows. What it was stays
 * known until then, for the report.
 *
 * Lazily (nt/verify/lazy.h), freed spans are filled and wait, and those side by side lose their access in one call; up
 * to KEPT_MOST pages keep their memory, which spares the faults of the next owner.
 *
 * Then, too, pages are taken again after LAP of them, or more if live blocks are in the way.
 *
 * One lock guards the spans. The fault handler takes none: what it reads is kept for pages nobody takes.
 * Pages: "Special Pool" of Driver Verifier; wdm.h ExAllocatePool2.
 */
#define _GNU_SOURCE
#include "nt/ex/pool.h"
#include "nt/verify/lazy.h"
#include "nt/verify/output.h"
#include "nt/verify/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PATTERN   NT_POOL_GUARD
#define ALIGNMENT 16u
#define KEPT_MOST 4096u /* pages */
#define LAP       2048u /* pages */
#define KEPT      4u    /* pages of a span whose memory is kept when it is freed: the kernel need not find it again */

struct span {
    struct nt_pool_header header;
    char *block;
    const void *allocated_from, *freed_from;
    uint32_t pages; /* without the inaccessible one */
    bool live;
    bool waits; /* freed, and accessible still */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *arena;
static uint32_t page_count;
static uint32_t *first; /* of each page: the page that its span begins at, 0: it has none (page 0 is always a guard) */
static struct span *spans; /* at the page that each begins at */
static uint32_t next_page = 1, live_pages;
static bool on, at_start, full_told;
static uint32_t lap_end = LAP;
static bool *kept; /* pages that have memory, of freed spans */
static uint32_t kept_count;
static struct span *waiting[LAZY_WAITING];
static uint32_t waiting_count;

bool nt_special_pool_start(size_t pages, BOOLEAN underrun)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    bool good = true;
    pthread_mutex_lock(&lock);
    if (arena == NULL) {
        void *memory = mmap(NULL, pages * PAGE_SIZE, PROT_NONE, flags, -1, 0);
        void *owners = mmap(NULL, pages * sizeof *first, PROT_READ | PROT_WRITE, flags, -1, 0);
        void *records = mmap(NULL, pages * sizeof *spans, PROT_READ | PROT_WRITE, flags, -1, 0);
        kept = calloc(pages, sizeof *kept);
        good = kept != NULL && pages >= 8 && pages <= UINT32_MAX / 2 && memory != MAP_FAILED && owners != MAP_FAILED &&
               records != MAP_FAILED;
        if (good) {
            arena = memory;
            first = owners;
            spans = records;
            page_count = (uint32_t)pages;
        }
    }
    at_start = underrun;
    __atomic_store_n(&on, good, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&lock);
    return good;
}

void nt_special_pool_stop(void)
{
    __atomic_store_n(&on, false, __ATOMIC_RELEASE);
}

void nt_pool_called_from(const void *address)
{
    nt_self.pool_caller = address;
}

bool nt_special_holds(const void *address)
{
    return arena != NULL && (uintptr_t)address - (uintptr_t)arena < (size_t)page_count * PAGE_SIZE;
}

static uint32_t page_of(const void *address)
{
    return (uint32_t)(((uintptr_t)address - (uintptr_t)arena) / PAGE_SIZE);
}

static struct span *span_at(uint32_t page)
{
    return page < page_count && first[page] != 0 ? &spans[first[page]] : NULL;
}

static char *span_start(const struct span *span)
{
    return arena + (size_t)(span - spans) * PAGE_SIZE;
}

static struct span *span_of(struct nt_pool_header *header)
{
    return CONTAINING_RECORD(header, struct span, header);
}

/* Where count pages lie that no live span has, from next_page on, once around. 0: nowhere. */
static uint32_t find_room(uint32_t count)
{
    uint32_t start = next_page, looked = 0;
    while (looked <= page_count) {
        uint32_t run = 0;
        if (start + count > page_count) {
            looked += page_count - start;
            start = 1;
        }
        while (run < count && (span_at(start + run) == NULL || !span_at(start + run)->live))
            run++;
        if (run == count)
            return start;
        uint32_t after = first[start + run] + span_at(start + run)->pages + 1;
        looked += after - start;
        start = after;
    }
    return 0;
}

static uint32_t next_start(uint32_t start, uint32_t count)
{
    uint32_t next = start + count;
    if (next >= page_count || (nt_verify_lazy && start < lap_end && next >= lap_end))
        return 1;
    if (next > lap_end)
        lap_end = next + LAP; /* it was full */
    return next;
}

/* Were they another's before? Then they are not zero. */
static bool take_kept(uint32_t start, uint32_t pages)
{
    bool any = false;
    for (uint32_t page = start; page < start + pages; page++) {
        any = any || kept[page];
        kept_count -= kept[page];
        kept[page] = false;
    }
    return any;
}

static struct span *take_pages(uint32_t pages, bool *dirty)
{
    uint32_t count = pages + 1;
    struct span *span = NULL;
    pthread_mutex_lock(&lock);
    uint32_t start = live_pages + count < page_count ? find_room(count) : 0;
    if (start != 0) {
        /* An old span that goes on behind these pages is not known any more. */
        uint32_t cut = start + count < page_count ? first[start + count] : 0;
        for (uint32_t page = start + count; cut != 0 && cut < start + count && page < page_count; page++)
            if (first[page] == cut)
                first[page] = 0;
            else
                break;
        for (uint32_t page = start; page < start + count; page++)
            first[page] = start;
        span = &spans[start];
        *span = (struct span){.pages = pages, .live = true};
        next_page = next_start(start, count);
        live_pages += count;
        *dirty = take_kept(start, pages);
    }
    pthread_mutex_unlock(&lock);
    return span;
}

static void give_pages(struct span *span)
{
    pthread_mutex_lock(&lock);
    span->live = false;
    live_pages -= span->pages + 1;
    pthread_mutex_unlock(&lock);
}

static void tell_full(void)
{
    if (!__atomic_exchange_n(&full_told, true, __ATOMIC_RELAXED))
        DbgPrintEx(DPFLTR_DEFAULT_ID, DPFLTR_ERROR_LEVEL,
                   "special pool: its %u pages are in use; what is allocated beyond comes from the ordinary pool.\n",
                   page_count);
}

static const int nowhere = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

/* Of a long one the bytes are zero then. */
static bool open_pages(const struct span *span)
{
    size_t whole = (size_t)span->pages * PAGE_SIZE;
    if (span->pages <= KEPT)
        return mprotect(span_start(span), whole, PROT_READ | PROT_WRITE) == 0;
    return mmap(span_start(span), whole, PROT_READ | PROT_WRITE, nowhere, -1, 0) != MAP_FAILED;
}

static void close_pages(const struct span *span)
{
    size_t whole = (size_t)span->pages * PAGE_SIZE;
    if (span->pages <= KEPT)
        (void)mprotect(span_start(span), whole, PROT_NONE);
    else /* gives the memory back and takes the access in one call */
        (void)mmap(span_start(span), whole, PROT_NONE, nowhere, -1, 0);
}

struct nt_pool_header *nt_special_take(size_t size, bool zero, const void *from)
{
    if (from == NULL || !__atomic_load_n(&on, __ATOMIC_ACQUIRE))
        return NULL;
    if (size > (size_t)page_count * PAGE_SIZE) {
        tell_full();
        return NULL;
    }
    size_t whole = (size + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
    bool dirty = false;
    struct span *span = take_pages((uint32_t)(whole / PAGE_SIZE), &dirty);
    if (span == NULL || !open_pages(span)) {
        if (span != NULL)
            give_pages(span);
        tell_full();
        return NULL;
    }
    size_t before = at_start || size >= PAGE_SIZE ? 0 : (whole - size) / ALIGNMENT * ALIGNMENT;
    span->block = span_start(span) + before;
    span->allocated_from = from;
    memset(span_start(span), PATTERN, before);
    memset(span->block + size, PATTERN, whole - before - size);
    if (!zero || dirty || span->pages <= KEPT)
        memset(span->block, zero ? 0 : nt_verify_fill_byte(), size);
    return &span->header;
}

void nt_special_reset(void)
{
    pthread_mutex_lock(&lock);
    if (live_pages == 0)
        next_page = 1;
    pthread_mutex_unlock(&lock);
}

void *nt_special_block(struct nt_pool_header *header)
{
    return span_of(header)->block;
}

struct nt_pool_header *nt_special_find(const void *block)
{
    struct span *span = span_at(page_of(block));
    return span != NULL && span->block == block ? &span->header : NULL;
}

const char *nt_special_tell(const struct nt_pool_header *header, char *text, size_t size)
{
    const struct span *span = span_of((struct nt_pool_header *)header);
    char tag[5], allocated[96], freed[96];
    snprintf(text, size, "a block of %zu bytes with tag '%s', allocated at %s%s%s", header->size,
             nt_pool_tag_text(header->tag, tag), nt_name_code(span->allocated_from, allocated, sizeof allocated),
             span->freed_from != NULL ? ", freed at " : "",
             span->freed_from != NULL ? nt_name_code(span->freed_from, freed, sizeof freed) : "");
    return text;
}

/* Mapping anew gives the memory back and takes the access in one call. */
static void unmap(char *start, size_t size)
{
    (void)mmap(start, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

static int compare_spans(const void *left, const void *right)
{
    const struct span *a = *(struct span *const *)left, *b = *(struct span *const *)right;
    return a < b ? -1 : a > b;
}

/* The lock is held. spans that lie side by side. */
static void close_run(struct span **run, uint32_t count)
{
    struct span *last = run[count - 1];
    size_t size = (size_t)(span_start(last) - span_start(run[0])) + (size_t)last->pages * PAGE_SIZE;
    bool keeps = kept_count + size / PAGE_SIZE <= KEPT_MOST;
    if (!keeps)
        unmap(span_start(run[0]), size);
    else if (mprotect(span_start(run[0]), size, PROT_NONE) != 0)
        return; /* no room for one more mapping: it stays out of use and accessible */
    for (uint32_t index = 0; index < count; index++) {
        struct span *span = run[index];
        uint32_t page = (uint32_t)(span - spans);
        for (uint32_t offset = 0; keeps && offset < span->pages; offset++)
            kept[page + offset] = true;
        kept_count += keeps ? span->pages : 0;
        span->live = span->waits = false;
        live_pages -= span->pages + 1;
    }
}

/* The lock is not held. */
static void check_waiting(const struct span *span)
{
    char text[320];
    const char *changed = nt_pool_spoilt(span->block, span->header.size, NT_POOL_FREED);
    if (changed == NULL)
        return;
    nt_about(NT_FREED_BLOCK, (uintptr_t)span->block);
    nt_violate(span->header.tag == NT_SYSTEM_BUFFER_TAG ? "irp-used-after-completion" : "pool-use-after-free",
               "ExFreePoolWithTag", "byte %td was written after the free of %s", changed - span->block,
               nt_special_tell(&span->header, text, sizeof text));
}

void nt_special_settle(void)
{
    struct span *taken[LAZY_WAITING];
    pthread_mutex_lock(&lock);
    uint32_t count = waiting_count, first_of_run = 0;
    memcpy(taken, waiting, count * sizeof *taken);
    waiting_count = 0;
    pthread_mutex_unlock(&lock);
    for (uint32_t index = 0; index < count; index++)
        check_waiting(taken[index]);
    qsort(taken, count, sizeof *taken, compare_spans);
    pthread_mutex_lock(&lock);
    for (uint32_t index = 1; index <= count; index++) {
        if (index < count && taken[index] == taken[index - 1] + taken[index - 1]->pages + 1)
            continue;
        close_run(taken + first_of_run, index - first_of_run);
        first_of_run = index;
    }
    pthread_mutex_unlock(&lock);
}

static void wait_for_settling(struct span *span)
{
    memset(span->block, NT_POOL_FREED, span->header.size);
    pthread_mutex_lock(&lock);
    bool full = waiting_count == LAZY_WAITING;
    if (!full) {
        span->waits = true;
        waiting[waiting_count++] = span;
    }
    pthread_mutex_unlock(&lock);
    if (!full)
        return;
    nt_special_settle();
    wait_for_settling(span);
}

void nt_special_give(struct nt_pool_header *header, const char *routine, const void *from)
{
    struct span *span = span_of(header);
    char *start = span_start(span), text[320];
    size_t whole = (size_t)span->pages * PAGE_SIZE;
    const char *end = span->block + header->size;
    const char *under = nt_pool_spoilt(start, (size_t)(span->block - start), PATTERN);
    const char *over = nt_pool_spoilt(end, (size_t)(start + whole - end), PATTERN);
    if (over != NULL || under != NULL)
        nt_about(NT_BEGAN_BLOCK, (uintptr_t)span->block);
    if (over != NULL)
        nt_violate("pool-overrun", routine, "byte %td was written some time before, of %s", over - span->block,
                   nt_special_tell(header, text, sizeof text));
    if (under != NULL)
        nt_violate("pool-underrun", routine, "byte %td was written some time before, of %s", under - span->block,
                   nt_special_tell(header, text, sizeof text));
    span->freed_from = from;
    if (nt_verify_lazy) {
        wait_for_settling(span);
        return;
    }
    close_pages(span);
    give_pages(span);
}

/* The block that access to this address was meant for; NULL: none that is known still. */
static const struct span *span_meant(const char *at)
{
    uint32_t page = page_of(at);
    const struct span *span = span_at(page), *behind = span_at(page + 1);
    bool in_guard = span == NULL || page == first[page] + span->pages;
    /* An inaccessible page lies between two: the nearer block, a live one first, is meant. */
    if (in_guard && behind != NULL && behind != span && behind->live &&
        (span == NULL || !span->live || behind->block - at < at - (span->block + span->header.size)))
        span = behind;
    return span;
}

const char *nt_special_pool_rule(const void *address, const void **block)
{
    const struct span *span = nt_special_holds(address) ? span_meant(address) : NULL;
    if (span == NULL)
        return NULL;
    *block = span->block;
    if (span->live && !span->waits)
        return (const char *)address < span->block ? "pool-underrun" : "pool-overrun";
    return span->header.tag == NT_SYSTEM_BUFFER_TAG ? "irp-used-after-completion" : "pool-use-after-free";
}

bool nt_special_pool_explain(const void *address, char *text, size_t size)
{
    char told[320];
    if (!nt_special_holds(address))
        return false;
    const char *at = address;
    const struct span *span = span_meant(at);
    if (span == NULL) {
        snprintf(text, size, "special pool: %p lies in no block that is known still", address);
        return true;
    }
    snprintf(text, size, "pool %s: byte %td of %s",
             !span->live || span->waits ? "use after free"
             : at < span->block         ? "underrun"
                                        : "overrun",
             at - span->block, nt_special_tell(&span->header, told, sizeof told));
    return true;
}
