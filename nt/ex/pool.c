/* SPDX-License-Identifier: MIT */
/*
 * pool.c - tagged pool on malloc, so that ASan sees every overrun; large blocks in huge pages (large_block.h).
 *
 * A header before each block holds tag, size and links; blocks are linked in one of a few lists by
 * the allocating thread, so threads rarely meet. Freed blocks wait in a small ring, poisoned for
 * ASan: a second free is then recognised in every build. Blocks of drivers that are binaries may come from
 * the special pool instead (special_pool.c), with their header elsewhere.
 * Rules: pool-tag-mismatch, pool-double-free, pool-not-allocated, pool-zero-size, pool-tag-zero.
 * Pages: wdm.h ExAllocatePool2, ExAllocatePoolWithTag, ExFreePoolWithTag; "Automatic Checks" of
 * Driver Verifier.
 */
#include "nt/ex/large_block.h"
#include "nt/ex/pool.h"
#include "nt/sanitize.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define MAGIC_LIVE    0x4c4f4f50454c4956ull
#define MAGIC_FREED   0x4c4f4f5044454552ull
#define SHARDS        32
#define RING          256
#define RING_LARGEST  2048
#define LARGEST_SMALL 32768u

_Static_assert(sizeof(struct nt_pool_header) == 64, "a block stays aligned behind its header");

static struct shard {
    DECLSPEC_ALIGN(64) pthread_mutex_t lock;
    LIST_ENTRY blocks;
} shards[SHARDS];
static pthread_once_t shards_once = PTHREAD_ONCE_INIT;
static uint64_t serial_now;
static void *ring[RING];
static unsigned ring_next;

static void make_shards(void)
{
    for (size_t index = 0; index < SHARDS; index++) {
        pthread_mutex_init(&shards[index].lock, NULL);
        InitializeListHead(&shards[index].blocks);
    }
}

void nt_quarantine(void *block)
{
    void *oldest =
        __atomic_exchange_n(&ring[__atomic_fetch_add(&ring_next, 1, __ATOMIC_RELAXED) % RING], block, __ATOMIC_ACQ_REL);
    free(oldest);
}

const char *nt_pool_tag_text(ULONG tag, char text[5])
{
    for (int index = 0; index < 4; index++) {
        int byte = (int)(tag >> (8 * index) & 0xff);
        text[index] = isprint(byte) ? (char)byte : '?';
    }
    text[4] = 0;
    return text;
}

/* NULL: a place in the special pool where no block begins. */
static struct nt_pool_header *header_of(void *block)
{
    return nt_special_holds(block) ? nt_special_find(block) : (struct nt_pool_header *)block - 1;
}

/* From 32 KiB on, as a driver's tables ask for them. Under ASan malloc does it, which tells who allocated. */
static bool is_large(size_t size)
{
    return !NT_SANITIZED && size >= LARGEST_SMALL && size <= (LARGE_BLOCK_PAGES - 1u) * PAGE_SIZE;
}

static size_t large_pages(size_t size)
{
    return (size + PAGE_SIZE - 1) / PAGE_SIZE + 1u; /* the header has a page of its own */
}

/* Large blocks are page-aligned, as on NT; calloc leaves their zeroes to the kernel. */
static struct nt_pool_header *get_memory(size_t size, bool zero)
{
    if (is_large(size)) {
        char *base = large_block_get(large_pages(size), zero);
        if (base == NULL)
            return NULL;
        struct nt_pool_header *header = (struct nt_pool_header *)(void *)(base + PAGE_SIZE) - 1;
        header->base = base;
        return header;
    }
    if (size > SIZE_MAX / 2)
        return NULL;
    if (size < PAGE_SIZE) {
        /* Not calloc: glibc's leaves the cache of freed blocks alone that malloc takes from. */
        struct nt_pool_header *header = malloc(sizeof *header + size);
        if (header != NULL && zero)
            memset(header + 1, 0, size);
        if (header != NULL)
            header->base = header;
        return header;
    }
    size_t whole = size + 2 * (size_t)PAGE_SIZE;
    char *base = zero ? calloc(1, whole) : malloc(whole);
    if (base == NULL)
        return NULL;
    uintptr_t block = ((uintptr_t)base + sizeof(struct nt_pool_header) + PAGE_SIZE - 1) & ~(uintptr_t)(PAGE_SIZE - 1);
    struct nt_pool_header *header = (struct nt_pool_header *)block - 1;
    header->base = base;
    NT_POISON((char *)block + size, (size_t)(base + whole - ((char *)block + size)));
    return header;
}

static void release_memory(struct nt_pool_header *header, size_t size, const char *routine)
{
    void *base = header->base;
    if (base == NULL) {
        nt_special_give(header, routine);
        return;
    }
    if (size <= RING_LARGEST) {
        NT_POISON(header + 1, size);
        nt_quarantine(base);
        return;
    }
    if (is_large(size)) {
        large_block_put(base, large_pages(size));
        return;
    }
    if (size >= PAGE_SIZE)
        NT_UNPOISON(base, size + 2 * (size_t)PAGE_SIZE);
    free(base);
}

static PVOID allocate(size_t size, ULONG tag, bool paged, bool zero, const char *routine)
{
    if (paged && nt_self.irql > APC_LEVEL)
        nt_violate("irql-too-high", routine, "paged pool may be allocated at IRQL %u at most, not at %u", APC_LEVEL,
                   nt_self.irql);
    if (tag == 0)
        nt_violate("pool-tag-zero", routine, "the tag is 0");
    if (size == 0)
        nt_violate("pool-zero-size", routine, "zero bytes are asked for");
    if (nt_fails(routine))
        return NULL;
    struct nt_pool_header *header = nt_special_take(size, zero);
    if (header == NULL)
        header = get_memory(size, zero);
    if (header == NULL)
        return NULL;
    pthread_once(&shards_once, make_shards);
    header->magic = MAGIC_LIVE;
    header->size = size;
    header->tag = tag;
    header->paged = paged;
    header->shard = (uint16_t)(nt_thread_number() % SHARDS);
    header->serial = __atomic_fetch_add(&serial_now, 1, __ATOMIC_RELAXED);
    struct shard *shard = &shards[header->shard];
    pthread_mutex_lock(&shard->lock);
    InsertTailList(&shard->blocks, &header->link);
    pthread_mutex_unlock(&shard->lock);
    return header->base == NULL ? nt_special_block(header) : header + 1;
}

PVOID ExAllocatePool2(POOL_FLAGS Flags, SIZE_T NumberOfBytes, ULONG Tag)
{
    NT_ENTER(ExAllocatePool2);
    POOL_FLAGS kind = Flags & (POOL_FLAG_NON_PAGED | POOL_FLAG_NON_PAGED_EXECUTE | POOL_FLAG_PAGED);
    if (kind == 0 || (kind & (kind - 1)) != 0) {
        nt_violate("pool-flags", "ExAllocatePool2", "flags 0x%llx do not name one kind of pool",
                   (unsigned long long)Flags);
        return NULL;
    }
    return allocate(NumberOfBytes, Tag, kind == POOL_FLAG_PAGED, (Flags & POOL_FLAG_UNINITIALIZED) == 0,
                    "ExAllocatePool2");
}

PVOID ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    NT_ENTER(ExAllocatePoolWithTag);
    return allocate(NumberOfBytes, Tag, (PoolType & PagedPool) != 0, false, "ExAllocatePoolWithTag");
}

PVOID ExAllocatePoolUninitialized(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    NT_ENTER(ExAllocatePoolUninitialized);
    return allocate(NumberOfBytes, Tag, (PoolType & PagedPool) != 0, false, "ExAllocatePoolUninitialized");
}

PVOID ExAllocatePoolZero(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    NT_ENTER(ExAllocatePoolZero);
    return allocate(NumberOfBytes, Tag, (PoolType & PagedPool) != 0, true, "ExAllocatePoolZero");
}

/* magic is what the header held instead of MAGIC_LIVE. */
static void report_bad_free(PVOID block, const struct nt_pool_header *header, uint64_t magic, const char *routine)
{
    char text[320];
    if (header == NULL || magic != MAGIC_FREED)
        nt_violate("pool-not-allocated", routine, "%p was not allocated from pool", block);
    else if (nt_special_holds(block))
        nt_violate("pool-double-free", routine, "%p was freed before: %s", block,
                   nt_special_tell(header, text, sizeof text));
    else
        nt_violate("pool-double-free", routine, "%p was freed before", block);
}

static void release(PVOID block, ULONG tag, bool check_tag, const char *routine)
{
    char had[5], given[5];
    if (block == NULL) {
        nt_violate("pool-not-allocated", routine, "NULL is freed");
        return;
    }
    struct nt_pool_header *header = header_of(block);
    uint64_t magic = MAGIC_LIVE;
    if (header == NULL ||
        !__atomic_compare_exchange_n(&header->magic, &magic, MAGIC_FREED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        report_bad_free(block, header, magic, routine);
        return;
    }
    if (check_tag && header->tag != tag)
        nt_violate("pool-tag-mismatch", routine, "%p was allocated with tag '%s', not '%s'", block,
                   nt_pool_tag_text(header->tag, had), nt_pool_tag_text(tag, given));
    if (header->paged && nt_self.irql > APC_LEVEL)
        nt_violate("irql-too-high", routine, "paged pool may be freed at IRQL %u at most", APC_LEVEL);
    struct shard *shard = &shards[header->shard];
    pthread_mutex_lock(&shard->lock);
    RemoveEntryList(&header->link);
    pthread_mutex_unlock(&shard->lock);
    release_memory(header, header->size, routine);
}

VOID ExFreePoolWithTag(PVOID P, ULONG Tag)
{
    NT_ENTER(ExFreePoolWithTag);
    release(P, Tag, Tag != 0, "ExFreePoolWithTag");
}

VOID ExFreePool(PVOID P)
{
    NT_ENTER(ExFreePool);
    release(P, 0, false, "ExFreePool");
}

void nt_pool_usage(ULONG tag, size_t *bytes, size_t *blocks)
{
    size_t byte_sum = 0, block_sum = 0;
    pthread_once(&shards_once, make_shards);
    for (size_t index = 0; index < SHARDS; index++) {
        struct shard *shard = &shards[index];
        pthread_mutex_lock(&shard->lock);
        for (PLIST_ENTRY entry = shard->blocks.Flink; entry != &shard->blocks; entry = entry->Flink) {
            const struct nt_pool_header *header = CONTAINING_RECORD(entry, struct nt_pool_header, link);
            if (tag == 0 || header->tag == tag) {
                byte_sum += header->size;
                block_sum++;
            }
        }
        pthread_mutex_unlock(&shard->lock);
    }
    *bytes = byte_sum;
    *blocks = block_sum;
}

uint64_t nt_pool_mark(void)
{
    return __atomic_load_n(&serial_now, __ATOMIC_RELAXED);
}

static ULONG kept_tags[8]; /* 0: free */

void nt_pool_keep_tag(ULONG tag)
{
    for (size_t index = 0; index < RTL_NUMBER_OF(kept_tags); index++) {
        ULONG found = 0;
        if (__atomic_compare_exchange_n(&kept_tags[index], &found, tag, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
            found == tag)
            return;
    }
}

static bool is_kept(ULONG tag)
{
    size_t index = 0;
    while (index < RTL_NUMBER_OF(kept_tags) && __atomic_load_n(&kept_tags[index], __ATOMIC_ACQUIRE) != tag)
        index++;
    return index < RTL_NUMBER_OF(kept_tags);
}

struct left {
    ULONG tag;
    size_t bytes, blocks;
};

static void count_left(struct left *tags, size_t room, size_t *count, const struct nt_pool_header *header)
{
    size_t index = 0;
    while (index < *count && tags[index].tag != header->tag)
        index++;
    if (index == *count) {
        if (index == room)
            return;
        tags[(*count)++] = (struct left){header->tag, 0, 0};
    }
    tags[index].bytes += header->size;
    tags[index].blocks++;
}

void nt_pool_report_since(uint64_t mark)
{
    struct left tags[16];
    size_t count = 0;
    pthread_once(&shards_once, make_shards);
    for (size_t index = 0; index < SHARDS; index++) {
        struct shard *shard = &shards[index];
        pthread_mutex_lock(&shard->lock);
        for (PLIST_ENTRY entry = shard->blocks.Flink; entry != &shard->blocks; entry = entry->Flink) {
            const struct nt_pool_header *header = CONTAINING_RECORD(entry, struct nt_pool_header, link);
            if (header->serial >= mark && !is_kept(header->tag))
                count_left(tags, RTL_NUMBER_OF(tags), &count, header);
        }
        pthread_mutex_unlock(&shard->lock);
    }
    for (size_t index = 0; index < count; index++) {
        char text[5];
        nt_violate("left-at-unload", "DriverUnload", "pool tag '%s': %zu blocks, %zu bytes",
                   nt_pool_tag_text(tags[index].tag, text), tags[index].blocks, tags[index].bytes);
    }
}

void nt_pool_reset(void)
{
    for (size_t index = 0; index < SHARDS; index++) {
        LIST_ENTRY *blocks = &shards[index].blocks;
        while (blocks->Flink != NULL && !IsListEmpty(blocks)) {
            struct nt_pool_header *header = CONTAINING_RECORD(RemoveHeadList(blocks), struct nt_pool_header, link);
            header->magic = MAGIC_FREED;
            release_memory(header, header->size, "nt_reset");
        }
    }
    for (size_t index = 0; index < RING; index++) {
        free(ring[index]);
        ring[index] = NULL;
    }
    ring_next = 0;
    serial_now = 0;
}
