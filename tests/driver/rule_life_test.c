/* SPDX-License-Identifier: MIT */
/*
 * rule_life_test.c - rules that end, rules that log, rules about users and hashes, loads that race or fail.
 */
#include "rules_case.h"

#include "core/rule_image.h"

static enum wfp_outcome outcome_of(const struct fixture_connect *how)
{
    struct fixture_connection connection;

    fixture_connect_to(&connection, fixture_endpoint(), how);
    thread_settle();
    if (connection.first.outcome == WFP_PENDED)
        wfp_ale_endpoint_closed(connection.endpoint);
    return connection.first.outcome;
}

static enum wfp_outcome outcome(const char *program)
{
    return outcome_of(&(struct fixture_connect){.program = program, .remote_last = 1});
}

/* When the filter that decides ends; 0: it does not. */
static uint64_t filter_end(const char *program)
{
    struct fixture_connection connection;
    uint64_t ends = 0;

    fixture_connect_to(&connection, fixture_endpoint(),
                       &(struct fixture_connect){.program = program, .remote_last = 1});
    thread_settle();
    return wfp_filter_data(connection.first.filter_id, &ends, sizeof(ends)) ? ends : 0;
}

/* One rule about a program. */
static struct gatehouse_rule *rule_about(uint8_t action, const char *program, uint8_t until, uint64_t lifetime_ms)
{
    struct gatehouse_rule *rule = builder_rule(&b, action, OUTGOING);

    rule->until = until;
    rule->lifetime_ms = lifetime_ms;
    if (program != NULL)
        builder_text(&b, GATEHOUSE_PART_PROGRAM, program);
    return (struct gatehouse_rule *)(void *)(b.rules + b.rule_at);
}

static uint32_t add_about(uint8_t place, uint8_t action, const char *program, uint8_t until, uint64_t lifetime_ms)
{
    builder_free(&b);
    rule_about(action, program, until, lifetime_ms)->place = place;
    return rules_add_built(decider, &b);
}

/* --- Ends --- */

static uint32_t load_timed(void)
{
    builder_free(&b);
    rule_about(PERMIT, "/bin/a", GATEHOUSE_UNTIL_TIME, 5000);
    rule_about(BLOCK, "/bin/a", 0, 0);
    return rules_load_built(decider, &b);
}

static void time_ends_rules(void **state)
{
    struct gatehouse_rules_piece piece;

    (void)state;
    assert_int_equal(load_timed(), 0);
    assert_int_equal(outcome("/bin/a"), WFP_PERMIT);
    fixture_advance(3000 * MS);
    assert_int_equal(load_timed(), 0); /* the same rule keeps its end */
    fixture_advance(1990 * MS);
    assert_int_equal(outcome("/bin/a"), WFP_PERMIT);
    fixture_advance(20 * MS);
    assert_int_equal(outcome("/bin/a"), WFP_BLOCK);
    free(rules_get(decider, &piece));
    assert_int_equal(piece.file_rules, 1);
    assert_int_equal(load_timed(), 0); /* and stays ended */
    assert_int_equal(outcome("/bin/a"), WFP_BLOCK);
    builder_free(&b);
    assert_int_equal(rules_load_built(decider, &b), 0);
    assert_int_equal(load_timed(), 0); /* taken out and put in again, it begins anew */
    assert_int_equal(outcome("/bin/a"), WFP_PERMIT);
}

static void time_ends_added_rules(void **state)
{
    uint64_t end;

    (void)state;
    assert_int_equal(add_about(GATEHOUSE_PLACE_TOP, BLOCK, "/bin/a", GATEHOUSE_UNTIL_TIME, 1000), 0);
    assert_int_equal(add_about(GATEHOUSE_PLACE_ASK, BLOCK, "/bin/b", GATEHOUSE_UNTIL_TIME, 2000), 0);
    assert_int_equal(outcome("/bin/a"), WFP_BLOCK);
    end = filter_end("/bin/a"); /* told to who keeps what it decides */
    assert_true(end != 0 && filter_end("/bin/b") > end);
    fixture_advance(900 * MS);
    assert_int_equal(add_about(GATEHOUSE_PLACE_TOP, BLOCK, "/bin/a", GATEHOUSE_UNTIL_TIME, 1000), 0); /* anew */
    assert_true(filter_end("/bin/a") == end + 900 * MS);
    fixture_advance(900 * MS);
    assert_int_equal(outcome("/bin/a"), WFP_BLOCK);
    fixture_advance(110 * MS);
    assert_int_equal(outcome("/bin/a"), WFP_PENDED);
    assert_int_equal(outcome("/bin/b"), WFP_BLOCK);
    assert_int_equal(fixture_status(decider).answers, 1);
    fixture_advance(200 * MS);
    assert_int_equal(outcome("/bin/b"), WFP_PENDED);
    assert_int_equal(fixture_status(decider).answers, 0);
    assert_int_equal(rules_remove_id(decider, builder_rule_at(&b, 0)->id), GATEHOUSE_E_UNKNOWN_RULE);
    assert_int_equal(add_about(GATEHOUSE_PLACE_TOP, BLOCK, "/bin/a", GATEHOUSE_UNTIL_TIME, 1000), 0);
    assert_int_equal(outcome("/bin/a"), WFP_BLOCK);
}

static enum wfp_outcome outcome_for(uint64_t process_id)
{
    return outcome_of(&(struct fixture_connect){.program = "/bin/a", .remote_last = 1, .process_id = process_id});
}

static void process_ended(uint64_t process_id)
{
    nt_process_ended(process_id, 130000000000000000ull + process_id);
    fixture_advance(1);
}

static void exit_ends_rules(void **state)
{
    (void)state;
    rule_about(PERMIT, "/bin/a", GATEHOUSE_UNTIL_EXIT, 0);
    assert_int_equal(rules_load_built(decider, &b), 0);
    process_ended(100); /* it decided for nobody yet */
    assert_int_equal(outcome_for(100), WFP_PERMIT);
    assert_int_equal(outcome_for(100), WFP_PERMIT);
    assert_int_equal(outcome_for(101), WFP_PERMIT);
    process_ended(100);
    process_ended(99);
    assert_int_equal(outcome_for(101), WFP_PERMIT);
    assert_int_equal(rules_load_built(decider, &b), 0); /* who it decided for is not forgotten */
    process_ended(101);
    assert_int_equal(outcome_for(102), WFP_PENDED);
    assert_int_equal(rules_load_built(decider, &b), 0);
    assert_int_equal(outcome_for(102), WFP_PENDED);
}

/* An answer until the program exits: the process that asked counts. */
static void answers_end_with_their_process(void **state)
{
    struct fixture_connection held;
    struct gatehouse_request request;
    struct {
        struct gatehouse_decisions header;
        struct gatehouse_decision decision;
    } in = {{1, 1}, {0, GATEHOUSE_VERDICT_PERMIT, GATEHOUSE_SCOPE_PROGRAM, 0, GATEHOUSE_UNTIL_EXIT}};
    uint32_t status = 1;

    (void)state;
    fixture_connect_to(&held, fixture_endpoint(), &(struct fixture_connect){.program = "/bin/a", .process_id = 100});
    assert_int_equal(fixture_get(decider, &request, 1), 1);
    in.decision.id = request.id;
    assert_int_equal(
        fixture_control(decider, GATEHOUSE_IOCTL_SUBMIT_DECISIONS, &in, sizeof(in), &status, sizeof(status), NULL), 0);
    assert_int_equal(status, 0);
    assert_decided(&held, WFP_PERMIT);
    assert_int_equal(outcome_for(101), WFP_PERMIT);
    process_ended(101);
    assert_int_equal(outcome_for(100), WFP_PERMIT);
    process_ended(100);
    assert_int_equal(outcome_for(100), WFP_PENDED);
    wfp_ale_endpoint_closed(held.endpoint);
}

/* From the boot's file only what has no end; added UNTIL_REBOOT goes. */
static void boot_forgets(void **state)
{
    (void)state;
    assert_int_equal(add_about(GATEHOUSE_PLACE_TOP, BLOCK, "/bin/x", GATEHOUSE_UNTIL_REBOOT, 0), 0);
    assert_int_equal(add_about(GATEHOUSE_PLACE_TOP, BLOCK, "/bin/y", 0, 0), 0);
    builder_free(&b);
    rule_about(PERMIT, "/bin/a", GATEHOUSE_UNTIL_TIME, 5000);
    rule_about(PERMIT, "/bin/b", GATEHOUSE_UNTIL_REBOOT, 0);
    rule_about(PERMIT, "/bin/c", 0, 0);
    builder_finish(&b);
    assert_int_equal(rules_load_image(decider, b.image, b.size, GATEHOUSE_RULES_BOOT), 0);
    assert_int_equal(outcome("/bin/a"), WFP_PENDED);
    assert_int_equal(outcome("/bin/b"), WFP_PENDED);
    assert_int_equal(outcome("/bin/c"), WFP_PERMIT);
    assert_int_equal(outcome("/bin/x"), WFP_PENDED);
    assert_int_equal(outcome("/bin/y"), WFP_BLOCK);
}

/* --- Log --- */

static void log_tells_observers(void **state)
{
    struct nt_file *observer = fixture_open_as(9, GATEHOUSE_ROLE_OBSERVER);
    static struct fixture_call call;
    struct gatehouse_event event;
    struct gatehouse_request request;

    (void)state;
    rule_about(BLOCK, "/bin/a", 0, 0)->flags = GATEHOUSE_RULE_LOG;
    rule_about(PERMIT, "/bin/b", 0, 0);
    assert_int_equal(rules_load_built(decider, &b), 0);
    assert_int_equal(outcome("/bin/b"), WFP_PERMIT);
    assert_int_equal(outcome("/bin/a"), WFP_BLOCK);
    fixture_start(&call, observer, GATEHOUSE_IOCTL_READ_EVENTS, 4096);
    assert_int_equal(fixture_finish(&call), STATUS_SUCCESS);
    memcpy(&event, call.buffer, sizeof(event));
    memcpy(&request, call.buffer + sizeof(event), sizeof(request));
    assert_int_equal(call.information, event.size); /* one event */
    assert_int_equal(event.type, GATEHOUSE_EVENT_DECIDED);
    assert_int_equal(event.verdict, GATEHOUSE_VERDICT_BLOCK);
    assert_int_equal(event.by, GATEHOUSE_BY_RULE);
    assert_true(event.count == builder_rule_at(&b, 0)->id);
    assert_int_equal(request.process_id, 77);
    assert_int_equal(request.remote_port, 443);
    assert_int_equal(request.path_size, 12);
    nt_file_close(observer);
}

/* --- Users and hashes --- */

struct user {
    TOKEN_ACCESS_INFORMATION token;
    SID_AND_ATTRIBUTES_HASH hash;
    SID_AND_ATTRIBUTES entries[4];
    uint8_t sids[4][16];
};

/* S-1-22-kind-number as hosts on Linux have them. */
static void make_sid(uint8_t sid[16], uint32_t kind, uint32_t number)
{
    const uint8_t head[8] = {1, 2, 0, 0, 0, 0, 0, 22};

    memcpy(sid, head, 8);
    memcpy(sid + 8, &kind, 4);
    memcpy(sid + 12, &number, 4);
}

static FWP_BYTE_BLOB make_user(struct user *user, uint32_t uid, uint32_t gid)
{
    memset(user, 0, sizeof(*user));
    make_sid(user->sids[0], 1, uid);
    make_sid(user->sids[1], 2, gid);
    user->entries[0].Sid = (PSID)user->sids[0];
    user->entries[1].Sid = (PSID)user->sids[1];
    user->hash.SidCount = 2;
    user->hash.SidAttr = user->entries;
    user->token.SidHash = &user->hash;
    return (FWP_BYTE_BLOB){sizeof(user->token), (uint8_t *)&user->token};
}

static void put_user(uint16_t type, uint32_t kind, uint32_t number)
{
    uint8_t sid[16];

    make_sid(sid, kind, number);
    builder_part(&b, type, sid, sizeof(sid));
}

static enum wfp_outcome outcome_as(uint32_t uid, uint32_t gid)
{
    struct user user;
    FWP_BYTE_BLOB blob = make_user(&user, uid, gid);

    return outcome_of(&(struct fixture_connect){.program = "/bin/a", .remote_last = 1, .user = &blob});
}

/* Users are alternatives; a user and a group go together, which the engine cannot say. */
static void users_and_groups(void **state)
{
    (void)state;
    builder_rule(&b, PERMIT, OUTGOING);
    put_user(GATEHOUSE_PART_USER, 1, 1000);
    put_user(GATEHOUSE_PART_USER, 1, 1001);
    builder_rule(&b, BLOCK, OUTGOING);
    put_user(GATEHOUSE_PART_USER, 1, 7);
    put_user(GATEHOUSE_PART_GROUP, 2, 50);
    put_user(GATEHOUSE_PART_GROUP, 2, 51);
    assert_int_equal(rules_load_built(decider, &b), 0);
    assert_int_equal(outcome_as(1000, 1), WFP_PERMIT);
    assert_int_equal(outcome_as(1001, 1), WFP_PERMIT);
    assert_int_equal(outcome_as(1002, 1000), WFP_PENDED);
    assert_int_equal(outcome_as(7, 50), WFP_BLOCK);
    assert_int_equal(outcome_as(7, 51), WFP_BLOCK);
    assert_int_equal(outcome_as(7, 52), WFP_PENDED);
    assert_int_equal(outcome_as(8, 50), WFP_PENDED);
    assert_int_equal(outcome("/bin/a"), WFP_PENDED); /* nobody's */
}

static enum wfp_outcome outcome_hashed(const char *program, uint8_t first)
{
    uint8_t sid[44] = {1, 9, 0, 0, 0, 0, 0, 15, 2, 0, 0, 0, first};
    FWP_BYTE_BLOB blob = {sizeof(sid), sid};

    return outcome_of(&(struct fixture_connect){.program = program, .remote_last = 1, .package = &blob});
}

/* By path or by hash: alternatives too, though other fields of the engine. */
static void hashes_and_paths(void **state)
{
    const uint8_t hash[32] = {9};

    (void)state;
    builder_rule(&b, PERMIT, OUTGOING);
    builder_part(&b, GATEHOUSE_PART_SHA256, hash, sizeof(hash));
    builder_text(&b, GATEHOUSE_PART_PROGRAM, "/bin/a");
    builder_text(&b, GATEHOUSE_PART_PATTERN, "/opt/*/x");
    builder_rule(&b, BLOCK, OUTGOING);
    builder_part(&b, GATEHOUSE_PART_SHA256, (uint8_t[32]){8}, 32);
    assert_int_equal(rules_load_built(decider, &b), 0);
    assert_int_equal(outcome_hashed("/bin/z", 9), WFP_PERMIT);
    assert_int_equal(outcome_hashed("/bin/a", 1), WFP_PERMIT);
    assert_int_equal(outcome_hashed("/opt/a/x", 8), WFP_PERMIT);
    assert_int_equal(outcome_hashed("/opt/a/b/x", 8), WFP_BLOCK);
    assert_int_equal(outcome_hashed("/bin/z", 1), WFP_PENDED);
    assert_int_equal(outcome("/bin/z"), WFP_PENDED);
}

/* Families: a rule about addresses of one says nothing about the other; an empty set matches nothing. */
static void families_and_empty_sets(void **state)
{
    struct gatehouse_range_v6 range = {{0xfd}, {0xfd, 0xff, 0xff}};
    const struct fixture_connect v6 = {.program = "/bin/a", .remote_last = 1, .ip_version = 6};
    uint32_t set6 = builder_set(&b, GATEHOUSE_SET_V6, &range, 1), none = builder_set(&b, GATEHOUSE_SET_V4, NULL, 0);

    (void)state;
    builder_rule(&b, BLOCK, OUTGOING);
    builder_set_part(&b, GATEHOUSE_PART_REMOTE, none);
    builder_rule(&b, PERMIT, OUTGOING);
    builder_set_part(&b, GATEHOUSE_PART_REMOTE, set6);
    builder_rule(&b, BLOCK, OUTGOING)->family = 4;
    assert_int_equal(rules_load_built(decider, &b), 0);
    assert_int_equal(outcome("/bin/a"), WFP_BLOCK);
    assert_int_equal(outcome_of(&v6), WFP_PERMIT);
}

/* --- Failures --- */

static _Atomic long fail_at;
static _Atomic bool failed;

static BOOLEAN fail_nth(const char *routine, void *context)
{
    (void)routine;
    (void)context;
    if (fail_at < 0 || atomic_fetch_sub(&fail_at, 1) != 0)
        return FALSE;
    failed = true;
    return TRUE;
}

/* Each call of a load fails in turn: the old policy stands, whole, until the load says that it was done. */
static void failed_loads_change_nothing(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        uint32_t status;

        assert_true(n < 500);
        builder_free(&b);
        rule_about(PERMIT, "/bin/a", 0, 0);
        rule_about(BLOCK, NULL, 0, 0);
        assert_int_equal(rules_load_built(decider, &b), 0);
        builder_free(&b);
        rule_about(BLOCK, "/bin/a", 0, 0)->flags = GATEHOUSE_RULE_LOG;
        builder_text(&b, GATEHOUSE_PART_PATTERN, "/opt/**");
        rule_about(PERMIT, NULL, 0, 0);
        builder_finish(&b);
        fail_at = n;
        failed = false;
        nt_set_fault(fail_nth, NULL);
        status = rules_load_image(decider, b.image, b.size, 0);
        nt_set_fault(NULL, NULL);
        assert_int_equal(outcome("/bin/a"), status == 0 ? WFP_BLOCK : WFP_PERMIT);
        assert_int_equal(outcome("/bin/b"), status == 0 ? WFP_PERMIT : WFP_BLOCK);
        if (!failed) {
            assert_int_equal(status, 0);
            break;
        }
    }
}

/* --- At the same time --- */

struct racer {
    struct nt_file *file;
    uint8_t action;
    unsigned done, busy;
};

static void race(void *argument)
{
    struct racer *racer = argument;
    struct rule_builder own;

    builder_begin(&own);
    for (int i = 0; i < 30; i++) {
        uint32_t status;

        builder_free(&own);
        builder_rule(&own, racer->action, OUTGOING);
        builder_text(&own, GATEHOUSE_PART_PROGRAM, "/bin/a");
        builder_rule(&own, racer->action, OUTGOING);
        builder_text(&own, GATEHOUSE_PART_PROGRAM, "/bin/b");
        status = rules_load_built(racer->file, &own);
        assert_true(status == 0 || status == GATEHOUSE_E_LOAD_BUSY);
        racer->done += status == 0;
        racer->busy += status != 0;
    }
    builder_free(&own);
}

/* Whoever is last, both rules are his. */
static void two_clients_race(void **state)
{
    struct racer racers[2] = {{.file = fixture_open_as(3, GATEHOUSE_ROLE_OBSERVER), .action = PERMIT},
                              {.file = fixture_open_as(4, GATEHOUSE_ROLE_OBSERVER), .action = BLOCK}};
    struct test_thread threads[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        thread_start(&threads[i], "racer", race, &racers[i]);
    for (int i = 0; i < 2; i++)
        thread_join(&threads[i]);
    assert_true(racers[0].done + racers[1].done > 0);
    assert_int_equal(racers[0].done + racers[0].busy, 30);
    assert_int_equal(outcome("/bin/a"), outcome("/bin/b"));
    nt_file_close(racers[0].file);
    nt_file_close(racers[1].file);
}

static void build_many(uint32_t count)
{
    builder_free(&b);
    for (uint32_t i = 0; i < count; i++) {
        char program[32];

        snprintf(program, sizeof(program), "/bin/p%u", i);
        builder_rule(&b, i % 2 != 0 ? PERMIT : BLOCK, OUTGOING);
        builder_text(&b, GATEHOUSE_PART_PROGRAM, program);
    }
    builder_finish(&b);
}

static void assert_comes_to(const char *program, enum wfp_outcome expected)
{
    for (unsigned ms = 0; ms < fixture_patience_ms() && outcome(program) != expected; ms++)
        thread_sleep(1000);
    assert_int_equal(outcome(program), expected);
}

/* The client cancels, or goes, or the driver is unloaded: a commit that has begun comes to its end. */
static void commits_come_to_their_end(void **state)
{
    static struct fixture_call commit;

    (void)state;
    build_many(3000);
    assert_int_equal(rules_send(decider, b.image, b.size, 0), 0);
    fixture_start(&commit, decider, GATEHOUSE_IOCTL_RULES_COMMIT, 0);
    fixture_cancel(&commit);
    assert_true(fixture_finish(&commit) == STATUS_SUCCESS || commit.status == STATUS_CANCELLED);
    assert_comes_to("/bin/p2999", WFP_PERMIT);

    build_many(3001);
    assert_int_equal(rules_send(decider, b.image, b.size, 0), 0);
    fixture_start(&commit, decider, GATEHOUSE_IOCTL_RULES_COMMIT, 0);
    nt_file_close(decider);
    assert_true(fixture_finish(&commit) == STATUS_SUCCESS || commit.status == STATUS_CANCELLED);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
    assert_comes_to("/bin/p3000", WFP_BLOCK);

    build_many(3002);
    assert_int_equal(rules_send(decider, b.image, b.size, 0), 0);
    fixture_start(&commit, decider, GATEHOUSE_IOCTL_RULES_COMMIT, 0);
    nt_file_close(decider);
    fixture_unload(); /* asserts that nothing is left */
    assert_true(fixture_finish(&commit) == STATUS_SUCCESS || commit.status == STATUS_CANCELLED);
    fixture_load(NULL, 0);
    decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(time_ends_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(time_ends_added_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(exit_ends_rules, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_end_with_their_process, setup, teardown),
        cmocka_unit_test_setup_teardown(boot_forgets, setup, teardown),
        cmocka_unit_test_setup_teardown(log_tells_observers, setup, teardown),
        cmocka_unit_test_setup_teardown(users_and_groups, setup, teardown),
        cmocka_unit_test_setup_teardown(hashes_and_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(families_and_empty_sets, setup, teardown),
        cmocka_unit_test_setup_teardown(failed_loads_change_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(two_clients_race, setup, teardown),
        cmocka_unit_test_setup_teardown(commits_come_to_their_end, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
