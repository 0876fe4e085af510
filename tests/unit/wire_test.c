/* SPDX-License-Identifier: MIT */
/*
 * wire_test.c - core/wire_encode against a field-by-field writer, core/wire_decode with every kind of bad input.
 */
#include "core_test.h"

#include "core/wire_decode.h"
#include "core/wire_encode.h"

static void put(uint8_t *out, size_t offset, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[offset + i] = (uint8_t)(value >> (8 * i));
}

/* protocol.h as a list of offsets. */
static size_t oracle(const struct wire_request *r, uint8_t *out)
{
    const struct connection *c = r->connection;
    size_t size = (176u + r->path_size + r->name_size + 7u) / 8u * 8u;

    memset(out, 0, size);
    put(out, 0, size, 4);
    put(out, 4, r->path_size, 2);
    put(out, 6, c->ip_version, 1);
    put(out, 7, c->protocol, 1);
    put(out, 8, r->id, 8);
    put(out, 16, c->process_id, 8);
    put(out, 24, c->process_start, 8);
    put(out, 32, c->endpoint, 8);
    put(out, 40, c->held_at, 8);
    put(out, 48, c->deadline, 8);
    memcpy(out + 56, c->local_address, 16);
    memcpy(out + 72, c->remote_address, 16);
    put(out, 88, c->local_port, 2);
    put(out, 90, c->remote_port, 2);
    put(out, 92, c->flags, 4);
    put(out, 96, c->interface_index, 4);
    put(out, 100, c->layer, 2);
    put(out, 102, c->user_sid_size, 2);
    memcpy(out + 104, c->user_sid, c->user_sid_size);
    put(out, 172, r->name_size, 2);
    memcpy(out + 176, r->path, r->path_size);
    memcpy(out + 176 + r->path_size, r->name, r->name_size);
    return size;
}

static void requests_are_laid_out(void **state)
{
    (void)state;
    for (int step = 0; step < 2000; step++) {
        uint8_t path[300], name[GATEHOUSE_NAME_MAX], expected[800], actual[801];
        struct connection c;
        struct wire_request r = {step * 77ull, &c, path, (uint16_t)test_random(300), (uint16_t)test_random(254), name};
        size_t size;

        for (size_t i = 0; i < sizeof(c); i++)
            ((uint8_t *)&c)[i] = (uint8_t)test_random(256);
        for (size_t i = 0; i < sizeof(path); i++)
            path[i] = (uint8_t)test_random(256);
        for (size_t i = 0; i < sizeof(name); i++)
            name[i] = (uint8_t)test_random(256);
        c.user_sid_size = (uint16_t)test_random(GATEHOUSE_SID_MAX + 1);
        memset(actual, 0xA5, sizeof(actual));
        size = oracle(&r, expected);
        assert_int_equal(wire_request_size(&r), size);
        wire_encode_request(&r, actual + 1); /* unaligned on purpose */
        assert_memory_equal(actual + 1, expected, size);
        assert_true(size + 1 == sizeof(actual) || actual[size + 1] == 0xA5);
    }
}

static void seed_request_is_the_articles(void **state)
{
    struct connection c = {.process_id = 4711, .remote_address = {192, 168, 1, 2}, .remote_port = 443};
    struct wire_request r = {99, &c, NULL, 0, 0, NULL};
    USER_CLASSIFY_REQUEST out;

    (void)state;
    memset(&out, 0xFF, sizeof(out));
    wire_encode_seed_request(&r, &out);
    assert_int_equal(out.RequestId, 99);
    assert_int_equal(out.ProcessId, 4711);
    assert_int_equal(out.RemoteAddressV4, 0xC0A80102u);
    assert_int_equal(out.RemotePort, 443);
    assert_int_equal(out.Reserved, 0);
}

static void hello_and_policy_are_checked(void **state)
{
    struct gatehouse_hello hello = {1, GATEHOUSE_ROLE_DECIDER, 0}, out = {7, 7, 7};
    struct gatehouse_policy policy = {1, 60000, GATEHOUSE_VERDICT_BLOCK, 0, 0}, policy_out;

    (void)state;
    assert_int_equal(wire_decode_hello(&hello, 15, &out), GATEHOUSE_E_SHORT_INPUT);
    assert_int_equal(wire_decode_hello(&hello, 17, &out), GATEHOUSE_E_LONG_INPUT);
    hello.version = 2;
    assert_int_equal(wire_decode_hello(&hello, 16, &out), GATEHOUSE_E_BAD_VERSION);
    hello.version = 1;
    hello.reserved = 1;
    assert_int_equal(wire_decode_hello(&hello, 16, &out), GATEHOUSE_E_RESERVED);
    hello.reserved = 0;
    hello.role = 3;
    assert_int_equal(wire_decode_hello(&hello, 16, &out), GATEHOUSE_E_BAD_ROLE);
    assert_int_equal(out.version, 7); /* untouched so far */
    hello.role = GATEHOUSE_ROLE_OBSERVER;
    assert_int_equal(wire_decode_hello(&hello, 16, &out), 0);
    assert_int_equal(out.role, GATEHOUSE_ROLE_OBSERVER);

    assert_int_equal(wire_decode_policy(&policy, sizeof(policy), &policy_out), 0);
    const struct {
        uint32_t deadline, undecided, no_decider;
    } bad[] = {{99, 2, 0}, {120001, 2, 0}, {60000, 0, 0}, {60000, 3, 0}, {60000, 2, 3}, {0xFFFFFFFF, 2, 0}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct gatehouse_policy p = {1, bad[i].deadline, bad[i].undecided, bad[i].no_decider, 0};
        assert_int_equal(wire_decode_policy(&p, sizeof(p), &policy_out), GATEHOUSE_E_BAD_SETTING);
    }
    assert_int_equal(policy_out.deadline_ms, 60000);
}

static void decisions_are_checked(void **state)
{
    uint8_t buffer[8 + 24 * 3 + 8];
    struct gatehouse_decisions header = {1, 3};
    uint32_t count = 77;

    (void)state;
    memset(buffer, 0, sizeof(buffer));
    memcpy(buffer, &header, sizeof(header));
    for (size_t size = 0; size <= sizeof(buffer); size++) {
        uint32_t expected = size < 80 ? GATEHOUSE_E_SHORT_INPUT : size == 80 ? 0 : GATEHOUSE_E_LONG_INPUT;
        assert_int_equal(wire_decode_decisions(buffer, size, &count), expected);
    }
    assert_int_equal(count, 3);
    const uint32_t counts[] = {0, 1025, 0x0AAAAAAB, 0x80000000u, 0xFFFFFFFFu};
    for (size_t i = 0; i < 5; i++) {
        header.count = counts[i];
        memcpy(buffer, &header, sizeof(header));
        assert_int_equal(wire_decode_decisions(buffer, 80, &count), GATEHOUSE_E_BAD_COUNT);
    }
    const struct {
        struct gatehouse_decision decision;
        uint32_t status;
    } rows[] = {
        {{1, 1, 0, 0, 0}, 0},
        {{1, 2, 1, 0, 0}, 0},
        {{1, 2, 2, 5000, 0}, 0},
        {{1, 0, 0, 0, 0}, GATEHOUSE_E_BAD_VERDICT},
        {{1, 3, 0, 0, 0}, GATEHOUSE_E_BAD_VERDICT},
        {{1, 1, 3, 0, 0}, 0},
        {{1, 1, 4, 0, 2}, 0},
        {{1, 1, 5, 0, 0}, GATEHOUSE_E_BAD_SCOPE},
        {{1, 1, 0, 1, 0}, GATEHOUSE_E_BAD_LIFETIME},
        {{1, 1, 0, 0, 1}, GATEHOUSE_E_BAD_LIFETIME},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct gatehouse_decision out = {0};
        memcpy(buffer + 8 + 24, &rows[i].decision, 24);
        assert_int_equal(wire_decode_decision(buffer, 1, &out), rows[i].status);
        assert_int_equal(out.id, rows[i].status == 0);
    }
}

/* A record after protocol.h's words; returns its size. */
static size_t put_name(uint8_t *out, const char *path, const char *name, uint8_t ip_version)
{
    struct gatehouse_name record = {0, 1000, (uint16_t)strlen(path), (uint16_t)strlen(name), ip_version, {0}, {10}};

    record.size = (uint32_t)(32 + record.path_size + record.name_size + 7) / 8 * 8;
    memset(out, 0, record.size);
    memcpy(out, &record, sizeof(record));
    memcpy(out + 32, path, record.path_size);
    memcpy(out + 32 + record.path_size, name, record.name_size);
    return record.size;
}

static void names_are_checked(void **state)
{
    const struct gatehouse_names header = {1, 3};
    uint8_t good[400] = {0}, bad[400];
    size_t size = sizeof(header), second, offset = 0;
    struct wire_name name;
    uint32_t count = 0;

    (void)state;
    memcpy(good, &header, sizeof(header));
    size += put_name(good + size, "/a/pp.", "Example.org", 4);
    second = size;
    size += put_name(good + size, "", "b.example", 6);
    size += put_name(good + size, "", "c", 6);
    for (size_t some = 0; some <= size + 8; some++) {
        uint32_t expected = some < size ? GATEHOUSE_E_SHORT_INPUT : some == size ? 0 : GATEHOUSE_E_LONG_INPUT;

        assert_int_equal(wire_decode_names(good, some, &count), expected);
        assert_int_equal(count, some < size ? 0 : 3);
    }
    wire_decode_name(good, &offset, &name);
    assert_int_equal(offset, second);
    assert_true(name.path_size == 6 && memcmp(name.path, "/a/pp.", 6) == 0 && name.ip_version == 4);
    assert_true(name.name_size == 11 && memcmp(name.name, "Example.org", 11) == 0 && name.ttl_ms == 1000);
    wire_decode_name(good, &offset, &name);
    wire_decode_name(good, &offset, &name);
    assert_true(offset == size && name.name_size == 1 && *name.name == 'c' && name.address[0] == 10);

    const struct {
        size_t at;
        uint8_t value;
        uint32_t status;
    } rows[] = {
        {0, 2, GATEHOUSE_E_BAD_VERSION},
        {4, 0, GATEHOUSE_E_BAD_COUNT},
        {5, 2, GATEHOUSE_E_BAD_COUNT},
        {4, 2, GATEHOUSE_E_LONG_INPUT},
        {4, 4, GATEHOUSE_E_SHORT_INPUT},
        {8, 48, GATEHOUSE_E_SHORT_INPUT},
        {8, 64, GATEHOUSE_E_LONG_INPUT},
        {8 + 3, 255, GATEHOUSE_E_LONG_INPUT},
        {8 + 8, 7, GATEHOUSE_E_BAD_NAME},
        {8 + 10, 0, GATEHOUSE_E_LONG_INPUT},
        {8 + 10, 12, GATEHOUSE_E_BAD_NAME},
        {8 + 11, 255, GATEHOUSE_E_SHORT_INPUT},
        {8 + 12, 5, GATEHOUSE_E_BAD_NAME},
        {8 + 13, 1, GATEHOUSE_E_RESERVED},
        {8 + 15, 1, GATEHOUSE_E_RESERVED},
        {8 + 20, 1, GATEHOUSE_E_BAD_NAME},
        {8 + 31, 1, GATEHOUSE_E_BAD_NAME},
        {8 + 38, '.', GATEHOUSE_E_BAD_NAME},
        {8 + 39, ' ', GATEHOUSE_E_BAD_NAME},
        {second - 1, 1, GATEHOUSE_E_RESERVED},
        {second + 12, 4, GATEHOUSE_E_BAD_NAME /* below: a byte behind the fourth */},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memcpy(bad, good, sizeof(bad));
        bad[rows[i].at] = rows[i].value;
        if (rows[i].at == second + 12)
            bad[second + 16 + 4] = 1;
        count = 77;
        if (wire_decode_names(bad, size, &count) != rows[i].status)
            fail_msg("byte %zu as %u: not %08x", rows[i].at, rows[i].value, rows[i].status);
        assert_int_equal(count, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(requests_are_laid_out),
                                       cmocka_unit_test(seed_request_is_the_articles),
                                       cmocka_unit_test(hello_and_policy_are_checked),
                                       cmocka_unit_test(decisions_are_checked), cmocka_unit_test(names_are_checked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
