/* SPDX-License-Identifier: MIT */
/*
 * name_pattern_test.c - core/name_pattern against a reference that cuts names into labels and compares lists of them,
 * over all short texts and random long ones; and the limits of RFC 1035, 2.3.4 (labels 63, names 253 as text).
 */
#include "core_test.h"

#include <ctype.h>

#include "core/name_pattern.h"
#include "gatehouse/protocol.h"

#define TEXT_MAX 400

struct labels {
    int count; /* < 0: no name */
    char label[TEXT_MAX / 2 + 2][64];
};

/* The header's words, one after the other. */
static void labels_of(const char *text, struct labels *labels)
{
    size_t at = 0;

    labels->count = -1;
    if (strlen(text) > 253 || *text == 0)
        return;
    labels->count = 0;
    for (;;) {
        size_t size = strcspn(text + at, ".");

        if (size < 1 || size > 63) {
            labels->count = -1;
            return;
        }
        for (size_t i = 0; i < size; i++) {
            int c = (unsigned char)text[at + i];

            if (c >= 128 || (!isalnum(c) && c != '-' && c != '_')) {
                labels->count = -1;
                return;
            }
            labels->label[labels->count][i] = (char)tolower(c);
        }
        labels->label[labels->count++][size] = 0;
        at += size;
        if (text[at++] == 0)
            return;
    }
}

static bool oracle_pattern(const char *pattern, struct labels *labels, bool *below)
{
    *below = strncmp(pattern, "*.", 2) == 0;
    labels_of(*below ? pattern + 2 : pattern, labels);
    return labels->count > 0 && strlen(pattern) <= 253;
}

static bool oracle_matches(const struct labels *pattern, bool below, const struct labels *name)
{
    int more = name->count - pattern->count;

    if (below ? more < 1 : more != 0)
        return false;
    for (int i = 0; i < pattern->count; i++) {
        if (strcmp(pattern->label[i], name->label[more + i]) != 0)
            return false;
    }
    return true;
}

static bool check(const char *pattern, const char *name)
{
    static struct labels a, b;
    bool below, matches;

    assert_int_equal(name_pattern_is_valid(pattern, strlen(pattern)), oracle_pattern(pattern, &a, &below));
    labels_of(name, &b);
    if (name_is_valid(name, strlen(name)) != (b.count > 0))
        fail_msg("name %s", name);
    if (a.count <= 0 || b.count <= 0 || strlen(pattern) > 253)
        return false;
    matches = name_pattern_matches(pattern, strlen(pattern), name, strlen(name));
    if (matches != oracle_matches(&a, below, &b))
        fail_msg("pattern %s, name %s", pattern, name);
    return matches;
}

static void as_the_header_says(void **state)
{
    char text[TEXT_MAX];

    (void)state;
    assert_true(check("example.org", "example.org"));
    assert_true(check("example.org", "EXAMPLE.Org"));
    assert_true(check("Example.ORG", "example.org"));
    assert_false(check("example.org", "www.example.org"));
    assert_true(check("*.example.org", "www.example.org"));
    assert_true(check("*.example.org", "a.b.Example.org"));
    assert_false(check("*.example.org", "example.org"));
    assert_false(check("*.example.org", "badexample.org"));
    assert_false(check("*.example.org", "www.example.org.evil.net"));
    assert_true(check("_dmarc.x-1.example", "_DMARC.x-1.example"));
    for (const char *const *bad = (const char *const[]){"", ".", "a.", ".a", "a..b", "a b", "*", "*.", "*a.b", "a.*.b",
                                                        "**.a", "*.*.a", "a/b", "b\xc3\xbc.de", "a\n", NULL};
         *bad != NULL; bad++) {
        assert_false(name_is_valid(*bad, strlen(*bad)));
        assert_false(name_pattern_is_valid(*bad, strlen(*bad)));
    }
    assert_false(name_is_valid("a\0b", 3));
    for (int size = 1; size < 300; size++) {
        memset(text, 'a', sizeof(text));
        text[size] = 0;
        assert_int_equal(name_is_valid(text, (size_t)size), size <= 63);
        for (int i = 63; i < size; i += 64)
            text[i] = '.';
        if (text[size - 1] != '.')
            assert_int_equal(name_is_valid(text, (size_t)size), size <= 253);
    }
    name_fold(text, "AZaz09-_.@[`{", 13);
    assert_memory_equal(text, "azaz09-_.@[`{", 13);
}

/* Every text of up to size of these letters, counted. */
static void text_number(unsigned number, const char *letters, unsigned size, char *text)
{
    unsigned base = (unsigned)strlen(letters) + 1;

    for (unsigned i = 0; i < size; i++, number /= base) {
        if (number % base != 0)
            *text++ = letters[number % base - 1];
    }
    *text = 0;
}

static void same_as_the_reference(void **state)
{
    static const char letters[] = "aB.b*A-_.Zz0";
    char pattern[TEXT_MAX], name[TEXT_MAX];
    unsigned matched = 0;

    (void)state;
    for (unsigned i = 0; i < 3125; i++) {
        text_number(i, "a.*B", 5, pattern);
        for (unsigned j = 0; j < 1024; j++) {
            text_number(j, "a.b", 5, name);
            matched += check(pattern, name);
        }
    }
    for (int i = 0; i < 100000; i++) {
        size_t size = test_random(10) == 0 ? 240 + test_random(20) : test_random(30);

        for (size_t k = 0; k < size; k++)
            name[k] = k % 16 == 15 ? '.' : letters[test_random(4)];
        name[size] = 0;
        if (test_random(2) == 0) { /* a pattern that has a chance */
            size_t cut = test_random((uint32_t)size + 1);

            snprintf(pattern, sizeof(pattern), "%s%s", test_random(2) == 0 ? "*." : "", name + cut);
        } else {
            for (size_t k = 0; k < 20; k++)
                pattern[k] = letters[test_random(12)];
            pattern[test_random(20)] = 0;
            pattern[20] = 0;
        }
        matched += check(pattern, name);
    }
    assert_true(matched > 1000); /* the reference has been asked something */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_header_says),
        cmocka_unit_test(same_as_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
