/* SPDX-License-Identifier: MIT */
/*
 * stress_test.c - everybody at once: connectors, closers, deciders that die, observers, cancelled reads, deadlines.
 *
 * Even endpoints belong to a program that the decider always blocks, odd ones to one it always
 * permits; so whatever happens, an even one is never permitted. Each connection ends exactly once.
 * Made for TSan and ASan; also run plain, and, shorter, under the scheduler.
 */
#include "driver_fixture.h"

#include "nt/verify/scheduler.h"
#include "tests/lib/threads.h"

#define CONNECTORS 2
#define EACH       6000
#define SCHEDULED  120 /* of EACH, on a fiber */
#define RECENT     40
#define LINGER     500 /* every so many stays until the end */

static _Atomic bool stop;
static struct fixture_connection connections[CONNECTORS][EACH];
static _Atomic unsigned wrong, permitted, blocked;
static int each;

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

static void end_connection(struct fixture_connection *c, uint32_t *random)
{
    if (c->first.outcome == WFP_PERMIT || (c->done != 0 && c->final.outcome == WFP_PERMIT)) {
        struct wfp_decision decision;
        BOOLEAN reauthorized;
        if (next_random(random) % 2)
            wfp_ale_flow_established(c->final.flow);
        wfp_ale_flow_packet(c->final.flow, FALSE, NULL, &decision, &reauthorized);
    }
    wfp_ale_endpoint_closed(c->endpoint);
}

static void connector(void *argument)
{
    unsigned self = (unsigned)(uintptr_t)argument;
    uint32_t random = self + 1;

    for (int i = 0; i < each; i++) {
        UINT64 endpoint = fixture_endpoint();
        fixture_connect_to(&connections[self][i], endpoint,
                           &(struct fixture_connect){.program = endpoint % 2 ? "/bin/odd" : "/bin/even",
                                                     .remote_last = (uint8_t)(next_random(&random) % 4),
                                                     .ip_version = next_random(&random) % 2 ? 6 : 4});
        if (i >= RECENT && (i - RECENT) % LINGER != 0)
            end_connection(&connections[self][i - RECENT], &random);
        if (i % 4 == 0)
            thread_sleep(300);
    }
}

static uint32_t verdict_of(const struct gatehouse_request *request)
{
    return request->endpoint % 2 ? GATEHOUSE_VERDICT_PERMIT : GATEHOUSE_VERDICT_BLOCK;
}

static void decide_one(struct nt_file *file, const struct gatehouse_request *request, uint32_t *random)
{
    uint32_t scope = next_random(random) % 60 == 0 ? 1 : 0;
    uint32_t status = fixture_decide(file, request->id, verdict_of(request), scope, scope == 0 ? 0 : 20);

    if (status != 0 && status != GATEHOUSE_E_UNKNOWN_ID && status != GATEHOUSE_E_ALREADY_DECIDED)
        atomic_fetch_add(&wrong, 1);
}

/* Decides for a while, dies with requests in hand and reads waiting, comes back. */
static void decider(void *argument)
{
    struct fixture_call *call = calloc(1, sizeof(*call));
    uint32_t random = 77;

    (void)argument;
    while (!stop) {
        struct nt_file *file = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
        uint64_t last = 0;
        uint32_t last_verdict = 0;
        for (unsigned round = next_random(&random) % 60; round != 0 && !stop; round--) {
            struct {
                struct gatehouse_decisions head;
                struct gatehouse_decision one;
            } input = {{GATEHOUSE_PROTOCOL_VERSION, 1}, {last, last_verdict, 0, 0, 0}};
            bool both = last != 0 && next_random(&random) % 2 == 0;
            size_t offset = both ? GATEHOUSE_STATUSES_SIZE(1) : 0;
            if (both)
                fixture_start_with(call, file, GATEHOUSE_IOCTL_SUBMIT_AND_GET, &input, sizeof(input), 4000);
            else
                fixture_start(call, file, GATEHOUSE_IOCTL_GET_REQUESTS, 4000);
            last = 0;
            for (int i = 0; i < 20 && call->done == 0; i++)
                thread_sleep(100);
            fixture_cancel(call);
            if (fixture_finish(call) != STATUS_SUCCESS)
                continue;
            while (offset < call->information) {
                struct gatehouse_request request;
                memcpy(&request, call->buffer + offset, sizeof(request));
                offset += request.size;
                if (next_random(&random) % 4 == 0) {
                    last = request.id;
                    last_verdict = verdict_of(&request);
                } else if (next_random(&random) % 20 != 0) {
                    decide_one(file, &request, &random);
                }
            }
        }
        fixture_start(call, file, GATEHOUSE_IOCTL_GET_REQUESTS, 4000);
        nt_file_close(file);
        fixture_finish(call);
        if (next_random(&random) % 8 == 0) { /* away for longer than the deadline */
            for (int i = 0; i < 150 && !stop; i++)
                thread_sleep(1000);
        }
    }
    free(call);
}

/* With a policy that holds, whatever is pended is held or has ended in one of these ways, at every moment. */
static bool adds_up(struct gatehouse_status s)
{
    return s.pended == s.permitted_by_decider + s.blocked_by_decider + s.permitted_by_answer + s.blocked_by_answer +
                           s.expired + s.cancelled + s.held &&
           s.queued + s.offered <= s.held && s.held <= s.capacity && s.refused_no_decider == 0;
}

/* Observes; half of its reads are cancelled while something may just be filling them. */
static void observer(void *argument)
{
    struct fixture_call *call = calloc(1, sizeof(*call));
    uint32_t random = (uint32_t)(uintptr_t)argument;

    while (!stop) {
        struct nt_file *file = fixture_open_as(3, GATEHOUSE_ROLE_OBSERVER);
        for (int i = 0; i < 50 && !stop; i++) {
            fixture_start(call, file, GATEHOUSE_IOCTL_READ_EVENTS, 60000);
            if (next_random(&random) % 2)
                thread_sleep(100);
            fixture_cancel(call);
            NTSTATUS status = fixture_finish(call);
            if (status != STATUS_SUCCESS && status != STATUS_CANCELLED)
                atomic_fetch_add(&wrong, 1);
            if (!adds_up(fixture_status(file)))
                atomic_fetch_add(&wrong, 1);
        }
        nt_file_close(file);
    }
    free(call);
}

static void judge(const struct fixture_connection *c)
{
    if (c->first.outcome == WFP_PENDED && c->done != 1)
        atomic_fetch_add(&wrong, 1);
    if (c->final.outcome == WFP_PERMIT) {
        atomic_fetch_add(&permitted, 1);
        if (c->endpoint % 2 == 0)
            atomic_fetch_add(&wrong, 1);
    } else {
        atomic_fetch_add(&blocked, 1);
    }
}

static void everybody_at_once(void **state)
{
    const struct nt_registry_value values[] = {{"DeadlineMs", 100}, {"Capacity", 60}};
    struct test_thread connectors[CONNECTORS], others[3];
    uint32_t random = 1;

    (void)state;
    each = nt_scheduled() ? SCHEDULED : EACH;
    wrong = permitted = blocked = 0;
    stop = false;
    fixture_load_real_time(values, 2);
    thread_start(&others[0], "decider", decider, NULL);
    for (uintptr_t i = 1; i < 3; i++)
        thread_start(&others[i], "observer", observer, (void *)i);
    for (uintptr_t i = 0; i < CONNECTORS; i++)
        thread_start(&connectors[i], "connector", connector, (void *)i);
    for (int i = 0; i < CONNECTORS; i++)
        thread_join(&connectors[i]);
    stop = true;
    for (int i = 0; i < 3; i++)
        thread_join(&others[i]);
    for (int i = 0; i < CONNECTORS; i++)
        for (int k = 0; k < each; k++)
            if (k >= each - RECENT || k % LINGER == 0)
                end_connection(&connections[i][k], &random);
    struct gatehouse_status status = fixture_status(NULL);
    assert_int_equal(status.held, 0);
    assert_int_equal(status.verdicts, 0);
    assert_int_equal(status.decider_pid, 0);
    fixture_unload();
    for (int i = 0; i < CONNECTORS; i++)
        for (int k = 0; k < each; k++)
            judge(&connections[i][k]);
    assert_int_equal(wrong, 0);
    assert_int_equal(permitted + blocked, CONNECTORS * each);
    if (nt_scheduled())
        return;
    assert_true(permitted > 100 && status.permitted_by_decider > 10);
    print_message("permitted %u blocked %u; by decider %llu+%llu, answer %llu, expired %llu, cancelled %llu, requeued "
                  "%llu, full %llu\n",
                  permitted, blocked, (unsigned long long)status.permitted_by_decider,
                  (unsigned long long)status.blocked_by_decider, (unsigned long long)status.permitted_by_answer,
                  (unsigned long long)status.expired, (unsigned long long)status.cancelled,
                  (unsigned long long)status.requeued, (unsigned long long)status.refused_full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(everybody_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
