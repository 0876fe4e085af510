/* SPDX-License-Identifier: MIT */
/*
 * name_servers_test.c - who is believed: the setting, and resolv.conf(5) in the forms that people and programs write
 * it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "host/name_servers.h"

static struct name_servers servers;
static char path[] = "/tmp/name-servers-XXXXXX";

static bool believes(const char *text)
{
    uint8_t address[16] = {0};
    int version = inet_pton(AF_INET, text, address) == 1 ? 4 : 6;

    if (version == 6)
        assert_int_equal(inet_pton(AF_INET6, text, address), 1);
    return name_servers_believe(&servers, (uint8_t)version, address);
}

static void the_setting(void **state)
{
    static const char *const wrong[] = {"",
                                        " ",
                                        ",",
                                        "system any",
                                        "192.0.2",
                                        "192.0.2.1x",
                                        "none,none",
                                        "a.example",
                                        "192.0.2.1%eth0",
                                        "%eth0",
                                        "1::2::3",
                                        "SYSTEM",
                                        "192.0.2.1;192.0.2.2"};

    (void)state;
    servers.count = 77;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(name_servers_parse(wrong[i], path, &servers));
    assert_int_equal(servers.count, 77);
    assert_true(name_servers_parse("any", path, &servers) && believes("192.0.2.9") && believes("2001:db8::9"));
    assert_true(name_servers_parse("none", path, &servers) && !believes("192.0.2.9") && !believes("127.0.0.1"));
    assert_true(name_servers_parse("192.0.2.1, 2001:db8::1\tfe80::1%eth0 ::ffff:192.0.2.3", path, &servers));
    assert_true(believes("192.0.2.1") && believes("2001:db8::1") && believes("fe80::1"));
    assert_true(believes("192.0.2.3") && believes("::ffff:192.0.2.1"));
    assert_false(believes("192.0.2.2") || believes("::1") || believes("2001:db8::2"));
    assert_true(name_servers_parse("1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 "
                                   "1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1",
                                   path, &servers));
    assert_int_equal(servers.count, NAME_SERVERS_MAX);
    assert_false(name_servers_parse("1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 "
                                    "1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1",
                                    path, &servers));
}

static void put(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    servers.read = false; /* two changes within one tick of the file's clock are one */
}

static void the_file(void **state)
{
    (void)state;
    assert_true(name_servers_parse("system", path, &servers));
    put("# nameserver 192.0.2.1\n; nameserver 192.0.2.2\nsearch example.org\nnameserver 192.0.2.3\n"
        "nameserver\t2001:db8::1 # the other\nnameserver  fe80::1%eth0\r\nnameserver192.0.2.4\n nameserver 192.0.2.5\n"
        "nameserver nonsense\noptions edns0\nnameserver 192.0.2.6");
    assert_true(believes("192.0.2.3") && believes("2001:db8::1") && believes("fe80::1") && believes("192.0.2.6"));
    assert_false(believes("192.0.2.1") || believes("192.0.2.2") || believes("192.0.2.4") || believes("127.0.0.1"));
    put("nameserver 127.0.0.53\n");
    assert_true(believes("127.0.0.53") && !believes("192.0.2.3") && !believes("127.0.0.1"));
    put("search example.org\n");
    assert_true(believes("127.0.0.1") && believes("::1") && !believes("127.0.0.53"));
    unlink(path);
    servers.read = false;
    assert_true(believes("127.0.0.1") && !believes("192.0.2.3"));
}

/* Replaced by another file, as resolvers do it: seen without being told. */
static void another_file(void **state)
{
    char other[sizeof(path) + 4];

    (void)state;
    assert_true(name_servers_parse("system", path, &servers));
    put("nameserver 192.0.2.1\n");
    assert_true(believes("192.0.2.1"));
    snprintf(other, sizeof(other), "%s.new", path);
    FILE *file = fopen(other, "w");
    assert_non_null(file);
    fputs("nameserver 192.0.2.2\n", file);
    fclose(file);
    assert_int_equal(rename(other, path), 0);
    assert_true(believes("192.0.2.2") && !believes("192.0.2.1"));
    assert_int_equal(unlink(path), 0);
    assert_true(believes("127.0.0.1") && !believes("192.0.2.2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_setting),
        cmocka_unit_test(the_file),
        cmocka_unit_test(another_file),
    };
    int fd = mkstemp(path);

    if (fd >= 0)
        close(fd);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
