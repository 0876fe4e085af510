/* SPDX-License-Identifier: MIT */
/*
 * confine_test.c - what a confined process can and cannot do any more, by doing it, and what its aide does for it.
 *
 * Each case confines a child: nothing can be taken back. The kernel is the oracle.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/confine.h"
#include "host/gate.h"
#include "host/gate_private.h"

#define NOT_CONFINED 200

typedef int body(void);

/* Runs body in a confined child; its exit code, or 1000 + the signal that ended it. */
static int in_confined(body *run, bool deadly)
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        char error[256] = "";

        alarm(20);
        _exit(confine(deadly, error, sizeof(error)) ? NOT_CONFINED : run());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static long map_both(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1
                                                                                                                  : 0;
}

static long protect_both(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? 0 : mprotect(memory, 4096, PROT_WRITE | PROT_EXEC);
}

static long run_program(void)
{
    char *const words[] = {"/bin/true", NULL};

    return execv(words[0], words);
}

#define CALL(name, call)                                                                                               \
    static long name(void)                                                                                             \
    {                                                                                                                  \
        return call;                                                                                                   \
    }
CALL(make_process, fork())
CALL(make_inet, socket(AF_INET, SOCK_STREAM, 0))
CALL(make_inet6, socket(AF_INET6, SOCK_DGRAM, 0))
CALL(make_packet, socket(AF_PACKET, SOCK_RAW, 0))
CALL(mount_something, mount("none", "/", "tmpfs", 0, NULL))
CALL(trace_parent, ptrace(PTRACE_ATTACH, getppid(), 0, 0))
CALL(signal_parent, kill(getppid(), 0))
CALL(change_user, setuid(1))
CALL(change_owner, chown("/proc/self/exe", 1, 1))
CALL(change_dumpable, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))

/* 0 when each is refused, else the number of the first that is not. */
static int try_forbidden(void)
{
    static long (*const calls[])(void) = {map_both,    protect_both, run_program,     make_process, make_inet,
                                          make_inet6,  make_packet,  mount_something, trace_parent, signal_parent,
                                          change_user, change_owner, change_dumpable};

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        errno = 0;
        if (calls[i]() != -1 || errno != EPERM)
            return (int)i + 1;
    }
    return 0;
}

static void forbidden_calls_fail(void **state)
{
    (void)state;
    assert_int_equal(in_confined(try_forbidden, false), 0);
}

static int fork_once(void)
{
    fork();
    return 0;
}

static void deadly_calls_kill(void **state)
{
    (void)state;
    assert_int_equal(in_confined(fork_once, true), 1000 + SIGSYS);
}

static void *write_down(void *flag)
{
    *(int *)flag = 7;
    return NULL;
}

/* Under the filter that kills. */
static int do_allowed(void)
{
    char name[] = "/tmp/gatehouse-confine-XXXXXX", text[4];
    int flag = 0, pair[2], file = mkstemp(name);
    pthread_t thread;

    if (file < 0 || write(file, "abc", 3) != 3 || fsync(file) || rename(name, name) || unlink(name) || close(file))
        return 1;
    if (pthread_create(&thread, NULL, write_down, &flag) || pthread_join(thread, NULL) || flag != 7)
        return 2;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || write(pair[0], "abc", 3) != 3 || read(pair[1], text, 3) != 3)
        return 3;
    file = socket(AF_NETLINK, SOCK_RAW, 0);
    return file < 0 ? 4 : 0;
}

static void needed_calls_work(void **state)
{
    (void)state;
    assert_int_equal(in_confined(do_allowed, true), 0);
}

static pthread_barrier_t both;

static uint64_t capabilities_of_thread(void)
{
    char path[64], line[128];
    unsigned long long found = ~0ull;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%d/status", gettid());
    file = fopen(path, "r");
    while (file && fgets(line, sizeof(line), file))
        if (sscanf(line, "CapPrm: %llx", &found) == 1)
            break;
    if (file)
        fclose(file);
    return found;
}

static void *look_later(void *found)
{
    pthread_barrier_wait(&both);
    pthread_barrier_wait(&both);
    *(uint64_t *)found = capabilities_of_thread();
    return fork() >= 0 ? found : NULL;
}

/* A thread that was there before is confined too. */
static void older_threads_too(void **state)
{
    int status = 0;
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        char error[256];
        uint64_t found = 0;
        void *forked = NULL;
        pthread_t thread;

        alarm(20);
        pthread_barrier_init(&both, NULL, 2);
        if (pthread_create(&thread, NULL, look_later, &found))
            _exit(1);
        pthread_barrier_wait(&both);
        if (confine(false, error, sizeof(error)))
            _exit(2);
        pthread_barrier_wait(&both);
        pthread_join(thread, &forked);
        if (forked != NULL)
            _exit(3);
        _exit(found != capabilities_of_thread() ? 4 : (found & 1ull << CAP_SYS_ADMIN) != 0 ? 5 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* --- The aide ---------------------------------------------------------------------------------- */

static void nothing(void)
{
}

static void aide_runs_what_it_knows(void **state)
{
    char *const version[] = {"iptables", "--version", NULL}, *const bad[] = {"iptables", "--no-such-word", NULL},
                *const foreign[] = {"sh", "-c", "exit 0", NULL}, *const path[] = {"/bin/iptables", "-S", NULL};
    char error[256], *text;

    (void)state;
    assert_int_equal(gate_aide_start(nothing, error, sizeof(error)), 0);
    assert_int_equal(gate_aide_run(version, NULL, &text), 0);
    assert_non_null(strstr(text, "iptables v"));
    free(text);
    assert_int_equal(gate_aide_run(bad, "", &text), 2);
    assert_non_null(text);
    free(text);
    assert_int_equal(gate_aide_run(foreign, NULL, &text), -EPERM);
    assert_null(text);
    assert_int_equal(gate_aide_run(path, NULL, &text), -EPERM);
    assert_null(text);
    gate_aide_stop();
    assert_false(gate_aide_is_there());
}

static void aide_refuses_too_much(void **state)
{
    char *many[32], error[256], *text, *large = malloc(1 << 20), *const version[] = {"iptables", "--version", NULL};

    (void)state;
    assert_non_null(large);
    for (int i = 0; i < 31; i++)
        many[i] = "iptables";
    many[31] = NULL;
    assert_int_equal(gate_aide_start(nothing, error, sizeof(error)), 0);
    assert_int_equal(gate_aide_run(many, NULL, &text), -E2BIG);
    memset(large, '#', (1 << 20) - 1);
    large[(1 << 20) - 1] = 0;
    assert_int_equal(gate_aide_run(version, large, &text), -EPIPE); /* it ends rather than lose its step */
    assert_int_equal(gate_aide_run(version, NULL, &text), -EPIPE);
    assert_null(text);
    gate_aide_stop();
    free(large);
}

/* The process that is named in a child's status file as the parent of pid. */
static pid_t find_child(void)
{
    char path[64], line[32] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", gettid());
    file = fopen(path, "r");
    if (file && !fgets(line, sizeof(line), file))
        line[0] = 0;
    if (file)
        fclose(file);
    return (pid_t)atoi(line);
}

static void killed_aide_is_noticed(void **state)
{
    char *const version[] = {"iptables", "--version", NULL};
    char error[256], *text;
    pid_t child;

    (void)state;
    assert_int_equal(gate_aide_start(nothing, error, sizeof(error)), 0);
    child = find_child();
    assert_true(child > 0);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(gate_aide_run(version, NULL, &text), -EPIPE);
    gate_aide_stop();
}

/* Signals that the whole foreground gets are not its to act on. */
static void aide_outlives_signals(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    char *const version[] = {"iptables", "--version", NULL};
    char error[256], *text;

    (void)state;
    assert_int_equal(gate_aide_start(nothing, error, sizeof(error)), 0);
    assert_int_equal(gate_aide_run(version, NULL, &text), 0); /* by now it ignores them */
    free(text);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        kill(find_child(), signals[i]);
    assert_int_equal(gate_aide_run(version, NULL, &text), 0);
    free(text);
    gate_aide_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forbidden_calls_fail),    cmocka_unit_test(deadly_calls_kill),
        cmocka_unit_test(needed_calls_work),       cmocka_unit_test(older_threads_too),
        cmocka_unit_test(aide_runs_what_it_knows), cmocka_unit_test(aide_refuses_too_much),
        cmocka_unit_test(killed_aide_is_noticed),  cmocka_unit_test(aide_outlives_signals),
    };

    if (geteuid() != 0) {
        puts("1..0 # SKIP not root");
        return 77;
    }
    return cmocka_run_group_tests_name("confine", tests, NULL, NULL);
}
