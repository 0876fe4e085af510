/* SPDX-License-Identifier: MIT */
/*
 * gate_ring.c - reads a ring buffer of the eBPF programs, of which it has only a piece in memory.
 *
 * libbpf's reader maps a ring whole and twice. The kernel shows the ring's data twice in a row, so a piece of it can
 * begin at any page, and no record is ever broken. When memory for the next piece cannot be had, records wait.
 *
 * A writer wakes us when he ends the record at which we stand. So where we stand is told before we look whether there
 * is more, and whether it is ended: full barriers.
 */
#include "gate_private.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIECE 65536u

static size_t page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Pages of the ring: how far it was read, how far it was written, its data, its data. */
static void *map(const struct gate_ring *ring, size_t page, size_t size, int rights)
{
    void *memory = mmap(NULL, size, rights, MAP_SHARED, ring->fd, (off_t)(page * page_size()));

    return memory == MAP_FAILED ? NULL : memory;
}

int gate_ring_open(struct gate_ring *ring, int fd, size_t size, gate_ring_take *take, void *context)
{
    size_t page = page_size();

    *ring = (struct gate_ring){.fd = fd, .size = size, .take = take, .context = context};
    ring->consumed = map(ring, 0, page, PROT_READ | PROT_WRITE);
    ring->produced = ring->consumed ? map(ring, 1, page, PROT_READ) : NULL;
    if (ring->produced)
        return 0;
    int code = -errno;
    gate_ring_close(ring);
    return code;
}

static void let_go(const void *memory, size_t size)
{
    if (memory)
        munmap((void *)(uintptr_t)memory, size);
}

void gate_ring_close(struct gate_ring *ring)
{
    let_go(ring->consumed, page_size());
    let_go(ring->produced, page_size());
    let_go(ring->piece, ring->piece_size);
    memset(ring, 0, sizeof(*ring));
}

/* size bytes from offset on; NULL: no memory. */
static const uint8_t *look(struct gate_ring *ring, size_t offset, size_t size)
{
    size_t page, start, wanted = PIECE;
    uint8_t *piece;

    if (ring->piece && offset >= ring->piece_start && offset + size <= ring->piece_start + ring->piece_size)
        return ring->piece + (offset - ring->piece_start);
    page = page_size();
    start = offset / page * page;
    if (wanted < offset + size - start)
        wanted = (offset + size - start + page - 1) / page * page;
    if (wanted > 2 * ring->size - start)
        wanted = 2 * ring->size - start;
    piece = map(ring, 2 + start / page, wanted, PROT_READ);
    if (!piece)
        return NULL;
    let_go(ring->piece, ring->piece_size);
    ring->piece = piece;
    ring->piece_start = start;
    ring->piece_size = wanted;
    return piece + (offset - start);
}

/* False: there is none, or the next one is not ended. */
static bool read_one(struct gate_ring *ring)
{
    unsigned long at = *ring->consumed;
    size_t offset = at & (ring->size - 1), size;
    const uint8_t *record;
    uint32_t word;

    if (at == __atomic_load_n(ring->produced, __ATOMIC_SEQ_CST))
        return false;
    record = look(ring, offset, BPF_RINGBUF_HDR_SZ);
    if (!record)
        return false;
    word = __atomic_load_n((const uint32_t *)(const void *)record, __ATOMIC_ACQUIRE);
    if (word & BPF_RINGBUF_BUSY_BIT)
        return false;
    size = word & ~(uint32_t)BPF_RINGBUF_DISCARD_BIT;
    if (!(word & BPF_RINGBUF_DISCARD_BIT)) {
        record = look(ring, offset, BPF_RINGBUF_HDR_SZ + size);
        if (!record)
            return false;
        ring->take(ring->context, record + BPF_RINGBUF_HDR_SZ, size);
    }
    __atomic_store_n(ring->consumed, at + (BPF_RINGBUF_HDR_SZ + size + 7) / 8 * 8, __ATOMIC_SEQ_CST);
    return true;
}

unsigned gate_ring_read(struct gate_ring *ring)
{
    unsigned count = 0;

    while (ring->produced && read_one(ring))
        count++;
    return count;
}
