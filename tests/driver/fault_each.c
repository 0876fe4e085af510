/* SPDX-License-Identifier: MIT */
/*
 * fault_each.c - one case of any test program, with one routine failing that can fail. Linked into all of them
 * (driver_fixture); without GATEHOUSE_FAIL in the environment it does nothing.
 *
 * GATEHOUSE_FAIL=N fails the call with the (N + 1)-th call stack of the program (nt/verify/fault.h), GATEHOUSE_CASE
 * names the one test to run. The test's assertions may fail then, and leave everything as it is; so at the end this
 * file takes over: every handle is closed, the driver unloaded, and what is left told. faults_test.py runs all of them.
 *
 * Only the thread that runs the case does that, and only when no other thread of the test is on its way any more: one
 * of those whose assertion fails stays where it is, and thread_join then ends the case. So nobody calls the driver
 * while it is unloaded, and nothing is counted that a thread still uses.
 */
#include "driver_fixture.h"

#include "nt/verify/fault.h"
#include "tests/driver/load.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX    256
#define MEMBERS_MAX  16
#define SECONDS_MOST 30 /* for the other threads of a test to come to their end */

NTSTATUS __real_nt_file_open(const char *name, ACCESS_MASK access, const struct nt_caller *caller,
                             struct nt_file **file);
NTSTATUS __wrap_nt_file_open(const char *name, ACCESS_MASK access, const struct nt_caller *caller,
                             struct nt_file **file);
void __real_nt_file_close(struct nt_file *file);
void __wrap_nt_file_close(struct nt_file *file);
NTSTATUS __real_driver_load(const struct nt_registry_value *values, size_t count);
NTSTATUS __wrap_driver_load(const struct nt_registry_value *values, size_t count);
void __real_driver_unload(void);
void __wrap_driver_unload(void);

void __real_thread_start(struct test_thread *thread, const char *name, void (*body)(void *argument), void *argument);
void __wrap_thread_start(struct test_thread *thread, const char *name, void (*body)(void *argument), void *argument);
void __real_thread_join(struct test_thread *thread);
void __wrap_thread_join(struct test_thread *thread);

void __real__assert_true(LargestIntegralType result, const char *expression, const char *file, int line);
void __wrap__assert_true(LargestIntegralType result, const char *expression, const char *file, int line);
void __real__assert_int_equal(LargestIntegralType a, LargestIntegralType b, const char *file, int line);
void __wrap__assert_int_equal(LargestIntegralType a, LargestIntegralType b, const char *file, int line);
void __real__assert_memory_equal(const void *a, const void *b, size_t size, const char *file, int line);
void __wrap__assert_memory_equal(const void *a, const void *b, size_t size, const char *file, int line);

static struct nt_faults *faults;
static struct nt_file *files[FILES_MAX];
static bool loaded;

/* A thread of the test beside the one that runs the case. */
struct member {
    const struct test_thread *thread; /* NULL: free */
    void (*body)(void *argument);
    void *argument;
    bool runs;
    bool left; /* an assertion of its body failed; it stays until the process ends */
};

static pthread_mutex_t members_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t members_changed = PTHREAD_COND_INITIALIZER;
static struct member members[MEMBERS_MAX];
static _Thread_local struct member *self; /* NULL: the thread that runs the case */

NTSTATUS __wrap_nt_file_open(const char *name, ACCESS_MASK access, const struct nt_caller *caller,
                             struct nt_file **file)
{
    NTSTATUS status = __real_nt_file_open(name, access, caller, file);

    for (size_t i = 0; faults != NULL && NT_SUCCESS(status) && i < FILES_MAX; i++) {
        if (files[i] == NULL) {
            files[i] = *file;
            break;
        }
    }
    return status;
}

void __wrap_nt_file_close(struct nt_file *file)
{
    for (size_t i = 0; i < FILES_MAX; i++)
        if (files[i] == file)
            files[i] = NULL;
    __real_nt_file_close(file);
}

static void close_all(void)
{
    for (size_t i = 0; i < FILES_MAX; i++)
        if (files[i] != NULL)
            __wrap_nt_file_close(files[i]);
}

NTSTATUS __wrap_driver_load(const struct nt_registry_value *values, size_t count)
{
    NTSTATUS status = __real_driver_load(values, count);

    loaded = NT_SUCCESS(status);
    return status;
}

void __wrap_driver_unload(void)
{
    loaded = false;
    __real_driver_unload();
}

static void judge(const struct nt_violation *violation)
{
    fprintf(stderr, "violation %s in %s: %s\n", violation->rule, violation->routine, violation->detail);
    abort();
}

/* What else is left the unload reports by itself; a test that was left in the middle may have objects of its own. */
static void tell_left(void)
{
    size_t bytes, blocks;

    nt_pool_usage('etaG', &bytes, &blocks);
    if (blocks != 0)
        fprintf(stderr, "LEFT: %zu blocks of the driver's memory\n", blocks);
}

static void *finish_apart(void *unused)
{
    const struct nt_failed *failed;

    (void)unused;
    nt_faults_end(faults);
    failed = nt_faults_at(faults, 0);
    if (failed != NULL)
        fprintf(stderr, "FAILED: %s %u %llx\n", failed->routine, failed->call, (unsigned long long)failed->site);
    close_all();
    if (loaded)
        driver_unload();
    tell_left();
    fprintf(stderr, "FINISHED\n");
    return NULL;
}

static void member_stops(struct member *member, bool left)
{
    pthread_mutex_lock(&members_lock);
    member->runs = false;
    member->left = left;
    pthread_cond_broadcast(&members_changed);
    pthread_mutex_unlock(&members_lock);
}

/* Whether one of them is on its way: this one, or with NULL any. */
static bool member_runs(const struct member *member)
{
    for (size_t i = 0; i < MEMBERS_MAX; i++)
        if (members[i].runs && (member == NULL || member == &members[i]))
            return true;
    return false;
}

static void wait_for_member(const struct member *member)
{
    struct timespec until;
    int error = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += SECONDS_MOST;
    pthread_mutex_lock(&members_lock);
    while (member_runs(member) && error == 0)
        error = pthread_cond_timedwait(&members_changed, &members_lock, &until);
    pthread_mutex_unlock(&members_lock);
    if (error == 0)
        return;
    fprintf(stderr, "a thread of the test does not come to its end\n");
    _exit(1);
}

/* A test that is left in the middle has its calls and connections on this stack: what ends now is still told there. */
static void finish(void)
{
    pthread_t thread;

    wait_for_member(NULL);
    if (pthread_create(&thread, NULL, finish_apart, NULL) == 0)
        pthread_join(thread, NULL);
}

_Noreturn static void leave(void)
{
    if (self != NULL) {
        member_stops(self, true);
        for (;;)
            pause();
    }
    finish();
    fflush(stdout);
    _exit(1);
}

static void run_member(void *argument)
{
    self = argument;
    self->body(self->argument);
    member_stops(self, false);
}

void __wrap_thread_start(struct test_thread *thread, const char *name, void (*body)(void *argument), void *argument)
{
    struct member *member = members;

    if (faults == NULL) {
        __real_thread_start(thread, name, body, argument);
        return;
    }
    while (member->thread != NULL)
        if (++member == members + MEMBERS_MAX)
            abort();
    *member = (struct member){thread, body, argument, true, false};
    __real_thread_start(thread, name, run_member, member);
}

void __wrap_thread_join(struct test_thread *thread)
{
    for (struct member *member = members; member < members + MEMBERS_MAX; member++) {
        if (member->thread != thread)
            continue;
        wait_for_member(member);
        if (member->left)
            leave();
        member->thread = NULL;
    }
    __real_thread_join(thread);
}

/* An assertion does not jump out of the test then: the stack has to stay as it is. */
static void leave_unless(bool holds, const char *file, int line)
{
    if (faults == NULL || holds)
        return;
    fprintf(stderr, "%s:%d: an assertion of the test does not hold\n", file, line);
    leave();
}

void __wrap__assert_true(LargestIntegralType result, const char *expression, const char *file, int line)
{
    leave_unless(result != 0, file, line);
    __real__assert_true(result, expression, file, line);
}

void __wrap__assert_int_equal(LargestIntegralType a, LargestIntegralType b, const char *file, int line)
{
    leave_unless(a == b, file, line);
    __real__assert_int_equal(a, b, file, line);
}

void __wrap__assert_memory_equal(const void *a, const void *b, size_t size, const char *file, int line)
{
    leave_unless(memcmp(a, b, size) == 0, file, line);
    __real__assert_memory_equal(a, b, size, file, line);
}

__attribute__((constructor)) static void begin(void)
{
    const char *number = getenv("GATEHOUSE_FAIL");
    const char *name = getenv("GATEHOUSE_CASE");

    if (name != NULL)
        cmocka_set_test_filter(name);
    if (number == NULL)
        return;
    faults = nt_faults_new(0);
    atexit(finish);
    nt_set_violation_handler(judge);
    nt_faults_begin(faults, (unsigned)strtoul(number, NULL, 10));
}
