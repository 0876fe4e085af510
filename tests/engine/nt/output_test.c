/* SPDX-License-Identifier: MIT */
/*
 * output_test.c - bytes that a driver gives to user mode without having written them.
 *
 * Page: "Failure to Initialize Output Buffers".
 */
#include "tests/engine/nt/rules.h"

#include "nt/verify/output.h"

#include <stdlib.h>

#define TAG 'tuoO'

struct answer {
    UCHAR kind; /* three bytes of padding follow */
    ULONG value;
};

static ULONG information;
static bool zeroes;

static NTSTATUS answer_irp(PIRP irp)
{
    struct answer *answer = irp->AssociatedIrp.SystemBuffer;
    if (zeroes)
        RtlZeroMemory(answer, 16);
    answer->kind = 0x59; /* what the second run is filled with */
    answer->value = 0x12345678;
    return small_complete(irp, STATUS_SUCCESS, information);
}

static NTSTATUS answer_from_pool(PIRP irp)
{
    UCHAR *block = ExAllocatePoolWithTag(NonPagedPool, 16, TAG);
    memset(block, 0xa6, 12); /* what the first run is filled with */
    RtlCopyMemory(irp->AssociatedIrp.SystemBuffer, block, 16);
    ExFreePoolWithTag(block, TAG);
    return small_complete(irp, STATUS_SUCCESS, 16);
}

static struct nt_outputs *run(uint8_t fill, NTSTATUS (*control)(PIRP irp), unsigned calls)
{
    UCHAR output[16], input[1] = {1};
    size_t size;
    nt_verify_fill(fill);
    struct nt_outputs *outputs = nt_outputs_new();
    nt_outputs_record(outputs);
    small.control = control;
    struct nt_driver *driver = small_load();
    struct nt_file *file = small_open();
    for (unsigned call = 0; call < calls; call++)
        assert_int_equal(nt_device_control_wait(file, SMALL_CODE, input, 1, output, 16, &size, 30000), STATUS_SUCCESS);
    nt_file_close(file);
    nt_driver_unload(driver);
    nt_outputs_record(NULL);
    return outputs;
}

static unsigned compare(NTSTATUS (*control)(PIRP irp), unsigned first_calls, unsigned second_calls, bool *same)
{
    struct nt_outputs *first = run(0xa6, control, first_calls), *second = run(0x59, control, second_calls);
    unsigned raised = nt_outputs_compare(first, second, same);
    nt_outputs_free(first);
    nt_outputs_free(second);
    return raised;
}

static void padding_and_the_rest_of_the_buffer_are_seen(void **state)
{
    bool same = false;
    (void)state;
    zeroes = false;
    information = 16;
    assert_int_equal(compare(answer_irp, 3, 3, &same), 1); /* once for one code */
    assert_true(same);
    assert_non_null(strstr(violations_seen.detail, "16 bytes: 11 of them, from byte 1 to byte 15"));
    violations_expect("uninitialised-to-user", 1u);
    information = 8;
    assert_int_equal(compare(answer_irp, 1, 1, &same), 1);
    assert_non_null(strstr(violations_seen.detail, "3 of them, from byte 1 to byte 3"));
    violations_expect("uninitialised-to-user", 1u);
}

static void uninitialised_pool_is_seen(void **state)
{
    bool same = false;
    (void)state;
    assert_int_equal(compare(answer_from_pool, 1, 1, &same), 1);
    assert_non_null(strstr(violations_seen.detail, "4 of them, from byte 12 to byte 15"));
    violations_expect("uninitialised-to-user", 1u);
}

static void what_was_written_is_not_said(void **state)
{
    bool same = false;
    (void)state;
    zeroes = true;
    information = 16;
    assert_int_equal(compare(answer_irp, 2, 2, &same), 0);
    assert_true(same);
    information = 1;
    zeroes = false;
    assert_int_equal(compare(answer_irp, 2, 2, &same), 0);
    information = 0;
    assert_int_equal(compare(answer_irp, 2, 2, &same), 0);
}

/* Two runs that went apart are compared as far as they went together. */
static void runs_that_differ_are_told_apart(void **state)
{
    bool same = true;
    (void)state;
    zeroes = true;
    information = 16;
    assert_int_equal(compare(answer_irp, 2, 3, &same), 0);
    assert_false(same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        rules_test(padding_and_the_rest_of_the_buffer_are_seen),
        rules_test(uninitialised_pool_is_seen),
        rules_test(what_was_written_is_not_said),
        rules_test(runs_that_differ_are_told_apart),
    };
    return cmocka_run_group_tests_name("nt output", tests, NULL, NULL);
}
