/* SPDX-License-Identifier: MIT */
/*
 * map_window.c - see map_window.h.
 *
 * A piece is mapped over its reserved place. When that fails, the place is reserved again, since the kernel may have
 * unmapped it on the way. When that fails, too, somebody else may be there next: that piece is not used any more.
 */
#include "host/map_window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

static void *reserve(void *at, size_t size)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0);

    return mmap(at, size, PROT_NONE, flags, -1, 0);
}

static size_t count_pieces(const struct map_window *window)
{
    return (window->size + window->piece - 1) / window->piece;
}

static size_t size_of(const struct map_window *window, size_t piece)
{
    size_t start = piece * window->piece;

    return window->size - start < window->piece ? window->size - start : window->piece;
}

int map_window_open(struct map_window *window, int fd, size_t size, size_t piece)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *memory;

    memset(window, 0, sizeof(*window));
    if (!size || !piece)
        return -EINVAL;
    window->fd = fd;
    window->size = round_up(size, page);
    window->piece = round_up(piece, page);
    window->state = calloc(count_pieces(window), 1);
    memory = window->state ? reserve(NULL, window->size) : MAP_FAILED;
    if (memory == MAP_FAILED) {
        map_window_close(window);
        return -ENOMEM;
    }
    window->memory = memory;
    return 0;
}

/* What became somebody else's is left alone. */
void map_window_close(struct map_window *window)
{
    for (size_t piece = 0; window->memory && window->state && piece < count_pieces(window); piece++)
        if (window->state[piece] != MAP_WINDOW_LOST)
            munmap(window->memory + piece * window->piece, size_of(window, piece));
    free(window->state);
    memset(window, 0, sizeof(*window));
}

static void reserve_again(struct map_window *window, size_t piece)
{
    void *at = window->memory + piece * window->piece;

    window->state[piece] = reserve(at, size_of(window, piece)) == MAP_FAILED ? MAP_WINDOW_LOST : MAP_WINDOW_RESERVED;
}

void map_window_rest(struct map_window *window)
{
    for (size_t piece = 0; window->memory && window->state && piece < count_pieces(window); piece++)
        if (window->state[piece] == MAP_WINDOW_MAPPED)
            reserve_again(window, piece);
}

void *map_window_look(struct map_window *window, size_t offset)
{
    size_t piece = offset / window->piece, start = piece * window->piece;
    int code;

    if (offset >= window->size || window->state[piece] == MAP_WINDOW_LOST) {
        errno = offset >= window->size ? EINVAL : ENOMEM;
        return NULL;
    }
    if (mmap(window->memory + start, size_of(window, piece), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, window->fd,
             (off_t)start) != MAP_FAILED) {
        window->state[piece] = MAP_WINDOW_MAPPED;
        return window->memory + offset;
    }
    code = errno;
    reserve_again(window, piece);
    errno = code;
    return NULL;
}
