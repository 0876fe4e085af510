/* SPDX-License-Identifier: MIT */
/*
 * filter_block.c - slabs of filters. See filter_block.h.
 *
 * The word before each block leads to its slab; 0: it is a pool block of its own.
 */
#include "wfp/filter_block.h"
#include "nt/leaf.h"
#include "nt/sanitize.h"
#include "nt/verify/verify.h"

#include <nt/nt.h>

#include <string.h>

#define STEP      8u /* sizes are multiples of it */
#define MOST      1024u
#define SLAB_SIZE 258048u /* with the pool's own page, as many pages as it takes from huge ones */

struct slab {
    LIST_ENTRY link; /* in its size's list while it has room */
    UINT32 used, room, size;
    UINT32 next;      /* blocks from here on were never given */
    void *given_back; /* the first of those that were, by their first word */
};

struct head {
    struct slab *slab;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_ENTRY with_room[MOST / STEP + 1]; /* by size; Flink NULL: empty */

static LIST_ENTRY *list_of(size_t size)
{
    LIST_ENTRY *list = &with_room[size / STEP];

    if (list->Flink == NULL)
        InitializeListHead(list);
    return list;
}

/* With the lock held. */
static struct slab *find_slab(size_t size)
{
    LIST_ENTRY *list = list_of(size);
    struct slab *slab;

    if (!IsListEmpty(list))
        return CONTAINING_RECORD(list->Flink, struct slab, link);
    slab = wfp_alloc(SLAB_SIZE);
    if (slab == NULL)
        return NULL;
    slab->size = (UINT32)size;
    slab->room = (UINT32)((SLAB_SIZE - sizeof(*slab)) / size);
    InsertHeadList(list, &slab->link);
    return slab;
}

static void *take(struct slab *slab, size_t size)
{
    struct head *head = slab->given_back;

    if (head != NULL)
        slab->given_back = head->slab;
    else
        head = (struct head *)(void *)((UINT8 *)(slab + 1) + slab->next++ * size);
    if (++slab->used == slab->room)
        RemoveEntryList(&slab->link);
    memset(head, 0, size);
    head->slab = slab;
    return head + 1;
}

void *wfp_filter_block_get(size_t size)
{
    size_t whole = (size + sizeof(struct head) + STEP - 1) & ~(size_t)(STEP - 1);
    struct slab *slab;
    void *block = NULL;

    if (whole > MOST || NT_VERIFYING || NT_SANITIZED) {
        struct head *head = wfp_alloc(whole);

        return head == NULL ? NULL : head + 1;
    }
    nt_leaf_lock(&lock);
    slab = find_slab(whole);
    if (slab != NULL)
        block = take(slab, whole);
    nt_leaf_unlock(&lock);
    return block;
}

void wfp_filter_block_put(void *block)
{
    struct head *head = (struct head *)block - 1;
    struct slab *slab = head->slab;

    if (slab == NULL) {
        wfp_free(head);
        return;
    }
    nt_leaf_lock(&lock);
    if (slab->used-- == slab->room)
        InsertHeadList(list_of(slab->size), &slab->link);
    head->slab = slab->given_back;
    slab->given_back = head;
    if (slab->used == 0)
        RemoveEntryList(&slab->link);
    else
        slab = NULL;
    nt_leaf_unlock(&lock);
    wfp_free(slab);
}

void wfp_filter_blocks_forget(void)
{
    memset(with_room, 0, sizeof(with_room));
}
