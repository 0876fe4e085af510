/* SPDX-License-Identifier: MIT */
/*
 * port_test.c - a driver binary that imports fltmgr.sys: port_driver.c, built by mingw-w64. argv[1] is the file.
 *
 * fltkernel.h FltCreateCommunicationPort, FltSendMessage: the binary's callbacks are called in its convention, and its
 * thread's message is answered by this program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <fltkernel.h>

#include "pe/loader.h"
#include "tests/lib/violations.h"

static const char *file;

struct got {
    FILTER_MESSAGE_HEADER header;
    char text[16];
    unsigned count;
};

static void on_got(void *context, NTSTATUS status, const void *output, size_t information)
{
    struct got *got = context;
    assert_int_equal(status, STATUS_SUCCESS);
    assert_in_range(information, sizeof got->header, offsetof(struct got, count));
    memcpy(got, output, information);
    __atomic_fetch_add(&got->count, 1, __ATOMIC_RELEASE);
}

static void a_binary_asks_over_its_port(void **state)
{
    static const struct nt_caller caller = {1, TRUE};
    LARGE_INTEGER millisecond = {.QuadPart = -10000};
    struct {
        FILTER_REPLY_HEADER header;
        char text[4];
    } reply = {.text = "yes"};
    struct {
        NTSTATUS status;
        char text[12];
    } answer = {1, ""};
    struct pe_error error = {""};
    struct pe_driver *driver;
    struct nt_port *port;
    struct got got = {.count = 0};
    ULONG returned;
    (void)state;
    violations_record();
    if (!pe_driver_load(file, "PePort", NULL, 0, &driver, &error))
        fail_msg("%s", error.text);
    assert_int_equal(nt_port_connect("\\PePort", NULL, 0, &caller, &port), STATUS_SUCCESS);
    nt_port_get_message(port, offsetof(struct got, count), on_got, &got);
    assert_int_equal(nt_port_send(port, "?", 1, NULL, 0, &returned), STATUS_SUCCESS);
    for (int i = 0; i < 30000 && __atomic_load_n(&got.count, __ATOMIC_ACQUIRE) == 0; i++)
        KeDelayExecutionThread(KernelMode, FALSE, &millisecond);
    assert_string_equal(got.text, "permit?");
    reply.header.MessageId = got.header.MessageId;
    assert_int_equal(nt_port_reply(port, &reply, sizeof reply.header + sizeof reply.text), STATUS_SUCCESS);
    assert_int_equal(nt_port_send(port, "!", 1, &answer, sizeof answer, &returned), STATUS_SUCCESS);
    assert_int_equal(returned, sizeof answer);
    assert_int_equal(answer.status, STATUS_SUCCESS);
    assert_string_equal(answer.text, "yes");
    nt_port_close(port);
    pe_driver_unload(driver);
    violations_none();
    nt_set_violation_handler(NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_binary_asks_over_its_port)};
    if (argc != 2)
        return 2;
    file = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
