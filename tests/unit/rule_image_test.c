/* SPDX-License-Identifier: MIT */
/*
 * rule_image_test.c - core/rule_image: a good image is read back as it was written; each single wrong thing is refused
 * with its reason; what changes an id and what does not; random damage is found.
 */
#include "core_test.h"

#include "core/rule_image.h"

#include "gatehouse/rules.h"

/* The image under construction: records as the header has them, written plainly. */
static _Alignas(8) uint8_t image[65536];
static size_t size;
static size_t rule_at, part_at;

static struct gatehouse_rules_image *header(void)
{
    return (struct gatehouse_rules_image *)(void *)image;
}

static struct gatehouse_rule *rule(void)
{
    return (struct gatehouse_rule *)(void *)(image + rule_at);
}

static struct gatehouse_rule_part *part(void)
{
    return (struct gatehouse_rule_part *)(void *)(image + part_at);
}

static void begin(void)
{
    memset(image, 0, sizeof(image));
    size = sizeof(struct gatehouse_rules_image);
    header()->magic = GATEHOUSE_RULES_MAGIC;
    header()->version = GATEHOUSE_RULES_VERSION;
}

static void put_set(uint16_t kind, const void *ranges, uint32_t count, size_t bytes)
{
    struct gatehouse_set *set = (struct gatehouse_set *)(void *)(image + size);

    set->kind = kind;
    set->count = count;
    memcpy(set + 1, ranges, bytes);
    set->size = (uint32_t)(sizeof(*set) + bytes + 7) / 8 * 8;
    size += set->size;
    header()->set_count++;
}

static void put_rule(uint8_t action, uint8_t direction, uint64_t id)
{
    rule_at = size;
    rule()->size = sizeof(struct gatehouse_rule);
    rule()->action = action;
    rule()->direction = direction;
    rule()->id = id;
    size += rule()->size;
    header()->rule_count++;
}

static void put_part(uint16_t type, const void *data, uint16_t data_size)
{
    part_at = size;
    part()->type = type;
    part()->data_size = data_size;
    memcpy(part() + 1, data, data_size);
    part()->size = (uint32_t)(sizeof(struct gatehouse_rule_part) + data_size + 7) / 8 * 8;
    size += part()->size;
    rule()->size += part()->size;
    rule()->part_count++;
}

static void put_set_part(uint16_t type, uint32_t number)
{
    const uint32_t data[2] = {number, 0};

    put_part(type, data, sizeof(data));
}

static void finish(void)
{
    header()->size = (uint32_t)size;
    header()->check = rule_image_sum(image, size);
}

static const struct gatehouse_range_v4 lan4[] = {{0x0A000000, 0x0AFFFFFF}, {0xC0A80000, 0xC0A8FFFF}};
static const struct gatehouse_range_v6 lan6[] = {{{0xfd}, {0xfd, 255}}};
static const struct gatehouse_range_port web[] = {{80, 80}, {443, 443}, {8000, 8999}};
static const uint8_t sid[] = {1, 2, 0, 0, 0, 0, 0, 22, 1, 0, 0, 0, 0xe8, 3, 0, 0};

/* Three sets, three rules. */
static void good(void)
{
    const uint8_t tcp = 6, icmp = 1, echo = 8;

    begin();
    put_set(GATEHOUSE_SET_V4, lan4, 2, sizeof(lan4));
    put_set(GATEHOUSE_SET_V6, lan6, 1, sizeof(lan6));
    put_set(GATEHOUSE_SET_PORT, web, 3, sizeof(web));
    put_rule(GATEHOUSE_RULE_BLOCK, GATEHOUSE_RULE_IN, 2);
    put_part(GATEHOUSE_PART_PROTOCOL, &icmp, 1);
    put_part(GATEHOUSE_PART_ICMP_TYPE, &echo, 1);
    put_rule(GATEHOUSE_RULE_ASK, GATEHOUSE_RULE_OUT, 3);
    put_rule(GATEHOUSE_RULE_PERMIT, GATEHOUSE_RULE_OUT, 1);
    put_part(GATEHOUSE_PART_PROGRAM, u"/bin/a", 12);
    put_part(GATEHOUSE_PART_USER, sid, sizeof(sid));
    put_part(GATEHOUSE_PART_PROTOCOL, &tcp, 1);
    put_set_part(GATEHOUSE_PART_REMOTE, 0);
    put_set_part(GATEHOUSE_PART_REMOTE, 1);
    put_set_part(GATEHOUSE_PART_REMOTE_PORT, 2);
    put_part(GATEHOUSE_PART_TEXT, "permit", 6);
    finish();
}

static void assert_refused(const char *reason)
{
    struct rule_image_fault fault = {0, 0, NULL};

    if (rule_image_check(image, size, false, &fault))
        fail_msg("not refused: %s", reason);
    if (strstr(fault.reason, reason) == NULL)
        fail_msg("expected: %s; found: %s", reason, fault.reason);
    assert_false(rule_image_check(image, size, false, NULL));
}

/* Changes one thing in the good image, puts the check value right, and wants this refusal. */
#define REFUSED(change, reason)                                                                                        \
    do {                                                                                                               \
        good();                                                                                                        \
        change;                                                                                                        \
        header()->check = rule_image_sum(image, size);                                                                 \
        assert_refused(reason);                                                                                        \
    } while (0)

static void read_back(void **state)
{
    const struct gatehouse_set *set;
    const struct gatehouse_rule *r;
    const struct gatehouse_rule_part *p;

    (void)state;
    good();
    assert_true(rule_image_check(image, size, false, NULL));
    set = rule_image_set(image, 0);
    assert_int_equal(set->kind, GATEHOUSE_SET_V4);
    assert_int_equal(set_ranges_v4(set)[1].low, 0xC0A80000);
    set = rule_image_next_set(image, set);
    assert_int_equal(set_ranges_v6(set)[0].high[1], 255);
    assert_ptr_equal(rule_image_next_set(image, set), rule_image_set(image, 2));
    assert_int_equal(set_ranges_port(rule_image_set(image, 2))[2].high, 8999);
    assert_null(rule_image_next_set(image, rule_image_set(image, 2)));
    assert_null(rule_image_set(image, 3));

    r = rule_image_first_rule(image);
    assert_int_equal(r->id, 2);
    p = rule_next_part(r, rule_first_part(r));
    assert_int_equal(p->type, GATEHOUSE_PART_ICMP_TYPE);
    assert_int_equal(*(const uint8_t *)rule_part_data(p), 8);
    assert_null(rule_next_part(r, p));
    r = rule_image_next_rule(image, r);
    assert_int_equal(r->id, 3);
    assert_null(rule_first_part(r));
    r = rule_image_next_rule(image, r);
    p = rule_first_part(r);
    for (int i = 0; i < 4; i++)
        p = rule_next_part(r, p);
    assert_int_equal(rule_part_set(p), 1);
    assert_null(rule_image_next_rule(image, r));
}

static void empty_images(void **state)
{
    (void)state;
    begin();
    finish();
    assert_true(rule_image_check(image, size, false, NULL));
    assert_null(rule_image_set(image, 0));
    assert_null(rule_image_first_rule(image));
    put_set(GATEHOUSE_SET_V4, lan4, 0, 0);
    finish();
    assert_true(rule_image_check(image, size, false, NULL));
    assert_non_null(rule_image_set(image, 0));
    assert_null(rule_image_set(image, 1));
    assert_null(rule_image_first_rule(image));
    begin();
    put_rule(GATEHOUSE_RULE_PERMIT, 3, 1);
    finish();
    assert_true(rule_image_check(image, size, false, NULL));
    assert_null(rule_image_set(image, 0));
    assert_non_null(rule_image_first_rule(image));
}

static void bad_headers(void **state)
{
    (void)state;
    good();
    for (size_t i = 0; i < sizeof(struct gatehouse_rules_image); i++)
        assert_false(rule_image_check(image, i, false, NULL));
    assert_false(rule_image_check(image, size - 8, false, NULL));
    REFUSED(header()->magic++, "no image");
    REFUSED(header()->version++, "version");
    REFUSED(header()->size += 8, "its size");
    REFUSED(header()->flags = 1, "reserved");
    REFUSED(header()->reserved = 1, "reserved");
    REFUSED(header()->set_count = GATEHOUSE_SETS_MAX + 1, "too many");
    REFUSED(header()->rule_count = GATEHOUSE_RULES_MAX + 1, "too many");
    REFUSED(header()->set_count++, "set");
    REFUSED(header()->rule_count++, "within a rule");
    REFUSED(header()->rule_count--, "behind its last rule");
    good();
    header()->check++;
    assert_refused("damaged");
}

static struct gatehouse_set *set_number(uint32_t number)
{
    return (struct gatehouse_set *)(uintptr_t)rule_image_set(image, number);
}

static void bad_sets(void **state)
{
    struct gatehouse_range_v6 top[2] = {{{0xff}, {0}}, {{0}, {0}}};
    struct gatehouse_set *set;

    (void)state;
    memset(top[0].high, 0xff, 16);
    REFUSED(set_number(0)->kind = 9, "unknown kind");
    REFUSED(set_number(0)->kind = GATEHOUSE_SET_PORT, "");
    REFUSED(set_number(0)->reserved2 = 1, "reserved");
    REFUSED(set_number(0)->size = 0, "size");
    REFUSED(set_number(0)->count = 0x10000000, "too many ranges");
    REFUSED((set = set_number(2), ((uint8_t *)(set + 1))[12] = 1), "padding");
    REFUSED(((uint32_t *)(set_number(0) + 1))[0] = 0xFFFFFFFF, "order");
    REFUSED(((uint32_t *)(set_number(0) + 1))[1] = 0xC0A7FFFF, "order");
    REFUSED(((uint16_t *)(set_number(2) + 1))[2] = 81, "order");
    REFUSED(((uint16_t *)(set_number(2) + 1))[4] = 444, "order");
    begin();
    put_set(GATEHOUSE_SET_V6, top, 2, sizeof(top));
    finish();
    assert_refused("order");
    begin();
    put_set(GATEHOUSE_SET_PORT, web, 1, 4);
    put_set(GATEHOUSE_SET_V4, lan4, 1, 8);
    finish();
    assert_refused("order of their kinds");
}

static void bad_rules(void **state)
{
    (void)state;
    REFUSED(rule()->size = 48, "size does not fit");
    REFUSED(rule()->size += 8, "size does not fit");
    REFUSED(rule()->size -= 8, "size");
    REFUSED(rule()->part_count++, "within a part");
    REFUSED(rule()->part_count--, "behind its parts");
    REFUSED(rule()->part_count = GATEHOUSE_RULE_PARTS_MAX + 1, "too many parts");
    REFUSED(rule()->action = 0, "");
    REFUSED(rule()->action = 4, "action");
    REFUSED(rule()->direction = 0, "direction");
    REFUSED(rule()->direction = 4, "direction");
    REFUSED(rule()->id = 0, "id");
    REFUSED(rule()->flags = 4, "flags");
    REFUSED(rule()->family = 5, "family");
    REFUSED(rule()->until = 4, "end");
    REFUSED(rule()->until = GATEHOUSE_UNTIL_TIME, "lifetime");
    REFUSED(rule()->lifetime_ms = 1, "lifetime");
    REFUSED(rule()->place = 3, "place");
    REFUSED(rule()->reserved[1] = 1, "reserved");
    REFUSED(rule()->reserved2 = 1, "reserved");
    REFUSED(rule()->added = 1, "added");
    REFUSED((rule()->until = 1, rule()->lifetime_ms = 5, rule()->ends = 1), "end");
}

static void bad_parts(void **state)
{
    const uint8_t tcp = 6, icmp = 1, udp = 17;

    (void)state;
    REFUSED(part()->type = 0, "unknown kind");
    REFUSED(part()->type = 17, "unknown kind");
    REFUSED(part()->type = GATEHOUSE_PART_NAME, "name beside addresses");
    REFUSED(part()->data_size = 16, "size");
    REFUSED(part()->size += 8, "size");
    REFUSED(((uint8_t *)part())[15] = 1, "padding");
    REFUSED(part()->type = GATEHOUSE_PART_SHA256, "SHA-256");
    REFUSED(part()->type = GATEHOUSE_PART_GROUP, "SID");
    REFUSED(part()->type = GATEHOUSE_PART_PROTOCOL, "protocol");
    REFUSED(part()->type = GATEHOUSE_PART_ICMP_TYPE, "ICMP type");
    REFUSED(part()->type = GATEHOUSE_PART_LOCAL, "set");
    REFUSED((put_part(GATEHOUSE_PART_TEXT, "", 0), finish()), "two texts");
    REFUSED((put_part(GATEHOUSE_PART_PROGRAM, "", 0), finish()), "path");
    REFUSED((put_part(GATEHOUSE_PART_PATTERN, "abc", 3), finish()), "path");
    REFUSED((put_part(GATEHOUSE_PART_PROGRAM, u"ab", 6), finish()), "path");
    REFUSED((put_set_part(GATEHOUSE_PART_REMOTE, 3), finish()), "not there");
    REFUSED((put_set_part(GATEHOUSE_PART_LOCAL, 2), finish()), "for ports");
    REFUSED((put_set_part(GATEHOUSE_PART_LOCAL_PORT, 1), finish()), "for ports");
    REFUSED((put_part(GATEHOUSE_PART_PROTOCOL, &icmp, 1), finish()), "ports without");
    REFUSED((put_rule(1, 1, 9), put_set_part(GATEHOUSE_PART_LOCAL_PORT, 2), finish()), "ports without");
    REFUSED((put_rule(1, 1, 9), put_part(GATEHOUSE_PART_ICMP_TYPE, &tcp, 1), finish()), "without ICMP");
    REFUSED((put_rule(1, 1, 9), put_part(GATEHOUSE_PART_ICMP_TYPE, &tcp, 1), put_part(GATEHOUSE_PART_PROTOCOL, &udp, 1),
             finish()),
            "without ICMP");
}

/* A rule for a direction with a name, and nothing else. */
static void put_named(uint8_t direction, const char *name)
{
    put_rule(GATEHOUSE_RULE_PERMIT, direction, 9);
    put_part(GATEHOUSE_PART_NAME, name, (uint16_t)strlen(name));
}

static void names(void **state)
{
    static const char *const good_ones[] = {"example.org", "*.example.org",    "localhost",
                                            "*.org",       "xn--bcher-kva.de", "_srv.a-b.example"};
    static const char *const bad_ones[] = {"",
                                           ".",
                                           "*",
                                           "*.",
                                           "example.org.",
                                           ".example.org",
                                           "a..b",
                                           "Example.org",
                                           "**.example.org",
                                           "a.*.org",
                                           "b\xc3\xbc"
                                           "cher.de",
                                           "a b",
                                           "192.0.2.1:80"};

    (void)state;
    for (unsigned i = 0; i < sizeof(good_ones) / sizeof(good_ones[0]); i++) {
        good();
        put_named(GATEHOUSE_RULE_OUT, good_ones[i]);
        put_part(GATEHOUSE_PART_NAME, "other.example", 13);
        finish();
        assert_true(rule_image_check(image, size, false, NULL));
    }
    for (unsigned i = 0; i < sizeof(bad_ones) / sizeof(bad_ones[0]); i++)
        REFUSED((put_named(GATEHOUSE_RULE_OUT, bad_ones[i]), finish()), "name that is none");
    REFUSED((put_named(GATEHOUSE_RULE_IN, "example.org"), finish()), "comes in");
    REFUSED((put_named(GATEHOUSE_RULE_IN | GATEHOUSE_RULE_OUT, "example.org"), finish()), "comes in");
    REFUSED((put_named(GATEHOUSE_RULE_OUT, "example.org"), put_set_part(GATEHOUSE_PART_REMOTE, 0), finish()),
            "name beside addresses");
}

static void kept_images_have_ends(void **state)
{
    (void)state;
    good();
    rule()->until = GATEHOUSE_UNTIL_TIME;
    rule()->lifetime_ms = 1000;
    finish();
    assert_true(rule_image_check(image, size, false, NULL));
    rule()->ends = 5;
    rule()->added = 4;
    finish();
    assert_true(rule_image_check(image, size, true, NULL));
    assert_refused("end");
}

static uint64_t id_of_last(void)
{
    return rule_image_id(image, rule(), 0);
}

/* An id says what a rule means, and nothing else. */
static void ids(void **state)
{
    uint64_t id, hashes[3];

    (void)state;
    good();
    id = id_of_last();
    for (uint32_t i = 0; i < 3; i++)
        hashes[i] = rule_set_hash(rule_image_set(image, i));
    assert_true(rule_id(rule(), hashes, 0) == id && rule_id(rule(), hashes, 1) == rule_image_id(image, rule(), 1));
    assert_true(rule_image_id(image, rule(), 1) != id);
    rule()->id = 77;
    rule()->line = 3;
    rule()->ends = rule()->added = 4;
    memcpy(part() + 1, "Permit", 6);
    assert_true(id_of_last() == id);
    put_part(GATEHOUSE_PART_FILE, "rules", 5);
    assert_true(id_of_last() == id);
    rule()->place = GATEHOUSE_PLACE_ASK;
    assert_true(id_of_last() != id);
    rule()->place = 0;

#define OTHER(change)                                                                                                  \
    do {                                                                                                               \
        good();                                                                                                        \
        change;                                                                                                        \
        assert_true(id_of_last() != id);                                                                               \
    } while (0)
    OTHER(rule()->action = 2);
    OTHER(rule()->direction = 3);
    OTHER(rule()->flags = GATEHOUSE_RULE_LOG);
    OTHER(rule()->family = 4);
    OTHER(rule()->until = 3);
    OTHER(rule()->lifetime_ms = 1);
    OTHER(((uint8_t *)(rule() + 1))[8] = 'x');
    OTHER(((uint16_t *)(set_number(2) + 1))[5] = 9000);
    OTHER(((uint8_t *)(set_number(1) + 1))[31] = 1);
    OTHER(put_set_part(GATEHOUSE_PART_LOCAL, 0));
}

/* One bit anywhere: found. And with the check value put right: refused, or walked to its end without harm (ASan). */
static void random_damage(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint32_t at, changes = 1 + test_random(3);

        good();
        at = test_random((uint32_t)size);
        image[at] ^= (uint8_t)(1u << test_random(8));
        assert_false(rule_image_check(image, size, false, NULL));
        while (--changes != 0)
            image[test_random((uint32_t)size)] = (uint8_t)test_random(256);
        header()->check = rule_image_sum(image, size);
        if (!rule_image_check(image, size, i % 2 != 0, NULL))
            continue;
        for (const struct gatehouse_rule *r = rule_image_first_rule(image); r != NULL;
             r = rule_image_next_rule(image, r)) {
            assert_true(rule_image_id(image, r, 0) != 0);
            assert_true((const uint8_t *)r + r->size <= image + size);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_back),   cmocka_unit_test(empty_images),
        cmocka_unit_test(bad_headers), cmocka_unit_test(bad_sets),
        cmocka_unit_test(bad_rules),   cmocka_unit_test(bad_parts),
        cmocka_unit_test(names),       cmocka_unit_test(kept_images_have_ends),
        cmocka_unit_test(ids),         cmocka_unit_test(random_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
