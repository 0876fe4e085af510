/* SPDX-License-Identifier: MIT */
/*
 * process_facts_test.c - what is told of processes: real ones that this test starts, and folders that look like /proc
 * for what the system seldom shows. Oracles: what the test itself started, and lists that it wrote.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/facts_reader.h"
#include "agent/port_name.h"

#define TICK (CLOCK_SECOND / (uint64_t)sysconf(_SC_CLK_TCK))

static char folder[] = "/tmp/gatehouse-facts-XXXXXX";

static void put(const char *name, const char *bytes, size_t size)
{
    char path[512];
    int file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(file >= 0);
    assert_int_equal(write(file, bytes, size), size);
    close(file);
}

static void make_folder(const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

/* A process as /proc shows it; start in seconds since boot. */
static void put_process(unsigned pid, const char *name, unsigned parent, unsigned start)
{
    char path[64], line[512];
    int size = snprintf(line, sizeof(line), "%u (%s) S %u 1 1 0 -1 4194304 99 0 0 0 0 0 0 0 20 0 1 0 %lu 3 3\n", pid,
                        name, parent, (unsigned long)start * (unsigned long)sysconf(_SC_CLK_TCK));

    snprintf(path, sizeof(path), "%u", pid);
    make_folder(path);
    snprintf(path, sizeof(path), "%u/stat", pid);
    put(path, line, (size_t)size);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/gatehouse-facts-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *at)
{
    (void)about;
    (void)type;
    (void)at;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    process_facts_use_folder(NULL);
    package_owner_use_folder(NULL);
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static uint64_t wall_of(unsigned seconds_since_boot)
{
    return clock_wall() - clock_boot() + seconds_since_boot * CLOCK_SECOND;
}

static uint64_t start_of(pid_t pid)
{
    char path[64], line[1024];
    unsigned long long start = 0;
    const char *at;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    fclose(file);
    at = strrchr(line, ')');
    assert_int_equal(
        sscanf(at, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &start), 1);
    return clock_wall() - clock_boot() + start * TICK;
}

/* A copy of sleep(1) that runs. */
static pid_t start_copy(char *program, size_t size, const char *second)
{
    static char bytes[1 << 22];
    FILE *file = fopen("/bin/sleep", "re");
    size_t count;
    int ends[2];
    pid_t child;
    char byte;

    snprintf(program, size, "%s/a sleeper", folder);
    assert_non_null(file);
    count = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    put("a sleeper", bytes, count);
    assert_int_equal(chmod(program, 0755), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execl(program, "slee\x1bper", second, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    /* The pipe's end closes at exec. */
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    return child;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void test_real_process(void **state)
{
    char program[512], self[64] = "", own[512] = "";
    struct process_facts facts = {0};
    pid_t child = start_copy(program, sizeof(program), "86400");
    struct process_key key = {.pid = (uint64_t)child, .start = start_of(child), .program = program};
    FILE *file = fopen("/proc/self/comm", "re");

    (void)state;
    assert_non_null(file);
    assert_non_null(fgets(self, sizeof(self), file));
    fclose(file);
    self[strcspn(self, "\n")] = '\0';
    process_facts_read(&key, &facts);
    assert_true(facts.known);
    assert_string_equal(text_string(&facts.command), "'slee\\x1bper' 86400");
    assert_true(facts.parent_count >= 1);
    assert_int_equal(facts.parents[0].pid, getpid());
    assert_string_equal(facts.parents[0].name, self);
    assert_true(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
    assert_string_equal(text_string(&facts.parents[0].program), own);
    assert_int_equal(facts.executable, PROCESS_EXECUTABLE_SAME);
    process_facts_free(&facts);

    assert_int_equal(unlink(program), 0);
    process_facts_read(&key, &facts);
    assert_int_equal(facts.executable, PROCESS_EXECUTABLE_DELETED);
    process_facts_free(&facts);
    put("a sleeper", "x", 1);
    process_facts_read(&key, &facts);
    assert_int_equal(facts.executable, PROCESS_EXECUTABLE_REPLACED);
    process_facts_free(&facts);

    key.start -= 3600 * CLOCK_SECOND; /* another one that had this id */
    process_facts_read(&key, &facts);
    assert_false(facts.known);
    process_facts_free(&facts);
    key.start += 3600 * CLOCK_SECOND;
    end(child);
    process_facts_read(&key, &facts);
    assert_false(facts.known);
    process_facts_free(&facts);
}

static void test_parents(void **state)
{
    struct process_facts facts = {0};
    struct process_key key = {.pid = 400, .start = wall_of(40)};

    (void)state;
    process_facts_use_folder(folder);
    put_process(1, "init", 0, 0);
    put_process(200, "a) S 7 (", 1, 20);
    put_process(300, "shell\x1b[2J", 200, 30);
    put_process(400, "leaf", 300, 40);
    process_facts_read(&key, &facts);
    assert_true(facts.known);
    assert_int_equal(facts.parent_count, 3);
    assert_string_equal(facts.parents[0].name, "shell\\x1b[2J");
    assert_string_equal(facts.parents[1].name, "a) S 7 (");
    assert_int_equal(facts.parents[2].pid, 1);
    process_facts_free(&facts);

    /* 500's parent ended, and a younger process has its id. */
    put_process(500, "orphan", 501, 50);
    put_process(501, "younger", 1, 60);
    key = (struct process_key){.pid = 500, .start = wall_of(50)};
    process_facts_read(&key, &facts);
    assert_true(facts.known);
    assert_int_equal(facts.parent_count, 0);
    process_facts_free(&facts);

    for (unsigned i = 0; i < 40; i++)
        put_process(1000 + i, "deep", 1001 + i, 100);
    key = (struct process_key){.pid = 1000, .start = wall_of(100)};
    process_facts_read(&key, &facts);
    assert_int_equal(facts.parent_count, PROCESS_PARENTS_MAX);
    process_facts_free(&facts);
    /* A circle, as no system shows it. */
    put_process(2000, "ring", 2001, 100);
    put_process(2001, "ring", 2000, 100);
    key = (struct process_key){.pid = 2000, .start = wall_of(100)};
    process_facts_read(&key, &facts);
    assert_int_equal(facts.parent_count, PROCESS_PARENTS_MAX);
    process_facts_free(&facts);
}

/* The wall clock was set by an hour since gatehoused began: one process alone might be another one. */
static void test_clock_step(void **state)
{
    struct process_facts facts = {0};
    struct process_key first = {.pid = 10, .start = wall_of(10) - 3600 * CLOCK_SECOND};
    struct process_key second = {.pid = 20, .start = wall_of(20) - 3600 * CLOCK_SECOND};
    struct process_key other = {.pid = 20, .start = wall_of(20) - 7000 * CLOCK_SECOND};

    (void)state;
    process_facts_use_folder(folder);
    put_process(10, "one", 0, 10);
    put_process(20, "two", 0, 20);
    process_facts_read(&first, &facts);
    assert_false(facts.known);
    process_facts_read(&first, &facts);
    assert_false(facts.known);
    process_facts_read(&other, &facts);
    assert_false(facts.known);
    process_facts_read(&second, &facts);
    assert_true(facts.known);
    process_facts_free(&facts);
    process_facts_read(&first, &facts);
    assert_true(facts.known);
    process_facts_free(&facts);
    process_facts_read(&other, &facts);
    assert_false(facts.known);
    other.start = 0;
    process_facts_read(&other, &facts);
    assert_false(facts.known);
}

static void command_is(unsigned pid, const char *bytes, size_t size, const char *expected)
{
    struct process_facts facts = {0};
    struct process_key key = {.pid = pid, .start = wall_of(1)};
    char name[64];

    put_process(pid, "x", 0, 1);
    snprintf(name, sizeof(name), "%u/cmdline", pid);
    put(name, bytes, size);
    process_facts_read(&key, &facts);
    assert_true(facts.known);
    assert_string_equal(text_string(&facts.command), expected);
    process_facts_free(&facts);
}

static void test_commands(void **state)
{
    static char large[PROCESS_COMMAND_MAX * 3];
    struct process_facts facts = {0};
    struct process_key key = {.pid = 90, .start = wall_of(1)};

    (void)state;
    process_facts_use_folder(folder);
#define COMMAND(pid, bytes, expected) command_is(pid, bytes, sizeof(bytes) - 1, expected)
    COMMAND(80, "curl\0https://example.org/\0", "curl https://example.org/");
    COMMAND(81, "sh\0-c\0echo 'a'; b\0", "sh -c 'echo '\\''a'\\''; b'");
    COMMAND(82, "a\0\0b\0", "a '' b");
    COMMAND(83, "nginx: worker\0\0\0\0\0\0", "'nginx: worker'");
    COMMAND(84, "no end", "'no end'");
    COMMAND(85, "", "");
    COMMAND(86, "\x1b]0;x\x07\0\xff\xfe\0\xe2\x80\xae\0", "'\\x1b]0;x\\x07' \\xff\\xfe \\u{202e}");
    COMMAND(87,
            "l\xc3\xbc"
            "cke\0two\nlines\0",
            "l\xc3\xbc"
            "cke 'two lines'");
    put_process(90, "x", 0, 1);
    memset(large, 'y', sizeof(large));
    put("90/cmdline", large, sizeof(large));
    process_facts_read(&key, &facts);
    assert_int_equal(facts.command.used, PROCESS_COMMAND_MAX + 3);
    process_facts_free(&facts);
}

static void unit_is(const char *lines, const char *expected)
{
    struct process_facts facts = {0};
    struct process_key key = {.pid = 70, .start = wall_of(1)};

    put("70/cgroup", lines, strlen(lines));
    process_facts_read(&key, &facts);
    assert_string_equal(facts.unit, expected);
    process_facts_free(&facts);
}

static void test_units(void **state)
{
    (void)state;
    process_facts_use_folder(folder);
    put_process(70, "x", 0, 1);
    unit_is("0::/system.slice/ssh.service\n", "ssh.service");
    unit_is("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-12.scope\n",
            "app-firefox-12.scope");
    unit_is("0::/system.slice/docker.service/payload/deep\n", "docker.service");
    unit_is("4:memory:/x.service\n1:name=systemd:/system.slice/cron.service\n0::/\n", "cron.service");
    unit_is("4:memory:/x.service\n0::/user.slice\n", "");
    unit_is("0::/system.slice/a\x1b"
            "b.service",
            "a\\x1b"
            "b.service");
    unit_is("0::/.service\n", "");
    unit_is("", "");
}

/* What is no line of stat says nothing, and nothing is read past its end. */
static void test_damaged(void **state)
{
    static const char *const lines[] = {"",        "400",
                                        "400 (x",  "400 )x(",
                                        "400 (x)", "400 (x) S 1 1 1",
                                        ") (",     "400 (x) S 1 1 1 0 -1 4194304 99 0 0 0 0 0 0 0 20 0 1 0"};
    struct process_key key = {.pid = 400, .start = wall_of(40)};
    struct process_facts facts = {0};

    (void)state;
    process_facts_use_folder(folder);
    put_process(400, "x", 0, 40);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        put("400/stat", lines[i], strlen(lines[i]));
        process_facts_read(&key, &facts);
        assert_false(facts.known);
    }
    key.pid = UINT64_MAX;
    process_facts_read(&key, &facts);
    assert_false(facts.known);
}

static void put_list(const char *name, const char *lines)
{
    put(name, lines, strlen(lines));
}

static void test_packages(void **state)
{
    char name[PACKAGE_NAME_MAX];
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

    (void)state;
    package_owner_use_folder(folder);
    put_list("curl.list", "/.\n/usr\n/usr/bin\n/usr/bin/curl\n");
    put_list("libc6:amd64.list", "/lib64/ld.so\n/usr/bin/last one");
    put_list("coreutils.list", "/bin/ls\n/usr/bin/curlier\n");
    put_list("od\x1b"
             "d.list",
             "/usr/bin/odd\n");
    put_list("curl.md5sums", "/usr/bin/other\n");
    assert_false(package_owner_known("/usr/bin/curl", name));
    assert_true(package_owner_find("/usr/bin/curl", name));
    assert_string_equal(name, "curl");
    assert_true(package_owner_known("/usr/bin/curl", name));
    assert_string_equal(name, "curl");
    assert_true(package_owner_find("/usr/bin/last one", name));
    assert_string_equal(name, "libc6");
    assert_false(package_owner_find("/usr/bin/cur", name));
    assert_true(package_owner_known("/usr/bin/cur", name));
    assert_string_equal(name, "");
    assert_false(package_owner_find("/usr/bin/other", name));
    assert_false(package_owner_find("/usr/bin/odd", name));
    assert_false(package_owner_find("curl", name));
    assert_false(package_owner_find("/usr/bin/curl\n/usr/bin/curlier", name));
    if (access("/bin/ls", X_OK) == 0 && readlink("/bin", name, sizeof(name)) > 0) {
        assert_true(package_owner_find("/usr/bin/ls", name));
        assert_string_equal(name, "coreutils");
    }
    /* The lists change: nothing old is told. */
    put_list("cur.list", "/usr/bin/cur\n");
    assert_int_equal(utimensat(AT_FDCWD, folder, times, 0), 0);
    assert_true(package_owner_find("/usr/bin/cur", name));
    assert_string_equal(name, "cur");
}

static void take(struct facts_reader *reader, struct facts_answer *answer)
{
    struct pollfd wait = {.fd = facts_reader_descriptor(reader), .events = POLLIN};

    while (!facts_reader_take(reader, answer))
        assert_int_equal(poll(&wait, 1, 30000), 1);
}

static void drop(struct facts_answer *answer)
{
    if (answer->facts != NULL)
        process_facts_free(answer->facts);
    free(answer->facts);
    answer->facts = NULL;
}

static void test_reader(void **state)
{
    struct problem problem;
    struct facts_reader *reader = facts_reader_new(&problem);
    struct pollfd wait = {.events = POLLIN};
    struct process_key key = {.pid = 60, .start = wall_of(1), .program = "/usr/bin/curl"};
    struct facts_answer answer;

    (void)state;
    assert_non_null(reader);
    process_facts_use_folder(folder);
    package_owner_use_folder(folder);
    put_process(60, "curl", 0, 1);
    put_list("curl.list", "/usr/bin/curl\n");
    wait.fd = facts_reader_descriptor(reader);
    assert_int_equal(poll(&wait, 1, 0), 0);
    assert_true(facts_reader_ask(reader, 7, &key));
    take(reader, &answer);
    assert_int_equal(answer.id, 7);
    assert_true(answer.facts != NULL && answer.facts->known);
    assert_false(answer.whole);
    drop(&answer);
    take(reader, &answer);
    assert_true(answer.id == 7 && answer.facts == NULL && answer.whole);
    assert_string_equal(answer.package, "curl");
    for (unsigned i = 0; i < 200; i++)
        assert_true(facts_reader_ask(reader, 100 + i, &key));
    for (unsigned i = 0; i < 200; i++) {
        take(reader, &answer);
        assert_int_equal(answer.id, 100 + i);
        assert_true(answer.whole && answer.facts != NULL);
        assert_string_equal(answer.package, "curl");
        drop(&answer);
    }
    assert_false(facts_reader_take(reader, &answer));
    assert_int_equal(poll(&wait, 1, 0), 0);
    assert_true(facts_reader_ask(reader, 1, &key)); /* and nobody takes it */
    facts_reader_free(reader);
}

/* A process whose command line does not come (here: a pipe that nobody opens to write) holds up nobody else for long.
 */
static void test_reader_left_behind(void **state)
{
    struct problem problem;
    struct facts_reader *reader = facts_reader_new(&problem);
    struct process_key hangs = {.pid = 50, .start = wall_of(1)};
    struct process_key key = {.pid = 51, .start = wall_of(1)};
    struct facts_answer answer;
    unsigned seen = 0;
    char path[512];
    int writer;

    (void)state;
    assert_non_null(reader);
    process_facts_use_folder(folder);
    put_process(51, "good", 0, 1);
    make_folder("50");
    snprintf(path, sizeof(path), "%s/50/stat", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_true(facts_reader_ask(reader, 1, &hangs));
    for (unsigned i = 0; i < 3; i++)
        assert_true(facts_reader_ask(reader, 2 + i, &key));
    for (unsigned i = 0; i < 3; i++) {
        take(reader, &answer);
        assert_in_range(answer.id, 2, 4);
        assert_true(answer.facts->known);
        seen |= 1u << answer.id;
        drop(&answer);
    }
    assert_int_equal(seen, 1u << 2 | 1u << 3 | 1u << 4);
    /* It comes back at last, and what it has is nothing. */
    writer = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(writer >= 0);
    close(writer);
    take(reader, &answer);
    assert_int_equal(answer.id, 1);
    assert_false(answer.facts->known);
    drop(&answer);
    facts_reader_free(reader);
}

static void test_port_names(void **state)
{
    (void)state;
    assert_string_equal(port_name(IPPROTO_TCP, 443), "https");
    assert_string_equal(port_name(IPPROTO_UDP, 53), "domain");
    assert_null(port_name(IPPROTO_TCP, 64999));
    assert_null(port_name(IPPROTO_TCP, 64999));
    assert_null(port_name(IPPROTO_ICMP, 443));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_real_process), TEST(test_parents), TEST(test_clock_step),
        TEST(test_commands),     TEST(test_units),   TEST(test_damaged),
        TEST(test_packages),     TEST(test_reader),  TEST(test_reader_left_behind),
        TEST(test_port_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
