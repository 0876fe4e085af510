/* SPDX-License-Identifier: MIT */
/*
 * wire_test.c - what is written is what is read, for random structures and for those at the bounds; and what a writer
 * never makes is refused.
 */
#include "fwpuclnt/wire.h"
#include "tests/fwpuclnt/objects.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ROUNDS 20000u

static UINT8 bytes[WIRE_ANSWER_MAX];
static _Alignas(8) UINT8 memory[WIRE_MEMORY_SIZE(WIRE_ANSWER_MAX)];

static UINT32 write_one(void (*codec)(struct wire *wire, void *object), void *object)
{
    struct wire wire;

    wire_writer(&wire, bytes, sizeof(bytes));
    codec(&wire, object);
    assert_int_equal(wire.failure, WIRE_FINE);
    return wire.at;
}

/* Reads size bytes, from an allocation of just that size, so that a sanitizer sees a step too far. */
static BOOLEAN read_one(void (*codec)(struct wire *wire, void *object), UINT32 size, void *object)
{
    UINT8 *exact = malloc(size == 0 ? 1 : size);
    struct wire wire;

    memcpy(exact, bytes, size);
    memset(memory, 0, WIRE_MEMORY_SIZE(size));
    wire_reader(&wire, exact, size, memory, WIRE_MEMORY_SIZE(size));
    codec(&wire, object);
    free(exact);
    return wire_complete(&wire);
}

#define STRUCTURE(type, name)                                                                                          \
    static void codec_##name(struct wire *wire, void *object)                                                          \
    {                                                                                                                  \
        wire_##name(wire, object);                                                                                     \
    }                                                                                                                  \
    static void check_##name(type *object)                                                                             \
    {                                                                                                                  \
        char *said = strdup(say_##name(object));                                                                       \
        UINT32 size = write_one(codec_##name, object);                                                                 \
        type read;                                                                                                     \
                                                                                                                       \
        memset(&read, 0, sizeof(read));                                                                                \
        assert_true(read_one(codec_##name, size, &read));                                                              \
        assert_string_equal(say_##name(&read), said);                                                                  \
        memset(&read, 0, sizeof(read));                                                                                \
        assert_false(read_one(codec_##name, size - 1, &read));                                                         \
        memset(&read, 0, sizeof(read));                                                                                \
        bytes[size] = 0;                                                                                               \
        assert_false(read_one(codec_##name, size + 1, &read));                                                         \
        free(said);                                                                                                    \
    }

STRUCTURE(FWPM_SESSION0, session)
STRUCTURE(FWPM_PROVIDER0, provider)
STRUCTURE(FWPM_SUBLAYER0, sublayer)
STRUCTURE(FWPM_FILTER0, filter)
STRUCTURE(FWPM_FILTER_ENUM_TEMPLATE0, template)

static void test_round_trip(void **state)
{
    (void)state;
    for (UINT32 seed = 1; seed <= ROUNDS; seed++) {
        FWPM_FILTER_ENUM_TEMPLATE0 wanted;
        FWPM_SUBLAYER0 sublayer;
        FWPM_PROVIDER0 provider;
        FWPM_SESSION0 session;
        FWPM_FILTER0 filter;

        objects_start(seed);
        random_filter(&filter, seed % 2 == 0);
        check_filter(&filter);
        random_template(&wanted);
        check_template(&wanted);
        random_sublayer(&sublayer);
        check_sublayer(&sublayer);
        random_provider(&provider);
        check_provider(&provider);
        random_session(&session);
        check_session(&session);
    }
}

/* Many of the items that grow most from bytes to structures: the memory that a call gets holds them all. */
static void test_memory_bound(void **state)
{
    static FWPM_FILTER_CONDITION0 conditions[WIRE_CONDITIONS_MAX];
    static FWP_RANGE0 range;
    static SID sid = {.Revision = 1};
    FWPM_FILTER0 filter = {.numFilterConditions = WIRE_CONDITIONS_MAX, .filterCondition = conditions};

    (void)state;
    range.valueLow.type = range.valueHigh.type = FWP_SID;
    range.valueLow.sid = range.valueHigh.sid = &sid;
    for (size_t i = 0; i < WIRE_CONDITIONS_MAX; i++) {
        conditions[i].conditionValue.type = FWP_RANGE_TYPE;
        conditions[i].conditionValue.rangeValue = &range;
    }
    check_filter(&filter);
    filter.numFilterConditions++;
    struct wire wire;
    wire_writer(&wire, bytes, sizeof(bytes));
    wire_filter(&wire, &filter);
    assert_int_equal(wire.failure, WIRE_OUT_OF_BOUNDS);
}

static void test_bounds(void **state)
{
    static wchar_t name[WIRE_STRING_MAX + 2];
    FWPM_PROVIDER0 provider = {.displayData.name = name};
    struct wire wire;

    (void)state;
    for (UINT32 i = 0; i < WIRE_STRING_MAX; i++)
        name[i] = L'n';
    check_provider(&provider);
    name[WIRE_STRING_MAX] = L'n';
    wire_writer(&wire, bytes, sizeof(bytes));
    wire_provider(&wire, &provider);
    assert_int_equal(wire.failure, WIRE_OUT_OF_BOUNDS);
    name[1] = 0;
    provider.providerData.size = 1;
    wire_writer(&wire, bytes, sizeof(bytes));
    wire_provider(&wire, &provider);
    assert_int_equal(wire.failure, WIRE_NULL);
    provider.providerData.size = 0;
    wire_writer(&wire, bytes, 20);
    wire_provider(&wire, &provider);
    assert_int_equal(wire.failure, WIRE_OUT_OF_BOUNDS);
    assert_true(wire.at <= 20);
}

/* What no writer makes. The offsets are those of docs/protocol.md: a key of 16 bytes, then the name. */
static void test_damage(void **state)
{
    wchar_t name[] = L"ab";
    FWPM_PROVIDER0 provider = {.displayData.name = name}, read;
    UINT32 size = write_one(codec_provider, &provider);
    UINT8 good[128];
    static const struct {
        UINT32 at;
        UINT8 value;
    } cases[] = {{16, 2}, {16, 255}, {17, 3}, {19, 1}, {20, 255}, {21, 0}, {25, 7}};

    (void)state;
    assert_true(size <= sizeof(good));
    memcpy(good, bytes, size);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(bytes, good, size);
        bytes[cases[i].at] = cases[i].value;
        if (cases[i].at == 21)
            bytes[22] = 0; /* a NUL inside the string */
        memset(&read, 0, sizeof(read));
        assert_false(read_one(codec_provider, size, &read));
    }
    memcpy(bytes, good, size);
    memset(&read, 0, sizeof(read));
    assert_true(read_one(codec_provider, size, &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_memory_bound),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
