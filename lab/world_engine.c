/* SPDX-License-Identifier: MIT */
/*
 * world_engine.c - see scenario_world.h: nt/ and wfp/ in this process, under a virtual clock.
 *
 * Drivers come from world_drivers.h. When a call returns, everything that it caused has happened, but for what a thread
 * of the driver has in hand. Under a scheduler a client's device control has a fiber of its own, for it may wait in the
 * driver; then world_settle says that everything has happened, and the clock is the scheduler's.
 */
#include <initguid.h>

#include "lab/scenario_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fltuserstructures.h>
#include <fwpmk.h>
#include <nt/nt.h>

#include "lab/world_drivers.h"
#include "lab/world_engine.h"
#include "lab/world_events.h"
#include "lab/world_folders.h"
#include "nt/verify/fault.h"
#include "nt/verify/rules.h"
#include "nt/verify/scheduler.h"
#include "wfp/verify.h"

#define PUMPED_AFTER_MS 5000u /* of a call that did not end: it may wait for what only a pump runs */
#define MS              10000u
#define MAX_SETTINGS    32u
#define OLDEST_MS       7200000u /* a person may think for long, but not for two hours */
#define MESSAGE_MAX     131072u

static uint64_t clock_now;
static uint64_t last_endpoint;
static HANDLE engine; /* whose filters are nobody's business but the scenario's */
static size_t own_filters;
static bool loaded[WORLD_DRIVERS_MAX];
static struct wfp_verify_options unusual;
static nt_violation_handler *listener;
static void (*state_writer)(void);
static struct nt_faults *faults; /* NULL: nothing is to fail */
static char fault_routine[64];

struct world_device {
    struct world_device *next;
    struct nt_file *file; /* a device; NULL: its driver was unloaded under it, or it is a port */
    struct nt_port *port; /* a communication port */
    char name[17];
    unsigned calls; /* made on it */
};
static struct world_device *devices;

/* Calls whose fibers may not have come to the driver's file yet: those of one client are as many as it has reads. */
#define ENTERING_MAX 64u
static struct world_call *entering[ENTERING_MAX];

struct world_call {
    struct nt_call *call;
    struct world_device *device;
    uint64_t message; /* what was got */
    uint32_t done;
    uint32_t code;
    uint8_t *input;
    size_t input_size;
    uint32_t status;
    size_t information, room;
    uint8_t output[];
};

static bool fail(struct world_error *error, const char *what, NTSTATUS status)
{
    snprintf(error->text, sizeof(error->text), "%s answered 0x%08x", what, (unsigned)status);
    return false;
}

static uint64_t read_clock(void)
{
    return clock_now;
}

static void record_violation(const struct nt_violation *violation)
{
    const struct nt_rule *rule = nt_rule_find(violation->rule);

    if (rule == NULL || rule->severity == NT_ERROR)
        world_keep_violation(violation->rule, violation->routine);
    if (listener != NULL)
        listener(violation);
    else
        fprintf(stderr, "violation %s in %s at IRQL %u: %s\n", violation->rule, violation->routine,
                (unsigned)violation->irql, violation->detail);
}

void world_set_listener(nt_violation_handler *handler)
{
    listener = handler;
}

void world_violate(const char *rule, const char *routine, const char *text)
{
    if (faults == NULL && nt_faults_happened())
        return; /* what a scenario expects is not what a driver decides that explore makes calls fail for */
    nt_violate(rule, routine, "%s", text);
}

enum world_clock world_clock(void)
{
    return WORLD_CLOCK_VIRTUAL;
}

bool world_start(struct world_error *error)
{
    NTSTATUS status;

    clock_now = WORLD_START;
    nt_set_clock(read_clock);
    nt_set_violation_handler(record_violation);
    last_endpoint = 0;
    unusual = (struct wfp_verify_options){.oldest = (UINT64)OLDEST_MS * MS};
    wfp_set_verify_options(&unusual);
    wfp_set_classify_irql(DISPATCH_LEVEL);
    status = FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &engine);
    return NT_SUCCESS(status) || fail(error, "FwpmEngineOpen0", status);
}

static bool any_loaded(void)
{
    for (size_t i = 0; i < WORLD_DRIVERS_MAX; i++)
        if (loaded[i])
            return true;
    return false;
}

static void end_faults(void);

static void unload(size_t driver)
{
    if (!loaded[driver])
        return;
    world_driver_unload(driver);
    loaded[driver] = false;
    for (struct world_device *device = devices; device != NULL && !any_loaded(); device = device->next)
        device->file = NULL;
}

void world_end(void)
{
    for (size_t i = world_driver_count(); i-- > 0;)
        unload(i);
    end_faults();
    world_folders_end();
    (void)FwpmEngineClose0(engine);
    engine = NULL;
    wfp_reset();
    own_filters = 0;
    world_drop_decisions();
    nt_set_violation_handler(NULL);
    nt_set_clock(NULL);
}

void world_forget(void)
{
    memset(loaded, 0, sizeof(loaded));
    memset(entering, 0, sizeof(entering));
    devices = NULL;
    engine = NULL;
    own_filters = 0;
    world_drop_decisions();
    world_drop_violations();
    end_faults();
    world_folders_end();
    nt_set_violation_handler(NULL);
    nt_set_clock(NULL);
}

void world_advance(uint32_t milliseconds)
{
    if (nt_scheduled()) {
        nt_schedule_sleep((uint64_t)milliseconds * MS);
        nt_schedule_settle();
        return;
    }
    clock_now += (uint64_t)milliseconds * MS;
    (void)nt_pump();
}

void world_settle(void)
{
    if (nt_scheduled())
        nt_schedule_settle();
}

void world_step_ended(void)
{
    wfp_notices_give();
    wfp_check_ages();
}

bool world_load(size_t driver, const struct world_setting *settings, size_t count, uint32_t *status,
                struct world_error *error)
{
    struct nt_registry_value values[MAX_SETTINGS];
    NTSTATUS result;

    if (count > MAX_SETTINGS)
        return fail(error, "the list of settings", STATUS_INVALID_PARAMETER);
    for (size_t i = 0; i < count; i++)
        values[i] = (struct nt_registry_value){settings[i].name, settings[i].value, settings[i].text};
    result = world_driver_load(driver, values, count);
    loaded[driver] = NT_SUCCESS(result);
    *status = (uint32_t)result;
    return true;
}

/* Flows and endpoints are the stack's own; they stay until their sockets are closed. */
bool world_unload(size_t driver, char *left, size_t room, struct world_error *error)
{
    struct wfp_counts counts;

    (void)error;
    unload(driver);
    wfp_count(&counts);
    *left = 0;
    if (!any_loaded() && (counts.sessions != 1 || counts.providers != 0 || counts.callouts != 0 ||
                          counts.filters != own_filters || counts.registered_callouts != 0 || counts.pended != 0))
        snprintf(left, room, "sessions %zu providers %zu callouts %zu filters %zu registered %zu pended %zu",
                 counts.sessions - 1, counts.providers, counts.callouts, counts.filters - own_filters,
                 counts.registered_callouts, counts.pended);
    return true;
}

uint64_t world_endpoint(void)
{
    return 1000 + ++last_endpoint;
}

static struct world_decision translate(const struct wfp_decision *from)
{
    return (struct world_decision){
        .outcome = from->outcome == WFP_PERMIT   ? WORLD_PERMIT
                   : from->outcome == WFP_PENDED ? WORLD_PENDED
                                                 : WORLD_BLOCK,
        .by = from->by_callout       ? WORLD_BY_CALLOUT
              : from->filter_id != 0 ? WORLD_BY_FILTER
                                     : WORLD_BY_DEFAULT,
        .flow = from->flow,
    };
}

/* The context of a pended connect is its connection's number. */
static void connect_done(void *context, const struct wfp_decision *from)
{
    struct world_decision decision = translate(from);

    world_keep_done((uint64_t)(uintptr_t)context, &decision);
}

/* What TOKEN_ACCESS_INFORMATION points to. */
struct token {
    TOKEN_ACCESS_INFORMATION information;
    SID_AND_ATTRIBUTES_HASH hash;
    SID_AND_ATTRIBUTES entry;
    FWP_BYTE_BLOB blob;
};

static const FWP_BYTE_BLOB *make_token(struct token *token, const struct world_connect *from)
{
    if (from->user_sid_size == 0)
        return NULL;
    memset(token, 0, sizeof(*token));
    token->entry.Sid = (PSID)(uintptr_t)from->user_sid;
    token->hash.SidCount = 1;
    token->hash.SidAttr = &token->entry;
    token->information.SidHash = &token->hash;
    token->blob.size = sizeof(token->information);
    token->blob.data = (UINT8 *)&token->information;
    return &token->blob;
}

static uint64_t process_start(uint64_t process_id)
{
    return 130000000000000000ull + process_id;
}

bool world_connect(const struct world_connect *from, uint64_t connection, struct world_decision *decision,
                   struct world_error *error)
{
    struct wfp_ale_connect connect = {0};
    struct wfp_decision first;
    FWP_BYTE_BLOB app_id = {0, (UINT8 *)(uintptr_t)from->program};
    struct token token;

    (void)error;
    while (from->program[app_id.size / 2] != 0)
        app_id.size += 2;
    app_id.size += 2;
    connect.ip_version = from->ip_version;
    connect.protocol = from->protocol;
    connect.local_port = from->local_port;
    connect.remote_port = from->remote_port;
    memcpy(connect.local_address, from->local_address, sizeof(connect.local_address));
    memcpy(connect.remote_address, from->remote_address, sizeof(connect.remote_address));
    connect.endpoint = from->endpoint;
    connect.has_process = from->has_process;
    connect.process_id = from->process_id;
    connect.process_start = process_start(from->process_id);
    connect.app_id = from->program[0] == 0 ? NULL : &app_id;
    connect.user = make_token(&token, from);
    connect.condition_flags = from->loopback ? FWP_CONDITION_FLAG_IS_LOOPBACK : 0;
    wfp_ale_connect(&connect, connect_done, (void *)(uintptr_t)connection, &first);
    *decision = translate(&first);
    return true;
}

bool world_flow_established(uint64_t flow, struct world_error *error)
{
    (void)error;
    wfp_ale_flow_established(flow);
    return true;
}

bool world_flow_packet(uint64_t flow, bool inbound, struct world_decision *decision, bool *reauthorized,
                       struct world_error *error)
{
    struct wfp_decision answer;
    BOOLEAN again;

    (void)error;
    wfp_ale_flow_packet(flow, inbound, NULL, &answer, &again);
    *decision = translate(&answer);
    *reauthorized = again;
    return true;
}

bool world_endpoint_closed(uint64_t endpoint, struct world_error *error)
{
    (void)error;
    wfp_ale_endpoint_closed(endpoint);
    return true;
}

bool world_filter_add(const struct world_filter *from, uint64_t *id, struct world_error *error)
{
    FWPM_FILTER_CONDITION0 condition = {.matchType = FWP_MATCH_EQUAL, .conditionValue.type = FWP_UINT16};
    FWPM_FILTER0 filter = {.displayData.name = (wchar_t *)L"scenario"};
    UINT64 added;
    NTSTATUS status;

    condition.fieldKey = FWPM_CONDITION_IP_REMOTE_PORT;
    condition.conditionValue.uint16 = from->remote_port;
    filter.layerKey = from->ip_version == 6 ? FWPM_LAYER_ALE_AUTH_CONNECT_V6 : FWPM_LAYER_ALE_AUTH_CONNECT_V4;
    filter.action.type = from->block ? FWP_ACTION_BLOCK : FWP_ACTION_PERMIT;
    filter.filterCondition = &condition;
    filter.numFilterConditions = from->has_port ? 1 : 0;
    status = FwpmFilterAdd0(engine, &filter, NULL, &added);
    if (!NT_SUCCESS(status))
        return fail(error, "FwpmFilterAdd0", status);
    own_filters++;
    *id = added;
    return true;
}

bool world_filter_delete(uint64_t id, struct world_error *error)
{
    NTSTATUS status = FwpmFilterDeleteById0(engine, id);

    if (!NT_SUCCESS(status))
        return fail(error, "FwpmFilterDeleteById0", status);
    own_filters--;
    return true;
}

bool world_device_open(const char *name, struct world_device **device, uint32_t *status, struct world_error *error)
{
    struct nt_caller caller = {4711, TRUE};
    struct world_device *opened = calloc(1, sizeof(*opened));

    *device = NULL;
    if (opened == NULL)
        return fail(error, "calloc", STATUS_INSUFFICIENT_RESOURCES);
    *status = (uint32_t)nt_file_open(name, GENERIC_READ | GENERIC_WRITE, &caller, &opened->file);
    if (*status != 0) {
        free(opened);
        return true;
    }
    snprintf(opened->name, sizeof(opened->name), "%s", name);
    opened->next = devices;
    devices = *device = opened;
    return true;
}

static bool has_entered(const void *context)
{
    const struct world_call *call = context;

    return call->call != NULL || call->done;
}

/* A thread that calls has a reference to the file before another closes the handle. */
static void wait_until_entered(const struct world_call *call)
{
    struct nt_wait wait = {.routine = "CloseHandle", .ready = has_entered, .context = call, .due = NT_NEVER};

    if (nt_scheduled() && call->device->file != NULL)
        (void)nt_schedule_until(&wait);
}

static void forget_entering(const struct world_call *call)
{
    for (size_t i = 0; i < ENTERING_MAX; i++)
        if (entering[i] == call)
            entering[i] = NULL;
}

static void keep_entering(struct world_call *call)
{
    size_t place = 0;

    while (place < ENTERING_MAX && entering[place] != NULL && !has_entered(entering[place]))
        place++;
    if (place == ENTERING_MAX)
        wait_until_entered(call);
    else
        entering[place] = call;
}

void world_device_close(struct world_device *device)
{
    struct world_device **place = &devices;

    while (*place != device)
        place = &(*place)->next;
    *place = device->next;
    for (size_t i = 0; i < ENTERING_MAX; i++)
        if (entering[i] != NULL && entering[i]->device == device) {
            wait_until_entered(entering[i]);
            entering[i] = NULL;
        }
    if (device->file != NULL)
        nt_file_close(device->file);
    if (device->port != NULL)
        nt_port_close(device->port);
    free(device);
}

/* A process that ends closes its handles: the same way through the I/O manager. */
void world_device_kill(struct world_device *device)
{
    world_device_close(device);
}

static void call_done(void *context, NTSTATUS status, const void *output, size_t information)
{
    struct world_call *call = context;

    call->status = (uint32_t)status;
    call->information = information;
    if (output != NULL && information <= call->room)
        memcpy(call->output, output, information);
    __atomic_store_n(&call->done, 1, __ATOMIC_RELEASE);
}

/* A fiber's body; call stays until it is done, and this does not look at it after that. */
static void begin_call(void *context)
{
    struct world_call *call = context;
    ULONG size = 0;

    if (call->device->port == NULL) {
        nt_device_control(call->device->file, call->code, call->input, call->input_size, call->room, call_done, call,
                          &call->call);
        return;
    }
    NTSTATUS status =
        nt_port_send(call->device->port, call->input, (ULONG)call->input_size, call->output, (ULONG)call->room, &size);
    call_done(call, status, NULL, size);
}

/* Named after who calls, with a number: the how-many-th call of its handle. */
static void spawn_call(struct world_call *call)
{
    const char *who = nt_schedule_name(nt_schedule_fiber());
    char name[24];

    snprintf(name, sizeof(name), "%.16s/%u", strcmp(who, "body") == 0 ? call->device->name : who,
             ++call->device->calls);
    nt_schedule_spawn(name, begin_call, call);
}

static struct world_call *new_call(struct world_device *device, size_t room)
{
    struct world_call *call = calloc(1, sizeof(*call) + room);

    if (call == NULL)
        abort();
    call->device = device;
    call->room = room;
    return call;
}

bool world_call_start(struct world_device *device, uint32_t code, const void *input, size_t input_size,
                      size_t output_size, struct world_call **call, struct world_error *error)
{
    struct world_call *started;

    if (device->file == NULL && device->port == NULL)
        return fail(error, "a device whose driver is gone", STATUS_DELETE_PENDING);
    started = new_call(device, output_size);
    started->code = code;
    started->input = malloc(input_size + 1);
    if (started->input == NULL)
        abort();
    if (input_size != 0)
        memcpy(started->input, input, input_size);
    started->input_size = input_size;
    *call = started;
    if (nt_scheduled()) {
        spawn_call(started);
        keep_entering(started);
    } else {
        begin_call(started);
    }
    return true;
}

bool world_call_done(struct world_call *call, uint32_t milliseconds, uint32_t *status, const void **output,
                     size_t *information)
{
    if (milliseconds != 0 && nt_scheduled()) {
        (void)nt_schedule_wait(&call->done);
        milliseconds = 0; /* nobody is left who could end it */
    }
    /* A thread of the driver has it. What is pumped would run beside it, and the order of events would be theirs. */
    for (unsigned waited = 0; waited < milliseconds && !__atomic_load_n(&call->done, __ATOMIC_ACQUIRE); waited++) {
        if (waited >= PUMPED_AFTER_MS)
            (void)nt_pump();
        (void)usleep(1000);
    }
    if (!call->done)
        return false;
    *status = call->status;
    *output = call->output;
    *information = call->information;
    return true;
}

void world_call_cancel(struct world_call *call)
{
    wait_until_entered(call);
    if (call->call != NULL)
        nt_call_cancel(call->call);
    else if (call->device != NULL && call->device->port != NULL)
        (void)nt_port_cancel(call->device->port, call);
}

void world_call_free(struct world_call *call)
{
    forget_entering(call);
    if (call->call != NULL)
        nt_call_put(call->call);
    free(call->input);
    free(call);
}

/* --- Filter communication ports --- */

bool world_port_open(const char *name, struct world_device **port, uint32_t *status, struct world_error *error)
{
    struct nt_caller caller = {4711, TRUE};
    struct world_device *opened = calloc(1, sizeof(*opened));

    (void)error;
    if (opened == NULL)
        abort();
    *port = NULL;
    *status = (uint32_t)nt_port_connect(name, NULL, 0, &caller, &opened->port);
    if (*status != 0) {
        free(opened);
        return true;
    }
    snprintf(opened->name, sizeof(opened->name), "%s", name);
    opened->next = devices;
    devices = *port = opened;
    return true;
}

/* The header stays here. */
static void message_done(void *context, NTSTATUS status, const void *output, size_t information)
{
    struct world_call *call = context;
    FILTER_MESSAGE_HEADER header;

    if (output == NULL || information < sizeof(header)) {
        call_done(context, status, NULL, 0);
        return;
    }
    memcpy(&header, output, sizeof(header));
    call->message = header.MessageId;
    call_done(context, status, (const uint8_t *)output + sizeof(header), information - sizeof(header));
}

bool world_message_start(struct world_device *port, struct world_call **call, struct world_error *error)
{
    (void)error;
    *call = new_call(port, MESSAGE_MAX);
    nt_port_get_message(port->port, MESSAGE_MAX, message_done, *call);
    return true;
}

uint64_t world_call_message(const struct world_call *call)
{
    return call->message;
}

bool world_reply(struct world_device *port, uint64_t message, const void *bytes, size_t size, uint32_t *status,
                 struct world_error *error)
{
    FILTER_REPLY_HEADER header = {.MessageId = message};
    uint8_t *reply = malloc(sizeof(header) + size);

    (void)error;
    if (reply == NULL)
        abort();
    memcpy(reply, &header, sizeof(header));
    if (size != 0)
        memcpy(reply + sizeof(header), bytes, size);
    *status = (uint32_t)nt_port_reply(port->port, reply, sizeof(header) + size);
    free(reply);
    return true;
}

/* --- Rare things --- */

bool world_irql(enum world_irql irql, struct world_error *error)
{
    (void)error;
    unusual.alternate_irql = irql == WORLD_IRQL_ALTERNATE;
    wfp_set_verify_options(&unusual);
    wfp_set_classify_irql(irql == WORLD_IRQL_PASSIVE ? PASSIVE_LEVEL : DISPATCH_LEVEL);
    return true;
}

bool world_suspend(uint32_t milliseconds, struct world_error *error)
{
    (void)error;
    if (nt_scheduled())
        nt_schedule_skip((uint64_t)milliseconds * MS);
    else
        clock_now += (uint64_t)milliseconds * MS;
    return true;
}

static void add_reauthorized(void *context, UINT64 flow, const struct wfp_decision *from)
{
    struct world_decision decision = translate(from);

    (void)context;
    decision.flow = flow;
    world_keep_reauthorized(&decision);
}

bool world_resume(struct world_error *error)
{
    (void)error;
    world_advance(0);
    wfp_ale_reauthorize_all(FWP_CONDITION_REAUTHORIZE_REASON_NEW_ARRIVAL_INTERFACE, add_reauthorized, NULL);
    return true;
}

static void end_faults(void)
{
    if (faults == NULL)
        return;
    (void)nt_faults_end(faults);
    nt_faults_free(faults);
    faults = NULL;
}

/* Only what drivers call counts. */
bool world_fault(const char *routine, uint32_t number, struct world_error *error)
{
    end_faults();
    faults = nt_faults_new(0);
    if (faults == NULL)
        return fail(error, "nt_faults_new", STATUS_INSUFFICIENT_RESOURCES);
    snprintf(fault_routine, sizeof(fault_routine), "%s", routine);
    nt_faults_begin_call(faults, fault_routine, number);
    return true;
}

bool world_notify(enum world_notify when, struct world_error *error)
{
    (void)error;
    unusual.deletions = when == WORLD_NOTIFY_LATE    ? WFP_NOTICE_LATER
                        : when == WORLD_NOTIFY_NEVER ? WFP_NOTICE_NEVER
                                                     : WFP_NOTICE_AT_ONCE;
    wfp_set_verify_options(&unusual);
    return true;
}

bool world_process_exit(uint64_t process_id, struct world_error *error)
{
    (void)error;
    nt_process_ended(process_id, process_start(process_id));
    return true;
}

bool world_state(struct world_error *error)
{
    (void)error;
    if (state_writer != NULL)
        state_writer();
    return true;
}

void world_set_state_writer(void (*write)(void))
{
    state_writer = write;
}

void world_name_connection(uint64_t connection, const char *name)
{
    (void)connection;
    (void)name;
}
