/* SPDX-License-Identifier: MIT */
/*
 * lock_order.c - see lock_order.h.
 *
 * Locks lie in an open-addressed table by address; a lock's edges are a list. Where an edge was first seen is kept as a
 * beginning whose key is the edge's own address. A search for a ring marks what it has seen with its own number, so it
 * looks at each lock once.
 */
#include "nt/verify/lock_order.h"

#include "nt/internal.h"
#include "nt/verify/verify.h"

#define LOCKS 1024u
#define EDGES 4096u
#define HELD  64u

struct edge {
    uint32_t to;     /* index into nodes */
    uint32_t number; /* of the node it leads to; another one lies there now: nobody comes here any more */
    struct edge *next;
    bool told;
};

struct node {
    uintptr_t address; /* 0: free, GONE: its memory was given back */
    uint32_t number;
    uint32_t seen; /* by which search */
    struct edge *edges;
    struct edge *way; /* of the search: the first edge on the way here */
};

struct held {
    const void *lock, *handle;
    uint32_t thread, order;
};

#define GONE 1u

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct node nodes[LOCKS];
static uint32_t node_count, next_number, search;
static struct edge edges[EDGES];
static uint32_t edge_count;
static struct edge *free_edges;
static struct held held[HELD];
static uint32_t held_count, held_order;

static uint32_t place_of(uintptr_t address)
{
    return (uint32_t)((address >> 3) * 0x9e3779b97f4a7c15ull >> 32) % LOCKS;
}

/* NULL: it is not known, or with add, there is no room. */
static struct node *node_of(const void *lock, bool add)
{
    uintptr_t address = (uintptr_t)lock;
    uint32_t at = place_of(address);
    struct node *room = NULL;
    for (uint32_t tries = 0; tries < LOCKS && nodes[at].address != 0; tries++, at = (at + 1) % LOCKS) {
        if (nodes[at].address == address)
            return &nodes[at];
        if (nodes[at].address == GONE && room == NULL)
            room = &nodes[at];
    }
    if (!add || (room == NULL && (nodes[at].address != 0 || node_count >= LOCKS / 2)))
        return NULL;
    if (room == NULL) {
        room = &nodes[at];
        node_count++;
    }
    *room = (struct node){.address = address, .number = ++next_number};
    return room;
}

static void edge_free(struct edge *edge)
{
    nt_end(NT_BEGAN_OBJECT, (uintptr_t)edge);
    edge->next = free_edges;
    free_edges = edge;
}

static struct edge *edge_new(struct node *from, const struct node *to)
{
    struct edge *edge = free_edges;
    if (edge != NULL)
        free_edges = edge->next;
    else if (edge_count < EDGES)
        edge = &edges[edge_count++];
    if (edge == NULL)
        return NULL;
    *edge = (struct edge){.to = (uint32_t)(to - nodes), .number = to->number, .next = from->edges};
    from->edges = edge;
    nt_begin(NT_BEGAN_OBJECT, (uintptr_t)edge);
    return edge;
}

static bool leads_somewhere(const struct edge *edge)
{
    return nodes[edge->to].address != GONE && nodes[edge->to].number == edge->number;
}

/* Drops those on its way that lead nowhere. */
static struct edge *edge_between(struct node *from, const struct node *to)
{
    struct edge **place = &from->edges;
    while (*place != NULL) {
        struct edge *edge = *place;
        if (!leads_somewhere(edge)) {
            *place = edge->next;
            edge_free(edge);
            continue;
        }
        if (&nodes[edge->to] == to)
            return edge;
        place = &edge->next;
    }
    return NULL;
}

/* The first edge of a way between the two; NULL: there is none. */
static struct edge *way_between(struct node *from, struct node *to)
{
    uint32_t stack[LOCKS / 2];
    uint32_t count = 0;
    search++;
    from->seen = search;
    stack[count++] = (uint32_t)(from - nodes);
    while (count != 0) {
        struct node *node = &nodes[stack[--count]];
        for (struct edge *edge = node->edges; edge != NULL; edge = edge->next) {
            struct node *next = &nodes[edge->to];
            if (next->seen == search || !leads_somewhere(edge))
                continue;
            next->seen = search;
            next->way = node == from ? edge : node->way;
            if (next == to)
                return next->way;
            stack[count++] = edge->to;
        }
    }
    return NULL;
}

/* Adds the edge. What closes a ring with it, unless that was told: the ring's other end; NULL: nothing. */
static struct edge *edge_add(struct node *from, struct node *to)
{
    struct edge *edge = edge_between(from, to);
    if (edge == NULL)
        edge = edge_new(from, to);
    if (edge == NULL || edge->told)
        return NULL;
    struct edge *other = way_between(to, from);
    if (other == NULL || other->told)
        return NULL;
    edge->told = other->told = true;
    return other;
}

void nt_lock_wanted(const void *lock, const char *routine)
{
    struct edge *other = NULL;
    uint32_t first = 0, second = 0, me = nt_thread_number();
    pthread_mutex_lock(&table_lock);
    struct node *to = node_of(lock, true);
    for (uint32_t index = 0; to != NULL && other == NULL && index < held_count; index++) {
        struct node *from =
            held[index].thread == me && held[index].lock != lock ? node_of(held[index].lock, true) : NULL;
        other = from == NULL ? NULL : edge_add(from, to);
        if (other != NULL) {
            first = from->number;
            second = to->number;
        }
    }
    pthread_mutex_unlock(&table_lock);
    if (other == NULL)
        return;
    nt_about(NT_BEGAN_OBJECT, (uintptr_t)other);
    nt_violate("lock-order", routine,
               "takes spin lock %u while it holds spin lock %u; elsewhere the first is held when the second is taken. "
               "Two threads that do both at once wait for each other for ever",
               second, first);
}

void nt_lock_taken(const void *lock, const void *handle, const char *routine)
{
    bool used = false;
    uint32_t me = nt_thread_number();
    nt_begin(NT_BEGAN_LOCK, (uintptr_t)lock);
    pthread_mutex_lock(&table_lock);
    for (uint32_t index = 0; handle != NULL && index < held_count; index++)
        used = used || held[index].handle == handle;
    if (held_count < HELD)
        held[held_count++] = (struct held){lock, handle, me, ++held_order};
    pthread_mutex_unlock(&table_lock);
    if (used)
        nt_violate("lock-kind", routine, "the lock queue handle is in use for another spin lock that is still held");
}

void nt_lock_given(const void *lock, const void *handle, const char *routine)
{
    bool other = false;
    pthread_mutex_lock(&table_lock);
    for (uint32_t index = 0; index < held_count; index++)
        if (held[index].lock == lock) {
            other = handle != NULL && held[index].handle != NULL && held[index].handle != handle;
            held[index] = held[--held_count];
            break;
        }
    pthread_mutex_unlock(&table_lock);
    if (other) {
        nt_about(NT_BEGAN_LOCK, (uintptr_t)lock);
        nt_violate("lock-kind", routine, "the spin lock was taken with another lock queue handle");
    }
    nt_end(NT_BEGAN_LOCK, (uintptr_t)lock);
}

static bool lies_in(uintptr_t address, const void *start, size_t size)
{
    return address - (uintptr_t)start < size;
}

static void forget(struct node *node)
{
    while (node->edges != NULL) {
        struct edge *edge = node->edges;
        node->edges = edge->next;
        edge_free(edge);
    }
    node->address = GONE;
    /* At the end of a chain nobody has to pass here: the place is free again. */
    for (uint32_t at = (uint32_t)(node - nodes); nodes[at].address == GONE && nodes[(at + 1) % LOCKS].address == 0;
         at = (at + LOCKS - 1) % LOCKS) {
        nodes[at] = (struct node){.address = 0};
        node_count--;
    }
}

static void forget_locks_in(const void *start, size_t size)
{
    if (size / sizeof(uint64_t) >= LOCKS) {
        for (uint32_t at = 0; at < LOCKS; at++)
            if (nodes[at].address > GONE && lies_in(nodes[at].address, start, size))
                forget(&nodes[at]);
        return;
    }
    for (size_t offset = 0; node_count != 0 && offset < size; offset += sizeof(uint64_t)) {
        struct node *node = node_of((const char *)start + offset, false);
        if (node != NULL)
            forget(node);
    }
}

void nt_locks_freed(const void *start, size_t size, const char *routine)
{
    const void *found[8];
    size_t count = 0;
    uint32_t mine = 0, me = nt_thread_number();
    pthread_mutex_lock(&table_lock);
    for (uint32_t index = 0; index < held_count && count < RTL_NUMBER_OF(found); index++)
        if (lies_in((uintptr_t)held[index].lock, start, size)) {
            found[count++] = held[index].lock;
            mine += held[index].thread == me;
            held[index--] = held[--held_count];
        }
    forget_locks_in(start, size);
    pthread_mutex_unlock(&table_lock);
    for (size_t index = 0; index < count; index++) {
        nt_about(NT_BEGAN_LOCK, (uintptr_t)found[index]);
        nt_violate("lock-freed", routine, "a spin lock at byte %td of the memory is still held",
                   (const char *)found[index] - (const char *)start);
        nt_end(NT_BEGAN_LOCK, (uintptr_t)found[index]);
    }
    nt_self.spin_locks -= mine < nt_self.spin_locks ? mine : nt_self.spin_locks;
}

void nt_about_held_lock(void)
{
    const struct held *last = NULL;
    const void *lock = NULL;
    uint32_t me = nt_thread_number();
    if (!NT_VERIFYING)
        return;
    pthread_mutex_lock(&table_lock);
    for (uint32_t index = 0; index < held_count; index++)
        if (held[index].thread == me && (last == NULL || held[index].order > last->order))
            last = &held[index];
    if (last != NULL)
        lock = last->lock;
    pthread_mutex_unlock(&table_lock);
    if (lock != NULL)
        nt_about(NT_BEGAN_LOCK, (uintptr_t)lock);
}

void nt_lock_order_reset(void)
{
    pthread_mutex_lock(&table_lock);
    memset(nodes, 0, sizeof nodes);
    node_count = next_number = search = edge_count = held_count = held_order = 0;
    free_edges = NULL;
    pthread_mutex_unlock(&table_lock);
}
