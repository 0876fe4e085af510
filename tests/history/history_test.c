/* SPDX-License-Identifier: MIT */
/*
 * history_test.c - what is written can be read, whatever becomes of the file meanwhile. The oracle is SQLite on the
 * same file, and for history_before() a plain count over the records in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <gatehouse/protocol.h>

#include "history/store.h"
#include "tests/history/history_fixture.h"

#define COUNT "SELECT count(*) FROM connections"

static void test_round_trip(void **state)
{
    struct history_fixture *fixture = *state;
    struct history *history = fixture_writer(fixture, NULL);
    struct history_record record = fixture_record(1);

    record.program = "/opt/\xff\xfe odd/\xe2\x80\xae"
                     "name"; /* no UTF-8, then a character that turns text round */
    record.name = "a'; DROP TABLE connections; --";
    record.rule = "block program \"x\"";
    record.rule_id = UINT64_MAX;
    record.who = "alice";
    record.counted = true;
    record.bytes_out = 1ull << 40;
    history_add(history, &record);
    assert_true(history_flush(history, FIXTURE_MS));
    assert_int_equal(fixture_number(fixture->file, COUNT), 1);
    assert_int_equal(fixture_number(fixture->file,
                                    "SELECT count(*) FROM connections JOIN programs ON program=programs.id "
                                    "WHERE path=x'2f6f70742ffffe206f64642fe280ae6e616d65' AND pid=101 "
                                    "AND name='a''; DROP TABLE connections; --' AND who='alice' AND "
                                    "bytes_out=1<<40 AND bytes_in=0 AND user=1001 AND decided IS NULL"),
                     1);
    assert_int_equal(fixture_number(fixture->file, "SELECT rule_id FROM rules"), -1);
    history_close(history);
    assert_int_equal(fixture_said_count("\n"), 0);
}

static void test_end_joins_verdict(void **state)
{
    struct history_fixture *fixture = *state;
    struct history *history = fixture_writer(fixture, NULL);
    struct history_record record = fixture_record(1), other = fixture_record(2);

    record.endpoint = other.endpoint = 77; /* the number was used again for another destination */
    record.by = GATEHOUSE_BY_DECIDER;
    record.who = "alice";
    history_add(history, &record);
    history_add(history, &other);
    record.by = GATEHOUSE_BY_NONE;
    record.who = NULL;
    record.ended = record.began + 5;
    record.counted = true;
    record.bytes_in = 9;
    history_add(history, &record);
    record.bytes_in = 10;
    history_add(history, &record); /* told again, late: the same */
    record.began = record.ended + 1;
    record.ended = 0;
    history_add(history, &record); /* another one with the same number, later */
    assert_true(history_flush(history, FIXTURE_MS));
    assert_int_equal(fixture_number(fixture->file, COUNT), 3);
    assert_int_equal(fixture_number(fixture->file,
                                    "SELECT id FROM connections WHERE who='alice' AND bytes_in=10 AND by=1"
                                    " AND ended=began+5"),
                     1);
    history_close(history);
}

static bool same_destination(const struct history_record *a, const struct history_record *b)
{
    if (strcmp(a->program, b->program) != 0 || a->protocol != b->protocol || a->remote_port != b->remote_port ||
        !a->name != !b->name)
        return false;
    return a->name ? strcmp(a->name, b->name) == 0
                   : a->ip_version == b->ip_version &&
                         memcmp(a->remote_address, b->remote_address, sizeof(a->remote_address)) == 0;
}

static void test_before(void **state)
{
    struct history_fixture *fixture = *state;
    struct history *history = fixture_writer(fixture, NULL);
    static unsigned added[2000];

    srandom(20261122);
    for (unsigned i = 0; i < 2000; i++) {
        struct history_record record = fixture_record(added[i] = (unsigned)random() % 5000);

        history_add(history, &record);
    }
    assert_true(history_flush(history, FIXTURE_MS));
    for (unsigned round = 0; round < 500; round++) {
        struct history_record like = fixture_record((unsigned)random() % 5000);
        struct history_before before, expected = {0};

        for (unsigned i = 0; i < 2000; i++) {
            char program[24], name[24];
            struct history_record record, kept = like;

            /* The fixture's texts are its own: like's must outlive the next record's. */
            snprintf(program, sizeof(program), "%s", like.program);
            snprintf(name, sizeof(name), "%s", like.name ? like.name : "");
            kept.program = program;
            kept.name = like.name ? name : NULL;
            record = fixture_record(added[i]);
            if (!same_destination(&record, &kept))
                continue;
            expected.permitted += record.verdict == GATEHOUSE_VERDICT_PERMIT;
            expected.blocked += record.verdict == GATEHOUSE_VERDICT_BLOCK;
            expected.last = record.began > expected.last ? record.began : expected.last;
        }
        assert_true(history_before(history, &like, &before));
        assert_int_equal(before.permitted, expected.permitted);
        assert_int_equal(before.blocked, expected.blocked);
        assert_int_equal(before.last, expected.last);
    }
    history_close(history);
}

/* --- Bounds -------------------------------------------------------------------------------------------------- */

static void test_size_is_bounded(void **state)
{
    struct history_fixture *fixture = *state;
    struct history_limits limits = {.bytes = HISTORY_LEAST_BYTES};
    struct history *history = fixture_writer(fixture, &limits);
    char wal[128];
    struct stat file, log;

    for (unsigned i = 0; i < 200000; i++) {
        struct history_record record = fixture_record(i);

        history_add(history, &record);
        if (i % 10000 == 9999)
            assert_true(history_flush(history, FIXTURE_MS));
    }
    history_close(history);
    snprintf(wal, sizeof(wal), "%s-wal", fixture->file);
    assert_int_equal(stat(fixture->file, &file), 0);
    assert_int_equal(stat(wal, &log), 0);
    assert_true((uint64_t)file.st_size + (uint64_t)log.st_size <= limits.bytes);
    assert_true(file.st_size > (off_t)limits.bytes / 4);
    /* The newest are there, without a gap. */
    assert_int_equal(fixture_number(fixture->file, "SELECT max(id) FROM connections"), 200000);
    assert_int_equal(fixture_number(fixture->file, "SELECT max(id) - min(id) + 1 - count(*) FROM connections"), 0);
    assert_int_equal(fixture_said_count("\n"), 0);
}

static void test_age_is_bounded(void **state)
{
    struct history_fixture *fixture = *state;
    struct history *history = fixture_writer(fixture, NULL);
    struct store store;
    bool more = true;

    for (unsigned i = 0; i < 10000; i++) {
        struct history_record record = fixture_record(i);

        record.began = 1700000000000000 + (i % 2 ? -1000 : 1000); /* the clock was set to and fro */
        record.program = i < 100 ? "/only/old" : "/both";
        if (i < 100)
            record.began = 1600000000000000;
        history_add(history, &record);
    }
    history_close(history);
    assert_int_equal(store_open(&store, fixture->file), HISTORY_FINE);
    while (more)
        assert_int_equal(store_drop_before(&store, 1700000000000000, &more), HISTORY_FINE);
    store_close(&store);
    assert_int_equal(fixture_number(fixture->file, COUNT), 4950);
    assert_int_equal(fixture_number(fixture->file, COUNT " WHERE began < 1700000000000000"), 0);
    assert_int_equal(fixture_number(fixture->file, "SELECT count(*) FROM programs"), 1);
}

static void test_row_numbers_are_never_used_again(void **state)
{
    struct history_fixture *fixture = *state;
    struct history *history = fixture_writer(fixture, NULL);
    struct history_record record = fixture_record(3);
    struct store store;
    bool more = true;

    history_add(history, &record);
    history_close(history);
    assert_int_equal(store_open(&store, fixture->file), HISTORY_FINE);
    while (more)
        assert_int_equal(store_drop_before(&store, INT64_MAX, &more), HISTORY_FINE);
    store_close(&store);
    history = fixture_writer(fixture, NULL);
    history_add(history, &record);
    history_close(history);
    assert_int_equal(fixture_number(fixture->file, "SELECT id FROM connections"), 2);
}

/* --- Trouble ------------------------------------------------------------------------------------------------- */

static void write_at(const char *path, off_t at, const char *bytes, size_t size)
{
    int file = open(path, O_WRONLY | O_CREAT, 0600);

    assert_true(file >= 0);
    assert_int_equal(pwrite(file, bytes, size, at), (ssize_t)size);
    close(file);
}

static void test_damaged(void **state)
{
    struct history_fixture *fixture = *state;
    struct history_record record = fixture_record(1);
    char aside[128];
    struct stat status;

    write_at(fixture->file, 0, "this was a history once", 23);
    struct history *history = fixture_writer(fixture, NULL);
    history_add(history, &record);
    assert_true(history_flush(history, FIXTURE_MS));
    history_close(history);
    snprintf(aside, sizeof(aside), "%s.damaged", fixture->file);
    assert_int_equal(stat(aside, &status), 0);
    assert_int_equal(status.st_size, 23);
    assert_int_equal(fixture_number(fixture->file, COUNT), 1);
    assert_int_equal(fixture_said_count("was damaged; it is kept as"), 1);
}

/* Pages behind the first are overwritten at random places while nobody has the file; in the end one is written. */
static void test_damaged_anywhere(void **state)
{
    struct history_fixture *fixture = *state;
    char junk[2048];

    srandom(20261122);
    for (unsigned round = 0; round < 20; round++) {
        struct history *history = fixture_writer(fixture, NULL);
        struct stat status;

        for (unsigned i = 0; i < 3000; i++) {
            struct history_record record = fixture_record((unsigned)random());

            history_add(history, &record);
        }
        assert_true(history_flush(history, FIXTURE_MS));
        history_close(history);
        assert_int_equal(stat(fixture->file, &status), 0);
        for (size_t i = 0; i < sizeof(junk); i++)
            junk[i] = (char)random();
        write_at(fixture->file, random() % (status.st_size - (off_t)sizeof(junk)), junk, sizeof(junk));
    }
}

static void test_others_files_are_left_alone(void **state)
{
    struct history_fixture *fixture = *state;
    static const char *const made[] = {"CREATE TABLE letters(text)",
                                       "PRAGMA application_id=1195919433; PRAGMA user_version=99; CREATE TABLE x(y)"};

    for (unsigned i = 0; i < 2; i++) {
        struct history_record record = fixture_record(1);
        struct history *history;
        sqlite3 *db = NULL;

        unlink(fixture->file);
        assert_int_equal(sqlite3_open(fixture->file, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, made[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        history = fixture_writer(fixture, NULL);
        history_add(history, &record);
        assert_true(fixture_said(i == 0 ? "another program's file" : "a newer Gatehouse made it"));
        history_close(history);
        assert_int_equal(fixture_number(fixture->file, "SELECT count(*) FROM sqlite_schema"), 1);
    }
}

static void test_locked(void **state)
{
    struct history_fixture *fixture = *state;
    struct history *history = fixture_writer(fixture, NULL);
    struct history_record record = fixture_record(1);
    sqlite3 *db = NULL;

    history_add(history, &record);
    assert_true(history_flush(history, FIXTURE_MS));
    assert_int_equal(sqlite3_open(fixture->file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    for (unsigned i = 0; i < 100; i++)
        history_add(history, &record);
    assert_true(fixture_said("another program has it locked"));
    assert_int_equal(fixture_said_count("is written again"), 0);
    sqlite3_close(db);
    assert_true(fixture_said("is written again; 0 records were lost"));
    assert_true(history_flush(history, FIXTURE_MS));
    history_close(history);
    assert_int_equal(fixture_said_count("\n"), 2);
    assert_int_equal(fixture_number(fixture->file, COUNT), 101);
}

/* Somebody deletes the file: the next records are in a new one. */
static void test_deleted(void **state)
{
    struct history_fixture *fixture = *state;
    struct history *history = fixture_writer(fixture, NULL);
    struct history_record record = fixture_record(1);
    struct history_before before;

    history_add(history, &record);
    assert_true(history_flush(history, FIXTURE_MS));
    assert_true(history_before(history, &record, &before));
    unlink(fixture->file);
    for (unsigned i = 0; i < 3; i++)
        history_add(history, &record);
    assert_true(history_flush(history, FIXTURE_MS));
    assert_int_equal(fixture_number(fixture->file, COUNT), 3);
    assert_true(history_before(history, &record, &before));
    assert_int_equal(before.permitted, 3);
    history_close(history);
}

/* --- Ends ---------------------------------------------------------------------------------------------------- */

/* Adds without end, and writes to the pipe how many are on disk. */
static void write_for_ever(const struct history_fixture *fixture, int to)
{
    struct history *history = NULL;
    unsigned added = 0;

    if (history_open_writer(fixture->file, NULL, NULL, &history, NULL) != AGENT_OK)
        _exit(1);
    for (;;) {
        for (unsigned i = 0; i < 50; i++, added++) {
            struct history_record record = fixture_record(added);

            record.pid = added + 1;
            history_add(history, &record);
        }
        if (!history_flush(history, FIXTURE_MS) || write(to, &added, sizeof(added)) != sizeof(added))
            _exit(1);
    }
}

static unsigned kill_writer(const struct history_fixture *fixture)
{
    struct timespec while_it_writes = {0, random() % 60 * 1000000};
    unsigned flushed = 0, told;
    int ends[2], status;
    pid_t child;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        write_for_ever(fixture, ends[1]);
    close(ends[1]);
    assert_int_equal(read(ends[0], &flushed, sizeof(flushed)), sizeof(flushed));
    nanosleep(&while_it_writes, NULL);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    while (read(ends[0], &told, sizeof(told)) == sizeof(told))
        flushed = told;
    close(ends[0]);
    return flushed;
}

static void test_killed(void **state)
{
    struct history_fixture *fixture = *state;
    char sql[256];

    srandom(20261122);
    for (unsigned round = 0; round < 40; round++) {
        int64_t before = round ? fixture_number(fixture->file, "SELECT max(id) FROM connections") : 0;
        unsigned flushed = kill_writer(fixture);

        /* All that was said to be written is there; nothing is there twice or half. */
        assert_int_equal(fixture_number(fixture->file, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
        snprintf(sql, sizeof(sql), COUNT " WHERE id > %lld AND pid <= %u", (long long)before, flushed);
        assert_int_equal(fixture_number(fixture->file, sql), flushed);
        snprintf(sql, sizeof(sql), "SELECT count(*) - count(DISTINCT pid) FROM connections WHERE id > %lld",
                 (long long)before);
        assert_int_equal(fixture_number(fixture->file, sql), 0);
    }
}

/* In a mount namespace of its own; the mount goes with it. */
static void fill_and_empty(const char *folder)
{
    char file[96], filler[96], block[65536] = {0};
    struct history_before before;
    struct history_record record = fixture_record(1);
    struct history *history = NULL;
    int fill;

    snprintf(file, sizeof(file), "%s/history.db", folder);
    snprintf(filler, sizeof(filler), "%s/filler", folder);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", folder, "tmpfs", 0, "size=2m") != 0)
        _exit(77);
    assert_int_equal(history_open_writer(file, NULL, fixture_say, &history, NULL), AGENT_OK);
    history_add(history, &record);
    assert_true(history_flush(history, FIXTURE_MS));
    fill = open(filler, O_WRONLY | O_CREAT, 0600);
    while (write(fill, block, sizeof(block)) > 0)
        ;
    for (unsigned i = 0; i < 5000; i++) {
        record = fixture_record(i);
        history_add(history, &record);
    }
    assert_true(fixture_said("there is no room left on the device"));
    assert_true(history_before(history, &record, &before)); /* it can still be read */
    close(fill);
    unlink(filler);
    assert_true(history_flush(history, FIXTURE_MS));
    assert_true(fixture_said("is written again; 0 records were lost"));
    assert_int_equal(fixture_said_count("\n"), 2);
    history_close(history);
    assert_int_equal(fixture_number(file, COUNT), 5001);
    assert_int_equal(fixture_number(file, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    _exit(0);
}

static void test_full(void **state)
{
    struct history_fixture *fixture = *state;
    pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0)
        fill_and_empty(fixture->folder);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("skipped: no tmpfs can be mounted here\n");
        skip();
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* As another user, who may read alone; twice: with a writer, and when it has gone. */
static int read_as_other(const char *file)
{
    struct history_record like = fixture_record(1);
    struct history_before before;
    struct history *history = NULL;
    struct problem problem = {0};

    if (setgid(65534) != 0 || setuid(65534) != 0)
        return 77;
    if (history_open_reader(file, &history, &problem) != AGENT_OK) {
        print_message("%s\n", problem.sentence);
        return 1;
    }
    return history_before(history, &like, &before) && before.permitted == 1 ? 0 : 2;
}

static void check_other_reads(const char *file)
{
    pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0)
        _exit(read_as_other(file));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_reader_without_rights(void **state)
{
    struct history_fixture *fixture = *state;
    struct history *history;
    struct history_record record = fixture_record(1);
    struct stat status;

    if (geteuid() != 0) {
        print_message("skipped: only root can be another user\n");
        skip();
    }
    /* As the folder is made by the package, with this group for the group. */
    assert_int_equal(chown(fixture->folder, 0, 65534), 0);
    assert_int_equal(chmod(fixture->folder, 02750), 0);
    history = fixture_writer(fixture, NULL);
    history_add(history, &record);
    assert_true(history_flush(history, FIXTURE_MS));
    assert_int_equal(stat(fixture->file, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0660);
    assert_int_equal(status.st_gid, 65534);
    assert_int_equal(chmod(fixture->file, 0640), 0);
    check_other_reads(fixture->file);
    history_close(history);
    check_other_reads(fixture->file);
}

static void test_reader_says_what_is_wrong(void **state)
{
    struct history_fixture *fixture = *state;
    struct history *history = NULL;
    struct problem problem = {0};

    assert_int_equal(history_open_reader(fixture->file, &history, &problem), AGENT_UNREACHABLE);
    assert_non_null(strstr(problem.sentence, "No such file"));
    write_at(fixture->file, 0, "this is no history, whatever it may be ....................................", 70);
    assert_int_equal(history_open_reader(fixture->file, &history, &problem), AGENT_FAILED);
    assert_non_null(strstr(problem.sentence, "it is damaged"));
    assert_int_equal(history_open_writer("", NULL, NULL, &history, &problem), AGENT_USAGE);
}

static void test_speed(void **state)
{
    struct history_fixture *fixture = *state;
    struct history *history = fixture_writer(fixture, NULL);
    struct timespec begin, end;
    double seconds;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned i = 0; i < 60000; i++) {
        struct history_record record = fixture_record(i);

        history_add(history, &record);
    }
    assert_true(history_flush(history, FIXTURE_MS));
    clock_gettime(CLOCK_MONOTONIC, &end);
    seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    print_message("60000 records written in %.3f s: %.0f a second\n", seconds, 60000 / seconds);
    assert_int_equal(fixture_number(fixture->file, COUNT), 60000);
    history_close(history);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trip),
        TEST(test_end_joins_verdict),
        TEST(test_before),
        TEST(test_size_is_bounded),
        TEST(test_age_is_bounded),
        TEST(test_row_numbers_are_never_used_again),
        TEST(test_damaged),
        TEST(test_damaged_anywhere),
        TEST(test_others_files_are_left_alone),
        TEST(test_locked),
        TEST(test_deleted),
        TEST(test_killed),
        TEST(test_full),
        TEST(test_reader_without_rights),
        TEST(test_reader_says_what_is_wrong),
        TEST(test_speed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
