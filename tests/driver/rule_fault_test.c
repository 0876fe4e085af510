/* SPDX-License-Identifier: MIT */
/*
 * rule_fault_test.c - every way in which rules change, with each of its calls failing once: a load, rules that are
 * added, added again and removed, an answer, ends by time and by exit, reading them, a restart.
 *
 * What was refused changed nothing; what was accepted is in force. Afterwards everything works: the next load is in
 * force and there again after a restart. What is in force is told by what programs are told.
 */
#include "rules_client.h"

#include <sys/stat.h>
#include <unistd.h>

#define PROBES   8
#define PROCESS  100u
#define LIFETIME 3600000u /* ms: system time goes on meanwhile */
#define RETRY    6000u    /* ms: longer than the driver waits to try again */
#define CALLS    400      /* of one operation that can fail, at most */

static const char programs[PROBES + 1] = "acdetxyz"; /* /bin/a ... */

static char folder[64], kept_text[100], passing_text[100];
static struct nt_file *client;
static struct rule_builder b;

static _Atomic long calls_left;
static _Atomic bool failed;

static BOOLEAN fail_once(const char *routine, void *context)
{
    (void)routine;
    (void)context;
    if (atomic_fetch_sub(&calls_left, 1) != 0)
        return FALSE;
    failed = true;
    return TRUE;
}

static void faults_begin(long call)
{
    calls_left = call;
    failed = false;
    nt_set_fault(fail_once, NULL);
}

static void faults_end(void)
{
    nt_set_fault(NULL, NULL);
}

static NTSTATUS driver_on(void)
{
    const struct nt_registry_value values[] = {{"RulesFolder", 0, kept_text}, {"RulesVolatileFolder", 0, passing_text}};

    return fixture_try_load(values, 2);
}

static void driver_again(void)
{
    nt_file_close(client);
    fixture_unload();
    assert_int_equal(driver_on(), STATUS_SUCCESS);
    client = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
}

static void rule_about(uint8_t action, char program, uint8_t until, uint8_t place)
{
    const char path[] = {'/', 'b', 'i', 'n', '/', program, 0};

    builder_rule(&b, action, OUTGOING);
    builder_text(&b, GATEHOUSE_PART_PROGRAM, path);
    struct gatehouse_rule *rule = (void *)(b.rules + b.rule_at);
    rule->until = until;
    rule->lifetime_ms = until == GATEHOUSE_UNTIL_TIME ? LIFETIME : 0;
    rule->place = place;
}

static uint32_t load(uint8_t a, uint8_t c, uint8_t d)
{
    builder_free(&b);
    rule_about(a, 'a', 0, 0);
    rule_about(c, 'c', 0, 0);
    rule_about(d, 'd', 0, 0);
    rule_about(PERMIT, 'e', GATEHOUSE_UNTIL_EXIT, 0);
    rule_about(PERMIT, 't', GATEHOUSE_UNTIL_TIME, 0);
    return rules_load_built(client, &b);
}

static uint32_t add(uint8_t action, char program, uint8_t until)
{
    builder_free(&b);
    rule_about(action, program, until, GATEHOUSE_PLACE_TOP);
    return rules_add_built(client, &b);
}

/* For each program: permitted, blocked or held. */
static const char *in_force(void)
{
    static char told[PROBES + 1];

    for (size_t i = 0; i < PROBES; i++) {
        struct fixture_connection connection;
        const char path[] = {'/', 'b', 'i', 'n', '/', programs[i], 0};

        fixture_connect_to(&connection, fixture_endpoint(),
                           &(struct fixture_connect){.program = path, .remote_last = 1, .process_id = PROCESS});
        thread_settle();
        if (connection.first.outcome == WFP_PENDED)
            wfp_ale_endpoint_closed(connection.endpoint);
        told[i] = connection.first.outcome == WFP_PERMIT ? 'P' : connection.first.outcome == WFP_BLOCK ? 'B' : 'H';
    }
    return told;
}

#define BASE "PBHPPBPH"

static void base(void)
{
    assert_int_equal(load(PERMIT, BLOCK, ASK), 0);
    assert_int_equal(add(BLOCK, 'x', 0), 0);
    assert_int_equal(add(PERMIT, 'y', GATEHOUSE_UNTIL_TIME), 0);
    assert_string_equal(in_force(), BASE);
}

/* --- Operations: 0, or why it was refused --- */

static uint32_t do_load(void)
{
    return load(BLOCK, ASK, PERMIT);
}

static uint32_t do_add(void)
{
    return add(PERMIT, 'd', 0);
}

static uint32_t do_add_again(void)
{
    return add(BLOCK, 'x', 0);
}

static uint32_t do_remove(void)
{
    builder_free(&b);
    rule_about(BLOCK, 'x', 0, GATEHOUSE_PLACE_TOP);
    builder_finish(&b);
    return rules_remove_id(client, builder_rule_at(&b, 0)->id);
}

static uint32_t do_answer(void)
{
    struct fixture_connection held;
    struct gatehouse_request request;
    struct {
        struct gatehouse_decisions header;
        struct gatehouse_decision decision;
    } in = {{1, 1}, {.verdict = GATEHOUSE_VERDICT_BLOCK, .scope = GATEHOUSE_SCOPE_PROGRAM}};
    uint32_t status = 1, answer;

    fixture_connect_to(&held, fixture_endpoint(),
                       &(struct fixture_connect){.program = "/bin/z", .process_id = PROCESS});
    if (held.first.outcome != WFP_PENDED || fixture_get(client, &request, 1) != 1) {
        wfp_ale_endpoint_closed(held.endpoint);
        return 1;
    }
    in.decision.id = request.id;
    answer = (uint32_t)fixture_control(client, GATEHOUSE_IOCTL_SUBMIT_DECISIONS, &in, sizeof(in), &status,
                                       sizeof(status), NULL);
    wfp_ale_endpoint_closed(held.endpoint);
    return answer != 0 ? answer : status;
}

static uint32_t do_time(void)
{
    fixture_advance((LIFETIME + 1) * MS);
    return 0;
}

static uint32_t do_exit(void)
{
    nt_process_ended(PROCESS, 130000000000000000ull + PROCESS);
    fixture_advance(1);
    return 0;
}

static uint32_t do_get(void)
{
    struct gatehouse_rules_get get = {0, 0};
    uint8_t piece[4096];

    return (uint32_t)fixture_control(client, GATEHOUSE_IOCTL_RULES_GET, &get, sizeof(get), piece, sizeof(piece), NULL);
}

static const struct operation {
    const char *name;
    uint32_t (*perform)(void);
    const char *after; /* in force when it was accepted */
    bool ends;         /* by itself: later, when a call failed */
} operations[] = {
    {"load", do_load, "BHPPPBPH", false},       {"add", do_add, "PBPPPBPH", false},
    {"add again", do_add_again, BASE, false},   {"remove", do_remove, "PBHPPHPH", false},
    {"answer", do_answer, "PBHPPBPB", false},   {"end by time", do_time, "PBHPHBHH", true},
    {"end by exit", do_exit, "PBHHPBPH", true}, {"get", do_get, BASE, false},
};

/* Faults are over: what is in force is there after a restart, and the next load is put into force and kept. */
static void goes_on(bool restart, const char *expected)
{
    char now[PROBES + 1];

    if (restart) {
        driver_again();
        assert_string_equal(in_force(), expected);
    }
    assert_int_equal(load(BLOCK, BLOCK, BLOCK), 0);
    memcpy(now, in_force(), sizeof(now));
    assert_memory_equal(now, "BB", 2);
    driver_again();
    assert_memory_equal(in_force(), now, 4); /* those without an end: the test's clock was set back */
}

static void forget_files(void)
{
    static const char *const names[] = {"kept/rules", "kept/added", "passing/rules", "passing/added"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unlink(names[i]);
}

/* The call-th call of the operation fails. false: it has no such call. */
static bool one_fails(const struct operation *operation, long call, bool restart)
{
    char now[PROBES + 1];
    bool happened;

    base();
    faults_begin(call);
    uint32_t status = operation->perform();
    happened = failed;
    faults_end();
    if (operation->ends && happened)
        fixture_advance(RETRY * MS);
    memcpy(now, in_force(), sizeof(now));
    if (strcmp(now, status == 0 ? operation->after : BASE) != 0)
        fail_msg("%s, call %ld, status 0x%08x: in force is %s", operation->name, call, (unsigned)status, now);
    assert_true(happened || status == 0);
    /* That a rule has ended by itself may be stored in vain: then it is there again after a restart. */
    goes_on(restart && !(operation->ends && happened), now);
    nt_file_close(client);
    fixture_unload();
    forget_files();
    assert_int_equal(driver_on(), STATUS_SUCCESS);
    client = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    return happened;
}

static void operation_fails(const struct operation *operation)
{
    bool restart = operation->perform != do_time; /* a load of the driver sets the test's clock back */
    long call = 0;

    while (one_fails(operation, call, restart) && one_fails(operation, call, false))
        if (++call == CALLS)
            fail_msg("%s: more than %d calls", operation->name, CALLS);
    print_message("%s: each of %ld calls\n", operation->name, call);
}

static void changes_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        operation_fails(&operations[i]);
}

/* A start that fails is no start; one that succeeds has all that was kept. Nothing of it is lost. */
static void starts_fail(void **state)
{
    (void)state;
    for (long call = 0; call < CALLS; call++) {
        bool happened;

        base();
        nt_file_close(client);
        fixture_unload();
        faults_begin(call);
        NTSTATUS status = driver_on();
        happened = failed;
        faults_end();
        if (NT_SUCCESS(status)) {
            if (strcmp(in_force(), BASE) != 0)
                fail_msg("call %ld: in force is %s", call, in_force());
            fixture_unload();
        }
        assert_int_equal(driver_on(), STATUS_SUCCESS);
        client = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
        assert_string_equal(in_force(), BASE);
        if (!happened)
            return;
    }
    fail_msg("more than %d calls", CALLS);
}

static void registry_path(const char *name, char *text, size_t size)
{
    snprintf(text, size,
             "\\?"
             "?\\unix%s\\%s",
             folder, name);
    for (char *c = text; *c != 0; c++)
        if (*c == '/')
            *c = '\\';
}

static int setup(void **state)
{
    (void)state;
    /* In memory: thousands of files are flushed. */
    snprintf(folder, sizeof(folder), "%s/gatehouse-faults-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(folder) == NULL || chdir(folder) != 0)
        return 1;
    if (mkdir("kept", 0700) != 0 || mkdir("passing", 0700) != 0)
        return 1;
    registry_path("kept", kept_text, sizeof(kept_text));
    registry_path("passing", passing_text, sizeof(passing_text));
    builder_begin(&b);
    if (!NT_SUCCESS(driver_on()))
        return 1;
    client = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    return 0;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    faults_end();
    nt_file_close(client);
    fixture_unload();
    builder_free(&b);
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changes_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(starts_fail, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
