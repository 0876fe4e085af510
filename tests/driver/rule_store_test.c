/* SPDX-License-Identifier: MIT */
/*
 * rule_store_test.c - rules that are kept: in force again after the driver was away, after a reboot those that outlive
 * it; damaged files; and every call of a change failing, once or from there on: the old rules or the new ones, never a
 * mix, in force and in the files. All of it with a small image, which the driver has in memory, and with a large one,
 * which it has in the files alone: then also what it says when these are gone.
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
static bool large; /* each rule has texts of LARGE bytes */
#define LARGE 65528u

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

static int setup_large(void **state)
{
    large = true;
    return setup(state);
}

static int teardown(void **state)
{
    (void)state;
    large = false;
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

static void hold(struct fixture_connection *connection, const char *program)
{
    fixture_connect_to(connection, fixture_endpoint(), &(struct fixture_connect){.program = program});
    assert_pended(connection);
}

static struct gatehouse_rule *rule_about(uint8_t action, const char *program, uint8_t until, uint64_t lifetime_ms)
{
    builder_rule(&b, action, OUTGOING);
    builder_text(&b, GATEHOUSE_PART_PROGRAM, program);
    if (large) {
        static char text[LARGE];

        memset(text, 't', sizeof(text));
        builder_part(&b, GATEHOUSE_PART_TEXT, text, sizeof(text));
        builder_part(&b, GATEHOUSE_PART_FILE, text, sizeof(text));
    }
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

/* --- Away --- */

static uint32_t get_status(void)
{
    static uint8_t answer[64 * 1024];
    struct gatehouse_rules_get get = {0, 0};

    return (uint32_t)fixture_control(decider, GATEHOUSE_IOCTL_RULES_GET, &get, sizeof(get), answer, sizeof(answer),
                                     NULL);
}

/* Permit a, block b, and five that nobody asks about. */
static void load_lasting(const char *permitted, const char *blocked)
{
    builder_free(&b);
    rule_about(PERMIT, permitted, 0, 0);
    rule_about(BLOCK, blocked, 0, 0);
    for (int i = 0; i < 5; i++)
        rule_about(BLOCK, "/bin/nobody", 0, 0);
    assert_int_equal(rules_load_built(decider, &b), 0);
}

static void assert_shown(void)
{
    struct gatehouse_rules_piece piece;
    struct gatehouse_rules_image *image = rules_get(decider, &piece);

    assert_int_equal(piece.file_rules, 7);
    assert_int_equal(image->rule_count, piece.file_rules + piece.added_rules);
    free(image);
}

static void copy_rules(const char *from, const char *to)
{
    char command[900];

    snprintf(command, sizeof(command), "cp %s/rules %s/rules", from, to);
    assert_int_equal(system(command), 0);
}

/* How the files of the rules can be lost, while they are in force. false: there are no more ways. */
static bool lose(int way)
{
    switch (way) {
    case 0:
        remove_files(passing);
        remove_files(lasting);
        return true;
    case 1: /* in a text: the check value tells */
    case 2:
        change_file(passing, "rules", way == 1 ? 50000 : 8, "x");
        change_file(lasting, "rules", way == 1 ? 50000 : 8, "x");
        return true;
    case 3:
        change_file(passing, "rules", 70000, NULL);
        change_file(lasting, "rules", 20, NULL);
        return true;
    case 4: /* right in itself, but others: the kept header tells */
        copy_rules(passing, folder);
        load_lasting("/bin/b", "/bin/a");
        copy_rules(folder, passing);
        copy_rules(folder, lasting);
        remove_files(folder);
        return true;
    default:
        return false;
    }
}

static void large_rules_are_shown_from_the_file(void **state)
{
    (void)state;
    load_lasting("/bin/a", "/bin/b");
    assert_shown();
    assert_shown();
    add_about(BLOCK, "/bin/x", 0);
    assert_shown();
    remove_files(passing); /* the other file has the same */
    assert_shown();
    load_lasting("/bin/b", "/bin/a");
    change_file(passing, "rules", 50000, "x");
    assert_shown();
    driver_again(); /* from the lasting one */
    assert_shown();
    assert_int_equal(outcome("/bin/b"), WFP_PERMIT);
}

static void what_is_lost_stays_in_force(void **state)
{
    (void)state;
    for (int way = 0;; way++) {
        load_lasting("/bin/a", "/bin/b");
        if (!lose(way))
            return;
        assert_int_equal(get_status(), GATEHOUSE_E_RULES_LOST);
        assert_int_equal(get_status(), GATEHOUSE_E_RULES_LOST);
        assert_int_equal(outcome(way == 4 ? "/bin/b" : "/bin/a"), WFP_PERMIT);
        assert_int_equal(outcome(way == 4 ? "/bin/a" : "/bin/b"), WFP_BLOCK);
        add_about(BLOCK, "/bin/x", 0);
        assert_int_equal(outcome("/bin/x"), WFP_BLOCK);
        assert_int_equal(get_status(), GATEHOUSE_E_RULES_LOST);
        load_lasting("/bin/c", "/bin/d");
        assert_shown();
        assert_int_equal(outcome("/bin/c"), WFP_PERMIT);
        assert_int_equal(outcome("/bin/d"), WFP_BLOCK);
        driver_again();
        assert_shown();
        assert_int_equal(outcome("/bin/c"), WFP_PERMIT);
    }
}

/* A look at what is held reads rules: it fetches them. When they are lost, what is held waits on. */
static void what_is_held_is_looked_up_in_the_file(void **state)
{
    struct fixture_connection a, b_too, x, y;

    (void)state;
    hold(&a, "/bin/a");
    hold(&b_too, "/bin/b");
    load_lasting("/bin/a", "/bin/b");
    rules_settle();
    assert_decided(&a, WFP_PERMIT);
    assert_decided(&b_too, WFP_BLOCK);
    hold(&x, "/bin/x");
    hold(&y, "/bin/y");
    add_about(BLOCK, "/bin/x", 0);
    rules_settle();
    assert_decided(&x, WFP_BLOCK);
    assert_pended(&y);
    remove_files(passing);
    remove_files(lasting);
    add_about(PERMIT, "/bin/z", 0);
    rules_settle();
    assert_pended(&y);
    load_lasting("/bin/y", "/bin/b");
    rules_settle();
    assert_decided(&y, WFP_PERMIT);
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

/* Whichever call of it fails: it is refused, or shows all; and then all is as it was. */
static void failures_of_showing_change_nothing(void **state)
{
    (void)state;
    load_lasting("/bin/a", "/bin/b");
    fail_on = false;
    for (long n = 0;; n++) {
        uint32_t status;

        assert_true(n < 500);
        fail_at = n;
        failed = false;
        nt_set_fault(fail_nth, NULL);
        status = get_status();
        nt_set_fault(NULL, NULL);
        assert_true(status == 0 || failed);
        assert_int_equal(outcome("/bin/a"), WFP_PERMIT);
        assert_shown();
        if (!failed)
            return;
    }
}

#define LARGE_TEST(name)                                                                                               \
    {                                                                                                                  \
#name "_large", name, setup_large, teardown, NULL                                                              \
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
        LARGE_TEST(rules_are_there_again),
        LARGE_TEST(what_ended_stays_ended),
        LARGE_TEST(reboot_forgets),
        LARGE_TEST(damaged_files_are_put_aside),
        LARGE_TEST(no_folder_no_change),
        LARGE_TEST(one_failure_leaves_old_or_new),
        LARGE_TEST(stops_leave_old_or_new),
        LARGE_TEST(large_rules_are_shown_from_the_file),
        LARGE_TEST(what_is_lost_stays_in_force),
        LARGE_TEST(what_is_held_is_looked_up_in_the_file),
        LARGE_TEST(failures_of_showing_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
