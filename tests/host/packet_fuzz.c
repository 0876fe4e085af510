/* SPDX-License-Identifier: MIT */
/*
 * packet_fuzz - any bytes into the packet parser.
 *
 * With clang -fsanitize=fuzzer it is a libFuzzer target; without, main replays files, and from each of them every cut
 * and every change of one byte. What must hold for any input: padding stays zero, an IPv4 address has no bytes after
 * its fourth, a mapped address never comes out as IPv6, and a longer packet gives the same answer.
 */
#include "host/packet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zero[12], mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct gate_tuple tuple, longer;
    uint8_t *copy;

    if (!packet_parse(data, size, &tuple))
        return 0;
    check(tuple.zero == 0);
    check(tuple.protocol == 6 || tuple.protocol == 17);
    check(tuple.ip_version == 4 || tuple.ip_version == 6);
    if (tuple.ip_version == 4)
        check(!memcmp(tuple.local_address + 4, zero, 12) && !memcmp(tuple.remote_address + 4, zero, 12));
    else
        check(memcmp(tuple.remote_address, mapped, sizeof(mapped)) != 0);
    copy = malloc(size + 1);
    check(copy != NULL);
    memcpy(copy, data, size);
    copy[size] = 0xa5;
    check(packet_parse(copy, size + 1, &longer) && !memcmp(&tuple, &longer, sizeof(tuple)));
    free(copy);
    return 0;
}

#ifndef PACKET_FUZZ_LIBRARY
static void replay(const uint8_t *data, size_t size)
{
    for (size_t cut = 0; cut <= size; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1);

        check(exact != NULL);
        memcpy(exact, data, cut);
        LLVMFuzzerTestOneInput(exact, cut);
        for (size_t i = 0; cut == size && i < cut; i++)
            for (unsigned value = 0; value < 256; value++) {
                exact[i] = (uint8_t)value;
                LLVMFuzzerTestOneInput(exact, cut);
                exact[i] = data[i];
            }
        free(exact);
    }
}

int main(int count, char **names)
{
    static uint8_t bytes[4096];

    for (int i = 1; i < count; i++) {
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
