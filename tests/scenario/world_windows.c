/* SPDX-License-Identifier: MIT */
/*
 * world_windows.c - see scenario_world.h: a Windows program, for Wine.
 *
 * The driver is a service that this program makes, starts, stops and deletes; GATEHOUSE_SYS in the
 * environment names its file (a Windows path). The engine is tests/wine's fwpkclnt.sys, which lives as long
 * as the driver that imports it is loaded; its device plays the stack (tests/wine/engine_control.h). So
 * nothing can connect while no driver is loaded, and flows end with it.
 *
 * One read of ends is under way for each pended operation: how those end that are blocked by the driver's
 * unload is known even when the engine is gone with the driver.
 *
 * Calls are made by NtDeviceIoControlFile: it gives the driver's own NTSTATUS.
 */
#include <windows.h>
#include <winternl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/scenario_world.h"
#include "tests/wine/engine_control.h"

#define SERVICE      L"gatehouse"
#define PARAMETERS   L"SYSTEM\\CurrentControlSet\\Services\\gatehouse\\Parameters"
#define DRIVER_FILE  L"C:\\windows\\system32\\drivers\\gatehouse.sys"
#define WAIT_MS      10000u
#define MAX_PENDED   4096u
#define PENDING      0x103u
#define UNSUCCESSFUL 0xC0000001u

#define IS_LOOPBACK 0x1u /* FWP_CONDITION_FLAG_IS_LOOPBACK */

struct world_device {
    HANDLE handle;
};

struct world_call {
    IO_STATUS_BLOCK result;
    HANDLE handle, event;
    bool ended;
    uint8_t output[];
};

/* A connect that the engine pended, until its end is told. */
static struct pended {
    uint64_t operation, connection;
    struct world_call *read; /* of some operation's end, not necessarily this one's */
} pended[MAX_PENDED];
static size_t pended_count;

static SC_HANDLE manager, service;
static struct world_device engine = {INVALID_HANDLE_VALUE};
static uint64_t last_endpoint;

static bool fail(struct world_error *error, const char *what)
{
    snprintf(error->text, sizeof(error->text), "%s failed with error %lu", what, (unsigned long)GetLastError());
    return false;
}

enum world_clock world_clock(void)
{
    return WORLD_CLOCK_REAL;
}

void world_advance(uint32_t milliseconds)
{
    Sleep(milliseconds);
}

/* --- Calls --- */

bool world_call_start(struct world_device *device, uint32_t code, const void *input, size_t input_size,
                      size_t output_size, struct world_call **call, struct world_error *error)
{
    struct world_call *started = calloc(1, sizeof(*started) + output_size);
    NTSTATUS status;

    if (started == NULL || (started->event = CreateEventW(NULL, TRUE, FALSE, NULL)) == NULL) {
        free(started);
        return fail(error, "CreateEvent");
    }
    started->handle = device->handle;
    started->result.Status = (NTSTATUS)PENDING;
    status = NtDeviceIoControlFile(device->handle, started->event, NULL, NULL, &started->result, code, (void *)input,
                                   (ULONG)input_size, started->output, (ULONG)output_size);
    if ((uint32_t)status != PENDING) {
        started->result.Status = status;
        started->ended = true;
    }
    *call = started;
    return true;
}

bool world_call_done(struct world_call *call, uint32_t milliseconds, uint32_t *status, const void **output,
                     size_t *information)
{
    if (!call->ended && WaitForSingleObject(call->event, milliseconds) != WAIT_OBJECT_0)
        return false;
    call->ended = true;
    *status = (uint32_t)call->result.Status;
    *output = call->output;
    *information = *status == 0 ? call->result.Information : 0;
    return true;
}

void world_call_cancel(struct world_call *call)
{
    if (!call->ended)
        (void)CancelIoEx(call->handle, (OVERLAPPED *)(void *)&call->result);
}

void world_call_free(struct world_call *call)
{
    CloseHandle(call->event);
    free(call);
}

/* --- Devices --- */

static uint32_t status_of_error(DWORD error)
{
    switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
        return 0xC0000034u;
    case ERROR_ACCESS_DENIED:
        return 0xC0000022u;
    default:
        return UNSUCCESSFUL;
    }
}

static HANDLE open_path(const char *name)
{
    return CreateFileA(name, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                       FILE_FLAG_OVERLAPPED, NULL);
}

bool world_device_open(const char *name, struct world_device **device, uint32_t *status, struct world_error *error)
{
    HANDLE handle = open_path(name);

    *device = NULL;
    *status = 0;
    if (handle == INVALID_HANDLE_VALUE) {
        *status = status_of_error(GetLastError());
        return true;
    }
    *device = calloc(1, sizeof(**device));
    if (*device == NULL) {
        CloseHandle(handle);
        return fail(error, "calloc");
    }
    (*device)->handle = handle;
    return true;
}

void world_device_close(struct world_device *device)
{
    CloseHandle(device->handle);
    free(device);
}

/* A handle that is closed with calls under way: as when its process is ended, the driver gets CLOSE and no CLEANUP. The
 * end of a real process is tests/wine's. */
void world_device_kill(struct world_device *device)
{
    world_device_close(device);
}

/* --- The engine's device --- */

/* output_size: exactly what the engine answers with. */
static bool engine_call(uint32_t code, const void *input, size_t input_size, void *output, size_t output_size,
                        struct world_error *error)
{
    struct world_call *call;
    const void *bytes;
    uint32_t status;
    size_t size;

    if (engine.handle == INVALID_HANDLE_VALUE) {
        snprintf(error->text, sizeof(error->text), "there is no engine while no driver is loaded");
        return false;
    }
    if (!world_call_start(&engine, code, input, input_size, output_size, &call, error))
        return false;
    if (!world_call_done(call, WAIT_MS, &status, &bytes, &size)) {
        snprintf(error->text, sizeof(error->text), "the engine did not answer control code 0x%x", (unsigned)code);
        return false;
    }
    if (status == 0 && size == output_size && size != 0)
        memcpy(output, bytes, size);
    world_call_free(call);
    if (status == 0 && size == output_size)
        return true;
    snprintf(error->text, sizeof(error->text), "the engine answered control code 0x%x with 0x%08x", (unsigned)code,
             (unsigned)status);
    return false;
}

static struct world_decision translate(const struct engine_decision *from)
{
    return (struct world_decision){
        .outcome = from->outcome == ENGINE_PERMIT   ? WORLD_PERMIT
                   : from->outcome == ENGINE_PENDED ? WORLD_PENDED
                                                    : WORLD_BLOCK,
        .by = from->by_callout       ? WORLD_BY_CALLOUT
              : from->filter_id != 0 ? WORLD_BY_FILTER
                                     : WORLD_BY_DEFAULT,
        .flow = from->flow,
    };
}

uint64_t world_endpoint(void)
{
    return 1000 + ++last_endpoint;
}

static bool expect_end(uint64_t operation, uint64_t connection, struct world_error *error)
{
    if (pended_count == MAX_PENDED) {
        snprintf(error->text, sizeof(error->text), "more than %u connections are pended", MAX_PENDED);
        return false;
    }
    pended[pended_count] = (struct pended){operation, connection, NULL};
    return world_call_start(&engine, ENGINE_IOCTL_NEXT_END, NULL, 0, sizeof(struct engine_decision),
                            &pended[pended_count++].read, error);
}

bool world_connect(const struct world_connect *from, uint64_t connection, struct world_decision *decision,
                   struct world_error *error)
{
    struct engine_connect connect = {0};
    struct engine_decision answer;
    uint32_t units = 0;

    while (from->program[units] != 0)
        units++;
    connect.ip_version = from->ip_version;
    connect.protocol = from->protocol;
    connect.local_port = from->local_port;
    connect.remote_port = from->remote_port;
    memcpy(connect.local_address, from->local_address, sizeof(connect.local_address));
    memcpy(connect.remote_address, from->remote_address, sizeof(connect.remote_address));
    connect.endpoint = from->endpoint;
    connect.process_id = from->has_process ? from->process_id : 0;
    connect.process_start = 130000000000000000ull + from->process_id;
    connect.condition_flags = from->loopback ? IS_LOOPBACK : 0;
    connect.app_id_size = units == 0 ? 0 : 2 * (units + 1);
    memcpy(connect.app_id, from->program, connect.app_id_size);
    connect.user_sid_size = from->user_sid_size;
    memcpy(connect.user_sid, from->user_sid, from->user_sid_size);
    if (!engine_call(ENGINE_IOCTL_CONNECT, &connect, sizeof(connect), &answer, sizeof(answer), error))
        return false;
    *decision = translate(&answer);
    return answer.outcome != ENGINE_PENDED || expect_end(answer.operation, connection, error);
}

/* Takes the end's operation out of the list; the read of its row passes to the row whose read has ended. */
static bool take_pended(size_t ended, const struct engine_decision *end, uint64_t *connection)
{
    struct world_call *read = pended[ended].read;
    size_t row = 0;

    while (row < pended_count && pended[row].operation != end->operation)
        row++;
    if (row == pended_count)
        return false;
    pended[ended].read = pended[row].read;
    *connection = pended[row].connection;
    pended_count--;
    memmove(&pended[row], &pended[row + 1], (pended_count - row) * sizeof(pended[0]));
    world_call_free(read);
    return true;
}

/* With the engine gone, a read that ends without an answer is forgotten. */
bool world_next_done(uint64_t *connection, struct world_decision *decision)
{
    for (size_t i = 0; i < pended_count; i++) {
        struct engine_decision end;
        const void *bytes;
        uint32_t status;
        size_t size;

        if (!world_call_done(pended[i].read, 0, &status, &bytes, &size) || status != 0 || size != sizeof(end))
            continue;
        memcpy(&end, bytes, sizeof(end));
        *decision = translate(&end);
        if (take_pended(i, &end, connection))
            return true;
    }
    return false;
}

static bool flow_step(uint64_t flow, uint32_t step, struct engine_decision *answer, struct world_error *error)
{
    struct engine_flow input = {flow, step, 0};

    return engine_call(ENGINE_IOCTL_FLOW, &input, sizeof(input), answer, sizeof(*answer), error);
}

bool world_flow_established(uint64_t flow, struct world_error *error)
{
    struct engine_decision answer;

    return flow_step(flow, ENGINE_FLOW_ESTABLISHED, &answer, error);
}

bool world_flow_packet(uint64_t flow, bool inbound, struct world_decision *decision, bool *reauthorized,
                       struct world_error *error)
{
    struct engine_decision answer;

    if (!flow_step(flow, inbound ? ENGINE_FLOW_INBOUND : ENGINE_FLOW_OUTBOUND, &answer, error))
        return false;
    *decision = translate(&answer);
    *reauthorized = answer.reauthorized != 0;
    return true;
}

/* The engine's device refuses a socket that it does not know (any more). */
bool world_endpoint_closed(uint64_t endpoint, struct world_error *error)
{
    (void)engine_call(ENGINE_IOCTL_ENDPOINT_CLOSED, &endpoint, sizeof(endpoint), NULL, 0, error);
    return true;
}

bool world_filter_add(const struct world_filter *from, uint64_t *id, struct world_error *error)
{
    struct engine_filter filter = {from->ip_version, from->block, from->has_port, 0, from->remote_port, 0};

    return engine_call(ENGINE_IOCTL_FILTER_ADD, &filter, sizeof(filter), id, sizeof(*id), error);
}

bool world_filter_delete(uint64_t id, struct world_error *error)
{
    return engine_call(ENGINE_IOCTL_FILTER_DELETE, &id, sizeof(id), NULL, 0, error);
}

/* The engine says "rule: routine: sentence". */
bool world_next_violation(char *text, size_t room)
{
    struct engine_violation violation;
    struct world_error error;
    char *rest;

    if (engine.handle == INVALID_HANDLE_VALUE ||
        !engine_call(ENGINE_IOCTL_VIOLATION, NULL, 0, &violation, sizeof(violation), &error) || violation.text[0] == 0)
        return false;
    violation.text[sizeof(violation.text) - 1] = 0;
    fprintf(stderr, "violation %s\n", violation.text);
    rest = strstr(violation.text, ": ");
    if (rest != NULL && strstr(rest + 2, ": ") != NULL)
        *strstr(rest + 2, ": ") = 0;
    snprintf(text, room, "%.*s%s", rest == NULL ? 239 : (int)(rest - violation.text), violation.text,
             rest == NULL ? "" : rest + 1);
    return true;
}

/* --- The driver --- */

/* One that is there was left by a run that was killed. */
static bool make_service(struct world_error *error)
{
    WCHAR path[MAX_PATH];
    DWORD size = GetEnvironmentVariableW(L"GATEHOUSE_SYS", path, MAX_PATH);
    SERVICE_STATUS now;

    service = CreateServiceW(manager, SERVICE, SERVICE, SERVICE_ALL_ACCESS, SERVICE_KERNEL_DRIVER, SERVICE_DEMAND_START,
                             SERVICE_ERROR_NORMAL, size == 0 ? DRIVER_FILE : path, NULL, NULL, NULL, NULL, NULL);
    if (service == NULL && GetLastError() == ERROR_SERVICE_EXISTS)
        service = OpenServiceW(manager, SERVICE, SERVICE_ALL_ACCESS);
    if (service == NULL)
        return fail(error, "CreateService");
    if (QueryServiceStatus(service, &now) && now.dwCurrentState == SERVICE_RUNNING)
        (void)ControlService(service, SERVICE_CONTROL_STOP, &now);
    return true;
}

bool world_start(struct world_error *error)
{
    manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_ALL_ACCESS);
    if (manager == NULL)
        return fail(error, "OpenSCManager");
    return make_service(error);
}

/* All are written, with the driver's own standard values where the scenario says none: an earlier one may have left
 * others. */
static const struct world_setting standard[] = {
    {"DeadlineMs", 60000}, {"Undecided", 2}, {"NoDecider", 0}, {"Capacity", 65536}, {"HoldLoopback", 0},
};

static bool set_parameter(HKEY key, const struct world_setting *setting)
{
    DWORD value = setting->value;

    return RegSetValueExA(key, setting->name, 0, REG_DWORD, (const BYTE *)&value, sizeof(value)) == 0;
}

static bool set_parameters(const struct world_setting *settings, size_t count)
{
    HKEY key;
    bool good = true;

    if (RegCreateKeyExW(HKEY_LOCAL_MACHINE, PARAMETERS, 0, NULL, 0, KEY_ALL_ACCESS, NULL, &key, NULL) != 0)
        return false;
    for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++)
        good = set_parameter(key, &standard[i]) && good;
    for (size_t i = 0; i < count; i++)
        good = set_parameter(key, &settings[i]) && good;
    RegCloseKey(key);
    return good;
}

/* The engine makes its device when the driver first calls it. */
static bool open_engine(struct world_error *error)
{
    for (uint32_t waited = 0; waited < WAIT_MS && engine.handle == INVALID_HANDLE_VALUE; waited += 10) {
        engine.handle = CreateFileW(ENGINE_DEVICE, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE,
                                    NULL, OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
        if (engine.handle == INVALID_HANDLE_VALUE)
            Sleep(10);
    }
    return engine.handle != INVALID_HANDLE_VALUE || fail(error, "opening the engine's device");
}

static void forget_engine(void)
{
    if (engine.handle != INVALID_HANDLE_VALUE)
        CloseHandle(engine.handle);
    engine.handle = INVALID_HANDLE_VALUE;
}

size_t world_driver_count(void)
{
    return 1;
}

const char *world_driver_name(size_t driver)
{
    (void)driver;
    return "gatehouse";
}

bool world_load(size_t driver, const struct world_setting *settings, size_t count, uint32_t *status,
                struct world_error *error)
{
    (void)driver;
    forget_engine();
    if (!set_parameters(settings, count))
        return fail(error, "writing the service's parameters");
    *status = 0;
    if (!StartServiceW(service, 0, NULL)) {
        *status = UNSUCCESSFUL;
        return true;
    }
    return open_engine(error);
}

static bool wait_stopped(void)
{
    for (uint32_t waited = 0; waited < WAIT_MS; waited += 10) {
        SERVICE_STATUS now;

        if (!QueryServiceStatus(service, &now))
            return false;
        if (now.dwCurrentState == SERVICE_STOPPED)
            return true;
        Sleep(10);
    }
    return false;
}

bool world_unload(size_t driver, char *left, size_t room, struct world_error *error)
{
    SERVICE_STATUS now;

    (void)driver;
    (void)room;
    *left = 0;
    if (!ControlService(service, SERVICE_CONTROL_STOP, &now))
        return fail(error, "stopping the service");
    return wait_stopped() || fail(error, "waiting for the service to stop");
}

/* --- What only the lab can --- */

static bool cannot(struct world_error *error, const char *what)
{
    snprintf(error->text, sizeof(error->text), "%s: this world has none: run the file with wfplab", what);
    return false;
}

void world_forget(void)
{
}

void world_settle(void)
{
}

void world_step_ended(void)
{
}

bool world_next_reauthorized(struct world_decision *decision)
{
    (void)decision;
    return false;
}

bool world_port_open(const char *name, struct world_device **port, uint32_t *status, struct world_error *error)
{
    (void)name;
    (void)port;
    (void)status;
    return cannot(error, "port");
}

bool world_message_start(struct world_device *port, struct world_call **call, struct world_error *error)
{
    (void)port;
    (void)call;
    return cannot(error, "message");
}

uint64_t world_call_message(const struct world_call *call)
{
    (void)call;
    return 0;
}

bool world_reply(struct world_device *port, uint64_t message, const void *bytes, size_t size, uint32_t *status,
                 struct world_error *error)
{
    (void)port;
    (void)message;
    (void)bytes;
    (void)size;
    (void)status;
    return cannot(error, "reply");
}

bool world_irql(enum world_irql irql, struct world_error *error)
{
    (void)irql;
    return cannot(error, "irql");
}

bool world_suspend(uint32_t milliseconds, struct world_error *error)
{
    (void)milliseconds;
    return cannot(error, "suspend");
}

bool world_resume(struct world_error *error)
{
    return cannot(error, "resume");
}

bool world_fault(const char *routine, uint32_t number, struct world_error *error)
{
    (void)routine;
    (void)number;
    return cannot(error, "fault");
}

bool world_notify(enum world_notify when, struct world_error *error)
{
    (void)when;
    return cannot(error, "delay-notify and drop-notify");
}

bool world_state(struct world_error *error)
{
    return cannot(error, "state");
}

/* It has the folders of its service. */
const char *world_folder(bool kept)
{
    (void)kept;
    return NULL;
}

bool world_process_exit(uint64_t process_id, struct world_error *error)
{
    (void)process_id;
    return cannot(error, "exit");
}

/* The event says it. */
void world_violate(const char *rule, const char *routine, const char *text)
{
    (void)rule;
    (void)routine;
    (void)text;
}

void world_name_connection(uint64_t connection, const char *name)
{
    (void)connection;
    (void)name;
}

void world_end(void)
{
    SERVICE_STATUS now;

    if (service != NULL && QueryServiceStatus(service, &now) && now.dwCurrentState != SERVICE_STOPPED &&
        ControlService(service, SERVICE_CONTROL_STOP, &now))
        (void)wait_stopped();
    forget_engine();
    pended_count = 0; /* their reads ended with the handle; the program ends soon */
    (void)RegDeleteKeyW(HKEY_LOCAL_MACHINE, PARAMETERS);
    if (service != NULL) {
        (void)DeleteService(service);
        CloseServiceHandle(service);
    }
    if (manager != NULL)
        CloseServiceHandle(manager);
    service = manager = NULL;
}
