/* SPDX-License-Identifier: MIT */
/*
 * wire_fuzz - any bytes as structures, and as calls of a client.
 *
 * The input's first byte says what the rest is: 0 to 4 a structure, 5 a row of calls (each: its length in two bytes,
 * low byte first, then its bytes) to a server on the engine, behind an open that makes session 1. With clang
 * -fsanitize=fuzzer it is a libFuzzer target; without, main replays files, and from each of them every cut and
 * changes of every byte. `wire_fuzz --make FOLDER` writes seeds. What must hold for any input: no step outside a
 * buffer; what is read whole writes back to the same bytes; an answer has a head and fits; the end of the client leaves
 * nothing of a dynamic session or a transaction, and no memory.
 */
#include "fwpuclnt/server.h"
#include "fwpuclnt/wire.h"
#include "tests/fwpuclnt/objects.h"
#include "tests/fwpuclnt/server_here.h"
#include "wfp/ale.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALLS_KIND 5u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

union any {
    FWPM_FILTER0 filter;
    FWPM_PROVIDER0 provider;
    FWPM_SUBLAYER0 sublayer;
    FWPM_SESSION0 session;
    FWPM_FILTER_ENUM_TEMPLATE0 wanted;
};

static void codec(struct wire *wire, unsigned kind, union any *any)
{
    switch (kind) {
    case 0:
        wire_filter(wire, &any->filter);
        break;
    case 1:
        wire_provider(wire, &any->provider);
        break;
    case 2:
        wire_sublayer(wire, &any->sublayer);
        break;
    case 3:
        wire_session(wire, &any->session);
        break;
    default:
        wire_template(wire, &any->wanted);
        break;
    }
}

static void try_structure(unsigned kind, const uint8_t *data, UINT32 size)
{
    void *memory = calloc(1, WIRE_MEMORY_SIZE(size));
    uint8_t *again = malloc(size + 1u);
    struct wire reader, writer;
    union any any;

    check(memory != NULL && again != NULL);
    memset(&any, 0, sizeof(any));
    wire_reader(&reader, data, size, memory, WIRE_MEMORY_SIZE(size));
    codec(&reader, kind, &any);
    if (wire_complete(&reader)) {
        wire_writer(&writer, again, size + 1u);
        codec(&writer, kind, &any);
        check(writer.failure == WIRE_FINE && writer.at == size && memcmp(again, data, size) == 0);
    }
    free(again);
    free(memory);
}

static void try_calls(const uint8_t *data, size_t size)
{
    static const uint8_t open[] = {1, 0, 0, 0, 1, 0, 0, 0, 10, 0, 0, 0, 0};
    static uint8_t answer[WIRE_ANSWER_MAX];
    struct wfp_counts counts;
    UINT32 length;

    server_here_start();
    check(server_here_call(open, sizeof(open), answer, sizeof(answer)) == 12);
    while (size >= 2) {
        size_t call = (size_t)data[0] | (size_t)data[1] << 8;

        data += 2;
        size -= 2;
        if (call > size)
            call = size;
        uint8_t *exact = malloc(call + 1);
        check(exact != NULL);
        memcpy(exact, data, call);
        length = server_here_call(exact, (UINT32)call, answer, sizeof(answer));
        check(length >= 8 && length <= sizeof(answer));
        free(exact);
        data += call;
        size -= call;
    }
    server_here_stop();
    wfp_count(&counts);
    check(counts.sessions == 0);
    wfp_reset();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > WIRE_CALL_MAX)
        return 0;
    if (data[0] < CALLS_KIND)
        try_structure(data[0], data + 1, (UINT32)size - 1);
    else if (data[0] == CALLS_KIND)
        try_calls(data + 1, size - 1);
    return 0;
}

#ifndef WIRE_FUZZ_LIBRARY
static void replay(const uint8_t *data, size_t size)
{
    static const uint8_t changes[] = {0x01, 0x02, 0x80, 0xFF};

    for (size_t cut = 0; cut <= size; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1);

        check(exact != NULL);
        memcpy(exact, data, cut);
        LLVMFuzzerTestOneInput(exact, cut);
        for (size_t i = 1; cut == size && i < cut; i++)
            for (size_t change = 0; change < sizeof(changes); change++) {
                exact[i] = data[i] ^ changes[change];
                LLVMFuzzerTestOneInput(exact, cut);
                exact[i] = data[i];
            }
        free(exact);
    }
}

/* --- Seeds --------------------------------------------------------------------------------- */

static uint8_t seed[65536];
static size_t seed_size;

static void save(const char *folder, const char *name)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s.bin", folder, name);
    file = fopen(path, "wb");
    check(file != NULL && fwrite(seed, 1, seed_size, file) == seed_size && fclose(file) == 0);
}

/* Appends one call of session 1; structure 5: the number alone. */
static void put_call(UINT32 number, unsigned kind, union any *any, UINT32 value, UINT32 values)
{
    UINT32 version = WIRE_VERSION, session = 1;
    struct wire wire;

    wire_writer(&wire, seed + seed_size + 2, 8000);
    wire_u32(&wire, &version);
    wire_u32(&wire, &number);
    wire_u32(&wire, &session);
    if (any != NULL)
        codec(&wire, kind, any);
    for (UINT32 i = 0; i < values; i++)
        wire_u32(&wire, &value);
    check(wire.failure == WIRE_FINE);
    seed[seed_size] = (uint8_t)wire.at;
    seed[seed_size + 1] = (uint8_t)(wire.at >> 8);
    seed_size += 2 + wire.at;
}

static void make_structures(const char *folder)
{
    static const char *const names[] = {"filter", "provider", "sublayer", "session", "template"};
    union any any;

    for (unsigned i = 0; i < 15; i++) {
        struct wire wire;
        char name[32];

        objects_start(i + 100);
        memset(&any, 0, sizeof(any));
        if (i % 5 == 0)
            random_filter(&any.filter, i < 10);
        else if (i % 5 == 1)
            random_provider(&any.provider);
        else if (i % 5 == 2)
            random_sublayer(&any.sublayer);
        else if (i % 5 == 3)
            random_session(&any.session);
        else
            random_template(&any.wanted);
        wire_writer(&wire, seed + 1, sizeof(seed) - 1);
        codec(&wire, i % 5, &any);
        seed[0] = (uint8_t)(i % 5);
        seed_size = wire.at + 1;
        snprintf(name, sizeof(name), "%s%u", names[i % 5], i / 5);
        save(folder, name);
    }
}

static void make_calls(const char *folder)
{
    static const UINT32 key[4] = {1, 1, 1, 1}; /* as put_call writes it */
    wchar_t name[] = L"s";
    union any any;

    memset(&any, 0, sizeof(any));
    any.filter.displayData.name = name;
    any.filter.layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4;
    any.filter.action.type = FWP_ACTION_BLOCK;
    seed[0] = CALLS_KIND;
    seed_size = 1;
    put_call(WIRE_TRANSACTION_BEGIN, 0, NULL, 0, 1);
    put_call(WIRE_FILTER_ADD, 0, &any, 0, 0);
    put_call(WIRE_TRANSACTION_COMMIT, 0, NULL, 0, 0);
    put_call(WIRE_FILTER_ENUM_CREATE, 0, NULL, 0, 0);
    seed[seed_size - 14]++; /* and no template: one byte more */
    seed[seed_size++] = 0;
    put_call(WIRE_FILTER_ENUM, 0, NULL, 2, 2);
    put_call(WIRE_FILTER_ENUM_DESTROY, 0, NULL, 2, 1);
    put_call(WIRE_FILTER_DELETE_BY_ID, 0, NULL, 2, 2);
    put_call(WIRE_ENGINE_CLOSE, 0, NULL, 0, 0);
    save(folder, "calls_filter");
    memset(&any, 0, sizeof(any));
    any.provider.displayData.name = name;
    memcpy(&any.provider.providerKey, key, sizeof(key));
    seed_size = 1;
    put_call(WIRE_PROVIDER_ADD, 1, &any, 0, 0);
    put_call(WIRE_PROVIDER_GET, 0, NULL, 1, 4);
    memset(&any, 0, sizeof(any));
    any.sublayer.displayData.name = name;
    memcpy(&any.sublayer.subLayerKey, key, sizeof(key));
    put_call(WIRE_SUBLAYER_ADD, 2, &any, 0, 0);
    put_call(WIRE_SUBLAYER_GET, 0, NULL, 1, 4);
    put_call(WIRE_SUBLAYER_DELETE, 0, NULL, 1, 4);
    put_call(WIRE_PROVIDER_DELETE, 0, NULL, 1, 4);
    put_call(WIRE_FILTER_GET_BY_KEY, 0, NULL, 1, 4);
    put_call(WIRE_FILTER_DELETE_BY_KEY, 0, NULL, 1, 4);
    put_call(WIRE_FILTER_GET_BY_ID, 0, NULL, 1, 2);
    put_call(WIRE_TRANSACTION_BEGIN, 0, NULL, 1, 1);
    put_call(WIRE_TRANSACTION_ABORT, 0, NULL, 0, 0);
    save(folder, "calls_objects");
}

int main(int count, char **names)
{
    if (count == 3 && strcmp(names[1], "--make") == 0) {
        make_structures(names[2]);
        make_calls(names[2]);
        return 0;
    }
    for (int i = 1; i < count; i++) {
        static uint8_t bytes[65536];
        FILE *file = fopen(names[i], "rb");
        size_t size;

        if (!file) {
            fprintf(stderr, "cannot read %s\n", names[i]);
            return 1;
        }
        size = fread(bytes, 1, sizeof(bytes), file);
        fclose(file);
        replay(bytes, size);
    }
    printf("%d seeds replayed\n", count - 1);
    return count > 1 ? 0 : 1;
}
#endif
