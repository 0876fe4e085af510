/* SPDX-License-Identifier: MIT */
/*
 * driver_fixture.c - see driver_fixture.h.
 */
#include "driver_fixture.h"

#include "wfp/packet.h"

#include "nt/verify/scheduler.h"
#include "tests/driver/load.h"
#include "tests/lib/threads.h"

static _Atomic uint64_t clock_now;
static _Atomic uint64_t endpoints = 1000;
static bool real_time;

static uint64_t read_clock(void)
{
    return clock_now;
}

uint64_t fixture_now(void)
{
    return nt_now();
}

NTSTATUS fixture_try_load(const struct nt_registry_value *values, size_t count)
{
    real_time = false;
    clock_now = 36000000000ull;
    nt_set_clock(read_clock);
    return driver_load(values, count);
}

void fixture_load(const struct nt_registry_value *values, size_t count)
{
    assert_int_equal(fixture_try_load(values, count), STATUS_SUCCESS);
}

void fixture_load_real_time(const struct nt_registry_value *values, size_t count)
{
    if (nt_scheduled()) {
        fixture_load(values, count);
        return;
    }
    real_time = true;
    nt_set_clock(NULL);
    nt_runner_start();
    assert_int_equal(driver_load(values, count), STATUS_SUCCESS);
}

static void assert_nothing_left(void)
{
    struct wfp_counts counts;
    size_t bytes, blocks;

    wfp_count(&counts);
    assert_int_equal(counts.sessions, 0);
    assert_int_equal(counts.providers, 0);
    assert_int_equal(counts.callouts, 0);
    assert_int_equal(counts.filters, 0);
    assert_int_equal(counts.registered_callouts, 0);
    assert_int_equal(counts.pended, 0);
    nt_pool_usage('etaG', &bytes, &blocks);
    assert_int_equal(blocks, 0);
    wfp_reset();
}

void fixture_unload(void)
{
    driver_unload();
    if (real_time)
        nt_runner_stop();
    nt_set_clock(NULL);
    assert_nothing_left();
}

void fixture_advance(uint64_t ticks)
{
    if (nt_scheduled()) {
        nt_schedule_skip(ticks);
        nt_schedule_settle();
        return;
    }
    clock_now += ticks;
    nt_pump();
}

unsigned fixture_patience_ms(void)
{
    return getenv("GATEHOUSE_FAIL") == NULL ? 30000 : 5000;
}

struct nt_file *fixture_open(uint64_t process_id)
{
    struct nt_caller caller = {process_id, TRUE};
    struct nt_file *file = NULL;

    assert_int_equal(nt_file_open("\\\\.\\Gatehouse", GENERIC_READ | GENERIC_WRITE, &caller, &file), STATUS_SUCCESS);
    return file;
}

struct nt_file *fixture_open_as(uint64_t process_id, uint32_t role)
{
    struct nt_file *file = fixture_open(process_id);
    struct gatehouse_hello hello = {GATEHOUSE_PROTOCOL_VERSION, role, 0};
    size_t information = 0;

    assert_int_equal(
        fixture_control(file, GATEHOUSE_IOCTL_HELLO, &hello, sizeof(hello), &hello, sizeof(hello), &information),
        STATUS_SUCCESS);
    assert_int_equal(information, sizeof(hello));
    assert_int_equal(hello.role, role);
    return file;
}

static void call_done(void *context, NTSTATUS status, const void *output, size_t information)
{
    struct fixture_call *call = context;

    call->status = status;
    call->information = information;
    if (output != NULL && information <= sizeof(call->buffer))
        memcpy(call->buffer, output, information);
    atomic_fetch_add(&call->done, 1);
}

void fixture_start_with(struct fixture_call *call, struct nt_file *file, uint32_t code, const void *input,
                        size_t input_size, size_t output_size)
{
    call->done = 0;
    call->information = 0;
    call->status = STATUS_PENDING;
    nt_device_control(file, code, input, input_size, output_size, call_done, call, &call->call);
    thread_settle();
}

void fixture_start(struct fixture_call *call, struct nt_file *file, uint32_t code, size_t output_size)
{
    fixture_start_with(call, file, code, NULL, 0, output_size);
}

NTSTATUS fixture_finish(struct fixture_call *call)
{
    thread_settle();
    for (unsigned ms = 0; ms < fixture_patience_ms() && call->done == 0; ms++)
        thread_sleep(1000);
    assert_int_equal(call->done, 1);
    nt_call_put(call->call);
    return call->status;
}

void fixture_cancel(struct fixture_call *call)
{
    nt_call_cancel(call->call);
    thread_settle();
}

struct control_answer {
    _Atomic int done;
    NTSTATUS status;
    size_t information;
    void *output;
    size_t room;
};

static void control_done(void *context, NTSTATUS status, const void *output, size_t information)
{
    struct control_answer *answer = context;

    answer->status = status;
    answer->information = information;
    if (output != NULL && answer->output != NULL && information <= answer->room)
        memcpy(answer->output, output, information);
    atomic_store(&answer->done, 1);
}

NTSTATUS fixture_control(struct nt_file *file, uint32_t code, const void *input, size_t input_size, void *output,
                         size_t output_size, size_t *information)
{
    struct control_answer answer = {0, 0, 0, output, output_size};
    struct nt_call *call;

    thread_settle();
    nt_device_control(file, code, input, input_size, output_size, control_done, &answer, &call);
    thread_settle();
    /* Changes of the rules run on threads of their own. */
    for (unsigned i = 0; i < 2 * fixture_patience_ms() && answer.done == 0; i++)
        thread_sleep(500);
    assert_int_equal(answer.done, 1);
    nt_call_put(call);
    if (information != NULL)
        *information = answer.information;
    return answer.status;
}

uint32_t fixture_decide(struct nt_file *file, uint64_t id, uint32_t verdict, uint32_t scope, uint32_t lifetime_ms)
{
    struct {
        struct gatehouse_decisions header;
        struct gatehouse_decision decision;
    } input = {{GATEHOUSE_PROTOCOL_VERSION, 1}, {id, verdict, scope, lifetime_ms, 0}};
    uint32_t status = 0xFFFFFFFFu;
    size_t information = 0;
    NTSTATUS result = fixture_control(file, GATEHOUSE_IOCTL_SUBMIT_DECISIONS, &input, sizeof(input), &status,
                                      sizeof(status), &information);

    if (result != STATUS_SUCCESS)
        return (uint32_t)result;
    assert_int_equal(information, sizeof(status));
    return status;
}

struct gatehouse_status fixture_status(struct nt_file *file)
{
    struct nt_file *own = file == NULL ? fixture_open_as(1, GATEHOUSE_ROLE_OBSERVER) : file;
    struct gatehouse_status status;
    size_t information = 0;

    assert_int_equal(fixture_control(own, GATEHOUSE_IOCTL_GET_STATUS, NULL, 0, &status, sizeof(status), &information),
                     0);
    assert_int_equal(information, sizeof(status));
    assert_int_equal(status.size, sizeof(status));
    if (file == NULL)
        nt_file_close(own);
    return status;
}

NTSTATUS fixture_set_policy(struct nt_file *file, uint32_t deadline_ms, uint32_t undecided, uint32_t no_decider)
{
    struct gatehouse_policy policy = {GATEHOUSE_PROTOCOL_VERSION, deadline_ms, undecided, no_decider, 0};

    return fixture_control(file, GATEHOUSE_IOCTL_SET_POLICY, &policy, sizeof(policy), NULL, 0, NULL);
}

unsigned fixture_get(struct nt_file *file, struct gatehouse_request *requests, unsigned limit)
{
    static struct fixture_call call;
    unsigned count = 0;
    size_t offset = 0;

    fixture_start(&call, file, GATEHOUSE_IOCTL_GET_REQUESTS, sizeof(call.buffer));
    if (call.done == 0)
        fixture_cancel(&call);
    if (fixture_finish(&call) != STATUS_SUCCESS) {
        assert_int_equal(call.status, STATUS_CANCELLED);
        return 0;
    }
    for (; offset < call.information; count++) {
        assert_true(count < limit);
        memcpy(&requests[count], call.buffer + offset, sizeof(requests[count]));
        assert_true(requests[count].size % 8 == 0 && requests[count].size >= sizeof(requests[count]));
        offset += requests[count].size;
    }
    assert_int_equal(offset, call.information);
    return count;
}

UINT64 fixture_endpoint(void)
{
    return ++endpoints;
}

static void connection_done(void *context, const struct wfp_decision *decision)
{
    struct fixture_connection *connection = context;

    connection->final = *decision;
    atomic_fetch_add(&connection->done, 1);
}

static void make_app_id(const char *program, uint8_t *bytes, FWP_BYTE_BLOB *blob)
{
    size_t size = strlen(program);

    for (size_t i = 0; i <= size; i++) {
        bytes[2 * i] = (uint8_t)program[i];
        bytes[2 * i + 1] = 0;
    }
    blob->data = bytes;
    blob->size = (UINT32)(2 * (size + 1));
}

void fixture_connect_to(struct fixture_connection *connection, UINT64 endpoint, const struct fixture_connect *how)
{
    const char *program = how->program == NULL ? "/bin/app" : how->program;
    struct wfp_packet packet = {.size = 100, .ip_header_size = 20, .transport_header_size = 8};
    struct wfp_ale_connect connect = {0};
    uint8_t bytes[1024];
    FWP_BYTE_BLOB app_id;

    make_app_id(program, bytes, &app_id);
    connect.ip_version = how->ip_version == 6 ? 6 : 4;
    connect.protocol = how->protocol == 0 ? 6 : (UINT8)how->protocol;
    connect.local_port = 40000;
    connect.remote_port = how->remote_port == 0 ? 443 : how->remote_port;
    if (connect.ip_version == 6) {
        memcpy(connect.local_address, (const uint8_t[16]){0xfd, [15] = 1}, 16);
        memcpy(connect.remote_address, (const uint8_t[16]){0xfd, [14] = 2, [15] = how->remote_last}, 16);
    } else {
        memcpy(connect.local_address, (const uint8_t[4]){10, 0, 0, 1}, 4);
        memcpy(connect.remote_address, (const uint8_t[4]){192, 0, 2, how->remote_last}, 4);
    }
    connect.endpoint = endpoint;
    connect.has_process = !how->no_process;
    connect.process_id = how->process_id == 0 ? 77 : how->process_id;
    connect.process_start = 130000000000000000ull + connect.process_id;
    connect.app_id = *program == 0 ? NULL : &app_id;
    connect.user = how->user;
    connect.package = how->package;
    connect.condition_flags = how->flags;
    connect.inbound = how->inbound;
    connect.layer_data = how->inbound ? &packet : NULL;
    connection->endpoint = endpoint;
    connection->done = 0;
    wfp_ale_connect(&connect, connection_done, connection, &connection->first);
    if (connection->first.outcome != WFP_PENDED)
        connection->final = connection->first;
}

void fixture_connect(struct fixture_connection *connection)
{
    fixture_connect_to(connection, fixture_endpoint(), &(struct fixture_connect){.remote_last = 1});
}

static uint64_t random_state = 88172645463325252ull;

uint32_t fixture_random(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % below;
}
