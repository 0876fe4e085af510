/* SPDX-License-Identifier: MIT */
/*
 * vector.h - an array that grows, of pool memory: for what is built before its size is known. One thread.
 */
#ifndef WFP_VECTOR_H
#define WFP_VECTOR_H

#include "wfp/memory.h"

#include <string.h>

struct wfp_vector {
    void *items;
    size_t count, room;
};

/* Room for one more item of size bytes at the end, which is counted; NULL: no memory. */
static inline void *wfp_vector_add(struct wfp_vector *vector, size_t size)
{
    if (vector->count == vector->room) {
        size_t room = vector->room == 0 ? 64 : vector->room * 2;
        void *items = wfp_alloc(room * size);

        if (items == NULL)
            return NULL;
        if (vector->count != 0)
            memcpy(items, vector->items, vector->count * size);
        wfp_free(vector->items);
        vector->items = items;
        vector->room = room;
    }
    return (UINT8 *)vector->items + vector->count++ * size;
}

static inline void wfp_vector_free(struct wfp_vector *vector)
{
    wfp_free(vector->items);
    *vector = (struct wfp_vector){0};
}

#endif
