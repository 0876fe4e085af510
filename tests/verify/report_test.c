/* SPDX-License-Identifier: MIT */
/*
 * report_test.c - reports of violations: both stacks with the right names, held locks, history, and that repeats are
 * counted.
 *
 * The oracle is the names of the functions in sample.c. Without addr2line the tests that need names are skipped.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "lab/fault_stack.h"
#include "lab/report_places.h"
#include "nt/internal.h"
#include "nt/verify/stack.h"
#include "tests/verify/sample.h"

#define REPORTS_MOST 8u

static struct nt_report reports[REPORTS_MOST];
static unsigned report_count, violation_count;

static void keep_report(void *context, const struct nt_report *report)
{
    assert_ptr_equal(context, reports);
    if (report_count < REPORTS_MOST)
        reports[report_count] = *report;
    report_count++;
}

static void count_violation(const struct nt_violation *violation)
{
    (void)violation;
    violation_count++;
}

static int setup(void **state)
{
    (void)state;
    report_count = violation_count = 0;
    nt_set_violation_handler(count_violation);
    nt_set_report_handler(keep_report, reports);
    nt_verify_on = true;
    nt_verify_clear();
    nt_reports_clear();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    nt_verify_on = false;
    nt_set_report_handler(NULL, NULL);
    nt_set_violation_handler(NULL);
    return 0;
}

static const char *rule_id(unsigned index)
{
    return reports[index].rule != NULL ? reports[index].rule->id : "";
}

static bool names_are_found(void)
{
    struct lab_frames frames;
    struct nt_stack stack;
    sample_takes_stack(1, &stack);
    lab_symbols_name(&stack, &frames);
    return frames.count != 0 && frames.frames[0].line != 0;
}

/* The index of a function in a stack; it has to be there. */
static size_t index_of(const struct lab_frames *frames, const char *function)
{
    for (size_t index = 0; index < frames->count; index++)
        if (strcmp(frames->frames[index].function, function) == 0)
            return index;
    for (size_t index = 0; index < frames->count; index++)
        print_error("#%zu %s %s:%u\n", index, frames->frames[index].function, frames->frames[index].file,
                    frames->frames[index].line);
    fail_msg("%s is not in the stack", function);
    return 0;
}

static void assert_in_sample(const struct lab_frame *frame, const char *function)
{
    assert_string_equal(frame->function, function);
    assert_non_null(strstr(frame->file, "tests/verify/sample.c"));
    assert_int_not_equal(frame->line, 0);
}

static void both_stacks_have_their_names(void **state)
{
    (void)state;
    if (!names_are_found())
        skip();
    sample_allocates(0x10);
    sample_frees_twice(0x10);
    assert_int_equal(report_count, 1);
    assert_string_equal(rule_id(0), "pool-double-free");
    assert_string_equal(reports[0].routine, "ExFreePoolWithTag");
    assert_int_equal(reports[0].began_what, NT_BEGAN_BLOCK);
    struct lab_report *named = lab_report_new(&reports[0], 1);
    assert_non_null(named);
    assert_in_sample(&named->broke.frames[0], "sample_frees_twice");
    assert_in_sample(&named->began.frames[0], "sample_allocates");
    assert_string_equal(named->broke.frames[1].function, "both_stacks_have_their_names");
    assert_string_equal(named->began.frames[1].function, "both_stacks_have_their_names");
    assert_true(named->began.frames[1].line < named->broke.frames[1].line);
    assert_ptr_equal(named->place, &named->broke.frames[0]);
    lab_report_free(named);
}

/* The routine's own frame may be gone: it may end in a jump to nt_violate. */
static void a_real_routine_has_the_stack_of_its_caller(void **state)
{
    (void)state;
    if (!names_are_found())
        skip();
    sample_releases_too_much();
    assert_int_equal(report_count, 1);
    assert_string_equal(rule_id(0), "rundown-not-held");
    assert_string_equal(reports[0].detail, "#1 is not held by anybody");
    struct lab_report *named = lab_report_new(&reports[0], 1);
    assert_non_null(named);
    size_t caller = index_of(&named->broke, "sample_releases_too_much");
    assert_true(caller <= 1);
    assert_in_sample(&named->broke.frames[caller], "sample_releases_too_much");
    assert_ptr_equal(named->place, &named->broke.frames[caller]);
    lab_report_free(named);
}

static void repeats_are_counted(void **state)
{
    (void)state;
    volatile unsigned rounds = 5; /* so that the loop has one call */
    for (unsigned index = 0; index < rounds; index++)
        sample_frees_twice(0x10);
    assert_int_equal(report_count, 1);
    assert_int_equal(violation_count, 5);
    assert_int_equal(nt_report_count(&reports[0]), 5);
    sample_frees_twice(0x10); /* from another place */
    assert_int_equal(report_count, 2);
    sample_says("x"); /* another rule */
    assert_int_equal(report_count, 3);
    nt_verify_clear(); /* the next run of the machine */
    for (unsigned index = 0; index < 2; index++) {
        sample_says("y");
        if (index == 0)
            nt_reports_clear();
    }
    assert_int_equal(report_count, 5);
}

static void held_locks_are_told_with_their_places(void **state)
{
    (void)state;
    sample_takes(0x100);
    sample_takes(0x200);
    sample_takes(0x300);
    sample_releases(0x200);
    sample_says("x");
    assert_int_equal(reports[0].held, 2);
    assert_true(reports[0].locks[0].known && reports[0].locks[1].known);
    sample_releases(0x300);
    sample_releases(0x100);
    sample_says("y");
    assert_int_equal(reports[1].held, 0);
    if (!names_are_found())
        skip();
    struct lab_report *named = lab_report_new(&reports[0], 1);
    assert_non_null(named);
    assert_in_sample(&named->taken[0].frames[0], "sample_takes");
    assert_true(named->taken[0].frames[1].line < named->taken[1].frames[1].line);
    lab_report_free(named);
}

static void more_locks_than_fit_are_no_harm(void **state)
{
    (void)state;
    for (uint64_t lock = 1; lock <= 40; lock++)
        sample_takes(lock);
    sample_says("x");
    assert_int_equal(reports[0].held, NT_HELD_MAX);
    for (uint64_t lock = 40; lock >= 1; lock--)
        sample_releases(lock);
    sample_says("y");
    assert_int_equal(reports[1].held, 0);
}

static void a_report_has_the_history_of_its_connection(void **state)
{
    (void)state;
    nt_note(7, "pended by callout 1");
    nt_note(8, "permitted");
    nt_note(7, "completed %p", (void *)(uintptr_t)0x7f0012345678);
    sample_forgets_a_decision(7);
    assert_int_equal(reports[0].connection, 7);
    assert_int_equal(reports[0].event_count, 2);
    assert_string_equal(reports[0].events[0].text, "pended by callout 1");
    assert_string_equal(reports[0].events[1].text, "completed #1");
    sample_says("x"); /* what was said before counts once */
    assert_int_equal(reports[1].connection, 0);
    assert_int_equal(reports[1].began_what, NT_BEGAN_NOTHING);
}

static void a_routine_that_returned_is_named(void **state)
{
    (void)state;
    nt_about_routine((const void *)(uintptr_t)sample_faults);
    sample_says("x");
    sample_frees_twice(0x10); /* until it is taken back */
    nt_about_routine((const void *)(uintptr_t)sample_calls_null);
    nt_begin(NT_BEGAN_BLOCK, 0x10);
    sample_frees_twice(0x10); /* what began goes first */
    nt_about_routine(NULL);
    sample_frees_twice(0x20);
    assert_int_equal(reports[0].began_what, NT_ABOUT_ROUTINE);
    assert_int_equal(reports[1].began_what, NT_ABOUT_ROUTINE);
    assert_int_equal(reports[2].began_what, NT_BEGAN_BLOCK);
    assert_int_equal(reports[3].began_what, NT_BEGAN_NOTHING);
    if (!names_are_found())
        skip();
    struct lab_report *named = lab_report_new(&reports[0], 1);
    assert_non_null(named);
    assert_in_sample(&named->began.frames[0], "sample_faults");
    lab_report_free(named);
}

static void routines_that_return_to_one_place_are_told_apart(void **state)
{
    static void (*const routines[])(void) = {sample_faults, sample_calls_null};
    volatile unsigned rounds = 4; /* so that the loop has one call */
    (void)state;
    for (unsigned index = 0; index < rounds; index++) {
        nt_about_routine((const void *)(uintptr_t)routines[index % 2]);
        sample_says("x");
    }
    nt_about_routine(NULL);
    assert_int_equal(report_count, 2);
    assert_int_equal(nt_report_count(&reports[1]), 2);
}

static void off_there_is_no_report(void **state)
{
    (void)state;
    nt_verify_on = false;
    sample_says("x");
    nt_verify_on = true;
    assert_int_equal(report_count, 0);
    assert_int_equal(violation_count, 1);
}

static void a_rule_without_a_row_says_so(void **state)
{
    (void)state;
    nt_violate("no-such-rule", "x", "y");
    assert_string_equal(rule_id(0), "no-such-rule");
    assert_non_null(strstr(reports[0].rule->rule, "no row"));
}

static void a_stack_is_bounded(void **state)
{
    struct nt_stack stack;
    (void)state;
    sample_takes_stack(100, &stack);
    assert_int_equal(stack.count, NT_STACK_MAX);
    sample_takes_stack(3, &stack);
    assert_in_range(stack.count, 4, NT_STACK_MAX);
}

static void a_damaged_stack_ends_the_walk(void **state)
{
    struct nt_stack stack;
    (void)state;
    sample_takes_stack_of_damaged_frame(&stack);
    assert_in_range(stack.count, 1, 3);
}

/* --- Another stack, as a fiber has one ------------------------------------------------------ */

static ucontext_t back, fiber;
static struct nt_stack fiber_stack;

static void on_fiber(void)
{
    sample_takes_stack(2, &fiber_stack);
    __asm__ volatile("" ::: "memory"); /* no jump: its frame stays */
}

static void a_fiber_walks_its_own_stack(void **state)
{
    static char memory[65536];
    uintptr_t low = nt_self.verify.stack_low, high = nt_self.verify.stack_high;
    (void)state;
    getcontext(&fiber);
    fiber.uc_stack.ss_sp = memory;
    fiber.uc_stack.ss_size = sizeof memory;
    fiber.uc_link = &back;
    makecontext(&fiber, on_fiber, 0);
    nt_self.verify.stack_low = (uintptr_t)memory;
    nt_self.verify.stack_high = (uintptr_t)memory + sizeof memory;
    swapcontext(&back, &fiber);
    nt_self.verify.stack_low = low;
    nt_self.verify.stack_high = high;
    assert_in_range(fiber_stack.count, 3, 6);
    if (!names_are_found())
        skip();
    struct lab_frames frames;
    lab_symbols_name(&fiber_stack, &frames);
    assert_string_equal(frames.frames[0].function, "sample_takes_stack");
    assert_string_equal(frames.frames[2].function, "on_fiber");
}

/* --- Faults --------------------------------------------------------------------------------- */

static sigjmp_buf outside;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    lab_fault_about(info, context);
    nt_violate("access-fault", "memory", "address %p", info->si_addr);
    siglongjmp(outside, 1);
}

static void fault_in(void (*body)(void))
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK}, before;
    static char memory[131072];
    stack_t own = {.ss_sp = memory, .ss_size = sizeof memory}, stack_before;
    assert_int_equal(sigaltstack(&own, &stack_before), 0);
    assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
    if (sigsetjmp(outside, 1) == 0)
        body();
    sigaction(SIGSEGV, &before, NULL);
    sigaltstack(&stack_before, NULL);
}

static void a_fault_has_the_stack_of_its_instruction(void **state)
{
    (void)state;
    fault_in(sample_faults);
    fault_in(sample_calls_null);
    assert_int_equal(report_count, 2);
    if (!names_are_found())
        skip();
    struct lab_report *first = lab_report_new(&reports[0], 1), *second = lab_report_new(&reports[1], 1);
    if (first == NULL || second == NULL) {
        fail();
        return;
    }
    assert_in_sample(&first->broke.frames[0], "sample_faults");
    assert_string_equal(first->broke.frames[1].function, "fault_in");
    assert_string_equal(second->broke.frames[0].function, "");
    assert_string_equal(second->broke.frames[0].module, "");
    assert_in_sample(&second->broke.frames[1], "sample_calls_null");
    assert_string_equal(second->broke.frames[2].function, "fault_in");
    lab_report_free(first);
    lab_report_free(second);
}

/* --- Without a symbolizer ------------------------------------------------------------------- */

static void without_addr2line_there_is_module_and_offset(void **state)
{
    static const char *const programs[] = {"", "/nowhere/addr2line", "false", "cat"};
    struct nt_stack stack;
    struct lab_frames frames;
    (void)state;
    sample_takes_stack(1, &stack);
    for (size_t index = 0; index < sizeof programs / sizeof programs[0]; index++) {
        lab_symbols_set_program(programs[index]);
        lab_symbols_name(&stack, &frames);
        assert_int_equal(frames.count, stack.count);
        assert_string_equal(frames.frames[0].module, "verify-report");
        assert_true(frames.frames[0].offset != 0 && frames.frames[0].offset < 100u << 20);
        assert_int_equal(frames.frames[0].line, 0);
    }
    lab_symbols_set_program(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_stacks_have_their_names),
        TEST(a_real_routine_has_the_stack_of_its_caller),
        TEST(repeats_are_counted),
        TEST(held_locks_are_told_with_their_places),
        TEST(more_locks_than_fit_are_no_harm),
        TEST(a_report_has_the_history_of_its_connection),
        TEST(a_routine_that_returned_is_named),
        TEST(routines_that_return_to_one_place_are_told_apart),
        TEST(off_there_is_no_report),
        TEST(a_rule_without_a_row_says_so),
        TEST(a_stack_is_bounded),
        TEST(a_damaged_stack_ends_the_walk),
        TEST(a_fiber_walks_its_own_stack),
        TEST(a_fault_has_the_stack_of_its_instruction),
        TEST(without_addr2line_there_is_module_and_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
