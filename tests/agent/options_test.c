/* SPDX-License-Identifier: MIT */
/*
 * options_test.c - the command line: what it means, and that each wrong one is refused with a sentence; and what
 * a person types to 'gatehouse ask' (agent/person).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/person.h"
#include "agent/report.h"
#include "cli/options.h"

#define ARGUMENTS_MAX 20

/* Splits at spaces; line must stay. */
static enum agent_result read_line(const char *line, struct options *options, struct problem *problem)
{
    static char copy[256];
    char *arguments[ARGUMENTS_MAX + 1] = {"gatehouse"};
    int count = 1;

    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word != NULL && count < ARGUMENTS_MAX; word = strtok(NULL, " "))
        arguments[count++] = word;
    return options_read(options, count, arguments, problem);
}

static struct options good(const char *line)
{
    struct options options = {0};
    struct problem problem = {0};

    if (read_line(line, &options, &problem) != AGENT_OK)
        fail_msg("'%s': %s", line, problem.sentence);
    return options;
}

static void test_install(void **state)
{
    static const char *const bad[] = {"install --starts never", "install --starts", "uninstall --closed",
                                      "status --dry-run",       "install file",     "install --deadline 0"};
    struct options options = good("install --closed --starts=auto --deadline 5 --no-decider block --json");

    (void)state;
    assert_int_equal(options.command, OPTIONS_INSTALL);
    assert_int_equal(options.install.closed, INSTALL_YES);
    assert_int_equal(options.install.automatic, INSTALL_YES);
    assert_true(!options.install.start && !options.install.dry_run && options.json);
    assert_true(options.policy.set_deadline && options.policy.deadline_ms == 5000 && !options.policy.set_undecided);
    options_cleanup(&options);
    options = good("install --dry-run --open --start --starts demand");
    assert_int_equal(options.install.closed, INSTALL_NO);
    assert_int_equal(options.install.automatic, INSTALL_NO);
    assert_true(options.install.start && options.install.dry_run);
    options_cleanup(&options);
    options = good("uninstall");
    assert_int_equal(options.install.closed, INSTALL_KEEP);
    options_cleanup(&options);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct problem problem = {0};

        assert_int_equal(read_line(bad[i], &options, &problem), AGENT_USAGE);
        assert_true(problem.sentence[0] != '\0');
    }
}

/* A word that is near to one that is there is asked about; and whose help to look at. */
static void test_unknown(void **state)
{
    static const char *const said[][2] = {
        {"stauts", "there is no command 'stauts'; did you mean 'status'? See 'gatehouse --help'."},
        {"frobnicate", "there is no command 'frobnicate': see 'gatehouse --help'."},
        {"log --sicne=1h", "there is no option '--sicne'; did you mean '--since'? See 'gatehouse log --help'."},
        {"--sokcet x status", "there is no option '--sokcet'; did you mean '--socket'? See 'gatehouse --help'."},
        {"status --dedline 5", "there is no option '--dedline': see 'gatehouse status --help'."},
        {"log --since", "--since needs a value after it: see 'gatehouse log --help'."}};
    struct options options;

    (void)state;
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        struct problem problem = {0};

        assert_int_equal(read_line(said[i][0], &options, &problem), AGENT_USAGE);
        assert_string_equal(problem.sentence, said[i][1]);
    }
}

/* Columns as wide as their widest cell; a row that nothing was done to keeps saying so. */
static void test_report(void **state)
{
    static struct report report;
    struct text text = {0};

    (void)state;
    report_add(&report, "file", "absent", "copied", "C:\\a");
    report_add(&report, "service", "there", "unchanged", "b");
    report_change(&report, "file", "put back");
    report_change(&report, "service", "put back");
    report_change(&report, "none", "x");
    report_show(&report, &text);
    assert_string_equal(text_string(&text), "STEP     WAS     IS         WHAT\n"
                                            "file     absent  put back   C:\\a\n"
                                            "service  there   unchanged  b\n");
    text_clear(&text);
    report.dry_run = true;
    report_show_json(&report, &text);
    assert_string_equal(text_string(&text),
                        "{\"step\":\"file\",\"was\":\"absent\",\"would_be\":\"put back\",\"what\":\"C:\\\\a\"}\n"
                        "{\"step\":\"service\",\"was\":\"there\",\"would_be\":\"unchanged\",\"what\":\"b\"}\n");
    for (unsigned i = 0; i < REPORT_ROWS_MAX + 3; i++)
        report_add(&report, "more", "", "", "");
    assert_int_equal(report.count, REPORT_ROWS_MAX);
    text_free(&text);
}

static void test_good(void **state)
{
    struct options options = good("--socket /s permit --except /a /b --quiet --except=/c --json");

    (void)state;
    assert_int_equal(options.command, OPTIONS_PERMIT);
    assert_string_equal(options.socket, "/s");
    assert_int_equal(options.except_count, 3);
    assert_string_equal(options.except[1], "/b");
    assert_string_equal(options.except[2], "/c");
    assert_true(options.quiet && options.json && !options.once);
    options_cleanup(&options);
    options = good("block --except /a -- --once --socket=/t");
    assert_true(options.once);
    assert_int_equal(options.except_count, 1);
    assert_string_equal(options.socket, "/t");
    options_cleanup(&options);
    options = good("policy --deadline 0.1 --undecided permit --no-decider hold");
    assert_int_equal(options.policy.deadline_ms, 100);
    assert_true(options.policy.set_deadline && options.policy.set_undecided && options.policy.set_no_decider);
    options_cleanup(&options);
    options = good("policy --deadline 120");
    assert_int_equal(options.policy.deadline_ms, 120000);
    assert_false(options.policy.set_undecided);
    options_cleanup(&options);
    options = good("filter add block --program /p --to 192.0.2.1 --port 1-2 --proto tcp --weight 9 --name n --v4");
    assert_true(options.command == OPTIONS_FILTER && options.word_count == 2 && options.filter.v4 &&
                !options.filter.v6);
    assert_string_equal(options.words[1], "block");
    assert_string_equal(options.filter.program, "/p");
    assert_string_equal(options.filter.protocol, "tcp");
    options_cleanup(&options);
    options = good("filter remove 12 13 --socket /s");
    assert_true(options.word_count == 3 && !options.all);
    options_cleanup(&options);
    options = good("ask --help");
    assert_true(options.help && options.command == OPTIONS_ASK);
    options_cleanup(&options);
    options = good("--version");
    assert_true(options.version);
    options_cleanup(&options);
}

static void test_bad(void **state)
{
    static const char *const lines[] = {"",
                                        "nothing",
                                        "permit block",
                                        "permit /a",
                                        "--json permit",
                                        "permit --except",
                                        "permit --except --quiet",
                                        "--socket",
                                        "permit --quiet=1",
                                        "ask --except /a",
                                        "status --quiet",
                                        "permit --deadline 3",
                                        "policy --deadline",
                                        "policy --deadline 0",
                                        "policy --deadline 0.0999",
                                        "policy --deadline 120.001",
                                        "policy --deadline 1e3",
                                        "policy --deadline -1",
                                        "policy --deadline 1.",
                                        "policy --deadline .5",
                                        "policy --deadline 1.2.3",
                                        "policy --deadline 99999999999999999999",
                                        "policy --undecided hold",
                                        "policy --no-decider maybe",
                                        "filter add --to",
                                        "filter list --all=1",
                                        "permit --program /p",
                                        "filter --quiet",
                                        "permit -x",
                                        "permit --excep /a",
                                        "watch --once"};

    (void)state;
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct options options = {.socket = "untouched"};
        struct problem problem = {0};

        if (read_line(lines[i], &options, &problem) != AGENT_USAGE)
            fail_msg("'%s' was accepted", lines[i]);
        assert_string_equal(options.socket, "untouched");
        assert_true(strlen(problem.sentence) > 10);
    }
}

static enum person_answer take_line(const char *line)
{
    struct person person = {0};

    person_hear(&person, line, strlen(line));
    return person_take(&person);
}

static void test_lines(void **state)
{
    (void)state;
    assert_int_equal(take_line("y\n"), PERSON_YES);
    assert_int_equal(take_line(" YES \r\n"), PERSON_YES);
    assert_int_equal(take_line("no\n"), PERSON_NO);
    assert_int_equal(take_line("always\n"), PERSON_ALWAYS);
    assert_int_equal(take_line("d\n"), PERSON_NEVER);
    assert_int_equal(take_line("?\n"), PERSON_HELP);
    assert_int_equal(take_line("ye\n"), PERSON_UNCLEAR);
    assert_int_equal(take_line("yess\n"), PERSON_UNCLEAR);
    assert_int_equal(take_line("\n"), PERSON_UNCLEAR);
    assert_int_equal(take_line("y"), PERSON_NONE);
}

/* A line that is too long is one wrong answer, whatever it ends in. */
static void test_long_line(void **state)
{
    struct person person = {0};
    char long_line[PERSON_WAITING_MAX];

    (void)state;
    memset(long_line, 'x', sizeof(long_line));
    person_hear(&person, long_line, sizeof(long_line));
    assert_false(person_has_room(&person));
    assert_int_equal(person_take(&person), PERSON_NONE);
    person_hear(&person, "y\nn\n", 4);
    assert_int_equal(person_take(&person), PERSON_UNCLEAR);
    assert_int_equal(person_take(&person), PERSON_NO);
    assert_int_equal(person_take(&person), PERSON_NONE);
    person_hear(&person, "", 0);
    assert_int_equal(person_take(&person), PERSON_END);
}

static void test_keys(void **state)
{
    struct person person = {.keys = true};

    (void)state;
    person_hear(&person, "ny", 2);
    assert_int_equal(person_take(&person), PERSON_NO);
    assert_int_equal(person_take(&person), PERSON_NONE);
    person_hear(&person, "\x1b[A", 3);
    assert_int_equal(person_take(&person), PERSON_UNCLEAR);
    assert_int_equal(person_take(&person), PERSON_NONE);
    person_hear(&person, "\x04", 1);
    assert_int_equal(person_take(&person), PERSON_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),      cmocka_unit_test(test_install), cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_report),    cmocka_unit_test(test_bad),     cmocka_unit_test(test_lines),
        cmocka_unit_test(test_long_line), cmocka_unit_test(test_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
