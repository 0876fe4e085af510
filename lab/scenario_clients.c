/* SPDX-License-Identifier: MIT */
/*
 * scenario_clients.c - see scenario_run.h: the clients of the driver, and the runner's own observer.
 *
 * With a real clock a call is on its way for a while after world_call_start. Dispatch is in order, so a
 * GET_STATUS that was answered tells that everything sent before it has reached the driver.
 */
#include "lab/scenario_messages.h"

#include <string.h>

#include "gatehouse/status.h"

#define DEVICE      "\\\\.\\Gatehouse"
#define SEED_DEVICE "\\\\.\\SampleWfpCallout"

#define NO_SUCH_NAME 0xC0000034u
#define NO_SUCH_FILE 0xC000000Fu

static const char *client_name(const struct run *run, const struct scenario_step *step)
{
    return run->scenario->clients.text[step->subject];
}

static struct run_client *client_of(struct run *run, const struct scenario_step *step)
{
    return &run->clients[step->subject];
}

bool client_control(struct run *run, struct world_device *device, uint32_t code, const void *input, size_t input_size,
                    void *output, size_t output_size, uint32_t *status, size_t *information)
{
    struct world_call *call;
    const void *bytes = NULL;

    if (!world_call_start(device, code, input, input_size, output_size, &call, &run->error))
        return false;
    run_settle(run);
    if (!world_call_done(call, RUN_WAIT_MS, status, &bytes, information)) {
        world_call_cancel(call);
        run_settle(run);
        (void)world_call_done(call, RUN_WAIT_MS, status, &bytes, information);
        return run_wrong(run, "the driver did not answer control code 0x%x", (unsigned)code);
    }
    if (*information > output_size)
        *information = output_size;
    if (output_size != 0)
        memcpy(output, bytes, *information);
    world_call_free(call);
    return true;
}

static bool has_watch(struct run *run)
{
    return run->watch != NULL ||
           run_wrong(run, run_is_loaded(run) ? "no driver here has the device " DEVICE : "no driver is loaded");
}

bool clients_status(struct run *run, struct gatehouse_status *status)
{
    uint32_t answer = 0;
    size_t size = 0;

    if (!has_watch(run))
        return false;
    if (!client_control(run, run->watch, GATEHOUSE_IOCTL_GET_STATUS, NULL, 0, status, sizeof(*status), &answer, &size))
        return false;
    if (answer != 0 || size != sizeof(*status))
        return run_wrong(run, "GET_STATUS answered 0x%08x, %u bytes", (unsigned)answer, (unsigned)size);
    return true;
}

/* What was sent before this has reached the driver. */
static bool barrier(struct run *run)
{
    struct gatehouse_status status = {0};

    return world_clock() == WORLD_CLOCK_VIRTUAL || run->watch == NULL || clients_status(run, &status);
}

static bool hello(struct run *run, struct world_device *device, uint32_t role, uint32_t *status)
{
    struct gatehouse_hello hello = {GATEHOUSE_PROTOCOL_VERSION, role, 0};
    size_t size = 0;

    return client_control(run, device, GATEHOUSE_IOCTL_HELLO, &hello, sizeof(hello), &hello, sizeof(hello), status,
                          &size);
}

/* --- The runner's own observer --- */

bool clients_begin(struct run *run)
{
    struct gatehouse_status now = {0};
    uint32_t status = 0;

    if (run->watch != NULL)
        return true;
    if (!world_device_open(DEVICE, &run->watch, &status, &run->error))
        return false;
    if (status == NO_SUCH_NAME || status == NO_SUCH_FILE)
        return true; /* another driver: it has clients of its own */
    if (status != 0)
        return run_wrong(run, "%s cannot be opened: 0x%08x", DEVICE, (unsigned)status);
    if (!hello(run, run->watch, GATEHOUSE_ROLE_OBSERVER, &status) || !clients_status(run, &now))
        return false;
    run->policy = now.policy;
    return status == 0 || run_wrong(run, "HELLO answered 0x%08x", (unsigned)status);
}

static size_t room_of(const struct run *run, size_t wanted)
{
    return run->settle != NULL && wanted > RUN_EXPLORED ? RUN_EXPLORED : wanted;
}

static bool watch_start(struct run *run)
{
    if (run->watch_read != NULL)
        return true;
    if (!world_call_start(run->watch, GATEHOUSE_IOCTL_READ_EVENTS, NULL, 0, room_of(run, RUN_MESSAGE), &run->watch_read,
                          &run->error))
        return false;
    run_settle(run);
    return true;
}

/* A read is always under way; whatever came before a barrier is in it. */
static bool watch_collect(struct run *run)
{
    const void *bytes = NULL;
    uint32_t status = 0;
    size_t size = 0;
    bool good = run->watch == NULL || (watch_start(run) && barrier(run));

    while (good && run->watch_read != NULL && world_call_done(run->watch_read, 0, &status, &bytes, &size)) {
        struct world_call *call = run->watch_read;

        run->watch_read = NULL; /* first: another fiber may collect meanwhile */
        good = status == 0 ? messages_events(run, bytes, size, NULL, 0)
                           : run_wrong(run, "READ_EVENTS answered 0x%08x", (unsigned)status);
        world_call_free(call);
        good = good && watch_start(run) && barrier(run);
    }
    return good;
}

static void end_call(struct world_call *call)
{
    const void *bytes = NULL;
    uint32_t status = 0;
    size_t size = 0;

    if (world_call_done(call, RUN_WAIT_MS, &status, &bytes, &size))
        world_call_free(call);
}

bool clients_end(struct run *run)
{
    for (size_t i = 0; i < run->scenario->clients.count; i++)
        if (run->clients[i].device != NULL && !run->clients[i].raw)
            return run_wrong(run, "%s is open: close it before unload", run->scenario->clients.text[i]);
    bool good = clients_collect(run);
    if (run->watch != NULL)
        world_device_close(run->watch);
    run->watch = NULL;
    if (run->watch_read != NULL)
        end_call(run->watch_read);
    run->watch_read = NULL;
    return good;
}

/* --- What clients read --- */

/* client: as it was when it read. */
static bool end_read(struct run *run, uint32_t key, const struct run_client *client, const struct run_call *call,
                     uint32_t status, const void *bytes, size_t size)
{
    const char *name = run->scenario->clients.text[key];
    char room[16];
    bool good = true;

    if (call->step != NULL && call->step->image != NULL)
        rules_done(run, key, call, status);
    else if (call->step != NULL)
        raw_done(run, key, call, status, bytes, size);
    else if (status != 0)
        trace_add(&run->trace, TRACE_CLIENT, key, "read %s %s", name, status_name(status, room));
    else if (client->seed)
        good = messages_seed_request(run, bytes, size, name, key);
    else if (client->observes)
        good = messages_events(run, bytes, size, name, key);
    else
        good = messages_requests(run, bytes, size, name, key);
    world_call_free(call->call);
    return good;
}

/* Takes out the first that is over, before anybody else can. */
static bool take_ended(struct run_client *client, struct run_call *ended, uint32_t *status, const void **bytes,
                       size_t *size)
{
    for (size_t i = 0; i < client->read_count; i++) {
        *ended = client->reads[i];
        if (ended->kept || !world_call_done(ended->call, 0, status, bytes, size))
            continue;
        client->read_count--;
        memmove(&client->reads[i], &client->reads[i + 1], (client->read_count - i) * sizeof(*ended));
        return true;
    }
    return false;
}

/* In order; a refused read may end before those that wait. Other fibers may go on within. */
static bool reads_collect(struct run *run, uint32_t index)
{
    struct run_client *client = &run->clients[index];
    struct run_call call;
    const void *bytes = NULL;
    uint32_t status = 0;
    size_t size = 0;
    bool good = true;

    while (good && take_ended(client, &call, &status, &bytes, &size)) {
        struct run_client as_it_was = *client;

        good = end_read(run, index, &as_it_was, &call, status, bytes, size);
    }
    return good;
}

bool clients_collect(struct run *run)
{
    bool good = watch_collect(run);

    for (uint32_t i = 0; good && i < run->scenario->clients.count; i++)
        good = reads_collect(run, i);
    return good;
}

/* --- Steps --- */

static uint32_t code_of_read(const struct run_client *client)
{
    return client->seed       ? IOCTL_WFP_GET_NEXT_REQUEST
           : client->observes ? GATEHOUSE_IOCTL_READ_EVENTS
                              : GATEHOUSE_IOCTL_GET_REQUESTS;
}

static bool is_open(struct run *run, const struct scenario_step *step)
{
    return client_of(run, step)->device != NULL || run_wrong(run, "%s is not open", client_name(run, step));
}

/* decider, observer, seed: opens if it is not open; says HELLO. */
bool step_client(struct run *run, const struct scenario_step *step)
{
    struct run_client *client = client_of(run, step);
    bool seed = step->kind == STEP_SEED, observer = step->kind == STEP_OBSERVER;
    uint32_t status = 0;
    char room[16];

    if (client->device == NULL) {
        *client = (struct run_client){.seed = seed};
        if (!world_device_open(seed ? SEED_DEVICE : DEVICE, &client->device, &status, &run->error))
            return false;
        if (status != 0 || seed)
            trace_add(&run->trace, TRACE_STEP, 0, "open %s %s", client_name(run, step), status_name(status, room));
        if (status != 0 || seed)
            return true;
    }
    if (seed)
        return run_wrong(run, "%s is open already", client_name(run, step));
    if (!hello(run, client->device, observer ? GATEHOUSE_ROLE_OBSERVER : GATEHOUSE_ROLE_DECIDER, &status))
        return false;
    trace_add(&run->trace, TRACE_STEP, 0, "hello %s %s", client_name(run, step), status_name(status, room));
    client->observes |= status == 0 && observer;
    client->decides |= status == 0 && !observer;
    return true;
}

/* The first read of an article's client makes it the decider, unless somebody is. */
static bool find_seed_decider(struct run *run, struct run_client *client)
{
    struct gatehouse_status status = {0};

    if (!client->seed || client->decides || run->watch == NULL)
        return true;
    for (size_t i = 0; i < run->scenario->clients.count; i++)
        if (run->clients[i].decides)
            return true;
    if (!clients_status(run, &status))
        return false;
    client->decides = status.decider_pid != 0;
    return true;
}

bool step_read(struct run *run, const struct scenario_step *step)
{
    struct run_client *client = client_of(run, step);
    struct run_call call = {0};

    if (!is_open(run, step))
        return false;
    if (client->read_count == RUN_READS_MAX)
        return run_wrong(run, "%s has %u reads under way: more are not counted", client_name(run, step), RUN_READS_MAX);
    if (client->raw)
        return run_wrong(run, "%s is not a client of Gatehouse or the article: use send", client_name(run, step));
    if (!world_call_start(client->device, code_of_read(client), NULL, 0,
                          client->seed ? sizeof(USER_CLASSIFY_REQUEST) : room_of(run, step->value), &call.call,
                          &run->error))
        return false;
    client->reads[client->read_count++] = call;
    run_settle(run);
    return barrier(run) && find_seed_decider(run, client);
}

static void cancel_oldest(struct run_client *client)
{
    struct world_call *call = client->reads[0].call;

    client->reads[0].kept = true; /* others may collect meanwhile */
    world_call_cancel(call);
    for (size_t i = 0; i < client->read_count; i++)
        if (client->reads[i].call == call)
            client->reads[i].kept = false;
}

bool step_cancel(struct run *run, const struct scenario_step *step)
{
    struct run_client *client = client_of(run, step);

    if (!is_open(run, step))
        return false;
    if (client->read_count == 0)
        trace_add(&run->trace, TRACE_STEP, 0, "cancel %s: no read", client_name(run, step));
    else
        cancel_oldest(client);
    run_settle(run);
    return true;
}

static const char *subject_name(const struct run *run, const struct scenario_decision *decision)
{
    return decision->connection == SCENARIO_NOBODY ? "nobody" : run->scenario->connections.text[decision->connection];
}

static uint64_t subject_id(const struct run *run, const struct scenario_decision *decision)
{
    return decision->connection == SCENARIO_NOBODY ? 0x0123456789ABCDEFull : run->connections[decision->connection].id;
}

static bool answer_seed(struct run *run, struct run_client *client, const struct scenario_decision *from)
{
    USER_CLASSIFY_DECISION decision = {subject_id(run, from), from->verdict == GATEHOUSE_VERDICT_BLOCK, 0};
    uint32_t status = 0;
    char room[16];
    size_t size = 0;

    if (!client_control(run, client->device, IOCTL_WFP_SUBMIT_DECISION, &decision, sizeof(decision), NULL, 0, &status,
                        &size))
        return false;
    trace_add(&run->trace, TRACE_STEP, 0, "submit %s %s", subject_name(run, from), status_name(status, room));
    return true;
}

bool step_answer(struct run *run, const struct scenario_step *step)
{
    struct run_client *client = client_of(run, step);
    struct {
        struct gatehouse_decisions header;
        struct gatehouse_decision decision[SCENARIO_BATCH_MAX];
    } input = {{GATEHOUSE_PROTOCOL_VERSION, (uint32_t)step->decision_count}, {{0, 0, 0, 0, 0}}};
    uint32_t statuses[SCENARIO_BATCH_MAX] = {0}, status = 0;
    char room[16];
    size_t size = 0;

    if (!is_open(run, step))
        return false;
    for (size_t i = 0; i < step->decision_count; i++) {
        const struct scenario_decision *from = &step->decisions[i];

        if (client->seed && !answer_seed(run, client, from))
            return false;
        input.decision[i] =
            (struct gatehouse_decision){subject_id(run, from), from->verdict, from->scope, from->lifetime_ms, 0};
    }
    if (client->seed)
        return true;
    if (!client_control(run, client->device, GATEHOUSE_IOCTL_SUBMIT_DECISIONS, &input,
                        sizeof(input.header) + step->decision_count * sizeof(input.decision[0]), statuses,
                        step->decision_count * sizeof(statuses[0]), &status, &size))
        return false;
    if (status != 0)
        trace_add(&run->trace, TRACE_STEP, 0, "submit %s", status_name(status, room));
    for (size_t i = 0; status == 0 && i < size / sizeof(statuses[0]); i++)
        trace_add(&run->trace, TRACE_STEP, 0, "submit %s %s", subject_name(run, &step->decisions[i]),
                  status_name(statuses[i], room));
    return true;
}

bool step_policy(struct run *run, const struct scenario_step *step)
{
    const struct scenario_settings *settings = &step->settings;
    struct gatehouse_policy policy = run->policy;
    uint32_t status = 0;
    char room[16];
    size_t size = 0;

    if (!has_watch(run))
        return false;
    policy.version = GATEHOUSE_PROTOCOL_VERSION;
    if (settings->given[SETTING_DEADLINE])
        policy.deadline_ms = settings->value[SETTING_DEADLINE];
    if (settings->given[SETTING_UNDECIDED])
        policy.undecided = settings->value[SETTING_UNDECIDED];
    if (settings->given[SETTING_NO_DECIDER])
        policy.no_decider = settings->value[SETTING_NO_DECIDER];
    if (!client_control(run, run->watch, GATEHOUSE_IOCTL_SET_POLICY, &policy, sizeof(policy), NULL, 0, &status, &size))
        return false;
    if (status == 0)
        run->policy = policy;
    trace_add(&run->trace, TRACE_STEP, 0, "policy %s", status_name(status, room));
    return true;
}

static void add_counters(struct run *run, const struct gatehouse_status *s)
{
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {
        {"classified", s->classified},
        {"pended", s->pended},
        {"permitted-by-decider", s->permitted_by_decider},
        {"blocked-by-decider", s->blocked_by_decider},
        {"permitted-by-answer", s->permitted_by_answer},
        {"blocked-by-answer", s->blocked_by_answer},
        {"expired", s->expired},
        {"cancelled", s->cancelled},
        {"refused-full", s->refused_full},
        {"refused-memory", s->refused_memory},
        {"refused-no-decider", s->refused_no_decider},
        {"cannot-pend", s->cannot_pend},
        {"reauthorized", s->reauthorized},
        {"requeued", s->requeued},
        {"rejected-input", s->rejected_input},
        {"events-lost", s->events_lost},
    };

    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        if (counters[i].value != 0)
            trace_add(&run->trace, TRACE_STEP, 0, "count %s %llu", counters[i].name,
                      (unsigned long long)counters[i].value);
}

/* What is there now, in one line; the policy; each counter that is not 0. */
bool step_status(struct run *run, const struct scenario_step *step)
{
    static const char *const no_decider[] = {"hold", "permit", "block"};
    struct gatehouse_status s = {0};

    (void)step;
    if (!clients_status(run, &s))
        return false;
    trace_add(&run->trace, TRACE_STEP, 0,
              "status held %u queued %u offered %u answers %u verdicts %u decider %s observers %u", (unsigned)s.held,
              (unsigned)s.queued, (unsigned)s.offered, (unsigned)s.answers, (unsigned)s.verdicts,
              s.decider_pid != 0 ? "yes" : "no", (unsigned)(s.observers - 1));
    trace_add(&run->trace, TRACE_STEP, 0, "status capacity %u deadline %u undecided %s no-decider %s",
              (unsigned)s.capacity, (unsigned)s.policy.deadline_ms, verdict_name(s.policy.undecided),
              s.policy.no_decider < 3 ? no_decider[s.policy.no_decider] : "?");
    add_counters(run, &s);
    return true;
}

/* Until the driver has heard of it. */
static bool wait_gone(struct run *run, const struct scenario_step *step, const struct run_client *gone)
{
    uint32_t observers = 1;

    if (run->watch == NULL || run->settle != NULL) /* an explorer's: others come meanwhile */
        return true;
    for (size_t i = 0; i < run->scenario->clients.count; i++)
        observers += run->clients[i].device != NULL && run->clients[i].observes;
    for (uint32_t waited = 0; waited < RUN_WAIT_MS; waited++) {
        struct gatehouse_status status = {0};

        if (!clients_status(run, &status))
            return false;
        if ((!gone->decides || status.decider_pid == 0) && (!gone->observes || status.observers == observers))
            return true;
        world_advance(1);
    }
    return run_wrong(run, "the driver did not hear that %s is gone", client_name(run, step));
}

/* close and kill. What a killed process read is nobody's. */
bool step_leave(struct run *run, const struct scenario_step *step)
{
    struct run_client *client = client_of(run, step);
    struct run_client gone = *client;
    bool good;

    if (!is_open(run, step))
        return false;
    good = clients_collect(run);
    if (client->raw)
        return raw_leave(run, step) && good;
    gone = *client;
    *client = (struct run_client){0}; /* first: whoever collects meanwhile finds nothing here */
    if (step->kind == STEP_KILL)
        world_device_kill(gone.device);
    else
        world_device_close(gone.device);
    good = wait_gone(run, step, &gone) && good;
    for (size_t i = 0; i < gone.read_count; i++) {
        const void *bytes = NULL;
        uint32_t status = 0;
        size_t size = 0;

        if (!world_call_done(gone.reads[i].call, RUN_WAIT_MS, &status, &bytes, &size)) {
            if (run->watch == NULL)
                continue; /* a driver that loses it, which is told as such */
            return run_wrong(run, "a read of %s did not end with its handle", client_name(run, step));
        }
        if (good && step->kind != STEP_KILL)
            good = end_read(run, step->subject, &gone, &gone.reads[i], status, bytes, size);
        else
            world_call_free(gone.reads[i].call);
    }
    return good;
}

void clients_abandon(struct run *run)
{
    for (size_t i = 0; i < run->scenario->clients.count; i++) {
        struct run_client *client = &run->clients[i];

        if (client->device != NULL)
            world_device_close(client->device);
        for (size_t k = 0; k < client->read_count; k++)
            end_call(client->reads[k].call);
        *client = (struct run_client){0};
    }
    if (run->watch != NULL)
        world_device_close(run->watch);
    if (run->watch_read != NULL)
        end_call(run->watch_read);
    run->watch = NULL;
    run->watch_read = NULL;
}
