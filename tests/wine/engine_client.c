/* SPDX-License-Identifier: MIT */
/*
 * engine_client.c - the network stack as a Windows program: indicates what it is told on standard input.
 *
 *   connect ENDPOINT PID ADDRESS PORT PROGRAM   a TCP connect; ADDRESS is IPv4 or IPv6; PID 0: this process, -: none
 *   established|out|in|end FLOW                 the flow's first packet, next packet, its end
 *   close ENDPOINT                              the socket is closed
 *   filter VERSION permit|block PORT            somebody else's filter; PORT 0: any
 *   unfilter ID                                 it goes
 *   state                                       what the engine holds
 *   violation                                   the next rule that was broken
 *
 * One line answers each: the command, then "ENDPOINT OUTCOME FLOW OPERATION" or "failed CODE". A pended
 * operation that ends writes "ended ENDPOINT OUTCOME FLOW OPERATION" whenever it does. Ends at end of file.
 */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>

#include "tests/wine/engine_control.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 6

/* Reads of ends under way: so many operations may end with the driver host, which takes unread ends along. */
#define READERS 64

static HANDLE engine = INVALID_HANDLE_VALUE;

/* Overlapped, because the handle is; TRUE when the device took it. */
static BOOL control(DWORD code, const void *input, DWORD input_size, void *output, DWORD output_size)
{
    OVERLAPPED overlapped = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
    DWORD size;
    BOOL taken = DeviceIoControl(engine, code, (void *)input, input_size, output, output_size, &size, &overlapped);

    if (!taken && GetLastError() == ERROR_IO_PENDING)
        taken = GetOverlappedResult(engine, &overlapped, &size, TRUE);
    CloseHandle(overlapped.hEvent);
    return taken;
}

static const char *outcome_name(uint32_t outcome)
{
    static const char *const names[] = {"?", "permit", "block", "pended"};

    return names[outcome < 4 ? outcome : 0];
}

/* In one piece, so that the threads' lines do not mix. */
static void show(const char *what, const struct engine_decision *decision)
{
    char line[200];

    snprintf(line, sizeof(line), "%s %" PRIu64 " %s %" PRIu64 " %" PRIu64 "%s\n", what, decision->endpoint,
             outcome_name(decision->outcome), decision->flow, decision->operation,
             decision->reauthorized ? " reauthorized" : "");
    fputs(line, stdout);
    fflush(stdout);
}

static DWORD WINAPI read_ends(void *unused)
{
    struct engine_decision end;

    (void)unused;
    while (control(ENGINE_IOCTL_NEXT_END, NULL, 0, &end, sizeof(end)))
        show("ended", &end);
    return 0;
}

static void fill_program(struct engine_connect *connect, const char *program)
{
    size_t length = strlen(program);

    for (size_t i = 0; i < length && i < ENGINE_APP_ID_MAX - 1; i++)
        connect->app_id[i] = (unsigned char)program[i];
    connect->app_id_size = (uint32_t)((length + 1) * sizeof(uint16_t));
}

static BOOL do_connect(char **words, struct engine_decision *decision)
{
    struct engine_connect connect = {.ip_version = strchr(words[3], ':') == NULL ? 4 : 6, .protocol = IPPROTO_TCP};

    connect.endpoint = strtoull(words[1], NULL, 10);
    if (strcmp(words[2], "-") != 0)
        connect.process_id = strtoull(words[2], NULL, 10);
    if (strcmp(words[2], "0") == 0)
        connect.process_id = GetCurrentProcessId();
    connect.local_port = (uint16_t)(40000 + connect.endpoint % 10000);
    connect.local_address[0] = connect.ip_version == 4 ? 10 : 0xfd;
    connect.remote_port = (uint16_t)strtoul(words[4], NULL, 10);
    if (inet_pton(connect.ip_version == 4 ? AF_INET : AF_INET6, words[3], connect.remote_address) != 1) {
        SetLastError(ERROR_INVALID_PARAMETER);
        return FALSE;
    }
    fill_program(&connect, words[5]);
    return control(ENGINE_IOCTL_CONNECT, &connect, sizeof(connect), decision, sizeof(*decision));
}

static BOOL do_state(void)
{
    struct engine_state state;

    if (!control(ENGINE_IOCTL_STATE, NULL, 0, &state, sizeof(state)))
        return FALSE;
    printf("state sessions=%u providers=%u sublayers=%u callouts=%u filters=%u registered=%u flows=%u pended=%u "
           "endpoints=%u violations=%u\n",
           state.sessions, state.providers, state.sublayers, state.callouts, state.filters, state.registered_callouts,
           state.flows, state.pended, state.endpoints, state.violations);
    fflush(stdout);
    return TRUE;
}

static BOOL do_violation(void)
{
    struct engine_violation violation;

    if (!control(ENGINE_IOCTL_VIOLATION, NULL, 0, &violation, sizeof(violation)))
        return FALSE;
    printf("violation %s\n", violation.text);
    fflush(stdout);
    return TRUE;
}

static BOOL do_filter(char **words)
{
    struct engine_filter filter = {.ip_version = (uint8_t)strtoul(words[1], NULL, 10),
                                   .block = strcmp(words[2], "block") == 0,
                                   .remote_port = (uint16_t)strtoul(words[3], NULL, 10)};
    uint64_t id;

    filter.has_port = filter.remote_port != 0;
    if (!control(ENGINE_IOCTL_FILTER_ADD, &filter, sizeof(filter), &id, sizeof(id)))
        return FALSE;
    printf("filter %" PRIu64 "\n", id);
    fflush(stdout);
    return TRUE;
}

static BOOL do_flow(char **words, uint32_t step)
{
    struct engine_flow flow = {.flow = strtoull(words[1], NULL, 10), .step = step};
    struct engine_decision decision;

    if (!control(ENGINE_IOCTL_FLOW, &flow, sizeof(flow), &decision, sizeof(decision)))
        return FALSE;
    show(words[0], &decision);
    return TRUE;
}

static BOOL run(char **words, int count)
{
    static const char *const steps[] = {"", "established", "out", "in", "end"};
    struct engine_decision decision = {0};

    SetLastError(ERROR_INVALID_FUNCTION);
    if (count == 1 && strcmp(words[0], "state") == 0)
        return do_state();
    for (uint32_t step = 1; step < 5; step++) {
        if (count == 2 && strcmp(words[0], steps[step]) == 0)
            return do_flow(words, step);
    }
    if (count == 1 && strcmp(words[0], "violation") == 0)
        return do_violation();
    if (count == 4 && strcmp(words[0], "filter") == 0)
        return do_filter(words);
    if (count == 2 && strcmp(words[0], "unfilter") == 0) {
        uint64_t id = strtoull(words[1], NULL, 10);

        if (!control(ENGINE_IOCTL_FILTER_DELETE, &id, sizeof(id), NULL, 0))
            return FALSE;
    } else if (count == 2 && strcmp(words[0], "close") == 0) {
        decision.endpoint = strtoull(words[1], NULL, 10);
        if (!control(ENGINE_IOCTL_ENDPOINT_CLOSED, &decision.endpoint, sizeof(decision.endpoint), NULL, 0))
            return FALSE;
    } else if (count != 6 || strcmp(words[0], "connect") != 0 || !do_connect(words, &decision)) {
        return FALSE;
    }
    show(words[0], &decision);
    return TRUE;
}

int main(void)
{
    char line[1024];

    engine =
        CreateFileW(ENGINE_DEVICE, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
    if (engine == INVALID_HANDLE_VALUE) {
        printf("no engine: error %lu\n", GetLastError());
        return 2;
    }
    for (int i = 0; i < READERS; i++)
        CloseHandle(CreateThread(NULL, 65536, read_ends, NULL, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL));
    printf("ready %lu\n", GetCurrentProcessId());
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *words[WORDS_MAX];
        int count = 0;

        for (char *word = strtok(line, " \r\n"); word != NULL && count < WORDS_MAX; word = strtok(NULL, " \r\n"))
            words[count++] = word;
        if (count != 0 && !run(words, count)) {
            printf("%s failed %lu\n", words[0], GetLastError());
            fflush(stdout);
        }
    }
    return 0;
}
