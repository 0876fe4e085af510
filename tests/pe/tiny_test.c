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

#define TINY_TAG 'yniT' /* Windows' tools show it backwards: Tiny */

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

/* Violations, left-pool and the like among them, fail in engine_teardown. */
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

/* Sends code in a child, which dies of it or ends; gives what it said on stderr, and its wait status. */
static int in_child(ULONG code, const void *input, size_t input_size, char *text, size_t room)
{
    int ends[2], status = 0;
    size_t size = 0;
    ssize_t part;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        UCHAR out[2];

        dup2(ends[1], STDERR_FILENO);
        close(ends[1]);
        nt_set_violation_handler(NULL);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        (void)control(code, input, input_size, out, sizeof(out));
        _exit(0);
    }
    close(ends[1]);
    while (size < room - 1 && (part = read(ends[0], text + size, room - 1 - size)) > 0)
        size += (size_t)part;
    text[size] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void a_fault_in_the_driver_is_told(void **state)
{
    char text[512] = "";
    int status = in_child(TINY_CRASH, NULL, 0, text, sizeof(text));

    (void)state;
    assert_non_null(strstr(text, "tiny.sys: fault at .text+0x"));
    assert_non_null(strstr(text, "it used address 0x10"));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

/* What each misuse of pool is called, and where it is noticed. */
static const struct misuse {
    struct tiny_spoil spoil;
    bool underrun; /* the pool's mode */
    int signal;    /* SIGSEGV: at the access itself; SIGABRT: a violation, when it is freed */
    const char *said[4];
} misuses[] = {
    {{96, 96, 0, 0, 0, 0}, false, SIGSEGV, {"pool overrun: byte 96 of a block of 96 bytes", " writes to 0x"}},
    {{96, 96, 1, 0, 0, 0}, false, SIGSEGV, {"pool overrun: byte 96 of a block of 96 bytes", " reads from 0x"}},
    {{4096, 4096, 0, 0, 1, 0}, false, SIGSEGV, {"pool overrun: byte 4096 of a block of 4096 bytes"}},
    {{96, 64, 2, 0, 0, 0}, false, 0, {""}},
    {{96, 65, 2, 0, 0, 0},
     false,
     SIGSEGV,
     {"pool overrun: byte 96 of", " writes to 0x", ", in a routine that it called,"}},
    {{100, 100, 0, 0, 0, 0}, false, SIGABRT, {"pool-overrun", "byte 100 was written", "of 100 bytes"}},
    {{100, -1, 0, 0, 0, 0}, false, SIGABRT, {"pool-underrun", "byte -1 was written"}},
    {{100, -1, 0, 0, 0, 0}, true, SIGSEGV, {"pool underrun: byte -1 of a block of 100 bytes", " writes to 0x"}},
    {{100, 100, 0, 0, 0, 0}, true, SIGABRT, {"pool-overrun", "byte 100 was written"}},
    {{100, 8, 1, 1, 0, 0},
     false,
     SIGSEGV,
     {"pool use after free: byte 8 of a block of 100 bytes", "freed at tiny.sys+0x"}},
    {{100, 8, 0, 1, 0, 0}, true, SIGSEGV, {"pool use after free: byte 8 of", " writes to 0x", "freed at tiny.sys+0x"}},
    {{100, 0, 3, 1, 0, 0},
     false,
     SIGABRT,
     {"pool-double-free", "a block of 100 bytes", "freed at tiny.sys+0x", "called from tiny.sys+0x"}},
    {{100, 99, 0, 0, 0, 0}, false, 0, {""}},
    {{4096, 4095, 1, 0, 1, 0}, true, 0, {""}},
    {{9000, 8999, 0, 0, 0, 0}, false, 0, {""}},
};

static void misuse_of_pool_is_told(void **state)
{
    (void)state;
    for (size_t row = 0; row < sizeof(misuses) / sizeof(misuses[0]); row++) {
        const struct misuse *misuse = &misuses[row];
        char text[8192] = "";

        assert_true(nt_special_pool_start(PE_SPECIAL_POOL_PAGES, misuse->underrun));
        int status = in_child(TINY_SPOIL, &misuse->spoil, sizeof(misuse->spoil), text, sizeof(text));
        if (misuse->signal == 0 ? status != 0 : !WIFSIGNALED(status) || WTERMSIG(status) != misuse->signal)
            fail_msg("row %zu: wait status 0x%x; it said: %s", row, (unsigned)status, text);
        for (size_t word = 0; word < 4 && misuse->said[word] != NULL; word++)
            if (strstr(text, misuse->said[word]) == NULL)
                fail_msg("row %zu: \"%s\" is not in: %s", row, misuse->said[word], text);
        if (misuse->signal != 0 &&
            (strstr(text, "with tag 'Tiny'") == NULL || strstr(text, "allocated at tiny.sys+0x") == NULL))
            fail_msg("row %zu: tag and place are not in: %s", row, text);
        if (misuse->signal == SIGSEGV && (strstr(text, "driver tiny.sys+0x") != text || strchr(text, '\n')[1] != '\0'))
            fail_msg("row %zu: not one line that begins with the place: %s", row, text);
        if (misuse->signal == 0 && text[0] != '\0')
            fail_msg("row %zu: good use is not silent: %s", row, text);
    }
    assert_true(nt_special_pool_start(PE_SPECIAL_POOL_PAGES, FALSE));
}

static void misuse_of_a_system_buffer_is_told(void **state)
{
    UCHAR input[32] = {0};
    char text[8192] = "";

    (void)state;
    int status = in_child(TINY_BUFFER, input, 32, text, sizeof(text));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    assert_non_null(
        strstr(text, "pool overrun: byte 32 of a block of 32 bytes with tag 'IoSB', allocated at tiny.sys+0x"));
    status = in_child(TINY_BUFFER, input, 31, text, sizeof(text));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "pool-overrun in IoCompleteRequest"));
    input[0] = 1;
    status = in_child(TINY_BUFFER, input, 32, text, sizeof(text));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    assert_non_null(strstr(text, "pool use after free: byte 0 of a block of 32 bytes with tag 'IoSB'"));
}

static void good_use_of_special_pool_is_silent(void **state)
{
    (void)state;
    for (unsigned size = 1; size < 9000; size += size < 40 ? 1 : 61) {
        struct tiny_spoil good = {size, (int)size - 1, (UCHAR)(size % 2), 0, (UCHAR)(size % 3 == 0), 0};
        UCHAR out[2] = {0};

        control(TINY_SPOIL, &good, sizeof(good), out, sizeof(out));
        assert_int_equal(out[0], 1);
    }
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
        RUN(misuse_of_pool_is_told),
        RUN(misuse_of_a_system_buffer_is_told),
        RUN(good_use_of_special_pool_is_silent),
        cmocka_unit_test(missing_imports_are_all_named),
        RUN(it_loads_again_after_an_unload),
    };

    if (count != 3) {
        fprintf(stderr, "usage: %s TINY.sys MISSING.sys\n", arguments[0]);
        return 2;
    }
    tiny_file = arguments[1];
    missing_file = arguments[2];
    if (!nt_special_pool_start(PE_SPECIAL_POOL_PAGES, FALSE))
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
