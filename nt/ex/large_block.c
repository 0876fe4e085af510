/* SPDX-License-Identifier: MIT */
/*
 * large_block.c - see large_block.h.
 */
#include "nt/ex/large_block.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <ntddk.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* At the start of a free block. */
struct free_block {
    struct free_block *next;
    bool whole; /* else the system has all pages but the first, and they are zero */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct free_block *freed[LARGE_BLOCK_PAGES + 1];
static size_t kept;             /* bytes of free blocks that are whole */
static char *fresh, *fresh_end; /* of the newest region: never handed out, zero */

/*
 * Huge pages are a wish: where the system has none, ordinary ones do. So do they for the first 2 MiB of all: who has
 * little in memory is not to have a huge page there.
 */
static bool region_add(void)
{
    static size_t few = HUGE_PAGE;
    char *mapped = mmap(NULL, LARGE_REGION_SIZE + HUGE_PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        return false;

    size_t ahead = (HUGE_PAGE - (uintptr_t)mapped % HUGE_PAGE) % HUGE_PAGE;
    fresh = mapped + ahead;
    fresh_end = fresh + LARGE_REGION_SIZE;
    if (ahead != 0)
        (void)munmap(mapped, ahead);
    (void)munmap(fresh_end, HUGE_PAGE - ahead);
    (void)madvise(fresh + few, LARGE_REGION_SIZE - few, MADV_HUGEPAGE);
    few = 0;
    return true;
}

void *large_block_get(size_t pages, bool zero)
{
    size_t size = pages * PAGE_SIZE;
    void *block = NULL;
    size_t dirty = size;

    pthread_mutex_lock(&lock);
    if (freed[pages] != NULL) {
        struct free_block *taken = freed[pages];

        freed[pages] = taken->next;
        if (taken->whole)
            kept -= size;
        else
            dirty = PAGE_SIZE;
        block = taken;
    } else if ((size_t)(fresh_end - fresh) >= size || region_add()) {
        block = fresh;
        fresh += size;
        dirty = 0;
    }
    pthread_mutex_unlock(&lock);
    return block != NULL && dirty != 0 && zero ? memset(block, 0, dirty) : block;
}

void large_block_put(void *block, size_t pages)
{
    struct free_block *link = block;
    size_t size = pages * PAGE_SIZE;

    pthread_mutex_lock(&lock);
    link->whole =
        kept + size <= LARGE_KEPT_MAX || madvise((char *)block + PAGE_SIZE, size - PAGE_SIZE, MADV_DONTNEED) != 0;
    kept += link->whole ? size : 0;
    link->next = freed[pages];
    freed[pages] = link;
    pthread_mutex_unlock(&lock);
}
