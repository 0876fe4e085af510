/* SPDX-License-Identifier: MIT */
/*
 * list.h - doubly linked rings whose links live in the caller's structures.
 *
 * A head is a link that is in no structure. A link that is in no ring points to itself, so removing
 * it twice is harmless. No locks: the ring's owner has one.
 */
#ifndef CORE_LIST_H
#define CORE_LIST_H

#include <stdbool.h>

struct list_link {
    struct list_link *next, *previous;
};

static inline void list_init(struct list_link *link)
{
    link->next = link;
    link->previous = link;
}

static inline bool list_is_empty(const struct list_link *head)
{
    return head->next == head;
}

static inline void list_insert_after(struct list_link *place, struct list_link *link)
{
    link->next = place->next;
    link->previous = place;
    place->next->previous = link;
    place->next = link;
}

static inline void list_insert_first(struct list_link *head, struct list_link *link)
{
    list_insert_after(head, link);
}

static inline void list_insert_last(struct list_link *head, struct list_link *link)
{
    list_insert_after(head->previous, link);
}

static inline void list_remove(struct list_link *link)
{
    link->next->previous = link->previous;
    link->previous->next = link->next;
    list_init(link);
}

/* NULL when the ring is empty. */
static inline struct list_link *list_first(const struct list_link *head)
{
    return head->next == head ? (struct list_link *)0 : head->next;
}

static inline struct list_link *list_last(const struct list_link *head)
{
    return head->previous == head ? (struct list_link *)0 : head->previous;
}

#endif
