/* SPDX-License-Identifier: MIT */
/*
 * conf_test.c - gatehoused.conf: what each kind of line sets, and what is said, where, of each kind of mistake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gatehouse/protocol.h"
#include "host/conf_file.h"

static struct settings settings;
static struct conf_errors errors;

static bool parse(const char *text)
{
    settings_init(&settings);
    return conf_parse(text, strlen(text), &settings, &errors);
}

static void sets_everything(void **state)
{
    static const char text[] = "# a comment\n"
                               "socket = /tmp/a.sock\n"
                               "\tstate=/tmp/state   # where\r\n"
                               "rules = \"/tmp/my \\\"rules\\\" \\\\ #1\"\n"
                               "\n"
                               "deadline = 2.5\n"
                               "undecided = permit\n"
                               "no-decider = block\n"
                               "dead = open\n"
                               "capacity = 16\n"
                               "hold-loopback = yes\n"
                               "queue = 65535\n"
                               "name-servers = \"192.0.2.53, 2001:db8::53\"\n"
                               "driver = /lib/a#b.sys\n"
                               "special-pool = yes\n"
                               "confine = kill\n"
                               "verbose = no";

    (void)state;
    assert_true(parse(text));
    assert_string_equal(settings.socket, "/tmp/a.sock");
    assert_string_equal(settings.state, "/tmp/state");
    assert_string_equal(settings.rules, "/tmp/my \"rules\" \\ #1");
    assert_string_equal(settings.driver, "/lib/a#b.sys");
    assert_int_equal(settings.deadline_ms, 2500);
    assert_int_equal(settings.undecided, GATEHOUSE_VERDICT_PERMIT);
    assert_int_equal(settings.no_decider, GATEHOUSE_NO_DECIDER_BLOCK);
    assert_true(settings.dead_open && settings.hold_loopback && settings.special_pool && !settings.verbose);
    assert_int_equal(settings.capacity, 16);
    assert_int_equal(settings.confine, CONFINE_KILL);
    assert_int_equal(settings.queue, 65535);
    assert_string_equal(settings.name_servers, "192.0.2.53, 2001:db8::53");
    for (int i = 0; i < SETTINGS; i++)
        assert_int_equal(settings.origin[i], SETTING_BY_FILE);
    assert_int_equal(settings.line[SETTING_DEADLINE], 6);
}

static void nothing_sets_nothing(void **state)
{
    static const char *const texts[] = {"", "\n", "#", "  # x", "\r\n\r\n", " \t "};
    static struct settings defaults;

    (void)state;
    settings_init(&defaults);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_true(parse(texts[i]));
        assert_memory_equal(&settings, &defaults, sizeof(defaults));
    }
}

static const struct {
    const char *text;
    unsigned line, column;
    const char *message;
} mistakes[] = {
    {"deadline = 121", 1, 12, "deadline takes seconds from 0.1 to 120, not \"121\"."},
    {"\n\n  deadline =\t5x", 3, 14, "deadline takes seconds from 0.1 to 120, not \"5x\"."},
    {"deadline = 1e1", 1, 12, "deadline takes seconds from 0.1 to 120, not \"1e1\"."},
    {"deadline = 0x1", 1, 12, "deadline takes seconds from 0.1 to 120, not \"0x1\"."},
    {"deadline = 5.", 1, 12, "deadline takes seconds from 0.1 to 120, not \"5.\"."},
    {"deadline =", 1, 11, "deadline takes seconds from 0.1 to 120, not \"\"."},
    {"deadline = # 5", 1, 12, "deadline takes seconds from 0.1 to 120, not \"\"."},
    {"deadline 5", 1, 10, "found \"5\"; expected \"=\": write deadline = VALUE."},
    {"deadline", 1, 9, "found the end of the line; expected \"=\": write deadline = VALUE."},
    {"dedline = 5", 1, 1, "found \"dedline\", which is no setting; did you mean \"deadline\"?"},
    {"no_decider = hold", 1, 1, "found \"no_decider\", which is no setting; did you mean \"no-decider\"?"},
    {"Socket = /a", 1, 1, "found \"Socket\", which is no setting; did you mean \"socket\"?"},
    {"colour = red", 1, 1, "found \"colour\", which is no setting; \"gatehoused --check\" shows all there are."},
    {"[main]", 1, 1, "found \"[main]\"; expected the name of a setting, \"=\" and a value."},
    {"= 5", 1, 1, "found \"=\"; expected the name of a setting, \"=\" and a value."},
    {"undecided = blokc", 1, 13, "undecided takes block or permit, not \"blokc\"; did you mean \"block\"?"},
    {"undecided = closed", 1, 13, "undecided takes block or permit, not \"closed\"; did you mean \"block\"?"},
    {"dead = permit", 1, 8, "dead takes closed or open, not \"permit\"; did you mean \"open\"?"},
    {"no-decider = 7", 1, 14, "no-decider takes hold, block or permit, not \"7\"."},
    {"hold-loopback = true", 1, 17, "hold-loopback takes yes or no, not \"true\"; did you mean \"yes\"?"},
    {"capacity = 15", 1, 12, "capacity takes a whole number from 16 to 64000, not \"15\"."},
    {"capacity = 64001", 1, 12, "capacity takes a whole number from 16 to 64000, not \"64001\"."},
    {"queue = -1", 1, 9, "queue takes a whole number from 0 to 65535, not \"-1\"."},
    {"queue = 99999999999999999999", 1, 9, "queue takes a whole number from 0 to 65535, not \"99999999999999999999\"."},
    {"state = state", 1, 9, "state takes an absolute path of 1 to 240 bytes, not \"state\"."},
    {"rules = \"\"", 1, 9, "rules takes an absolute path of 1 to 4095 bytes, not \"\"."},
    {"rules = /a b", 1, 12,
     "found \"b\" after the value; a value with blanks stands in quotes, a comment begins with #."},
    {"rules = \"/a", 1, 9, "found a quote that the line does not close; write \" at the end of the value."},
    {"rules = \"/a\"b", 1, 13,
     "found \"b\" after the value; a value with blanks stands in quotes, a comment begins with #."},
    {"rules = \"/a\"#b", 1, 13, "found a comment right behind the value; put a blank before it."},
    {"rules = /a\"b", 1, 11,
     "found a quote within a value; write the whole value in quotes, and \\\" for a quote in it."},
    {"rules = \"/a\\n\"", 1, 12, "found \"\\\"; in quotes only \\\" and \\\\ may follow it: for one \\ write two."},
    {"rules = /\xc3\xa4 b", 1, 12,
     "found \"b\" after the value; a value with blanks stands in quotes, a comment begins with #."},
    {"queue = 1\nqueue = 1", 2, 1, "found \"queue\" again; it was set in line 1: leave one of them."},
    {"queue\x01 = 1", 1, 6, "found the control character 1; this is a file of text."},
    {"queue = 1\r2", 1, 10, "found the control character 13; this is a file of text."},
};

static void says_what_is_wrong(void **state)
{
    static struct settings defaults;

    (void)state;
    settings_init(&defaults);
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        assert_false(parse(mistakes[i].text));
        assert_int_equal(errors.count, 1);
        assert_string_equal(errors.error[0].message, mistakes[i].message);
        assert_int_equal(errors.error[0].line, mistakes[i].line);
        assert_int_equal(errors.error[0].column, mistakes[i].column);
        assert_memory_equal(&settings, &defaults, sizeof(defaults)); /* a bad file changes nothing */
    }
}

static void tells_all_errors(void **state)
{
    char text[2 * (CONF_ERRORS_MAX + 5) + 1];

    (void)state;
    assert_false(parse("deadline = 5\nquee = 1\n\nqueue = x\n"));
    assert_int_equal(errors.count, 2);
    assert_int_equal(errors.error[0].line, 2);
    assert_int_equal(errors.error[1].line, 4);
    assert_int_equal(settings.deadline_ms, 60000);
    for (unsigned i = 0; i < CONF_ERRORS_MAX + 5; i++)
        memcpy(text + 2 * i, "x\n", 3);
    assert_false(parse(text));
    assert_int_equal(errors.count, CONF_ERRORS_MAX);
}

static void command_line_goes_first(void **state)
{
    char message[SETTING_MESSAGE_MAX];

    (void)state;
    settings_init(&settings);
    assert_true(setting_take(&settings, SETTING_DEADLINE, "7", NULL, message));
    settings.origin[SETTING_DEADLINE] = SETTING_BY_COMMAND_LINE;
    assert_true(conf_parse("deadline = 9\nqueue = 3", 22, &settings, &errors));
    assert_int_equal(settings.deadline_ms, 7000);
    assert_int_equal(settings.queue, 3);
    assert_false(conf_parse("deadline = soon", 15, &settings, &errors)); /* wrong all the same */
}

static void takes_safe_files_only(void **state)
{
    char path[] = "/tmp/gatehouse-conf-XXXXXX", folder[] = "/tmp";
    int file = mkstemp(path);

    (void)state;
    assert_true(file >= 0);
    assert_int_equal(write(file, "queue = 3\n", 10), 10);
    settings_init(&settings);
    assert_int_equal(conf_read(path, &settings, &errors), CONF_READ);
    assert_int_equal(settings.queue, 3);
    assert_int_equal(fchmod(file, 0622), 0);
    assert_int_equal(conf_read(path, &settings, &errors), CONF_BAD);
    assert_non_null(strstr(errors.error[0].message, "chmod"));
    assert_int_equal(fchmod(file, 0600), 0);
    assert_int_equal(ftruncate(file, CONF_FILE_MAX + 1), 0);
    assert_int_equal(conf_read(path, &settings, &errors), CONF_BAD);
    assert_non_null(strstr(errors.error[0].message, "longer"));
    close(file);
    unlink(path);
    assert_int_equal(conf_read(path, &settings, &errors), CONF_MISSING);
    assert_int_equal(conf_read(folder, &settings, &errors), CONF_BAD);
    assert_int_equal(conf_read("/dev/null", &settings, &errors), CONF_READ);
    assert_int_equal(settings.queue, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_everything),         cmocka_unit_test(nothing_sets_nothing),
        cmocka_unit_test(says_what_is_wrong),      cmocka_unit_test(tells_all_errors),
        cmocka_unit_test(command_line_goes_first), cmocka_unit_test(takes_safe_files_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
