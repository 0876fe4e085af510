/* SPDX-License-Identifier: MIT */
/*
 * rules_test.c - what rules mean: how they are printed, which one decides and why others do not, what differs between
 * two policies, and the bounds of docs/rules.md.
 */
#include "policy_fixture.h"

#include <time.h>

#include "core/path_text.h"
#include "policy/diff.h"
#include "policy/match.h"
#include "policy/names.h"
#include "policy/sids.h"

static struct fixture fixture;

static char *print_one(const char *text, const struct policy_print_options *options)
{
    struct policy_image image = fixture_compile(&fixture, text);
    const struct gatehouse_rules_image *header = image.bytes;
    const struct gatehouse_rule *rule = rule_image_first_rule(image.bytes);
    struct policy_sets sets;
    char *line;

    assert_true(header->rule_count > 0);
    for (uint32_t i = 1; i < header->rule_count; i++)
        rule = rule_image_next_rule(image.bytes, rule);
    assert_true(policy_sets_init(&sets, image.bytes));
    line = policy_print_rule(&sets, rule, options);
    assert_non_null(line);
    policy_sets_cleanup(&sets);
    policy_image_cleanup(&image);
    return line;
}

/* What is written, and what it means. Numbers of units: Python's hashlib.sha256 of the name, struct "<5I". */
static const char *const meanings[][2] = {
    {"permit all", "permit all"},
    {"block all log", "block all log"},
    {"ask out", "ask out"},
    {"permit in inet6", "permit in inet6"},
    {"permit raw", "permit raw"},
    {"permit program \"/usr/bin/curl\"", "permit program \"/usr/bin/curl\""},
    {"permit program { \"/b\" \"/a\", \"/b\" }", "permit program { \"/a\", \"/b\" }"},
    {"permit program \"/opt/x/\"", "permit program \"/opt/x/**\""},
    {"permit program \"/a\\*b\"", "permit program \"/a\\*b\""},
    {"permit program \"/a\\*b*\"", "permit program \"/a\\*b*\""},
    {"permit program \"/a\\001\\n\\\\\"", "permit program \"/a\\001\\n\\\\\""},
    {"permit program \"/bin/nc\"", "permit program \"/usr/bin/nc\""},
    {"permit program \"/bin/*\"", "permit program \"/usr/bin/*\""},
    {"permit program \"/binary/*\"", "permit program \"/binary/*\""},
    {"permit program \"C:\\Program Files\\a.exe\"", "permit program \"C:\\Program Files\\a.exe\""},
    {"permit program \"\\device\\x\\*.exe\"", "permit program \"\\device\\x\\*.exe\""},
    {"permit user alice", "permit user 1000"},
    {"permit user { root, 1000, alice }", "permit user { 0, 1000 }"},
    {"permit group wheel", "permit group 10"},
    {"permit user S-1-5-18", "permit user S-1-5-18"},
    {"permit unit \"ssh.service\"", "permit unit S-1-5-80-1494776955-1434256618-1062059141-1738179377-2244617840"},
    {"permit cgroup \"/system.slice\"",
     "permit cgroup S-1-5-81-3819764318-3230600913-3531506500-2416475167-3119686652"},
    {"permit to 10.0.0.1", "permit out to 10.0.0.1"},
    {"permit to 10.1.2.3/8", "permit out to 10.0.0.0/8"},
    {"permit to { 10.0.0.0/9, 10.128.0.0/9 }", "permit out to 10.0.0.0/8"},
    {"permit to { 10.0.0.3-10.0.0.9 10.0.0.1 10.0.0.2 }", "permit out to 10.0.0.1-10.0.0.9"},
    {"permit to ! 10.0.0.0/8", "permit out to ! 10.0.0.0/8"},
    {"permit to ! { }", "permit out to { 0.0.0.0/0, ::/0 }"},
    {"permit to { }", "permit out to {}"},
    {"permit to FD00::0:1", "permit out to fd00::1"},
    {"permit to ::ffff:1.2.3.4", "permit out to ::ffff:102:304"},
    {"permit inet to ! { 0.0.0.0/1, fd00::/8 }", "permit out inet to 128.0.0.0/1"},
    {"permit from 10.0.0.1", "permit in from 10.0.0.1"},
    {"permit in to 10.0.0.1", "permit in to 10.0.0.1"},
    {"permit out from 10.0.0.1 to any port 80", "permit out proto { tcp, udp } to any port 80 from 10.0.0.1"},
    {"permit in port 22 from 10.0.0.1", "permit in proto { tcp, udp } from 10.0.0.1 to any port 22"},
    {"permit from any port 22", "permit in proto { tcp, udp } from any port 22"},
    {"permit to any", "permit out"},
    {"permit to any port any", "permit out"},
    {"permit port https proto tcp", "permit out proto tcp to any port 443"},
    {"permit port { 1-5, 6, 443 } proto 17", "permit out proto udp to any port { 1-6, 443 }"},
    {"permit proto { 132, 6 }", "permit proto { tcp, sctp }"},
    {"permit proto 200", "permit proto 200"},
    {"permit proto icmp6 icmp-type { echo-request 200 }", "permit proto icmp6 icmp-type { echo-request, 200 }"},
    {"permit all for 90 seconds", "permit all for 90 seconds"},
    {"permit all for 120 seconds", "permit all for 2 minutes"},
    {"permit all for 1 hour", "permit all for 1 hour"},
    {"permit all for 36 hours", "permit all for 36 hours"},
    {"permit all for 1500 milliseconds", "permit all for 1500 milliseconds"},
    {"permit all until exit", "permit all until exit"},
    {"permit all until reboot", "permit all until reboot"},
    {"set a = { 1.2.3.4, fd00::1 }\nset b = { $a 1.2.3.5 }\npermit to $b", "permit out to { 1.2.3.4/31, fd00::1 }"},
    {"permit to example.org", "permit out to example.org"},
    {"permit to { *.Example.ORG, example.org \"example.org\" }", "permit out to { *.example.org, example.org }"},
    {"permit to \"router\" port 53", "permit out proto { tcp, udp } to \"router\" port 53"},
    {"permit to 3com.example inet6", "permit out inet6 to 3com.example"},
    {"permit to \"7.9x\"", "permit out to \"7.9x\""},
    {"permit to \"-a.b\"", "permit out to \"-a.b\""},
    {"permit to *.9.org", "permit out to *.9.org"},
    {"set a = { *.example.org }\nset b = { $a, example.net }\npermit to $b",
     "permit out to { *.example.org, example.net }"},
    {"permit to bücher.example", "permit out to xn--bcher-kva.example # bücher.example"},
    {"permit to { *.BÜCHER.example, straße.de } log",
     "permit out to { *.xn--bcher-kva.example, xn--strae-oqa.de } log # *.bücher.example, straße.de"},
    {"permit to \"пример.рф\"", "permit out to xn--e1afmkfd.xn--p1ai # пример.рф"},
    {"set p = { 80, ssh }\nset q = { $p, 81 }\npermit port $q proto tcp",
     "permit out proto tcp to any port { 22, 80-81 }"},
};

static void rules_mean_what_docs_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        char *line = print_one(meanings[i][0], NULL);

        assert_string_equal(line, meanings[i][1]);
        free(line);
    }
}

static void names_are_printed_where_a_system_is(void **state)
{
    struct policy_print_options options = {.system = &fixture.system, .ranges_max = 2};
    char *line = print_one("permit user { 0, 1000, 7 } group 10 to { 1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4 }", &options);

    (void)state;
    assert_string_equal(line,
                        "permit user { \"root\", 7, \"alice\" } group \"wheel\" out to { 1.1.1.1, 2.2.2.2 ... and 2 "
                        "more }");
    free(line);
}

/* --- Which rule decides ----------------------------------------------------------------------- */

static char misses[2000];

static void note_miss(void *context, uint32_t number, const struct gatehouse_rule *rule, const char *why)
{
    size_t used = strlen(misses);

    (void)context;
    (void)rule;
    snprintf(misses + used, sizeof(misses) - used, "%u: %s\n", number, why);
}

static void explain_says_why_not(void **state)
{
    struct policy_image image = fixture_compile(&fixture, "set lan = { 10.0.0.0/8, fd00::/8 }\n"
                                                          "block in\n"
                                                          "block inet6\n"
                                                          "permit raw\n"
                                                          "permit program \"/usr/bin/wget\"\n"
                                                          "permit program { \"/opt/\", \"/bin/x\" }\n"
                                                          "permit user root\n"
                                                          "permit proto udp\n"
                                                          "permit to $lan\n"
                                                          "permit from 192.0.2.9 out\n"
                                                          "permit port { 80, 8000-8080 }\n"
                                                          "permit from any port 53 out\n"
                                                          "permit to ! 192.0.2.0/24\n"
                                                          "permit proto tcp to 192.0.2.1 port 443 user 1000\n"
                                                          "block all\n");
    struct policy_sid sid;
    struct policy_connection c = {.direction = GATEHOUSE_RULE_OUT,
                                  .family = 4,
                                  .protocol = 6,
                                  .has_remote = true,
                                  .remote = {192, 0, 2, 1},
                                  .has_remote_port = true,
                                  .remote_port = 443,
                                  .sids = &sid,
                                  .sid_count = 1};
    uint8_t path[64];
    struct policy_sets sets;
    uint32_t number = 0;

    (void)state;
    sid.size = sid_of_unix(SIDS_UNIX_USER, 1000, sid.bytes);
    c.program = path;
    assert_true(path_text_from_bytes((const uint8_t *)"/usr/bin/curl", 13, path, sizeof(path), &c.program_size));
    assert_true(policy_sets_init(&sets, image.bytes));
    misses[0] = '\0';
    assert_non_null(policy_match(image.bytes, &sets, &c, &number, note_miss, NULL));
    assert_int_equal(number, 12);
    assert_string_equal(misses,
                        "0: in: it is outgoing\n"
                        "1: inet6: it is IPv4\n"
                        "2: raw: it is no raw socket\n"
                        "3: program \"/usr/bin/wget\": it is \"/usr/bin/curl\"\n"
                        "4: program { \"/usr/bin/x\", \"/opt/**\" }: it is \"/usr/bin/curl\"\n"
                        "5: user 0: the program runs as none of these\n"
                        "6: proto udp: it is tcp\n"
                        "7: to { 10.0.0.0/8, fd00::/8 }: 192.0.2.1 is not in it\n"
                        "8: from 192.0.2.9: the local address is not known\n"
                        "9: port { 80, 8000-8080 }: 443 is not in it\n"
                        "10: from any port 53: the local port is not known\n"
                        "11: to { 0.0.0.0-192.0.1.255, 192.0.3.0-255.255.255.255, ::/0 }: 192.0.2.1 is not in it\n");
    policy_sets_cleanup(&sets);
    policy_image_cleanup(&image);
}

static void explain_names(void **state)
{
    static const char *const known[] = {"www.example.org", "a.example.net"};
    struct policy_image image = fixture_compile(&fixture, "permit to example.org\n"
                                                          "permit to { example.org, *.example.com } port 443\n"
                                                          "permit to *.example.net proto udp\n"
                                                          "permit to *.example.org\n");
    struct policy_connection c = {.direction = GATEHOUSE_RULE_OUT,
                                  .family = 4,
                                  .protocol = 6,
                                  .has_remote = true,
                                  .remote = {192, 0, 2, 1},
                                  .has_remote_port = true,
                                  .remote_port = 443,
                                  .names = known};
    struct policy_sets sets;
    uint32_t number = 9;

    (void)state;
    assert_true(policy_sets_init(&sets, image.bytes));
    for (c.name_count = 0; c.name_count <= 2; c.name_count++) {
        static const char *const expected[] = {
            "0: to example.org: its name is not known\n"
            "1: to { *.example.com, example.org }: its name is not known\n"
            "2: proto udp: it is tcp\n"
            "3: to *.example.org: its name is not known\n",
            "0: to example.org: its name is www.example.org\n"
            "1: to { *.example.com, example.org }: its name is www.example.org\n"
            "2: proto udp: it is tcp\n",
            "0: to example.org: its name is www.example.org, and others that do not match\n"
            "1: to { *.example.com, example.org }: its name is www.example.org, and others that do not match\n"
            "2: proto udp: it is tcp\n"};

        misses[0] = '\0';
        if (c.name_count == 0)
            assert_null(policy_match(image.bytes, &sets, &c, &number, note_miss, NULL));
        else
            assert_non_null(policy_match(image.bytes, &sets, &c, &number, note_miss, NULL));
        assert_int_equal(number, c.name_count == 0 ? 9 : 3);
        assert_string_equal(misses, expected[c.name_count]);
    }
    c = (struct policy_connection){
        .direction = GATEHOUSE_RULE_IN, .family = 4, .protocol = 6, .names = known, .name_count = 1};
    assert_null(policy_match(image.bytes, &sets, &c, NULL, NULL, NULL));
    policy_sets_cleanup(&sets);
    policy_image_cleanup(&image);
}

static void nothing_matches_a_policy_of_nothing(void **state)
{
    struct policy_image image = fixture_compile(&fixture, "# nothing\n\n   \nset a = { 1.2.3.4 }\n");
    struct policy_connection c = {.direction = GATEHOUSE_RULE_OUT, .family = 4, .protocol = 6};
    struct policy_sets sets;

    (void)state;
    assert_true(policy_sets_init(&sets, image.bytes));
    assert_null(policy_match(image.bytes, &sets, &c, NULL, NULL, NULL));
    assert_int_equal(policy_default_action(GATEHOUSE_RULE_OUT, 17), GATEHOUSE_RULE_ASK);
    assert_int_equal(policy_default_action(GATEHOUSE_RULE_OUT, 1), GATEHOUSE_RULE_PERMIT);
    assert_int_equal(policy_default_action(GATEHOUSE_RULE_IN, 6), GATEHOUSE_RULE_PERMIT);
    policy_sets_cleanup(&sets);
    policy_image_cleanup(&image);
}

/* --- What differs --------------------------------------------------------------------------- */

static void assert_diff(const char *one, const char *other, const char *expected)
{
    struct policy_image a = fixture_compile(&fixture, one), b = fixture_compile(&fixture, other);
    struct policy_sets a_sets, b_sets;
    struct policy_difference *list;
    char text[1000] = "";
    size_t count;

    assert_true(policy_sets_init(&a_sets, a.bytes) && policy_sets_init(&b_sets, b.bytes));
    assert_true(policy_diff(a.bytes, b.bytes, true, &list, &count));
    for (size_t i = 0; i < count; i++) {
        char *line = policy_difference_text(&list[i], list[i].kind == POLICY_REMOVED ? &a_sets : &b_sets, NULL);

        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s\n", line);
        free(line);
    }
    assert_string_equal(text, expected);
    free(list);
    policy_sets_cleanup(&a_sets);
    policy_sets_cleanup(&b_sets);
    policy_image_cleanup(&a);
    policy_image_cleanup(&b);
}

static void diff_tells_added_removed_and_moved(void **state)
{
    (void)state;
    assert_diff("permit out\nblock all\n", "permit out # the same\n\nblock  all\n", "");
    assert_diff("", "permit out\n", "+ permit out\n");
    assert_diff("permit out\nblock all\n", "block all\n", "- permit out\n");
    assert_diff("permit to 1.1.1.1\nblock all\n", "permit to 1.1.1.2\nblock all\n",
                "- permit out to 1.1.1.1\n+ permit out to 1.1.1.2\n");
    assert_diff("permit to 1.1.1.1\npermit to 2.2.2.2\npermit to 3.3.3.3\nblock all\n",
                "permit to 2.2.2.2\npermit to 3.3.3.3\npermit to 1.1.1.1\nblock all\n", "> permit out to 1.1.1.1\n");
    /* Equal rules are told apart by their number. */
    assert_diff("permit out\npermit out\n", "permit out\n", "- permit out\n");
    assert_diff("permit all for 1 hour\n", "permit all for 2 hours\n",
                "- permit all for 1 hour\n+ permit all for 2 hours\n");
}

/* --- Text, files, lines ----------------------------------------------------------------------- */

static void rules_know_their_text_and_place(void **state)
{
    struct policy_image image;
    const struct gatehouse_rule *rule;
    struct policy_sets sets;
    size_t size = 0;
    char *text;

    (void)state;
    fixture_init(&fixture);
    fixture_add(&fixture, "more", "\n\npermit  to { 10.0.0.1, # one\n  10.0.0.2 } \\\n  log # two\n");
    image = fixture_compile(&fixture, "include \"more\"\n\n  block   all   # last\n");
    assert_true(policy_sets_init(&sets, image.bytes));
    rule = rule_image_first_rule(image.bytes);
    assert_int_equal(rule->line, 3);
    text = policy_rule_text(&sets, rule, NULL);
    assert_string_equal(text, "permit to { 10.0.0.1, 10.0.0.2 } log");
    free(text);
    assert_memory_equal(policy_rule_file(rule, &size), "more", 4);
    assert_int_equal(size, 4);
    rule = rule_image_next_rule(image.bytes, rule);
    assert_int_equal(rule->line, 3);
    text = policy_rule_text(&sets, rule, NULL);
    assert_string_equal(text, "block   all");
    free(text);
    policy_sets_cleanup(&sets);
    policy_image_cleanup(&image);
    fixture_init(&fixture);
}

static void places_make_other_ids(void **state)
{
    struct policy_compile_options top = {.place = GATEHOUSE_PLACE_TOP, .without_text = true};
    struct policy *policy = policy_parse_text("rules", "permit all", 10, NULL);
    struct policy_image file, added;
    size_t size;

    (void)state;
    assert_true(policy_compile(policy, NULL, &file) && policy_compile(policy, &top, &added));
    assert_true(rule_image_check(added.bytes, added.size, false, NULL));
    assert_int_not_equal(rule_image_first_rule(file.bytes)->id, rule_image_first_rule(added.bytes)->id);
    assert_int_equal(rule_image_first_rule(added.bytes)->place, GATEHOUSE_PLACE_TOP);
    assert_null(policy_rule_file(rule_image_first_rule(added.bytes), &size));
    policy_image_cleanup(&file);
    policy_image_cleanup(&added);
    policy_free(policy);
}

static void windows_lacks_what_it_has_not(void **state)
{
    static const char *const texts[] = {"permit unit \"a.service\"", "permit cgroup \"/a\"",
                                        "permit program sha256 "
                                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct policy_system windows = {.lacks = POLICY_LACKS_SHA256 | POLICY_LACKS_UNIT | POLICY_LACKS_CGROUP};
        struct policy *policy = policy_parse_text("rules", texts[i], strlen(texts[i]), &windows);

        assert_true(policy_failed(policy));
        assert_non_null(strstr(policy_error(policy, 0)->sentence, "this system cannot match"));
        policy_free(policy);
    }
}

/* --- Bounds --------------------------------------------------------------------------------- */

static void assert_fails(const char *text, const char *words)
{
    struct policy *policy = policy_parse_text("rules", text, strlen(text), &fixture.system);

    assert_non_null(policy);
    assert_true(policy_failed(policy));
    if (strstr(policy_error(policy, 0)->sentence, words) == NULL)
        fail_msg("said: %s", policy_error(policy, 0)->sentence);
    policy_free(policy);
}

static void bounds_hold(void **state)
{
    static char text[200000];
    size_t used;

    (void)state;
    memset(text, ' ', POLICY_LINE_SIZE_MAX + 1);
    assert_fails(text, "a line of 65537 bytes");
    used = (size_t)snprintf(text, sizeof(text), "block program {");
    for (unsigned i = 0; i < 1009; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, " \"/%u\"\n", i);
    snprintf(text + used, sizeof(text) - used, "}\n");
    assert_fails(text, "more than 1008 programs");
    used = (size_t)snprintf(text, sizeof(text), "block to {");
    for (unsigned i = 0; i < 1009; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, " n%u.example", i);
    snprintf(text + used, sizeof(text) - used, " }\n");
    assert_fails(text, "more than 1008 programs, users, names");
    used = (size_t)snprintf(text, sizeof(text), "block to *");
    for (unsigned i = 0; i < 127; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, ".a");
    assert_fails(text, "253 bytes at most");
    text[used - 2] = '\0';
    policy_image_cleanup(&(struct policy_image){fixture_compile(&fixture, text).bytes, 0});
    assert_fails("permit to b\xfc"
                 "cher.de",
                 "expected a name; ");
    assert_fails("permit to \"b\xc3\xbc.\xc3\xbc cher.de\"", "expected a name; ");
    fixture_init(&fixture);
    for (unsigned i = 0; i < 20; i++) {
        static char texts[20][32];
        char name[8];

        snprintf(texts[i], sizeof(texts[i]), "include \"f%u\"\n", i + 1);
        snprintf(name, sizeof(name), "f%u", i);
        fixture_add(&fixture, name, texts[i]);
    }
    assert_fails("include \"f0\"\n", "17 deep");
    fixture_init(&fixture);
    memset(text, 'a', 5000);
    memcpy(text, "permit program \"/", 17);
    memcpy(text + 5000, "\"\n", 3);
    assert_fails(text, "a path of");
}

/* A file of 100,000 addresses, and as many rules: a fraction of a second; what is quadratic in them takes minutes. */
static void large_policies_are_not_quadratic(void **state)
{
    size_t room = 100000 * 80, used = 0;
    char *text = malloc(room);
    struct timespec before, after;
    struct policy_image image;

    (void)state;
    assert_non_null(text);
    for (unsigned i = 0; i < 100000; i++)
        used += (size_t)snprintf(text + used, room - used, "%u.%u.%u.%u\n", i % 200, i / 500, i % 250, i % 7);
    fixture_init(&fixture);
    fixture_add(&fixture, "list", text);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    image = fixture_compile(&fixture, "set bad = file \"list\"\nblock to $bad\n");
    policy_image_cleanup(&image);
    fixture_init(&fixture);
    used = 0;
    for (unsigned i = 0; i < 100000; i++)
        used += (size_t)snprintf(text + used, room - used, "permit program \"/p%u\" to %u.%u.%u.0/24 port 443\n",
                                 i % 99, 1 + i / 62500, i / 250 % 250, i % 250);
    image = fixture_compile(&fixture, text);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    assert_int_equal(((const struct gatehouse_rules_image *)image.bytes)->rule_count, 100000);
    assert_true(image.size < 32u * 1024 * 1024);
    assert_true(after.tv_sec - before.tv_sec < 30);
    policy_image_cleanup(&image);
    free(text);
}

static void names_of_tables_are_sound(void **state)
{
    uint16_t number;

    (void)state;
    for (enum names_table table = NAMES_PROTOCOL; table <= NAMES_ICMP6; table++) {
        for (size_t i = 0; names_at(table, i) != NULL; i++) {
            const char *name = names_at(table, i);

            assert_true(names_number(table, name, strlen(name), &number));
            assert_non_null(names_of(table, number));
            for (size_t k = 0; k < i; k++)
                assert_string_not_equal(names_at(table, k), name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_mean_what_docs_say),
        cmocka_unit_test(names_are_printed_where_a_system_is),
        cmocka_unit_test(explain_says_why_not),
        cmocka_unit_test(explain_names),
        cmocka_unit_test(nothing_matches_a_policy_of_nothing),
        cmocka_unit_test(diff_tells_added_removed_and_moved),
        cmocka_unit_test(rules_know_their_text_and_place),
        cmocka_unit_test(places_make_other_ids),
        cmocka_unit_test(windows_lacks_what_it_has_not),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(large_policies_are_not_quadratic),
        cmocka_unit_test(names_of_tables_are_sound),
    };

    fixture_init(&fixture);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
