/* SPDX-License-Identifier: MIT */
/*
 * tiny_test.c - a driver binary end to end: tiny_driver.c, built by mingw-w64 with its own headers.
 *
 * argv[1] is the file, argv[2] the same with imports that nobody implements.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/engine_fixture.h"

#include "pe/loader.h"
#include "pe/trap.h"
#include "tests/pe/tiny_control.h"

#define TINY_TAG 'yniT'

static const char *tiny_file, *missing_file;
static struct pe_driver *driver;
static struct nt_file *file;

static int setup(void **state)
{
    static const struct nt_caller caller = {1, TRUE};
    struct pe_error error = {""};

    nt_runner_start();
    engine_setup(state);
    if (!pe_driver_load(tiny_file, "PeTiny", NULL, 0, &driver, &error))
        fail_msg("%s", error.text);
    assert_int_equal(nt_file_open("\\\\.\\PeTiny", GENERIC_READ | GENERIC_WRITE, &caller, &file), STATUS_SUCCESS);
    return 0;
}

/* Violations, left-at-unload among them, fail in engine_teardown. */
static int teardown(void **state)
{
    size_t bytes = 0, blocks = 0;

    nt_file_close(file);
    pe_driver_unload(driver);
    nt_pool_usage(TINY_TAG, &bytes, &blocks);
    nt_runner_stop();
    nt_set_debug_sink(NULL, NULL);
    return blocks != 0 ? 1 : engine_teardown(state);
}

static size_t control(ULONG code, const void *input, size_t input_size, void *output, size_t output_size)
{
    size_t information = 0;

    pe_trap_install(); /* cmocka sets its own handler before each test */
    NTSTATUS status = nt_device_control_wait(file, code, input, input_size, output, output_size, &information, 10000);

    assert_int_equal(status, STATUS_SUCCESS);
    return information;
}

struct answer {
    _Atomic(int) count;
    NTSTATUS status;
    char text[16];
};

static void answered(void *context, NTSTATUS status, const void *output, size_t information)
{
    struct answer *answer = context;

    answer->status = status;
    if (output != NULL && information <= sizeof(answer->text))
        memcpy(answer->text, output, information);
    answer->count++;
}

static void echo_gives_the_input_back(void **state)
{
    char out[8] = "";

    (void)state;
    assert_int_equal(control(TINY_ECHO, "hello", 6, out, sizeof(out)), 6);
    assert_string_equal(out, "hello");
}

static void a_pended_irp_is_completed_later(void **state)
{
    struct answer answer = {0, 0, ""};
    struct nt_call *call = NULL;
    ULONG count = 0;

    (void)state;
    nt_device_control(file, TINY_PEND, NULL, 0, sizeof(answer.text), answered, &answer, &call);
    assert_int_equal(answer.count, 0);
    control(TINY_COMPLETE, "decision", 9, &count, sizeof(count));
    assert_int_equal(count, 1);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.status, STATUS_SUCCESS);
    assert_string_equal(answer.text, "decision");
    nt_call_put(call);
}

static void cancel_reaches_the_routine_that_the_binary_stored(void **state)
{
    struct answer answer = {0, 0, ""};
    struct nt_call *call = NULL;

    (void)state;
    nt_device_control(file, TINY_PEND, NULL, 0, sizeof(answer.text), answered, &answer, &call);
    nt_call_cancel(call);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.status, STATUS_CANCELLED);
    nt_call_put(call);
}

static void timer_work_item_and_thread_run(void **state)
{
    UCHAR out = 0xff;

    (void)state;
    assert_int_equal(control(TINY_TIMER, NULL, 0, &out, 1), 1);
    assert_int_equal(out, DISPATCH_LEVEL);
    assert_int_equal(control(TINY_WORK, NULL, 0, &out, 1), 1);
    assert_int_equal(out, TRUE);
    assert_int_equal(control(TINY_THREAD, NULL, 0, &out, 1), 1);
    assert_int_equal(out, 42);
}

/* mov to and from CR8, which mingw's headers inline, agree with the spin lock's IRQL. */
static void irql_follows_cr8(void **state)
{
    static const UCHAR expected[8] = {0, 2, 0, 1, 0, 2, 1, 0};
    UCHAR out[8] = {0};

    (void)state;
    assert_int_equal(control(TINY_IRQL, NULL, 0, out, sizeof(out)), 8);
    assert_memory_equal(out, expected, sizeof(out));
}

static void the_irp_is_laid_out_as_on_windows(void **state)
{
    static const UCHAR expected[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    UCHAR out[8] = {0};

    (void)state;
    assert_int_equal(control(TINY_STACK, NULL, 0, out, sizeof(out)), 8);
    assert_memory_equal(out, expected, sizeof(out));
}

static void routines_are_found_by_name(void **state)
{
    UCHAR out[2] = {0};

    (void)state;
    control(TINY_FIND, NULL, 0, out, sizeof(out));
    assert_int_equal(out[0], 1);
    assert_int_equal(out[1], 1);
}

static char printed[256];

static void keep_print(void *context, ULONG component, ULONG level, const char *text)
{
    (void)context, (void)component, (void)level;
    snprintf(printed, sizeof(printed), "%s", text);
}

static void variable_arguments_arrive(void **state)
{
    (void)state;
    nt_set_debug_sink(keep_print, NULL);
    control(TINY_PRINT, NULL, 0, NULL, 0);
    assert_string_equal(printed, "one -7 4000000000 two 123456789abcdef0 x wide|0000BEEF last");
}

static void the_callout_pends_and_completes(void **state)
{
    struct sample callout = {.key = TINY_CALLOUT_KEY};

    (void)state;
    add_callout(engine, &callout, NULL);
    add_filter(engine,
               &(struct filter_spec){.action = FWP_ACTION_CALLOUT_TERMINATING, .callout = &callout, .weight = 5});
    struct wfp_decision decision = connect_now(1);
    assert_int_equal(decision.outcome, WFP_PENDED);
    control(TINY_RELEASE, NULL, 0, NULL, 0);
    assert_int_equal(done_count, 1);
    assert_int_equal(done_decision.outcome, WFP_PERMIT);
    wfp_ale_flow_end(done_decision.flow);
    assert_int_equal(FwpmEngineClose0(engine), STATUS_SUCCESS);
}

static void crash(int report)
{
    dup2(report, STDERR_FILENO);
    signal(SIGSEGV, SIG_DFL);
    (void)control(TINY_CRASH, NULL, 0, NULL, 0);
    _exit(0);
}

static void a_fault_in_the_driver_is_told(void **state)
{
    char text[512] = "";
    int ends[2], status = 0;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0)
        crash(ends[1]);
    close(ends[1]);
    ssize_t size = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(size > 0);
    assert_non_null(strstr(text, "tiny.sys: fault at .text+0x"));
    assert_non_null(strstr(text, "it used address 0x10"));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void missing_imports_are_all_named(void **state)
{
    struct pe_driver *none = NULL;
    struct pe_error error = {""};

    (void)state;
    assert_false(pe_driver_load(missing_file, "PeMissing", NULL, 0, &none, &error));
    assert_null(none);
    assert_non_null(strstr(error.text, "2 routines"));
    assert_non_null(strstr(error.text, "FwpsNoSuchRoutine0"));
    assert_non_null(strstr(error.text, "FwpsNoSuchRoutine1"));
}

static void it_loads_again_after_an_unload(void **state)
{
    for (int round = 0; round < 20; round++) {
        assert_int_equal(teardown(state), 0);
        assert_int_equal(setup(state), 0);
        echo_gives_the_input_back(state);
    }
}

int main(int count, char **arguments)
{
#define RUN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        RUN(echo_gives_the_input_back),
        RUN(a_pended_irp_is_completed_later),
        RUN(cancel_reaches_the_routine_that_the_binary_stored),
        RUN(timer_work_item_and_thread_run),
        RUN(irql_follows_cr8),
        RUN(the_irp_is_laid_out_as_on_windows),
        RUN(routines_are_found_by_name),
        RUN(variable_arguments_arrive),
        RUN(the_callout_pends_and_completes),
        RUN(a_fault_in_the_driver_is_told),
        cmocka_unit_test(missing_imports_are_all_named),
        RUN(it_loads_again_after_an_unload),
    };

    if (count != 3) {
        fprintf(stderr, "usage: %s TINY.sys MISSING.sys\n", arguments[0]);
        return 2;
    }
    tiny_file = arguments[1];
    missing_file = arguments[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
