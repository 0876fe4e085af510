/* SPDX-License-Identifier: MIT */
/*
 * gate_ring_test - the reader of ring buffers on a file in memory that is laid out as the kernel shows a ring: how far
 * it was read, how far it was written, its data twice. The test writes as linux/kernel/bpf/ringbuf.c does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/gate_private.h"

#define SIZE (256u * 1024)

struct writer {
    int fd;
    size_t page;
    uint8_t *memory;
    unsigned long *consumed, *produced;
    uint32_t written, read; /* records, numbered */
};

static size_t size_of(uint32_t number)
{
    return number % 97 == 0 ? 90000 : 4 + number * 37 % 3000;
}

static bool is_discarded(uint32_t number)
{
    return number % 11 == 5;
}

static void put(struct writer *writer, unsigned long at, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t *data = writer->memory + 2 * writer->page + (at + i) % SIZE;

        data[0] = data[SIZE] = ((const uint8_t *)bytes)[i];
    }
}

static void head(struct writer *writer, unsigned long at, uint32_t word)
{
    put(writer, at, &word, sizeof(word));
}

/* False: it is full. */
static bool reserve(struct writer *writer)
{
    size_t size = size_of(writer->written);
    unsigned long at = *writer->produced, end = at + (BPF_RINGBUF_HDR_SZ + size + 7) / 8 * 8;
    uint8_t *bytes;

    if (end - *writer->consumed > SIZE)
        return false;
    head(writer, at, (uint32_t)size | BPF_RINGBUF_BUSY_BIT);
    bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, (int)(writer->written & 255), size);
    memcpy(bytes, &writer->written, sizeof(writer->written));
    put(writer, at + BPF_RINGBUF_HDR_SZ, bytes, size);
    free(bytes);
    *writer->produced = end;
    return true;
}

static void commit(struct writer *writer, unsigned long at)
{
    uint32_t number = writer->written++;

    head(writer, at, (uint32_t)size_of(number) | (is_discarded(number) ? BPF_RINGBUF_DISCARD_BIT : 0));
}

static bool write_one(struct writer *writer)
{
    unsigned long at = *writer->produced;

    if (!reserve(writer))
        return false;
    commit(writer, at);
    return true;
}

static void take(void *context, const void *data, size_t size)
{
    struct writer *writer = context;
    const uint8_t *bytes = data;
    uint32_t number;

    while (is_discarded(writer->read))
        writer->read++;
    memcpy(&number, data, sizeof(number));
    assert_int_equal(number, writer->read);
    assert_int_equal(size, size_of(number));
    for (size_t i = sizeof(number); i < size; i++)
        assert_int_equal(bytes[i], number & 255);
    writer->read++;
}

static int begin(void **state)
{
    static struct writer writer;

    writer = (struct writer){.page = (size_t)sysconf(_SC_PAGESIZE), .fd = memfd_create("ring", MFD_CLOEXEC)};
    assert_true(writer.fd >= 0);
    assert_int_equal(ftruncate(writer.fd, (off_t)(2 * writer.page + 2 * SIZE)), 0);
    writer.memory = mmap(NULL, 2 * writer.page + 2 * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, writer.fd, 0);
    assert_true(writer.memory != MAP_FAILED);
    writer.consumed = (void *)writer.memory;
    writer.produced = (void *)(writer.memory + writer.page);
    *state = &writer;
    return 0;
}

static int end(void **state)
{
    struct writer *writer = *state;

    munmap(writer->memory, 2 * writer->page + 2 * SIZE);
    return close(writer->fd);
}

/* Each record whole and once, in order, over many rounds of the ring, whether it fits into a piece or not. */
static void reads_all(void **state)
{
    struct writer *writer = *state;
    struct gate_ring ring;

    assert_int_equal(gate_ring_open(&ring, writer->fd, SIZE, take, writer), 0);
    srand(2);
    while (writer->written < 3000) {
        for (int i = rand() % 60; i >= 0 && write_one(writer); i--)
            ;
        gate_ring_read(&ring);
        assert_true(*writer->consumed == *writer->produced);
        assert_true(ring.piece_size < SIZE / 2);
    }
    while (writer->read < writer->written && is_discarded(writer->read))
        writer->read++;
    assert_int_equal(writer->read, writer->written);
    assert_int_equal(gate_ring_read(&ring), 0);
    gate_ring_close(&ring);
}

/* A record that is being written ends the reading, and the next reading goes on with it. */
static void stops_at_a_writer(void **state)
{
    struct writer *writer = *state;
    struct gate_ring ring;
    unsigned long at;

    assert_int_equal(gate_ring_open(&ring, writer->fd, SIZE, take, writer), 0);
    assert_true(write_one(writer));
    at = *writer->produced;
    assert_true(reserve(writer));
    assert_int_equal(gate_ring_read(&ring), 1);
    assert_int_equal(gate_ring_read(&ring), 0);
    assert_true(*writer->consumed == at);
    commit(writer, at);
    assert_int_equal(gate_ring_read(&ring), 1);
    assert_int_equal(writer->read, 2);
    gate_ring_close(&ring);
}

/* A reader that comes later goes on where the one before stood. */
static void goes_on(void **state)
{
    struct writer *writer = *state;
    struct gate_ring ring;

    for (int round = 0; round < 5; round++) {
        while (write_one(writer))
            ;
        assert_int_equal(gate_ring_open(&ring, writer->fd, SIZE, take, writer), 0);
        assert_true(gate_ring_read(&ring) > 0);
        gate_ring_close(&ring);
        gate_ring_close(&ring);
    }
}

/* Without memory records wait. */
static void waits_for_memory(void **state)
{
    struct writer *writer = *state;
    struct gate_ring ring;

    assert_int_equal(gate_ring_open(&ring, -1, SIZE, take, writer), -EBADF);
    assert_int_equal(gate_ring_open(&ring, writer->fd, SIZE, take, writer), 0);
    assert_true(write_one(writer));
    ring.fd = -1;
    assert_int_equal(gate_ring_read(&ring), 0);
    assert_int_equal(writer->read, 0);
    ring.fd = writer->fd;
    assert_int_equal(gate_ring_read(&ring), 1);
    gate_ring_close(&ring);
    assert_int_equal(gate_ring_read(&ring), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_all, begin, end),
        cmocka_unit_test_setup_teardown(stops_at_a_writer, begin, end),
        cmocka_unit_test_setup_teardown(goes_on, begin, end),
        cmocka_unit_test_setup_teardown(waits_for_memory, begin, end),
    };

    return cmocka_run_group_tests_name("gate_ring", tests, NULL, NULL);
}
