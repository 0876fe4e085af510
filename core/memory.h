/* SPDX-License-Identifier: MIT */
/*
 * memory.h - the memory the core is given, and the four byte routines it may call.
 *
 * The core allocates nothing by itself: whoever sets a table up hands in a struct core_memory. The
 * driver's one takes non-paged pool, a test's one calloc with faults. Both calls may come with the
 * caller's lock held and at IRQL DISPATCH_LEVEL.
 *
 * memcpy, memset, memmove and memcmp are what every C compiler asks of a freestanding system; the
 * kernel exports them. They are declared here because the core includes no library header.
 */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core_memory {
    void *(*allocate)(void *context, size_t size);        /* zeroed, aligned to 16; NULL: none left */
    void (*release)(void *context, void *p, size_t size); /* p from allocate with the same size, never NULL */
    void *context;
};

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

/* The structure of this type whose member is at link. */
#define core_container(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

#endif
