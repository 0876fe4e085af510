/* SPDX-License-Identifier: MIT */
/*
 * fault_each.c - one case of any test program, with one routine failing that can fail. Linked into all of them
 * (driver_fixture); without GATEHOUSE_FAIL in the environment it does nothing.
 *
 * GATEHOUSE_FAIL=N fails the call with the (N + 1)-th call stack of the program (nt/verify/fault.h), GATEHOUSE_CASE
 * names the one test to run. The test's assertions may fail then, and leave everything as it is; so at the end this
 * file takes over: every handle is closed, the driver unloaded, and what is left told. faults_test.py runs all of them.
 */
#include "driver_fixture.h"

#include "nt/verify/fault.h"
#include "tests/driver/load.h"

#include <pthread.h>
#include <unistd.h>

#define FILES_MAX 256

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

void __real__assert_true(LargestIntegralType result, const char *expression, const char *file, int line);
void __wrap__assert_true(LargestIntegralType result, const char *expression, const char *file, int line);
void __real__assert_int_equal(LargestIntegralType a, LargestIntegralType b, const char *file, int line);
void __wrap__assert_int_equal(LargestIntegralType a, LargestIntegralType b, const char *file, int line);
void __real__assert_memory_equal(const void *a, const void *b, size_t size, const char *file, int line);
void __wrap__assert_memory_equal(const void *a, const void *b, size_t size, const char *file, int line);

static struct nt_faults *faults;
static struct nt_file *files[FILES_MAX];
static bool loaded;

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

/* A test that is left in the middle has its calls and connections on this stack: what ends now is still told there. */
static void finish(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, finish_apart, NULL) == 0)
        pthread_join(thread, NULL);
}

/* An assertion does not jump out of the test then: the stack has to stay as it is. */
static void leave_unless(bool holds, const char *file, int line)
{
    if (faults == NULL || holds)
        return;
    fprintf(stderr, "%s:%d: an assertion of the test does not hold\n", file, line);
    finish();
    fflush(stdout);
    _exit(1);
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
