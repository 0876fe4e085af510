/* SPDX-License-Identifier: MIT */
/*
 * rules_test.c - the table of rules: every row is found by its id, no other is, and each says all it has to.
 *
 * The oracle of the look-up is a walk through the whole table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "nt/verify/rules.h"

static const struct nt_rule *find_slowly(const char *id)
{
    const struct nt_rule *rule;
    for (size_t index = 0; (rule = nt_rule_at(index)) != NULL; index++)
        if (strcmp(rule->id, id) == 0)
            return rule;
    return NULL;
}

static void every_row_is_found_by_its_id(void **state)
{
    (void)state;
    const struct nt_rule *rule;
    size_t index = 0;
    for (; (rule = nt_rule_at(index)) != NULL; index++) {
        assert_ptr_equal(nt_rule_find(rule->id), rule);
        assert_ptr_equal(find_slowly(rule->id), rule); /* no id twice */
    }
    assert_in_range(index, 100, 255);
}

static void other_names_are_not_found(void **state)
{
    (void)state;
    const struct nt_rule *rule;
    char name[64];
    assert_null(nt_rule_find(""));
    for (size_t index = 0; (rule = nt_rule_at(index)) != NULL; index++) {
        snprintf(name, sizeof name, "%sx", rule->id);
        assert_ptr_equal(nt_rule_find(name), find_slowly(name));
        snprintf(name, strlen(rule->id), "%s", rule->id); /* one short */
        assert_ptr_equal(nt_rule_find(name), find_slowly(name));
    }
}

static void assert_sentences(const char *text)
{
    size_t length = strlen(text);
    assert_in_range(length, 10, 400);
    assert_int_equal(text[length - 1], '.');
    assert_null(strstr(text, "  "));
}

static void each_row_says_all_it_has_to(void **state)
{
    (void)state;
    const struct nt_rule *rule;
    for (size_t index = 0; (rule = nt_rule_at(index)) != NULL; index++) {
        assert_int_equal(strspn(rule->id, "abcdefghijklmnopqrstuvwxyz-"), strlen(rule->id));
        assert_sentences(rule->rule);
        assert_sentences(rule->advice);
        assert_in_range(strlen(rule->page), 5, 100);
        assert_in_range(strlen(nt_severity_name(rule->severity)), 4, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_row_is_found_by_its_id),
                                       cmocka_unit_test(other_names_are_not_found),
                                       cmocka_unit_test(each_row_says_all_it_has_to)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
