/* SPDX-License-Identifier: MIT */
/*
 * map_window.h - an eBPF array that can be mapped, in memory piece by piece.
 *
 * Mapping an array puts all of its pages into the process at once, used or not. So its address space is reserved, and a
 * piece is mapped when it is asked for: the array lies as if it were mapped whole. Pieces stay until all are given
 * back, when nothing happens: taking turns in fewer places would cost each newcomer a mapping while many come.
 *
 * No locks: a window belongs to one thread. What a piece held is in the map, and comes back with the next look.
 */
#ifndef HOST_MAP_WINDOW_H
#define HOST_MAP_WINDOW_H

#include <stddef.h>
#include <stdint.h>

enum map_window_state { MAP_WINDOW_RESERVED = 0, MAP_WINDOW_MAPPED = 1, MAP_WINDOW_LOST = 2 };

struct map_window {
    int fd; /* of the map: the caller's, as long as the window is open */
    size_t size, piece;
    uint8_t *memory; /* address space for all of it; NULL: not open */
    uint8_t *state;  /* of each piece: enum map_window_state */
};

/*
 * size: of the array in bytes; piece: at least that much is mapped at once, and no value may lie across two. Nothing is
 * mapped yet. 0 or -errno.
 */
int map_window_open(struct map_window *window, int fd, size_t size, size_t piece);
/* One that is all zero or closed, too. */
void map_window_close(struct map_window *window);

/* Gives all pieces back; nothing of what map_window_at returned is valid any more. */
void map_window_rest(struct map_window *window);

/* Slow way of map_window_at. */
void *map_window_look(struct map_window *window, size_t offset);

/* What lies at offset, in the array's order up to the end of its piece. NULL: no memory for it (errno). */
static inline void *map_window_at(struct map_window *window, size_t offset)
{
    if (offset < window->size && window->state[offset / window->piece] == MAP_WINDOW_MAPPED)
        return window->memory + offset;
    return map_window_look(window, offset);
}

#endif
