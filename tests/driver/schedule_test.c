/* SPDX-License-Identifier: MIT */
/*
 * schedule_test.c - the driver, compiled for the lab, under the scheduler: connections, a decider and the deadline in
 * thousands of orders. Each connection ends once, nothing is left, no rule is broken; a seed gives one trace.
 */
#include "driver_fixture.h"

#include "nt/sanitize.h"
#include "nt/verify/scheduler.h"
#include "tests/lib/violations.h"

#include <unistd.h>

#define CONNECTIONS 2
#define DEADLINE_MS 100

static struct fixture_connection connections[CONNECTIONS];
static uint32_t ended[CONNECTIONS + 1];
static struct nt_file *decider;
static unsigned wrong; /* the first line that was, 0: none */
static unsigned permitted, blocked, timed_out;

/* On a fiber nothing may jump away, as cmocka's asserts do. */
#define check(good) check_at((good), __LINE__)
static void check_at(bool good, unsigned line)
{
    if (!good && wrong == 0)
        wrong = line;
}

static NTSTATUS control(uint32_t code, const void *input, size_t input_size, void *output, size_t output_size,
                        size_t *information, unsigned timeout_ms)
{
    return nt_device_control_wait(decider, code, input, input_size, output, output_size, information, timeout_ms);
}

static void connect_once(void *context)
{
    struct fixture_connection *connection = context;
    size_t index = (size_t)(connection - connections);
    BOOLEAN reauthorized;
    struct wfp_decision decision;

    fixture_connect_to(connection, 100 + index, &(struct fixture_connect){.remote_last = (uint8_t)index});
    if (connection->first.outcome == WFP_PENDED)
        check(nt_schedule_wait((const uint32_t *)(const void *)&connection->done));
    if (connection->final.outcome == WFP_PERMIT) {
        permitted++;
        wfp_ale_flow_established(connection->final.flow);
        wfp_ale_flow_packet(connection->final.flow, TRUE, NULL, &decision, &reauthorized);
        check(decision.outcome == WFP_PERMIT);
    } else {
        blocked++;
    }
    wfp_ale_endpoint_closed(connection->endpoint);
    ended[index] = 1;
}

static void decide(const struct gatehouse_request *request)
{
    struct {
        struct gatehouse_decisions header;
        struct gatehouse_decision decision;
    } input = {{GATEHOUSE_PROTOCOL_VERSION, 1}, {request->id, GATEHOUSE_VERDICT_PERMIT, 0, 0, 0}};
    uint32_t status = 0;

    check(control(GATEHOUSE_IOCTL_SUBMIT_DECISIONS, &input, sizeof(input), &status, sizeof(status), NULL, 1000) ==
          STATUS_SUCCESS);
    if (status != 0) {
        check(status == GATEHOUSE_E_UNKNOWN_ID || status == GATEHOUSE_E_ALREADY_DECIDED);
        timed_out++;
    }
}

static void decide_all(void *unused)
{
    static uint8_t buffer[8192];

    (void)unused;
    while (ended[0] == 0 || ended[1] == 0) {
        size_t size = 0;
        NTSTATUS status = control(GATEHOUSE_IOCTL_GET_REQUESTS, NULL, 0, buffer, sizeof(buffer), &size, 20);

        check(status == STATUS_SUCCESS || status == STATUS_CANCELLED);
        for (size_t offset = 0; status == STATUS_SUCCESS && offset < size;) {
            struct gatehouse_request request;

            memcpy(&request, buffer + offset, sizeof(request));
            decide(&request);
            offset += request.size;
        }
    }
    ended[CONNECTIONS] = 1;
}

static void play(void *unused)
{
    struct nt_caller caller = {2, TRUE};
    struct gatehouse_hello hello = {GATEHOUSE_PROTOCOL_VERSION, GATEHOUSE_ROLE_DECIDER, 0};
    struct gatehouse_policy policy = {GATEHOUSE_PROTOCOL_VERSION, DEADLINE_MS, GATEHOUSE_VERDICT_BLOCK,
                                      GATEHOUSE_NO_DECIDER_HOLD, 0};
    struct nt_driver *driver;

    (void)unused;
    memset(ended, 0, sizeof(ended));
    memset(connections, 0, sizeof(connections));
    check(nt_driver_load("gatehouse", DriverEntry, NULL, 0, &driver) == STATUS_SUCCESS);
    check(nt_file_open("\\\\.\\Gatehouse", GENERIC_READ | GENERIC_WRITE, &caller, &decider) == STATUS_SUCCESS);
    check(control(GATEHOUSE_IOCTL_HELLO, &hello, sizeof(hello), &hello, sizeof(hello), NULL, 1000) == STATUS_SUCCESS);
    check(control(GATEHOUSE_IOCTL_SET_POLICY, &policy, sizeof(policy), NULL, 0, NULL, 1000) == STATUS_SUCCESS);
    nt_schedule_spawn("connect-1", connect_once, &connections[0]);
    nt_schedule_spawn("connect-2", connect_once, &connections[1]);
    nt_schedule_spawn("decider", decide_all, NULL);
    for (size_t index = 0; index <= CONNECTIONS; index++)
        check(nt_schedule_wait(&ended[index]));
    nt_file_close(decider);
    nt_driver_unload(driver);
    wfp_reset();
}

/* --- Traces ------------------------------------------------------------------------------------------- */

static uint64_t trace_hash;

static void trace_add(const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        trace_hash = (trace_hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3ull;
}

static void trace(void *context, uint32_t point, const char *fiber, const char *routine, uint64_t time)
{
    (void)context;
    trace_add(&point, sizeof(point));
    trace_add(fiber, strlen(fiber));
    trace_add(routine, strlen(routine));
    trace_add(&time, sizeof(time));
}

static struct nt_schedule_result run(const struct nt_schedule_options *given)
{
    struct nt_schedule_options with_trace = *given;
    const struct nt_schedule_options *options = &with_trace;
    struct nt_schedule_result result;

    with_trace.trace = trace;
    trace_hash = 0xcbf29ce484222325ull;
    wrong = 0;
    violations_record();
    nt_schedule(options, play, NULL, &result);
    nt_reset();
    if (wrong != 0 || violations_seen.count != 0 || result.stuck || result.abandoned)
        print_error("seed %llu: line %u wrong, stuck %d; %u violations, %s in %s: %s\n",
                    (unsigned long long)options->seed, wrong, result.stuck, violations_seen.count, violations_seen.rule,
                    violations_seen.routine, violations_seen.detail);
    violations_none();
    assert_int_equal(wrong, 0);
    assert_false(result.stuck);
    assert_false(result.abandoned);
    for (size_t i = 0; i < CONNECTIONS; i++)
        assert_true(connections[i].done == (connections[i].first.outcome == WFP_PENDED));
    return result;
}

static void two_connections_race_with_a_deadline(void **state)
{
    static const enum nt_strategy strategies[] = {NT_RANDOM_WALK, NT_PRIORITIES};
    uint64_t points = 0;

    (void)state;
    permitted = blocked = timed_out = 0;
    for (uint64_t seed = 0; seed < 2000; seed++)
        points += run(&(struct nt_schedule_options){
                          .strategy = strategies[seed % 2], .seed = seed, .preemptions = 1 + seed % 5})
                      .points;
    print_message("%u permitted, %u blocked, %u answers too late, %llu points\n", permitted, blocked, timed_out,
                  (unsigned long long)points);
    assert_true(permitted > 100 && blocked > 100 && timed_out > 10);
}

static void a_seed_is_a_trace(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 100; seed++) {
        struct nt_schedule_options options = {.strategy = NT_RANDOM_WALK, .seed = seed};
        (void)run(&options);
        uint64_t first = trace_hash;
        struct nt_schedule_result result = run(&options);
        assert_true(trace_hash == first);
        options.strategy = NT_REPLAY;
        options.choices = result.choices;
        options.choice_count = result.choice_count;
        (void)run(&options);
        assert_true(trace_hash == first);
    }
}

static size_t resident_kib(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*s %zu", &pages), 1); /* NOLINT(cert-err34-c): the kernel's number */
    fclose(file);
    return pages * 4;
}

/* Nothing of a run is left to the next, nor does memory grow. */
static void ten_thousand_runs_are_one(void **state)
{
    static const struct nt_schedule_options other = {.strategy = NT_PRIORITIES, .seed = 8, .preemptions = 3};
    static const struct nt_schedule_options same = {.strategy = NT_RANDOM_WALK, .seed = 7};
    uint64_t first;
    size_t before = 0;

    (void)state;
    (void)run(&same);
    first = trace_hash;
    for (unsigned i = 2; i < (NT_SLOWED ? 300 : 10000); i++) {
        (void)run(i % 2 == 0 ? &other : &same);
        if (i == 2000)
            before = resident_kib();
    }
    (void)run(&same);
    assert_true(trace_hash == first);
    if (!NT_SLOWED)
        assert_true(resident_kib() < before + 1024);
}

/* Another address space, other process and thread ids: this program once more, which prints its hash. */
static uint64_t hash_elsewhere(const char *program)
{
    char line[64] = "", command[600];
    snprintf(command, sizeof(command), "'%s' --hash", program);
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): its own name */
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof(line), pipe));
    pclose(pipe);
    return strtoull(line, NULL, 16);
}

static uint64_t hash_of_some(void)
{
    uint64_t all = 0;

    for (uint64_t seed = 500; seed < 520; seed++) {
        (void)run(&(struct nt_schedule_options){.strategy = NT_RANDOM_WALK, .seed = seed});
        all = all * 31 + trace_hash;
    }
    return all;
}

static char own_path[512];

static void another_process_gives_the_same_trace(void **state)
{
    (void)state;
    uint64_t here = hash_of_some();
    assert_true(hash_elsewhere(own_path) == here);
    assert_true(hash_elsewhere(own_path) == here);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_is_a_trace),
        cmocka_unit_test(two_connections_race_with_a_deadline),
        cmocka_unit_test(ten_thousand_runs_are_one),
        cmocka_unit_test(another_process_gives_the_same_trace),
    };
    ssize_t size = readlink("/proc/self/exe", own_path, sizeof(own_path) - 1);
    if (size < 0)
        return 1;
    if (count > 1 && strcmp(arguments[1], "--hash") == 0) {
        printf("%llx\n", (unsigned long long)hash_of_some());
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
