/* SPDX-License-Identifier: MIT */
/*
 * packet_test - the packet parser against packets made by hand from RFC 791, 8200, 4302 and 4291.
 *
 * Every packet is given in a heap block of exactly its size, so that a sanitizer sees a byte read too far, and every
 * shorter cut of it must be refused or give the same tuple.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "host/packet.h"

struct packet {
    uint8_t bytes[1024];
    size_t size;
};

static void add(struct packet *packet, const void *bytes, size_t size)
{
    memcpy(packet->bytes + packet->size, bytes, size);
    packet->size += size;
}

static struct packet ipv4(uint8_t protocol, uint8_t words)
{
    struct packet packet = {.size = (size_t)words * 4};

    packet.bytes[0] = (uint8_t)(0x40 | words);
    packet.bytes[9] = protocol;
    memcpy(packet.bytes + 12, "\x0a\x00\x00\x01", 4);
    memcpy(packet.bytes + 16, "\x0a\x00\x00\x02", 4);
    return packet;
}

static struct packet ipv6(uint8_t next, const char *remote)
{
    struct packet packet = {.size = 40};

    packet.bytes[0] = 0x60;
    packet.bytes[6] = next;
    inet_pton(AF_INET6, "fd00::1", packet.bytes + 8);
    inet_pton(AF_INET6, remote, packet.bytes + 24);
    return packet;
}

static void add_ports(struct packet *packet)
{
    add(packet, "\x12\x34\x00\x50", 4);
}

static bool parse(const struct packet *packet, size_t size, struct gate_tuple *tuple)
{
    uint8_t *exact = malloc(size ? size : 1);
    bool found;

    assert_non_null(exact);
    memcpy(exact, packet->bytes, size);
    found = packet_parse(exact, size, tuple);
    free(exact);
    return found;
}

static void expect(const struct packet *packet, int version, int protocol, const char *local, const char *remote)
{
    struct gate_tuple tuple, wanted = {.local_port = htons(0x1234),
                                       .remote_port = htons(0x50),
                                       .protocol = (uint8_t)protocol,
                                       .ip_version = (uint8_t)version};

    inet_pton(version == 4 ? AF_INET : AF_INET6, local, wanted.local_address);
    inet_pton(version == 4 ? AF_INET : AF_INET6, remote, wanted.remote_address);
    assert_true(parse(packet, packet->size, &tuple));
    assert_memory_equal(&tuple, &wanted, sizeof(tuple));
    for (size_t size = 0; size < packet->size; size++) {
        struct gate_tuple untouched;

        memset(&tuple, 0x5a, sizeof(tuple));
        memset(&untouched, 0x5a, sizeof(untouched));
        assert_false(parse(packet, size, &tuple));
        assert_memory_equal(&tuple, &untouched, sizeof(tuple));
    }
}

static void refuse(const struct packet *packet)
{
    struct gate_tuple tuple;

    assert_false(parse(packet, packet->size, &tuple));
}

static void test_ipv4(void **state)
{
    (void)state;
    for (uint8_t words = 5; words <= 15; words++) {
        struct packet tcp = ipv4(6, words), udp = ipv4(17, words);

        add_ports(&tcp);
        add_ports(&udp);
        expect(&tcp, 4, 6, "10.0.0.1", "10.0.0.2");
        expect(&udp, 4, 17, "10.0.0.1", "10.0.0.2");
    }
}

static void test_ipv4_refused(void **state)
{
    (void)state;
    struct packet short_header = ipv4(6, 5), fragment = ipv4(17, 5), last = ipv4(17, 5), icmp = ipv4(1, 5),
                  version = ipv4(6, 5);

    short_header.bytes[0] = 0x44;
    fragment.bytes[6] = 0x20;
    fragment.bytes[7] = 1;
    last.bytes[6] = 1;
    version.bytes[0] = 0x55;
    add_ports(&short_header);
    add_ports(&fragment);
    add_ports(&last);
    add_ports(&icmp);
    add_ports(&version);
    refuse(&short_header);
    refuse(&fragment);
    refuse(&last);
    refuse(&icmp);
    refuse(&version);
}

static void test_ipv4_first_fragment(void **state)
{
    (void)state;
    struct packet packet = ipv4(17, 5);

    packet.bytes[6] = 0x60; /* don't fragment, more fragments: offset is zero */
    add_ports(&packet);
    expect(&packet, 4, 17, "10.0.0.1", "10.0.0.2");
}

static void test_ipv6(void **state)
{
    (void)state;
    struct packet tcp = ipv6(6, "fd00::2"), udp = ipv6(17, "fd00::2");

    add_ports(&tcp);
    add_ports(&udp);
    expect(&tcp, 6, 6, "fd00::1", "fd00::2");
    expect(&udp, 6, 17, "fd00::1", "fd00::2");
}

static void test_ipv6_extensions(void **state)
{
    (void)state;
    uint8_t hop[16] = {43, 1}, routing[8] = {60, 0}, destination[8] = {44, 0}, fragment[8] = {51, 0, 0, 1},
            authentication[24] = {6, 4};
    struct packet packet = ipv6(0, "fd00::2");

    add(&packet, hop, sizeof(hop));
    add(&packet, routing, sizeof(routing));
    add(&packet, destination, sizeof(destination));
    add(&packet, fragment, sizeof(fragment));
    add(&packet, authentication, sizeof(authentication));
    add_ports(&packet);
    expect(&packet, 6, 6, "fd00::1", "fd00::2");
}

static void test_ipv6_extensions_refused(void **state)
{
    (void)state;
    uint8_t later[8] = {17, 0, 0, 8}, far[8] = {17, 0, 1, 0}, option[8] = {60, 0}, last[8] = {17, 0}, big[8] = {17, 25};
    struct packet fragment = ipv6(44, "fd00::2"), distant = ipv6(44, "fd00::2"), none = ipv6(59, "fd00::2"),
                  icmp = ipv6(58, "fd00::2"), many = ipv6(60, "fd00::2"), long_one = ipv6(60, "fd00::2");

    add(&fragment, later, sizeof(later));
    add_ports(&fragment);
    refuse(&fragment);
    add(&distant, far, sizeof(far));
    add_ports(&distant);
    refuse(&distant);
    add_ports(&none);
    refuse(&none);
    add(&icmp, "\x80\0\0\0\0\0\0\0", 8);
    refuse(&icmp);
    for (int i = 0; i < GATE_EXTENSIONS_MAX; i++)
        add(&many, option, sizeof(option));
    add(&many, last, sizeof(last));
    add_ports(&many);
    refuse(&many);
    add(&long_one, big, sizeof(big));
    long_one.size += 25 * 8;
    add_ports(&long_one);
    refuse(&long_one);
}

static void test_ipv6_most_extensions(void **state)
{
    (void)state;
    uint8_t option[8] = {60, 0}, last[8] = {17, 0};
    struct packet packet = ipv6(60, "fd00::2");

    for (int i = 0; i < GATE_EXTENSIONS_MAX - 1; i++)
        add(&packet, option, sizeof(option));
    add(&packet, last, sizeof(last));
    add_ports(&packet);
    expect(&packet, 6, 17, "fd00::1", "fd00::2");
}

static void test_mapped_is_ipv4(void **state)
{
    (void)state;
    struct packet packet = ipv6(6, "::ffff:10.0.0.2");

    inet_pton(AF_INET6, "::ffff:10.0.0.1", packet.bytes + 8);
    add_ports(&packet);
    expect(&packet, 4, 6, "10.0.0.1", "10.0.0.2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv4_refused),
        cmocka_unit_test(test_ipv4_first_fragment),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_ipv6_extensions),
        cmocka_unit_test(test_ipv6_extensions_refused),
        cmocka_unit_test(test_ipv6_most_extensions),
        cmocka_unit_test(test_mapped_is_ipv4),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
