/* SPDX-License-Identifier: MIT */
/*
 * transport_windows_test.c - agent/transport_windows.c on a device that Windows and Wine have: a pipe's client end.
 *
 * DeviceIoControl reaches its operations too (page "FSCTL_PIPE_TRANSCEIVE" and its neighbours): TRANSCEIVE sends a
 * message and waits for the next one, PEEK answers at once. So calls wait, overtake each other and are cancelled as the
 * driver's do. What the driver itself answers is tested with the driver.
 */
#include "agent/stop_windows.c"
#include "agent/transport_windows.c"

#include <stdio.h>

#include "agent/stop.h"
#include "agent/wait.h"
#include "tests/windows/windows_case.h"

#define PIPE_NAME   "\\\\.\\pipe\\gatehouse-transport-test"
#define PEEK        0x0011400Cu
#define TRANSCEIVE  0x0011C017u
#define NO_SUCH     0x00222FFCu
#define PEEK_SIZE   16u
#define OUTPUT_SIZE 64u

static struct problem problem;
static HANDLE server;
static struct transport *transport;
static _Alignas(8) uint8_t buffer[TRANSPORT_BUFFER_SIZE(OUTPUT_SIZE)];

static HANDLE make_server(DWORD access)
{
    return CreateNamedPipeA(PIPE_NAME, access, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE, 1, 4096, 4096, 0, NULL);
}

static void begin(void)
{
    DWORD mode = PIPE_READMODE_MESSAGE;

    transport = NULL;
    server = make_server(PIPE_ACCESS_DUPLEX);
    CHECK(server != INVALID_HANDLE_VALUE);
    CHECK(transport_open(&transport, PIPE_NAME, &problem) == AGENT_OK);
    CHECK(SetNamedPipeHandleState(transport->device, &mode, NULL, NULL));
}

static void end(void)
{
    transport_close(transport);
    CloseHandle(server);
}

static enum agent_result call(uint32_t code, uint32_t tag, const void *input, uint32_t input_size, uint32_t output_size)
{
    struct transport_call one = {code, tag, input, input_size, output_size};

    return transport_send(transport, &one, 1, &problem);
}

static enum agent_result receive(int timeout_ms, struct transport_answer *answer)
{
    return transport_receive(transport, buffer, sizeof(buffer), timeout_ms, answer, &problem);
}

static bool is_answer(const struct transport_answer *answer, uint32_t tag, uint32_t status, const char *output)
{
    return answer->tag == tag && answer->status == status && answer->size == strlen(output) &&
           memcmp(answer->output, output, answer->size) == 0;
}

static void opens_only_what_is_there(void)
{
    struct transport *opened = NULL;

    CHECK(transport_open(&opened, "gatehouse", &problem) == AGENT_USAGE);
    CHECK(transport_open(&opened, "C:\\windows\\system.ini", &problem) == AGENT_USAGE);
    CHECK(transport_open(&opened, "\\\\.\\\xff", &problem) == AGENT_USAGE);
    CHECK(transport_open(&opened, "\\\\.\\gatehouse-none", &problem) == AGENT_UNREACHABLE);
    CHECK(strstr(problem.sentence, "there is no device \\\\.\\gatehouse-none") != NULL);
    /* This end may not be written to, so nobody may open the other for reading. */
    server = make_server(PIPE_ACCESS_INBOUND);
    CHECK(transport_open(&opened, PIPE_NAME, &problem) == AGENT_REFUSED);
    CHECK(strstr(problem.sentence, "run as administrator") != NULL);
    CHECK(opened == NULL);
    CloseHandle(server);
}

static void answers_come_as_they_are_ready(void)
{
    struct transport_answer answer;
    char message[OUTPUT_SIZE];
    DWORD count = 0;

    begin();
    CHECK(receive(0, &answer) == AGENT_TIMEOUT);
    CHECK(call(TRANSCEIVE, 7, "question", 8, OUTPUT_SIZE) == AGENT_OK);
    CHECK(call(PEEK, 8, NULL, 0, OUTPUT_SIZE) == AGENT_OK);
    CHECK(receive(TRANSPORT_DEADLINE_MS, &answer) == AGENT_OK);
    CHECK(answer.tag == 8 && answer.status == 0 && answer.size == PEEK_SIZE);
    CHECK(receive(50, &answer) == AGENT_TIMEOUT);
    CHECK(ReadFile(server, message, sizeof(message), &count, NULL) && count == 8 &&
          memcmp(message, "question", 8) == 0);
    CHECK(WriteFile(server, "answer", 6, &count, NULL));
    CHECK(receive(TRANSPORT_DEADLINE_MS, &answer) == AGENT_OK && is_answer(&answer, 7, 0, "answer"));
    end();
}

static void a_refusal_at_once_is_an_answer(void)
{
    struct transport_answer answer;

    begin();
    CHECK(call(NO_SUCH, 1, "x", 1, OUTPUT_SIZE) == AGENT_OK);
    CHECK(receive(TRANSPORT_DEADLINE_MS, &answer) == AGENT_OK);
    CHECK(answer.tag == 1 && answer.size == 0 && (answer.status == 0xC0000010u || answer.status == 0xC00000BBu));
    CHECK(call(GATEHOUSE_CALL_PLATFORM_STATUS, 2, NULL, 0, OUTPUT_SIZE) == AGENT_OK);
    CHECK(receive(0, &answer) == AGENT_OK && is_answer(&answer, 2, 0xC0000010u, ""));
    CHECK(status_of_error(0xE0470007u) == 0xE0470007u);
    CHECK(status_of_error(ERROR_ACCESS_DENIED) == STATUS_TEXT_ACCESS_DENIED);
    CHECK(status_of_error(ERROR_IO_DEVICE) == 0xC007045Du);
    end();
}

static void cancels_one_call(void)
{
    struct transport_answer one, other;
    uint32_t tag = 4, none = 99;

    begin();
    CHECK(call(TRANSCEIVE, 4, "q", 1, OUTPUT_SIZE) == AGENT_OK);
    CHECK(call(GATEHOUSE_CALL_CANCEL, 5, &none, sizeof(none), 0) == AGENT_OK);
    CHECK(receive(0, &one) == AGENT_OK && is_answer(&one, 5, 0xC0000225u, ""));
    CHECK(receive(0, &one) == AGENT_TIMEOUT);
    CHECK(call(GATEHOUSE_CALL_CANCEL, 6, &tag, sizeof(tag), 0) == AGENT_OK);
    CHECK(receive(TRANSPORT_DEADLINE_MS, &one) == AGENT_OK);
    CHECK(receive(TRANSPORT_DEADLINE_MS, &other) == AGENT_OK);
    if (one.tag == 4) {
        struct transport_answer swap = one;

        one = other;
        other = swap;
    }
    CHECK(is_answer(&one, 6, 0, ""));
    CHECK(is_answer(&other, 4, STATUS_TEXT_CANCELLED, ""));
    end();
}

static void has_a_bound(void)
{
    struct transport_answer answer;

    begin();
    for (uint32_t i = 1; i <= GATEHOUSE_CALLS_MAX; i++)
        CHECK(call(PEEK, i, NULL, 0, OUTPUT_SIZE) == AGENT_OK);
    CHECK(call(PEEK, 99, NULL, 0, OUTPUT_SIZE) == AGENT_FAILED);
    for (uint32_t i = 1, seen = 0; i <= GATEHOUSE_CALLS_MAX; i++) {
        CHECK(receive(TRANSPORT_DEADLINE_MS, &answer) == AGENT_OK && (seen & 1u << answer.tag) == 0);
        seen |= 1u << answer.tag;
    }
    CHECK(receive(0, &answer) == AGENT_TIMEOUT);
    end();
}

static DWORD WINAPI interrupt_soon(void *context)
{
    WaitForSingleObject(GetCurrentProcess(), 100);
    transport_interrupt(context);
    return 0;
}

static void an_interrupt_ends_every_receive(void)
{
    struct transport_answer answer;
    HANDLE thread;

    begin();
    CHECK(call(TRANSCEIVE, 1, "q", 1, OUTPUT_SIZE) == AGENT_OK);
    thread = CreateThread(NULL, 0, interrupt_soon, transport, 0, NULL);
    CHECK(receive(-1, &answer) == AGENT_LOST);
    CHECK(receive(-1, &answer) == AGENT_LOST);
    CHECK(call(PEEK, 2, NULL, 0, OUTPUT_SIZE) == AGENT_LOST);
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    end();
}

static void closing_ends_what_waits(void)
{
    ULONGLONG before = GetTickCount64();
    char message[8];
    DWORD count = 0;

    begin();
    CHECK(call(TRANSCEIVE, 1, "q", 1, OUTPUT_SIZE) == AGENT_OK);
    CHECK(call(TRANSCEIVE, 2, "r", 1, OUTPUT_SIZE) == AGENT_OK);
    transport_close(transport);
    CHECK(GetTickCount64() - before < TRANSPORT_DEADLINE_MS);
    while (ReadFile(server, message, sizeof(message), &count, NULL))
        ;
    CHECK(GetLastError() == ERROR_BROKEN_PIPE);
    CloseHandle(server);
}

static void waits_with_other_things(void)
{
    struct transport_answer answer;
    struct wait wait;
    ULONGLONG before;
    DWORD count;

    begin();
    CHECK(call(TRANSCEIVE, 1, "q", 1, OUTPUT_SIZE) == AGENT_OK);
    wait = (struct wait){.transports = {NULL, transport}};
    before = GetTickCount64();
    wait_any(&wait, 100);
    CHECK(!wait.transport_ready[0] && !wait.transport_ready[1]);
    CHECK(GetTickCount64() - before >= 90);
    CHECK(WriteFile(server, "a", 1, &count, NULL));
    wait_any(&wait, -1);
    CHECK(!wait.transport_ready[0] && wait.transport_ready[1]);
    CHECK(receive(0, &answer) == AGENT_OK && is_answer(&answer, 1, 0, "a"));
    end();
}

static DWORD WINAPI press_soon(void *context)
{
    WaitForSingleObject(GetCurrentProcess(), 100);
    return (DWORD)on_control(context == NULL ? CTRL_C_EVENT : CTRL_BREAK_EVENT);
}

/* Last: a stop is for good. Windows calls the handler on a thread of its own, and so does this. */
static void a_stop_ends_waits(void)
{
    struct wait wait = {.transports = {NULL}};
    struct transport_answer answer;
    HANDLE thread;

    begin();
    stop_attach(transport);
    CHECK(call(TRANSCEIVE, 1, "q", 1, OUTPUT_SIZE) == AGENT_OK);
    CHECK(!stop_requested());
    thread = CreateThread(NULL, 0, press_soon, NULL, 0, NULL);
    CHECK(receive(-1, &answer) != AGENT_OK);
    WaitForSingleObject(thread, INFINITE);
    CHECK(stop_requested() && receive(-1, &answer) == AGENT_LOST);
    wait.transports[0] = transport;
    wait_any(&wait, -1);
    CHECK(!wait.transport_ready[0]);
    stop_attach(NULL);
    end();
    /* Attached too late to be told: interrupted at once. And one that is not attached sees the stop's event. */
    begin();
    CHECK(call(TRANSCEIVE, 1, "q", 1, OUTPUT_SIZE) == AGENT_OK);
    CHECK(receive(-1, &answer) == AGENT_TIMEOUT);
    stop_attach(transport);
    CHECK(receive(-1, &answer) == AGENT_LOST);
    stop_attach(NULL);
    end();
}

int main(void)
{
    if (stop_install(&problem) != AGENT_OK)
        return 2;
    opens_only_what_is_there();
    answers_come_as_they_are_ready();
    a_refusal_at_once_is_an_answer();
    cancels_one_call();
    has_a_bound();
    an_interrupt_ends_every_receive();
    closing_ends_what_waits();
    waits_with_other_things();
    a_stop_ends_waits();
    return case_end();
}
