/* SPDX-License-Identifier: MIT */
/*
 * ioctl_fuzz.c - rows of opens, device controls, cancels and closes on our driver, with connections held meanwhile.
 *
 * Any code, any lengths, any bytes; mostly the protocol's structures with something wrong. The verifier is on: each
 * broken rule of severity error ends the run. Beside it:
 * - refused input changes nothing and writes nothing (I12): GET_STATUS says the same before and after;
 * - HELLO and SET_POLICY succeed exactly when docs/protocol.md says so, and do what they say;
 * - a decision that was accepted is what its connection's program is told, once (I2, I4, I5);
 * - what is held is what the engine has pended, and within the bound (I3, I7); nothing outlives its deadline;
 * - rules that were refused leave those in force as they were, and what is in force is an image that can be loaded;
 * - unloading leaves nothing, and each connection and each call has ended exactly once (I6, I20, I21).
 * Allocations fail where the input says so.
 */
#include "core/rule_image.h"
#include "gatehouse/protocol.h"
#include "gatehouse/rules.h"
#include "gatehouse/status.h"
#include "nt/internal.h"
#include "nt/verify/report.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_rules.h"
#include "tests/lib/rule_builder.h"
#include "wfp/ale.h"

#include <fwpmk.h>
#include <nt/nt.h>

#include <sched.h>

#define FILES          5u
#define CALLS          40u
#define CONNECTIONS    24u
#define OPERATIONS_MAX 200u
#define INPUT_MAX      4096u
#define OUTPUT_MAX     8192u
#define MS             10000ull
#define TAG            'etaG'

DRIVER_INITIALIZE DriverEntry;

struct file {
    struct nt_file *file;
    ACCESS_MASK access;
    unsigned role; /* 0: said nothing, or speaks as the article's */
};

struct call {
    bool used;
    unsigned file, code, done;
    struct nt_call *call;
    NTSTATUS status;
    size_t information, skip; /* bytes of statuses before requests */
    uint8_t output[OUTPUT_MAX];
};

struct connection {
    bool made, pended, closed;
    unsigned done;
    UINT64 endpoint, flow, id; /* id 0: nobody was offered it */
    enum wfp_outcome outcome;
};

static struct nt_driver *driver;
static struct nt_file *watch;
static struct file files[FILES];
static struct call calls[CALLS];
static struct connection connections[CONNECTIONS];
static UINT64 next_endpoint;
static uint64_t clock_now;
static unsigned fault_in; /* 0: none */
static bool fault_off, faulted;
static struct rule_builder rules; /* the latest image: BEGIN, PUT and ADD send it */
static bool ruled;                /* rules decide, too */

static uint64_t read_clock(void)
{
    return clock_now;
}

static BOOLEAN on_fault(const char *routine, void *context)
{
    (void)routine;
    (void)context;
    if (fault_off || fault_in == 0 || --fault_in != 0)
        return FALSE;
    faulted = true;
    return TRUE;
}

static void on_violation(const struct nt_violation *violation)
{
    const struct nt_rule *rule = nt_rule_find(violation->rule);

    if (rule != NULL && rule->severity != NT_ERROR)
        return;
    fprintf(stderr, "fuzz: broken rule %s by %s: %s\n", violation->rule, violation->routine, violation->detail);
    abort();
}

/* Changes of rules have threads of their own. */
static void settle(void)
{
    for (unsigned long i = 0; nt_threads_left() != 0; i++) {
        fuzz_check(i < 100000000);
        sched_yield();
    }
}

/* --- What the driver says of itself --------------------------------------------------------------------------- */

static struct gatehouse_status status_now(void)
{
    struct gatehouse_status status;
    struct wfp_counts counts;
    size_t size = 0;

    fault_off = true;
    fuzz_check(nt_device_control_wait(watch, GATEHOUSE_IOCTL_GET_STATUS, NULL, 0, &status, sizeof(status), &size, 1) ==
                   STATUS_SUCCESS &&
               size == sizeof(status));
    fault_off = false;
    wfp_count(&counts);
    fuzz_check(status.held == status.queued + status.offered);
    fuzz_check(status.held == counts.pended);
    fuzz_check(status.held <= status.capacity);
    fuzz_check(status.policy.deadline_ms >= GATEHOUSE_DEADLINE_MIN_MS &&
               status.policy.deadline_ms <= GATEHOUSE_DEADLINE_MAX_MS);
    return status;
}

static void check_unchanged(struct gatehouse_status before)
{
    struct gatehouse_status after = status_now();

    fuzz_check(after.rejected_input - before.rejected_input <= 1);
    before.now = after.now;
    before.rejected_input = after.rejected_input;
    fuzz_check(memcmp(&before, &after, sizeof(before)) == 0);
}

/* What is in force can be loaded again. Returns its generation. */
static uint64_t check_rules(void)
{
    static union {
        struct gatehouse_rules_piece piece;
        uint64_t align;
        uint8_t bytes[sizeof(struct gatehouse_rules_piece) + GATEHOUSE_RULES_PUT_MAX];
    } out;
    struct gatehouse_rules_get get = {0, 0};
    struct rule_image_fault fault = {0};
    size_t size = 0;

    fault_off = true;
    fuzz_check(nt_device_control_wait(watch, GATEHOUSE_IOCTL_RULES_GET, &get, sizeof(get), &out, sizeof(out), &size,
                                      10000) == STATUS_SUCCESS);
    settle();
    fault_off = false;
    fuzz_check(size == sizeof(out.piece) + out.piece.size && out.piece.size <= out.piece.total);
    if (out.piece.size == out.piece.total)
        fuzz_check(rule_image_check(out.bytes + sizeof(out.piece), out.piece.size, true, &fault));
    return out.piece.generation;
}

/* --- Answers --------------------------------------------------------------------------------------------------- */

static struct connection *find_id(uint64_t id)
{
    for (unsigned i = 0; i < CONNECTIONS; i++)
        if (id != 0 && connections[i].id == id)
            return &connections[i];
    return NULL;
}

static void read_requests(const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        struct gatehouse_request request;
        struct connection *connection = NULL;

        fuzz_check(size - at >= sizeof(request));
        memcpy(&request, bytes + at, sizeof(request));
        fuzz_check(request.size % 8 == 0 && request.size <= size - at);
        fuzz_check(sizeof(request) + request.path_size <= request.size && request.reserved == 0);
        for (size_t i = at + sizeof(request) + request.path_size; i < at + request.size; i++)
            fuzz_check(bytes[i] == 0);
        for (unsigned i = 0; i < CONNECTIONS && connection == NULL; i++)
            if (connections[i].made && connections[i].endpoint == request.endpoint && !connections[i].done &&
                (connections[i].id == 0 || connections[i].id == request.id))
                connection = &connections[i];
        fuzz_check(connection != NULL && (connection->pended || connection->outcome == WFP_PENDED));
        connection->id = request.id;
        at += request.size;
    }
}

/* Inside the driver's IoCompleteRequest: looks, and calls nobody. */
static void on_done(void *context, NTSTATUS status, const void *output, size_t information)
{
    struct call *call = context;

    call->done++;
    call->status = status;
    call->information = information;
    fuzz_check(call->done == 1 && information <= sizeof(call->output));
    if (information != 0)
        memcpy(call->output, output, information);
    fuzz_check(NT_SUCCESS(status) || information == 0);
    if (call->code == GATEHOUSE_IOCTL_GET_REQUESTS || call->code == GATEHOUSE_IOCTL_SUBMIT_AND_GET) {
        fuzz_check(!NT_SUCCESS(status) || information >= call->skip);
        if (NT_SUCCESS(status))
            read_requests(call->output + call->skip, information - call->skip);
    }
}

/* The request that the article's client got says no endpoint; it is left out of what is known. */
static void release(struct call *call)
{
    nt_call_put(call->call);
    call->used = false;
}

static void release_done(void)
{
    for (unsigned i = 0; i < CALLS; i++)
        if (calls[i].used && calls[i].done != 0)
            release(&calls[i]);
}

/* --- Calls ----------------------------------------------------------------------------------------------------- */

static const uint32_t codes[] = {GATEHOUSE_IOCTL_HELLO,
                                 GATEHOUSE_IOCTL_GET_REQUESTS,
                                 GATEHOUSE_IOCTL_GET_REQUESTS,
                                 GATEHOUSE_IOCTL_SUBMIT_DECISIONS,
                                 GATEHOUSE_IOCTL_SUBMIT_DECISIONS,
                                 GATEHOUSE_IOCTL_SUBMIT_AND_GET,
                                 GATEHOUSE_IOCTL_SET_POLICY,
                                 GATEHOUSE_IOCTL_GET_STATUS,
                                 GATEHOUSE_IOCTL_READ_EVENTS,
                                 GATEHOUSE_IOCTL_RULES_BEGIN,
                                 GATEHOUSE_IOCTL_RULES_PUT,
                                 GATEHOUSE_IOCTL_RULES_COMMIT,
                                 GATEHOUSE_IOCTL_RULES_ADD,
                                 GATEHOUSE_IOCTL_RULES_REMOVE,
                                 GATEHOUSE_IOCTL_RULES_GET,
                                 IOCTL_WFP_GET_NEXT_REQUEST,
                                 IOCTL_WFP_SUBMIT_DECISION};

static uint64_t take_id(struct fuzz_bytes *in)
{
    unsigned which = fuzz_byte(in);

    return which < 192 ? connections[which % CONNECTIONS].id : which < 208 ? which : fuzz_number(in, 8);
}

static size_t put_decisions(struct fuzz_bytes *in, uint8_t *bytes)
{
    struct gatehouse_decisions head = {GATEHOUSE_PROTOCOL_VERSION, fuzz_below(in, 6)};
    size_t size = sizeof(head);

    memcpy(bytes, &head, sizeof(head));
    for (unsigned i = 0; i < head.count; i++, size += sizeof(struct gatehouse_decision)) {
        unsigned bits = fuzz_byte(in);
        struct gatehouse_decision decision = {.id = take_id(in),
                                              .verdict = (bits & 7) == 7 ? bits >> 3 : 1 + (bits & 1),
                                              .scope = bits < 192 ? 0 : (bits >> 3) % 4,
                                              .lifetime_ms = bits < 200 ? 0 : fuzz_below(in, 2000),
                                              .until = bits < 216 ? 0 : bits % 5};

        memcpy(bytes + size, &decision, sizeof(decision));
    }
    return size;
}

/* The image, or as much of it as fits, or with another code less. */
static size_t put_rules(struct fuzz_bytes *in, uint32_t code, uint8_t *bytes)
{
    unsigned bits = fuzz_byte(in);
    struct gatehouse_rules_begin begin = {GATEHOUSE_PROTOCOL_VERSION, (uint32_t)rules.size, bits % 8 == 7, 0};
    struct gatehouse_rules_get get = {bits & 3, bits >> 2};
    uint64_t id = rules.rule_count != 0 ? builder_rule_at(&rules, bits % rules.rule_count)->id : bits;
    size_t size = rules.size < INPUT_MAX ? rules.size : INPUT_MAX;

    switch (code) {
    case GATEHOUSE_IOCTL_RULES_BEGIN:
        memcpy(bytes, &begin, sizeof(begin));
        return sizeof(begin);
    case GATEHOUSE_IOCTL_RULES_PUT:
    case GATEHOUSE_IOCTL_RULES_ADD:
        if (size != 0)
            memcpy(bytes, rules.image, size);
        return size;
    case GATEHOUSE_IOCTL_RULES_REMOVE:
        memcpy(bytes, &id, sizeof(id));
        return sizeof(id);
    case GATEHOUSE_IOCTL_RULES_GET:
        memcpy(bytes, &get, sizeof(get));
        return sizeof(get);
    default:
        return 0;
    }
}

/* The structure that belongs to the code. */
static size_t put_structure(struct fuzz_bytes *in, uint32_t code, uint8_t *bytes)
{
    unsigned bits = fuzz_byte(in);
    struct gatehouse_hello hello = {GATEHOUSE_PROTOCOL_VERSION, bits % 4 == 3 ? bits : 1 + bits % 2, 0};
    struct gatehouse_policy policy = {GATEHOUSE_PROTOCOL_VERSION, 100 + (bits << 9), 1 + bits % 2, (bits >> 2) % 4, 0};
    USER_CLASSIFY_DECISION seed = {0, bits & 1, 0};

    switch (code) {
    case GATEHOUSE_IOCTL_HELLO:
        memcpy(bytes, &hello, sizeof(hello));
        return sizeof(hello);
    case GATEHOUSE_IOCTL_SET_POLICY:
        memcpy(bytes, &policy, sizeof(policy));
        return sizeof(policy);
    case GATEHOUSE_IOCTL_SUBMIT_DECISIONS:
    case GATEHOUSE_IOCTL_SUBMIT_AND_GET:
        return put_decisions(in, bytes);
    case GATEHOUSE_IOCTL_NAMES_LEARNED:
        return fuzz_put_names(in, bytes);
    case IOCTL_WFP_SUBMIT_DECISION:
        seed.RequestId = take_id(in);
        memcpy(bytes, &seed, sizeof(seed));
        return sizeof(seed);
    default:
        return put_rules(in, code, bytes);
    }
}

static size_t put_input(struct fuzz_bytes *in, uint32_t code, uint8_t *bytes)
{
    unsigned how = fuzz_byte(in);
    const uint8_t *raw;
    size_t size;

    if (how >= 224) {
        size = fuzz_take(in, fuzz_below(in, INPUT_MAX), &raw);
        memcpy(bytes, raw, size);
        return size;
    }
    size = put_structure(in, code, bytes);
    if (how >= 160 && size != 0)
        bytes[fuzz_below(in, (unsigned)size)] = fuzz_byte(in);
    if (how >= 192)
        size = fuzz_below(in, (unsigned)size + 16);
    return size;
}

static bool may(ACCESS_MASK access, uint32_t code)
{
    uint32_t wanted = code >> 14 & 3;

    return ((wanted & GATEHOUSE_READ_ACCESS) == 0 || (access & GENERIC_READ) != 0) &&
           ((wanted & GATEHOUSE_WRITE_ACCESS) == 0 || (access & GENERIC_WRITE) != 0);
}

static void check_hello(struct file *file, uint64_t process, const struct gatehouse_hello *hello, bool fits,
                        const struct gatehouse_status *before, NTSTATUS status)
{
    bool good =
        fits && hello->version == GATEHOUSE_PROTOCOL_VERSION && hello->reserved == 0 && file->role == 0 &&
        (hello->role == GATEHOUSE_ROLE_OBSERVER || (hello->role == GATEHOUSE_ROLE_DECIDER && before->decider_pid == 0));
    struct gatehouse_status after = status_now();

    fuzz_check(NT_SUCCESS(status) == good || faulted);
    if (!NT_SUCCESS(status))
        return;
    file->role = hello->role;
    if (hello->role == GATEHOUSE_ROLE_DECIDER)
        fuzz_check(after.decider_pid == process);
    else
        fuzz_check(after.observers == before->observers + 1);
}

static void check_policy(const struct file *file, const struct gatehouse_policy *policy, bool fits, NTSTATUS status)
{
    bool good = fits && (file->role == GATEHOUSE_ROLE_DECIDER || file->role == GATEHOUSE_ROLE_OBSERVER) &&
                policy->version == GATEHOUSE_PROTOCOL_VERSION && policy->deadline_ms >= GATEHOUSE_DEADLINE_MIN_MS &&
                policy->deadline_ms <= GATEHOUSE_DEADLINE_MAX_MS && policy->undecided >= 1 && policy->undecided <= 2 &&
                policy->no_decider <= 2 && policy->reserved == 0;
    struct gatehouse_status after = status_now();

    fuzz_check(NT_SUCCESS(status) == good);
    fuzz_check(!good || memcmp(&after.policy, policy, sizeof(*policy)) == 0);
}

/* What was accepted is what the program was told. */
static void check_decisions(const uint8_t *input, const struct call *call, const bool held[CONNECTIONS])
{
    struct gatehouse_decisions head;

    memcpy(&head, input, sizeof(head));
    fuzz_check(call->information >= head.count * sizeof(uint32_t));
    for (unsigned i = 0; i < head.count; i++) {
        struct gatehouse_decision decision;
        uint32_t status;

        memcpy(&decision, input + sizeof(head) + i * sizeof(decision), sizeof(decision));
        memcpy(&status, call->output + i * sizeof(status), sizeof(status));
        struct connection *connection = find_id(decision.id);
        if (status != 0)
            continue;
        fuzz_check(connection != NULL && held[connection - connections] && connection->done == 1);
        fuzz_check(connection->closed || ruled ||
                   connection->outcome == (decision.verdict == GATEHOUSE_VERDICT_PERMIT ? WFP_PERMIT : WFP_BLOCK));
    }
}

static void note_held(bool held[CONNECTIONS])
{
    for (unsigned i = 0; i < CONNECTIONS; i++)
        held[i] = connections[i].pended && connections[i].done == 0;
}

static void check_call(struct call *call, const uint8_t *input, size_t size, size_t room,
                       const struct gatehouse_status *before, const bool held[CONNECTIONS])
{
    struct file *file = &files[call->file];
    bool allowed = may(file->access, call->code);

    if (!NT_SUCCESS(call->status))
        check_unchanged(*before);
    else
        fuzz_check(allowed && call->information <= room);
    if (call->code == GATEHOUSE_IOCTL_HELLO) {
        struct gatehouse_hello hello = {0};

        memcpy(&hello, input, size < sizeof(hello) ? size : sizeof(hello));
        check_hello(file, 100 + call->file, &hello, size == sizeof(hello) && room >= sizeof(hello), before,
                    call->status);
    } else if (call->code == GATEHOUSE_IOCTL_SET_POLICY) {
        struct gatehouse_policy policy = {0};

        memcpy(&policy, input, size < sizeof(policy) ? size : sizeof(policy));
        check_policy(file, &policy, size == sizeof(policy) && allowed, call->status);
    } else if (NT_SUCCESS(call->status) && call->code == IOCTL_WFP_GET_NEXT_REQUEST) {
        file->role = 3;
    } else if (NT_SUCCESS(call->status) &&
               (call->code == GATEHOUSE_IOCTL_SUBMIT_DECISIONS || call->code == GATEHOUSE_IOCTL_SUBMIT_AND_GET)) {
        check_decisions(input, call, held);
    }
}

static bool changes_rules(uint32_t code)
{
    return code == GATEHOUSE_IOCTL_RULES_COMMIT || code == GATEHOUSE_IOCTL_RULES_ADD ||
           code == GATEHOUSE_IOCTL_RULES_REMOVE;
}

static void control(unsigned slot, uint32_t code, const uint8_t *input, size_t size, size_t room)
{
    unsigned at = 0;
    bool held[CONNECTIONS];
    uint64_t generation;

    while (at < CALLS && calls[at].used)
        at++;
    if (at == CALLS || files[slot].file == NULL)
        return;
    struct call *call = &calls[at];
    generation = check_rules();
    struct gatehouse_status before = status_now();
    memset(call, 0, offsetof(struct call, output));
    call->used = true;
    call->file = slot;
    call->code = code;
    if (code == GATEHOUSE_IOCTL_SUBMIT_AND_GET && size >= 8)
        call->skip = GATEHOUSE_STATUSES_SIZE((size_t)input[4] | (size_t)input[5] << 8);
    note_held(held);
    faulted = false;
    uint8_t *exact = malloc(size + 1);
    fuzz_check(exact != NULL);
    memcpy(exact, input, size);
    nt_device_control(files[slot].file, code, exact, size, room, on_done, call, &call->call);
    free(exact);
    settle();
    if (check_rules() != generation)
        ruled = true;
    fuzz_check(call->done != 0 || !changes_rules(code));
    if (call->done != 0) {
        if (changes_rules(code))
            fuzz_check(NT_SUCCESS(call->status) == (check_rules() != generation));
        check_call(call, input, size, room, &before, held);
        release(call);
    } else if (code == IOCTL_WFP_GET_NEXT_REQUEST) {
        files[slot].role = 3;
    }
}

/* BEGIN, PUT in pieces, COMMIT. */
static void do_load(struct fuzz_bytes *in)
{
    unsigned slot = fuzz_below(in, FILES), bits = fuzz_byte(in);
    struct gatehouse_rules_begin begin = {GATEHOUSE_PROTOCOL_VERSION, (uint32_t)rules.size, bits % 8 == 7, 0};
    size_t piece = bits < 192 ? INPUT_MAX : 8 + bits;

    control(slot, GATEHOUSE_IOCTL_RULES_BEGIN, (const uint8_t *)&begin, sizeof(begin), 0);
    for (size_t at = 0; at < rules.size; at += piece)
        control(slot, GATEHOUSE_IOCTL_RULES_PUT, rules.image + at, rules.size - at < piece ? rules.size - at : piece,
                0);
    control(slot, GATEHOUSE_IOCTL_RULES_COMMIT, (const uint8_t *)"", 0, 0);
}

static void do_control(struct fuzz_bytes *in)
{
    static const size_t rooms[] = {0, 16, 24, 176, 216, 600, OUTPUT_MAX};
    unsigned slot = fuzz_below(in, FILES), which = fuzz_byte(in);
    uint32_t code = which < 232   ? codes[which % (sizeof(codes) / sizeof(codes[0]))]
                    : which < 240 ? GATEHOUSE_IOCTL_NAMES_LEARNED
                                  : (uint32_t)fuzz_number(in, 4);
    unsigned how = fuzz_byte(in);
    size_t room = how < 128 ? OUTPUT_MAX : how < 240 ? rooms[how % 7] : fuzz_below(in, OUTPUT_MAX);
    uint8_t input[INPUT_MAX + 16] = {0};
    size_t size = put_input(in, code, input);

    control(slot, code, input, size, room);
}

static void do_open(struct fuzz_bytes *in)
{
    static const ACCESS_MASK accesses[] = {GENERIC_READ | GENERIC_WRITE,
                                           GENERIC_READ | GENERIC_WRITE,
                                           GENERIC_READ | GENERIC_WRITE,
                                           GENERIC_READ | GENERIC_WRITE,
                                           GENERIC_READ,
                                           GENERIC_WRITE,
                                           0,
                                           GENERIC_READ | GENERIC_WRITE};
    unsigned slot = fuzz_below(in, FILES), bits = fuzz_byte(in);
    struct nt_caller caller = {100 + slot, bits < 240};
    struct file *file = &files[slot];

    if (file->file != NULL)
        return;
    *file = (struct file){NULL, accesses[bits % 8], 0};
    faulted = false;
    NTSTATUS status = nt_file_open(bits % 16 < 12 ? "\\\\.\\Gatehouse" : "\\\\.\\SampleWfpCallout", file->access,
                                   &caller, &file->file);
    fuzz_check(NT_SUCCESS(status) == caller.administrator || faulted);
    if (!NT_SUCCESS(status))
        file->file = NULL;
}

static void close_file(unsigned slot)
{
    if (files[slot].file == NULL)
        return;
    nt_file_close(files[slot].file);
    files[slot].file = NULL;
    for (unsigned i = 0; i < CALLS; i++)
        fuzz_check(!calls[i].used || calls[i].file != slot || calls[i].done == 1);
    release_done();
}

static void do_cancel(struct fuzz_bytes *in)
{
    struct call *call = &calls[fuzz_below(in, CALLS)];

    if (!call->used)
        return;
    nt_call_cancel(call->call);
    fuzz_check(call->done == 1);
    release(call);
}

/* --- Connections ----------------------------------------------------------------------------------------------- */

static void on_decided(void *context, const struct wfp_decision *decision)
{
    struct connection *connection = context;

    fuzz_check(++connection->done == 1);
    connection->outcome = decision->outcome;
    connection->flow = decision->flow;
}

static void do_connect(struct fuzz_bytes *in)
{
    static uint8_t path[] = {'/', 0, 'b', 0, 'i', 0, 'n', 0, '/', 0, 'a', 0, 0, 0};
    unsigned slot = 0, bits = fuzz_byte(in), more = fuzz_byte(in);
    FWP_BYTE_BLOB app_id = {more % 16 < 12 ? sizeof(path) : more % 15, path};
    struct wfp_ale_connect connect = {.ip_version = (bits & 1) != 0 ? 6 : 4,
                                      .protocol = (bits & 2) != 0 ? 17 : 6,
                                      .local_port = 4000,
                                      .remote_port = (UINT16)(bits >> 5),
                                      .remote_address = {192, 0, 2, (UINT8)(more >> 6)},
                                      .endpoint = ++next_endpoint,
                                      .has_process = (bits & 4) == 0,
                                      .process_id = 7,
                                      .app_id = (bits & 8) == 0 ? &app_id : NULL,
                                      .condition_flags = bits % 32 == 31 ? FWP_CONDITION_FLAG_IS_LOOPBACK : 0};
    struct wfp_decision decision;

    while (slot < CONNECTIONS && connections[slot].made &&
           (connections[slot].flow != 0 || (connections[slot].pended && connections[slot].done == 0)))
        slot++;
    if (slot == CONNECTIONS)
        return;
    struct connection *connection = &connections[slot];
    *connection = (struct connection){.made = true, .endpoint = connect.endpoint, .outcome = WFP_PENDED};
    wfp_ale_connect(&connect, on_decided, connection, &decision);
    connection->pended = decision.outcome == WFP_PENDED;
    if (!connection->pended) {
        fuzz_check(connection->done == 0);
        connection->done = 1;
        connection->outcome = decision.outcome;
        connection->flow = decision.flow;
    }
}

static void do_flow(struct fuzz_bytes *in)
{
    struct connection *connection = &connections[fuzz_below(in, CONNECTIONS)];
    unsigned how = fuzz_byte(in);
    struct wfp_decision decision;
    BOOLEAN again;

    if (!connection->made)
        return;
    if (how < 96 && connection->flow != 0) {
        wfp_ale_flow_established(connection->flow);
        wfp_ale_flow_packet(connection->flow, how % 2 == 0, NULL, &decision, &again);
        if (decision.outcome != WFP_PERMIT)
            connection->flow = 0;
    } else if (how < 128) {
        wfp_ale_flow_end(connection->flow);
        connection->flow = 0;
    } else {
        wfp_ale_endpoint_closed(connection->endpoint);
        connection->closed = true;
        connection->flow = 0;
        fuzz_check(!connection->pended || connection->done == 1); /* the driver hears of it, and decides */
    }
}

/* Somebody adds and deletes a filter that nothing meets: every flow is asked about again. */
static void do_filters(void)
{
    static wchar_t name[] = L"fuzz";
    FWPM_FILTER_CONDITION0 never = {FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_EQUAL, {.type = FWP_UINT8, .uint8 = 250}};
    FWPM_FILTER0 filter = {.displayData.name = name,
                           .layerKey = FWPM_LAYER_ALE_AUTH_CONNECT_V4,
                           .numFilterConditions = 1,
                           .filterCondition = &never,
                           .action.type = FWP_ACTION_BLOCK};
    HANDLE session;
    UINT64 id;

    fault_off = true;
    fuzz_check(NT_SUCCESS(FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &session)));
    fuzz_check(NT_SUCCESS(FwpmFilterAdd0(session, &filter, NULL, &id)));
    fuzz_check(NT_SUCCESS(FwpmFilterDeleteById0(session, id)));
    fuzz_check(NT_SUCCESS(FwpmEngineClose0(session)));
    fault_off = false;
}

static void do_time(struct fuzz_bytes *in)
{
    unsigned how = fuzz_byte(in);

    clock_now += how == 255 ? (GATEHOUSE_DEADLINE_MAX_MS + 1000) * MS : (how + 1) * 20 * MS;
    nt_pump();
    if (how == 255)
        fuzz_check(status_now().held == 0);
}

/* --- The run --------------------------------------------------------------------------------------------------- */

static void perform(struct fuzz_bytes *in)
{
    switch (fuzz_below(in, 16)) {
    case 0:
    case 1:
        do_open(in);
        break;
    case 2:
        if (fuzz_byte(in) % 4 == 0)
            close_file(fuzz_below(in, FILES));
        break;
    case 3:
        do_cancel(in);
        break;
    case 4:
    case 5:
    case 6:
        do_connect(in);
        break;
    case 7:
        do_flow(in);
        break;
    case 8:
        do_filters();
        break;
    case 9:
        do_time(in);
        break;
    case 10:
        fault_in = fuzz_byte(in) % 32;
        break;
    case 11:
        fuzz_rules(in, &rules);
        break;
    case 12:
        do_load(in);
        break;
    default:
        do_control(in);
        break;
    }
}

static bool start(struct fuzz_bytes *in)
{
    unsigned bits = fuzz_byte(in);
    struct nt_registry_value values[] = {
        {"Capacity", 1 + bits % 12}, {"NoDecider", bits / 16 % 4 % 3}, {"HoldLoopback", bits >> 7}};
    struct nt_caller caller = {1, TRUE};
    struct gatehouse_hello hello = {GATEHOUSE_PROTOCOL_VERSION, GATEHOUSE_ROLE_OBSERVER, 0};

    memset(files, 0, sizeof(files));
    memset(calls, 0, sizeof(calls));
    memset(connections, 0, sizeof(connections));
    clock_now = 36000000000ull;
    next_endpoint = 0;
    fault_in = 0;
    ruled = false;
    builder_begin(&rules);
    nt_verify_clear();
    nt_set_clock(read_clock);
    nt_set_violation_handler(on_violation);
    nt_set_fault(on_fault, NULL);
    fuzz_check(nt_driver_load("gatehouse", DriverEntry, values, 3, &driver) == STATUS_SUCCESS);
    fuzz_check(nt_file_open("\\\\.\\Gatehouse", GENERIC_READ | GENERIC_WRITE, &caller, &watch) == STATUS_SUCCESS);
    return nt_device_control_wait(watch, GATEHOUSE_IOCTL_HELLO, &hello, sizeof(hello), &hello, sizeof(hello), NULL,
                                  1) == STATUS_SUCCESS;
}

static void end(void)
{
    struct wfp_counts counts;
    size_t bytes, blocks;

    fault_in = 0;
    for (unsigned slot = 0; slot < FILES; slot++)
        close_file(slot);
    nt_file_close(watch);
    nt_driver_unload(driver);
    builder_free(&rules);
    for (unsigned i = 0; i < CONNECTIONS; i++)
        fuzz_check(!connections[i].made || connections[i].done == 1);
    wfp_count(&counts);
    fuzz_check(counts.sessions + counts.providers + counts.sublayers + counts.callouts + counts.filters +
                   counts.registered_callouts + counts.pended ==
               0);
    nt_pool_usage(TAG, &bytes, &blocks);
    fuzz_check(blocks == 0);
    wfp_reset();
    nt_set_fault(NULL, NULL);
    nt_set_violation_handler(NULL);
    nt_set_clock(NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes in = {data, size};

    nt_verify_on = true;
    fuzz_check(start(&in));
    for (unsigned count = 0; count < OPERATIONS_MAX && in.left != 0; count++) {
        perform(&in);
        release_done();
        (void)status_now();
    }
    end();
    nt_verify_on = false;
    return 0;
}
