/* SPDX-License-Identifier: MIT */
/*
 * errors_test.c - every error, as it is shown: errors.txt has texts and what has to be said about them.
 *
 *   === what it is about      begins a case; then the rules
 *   +++ NAME                  begins another file of the case
 *   ---                       begins what is expected; nothing: there is no error
 *
 * With a second argument the present output is written there instead, for looking at and taking over.
 */
#include "policy_fixture.h"

#define CASES_MAX (256u * 1024u)

static char text[CASES_MAX];
static const char *write_to;

/* Up to the next line that begins with marker; the rest goes on there. Cuts. */
static char *take(char **at, const char *const *markers)
{
    char *first = *at;

    for (char *line = first; *line != '\0';) {
        for (unsigned i = 0; markers[i] != NULL; i++) {
            if (strncmp(line, markers[i], strlen(markers[i])) == 0) {
                *at = line;
                return first;
            }
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
        *at = line;
    }
    return first;
}

/* The rest of a marker's line; *at goes behind it. */
static void take_name(char **at, char *name, size_t capacity)
{
    size_t length = strcspn(*at, "\n");

    snprintf(name, capacity, "%.*s", length > 4 ? (int)length - 4 : 0, *at + 4);
    *at += length + (*at + length < text + CASES_MAX && (*at)[length] == '\n');
}

static char *cut(const char *first, const char *end)
{
    char *copy = strndup(first, (size_t)(end - first));

    assert_non_null(copy);
    return copy;
}

struct catalogue {
    FILE *out;
    unsigned count, wrong;
};

static void run(struct catalogue *catalogue, const char *name, struct fixture *fixture, const char *rules,
                const char *expected)
{
    struct policy *policy;
    struct policy_image image = {0};
    char *errors;

    /* As on a system without tables for Unicode names. */
    fixture->system.find_ascii = NULL;
    policy = policy_parse_text("rules", rules, strlen(rules), &fixture->system);
    assert_non_null(policy);
    errors = fixture_errors(policy);
    assert_int_equal(policy_compile(policy, NULL, &image), !policy_failed(policy));
    policy_image_cleanup(&image);
    catalogue->count++;
    if (catalogue->out != NULL) {
        fputs(errors, catalogue->out);
    } else if (strcmp(errors, expected) != 0) {
        catalogue->wrong++;
        print_error("case '%s':\n%s--- expected:\n%s--- said:\n%s", name, rules, expected, errors);
    }
    free(errors);
    policy_free(policy);
}

static void one_case(struct catalogue *catalogue, char **at)
{
    static const char *const markers[] = {"=== ", "+++ ", "---\n", NULL};
    static struct fixture fixture;
    char name[80], *first = *at, *rules, *expected;
    char *texts[FIXTURE_FILES_MAX];
    unsigned count = 0;

    fixture_init(&fixture);
    take_name(at, name, sizeof(name));
    rules = take(at, markers);
    rules = cut(rules, *at);
    while (strncmp(*at, "+++ ", 4) == 0) {
        char file[64], *begin;

        take_name(at, file, sizeof(file));
        begin = take(at, markers);
        texts[count] = cut(begin, *at);
        fixture_add(&fixture, file, texts[count++]);
    }
    assert_true(strncmp(*at, "---\n", 4) == 0);
    *at += 4;
    if (catalogue->out != NULL)
        fwrite(first, 1, (size_t)(*at - first), catalogue->out);
    expected = take(at, markers);
    expected = cut(expected, *at);
    run(catalogue, name, &fixture, rules, expected);
    free(rules);
    free(expected);
    while (count > 0)
        free(texts[--count]);
}

static void every_error_says_what_it_should(void **state)
{
    struct catalogue catalogue = {0};
    char *at = text;

    (void)state;
    if (write_to != NULL)
        catalogue.out = fopen(write_to, "w");
    while (*at != '\0')
        one_case(&catalogue, &at);
    if (catalogue.out != NULL)
        fclose(catalogue.out);
    assert_true(catalogue.count > 80);
    assert_int_equal(catalogue.wrong, 0);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_says_what_it_should),
    };
    FILE *file = count > 1 ? fopen(arguments[1], "r") : NULL;

    if (file == NULL || fread(text, 1, sizeof(text) - 1, file) == 0)
        return 1;
    fclose(file);
    write_to = count > 2 ? arguments[2] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
