/* SPDX-License-Identifier: MIT */
/*
 * beginnings.c - where what is under way began: nt_begin, nt_end and nt_find_beginning of verify.h.
 *
 * A hash table over entries in an array. What has an end stays until it ends, up to LIVE_MAX; what has none (a freed
 * block, a completed operation, a classify) stays until RECENT_MAX later ones have pushed it out. Forgetting all is one
 * increment: a bucket of an older generation is empty. So a search of many short runs pays nothing for it.
 */
#include <string.h>

#include "nt/internal.h"
#include "nt/verify/depot.h"
#include "nt/verify/report.h"
#include "nt/verify/stack.h"
#include "nt/verify/verify.h"

#define LIVE_MAX   (1u << 16)
#define RECENT_MAX (1u << 13)
#define BUCKETS    (1u << 16)

struct entry {
    uint64_t key;
    uint32_t stack; /* of the depot */
    uint32_t next;  /* index + 1 */
    uint32_t what;
    uint32_t bucket;
};

struct bucket {
    uint32_t generation;
    uint32_t first; /* index + 1 */
};

static struct entry entries[LIVE_MAX + RECENT_MAX];
static struct bucket buckets[BUCKETS];
static uint32_t generation = 1;
static uint32_t live, recent, unused, lost; /* unused: a list of live entries that ended, index + 1 */
static bool lock;

static bool has_no_end(enum nt_beginning what)
{
    return what == NT_FREED_BLOCK || what == NT_COMPLETED_IRP || what == NT_COMPLETED_OPERATION ||
           what == NT_BEGAN_CLASSIFY;
}

static struct bucket *bucket_of(enum nt_beginning what, uint64_t key)
{
    uint64_t value = (key ^ (uint64_t)what << 56) * UINT64_C(0x9e3779b97f4a7c15);
    struct bucket *bucket = &buckets[value >> 48];
    if (bucket->generation != generation)
        *bucket = (struct bucket){generation, 0};
    return bucket;
}

static struct entry *find(const struct bucket *bucket, enum nt_beginning what, uint64_t key)
{
    for (uint32_t index = bucket->first; index != 0; index = entries[index - 1].next)
        if (entries[index - 1].key == key && entries[index - 1].what == what)
            return &entries[index - 1];
    return NULL;
}

static void unlink_entry(struct bucket *bucket, const struct entry *entry)
{
    uint32_t *link = &bucket->first;
    while (&entries[*link - 1] != entry)
        link = &entries[*link - 1].next;
    *link = entry->next;
}

static struct entry *new_recent(void)
{
    struct entry *entry = &entries[LIVE_MAX + recent % RECENT_MAX];
    if (recent++ >= RECENT_MAX)
        unlink_entry(&buckets[entry->bucket], entry);
    return entry;
}

/* NULL: there is no room. */
static struct entry *new_live(void)
{
    struct entry *entry = NULL;
    if (unused != 0) {
        entry = &entries[unused - 1];
        unused = entry->next;
    } else if (live < LIVE_MAX) {
        entry = &entries[live++];
    } else {
        lost++;
    }
    return entry;
}

static void put(enum nt_beginning what, uint64_t key, uint32_t stack)
{
    struct bucket *bucket = bucket_of(what, key);
    struct entry *entry = find(bucket, what, key);
    if (entry == NULL) {
        entry = has_no_end(what) ? new_recent() : new_live();
        if (entry == NULL)
            return;
        *entry = (struct entry){key, 0, bucket->first, what, (uint32_t)(bucket - buckets)};
        bucket->first = (uint32_t)(entry - entries) + 1;
    }
    entry->stack = stack;
}

static void hold(uint64_t key)
{
    struct nt_verify_self *self = &nt_self.verify;
    if (self->held < NT_HELD_MAX)
        self->locks[self->held] = key;
    self->held++;
}

static void release(uint64_t key)
{
    struct nt_verify_self *self = &nt_self.verify;
    uint32_t kept = self->held < NT_HELD_MAX ? self->held : NT_HELD_MAX;
    for (uint32_t index = kept; index-- != 0;) {
        if (self->locks[index] != key)
            continue;
        memmove(&self->locks[index], &self->locks[index + 1], (kept - index - 1) * sizeof self->locks[0]);
        self->held--;
        return;
    }
    if (self->held > NT_HELD_MAX)
        self->held--;
}

void nt_begin_verified(enum nt_beginning what, uint64_t key)
{
    struct nt_stack stack;
    nt_stack_take_from(__builtin_frame_address(0), &stack);
    uint32_t number = nt_depot_put(&stack);
    nt_verify_lock(&lock);
    put(what, key, number);
    nt_verify_unlock(&lock);
    if (what == NT_BEGAN_LOCK)
        hold(key);
}

void nt_begin_at(enum nt_beginning what, uint64_t key, const struct nt_stack *stack)
{
    if (!NT_VERIFYING)
        return;
    uint32_t number = nt_depot_put(stack);
    nt_verify_lock(&lock);
    put(what, key, number);
    nt_verify_unlock(&lock);
}

void nt_end_verified(enum nt_beginning what, uint64_t key)
{
    if (what == NT_BEGAN_LOCK)
        release(key);
    nt_verify_lock(&lock);
    struct bucket *bucket = bucket_of(what, key);
    struct entry *entry = find(bucket, what, key);
    /* What has no end stays: its place in the order of the recent ones is not given up. */
    if (entry != NULL && !has_no_end(what)) {
        unlink_entry(bucket, entry);
        entry->next = unused;
        unused = (uint32_t)(entry - entries) + 1;
    }
    nt_verify_unlock(&lock);
}

bool nt_find_beginning(enum nt_beginning what, uint64_t key, struct nt_stack *stack)
{
    uint32_t number = 0;
    if (!NT_VERIFYING)
        return false;
    nt_verify_lock(&lock);
    const struct entry *entry = find(bucket_of(what, key), what, key);
    if (entry != NULL)
        number = entry->stack;
    nt_verify_unlock(&lock);
    return nt_depot_get(number, stack);
}

uint32_t nt_beginnings_lost(void)
{
    nt_verify_lock(&lock);
    uint32_t count = lost;
    nt_verify_unlock(&lock);
    return count;
}

void nt_beginnings_clear(void)
{
    nt_verify_lock(&lock);
    generation++;
    live = recent = unused = lost = 0;
    nt_verify_unlock(&lock);
}
