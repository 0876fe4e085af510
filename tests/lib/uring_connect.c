/* SPDX-License-Identifier: MIT */
/*
 * uring_connect.c - see uring_connect.h. Raw system calls, so that the tests need no liburing.
 */
#include "uring_connect.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct ring {
    int fd;
    struct io_uring_params params;
    unsigned char *queues;
    size_t queues_size;
    struct io_uring_sqe *entries;
    size_t entries_size;
};

static void ring_cleanup(struct ring *ring)
{
    if (ring->entries != NULL)
        munmap(ring->entries, ring->entries_size);
    if (ring->queues != NULL)
        munmap(ring->queues, ring->queues_size);
    if (ring->fd >= 0)
        close(ring->fd);
}

static bool ring_init(struct ring *ring)
{
    void *mapped;

    memset(ring, 0, sizeof(*ring));
    ring->fd = (int)syscall(SYS_io_uring_setup, 2, &ring->params);
    if (ring->fd < 0)
        return false;
    if (!(ring->params.features & IORING_FEAT_SINGLE_MMAP)) {
        errno = ENOSYS;
        goto failed;
    }
    ring->queues_size = ring->params.sq_off.array + ring->params.sq_entries * sizeof(uint32_t);
    size_t completions = ring->params.cq_off.cqes + ring->params.cq_entries * sizeof(struct io_uring_cqe);
    if (completions > ring->queues_size)
        ring->queues_size = completions;
    mapped =
        mmap(NULL, ring->queues_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQ_RING);
    if (mapped == MAP_FAILED)
        goto failed;
    ring->queues = mapped;
    ring->entries_size = ring->params.sq_entries * sizeof(struct io_uring_sqe);
    mapped =
        mmap(NULL, ring->entries_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
    if (mapped == MAP_FAILED)
        goto failed;
    ring->entries = mapped;
    return true;
failed:
    ring_cleanup(ring);
    return false;
}

static uint32_t *ring_word(const struct ring *ring, uint32_t offset)
{
    return (uint32_t *)(void *)(ring->queues + offset);
}

bool uring_connect_available(void)
{
    struct ring ring;
    if (!ring_init(&ring))
        return false;
    ring_cleanup(&ring);
    return true;
}

int uring_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    struct ring ring;
    int result = EIO;

    if (!ring_init(&ring))
        return errno;
    ring.entries[0] = (struct io_uring_sqe){
        .opcode = IORING_OP_CONNECT, .flags = IOSQE_ASYNC, .fd = fd, .addr = (uintptr_t)address, .off = size};
    ring_word(&ring, ring.params.sq_off.array)[0] = 0;
    __atomic_store_n(ring_word(&ring, ring.params.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) {
        result = errno;
    } else if (__atomic_load_n(ring_word(&ring, ring.params.cq_off.tail), __ATOMIC_ACQUIRE) == 1) {
        const struct io_uring_cqe *done = (const void *)(ring.queues + ring.params.cq_off.cqes);
        result = -done->res;
    }
    ring_cleanup(&ring);
    return result;
}
