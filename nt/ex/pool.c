/* SPDX-License-Identifier: MIT */
/*
 * pool.c - tagged pool on malloc, so that ASan sees every overrun; large blocks in huge pages (large_block.h).
 *
 * A header before each block holds tag, size and links; blocks are linked in one of a few lists by
 * the allocating thread, so threads rarely meet; paged ones in one of their own. Freed blocks wait in a small ring
 * (quarantine.c), poisoned for ASan: a second free is then recognised in every build. Blocks of drivers that are
 * binaries may come from the special pool instead (special_pool.c), with their header elsewhere. Rules:
 * pool-tag-mismatch, pool-double-free, pool-not-allocated, pool-zero-size, pool-tag-zero, pool-flags,
 * pageable-at-dispatch, left-pool; pool-overrun and pool-underrun when the block is freed. Pages: wdm.h
 * ExAllocatePool2, ExAllocatePoolWithTag, ExFreePoolWithTag; "Automatic Checks" of Driver Verifier.
 */
#include "nt/ex/large_block.h"
#include "nt/ex/pool.h"
#include "nt/foreign.h"
#include "nt/leaf.h"
#include "nt/sanitize.h"
#include "nt/verify/in_use.h"
#include "nt/verify/output.h"
#include "nt/verify/verify.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define MAGIC_LIVE    0x4c4f4f50454c4956ull
#define MAGIC_FREED   0x4c4f4f5044454552ull
#define SHARDS        32
#define PAGED         SHARDS /* the shard of all paged blocks, of which there are few */
#define RING_LARGEST  2048
#define RED_ZONE      16u
#define LARGEST_SMALL 32768u

_Static_assert(sizeof(struct nt_pool_header) % 16 == 0, "a block stays aligned behind its header");

static struct shard {
    DECLSPEC_ALIGN(64) struct nt_short_lock lock;
    LIST_ENTRY blocks;
} shards[SHARDS + 1];
static pthread_once_t shards_once = PTHREAD_ONCE_INIT;
static uint64_t serial_now;

static void make_shards(void)
{
    for (size_t index = 0; index <= PAGED; index++)
        InitializeListHead(&shards[index].blocks);
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

const char *nt_pool_spoilt(const char *start, size_t size, uint8_t value)
{
    if (size == 0 || ((UCHAR)start[0] == value && memcmp(start, start + 1, size - 1) == 0))
        return NULL;
    for (size_t index = 0; index < size; index++)
        if ((UCHAR)start[index] != value)
            return start + index;
    return NULL;
}

static void release_memory(struct nt_pool_header *header, const char *routine, const void *from)
{
    void *base = header->base;
    size_t size = header->size + header->red_zone;
    if (base == NULL) {
        nt_special_give(header, routine, from);
        return;
    }
    if (NT_VERIFYING && size < LARGEST_SMALL) {
        if (!NT_SANITIZED)
            memset(header + 1, NT_POOL_FREED, size);
        NT_POISON(header + 1, size);
        nt_quarantine_put(header, NT_QUARANTINE_POOL);
        return;
    }
    if (size <= RING_LARGEST) {
        NT_POISON(header + 1, size);
        nt_quarantine_put(base, NT_QUARANTINE_PLAIN);
        return;
    }
    if (is_large(size)) {
        large_block_put(base, large_pages(size));
        return;
    }
    if (size >= PAGE_SIZE)
        NT_UNPOISON(base, size + 2 * (size_t)PAGE_SIZE);
    free(base); /* once: its header left the list of blocks. NOLINT(clang-analyzer-unix.Malloc) */
}

/* From malloc, with a zone behind it that is looked at when it is freed; ASan has its own. */
static struct nt_pool_header *get_guarded(size_t size, bool zero)
{
    uint8_t red_zone = NT_VERIFYING && !NT_SANITIZED && size < SIZE_MAX / 2 ? RED_ZONE : 0;
    struct nt_pool_header *header = get_memory(size + red_zone, zero);
    if (header == NULL)
        return NULL;
    header->red_zone = red_zone;
    if (NT_VERIFYING) {
        memset((char *)(header + 1) + size, NT_POOL_GUARD, red_zone);
        if (!zero)
            memset(header + 1, nt_verify_fill_byte(), size);
    }
    return header;
}

/* The special pool, where the verifier is on, serves what drivers ask for, not what the platform does. */
static struct nt_pool_header *get_special(size_t size, ULONG tag, bool zero, const void *from)
{
    if (nt_self.pool_caller == NULL && (!NT_VERIFYING || is_kept(tag) || !nt_is_driver_code(from)))
        return NULL;
    return nt_special_take(size, zero, from);
}

static void check_request(size_t size, ULONG tag, bool paged, const char *routine)
{
    if (paged && nt_self.irql > APC_LEVEL)
        nt_violate("pageable-at-dispatch", routine, "paged pool may be allocated at IRQL %u at most, not at %u",
                   APC_LEVEL, nt_self.irql);
    if (tag == 0)
        nt_violate("pool-tag-zero", routine, "the tag is 0");
    if (size == 0)
        nt_violate("pool-zero-size", routine, "zero bytes are asked for");
}

static void *enter_block(struct nt_pool_header *header, size_t size, ULONG tag, bool paged, const void *from)
{
    pthread_once(&shards_once, make_shards);
    header->magic = MAGIC_LIVE;
    header->size = size;
    header->tag = tag;
    header->paged = paged;
    header->from = from;
    header->guard = NT_POOL_GUARDS;
    header->shard = paged ? PAGED : (uint16_t)(nt_thread_number() % SHARDS);
    header->serial = __atomic_fetch_add(&serial_now, 1, __ATOMIC_RELAXED);
    struct shard *shard = &shards[header->shard];
    nt_short_acquire(&shard->lock);
    InsertTailList(&shard->blocks, &header->link);
    nt_short_release(&shard->lock);
    void *block = header->base == NULL ? nt_special_block(header) : header + 1;
    if (NT_VERIFYING) {
        nt_end(NT_FREED_BLOCK, (uintptr_t)block);
        nt_begin(NT_BEGAN_BLOCK, (uintptr_t)block);
    }
    return block;
}

static PVOID allocate(size_t size, ULONG tag, bool paged, bool zero, const char *routine, const void *from)
{
    check_request(size, tag, paged, routine);
    if (nt_fails(routine))
        return NULL;
    from = nt_pool_caller(from);
    struct nt_pool_header *header = get_special(size, tag, zero, from);
    if (header == NULL)
        header = get_guarded(size, zero);
    return header == NULL ? NULL : enter_block(header, size, tag, paged, from);
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
                    "ExAllocatePool2", __builtin_return_address(0));
}

PVOID ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    NT_ENTER(ExAllocatePoolWithTag);
    return allocate(NumberOfBytes, Tag, (PoolType & PagedPool) != 0, false, "ExAllocatePoolWithTag",
                    __builtin_return_address(0));
}

PVOID ExAllocatePoolUninitialized(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    NT_ENTER(ExAllocatePoolUninitialized);
    return allocate(NumberOfBytes, Tag, (PoolType & PagedPool) != 0, false, "ExAllocatePoolUninitialized",
                    __builtin_return_address(0));
}

PVOID ExAllocatePoolZero(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)
{
    NT_ENTER(ExAllocatePoolZero);
    return allocate(NumberOfBytes, Tag, (PoolType & PagedPool) != 0, true, "ExAllocatePoolZero",
                    __builtin_return_address(0));
}

/* magic is what the header held instead of MAGIC_LIVE. */
static void report_bad_free(PVOID block, const struct nt_pool_header *header, uint64_t magic, const char *routine)
{
    char text[320];
    if (header == NULL || magic != MAGIC_FREED) {
        nt_violate("pool-not-allocated", routine, "%p was not allocated from pool", block);
        return;
    }
    nt_about(NT_FREED_BLOCK, (uintptr_t)block);
    if (nt_special_holds(block))
        nt_violate("pool-double-free", routine, "%p was freed before: %s", block,
                   nt_special_tell(header, text, sizeof text));
    else
        nt_violate("pool-double-free", routine, "%p was freed before", block);
}

/* Of a block from malloc: what was written right beside it. */
static void check_zones(const struct nt_pool_header *header, const char *routine)
{
    char tag[5];
    const char *bytes = (const char *)(header + 1);
    const char *over = nt_pool_spoilt(bytes + header->size, header->red_zone, NT_POOL_GUARD);
    if (over != NULL) {
        nt_about(NT_BEGAN_BLOCK, (uintptr_t)bytes);
        nt_violate("pool-overrun", routine, "byte %td was written some time before, of a block of %zu bytes, tag '%s'",
                   over - bytes, header->size, nt_pool_tag_text(header->tag, tag));
    }
    if (header->guard != NT_POOL_GUARDS) {
        nt_about(NT_BEGAN_BLOCK, (uintptr_t)bytes);
        nt_violate("pool-underrun", routine,
                   "up to 8 bytes before it were written some time before, of a block of %zu bytes, tag '%s'",
                   header->size, nt_pool_tag_text(header->tag, tag));
    }
}

static void check_free(PVOID block, const struct nt_pool_header *header, ULONG tag, bool check_tag, const char *routine)
{
    char had[5], given[5];
    if (check_tag && header->tag != tag) {
        nt_about(NT_BEGAN_BLOCK, (uintptr_t)block);
        nt_violate("pool-tag-mismatch", routine, "%p was allocated with tag '%s', not '%s'", block,
                   nt_pool_tag_text(header->tag, had), nt_pool_tag_text(tag, given));
    }
    if (header->paged && nt_self.irql > APC_LEVEL) {
        nt_about(NT_BEGAN_BLOCK, (uintptr_t)block);
        nt_violate("pageable-at-dispatch", routine, "paged pool may be freed at IRQL %u at most", APC_LEVEL);
    }
    if (header->base != NULL)
        check_zones(header, routine);
    if (NT_VERIFYING) {
        nt_memory_freed(block, header->size, routine);
        nt_end(NT_BEGAN_BLOCK, (uintptr_t)block);
        nt_begin(NT_FREED_BLOCK, (uintptr_t)block);
    }
}

static void release(PVOID block, ULONG tag, bool check_tag, const char *routine, const void *from)
{
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
    check_free(block, header, tag, check_tag, routine);
    struct shard *shard = &shards[header->shard];
    nt_short_acquire(&shard->lock);
    RemoveEntryList(&header->link);
    nt_short_release(&shard->lock);
    release_memory(header, routine, nt_pool_caller(from));
}

VOID ExFreePoolWithTag(PVOID P, ULONG Tag)
{
    NT_ENTER(ExFreePoolWithTag);
    release(P, Tag, Tag != 0, "ExFreePoolWithTag", __builtin_return_address(0));
}

VOID ExFreePool(PVOID P)
{
    NT_ENTER(ExFreePool);
    release(P, 0, false, "ExFreePool", __builtin_return_address(0));
}

void nt_pool_usage(ULONG tag, size_t *bytes, size_t *blocks)
{
    size_t byte_sum = 0, block_sum = 0;
    pthread_once(&shards_once, make_shards);
    for (size_t index = 0; index <= PAGED; index++) {
        struct shard *shard = &shards[index];
        nt_short_acquire(&shard->lock);
        for (PLIST_ENTRY entry = shard->blocks.Flink; entry != &shard->blocks; entry = entry->Flink) {
            const struct nt_pool_header *header = CONTAINING_RECORD(entry, struct nt_pool_header, link);
            if (tag == 0 || header->tag == tag) {
                byte_sum += header->size;
                block_sum++;
            }
        }
        nt_short_release(&shard->lock);
    }
    *bytes = byte_sum;
    *blocks = block_sum;
}

/* NULL: it lies in no paged block. */
static const void *paged_block_at(const void *address)
{
    const void *found = NULL;
    struct shard *shard = &shards[PAGED];
    pthread_once(&shards_once, make_shards);
    nt_short_acquire(&shard->lock);
    for (PLIST_ENTRY entry = shard->blocks.Flink; entry != &shard->blocks && found == NULL; entry = entry->Flink) {
        struct nt_pool_header *header = CONTAINING_RECORD(entry, struct nt_pool_header, link);
        const void *block = header->base == NULL ? nt_special_block(header) : header + 1;
        if ((uintptr_t)address - (uintptr_t)block < header->size)
            found = block;
    }
    nt_short_release(&shard->lock);
    return found;
}

void nt_check_resident(const void *object, const char *what, const char *routine)
{
    const void *block = paged_block_at(object);
    if (block == NULL)
        return;
    nt_about(NT_BEGAN_BLOCK, (uintptr_t)block);
    nt_violate("pageable-at-dispatch", routine, "%s lies in paged pool, and is used at DISPATCH_LEVEL", what);
}

uint64_t nt_pool_mark(void)
{
    return __atomic_load_n(&serial_now, __ATOMIC_RELAXED);
}

/* What one place in a driver left. */
struct left {
    ULONG tag;
    uint64_t site;
    size_t bytes, blocks;
    uintptr_t block; /* one of them */
    const void *from;
};

/* Where it was allocated, as a number: the whole stack when it is known. */
static uint64_t site_of(const struct nt_pool_header *header, uintptr_t block)
{
    struct nt_stack stack;
    uint64_t site = (uintptr_t)header->from;
    if (!nt_find_beginning(NT_BEGAN_BLOCK, block, &stack))
        return site;
    for (uint32_t index = 0; index < stack.count; index++)
        site = (site ^ (uintptr_t)stack.frames[index]) * 0x100000001b3ull;
    return site;
}

static void count_left(struct left *sites, size_t room, size_t *count, struct nt_pool_header *header)
{
    uintptr_t block = (uintptr_t)(header->base == NULL ? nt_special_block(header) : header + 1);
    uint64_t site = site_of(header, block);
    size_t index = 0;
    while (index < *count && (sites[index].tag != header->tag || sites[index].site != site))
        index++;
    if (index == *count) {
        if (index == room)
            return;
        sites[(*count)++] = (struct left){header->tag, site, 0, 0, block, header->from};
    }
    sites[index].bytes += header->size;
    sites[index].blocks++;
}

static void tell_left(const struct left *left)
{
    char tag[5], place[96] = "", text[128] = "";
    if (NT_IS_FOREIGN(left->from))
        snprintf(text, sizeof text, ", allocated at %s", nt_name_code(left->from, place, sizeof place));
    nt_about(NT_BEGAN_BLOCK, left->block);
    nt_violate("left-pool", "DriverUnload", "pool tag '%s': %zu blocks, %zu bytes%s", nt_pool_tag_text(left->tag, tag),
               left->blocks, left->bytes, text);
}

void nt_pool_report_since(uint64_t mark, const struct nt_code *code)
{
    struct left sites[32];
    size_t count = 0;
    pthread_once(&shards_once, make_shards);
    for (size_t index = 0; index <= PAGED; index++) {
        struct shard *shard = &shards[index];
        nt_short_acquire(&shard->lock);
        for (PLIST_ENTRY entry = shard->blocks.Flink; entry != &shard->blocks; entry = entry->Flink) {
            struct nt_pool_header *header = CONTAINING_RECORD(entry, struct nt_pool_header, link);
            if (header->serial >= mark && !is_kept(header->tag) && (code == NULL || nt_code_holds(code, header->from)))
                count_left(sites, RTL_NUMBER_OF(sites), &count, header);
        }
        nt_short_release(&shard->lock);
    }
    for (size_t index = 0; index < count; index++)
        tell_left(&sites[index]);
}

void nt_pool_reset(void)
{
    for (size_t index = 0; index <= PAGED; index++) {
        LIST_ENTRY *blocks = &shards[index].blocks;
        while (blocks->Flink != NULL && !IsListEmpty(blocks)) {
            struct nt_pool_header *header = CONTAINING_RECORD(RemoveHeadList(blocks), struct nt_pool_header, link);
            header->magic = MAGIC_FREED;
            release_memory(header, "nt_reset", NULL);
        }
    }
    nt_quarantine_reset();
    nt_special_reset();
    serial_now = 0;
}
