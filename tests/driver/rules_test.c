/* SPDX-License-Identifier: MIT */
/*
 * rules_test.c - rules through the driver and the engine: first match, every kind of part, loads, added rules, what is
 * given back, bad input. The oracle for random policies is a matcher by gatehouse/rules.h written plainly here.
 */
#include "rules_case.h"

#include "core/rule_image.h"

/* The outcome of a new connection; held ones are ended. */
static enum wfp_outcome outcome_of(const struct fixture_connect *how)
{
    struct fixture_connection connection;

    fixture_connect_to(&connection, fixture_endpoint(), how);
    thread_settle();
    if (connection.first.outcome == WFP_PENDED)
        wfp_ale_endpoint_closed(connection.endpoint);
    return connection.first.outcome;
}

static enum wfp_outcome outcome(const char *program, uint8_t remote_last, uint16_t port)
{
    return outcome_of(&(struct fixture_connect){.program = program, .remote_last = remote_last, .remote_port = port});
}

/* permit a to 192.0.2.0-9 tcp port 443; block a; ask b; permit b; the default asks. */
static void build_example(void)
{
    uint32_t net = builder_v4(&b, 0xC0000200, 0xC0000209), https = builder_port(&b, 443, 443);

    builder_rule(&b, PERMIT, OUTGOING);
    builder_text(&b, GATEHOUSE_PART_PROGRAM, "/bin/a");
    builder_byte(&b, GATEHOUSE_PART_PROTOCOL, 6);
    builder_set_part(&b, GATEHOUSE_PART_REMOTE, net);
    builder_set_part(&b, GATEHOUSE_PART_REMOTE_PORT, https);
    builder_rule(&b, BLOCK, OUTGOING | INCOMING);
    builder_text(&b, GATEHOUSE_PART_PROGRAM, "/bin/a");
    builder_rule(&b, ASK, OUTGOING);
    builder_text(&b, GATEHOUSE_PART_PROGRAM, "/bin/b");
    builder_rule(&b, PERMIT, OUTGOING);
    builder_text(&b, GATEHOUSE_PART_PROGRAM, "/bin/b");
    builder_rule(&b, PERMIT, OUTGOING);
    builder_text(&b, GATEHOUSE_PART_PATTERN, "/opt/**");
}

static void first_match_decides(void **state)
{
    struct fixture_connection connection;

    (void)state;
    build_example();
    assert_int_equal(outcome("/bin/a", 3, 443), WFP_PENDED);
    assert_int_equal(rules_load_built(decider, &b), 0);
    assert_int_equal(outcome("/bin/a", 3, 443), WFP_PERMIT);
    assert_int_equal(outcome("/bin/a", 9, 443), WFP_PERMIT);
    assert_int_equal(outcome("/bin/a", 10, 443), WFP_BLOCK);
    assert_int_equal(outcome("/bin/a", 3, 444), WFP_BLOCK);
    assert_int_equal(outcome_of(&(struct fixture_connect){.program = "/bin/a", .remote_last = 3, .protocol = 17}),
                     WFP_BLOCK);
    assert_int_equal(outcome_of(&(struct fixture_connect){.program = "/bin/a", .ip_version = 6}), WFP_BLOCK);
    assert_int_equal(outcome("/bin/b", 3, 443), WFP_PENDED);
    assert_int_equal(outcome("/opt/x/y", 3, 443), WFP_PERMIT);
    assert_int_equal(outcome("/bin/c", 3, 443), WFP_PENDED);
    fixture_connect_to(&connection, fixture_endpoint(),
                       &(struct fixture_connect){.program = "/bin/a", .remote_last = 3});
    assert_false(connection.first.by_callout);
}

/* A second load takes the place of the first; an empty one of both. */
static void loads_replace(void **state)
{
    (void)state;
    build_example();
    assert_int_equal(rules_load_built(decider, &b), 0);
    builder_free(&b);
    builder_rule(&b, PERMIT, OUTGOING);
    assert_int_equal(rules_load_built(decider, &b), 0);
    assert_int_equal(outcome("/bin/a", 10, 443), WFP_PERMIT);
    assert_int_equal(outcome("/bin/c", 3, 443), WFP_PERMIT);
    builder_free(&b);
    assert_int_equal(rules_load_built(decider, &b), 0);
    assert_int_equal(outcome("/bin/a", 10, 443), WFP_PENDED);
}

/* --- Random policies against a plain matcher --- */

struct random_rule {
    uint8_t action, protocol; /* 0: any */
    const char *program;      /* NULL: any */
    bool pattern;
    int low, high; /* of the last byte; -1: any */
    int port;      /* 0: any */
};

static const char *const programs[] = {"/bin/a", "/bin/b", "/opt/a", "/opt/x/b"};

static bool rule_matches(const struct random_rule *rule, const struct fixture_connect *how)
{
    if (rule->protocol != 0 && rule->protocol != how->protocol)
        return false;
    if (rule->pattern ? strncmp(how->program, "/opt/", 5) != 0
                      : rule->program != NULL && strcmp(rule->program, how->program) != 0)
        return false;
    if (rule->low >= 0 && (how->remote_last < rule->low || how->remote_last > rule->high))
        return false;
    return rule->port == 0 || rule->port == how->remote_port;
}

static void random_rule(struct random_rule *rule)
{
    *rule = (struct random_rule){.action = (uint8_t)(1 + fixture_random(3)), .low = -1};
    if (fixture_random(3) != 0)
        rule->program = programs[fixture_random(4)];
    rule->pattern = fixture_random(5) == 0;
    if (fixture_random(2) != 0)
        rule->protocol = fixture_random(2) != 0 ? 6 : 17;
    if (fixture_random(2) != 0) {
        rule->low = (int)fixture_random(8);
        rule->high = rule->low + (int)fixture_random(4);
    }
    if (rule->protocol != 0 && fixture_random(2) != 0)
        rule->port = 80 + (int)fixture_random(3);
    builder_rule(&b, rule->action, OUTGOING);
    if (rule->pattern)
        builder_text(&b, GATEHOUSE_PART_PATTERN, "/opt/**");
    else if (rule->program != NULL)
        builder_text(&b, GATEHOUSE_PART_PROGRAM, rule->program);
    if (rule->protocol != 0)
        builder_byte(&b, GATEHOUSE_PART_PROTOCOL, rule->protocol);
    if (rule->low >= 0)
        builder_set_part(&b, GATEHOUSE_PART_REMOTE,
                         builder_v4(&b, 0xC0000200u + (uint32_t)rule->low, 0xC0000200u + (uint32_t)rule->high));
    if (rule->port != 0)
        builder_set_part(&b, GATEHOUSE_PART_REMOTE_PORT, builder_port(&b, (uint16_t)rule->port, (uint16_t)rule->port));
}

static enum wfp_outcome expected(const struct random_rule *rules, unsigned count, const struct fixture_connect *how)
{
    for (unsigned i = 0; i < count; i++) {
        if (rule_matches(&rules[i], how))
            return rules[i].action == PERMIT ? WFP_PERMIT : rules[i].action == BLOCK ? WFP_BLOCK : WFP_PENDED;
    }
    return WFP_PENDED;
}

/* Rules come and go in the middle of the list, so that weights between others are given out too. */
static void random_policies(void **state)
{
    static struct random_rule rules[64];

    (void)state;
    for (int round = 0; round < 60; round++) {
        unsigned count = fixture_random(round % 2 == 0 ? 64 : 6);

        builder_free(&b);
        for (unsigned i = 0; i < count; i++)
            random_rule(&rules[i]);
        assert_int_equal(rules_load_built(decider, &b), 0);
        for (int i = 0; i < 60; i++) {
            struct fixture_connect how = {.program = programs[fixture_random(4)],
                                          .protocol = fixture_random(2) != 0 ? 6 : 17,
                                          .remote_last = (uint8_t)fixture_random(12),
                                          .remote_port = (uint16_t)(80 + fixture_random(4))};

            assert_int_equal(outcome_of(&how), expected(rules, count, &how));
        }
    }
}

/* One rule put in or taken out anywhere, 300 times: the rest keeps its filters, and first match stays right. */
static void small_changes(void **state)
{
    static struct random_rule rules[41];
    unsigned order[40], count = 0;

    (void)state;
    for (int round = 0; round < 300; round++) {
        if (count == 0 || (count < 40 && fixture_random(2) != 0)) {
            unsigned at = fixture_random(count + 1);

            memmove(order + at + 1, order + at, (count - at) * sizeof(*order));
            order[at] = fixture_random(40);
            count++;
        } else {
            unsigned at = fixture_random(count);

            memmove(order + at, order + at + 1, (count - at - 1) * sizeof(*order));
            count--;
        }
        builder_free(&b);
        for (unsigned i = 0; i < count; i++) {
            builder_rule(&b, order[i] % 2 != 0 ? PERMIT : BLOCK, OUTGOING);
            builder_set_part(&b, GATEHOUSE_PART_REMOTE,
                             builder_v4(&b, 0xC0000200u + order[i], 0xC0000200u + order[i] + 7));
            rules[i] = (struct random_rule){
                .action = order[i] % 2 != 0 ? PERMIT : BLOCK, .low = (int)order[i], .high = (int)order[i] + 7};
        }
        assert_int_equal(rules_load_built(decider, &b), 0);
        for (uint8_t last = 0; last < 50; last += 3) {
            struct fixture_connect how = {.program = "/bin/a", .protocol = 6, .remote_last = last, .remote_port = 80};

            assert_int_equal(outcome_of(&how), expected(rules, count, &how));
        }
    }
}

/* --- Added rules --- */

static uint64_t add_rule(uint8_t place, uint8_t action, const char *program)
{
    builder_free(&b);
    builder_rule(&b, action, OUTGOING)->place = place;
    builder_text(&b, GATEHOUSE_PART_PROGRAM, program);
    assert_int_equal(rules_add_built(decider, &b), 0);
    return builder_rule_at(&b, 0)->id;
}

static void added_rules_have_their_place(void **state)
{
    uint64_t top, answer;

    (void)state;
    builder_rule(&b, BLOCK, OUTGOING);
    builder_text(&b, GATEHOUSE_PART_PROGRAM, "/bin/a");
    builder_rule(&b, ASK, OUTGOING);
    assert_int_equal(rules_load_built(decider, &b), 0);

    answer = add_rule(GATEHOUSE_PLACE_ASK, PERMIT, "/bin/a");
    assert_int_equal(outcome("/bin/a", 1, 443), WFP_BLOCK); /* the file's rule stands before it */
    top = add_rule(GATEHOUSE_PLACE_TOP, PERMIT, "/bin/a");
    assert_int_equal(top, answer); /* the same rule at another place: it was replaced */
    assert_int_equal(outcome("/bin/a", 1, 443), WFP_PERMIT);
    add_rule(GATEHOUSE_PLACE_TOP, BLOCK, "/bin/a");
    assert_int_equal(outcome("/bin/a", 1, 443), WFP_BLOCK); /* the later first */
    add_rule(GATEHOUSE_PLACE_TOP, PERMIT, "/bin/a");
    assert_int_equal(outcome("/bin/a", 1, 443), WFP_PERMIT);
    add_rule(GATEHOUSE_PLACE_ASK, PERMIT, "/bin/b");
    assert_int_equal(outcome("/bin/b", 1, 443), WFP_PERMIT); /* before the rule that asks */

    assert_int_equal(rules_remove_id(decider, top), 0);
    assert_int_equal(outcome("/bin/a", 1, 443), WFP_BLOCK);
    assert_int_equal(rules_remove_id(decider, top), GATEHOUSE_E_UNKNOWN_RULE);
    builder_free(&b);
    assert_int_equal(rules_load_built(decider, &b), 0); /* added rules stay */
    assert_int_equal(outcome("/bin/b", 1, 443), WFP_PERMIT);
    assert_int_equal(fixture_status(decider).answers, 1);
}

static void file_rules_are_not_removed(void **state)
{
    (void)state;
    build_example();
    assert_int_equal(rules_load_built(decider, &b), 0);
    assert_int_equal(rules_remove_id(decider, builder_rule_at(&b, 1)->id), GATEHOUSE_E_RULE_IN_FILE);
    assert_int_equal(outcome("/bin/a", 10, 443), WFP_BLOCK);
    assert_int_equal(rules_remove_id(decider, 5), GATEHOUSE_E_UNKNOWN_RULE);
}

/* What GET gives is what is in force, in first match order, and can be loaded again. */
static void rules_are_given_back(void **state)
{
    struct gatehouse_rules_piece piece;
    const struct gatehouse_rule *rule;
    uint64_t ids[5], top, answer;
    void *image;

    (void)state;
    image = rules_get(decider, &piece);
    assert_int_equal(piece.file_rules + piece.added_rules, 0);
    free(image);
    build_example();
    assert_int_equal(rules_load_built(decider, &b), 0);
    for (uint32_t i = 0; i < 5; i++)
        ids[i] = builder_rule_at(&b, i)->id;
    top = add_rule(GATEHOUSE_PLACE_TOP, PERMIT, "/bin/t");
    answer = add_rule(GATEHOUSE_PLACE_ASK, BLOCK, "/bin/u");
    image = rules_get(decider, &piece);
    assert_int_equal(piece.file_rules, 5);
    assert_int_equal(piece.added_rules, 2);
    const uint64_t order[7] = {top, ids[0], ids[1], answer, ids[2], ids[3], ids[4]};
    rule = rule_image_first_rule(image);
    for (int i = 0; i < 7; i++, rule = rule_image_next_rule(image, rule)) {
        assert_true(rule->id == order[i]);
        assert_true(rule->added != 0);
    }
    assert_null(rule);
    free(image);
}

/* --- Bad input --- */

static void refused(uint32_t code, const void *input, size_t size, size_t room, uint32_t status)
{
    assert_int_equal((uint32_t)fixture_control(decider, code, input, size, NULL, room, NULL), status);
    assert_int_equal(outcome("/bin/a", 10, 443), WFP_BLOCK);
    assert_int_equal(outcome("/bin/a", 3, 443), WFP_PERMIT);
}

static void refused_begin(struct gatehouse_rules_begin begin, uint32_t status)
{
    refused(GATEHOUSE_IOCTL_RULES_BEGIN, &begin, sizeof(begin), 0, status);
}

static void bad_input_changes_nothing(void **state)
{
    struct gatehouse_rules_get get = {0, 0};
    uint8_t *image;
    size_t size;

    (void)state;
    build_example();
    assert_int_equal(rules_load_built(decider, &b), 0);
    refused_begin((struct gatehouse_rules_begin){2, 48, 0, 0}, GATEHOUSE_E_BAD_VERSION);
    refused_begin((struct gatehouse_rules_begin){1, 32, 0, 0}, GATEHOUSE_E_BAD_RULES);
    refused_begin((struct gatehouse_rules_begin){1, 50, 0, 0}, GATEHOUSE_E_BAD_RULES);
    refused_begin((struct gatehouse_rules_begin){1, GATEHOUSE_IMAGE_MAX_SIZE + 8, 0, 0}, GATEHOUSE_E_BAD_RULES);
    refused_begin((struct gatehouse_rules_begin){1, 48, 2, 0}, GATEHOUSE_E_RESERVED);
    refused_begin((struct gatehouse_rules_begin){1, 48, 0, 1}, GATEHOUSE_E_RESERVED);
    refused(GATEHOUSE_IOCTL_RULES_BEGIN, &get, 15, 0, GATEHOUSE_E_SHORT_INPUT);
    refused(GATEHOUSE_IOCTL_RULES_PUT, &get, 8, 0, GATEHOUSE_E_NO_LOAD);
    refused(GATEHOUSE_IOCTL_RULES_COMMIT, NULL, 0, 0, GATEHOUSE_E_NO_LOAD);
    refused(GATEHOUSE_IOCTL_RULES_COMMIT, &get, 8, 0, GATEHOUSE_E_LONG_INPUT);
    refused(GATEHOUSE_IOCTL_RULES_REMOVE, &get, 7, 0, GATEHOUSE_E_SHORT_INPUT);
    refused(GATEHOUSE_IOCTL_RULES_GET, &get, 16, 24, GATEHOUSE_E_SHORT_OUTPUT);
    refused(GATEHOUSE_IOCTL_RULES_ADD, &get, 16, 0, GATEHOUSE_E_SHORT_INPUT);
    refused(GATEHOUSE_IOCTL_RULES_ADD, b.image, b.size, 0, GATEHOUSE_E_BAD_RULES); /* five rules, of a file */

    image = malloc(b.size + 8);
    size = b.size;
    memcpy(image, b.image, size);
    assert_int_equal(rules_send(decider, image, size, 0), 0);
    refused(GATEHOUSE_IOCTL_RULES_PUT, image, 8, 0, GATEHOUSE_E_LONG_INPUT);
    image[size - 1] ^= 1;
    assert_int_equal(rules_load_image(decider, image, size, 0), GATEHOUSE_E_BAD_RULES);
    assert_int_equal(rules_load_image(decider, b.image, size - 8, 0), GATEHOUSE_E_BAD_RULES);
    builder_rule_at(&b, 1)->id++;
    builder_check(&b);
    assert_int_equal(rules_load_image(decider, b.image, size, 0), GATEHOUSE_E_BAD_RULES);
    builder_rule_at(&b, 1)->id = builder_rule_at(&b, 0)->id;
    builder_check(&b);
    assert_int_equal(rules_load_image(decider, b.image, size, 0), GATEHOUSE_E_BAD_RULES);
    builder_finish(&b);
    builder_rule_at(&b, 1)->place = GATEHOUSE_PLACE_TOP;
    builder_check(&b);
    assert_int_equal(rules_load_image(decider, b.image, size, 0), GATEHOUSE_E_BAD_RULES);
    refused(GATEHOUSE_IOCTL_RULES_COMMIT, NULL, 0, 0, GATEHOUSE_E_NO_LOAD);
    free(image);
}

/* A small image that would be gigabytes of conditions: one large set, named often. */
static void large_sets_named_often_are_refused(void **state)
{
    enum { RANGES = 100000 };
    struct gatehouse_range_v4 *ranges = calloc(RANGES, sizeof(*ranges));
    uint32_t set;

    (void)state;
    build_example();
    assert_int_equal(rules_load_built(decider, &b), 0);
    builder_free(&b);
    for (uint32_t i = 0; i < RANGES; i++)
        ranges[i] = (struct gatehouse_range_v4){0x0b000000u + i * 4, 0x0b000000u + i * 4 + 1};
    builder_begin(&b);
    set = builder_set(&b, GATEHOUSE_SET_V4, ranges, RANGES);
    builder_rule(&b, GATEHOUSE_RULE_BLOCK, GATEHOUSE_RULE_OUT);
    for (unsigned i = 0; i <= GATEHOUSE_RANGES_NAMED_MAX / RANGES; i++)
        builder_set_part(&b, GATEHOUSE_PART_REMOTE, set);
    assert_int_equal(rules_load_built(decider, &b), GATEHOUSE_E_RULES_FULL);
    assert_int_equal(outcome("/bin/a", 10, 443), WFP_BLOCK);
    assert_int_equal(outcome("/bin/a", 3, 443), WFP_PERMIT);
    free(ranges);
}

/* BEGIN with fewer bytes than it says is no image; the load is over then. */
static void loads_belong_to_their_handle(void **state)
{
    struct nt_file *other = fixture_open_as(3, GATEHOUSE_ROLE_OBSERVER);
    struct nt_file *new = fixture_open(4);
    struct gatehouse_rules_begin begin = {1, 48, 0, 0};

    (void)state;
    build_example();
    builder_finish(&b);
    assert_int_equal(rules_load_image(new, b.image, b.size, 0), GATEHOUSE_E_NO_HELLO);
    assert_int_equal(rules_send(decider, b.image, b.size, 0), 0);
    assert_int_equal(rules_send(other, b.image, b.size, 0), GATEHOUSE_E_LOAD_BUSY);
    assert_int_equal((uint32_t)fixture_control(other, GATEHOUSE_IOCTL_RULES_COMMIT, NULL, 0, NULL, 0, NULL),
                     GATEHOUSE_E_NO_LOAD);
    assert_int_equal(rules_send(decider, b.image, b.size, 0), 0); /* its own begins again */
    nt_file_close(decider);
    decider = other;
    assert_int_equal((uint32_t)fixture_control(decider, GATEHOUSE_IOCTL_RULES_BEGIN, &begin, 16, NULL, 0, NULL), 0);
    assert_int_equal((uint32_t)fixture_control(decider, GATEHOUSE_IOCTL_RULES_COMMIT, NULL, 0, NULL, 0, NULL),
                     GATEHOUSE_E_SHORT_INPUT);
    assert_int_equal(rules_load_built(decider, &b), 0);
    assert_int_equal(outcome("/bin/a", 3, 443), WFP_PERMIT);
    nt_file_close(new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(first_match_decides, setup, teardown),
        cmocka_unit_test_setup_teardown(loads_replace, setup, teardown),
        cmocka_unit_test_setup_teardown(random_policies, setup, teardown),
        cmocka_unit_test_setup_teardown(small_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(added_rules_have_their_place, setup, teardown),
        cmocka_unit_test_setup_teardown(file_rules_are_not_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(rules_are_given_back, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_input_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(large_sets_named_often_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(loads_belong_to_their_handle, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
