/* SPDX-License-Identifier: MIT */
/*
 * model_test.c - random sequences of everything that can happen to held connections, against a plain model.
 *
 * The model is an array in order of arrival; whatever the driver does in constant time, the model
 * does by walking it. After each step every connection's outcome and every counter of GET_STATUS are
 * compared. Each round ends with an unload in whatever state it is. One thread, a virtual clock; the
 * seed is printed, and given as the only argument it repeats a run.
 */
#include "driver_fixture.h"

#include <time.h>

#define CAPACITY    12u  /* at most; each round has its own */
#define CONNECTIONS 120u /* a round */
#define ANSWERS     64u
#define TICK        ((uint64_t)1 << 17) /* deadlines pass at multiples of this: core/deadline_wheel.h */

enum model_state { QUEUED, OFFERED, ENDED };

struct model_connection {
    struct fixture_connection real;
    struct fixture_connect how;
    enum model_state state;
    enum wfp_outcome outcome; /* once ENDED */
    uint64_t id;              /* once offered */
    uint64_t deadline;
};

struct model_answer {
    struct fixture_connect subject;
    bool anywhere;
    uint32_t verdict;
    uint64_t ends;
};

static struct model_connection all[CONNECTIONS];
static unsigned count;
static struct model_answer answers[ANSWERS];
static unsigned answer_count;
static struct gatehouse_policy policy;
static struct gatehouse_status expected; /* counters only */
static struct nt_file *decider, *observer;
static struct fixture_call read_call;
static bool reading; /* read_call waits */
static uint32_t random_state, capacity;

static uint32_t pick(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % below;
}

static enum wfp_outcome outcome_of(uint32_t verdict)
{
    return verdict == GATEHOUSE_VERDICT_PERMIT ? WFP_PERMIT : WFP_BLOCK;
}

static void end(struct model_connection *c, uint32_t verdict)
{
    c->state = ENDED;
    c->outcome = outcome_of(verdict);
}

static unsigned in_state(enum model_state state)
{
    unsigned found = 0;

    for (unsigned i = 0; i < count; i++)
        found += all[i].state == state;
    return found;
}

static bool same_program(const struct fixture_connect *a, const struct fixture_connect *b)
{
    return strcmp(a->program, b->program) == 0;
}

static bool same_destination(const struct fixture_connect *a, const struct fixture_connect *b)
{
    return a->ip_version == b->ip_version && a->protocol == b->protocol && a->remote_port == b->remote_port &&
           a->remote_last == b->remote_last;
}

static bool covers(const struct model_answer *answer, const struct fixture_connect *how)
{
    return *how->program != 0 && same_program(&answer->subject, how) &&
           (answer->anywhere || same_destination(&answer->subject, how));
}

/* The destination's answer goes before the program's. */
static const struct model_answer *answer_for(const struct fixture_connect *how)
{
    const struct model_answer *found = NULL;

    for (unsigned i = 0; i < answer_count; i++)
        if (covers(&answers[i], how) && (found == NULL || !answers[i].anywhere))
            found = &answers[i];
    return found;
}

static uint32_t no_decider_verdict(void)
{
    return policy.no_decider == GATEHOUSE_NO_DECIDER_PERMIT ? GATEHOUSE_VERDICT_PERMIT : GATEHOUSE_VERDICT_BLOCK;
}

static void apply_no_decider(void)
{
    for (unsigned i = 0; i < count; i++) {
        if (all[i].state == QUEUED && decider == NULL && policy.no_decider != GATEHOUSE_NO_DECIDER_HOLD) {
            end(&all[i], no_decider_verdict());
            expected.refused_no_decider++;
        }
    }
}

/* --- Steps --- */

/* What is queued, in the order it came. */
static void expect_batch(const struct gatehouse_request *requests, unsigned got)
{
    unsigned next = 0;

    for (unsigned i = 0; i < count; i++) {
        if (all[i].state != QUEUED)
            continue;
        assert_true(next < got);
        assert_int_equal(requests[next].endpoint, all[i].real.endpoint);
        assert_int_equal(requests[next].deadline, all[i].deadline);
        assert_int_equal((requests[next].flags & GATEHOUSE_REQUEST_REOFFERED) != 0, all[i].id != 0);
        if (all[i].id != 0)
            assert_int_equal(requests[next].id, all[i].id);
        all[i].id = requests[next++].id;
        all[i].state = OFFERED;
    }
    assert_int_equal(next, got);
}

static void finish_read(void)
{
    struct gatehouse_request request;

    reading = false;
    assert_int_equal(fixture_finish(&read_call), STATUS_SUCCESS);
    memcpy(&request, read_call.buffer, sizeof(request));
    assert_int_equal(read_call.information, request.size);
    expect_batch(&request, 1);
}

static void step_connect(void)
{
    static const char *const programs[] = {"/bin/a", "/bin/b", "/bin/c", ""};
    struct model_connection *c = &all[count];
    const struct model_answer *answer;

    if (count == CONNECTIONS)
        return;
    memset(c, 0, sizeof(*c));
    c->how = (struct fixture_connect){.ip_version = pick(2) ? 6 : 4,
                                      .protocol = pick(3) ? 6 : 17,
                                      .remote_port = (uint16_t)(443 + pick(2)),
                                      .remote_last = (uint8_t)pick(3),
                                      .program = programs[pick(4)]};
    answer = answer_for(&c->how);
    count++;
    if (answer != NULL) {
        end(c, answer->verdict);
    } else if (decider == NULL && policy.no_decider != GATEHOUSE_NO_DECIDER_HOLD) {
        end(c, no_decider_verdict());
        expected.refused_no_decider++;
    } else if (in_state(QUEUED) + in_state(OFFERED) - (c->state == QUEUED) >= capacity) {
        end(c, policy.undecided);
        expected.refused_full++;
    } else {
        c->deadline = fixture_now() + policy.deadline_ms * MS;
        expected.pended++;
    }
    fixture_connect_to(&c->real, fixture_endpoint(), &c->how);
    assert_int_equal(c->real.first.outcome == WFP_PENDED, c->state == QUEUED);
    if (c->state == QUEUED && reading)
        finish_read();
}

static void step_read(void)
{
    struct gatehouse_request requests[CAPACITY];

    if (decider == NULL || reading)
        return;
    if (in_state(QUEUED) != 0 || pick(2)) {
        expect_batch(requests, fixture_get(decider, requests, CAPACITY));
        return;
    }
    fixture_start(&read_call, decider, GATEHOUSE_IOCTL_GET_REQUESTS, 1000);
    assert_int_equal(read_call.done, 0);
    reading = true;
}

static void step_cancel_read(void)
{
    if (!reading)
        return;
    fixture_cancel(&read_call);
    assert_int_equal(fixture_finish(&read_call), STATUS_CANCELLED);
    reading = false;
}

static void remember(const struct model_connection *c, uint32_t verdict, bool anywhere, uint32_t lifetime_ms)
{
    struct model_answer *place = &answers[answer_count];

    for (unsigned i = 0; i < answer_count; i++)
        if (answers[i].anywhere == anywhere && covers(&answers[i], &c->how))
            place = &answers[i];
    if (place == &answers[answer_count])
        assert_true(++answer_count < ANSWERS);
    *place = (struct model_answer){c->how, anywhere, verdict,
                                   lifetime_ms == 0 ? UINT64_MAX : fixture_now() + lifetime_ms * MS};
    for (unsigned i = 0; i < count; i++) {
        if (all[i].state == ENDED || !covers(place, &all[i].how))
            continue;
        end(&all[i], verdict);
        if (verdict == GATEHOUSE_VERDICT_PERMIT)
            expected.permitted_by_answer++;
        else
            expected.blocked_by_answer++;
    }
}

static void step_decide(void)
{
    struct model_connection *c = &all[count - pick((count < 30 ? count : 30) + 1)];
    uint32_t verdict = 1 + pick(2), scope = pick(8) < 6 ? 0 : 1 + pick(2), refusal = 0;
    uint32_t lifetime = scope == 0 ? 0 : pick(3) * 400;

    if (decider == NULL || c == &all[count] || c->id == 0)
        return;
    if (c->state == ENDED)
        refusal = GATEHOUSE_E_UNKNOWN_ID;
    else if (c->state == QUEUED)
        refusal = GATEHOUSE_E_NOT_YOURS;
    else if (scope != 0 && *c->how.program == 0)
        refusal = GATEHOUSE_E_BAD_SCOPE;
    if (refusal != 0) {
        expected.rejected_input++;
    } else {
        end(c, verdict);
        if (verdict == GATEHOUSE_VERDICT_PERMIT)
            expected.permitted_by_decider++;
        else
            expected.blocked_by_decider++;
        if (scope != 0)
            remember(c, verdict, scope == GATEHOUSE_SCOPE_PROGRAM, lifetime);
    }
    assert_int_equal(fixture_decide(decider, c->id, verdict, scope, lifetime), refusal);
}

static void step_decider(void)
{
    if (decider == NULL) {
        decider = fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
        return;
    }
    nt_file_close(decider);
    decider = NULL;
    if (reading)
        assert_int_equal(fixture_finish(&read_call), STATUS_CANCELLED);
    reading = false;
    for (unsigned i = 0; i < count; i++) {
        if (all[i].state == OFFERED) {
            all[i].state = QUEUED;
            expected.requeued++;
        }
    }
    apply_no_decider();
}

static void step_close(void)
{
    struct model_connection *c = &all[pick(count + 1)];

    if (c == &all[count])
        return;
    if (c->state != ENDED) {
        end(c, GATEHOUSE_VERDICT_BLOCK);
        expected.cancelled++;
    }
    wfp_ale_endpoint_closed(c->real.endpoint);
}

static void step_time(void)
{
    fixture_advance((uint64_t)pick(300) * MS);
    for (unsigned i = 0; i < count; i++) {
        if (all[i].state != ENDED && (all[i].deadline + TICK - 1) / TICK <= fixture_now() / TICK) {
            end(&all[i], policy.undecided);
            expected.expired++;
        }
    }
    for (unsigned i = 0; i < answer_count;) {
        if (answers[i].ends <= fixture_now())
            answers[i] = answers[--answer_count];
        else
            i++;
    }
}

static void step_policy(void)
{
    policy.deadline_ms = 100 + pick(2000);
    policy.undecided = 1 + pick(2);
    policy.no_decider = pick(4) == 0 ? 1 + pick(2) : 0;
    assert_int_equal(fixture_set_policy(decider != NULL && pick(2) ? decider : observer, policy.deadline_ms,
                                        policy.undecided, policy.no_decider),
                     0);
    apply_no_decider();
}

/* --- Comparing --- */

static void compare(void)
{
    struct gatehouse_status s = fixture_status(observer);

    for (unsigned i = 0; i < count; i++) {
        if (all[i].state != ENDED)
            assert_pended(&all[i].real);
        else
            assert_decided(&all[i].real, all[i].outcome);
    }
    assert_int_equal(s.queued, in_state(QUEUED));
    assert_int_equal(s.offered, in_state(OFFERED));
    assert_int_equal(s.held, s.queued + s.offered);
    assert_int_equal(s.answers, answer_count);
    assert_int_equal(s.decider_pid, decider == NULL ? 0 : 2);
    assert_int_equal(s.pended, expected.pended);
    assert_int_equal(s.permitted_by_decider, expected.permitted_by_decider);
    assert_int_equal(s.blocked_by_decider, expected.blocked_by_decider);
    assert_int_equal(s.permitted_by_answer, expected.permitted_by_answer);
    assert_int_equal(s.blocked_by_answer, expected.blocked_by_answer);
    assert_int_equal(s.expired, expected.expired);
    assert_int_equal(s.cancelled, expected.cancelled);
    assert_int_equal(s.refused_full, expected.refused_full);
    assert_int_equal(s.refused_no_decider, expected.refused_no_decider);
    assert_int_equal(s.requeued, expected.requeued);
    assert_int_equal(s.rejected_input, expected.rejected_input);
    assert_int_equal(s.refused_memory + s.cannot_pend + s.events_lost, 0);
}

static void round_begin(void)
{
    const struct nt_registry_value values[] = {{"Capacity", capacity = 1 + pick(CAPACITY)}, {"DeadlineMs", 1000}};

    fixture_load(values, 2);
    count = answer_count = 0;
    memset(&expected, 0, sizeof(expected));
    policy = (struct gatehouse_policy){1, 1000, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_NO_DECIDER_HOLD, 0};
    decider = NULL;
    observer = fixture_open_as(3, GATEHOUSE_ROLE_OBSERVER);
}

/* Held ones are blocked by the unload, unless the decider's going has decided them by policy. */
static void round_end(void)
{
    if (decider != NULL)
        step_decider();
    nt_file_close(observer);
    for (unsigned i = 0; i < count; i++)
        if (all[i].state != ENDED)
            end(&all[i], GATEHOUSE_VERDICT_BLOCK);
    fixture_unload();
    for (unsigned i = 0; i < count; i++)
        assert_decided(&all[i].real, all[i].outcome);
}

static void random_sequences(void **state)
{
    static void (*const steps[])(void) = {step_connect, step_connect,    step_connect, step_connect, step_connect,
                                          step_read,    step_read,       step_read,    step_decide,  step_decide,
                                          step_decide,  step_decide,     step_decide,  step_close,   step_time,
                                          step_time,    step_cancel_read};
    clock_t stop = clock() + CLOCKS_PER_SEC;
    uint64_t seen[6] = {0};
    unsigned rounds = 0;

    (void)state;
    print_message("seed %u\n", random_state);
    for (; rounds < 400 && clock() < stop; rounds++) {
        round_begin();
        for (unsigned i = pick(400); i != 0; i--) {
            uint32_t rare = pick(40);
            if (rare == 0 || (decider == NULL && rare < 6))
                step_decider();
            else if (rare == 7)
                step_policy();
            else
                steps[pick(sizeof(steps) / sizeof(steps[0]))]();
            compare();
        }
        seen[0] += expected.permitted_by_decider + expected.blocked_by_decider;
        seen[1] += expected.permitted_by_answer + expected.blocked_by_answer;
        seen[2] += expected.expired;
        seen[3] += expected.cancelled;
        seen[4] += expected.refused_full;
        seen[5] += expected.refused_no_decider;
        round_end();
    }
    print_message("%u rounds; decided %llu, by answer %llu, expired %llu, cancelled %llu, full %llu, no decider %llu\n",
                  rounds, (unsigned long long)seen[0], (unsigned long long)seen[1], (unsigned long long)seen[2],
                  (unsigned long long)seen[3], (unsigned long long)seen[4], (unsigned long long)seen[5]);
    for (int i = 0; i < 6; i++)
        assert_true(seen[i] != 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_sequences)};

    random_state = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 20261122u;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
