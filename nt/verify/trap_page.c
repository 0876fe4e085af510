/* SPDX-License-Identifier: MIT */
/*
 * trap_page.c - the ring of page groups; see trap_page.h.
 *
 * Making a page accessible and inaccessible again are two system calls, so pages are made accessible many at a time,
 * ahead of their use: [next, opened). One group then costs one call, the one that closes it, and that one moves the
 * border between two mappings instead of splitting one.
 *
 * Lazily (lazy.h), groups that are closed stay accessible until some of them are closed by one call.
 *
 * One lock, a leaf. The fault handler takes none: what it reads of a closed group is changed only when the ring comes
 * round to it.
 */
#define _GNU_SOURCE
#include "nt/verify/trap_page.h"

#include <pthread.h>
#include <sys/mman.h>

#include "nt/verify/lazy.h"

#define PAGE    4096u
#define PAGES   4096u /* of the ring */
#define LAP     512u  /* lazily: fewer, so that they stay in the processor's caches */
#define AHEAD   64u
#define LARGEST 64u /* pages of one group */
#define LABELS  32u

struct group {
    const char *label;
    uint64_t connection;
    uint32_t pages;
    bool open;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *ring;
static struct group groups[PAGES]; /* at the page that each begins at */
static uint16_t first[PAGES];      /* of each page: 1 + the page that its group begins at; 0: it is in none */
static uint32_t next, opened;      /* opened >= next */
static uint32_t settled, waiting;  /* in [settled, next) are open groups, and those closed ones that wait */

static char *labelled;
static const char *labels[LABELS];
static uint32_t label_count;

static void *reserve(size_t pages)
{
    void *memory = mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static bool protect(uint32_t page, uint32_t count, int access)
{
    return count == 0 || mprotect(ring + (size_t)page * PAGE, (size_t)count * PAGE, access) == 0;
}

/* The first page from start on that begins count pages without an open group, once around. PAGES: none. */
static uint32_t find_room(uint32_t start, uint32_t count)
{
    uint32_t run = 0;

    for (uint32_t looked = 0, page = start; looked < 2 * PAGES; looked++, page++) {
        if (page == PAGES) {
            page = 0;
            run = 0;
        }
        run = first[page] != 0 && groups[first[page] - 1u].open ? 0 : run + 1;
        if (run == count)
            return page + 1 - count;
    }
    return PAGES;
}

static uint32_t protect_closed(uint32_t page)
{
    uint32_t end = page;

    while (end < next && !groups[end].open)
        end += groups[end].pages;
    protect(page, end - page, PROT_NONE);
    return end;
}

/* An open group is left to its own end. */
static void settle(void)
{
    for (uint32_t page = settled; page < next;)
        page = groups[page].open ? page + groups[page].pages : protect_closed(page);
    settled = next;
    waiting = 0;
}

void nt_trap_settle(void)
{
    pthread_mutex_lock(&lock);
    settle();
    pthread_mutex_unlock(&lock);
}

/* Moves the accessible pages on, so that there are count of them. */
static bool open_ahead(uint32_t count)
{
    uint32_t wanted = count > AHEAD ? count : AHEAD;
    uint32_t page = find_room(nt_verify_lazy && opened >= LAP ? 0 : opened % PAGES, wanted);

    if (page == PAGES) {
        wanted = count;
        page = find_room(0, wanted);
    }
    settle();
    if (page == PAGES || !protect(next, opened - next, PROT_NONE) || !protect(page, wanted, PROT_READ | PROT_WRITE))
        return false;
    for (uint32_t at = page; at < page + wanted; at++)
        first[at] = 0;
    /* What is left of a group that began there is not known any more. */
    for (uint32_t at = page + wanted; at < PAGES && first[at] > page && first[at] <= page + wanted; at++)
        first[at] = 0;
    next = settled = page;
    opened = page + wanted;
    return true;
}

void *nt_trap_open(size_t size, const char *label, uint64_t connection)
{
    uint32_t count = size == 0 ? 1 : (uint32_t)((size + PAGE - 1) / PAGE);
    void *memory = NULL;

    if (size > (size_t)LARGEST * PAGE)
        return NULL;
    pthread_mutex_lock(&lock);
    if (ring == NULL)
        ring = reserve(PAGES);
    if (ring != NULL && (opened - next >= count || open_ahead(count))) {
        for (uint32_t page = next; page < next + count; page++)
            first[page] = (uint16_t)(next + 1);
        groups[next] = (struct group){label, connection, count, true};
        memory = ring + (size_t)next * PAGE;
        next += count;
    }
    pthread_mutex_unlock(&lock);
    return memory;
}

void nt_trap_close(void *memory)
{
    uint32_t page = (uint32_t)((size_t)((char *)memory - ring) / PAGE);

    pthread_mutex_lock(&lock);
    groups[page].open = false;
    if (!nt_verify_lazy || page < settled || page >= next)
        protect(page, groups[page].pages, PROT_NONE);
    else if (++waiting >= LAZY_WAITING)
        settle();
    pthread_mutex_unlock(&lock);
}

void nt_trap_reset(void)
{
    pthread_mutex_lock(&lock);
    for (uint32_t page = 0; ring != NULL && page < PAGES; page++) {
        if (first[page] != page + 1 || !groups[page].open)
            continue;
        protect(page, groups[page].pages, PROT_NONE);
        groups[page].open = false;
    }
    pthread_mutex_unlock(&lock);
}

void *nt_trap_address(const char *label)
{
    void *address = NULL;
    uint32_t index = 0;

    pthread_mutex_lock(&lock);
    if (labelled == NULL)
        labelled = reserve(LABELS);
    while (index < label_count && labels[index] != label)
        index++;
    if (index == LABELS)
        index = LABELS - 1;
    else if (index == label_count)
        labels[label_count++] = label;
    /* In the middle: members behind and before it are in the page too. */
    if (labelled != NULL)
        address = labelled + (size_t)index * PAGE + PAGE / 2;
    pthread_mutex_unlock(&lock);
    return address;
}

bool nt_trap_explain(const void *address, struct nt_trap *trap)
{
    size_t in_ring = (size_t)((uintptr_t)address - (uintptr_t)ring);
    size_t in_labelled = (size_t)((uintptr_t)address - (uintptr_t)labelled);

    if (labelled != NULL && in_labelled / PAGE < label_count) {
        *trap = (struct nt_trap){labels[in_labelled / PAGE], 0, NULL, 0};
        return true;
    }
    if (ring == NULL || in_ring >= (size_t)PAGES * PAGE || first[in_ring / PAGE] == 0)
        return false;
    uint32_t start = first[in_ring / PAGE] - 1u;
    if (groups[start].open)
        return false;
    *trap = (struct nt_trap){groups[start].label, groups[start].connection, ring + (size_t)start * PAGE,
                             in_ring - (size_t)start * PAGE};
    return true;
}
