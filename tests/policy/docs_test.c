/* SPDX-License-Identifier: MIT */
/*
 * docs_test.c - every example of docs/rules.md (```rules) and of the man page (.EX) parses, and so does what it prints.
 * Files that they name are there, and empty. The first example of both is the issue's.
 */
#include "policy_fixture.h"

static const char *markdown, *manual;
static struct fixture fixture;
static char first_example[2][2000];

static bool read_empty(void *context, const char *path, size_t limit, char **bytes, size_t *size, const char **why)
{
    (void)context;
    (void)limit;
    *why = "never";
    assert_true(strlen(path) > 0);
    *bytes = calloc(1, 1);
    *size = 0;
    return *bytes != NULL;
}

static void check_example(const char *text, size_t line)
{
    struct policy *policy = policy_parse_text("example", text, strlen(text), &fixture.system);
    char *errors = fixture_errors(policy);
    struct policy_image image;

    if (errors[0] != '\0')
        fail_msg("the example in line %zu:\n%s", line, errors);
    free(errors);
    assert_true(policy_rule_count(policy) > 0);
    assert_true(policy_compile(policy, NULL, &image));
    assert_true(rule_image_check(image.bytes, image.size, false, NULL));
    policy_image_cleanup(&image);
    policy_free(policy);
}

/* In a man page a backslash is \e, a quote at a line's start \(dq; ours have neither. */
static unsigned check_file(const char *path, const char *begin, const char *end, char *first)
{
    FILE *file = fopen(path, "r");
    char line[512], text[4096] = "";
    size_t number = 0, began = 0;
    unsigned count = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        number++;
        if (began == 0 && strncmp(line, begin, strlen(begin)) == 0) {
            began = number;
            text[0] = '\0';
        } else if (began != 0 && strncmp(line, end, strlen(end)) == 0) {
            check_example(text, began);
            if (count++ == 0)
                snprintf(first, 2000, "%s", text);
            began = 0;
        } else if (began != 0) {
            assert_true(strlen(text) + strlen(line) < sizeof(text));
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s", line);
        }
    }
    fclose(file);
    assert_int_equal(began, 0);
    return count;
}

static void every_example_parses(void **state)
{
    static const char issue[] = "set lan = { 10.0.0.0/8, 192.168.0.0/16, fd00::/8 }\n"
                                "permit program \"/usr/bin/curl\" out proto tcp to any port { 80, 443 }\n"
                                "block  program \"/opt/telemetry/**\" log\n"
                                "permit to $lan\n"
                                "permit program \"/usr/bin/ssh\" to 203.0.113.7 port 22 for 10 minutes\n"
                                "ask    out\n"
                                "block  all\n";

    (void)state;
    assert_true(check_file(markdown, "```rules\n", "```\n", first_example[0]) >= 7);
    assert_true(check_file(manual, ".EX", ".EE", first_example[1]) >= 3);
    assert_string_equal(first_example[0], issue);
    assert_string_equal(first_example[1], issue);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_parses),
    };

    if (count != 3)
        return 1;
    markdown = arguments[1];
    manual = arguments[2];
    fixture_init(&fixture);
    fixture.system.read_file = read_empty;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
