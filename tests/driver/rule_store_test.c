/* SPDX-License-Identifier: MIT */
/*
 * rule_store_test.c - rules that are kept: in force again after the driver was away, after a reboot those that outlive
 * it; damaged files; and every call of a change failing, once or from there on: the old rules or the new ones, never a
 * mix, in force and in the files.
 */
#include "rules_client.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256], lasting[300], passing[300]; /* a folder of the test's; the two registry values are below it */
static char values_text[2][400];
static struct nt_file *decider;
static struct rule_builder b;

/* As the driver is given it: "\??\unix\tmp\x". */
static void registry_path(const char *path, char *text, size_t size)
{
    snprintf(text, size, "\\??\\unix%s", path);
    for (char *c = text; *c != 0; c++)
        if (*c == '/')
            *c = '\\';
}

static void driver_on(void)
{
    const struct nt_registry_value values[] = {{"RulesFolder", 0, values_text[0]},
                                               {"RulesVolatileFolder", 0, values_text[1]}};

    fixture_load(values, 2);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
}

static void driver_off(void)
{
    nt_file_close(decider);
    fixture_unload();
}

static void driver_again(void)
{
    driver_off();
    driver_on();
}

static const char *file_in(const char *where, const char *name)
{
    static char path[400];

    snprintf(path, sizeof(path), "%s/%s", where, name);
    return path;
}

static void remove_files(const char *where)
{
    static const char *const names[] = {"rules", "added", "rules.new", "added.new", "rules.damaged", "added.damaged"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unlink(file_in(where, names[i]));
}

static int setup(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    snprintf(folder, sizeof(folder), "%s/gatehouse-rules-XXXXXX", base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(folder));
    snprintf(lasting, sizeof(lasting), "%s/lasting", folder);
    snprintf(passing, sizeof(passing), "%s/passing", folder);
    assert_int_equal(mkdir(lasting, 0700), 0);
    assert_int_equal(mkdir(passing, 0700), 0);
    registry_path(lasting, values_text[0], sizeof(values_text[0]));
    registry_path(passing, values_text[1], sizeof(values_text[1]));
    builder_begin(&b);
    driver_on();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    nt_set_fault(NULL, NULL);
    driver_off();
    builder_free(&b);
    remove_files(lasting);
    remove_files(passing);
    (void)rmdir(lasting);
    (void)rmdir(passing);
    return rmdir(folder);
}

static enum wfp_outcome outcome(const char *program)
{
    struct fixture_connection connection;

    fixture_connect_to(&connection, fixture_endpoint(),
                       &(struct fixture_connect){.program = program, .remote_last = 1});
    thread_settle();
    if (connection.first.outcome == WFP_PENDED)
        wfp_ale_endpoint_closed(connection.endpoint);
    return connection.first.outcome;
}

static struct gatehouse_rule *rule_about(uint8_t action, const char *program, uint8_t until, uint64_t lifetime_ms)
{
    builder_rule(&b, action, OUTGOING);
    builder_text(&b, GATEHOUSE_PART_PROGRAM, program);
    struct gatehouse_rule *rule = (void *)(b.rules + b.rule_at);
    rule->until = until;
    rule->lifetime_ms = lifetime_ms;
    return rule;
}

static void add_about(uint8_t action, const char *program, uint8_t until)
{
    builder_free(&b);
    rule_about(action, program, until, 0)->place = GATEHOUSE_PLACE_TOP;
    assert_int_equal(rules_add_built(decider, &b), 0);
}

static void load_and_add(void)
{
    struct fixture_connection held;
    struct gatehouse_request request;

    builder_free(&b);
    rule_about(PERMIT, "/bin/a", 0, 0);
    rule_about(PERMIT, "/bin/timed", GATEHOUSE_UNTIL_TIME, 10000);
    rule_about(PERMIT, "/bin/boot", GATEHOUSE_UNTIL_REBOOT, 0);
    rule_about(PERMIT, "/bin/exit", GATEHOUSE_UNTIL_EXIT, 0);
    rule_about(BLOCK, "/bin/last", 0, 0);
    assert_int_equal(rules_load_built(decider, &b), 0);
    add_about(BLOCK, "/bin/x", 0);
    add_about(BLOCK, "/bin/y", GATEHOUSE_UNTIL_REBOOT);
    fixture_connect_to(&held, fixture_endpoint(), &(struct fixture_connect){.program = "/bin/answer"});
    assert_int_equal(fixture_get(decider, &request, 1), 1);
    assert_int_equal(fixture_decide(decider, request.id, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_SCOPE_PROGRAM, 0), 0);
    wfp_ale_endpoint_closed(held.endpoint);
}

static void assert_lasting(void)
{
    assert_int_equal(outcome("/bin/a"), WFP_PERMIT);
    assert_int_equal(outcome("/bin/last"), WFP_BLOCK);
    assert_int_equal(outcome("/bin/x"), WFP_BLOCK);
    assert_int_equal(outcome("/bin/answer"), WFP_BLOCK);
    assert_int_equal(fixture_status(decider).answers, 1);
}

static void rules_are_there_again(void **state)
{
    struct gatehouse_rules_piece before, after;
    void *was, *is;

    (void)state;
    load_and_add();
    was = rules_get(decider, &before);
    driver_again();
    is = rules_get(decider, &after);
    assert_int_equal(before.total, after.total);
    assert_memory_equal(was, is, before.total); /* with their ends */
    free(was);
    free(is);
    assert_lasting();
    assert_int_equal(outcome("/bin/timed"), WFP_PERMIT);
    assert_int_equal(outcome("/bin/boot"), WFP_PERMIT);
    assert_int_equal(outcome("/bin/exit"), WFP_PERMIT);
    assert_int_equal(outcome("/bin/y"), WFP_BLOCK);
    fixture_advance(10001 * MS);
    assert_int_equal(outcome("/bin/timed"), WFP_PENDED);
}

static void what_ended_stays_ended(void **state)
{
    (void)state;
    load_and_add();
    assert_int_equal(outcome("/bin/exit"), WFP_PERMIT);
    nt_process_ended(77, 130000000000000077ull);
    fixture_advance(10001 * MS);
    assert_int_equal(outcome("/bin/exit"), WFP_PENDED);
    driver_again();
    assert_int_equal(outcome("/bin/exit"), WFP_PENDED);
    assert_lasting();
}

static void reboot_forgets(void **state)
{
    (void)state;
    load_and_add();
    driver_off();
    remove_files(passing);
    driver_on();
    assert_lasting();
    assert_int_equal(outcome("/bin/timed"), WFP_PERMIT);
    assert_int_equal(outcome("/bin/boot"), WFP_PENDED);
    assert_int_equal(outcome("/bin/exit"), WFP_PENDED);
    assert_int_equal(outcome("/bin/y"), WFP_PENDED);
}

static void change_file(const char *where, const char *name, off_t at, const char *bytes)
{
    int file = open(file_in(where, name), O_WRONLY | O_CREAT, 0600);

    assert_true(file >= 0);
    if (bytes == NULL)
        assert_int_equal(ftruncate(file, at), 0);
    else
        assert_int_equal(pwrite(file, bytes, strlen(bytes), at), (ssize_t)strlen(bytes));
    close(file);
}

/* Whatever is wrong: the driver starts without it, and it is there for people to look at. */
static void damaged_files_are_put_aside(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct stat about;

        load_and_add();
        driver_off();
        remove_files(passing);
        if (i == 0)
            change_file(lasting, "rules", 200, "x");
        else if (i == 1)
            change_file(lasting, "rules", 0, "hello, world");
        else
            change_file(lasting, "rules", i == 2 ? 0 : 100, NULL);
        driver_on();
        assert_int_equal(outcome("/bin/a"), WFP_PENDED);
        assert_int_equal(outcome("/bin/x"), WFP_BLOCK); /* the other file is good */
        assert_int_equal(stat(file_in(lasting, "rules"), &about), -1);
        assert_int_equal(stat(file_in(lasting, "rules.damaged"), &about), 0);
        builder_free(&b);
        assert_int_equal(rules_load_built(decider, &b), 0);
        driver_again();
        assert_int_equal(outcome("/bin/a"), WFP_PENDED);
        driver_off();
        remove_files(passing);
        remove_files(lasting);
        driver_on();
    }
}

static void no_folder_no_change(void **state)
{
    (void)state;
    load_and_add();
    remove_files(lasting);
    assert_int_equal(rmdir(lasting), 0);
    builder_free(&b);
    rule_about(BLOCK, "/bin/a", 0, 0);
    assert_int_equal(rules_load_built(decider, &b), GATEHOUSE_E_RULES_STORE);
    assert_lasting();
    driver_again(); /* the volatile files say what is in force */
    assert_lasting();
    driver_off();
    remove_files(passing);
    driver_on();
    assert_int_equal(outcome("/bin/a"), WFP_PENDED);
    assert_int_equal(mkdir(lasting, 0700), 0);
}

/* --- Failures --- */

static _Atomic long fail_at;
static _Atomic bool failed, fail_on;

static BOOLEAN fail_nth(const char *routine, void *context)
{
    long left = atomic_fetch_sub(&fail_at, 1);

    (void)routine;
    (void)context;
    if (left > 0 || (left < 0 && !fail_on))
        return FALSE;
    failed = true;
    return TRUE;
}

/* 'o' the old rules, 'n' the new ones; '?' is a mix. */
static char in_force(void)
{
    enum wfp_outcome a = outcome("/bin/a"), c = outcome("/bin/c"), d = outcome("/bin/d");

    if (a == WFP_PERMIT && c == WFP_BLOCK && d == WFP_PENDED)
        return 'o';
    return a == WFP_BLOCK && c == WFP_PENDED && d == WFP_PERMIT ? 'n' : '?';
}

static void load_old(void)
{
    builder_free(&b);
    rule_about(PERMIT, "/bin/a", 0, 0);
    rule_about(BLOCK, "/bin/c", GATEHOUSE_UNTIL_REBOOT, 0);
    assert_int_equal(rules_load_built(decider, &b), 0);
    builder_free(&b);
    rule_about(BLOCK, "/bin/a", 0, 0);
    rule_about(PERMIT, "/bin/d", GATEHOUSE_UNTIL_REBOOT, 0);
    builder_finish(&b);
}

/* The n-th call of a load fails; with on, every call after it too, as if the machine stopped there. */
static void fail_loads(bool on)
{
    for (long n = 0;; n++) {
        uint32_t status;
        char now, then;

        assert_true(n < 500);
        load_old();
        assert_int_equal(rules_send(decider, b.image, b.size, 0), 0);
        fail_on = on;
        fail_at = n;
        failed = false;
        nt_set_fault(fail_nth, NULL);
        status = (uint32_t)fixture_control(decider, GATEHOUSE_IOCTL_RULES_COMMIT, NULL, 0, NULL, 0, NULL);
        nt_set_fault(NULL, NULL);
        now = in_force();
        assert_int_equal(now, status == 0 ? 'n' : 'o');
        driver_again();
        then = in_force();
        if (on)
            assert_true(then == 'o' || then == 'n');
        else
            assert_int_equal(then, now);
        if (!failed)
            return;
    }
}

static void one_failure_leaves_old_or_new(void **state)
{
    (void)state;
    fail_loads(false);
}

static void stops_leave_old_or_new(void **state)
{
    (void)state;
    fail_loads(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rules_are_there_again, setup, teardown),
        cmocka_unit_test_setup_teardown(what_ended_stays_ended, setup, teardown),
        cmocka_unit_test_setup_teardown(reboot_forgets, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_files_are_put_aside, setup, teardown),
        cmocka_unit_test_setup_teardown(no_folder_no_change, setup, teardown),
        cmocka_unit_test_setup_teardown(one_failure_leaves_old_or_new, setup, teardown),
        cmocka_unit_test_setup_teardown(stops_leave_old_or_new, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
