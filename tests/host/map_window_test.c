/* SPDX-License-Identifier: MIT */
/*
 * map_window_test - a window on a file in memory, which mmap treats as an eBPF array, and on a real array where the
 * kernel lets us make one: what is written through it is in the array, whenever pieces were given back in between.
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
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "host/map_window.h"

#define ARRAY (1u << 20)

static int make_file(size_t size)
{
    int fd = memfd_create("array", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    return fd;
}

/* Pages of the window that are in this process, and as they are in the array: what the window says it has. */
static unsigned count_mapped(const struct map_window *window)
{
    char line[512];
    unsigned count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        unsigned long start, end;
        char rights[8];

        if (sscanf(line, "%lx-%lx %4s", &start, &end, rights) == 3 && start >= (unsigned long)window->memory &&
            end <= (unsigned long)window->memory + window->size && rights[0] == 'r')
            count += (unsigned)((end - start) / window->piece);
    }
    fclose(maps);
    return count;
}

/* The oracle: a plain copy of the array, written at the same places. */
static void write_at_random(int fd, size_t size, size_t piece)
{
    uint64_t *copy = calloc(1, size), *whole;
    struct map_window window;

    assert_non_null(copy);
    assert_int_equal(map_window_open(&window, fd, size, piece), 0);
    srand(1);
    for (unsigned i = 1; i <= 20000; i++) {
        size_t place = ((size_t)rand() << 16 ^ (size_t)rand()) % (size / 8);
        uint64_t *at;

        if (i % 1000 == 0)
            map_window_rest(&window);
        at = map_window_at(&window, place * 8);
        assert_non_null(at);
        assert_true(*at == copy[place]);
        *at = copy[place] = i;
    }
    map_window_rest(&window);
    assert_int_equal(count_mapped(&window), 0);
    map_window_close(&window);
    whole = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(whole != MAP_FAILED);
    assert_memory_equal(whole, copy, size);
    munmap(whole, size);
    free(copy);
}

static void pieces_come_and_go(void **state)
{
    int fd = make_file(ARRAY);

    (void)state;
    write_at_random(fd, ARRAY, 4096);
    close(fd);
}

static void last_piece_is_short(void **state)
{
    int fd = make_file(ARRAY - 3 * 4096);

    (void)state;
    write_at_random(fd, ARRAY - 3 * 4096, 16384);
    close(fd);
}

static void real_array(void **state)
{
    LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
    int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "window_test", 4, 32, ARRAY / 32, &options);

    (void)state;
    if (fd < 0) {
        print_message("SKIP: no right to make an eBPF array here: %s\n", strerror(errno));
        skip();
    }
    write_at_random(fd, ARRAY, 16384);
    close(fd);
}

static void nothing_is_mapped_unasked(void **state)
{
    int fd = make_file(ARRAY);
    struct map_window window;

    (void)state;
    assert_int_equal(map_window_open(&window, fd, ARRAY, 65536), 0);
    assert_int_equal(count_mapped(&window), 0);
    assert_non_null(map_window_at(&window, 70000));
    assert_int_equal(count_mapped(&window), 1);
    assert_non_null(map_window_at(&window, 131071));
    assert_int_equal(count_mapped(&window), 1);
    assert_non_null(map_window_at(&window, 131072));
    assert_int_equal(count_mapped(&window), 2);
    map_window_close(&window);
    close(fd);
}

/* The array lies as if it were mapped whole, and nothing moves. */
static void lies_as_the_array(void **state)
{
    int fd = make_file(ARRAY);
    struct map_window window;

    (void)state;
    assert_int_equal(map_window_open(&window, fd, ARRAY, 65536), 0);
    for (size_t offset = 0; offset < ARRAY; offset += 4096)
        assert_ptr_equal(map_window_at(&window, offset), window.memory + offset);
    assert_int_equal(count_mapped(&window), 16);
    map_window_close(&window);
    close(fd);
}

/* Beyond the end, and what cannot be mapped: NULL, and all else goes on. */
static void failure_leaves_the_others(void **state)
{
    int fd = make_file(ARRAY), other = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct map_window window;
    int *first;

    (void)state;
    assert_int_equal(map_window_open(&window, fd, ARRAY, 65536), 0);
    first = map_window_at(&window, 0);
    assert_non_null(first);
    *first = 7;
    assert_null(map_window_at(&window, ARRAY));
    assert_int_equal(errno, EINVAL);
    window.fd = other; /* what cannot be mapped */
    assert_null(map_window_at(&window, 65536));
    assert_int_not_equal(errno, 0);
    assert_int_equal(*first, 7);
    window.fd = fd;
    first = map_window_at(&window, 0);
    assert_non_null(first);
    assert_int_equal(*first, 7);
    assert_non_null(map_window_at(&window, 65536));
    map_window_close(&window);
    close(other);
    close(fd);
}

static void open_refuses(void **state)
{
    struct map_window window;

    (void)state;
    assert_int_equal(map_window_open(&window, -1, 0, 4096), -EINVAL);
    assert_int_equal(map_window_open(&window, -1, ARRAY, 0), -EINVAL);
    assert_int_equal(map_window_open(&window, -1, (size_t)1 << 60, (size_t)1 << 50), -ENOMEM);
    map_window_close(&window); /* allowed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_come_and_go), cmocka_unit_test(last_piece_is_short),
        cmocka_unit_test(real_array),         cmocka_unit_test(nothing_is_mapped_unasked),
        cmocka_unit_test(lies_as_the_array),  cmocka_unit_test(failure_leaves_the_others),
        cmocka_unit_test(open_refuses),
    };

    return cmocka_run_group_tests_name("map_window", tests, NULL, NULL);
}
