/* SPDX-License-Identifier: MIT */
/*
 * image_test.c - which files are refused and with which sentence, and what a good one becomes in memory.
 *
 * argv[1] is images/plain.sys.bin; each case changes it in one place. Offsets: PE header at 64, its optional header
 * at 88, the section table at 328. Source: "PE Format" (win32 desktop-src/Debug).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "pe/image.h"
#include "pe/trap.h"

#define OPTIONAL   88u
#define SECTION(n) (328u + 40u * (n))

static uint8_t good[4096];
static size_t good_size;

struct change {
    size_t offset;
    uint64_t value;
    unsigned width;
    const char *says;
};

static void changed(const struct change *change, uint8_t *bytes)
{
    memcpy(bytes, good, good_size);
    for (unsigned index = 0; index < change->width; index++)
        bytes[change->offset + index] = (uint8_t)(change->value >> (8 * index));
}

static void expect(bool accepted, const struct pe_error *error, const char *says)
{
    if (accepted || strstr(error->text, says) == NULL)
        fail_msg("wanted \"%s\", got %s", says, accepted ? "acceptance" : error->text);
}

static void what_is_no_driver_is_refused(void **state)
{
    static const struct change changes[] = {
        {0, 'X', 1, "MZ header"},
        {60, 0xfffffff0u, 4, "truncated"},
        {64, 'Q', 1, "no PE signature"},
        {68, 0x14c, 2, "32-bit"},
        {68, 0xaa64, 2, "ARM64"},
        {68, 0x1c4, 2, "machine type 0x01C4"},
        {70, 0, 2, "0 sections"},
        {70, 97, 2, "97 sections"},
        {84, 10, 2, "optional header has 10 bytes"},
        {86, 0x20, 2, "does not say that it can run"},
        {86, 0x2022, 2, "DLL"},
        {86, 0x23, 2, "relocations were stripped"},
        {OPTIONAL, 0x10b, 2, "PE32"},
        {OPTIONAL, 0x107, 2, "magic"},
        {OPTIONAL + 16, 0x2000, 4, "entry point"},
        {OPTIONAL + 32, 0x200, 4, "alignments"},
        {OPTIONAL + 56, 0x10000000, 4, "image would take"},
        {OPTIONAL + 60, 0x100000, 4, "headers"},
        {OPTIONAL + 68, 2, 2, "subsystem 2"},
        {OPTIONAL + 108, 17, 4, "data directories"},
        {OPTIONAL + 112 + 8, 0xfffff000u, 4, "outside the image"},
        {OPTIONAL + 112 + 12, 0, 4, "imports nothing"},
        {OPTIONAL + 112 + 9 * 8 + 4, 40, 4, "thread-local"},
        {OPTIONAL + 112 + 13 * 8 + 4, 40, 4, "delay-loaded"},
        {OPTIONAL + 112 + 14 * 8 + 4, 40, 4, ".NET"},
        {SECTION(0) + 36, 0xe0000020u, 4, "writable and executable"},
        {SECTION(1) + 12, 0x1000, 4, "overlaps another"},
        {SECTION(1) + 12, 0x2010, 4, "overlaps another"},
        {SECTION(3) + 12, 0x9000, 4, "outside the image"},
        {SECTION(2) + 16, 0x8000, 4, "truncated"},
        {SECTION(1) + 20, 0x400, 4, "share bytes"},
        {SECTION(1) + 20, 0x100, 4, "over the file's headers"},
    };
    uint8_t bytes[sizeof(good)];

    (void)state;
    for (size_t index = 0; index < sizeof(changes) / sizeof(changes[0]); index++) {
        struct pe_image image;
        struct pe_error error = {"nothing"};
        changed(&changes[index], bytes);
        bool accepted = pe_image_parse(bytes, good_size, &image, &error);
        expect(accepted, &error, changes[index].says);
    }
}

static uint64_t bind_all(void *context, const char *library, const char *name)
{
    unsigned *count = context;

    ++*count;
    return strcmp(library, "ntoskrnl.exe") == 0 && strcmp(name, "DbgPrintEx") == 0 ? 0x1122334455667788u : 0;
}

static void what_is_damaged_inside_is_refused(void **state)
{
    static const struct change changes[] = {
        {0xa00 + 8, 0x6000, 2, "relocation of type 6"},
        {0xa00, 0x00, 2, "outside its sections"},
        {0xa00, 0x7ffff000, 4, "outside its sections"},
        {0xa00 + 4, 4, 4, "block of its relocations"},
        {0xa00 + 4, 400, 4, "block of its relocations"},
        {0x800 + 12, 0x7fffffff, 4, "library"},
        {0x800 + 0x47, 0x80, 1, "by number"},
        {0x800 + 0x43, 0x80, 1, "has no name"},
        {0x800 + 0x82, 0x01, 1, "has no name"},
    };
    uint8_t bytes[sizeof(good)];
    static uint8_t memory[0x5000];

    (void)state;
    for (size_t index = 0; index < sizeof(changes) / sizeof(changes[0]); index++) {
        struct pe_image image;
        struct pe_error error = {"nothing"};
        unsigned count = 0;
        changed(&changes[index], bytes);
        assert_true(pe_image_parse(bytes, good_size, &image, &error));
        memset(memory, 0, sizeof(memory));
        bool accepted = pe_image_lay_out(&image, bytes, good_size, memory, 0x10000, &error) &&
                        pe_image_bind(&image, memory, bind_all, &count, &error);
        expect(accepted, &error, changes[index].says);
    }
}

static void a_good_file_is_moved_and_bound(void **state)
{
    static uint8_t memory[0x5000];
    struct pe_image image;
    struct pe_error error = {""};
    unsigned count = 0;
    uint64_t word = 0;

    (void)state;
    assert_true(pe_image_parse(good, good_size, &image, &error));
    assert_int_equal(image.section_count, 4);
    assert_int_equal(image.size, 0x5000);
    assert_true(image.sections[0].executable && !image.sections[0].writable);
    assert_true(pe_image_lay_out(&image, good, good_size, memory, 0x7f0000000000u, &error));
    memcpy(&word, memory + 0x2000, 8);
    assert_int_equal(word, 0x7f0000001000u);
    assert_true(pe_image_bind(&image, memory, bind_all, &count, &error));
    assert_int_equal(count, 1);
    memcpy(&word, memory + 0x3060, 8);
    assert_int_equal(word, 0x1122334455667788u);
}

/* Bytes as GNU as 2.40 assembles them. */
static void instructions_are_decoded(void **state)
{
    static const uint8_t read_r9[] = {0x45, 0x0f, 0x20, 0xc1}, write_rdx[] = {0x44, 0x0f, 0x22, 0xc2},
                         read_cr0[] = {0x0f, 0x20, 0xc0, 0x90};
    static const uint8_t load_disp[16] = {0x4c, 0x8b, 0x40, 0x0c}, load_absolute[16] = {0x48, 0xa1},
                         load_sib[16] = {0x8b, 0x84, 0x24}, store[16] = {0x48, 0x89, 0x08};
    struct pe_cr8_move move;
    struct pe_load load;

    (void)state;
    assert_true(pe_trap_decode(read_r9, 4, &move) && !move.write && move.number == 9 && move.size == 4);
    assert_true(pe_trap_decode(write_rdx, 4, &move) && move.write && move.number == 2);
    assert_false(pe_trap_decode(read_cr0, 4, &move));
    assert_false(pe_trap_decode(read_r9, 3, &move));
    assert_true(pe_trap_decode_load(load_disp, 16, &load) && load.number == 8 && load.width == 8 && load.size == 4);
    assert_true(pe_trap_decode_load(load_absolute, 16, &load) && load.number == 0 && load.size == 10);
    assert_true(pe_trap_decode_load(load_sib, 16, &load) && load.number == 0 && load.width == 4 && load.size == 7);
    assert_false(pe_trap_decode_load(store, 16, &load));
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_driver_is_refused),
        cmocka_unit_test(what_is_damaged_inside_is_refused),
        cmocka_unit_test(a_good_file_is_moved_and_bound),
        cmocka_unit_test(instructions_are_decoded),
    };
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;

    if (file == NULL) {
        fprintf(stderr, "usage: %s plain.sys.bin\n", arguments[0]);
        return 2;
    }
    good_size = fread(good, 1, sizeof(good), file);
    fclose(file);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
