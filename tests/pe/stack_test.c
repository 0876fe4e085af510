/* SPDX-License-Identifier: MIT */
/*
 * stack_test.c - stacks through the code of driver binaries: tiny.sys, which has symbols, and the product's
 * gatehouse.sys, which has none.
 *
 * argv[1] is tiny.sys, argv[2] gatehouse.sys, which need not be there. The oracle is who called whom: below the
 * driver's frames stands the routine that the driver called, above them the function of this file that led to it.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/engine_fixture.h"

#include "lab/fault_stack.h"
#include "lab/report_places.h"
#include "pe/loader.h"
#include "tests/pe/tiny_control.h"

static const char *tiny_file, *gatehouse_file;
static struct pe_driver *driver;
static struct nt_file *file;

/* Not inlined and no jump: it stands in the stack. */
#define FRAME  __attribute__((noinline, noclone))
#define STAY() __asm__ volatile("" ::: "memory")

static void load(const char *path, const char *service)
{
    struct pe_error error = {""};
    if (!pe_driver_load(path, service, NULL, 0, &driver, &error))
        fail_msg("%s", error.text);
    assert_true(lab_symbols_add_driver(path));
}

static int setup_tiny(void **state)
{
    static const struct nt_caller caller = {1, TRUE};
    nt_runner_start();
    engine_setup(state);
    load(tiny_file, "PeTiny");
    assert_int_equal(nt_file_open("\\\\.\\PeTiny", GENERIC_READ | GENERIC_WRITE, &caller, &file), STATUS_SUCCESS);
    return 0;
}

static int teardown_tiny(void **state)
{
    nt_file_close(file);
    pe_driver_unload(driver);
    lab_symbols_forget_drivers();
    nt_runner_stop();
    return engine_teardown(state);
}

/* The driver's frames stand together, with ours on both sides. Where they begin and how many there are. */
static size_t driver_frames(const struct lab_frames *frames, size_t *first)
{
    size_t count = 0;
    *first = 0;
    while (*first < frames->count && !frames->frames[*first].driver)
        ++*first;
    while (*first + count < frames->count && frames->frames[*first + count].driver)
        count++;
    for (size_t index = *first + count; index < frames->count; index++)
        assert_false(frames->frames[index].driver);
    return count;
}

static bool names(const struct lab_frames *frames, size_t from, const char *function)
{
    for (size_t index = from; index < frames->count; index++)
        if (strcmp(frames->frames[index].function, function) == 0)
            return true;
    return false;
}

/* false: nobody here can name functions; what can be said without is checked. */
static bool check_stack(const struct nt_stack *stack, const char *module, const char *caller)
{
    struct lab_frames frames;
    size_t first;
    lab_symbols_name(stack, &frames);
    size_t count = driver_frames(&frames, &first);
    assert_in_range(count, 1, NT_STACK_MAX - 2);
    assert_true(first != 0 && first + count < frames.count);
    for (size_t index = first; index < first + count; index++)
        assert_string_equal(frames.frames[index].module, module);
    assert_ptr_equal(lab_symbols_blame(&frames, ""), &frames.frames[first]);
    if (frames.frames[0].line == 0)
        return false;
    if (!names(&frames, first + count, caller))
        fail_msg("%s is not in the stack", caller);
    return true;
}

static struct nt_stack completed;

static void take_stack(void *context, NTSTATUS status, const void *output, size_t information)
{
    (void)context, (void)status, (void)output, (void)information;
    nt_stack_take(&completed);
}

FRAME static void send_echo(void)
{
    struct nt_call *call = NULL;
    nt_device_control(file, TINY_ECHO, "hello", 6, 8, take_stack, NULL, &call);
    nt_call_put(call);
    STAY();
}

static void a_routine_called_by_the_driver_has_its_stack(void **state)
{
    (void)state;
    completed.count = 0;
    send_echo();
    if (!check_stack(&completed, "tiny.sys", "send_echo"))
        skip();
    struct lab_frames frames;
    size_t first;
    lab_symbols_name(&completed, &frames);
    size_t count = driver_frames(&frames, &first);
    if (frames.frames[first].function[0] == '\0')
        skip(); /* no llvm-addr2line */
    assert_string_equal(frames.frames[first + count - 1].function, "dispatch");
}

/* --- A fault in the driver ------------------------------------------------------------------- */

static sigjmp_buf outside;
static struct nt_report fault_report;

static void keep_report(void *context, const struct nt_report *report)
{
    (void)context;
    fault_report = *report;
}

static void ignore(const struct nt_violation *violation)
{
    (void)violation;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    lab_fault_about(info, context);
    nt_violate("access-fault", "memory", "address %p", info->si_addr);
    siglongjmp(outside, 1);
}

FRAME static void send_crash(void)
{
    size_t information;
    (void)nt_device_control_wait(file, TINY_CRASH, NULL, 0, NULL, 0, &information, 30000);
    STAY();
}

/* The machine cannot go on afterwards, so it is a process of its own. */
static int crash(void)
{
    static char memory[131072];
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t own = {.ss_sp = memory, .ss_size = sizeof memory};
    sigaltstack(&own, NULL);
    sigaction(SIGSEGV, &action, NULL);
    nt_set_violation_handler(ignore);
    nt_set_report_handler(keep_report, NULL);
    nt_verify_on = true;
    if (sigsetjmp(outside, 1) == 0)
        send_crash();
    struct lab_report *named = lab_report_new(&fault_report, 1);
    if (named == NULL || named->place == NULL || strcmp(named->place->module, "tiny.sys") != 0)
        return 1;
    if (named->place != &named->broke.frames[0] || strcmp(named->report.rule->id, "access-fault") != 0)
        return 2;
    bool named_all = named->broke.frames[named->broke.count - 1].function[0] != '\0';
    return !named_all || names(&named->broke, 1, "send_crash") ? 0 : 3;
}

static void a_fault_in_the_driver_has_its_stack(void **state)
{
    int status = 0;
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(crash());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- The product ----------------------------------------------------------------------------- */

#define STACKS_MOST 256u

static struct nt_stack taken[STACKS_MOST];
static unsigned taken_count;

static BOOLEAN take_every_stack(const char *routine, void *context)
{
    (void)routine, (void)context;
    if (taken_count < STACKS_MOST)
        nt_stack_take(&taken[taken_count++]);
    return FALSE;
}

FRAME static void load_product(void)
{
    load(gatehouse_file, "gatehouse");
    STAY();
}

/* Each routine that can fail and that DriverEntry reaches gives one stack. */
static void the_product_has_whole_stacks_without_symbols(void **state)
{
    unsigned through = 0, named = 0;
    struct lab_frames frames;
    size_t first;
    if (access(gatehouse_file, R_OK) != 0) {
        print_message("%s is not built: run make windows\n", gatehouse_file);
        skip();
    }
    nt_runner_start();
    engine_setup(state);
    nt_set_fault(take_every_stack, NULL);
    load_product();
    nt_set_fault(NULL, NULL);
    for (unsigned index = 0; index < taken_count; index++) {
        lab_symbols_name(&taken[index], &frames);
        if (driver_frames(&frames, &first) == 0)
            continue; /* the loader's own */
        through++;
        named += check_stack(&taken[index], "gatehouse.sys", "load_product");
    }
    pe_driver_unload(driver);
    lab_symbols_forget_drivers();
    nt_runner_stop();
    assert_int_equal(engine_teardown(state), 0);
    print_message("%u stacks through gatehouse.sys, %u with names\n", through, named);
    assert_in_range(through, 3, STACKS_MOST);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_routine_called_by_the_driver_has_its_stack, setup_tiny, teardown_tiny),
        cmocka_unit_test_setup_teardown(a_fault_in_the_driver_has_its_stack, setup_tiny, teardown_tiny),
        cmocka_unit_test(the_product_has_whole_stacks_without_symbols),
    };

    if (count != 3) {
        fprintf(stderr, "usage: %s TINY.sys GATEHOUSE.sys\n", arguments[0]);
        return 2;
    }
    tiny_file = arguments[1];
    gatehouse_file = arguments[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
