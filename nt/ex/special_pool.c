/* SPDX-License-Identifier: MIT */
/*
 * special_pool.c - pool blocks between inaccessible pages, for drivers whose stores no sanitizer sees.
 *
 * A span is the whole pages of one block with an inaccessible page behind them; the page before them
 * ends the span before, so each block has one on both sides. The block ends where its pages end (or
 * begins where they begin, in underrun mode), as near as its alignment of 16 bytes lets it; blocks of a
 * page or more are page-aligned, as ExAllocatePool2 promises. The rest of its pages is filled with a
 * pattern that is looked at when it is freed. A freed span loses its memory and access; its pages are
 * taken again in turn, so that it stays out of use as long as the arena allows. What it was stays
 * known until then, for the report.
 *
 * The system buffer of a device control comes from here too: tag IoSB, "allocated at" the dispatch routine it is for,
 * gone when its IRP is completed.
 *
 * One lock guards the spans. The fault handler takes none: what it reads is kept for pages nobody takes.
 * Pages: "Special Pool" of Driver Verifier; wdm.h ExAllocatePool2.
 */
#define _GNU_SOURCE
#include "nt/ex/pool.h"
#include "nt/sanitize.h"
#include "nt/foreign.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PATTERN   0xa5
#define GARBAGE   0xcd /* what memory holds that nobody zeroed */
#define ALIGNMENT 16u

struct span {
    struct nt_pool_header header;
    char *block;
    const void *allocated_from, *freed_from;
    uint32_t pages; /* without the inaccessible one */
    bool live;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *arena;
static uint32_t page_count;
static uint32_t *first; /* of each page: the page that its span begins at, 0: it has none (page 0 is always a guard) */
static struct span *spans; /* at the page that each begins at */
static uint32_t next_page = 1, live_pages;
static bool on, at_start, full_told;

bool nt_special_pool_start(size_t pages, BOOLEAN underrun)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    bool good = true;
    pthread_mutex_lock(&lock);
    if (arena == NULL) {
        void *memory = mmap(NULL, pages * PAGE_SIZE, PROT_NONE, flags, -1, 0);
        void *owners = mmap(NULL, pages * sizeof *first, PROT_READ | PROT_WRITE, flags, -1, 0);
        void *records = mmap(NULL, pages * sizeof *spans, PROT_READ | PROT_WRITE, flags, -1, 0);
        good = pages >= 8 && pages <= UINT32_MAX / 2 && memory != MAP_FAILED && owners != MAP_FAILED &&
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

static struct span *take_pages(uint32_t pages)
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
        next_page = start + count < page_count ? start + count : 1;
        live_pages += count;
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

struct nt_pool_header *nt_special_take(size_t size, bool zero)
{
    if (nt_self.pool_caller == NULL || !__atomic_load_n(&on, __ATOMIC_ACQUIRE))
        return NULL;
    if (size > (size_t)page_count * PAGE_SIZE) {
        tell_full();
        return NULL;
    }
    size_t whole = (size + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
    struct span *span = take_pages((uint32_t)(whole / PAGE_SIZE));
    if (span == NULL || mprotect(span_start(span), whole, PROT_READ | PROT_WRITE) != 0) {
        if (span != NULL)
            give_pages(span);
        tell_full();
        return NULL;
    }
    size_t before = at_start || size >= PAGE_SIZE ? 0 : (whole - size) / ALIGNMENT * ALIGNMENT;
    span->block = span_start(span) + before;
    span->allocated_from = nt_self.pool_caller;
    memset(span_start(span), PATTERN, before);
    memset(span->block + size, PATTERN, whole - before - size);
    if (!zero)
        memset(span->block, GARBAGE, size);
    return &span->header;
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

/* The first byte of the pattern that is none any more, or NULL. */
static const char *spoilt(const char *start, size_t size)
{
    for (size_t index = 0; index < size; index++)
        if ((UCHAR)start[index] != PATTERN)
            return start + index;
    return NULL;
}

void nt_special_give(struct nt_pool_header *header, const char *routine)
{
    struct span *span = span_of(header);
    char *start = span_start(span), text[320];
    size_t whole = (size_t)span->pages * PAGE_SIZE;
    const char *end = span->block + header->size;
    const char *under = spoilt(start, (size_t)(span->block - start));
    const char *over = spoilt(end, (size_t)(start + whole - end));
    if (over != NULL)
        nt_violate("pool-overrun", routine, "byte %td was written some time before, of %s", over - span->block,
                   nt_special_tell(header, text, sizeof text));
    if (under != NULL)
        nt_violate("pool-underrun", routine, "byte %td was written some time before, of %s", under - span->block,
                   nt_special_tell(header, text, sizeof text));
    span->freed_from = nt_self.pool_caller;
    /* Mapping anew gives the memory back and takes the access in one call. */
    (void)mmap(start, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    give_pages(span);
}

/*
 * Ordinary system buffers. A decider asks with the same large one again and again, too large for malloc's cache of
 * freed blocks, so the last of about that size is kept; not under ASan, which is to see each use after free.
 */
#define KEPT_LEAST 8193u
#define KEPT_MOST  16384u

struct system_buffer {
    DECLSPEC_ALIGN(16) size_t size;
};
static struct system_buffer *kept;

static bool is_kept_size(size_t size)
{
    return !NT_SANITIZED && size >= KEPT_LEAST && size <= KEPT_MOST;
}

static void *buffer_new(size_t size)
{
    struct system_buffer *buffer = NULL;
    if (size > SIZE_MAX - sizeof *buffer)
        return NULL;
    if (is_kept_size(size)) {
        size = KEPT_MOST;
        buffer = __atomic_exchange_n(&kept, NULL, __ATOMIC_ACQUIRE);
    }
    if (buffer == NULL)
        buffer = malloc(sizeof *buffer + size);
    if (buffer == NULL)
        return NULL;
    buffer->size = size;
    return buffer + 1;
}

static void buffer_free(void *memory)
{
    struct system_buffer *buffer = memory == NULL ? NULL : (struct system_buffer *)memory - 1;
    if (buffer != NULL && is_kept_size(buffer->size))
        buffer = __atomic_exchange_n(&kept, buffer, __ATOMIC_ACQ_REL);
    free(buffer);
}

void *nt_system_buffer_new(size_t size, PDRIVER_DISPATCH dispatch)
{
    if (!NT_IS_FOREIGN(dispatch))
        return buffer_new(size);
    const void *caller_before = nt_self.pool_caller;
    nt_self.pool_caller = (const void *)(uintptr_t)dispatch;
    struct nt_pool_header *header = nt_special_take(size, false);
    nt_self.pool_caller = caller_before;
    if (header == NULL)
        return buffer_new(size);
    header->size = size;
    header->tag = 'BSoI';
    return nt_special_block(header);
}

void nt_system_buffer_free(void *buffer)
{
    struct nt_pool_header *header = buffer != NULL && nt_special_holds(buffer) ? nt_special_find(buffer) : NULL;
    if (header != NULL)
        nt_special_give(header, "IoCompleteRequest");
    else
        buffer_free(buffer);
}

bool nt_special_pool_explain(const void *address, char *text, size_t size)
{
    char told[320];
    if (!nt_special_holds(address))
        return false;
    const char *at = address;
    uint32_t page = page_of(address);
    const struct span *span = span_at(page), *behind = span_at(page + 1);
    bool in_guard = span == NULL || page == first[page] + span->pages;
    /* An inaccessible page lies between two: the nearer block, a live one first, is meant. */
    if (in_guard && behind != NULL && behind != span && behind->live &&
        (span == NULL || !span->live || behind->block - at < at - (span->block + span->header.size)))
        span = behind;
    if (span == NULL) {
        snprintf(text, size, "special pool: %p lies in no block that is known still", address);
        return true;
    }
    snprintf(text, size, "pool %s: byte %td of %s",
             !span->live        ? "use after free"
             : at < span->block ? "underrun"
                                : "overrun",
             at - span->block, nt_special_tell(&span->header, told, sizeof told));
    return true;
}
