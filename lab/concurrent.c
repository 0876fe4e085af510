/* SPDX-License-Identifier: MIT */
/*
 * concurrent.c - see concurrent.h.
 *
 * The first fiber is the conductor. It gives each subject of a section its fiber (an actor), then waits until all are
 * done: whenever nothing moves any more it looks which actor's next step has become possible. If none has, it lets
 * time pass, more and more; what is not possible after two minutes never will be.
 */
#include "lab/concurrent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/world_engine.h"
#include "nt/verify/report.h"
#include "nt/verify/verify.h"
#include "wfp/ale.h"

#define MS         10000u
#define PATIENCE   (120000u * (uint64_t)MS) /* longer than any deadline that a scenario of ours waits for */
#define FIRST_REST ((uint64_t)MS)
#define ACTORS_MAX                                                                                                     \
    256u /* in a section; further subjects share one. The scheduler has room for twice as many fibers                  \
          */

struct actor {
    struct conductor *conductor;
    char name[SCENARIO_NAME_MAX + 12];
    uint64_t subject;
    size_t section;
    size_t first, count; /* its steps in conductor->order */
    uint32_t woken;
    uint32_t over;
    bool waits, gives_up;
    const struct scenario_step *step;
};

struct conductor {
    const struct scenario *scenario;
    const struct concurrent_options *options;
    const struct lab_plan *plan;
    struct concurrent_result *result;
    struct run *run;
    struct actor *actors; /* of this section; those before may be inside of a step that never ends */
    size_t actor_count, section;
    const struct scenario_step **order; /* by actor */
    size_t moves;                       /* steps done: something may have become possible */
    size_t under_way;                   /* actors that are not over, of all sections */
    size_t awaited;                     /* of this section those that an unload waits for */
    uint32_t none_under_way;
    bool collecting;
};

static void no_settle(void *context)
{
    (void)context;
}

enum { SUBJECT_MACHINE, SUBJECT_CONNECTION, SUBJECT_CLIENT, SUBJECT_UNLOAD };

static uint64_t subject_of(const struct scenario_step *step)
{
    switch (step->kind) {
    case STEP_CONNECT:
    case STEP_ESTABLISH:
    case STEP_PACKET:
    case STEP_CLOSE_CONNECTION:
    case STEP_EXPECT:
        return (uint64_t)SUBJECT_CONNECTION << 32 | step->subject;
    case STEP_DECIDER:
    case STEP_OBSERVER:
    case STEP_SEED:
    case STEP_READ:
    case STEP_CANCEL:
    case STEP_ANSWER:
    case STEP_CLOSE_CLIENT:
    case STEP_KILL:
    case STEP_OPEN:
    case STEP_SEND:
    case STEP_PORT:
    case STEP_MESSAGE:
    case STEP_REPLY:
    case STEP_RULES:
    case STEP_RULE_ADD:
    case STEP_RULE_REMOVE:
    case STEP_LIST:
    case STEP_NAME:
        return (uint64_t)SUBJECT_CLIENT << 32 | step->subject;
    case STEP_UNLOAD:
        return (uint64_t)SUBJECT_UNLOAD << 32;
    default:
        return SUBJECT_MACHINE;
    }
}

static bool is_barrier(const struct scenario_step *step)
{
    return step->kind == STEP_LOAD || (step->kind == STEP_UNLOAD && !step->meanwhile) || step->kind == STEP_THEN;
}

static bool is_kept(const struct conductor *conductor, size_t step)
{
    return conductor->options->keep == NULL || conductor->options->keep[step];
}

/* What the explorer can tell beyond run_ready. */
static bool is_possible(const struct conductor *conductor, const struct scenario_step *step)
{
    const struct run_connection *connection;

    if (step->kind == STEP_UNLOAD)
        return conductor->awaited == 0;
    if (!run_ready(conductor->run, step))
        return false;
    if (step->kind != STEP_EXPECT && step->kind != STEP_ESTABLISH && step->kind != STEP_PACKET)
        return true;
    connection = &conductor->run->connections[step->subject];
    return connection->connect != NULL && (!connection->pended || connection->ended);
}

static void tell_step(const struct conductor *conductor, const char *text)
{
    if (conductor->options->events != NULL)
        fprintf(conductor->options->events, "%s\n", text);
}

static void tell_events(const struct conductor *conductor)
{
    const struct trace *trace = &conductor->run->trace;

    for (size_t i = 0; conductor->options->events != NULL && i < trace->count; i++)
        fprintf(conductor->options->events, "> %s\n", trace->events[i].text);
}

/* One at a time: it makes calls of its own, at whose points others run. false: nothing came. */
static bool collect(struct conductor *conductor)
{
    bool came;

    if (conductor->collecting)
        return false;
    conductor->collecting = true;
    (void)run_collect(conductor->run);
    tell_events(conductor);
    came = conductor->run->trace.count != 0;
    trace_clear(&conductor->run->trace);
    conductor->collecting = false;
    return came;
}

static void perform(struct conductor *conductor, const struct scenario_step *step)
{
    bool passed_over = step->kind == STEP_EXPECT && conductor->options->no_expect;
    bool unloads = step->kind == STEP_UNLOAD;

    while (unloads && conductor->collecting)
        nt_schedule_yield();
    conductor->collecting |= unloads; /* it collects itself, what others would then find gone */
    if (passed_over || !run_perform(conductor->run, step))
        conductor->result->left_out++;
    if (unloads)
        conductor->collecting = false;
    (void)collect(conductor);
    world_step_ended();
    conductor->moves++;
}

/* A driver is unloaded when its clients have gone; connections do not ask whether it is there. */
static bool is_awaited(const struct actor *actor)
{
    uint64_t kind = actor->subject >> 32;

    return kind == SUBJECT_CLIENT || kind == SUBJECT_MACHINE;
}

static void wake_unload(struct conductor *conductor)
{
    for (size_t i = 0; i < conductor->actor_count; i++)
        if (conductor->actors[i].subject >> 32 == SUBJECT_UNLOAD)
            conductor->actors[i].woken = 1;
}

/* An actor's fiber. */
static void act(void *context)
{
    struct actor *actor = context;
    struct conductor *conductor = actor->conductor;

    for (size_t i = 0; i < actor->count; i++) {
        if (actor->section != conductor->section) { /* a step took longer than its section */
            conductor->result->left_out += (uint32_t)(actor->count - i);
            break;
        }
        actor->step = conductor->order[actor->first + i];
        actor->gives_up = false;
        while (!is_possible(conductor, actor->step) && !actor->gives_up) {
            actor->woken = 0;
            actor->waits = true;
            (void)nt_schedule_wait(&actor->woken);
            actor->waits = false;
        }
        if (actor->gives_up)
            conductor->result->left_out++;
        else
            perform(conductor, actor->step);
    }
    actor->over = 1;
    conductor->none_under_way = --conductor->under_way == 0;
    if (is_awaited(actor) && actor->section == conductor->section && --conductor->awaited == 0)
        wake_unload(conductor);
}

static struct actor *actor_of(struct conductor *conductor, const struct scenario_step *step)
{
    uint64_t subject = subject_of(step);
    const struct scenario *scenario = conductor->scenario;
    struct actor *actor = conductor->actors;

    while (actor < conductor->actors + conductor->actor_count && actor->subject != subject)
        actor++;
    if (actor < conductor->actors + conductor->actor_count)
        return actor;
    if (conductor->actor_count == ACTORS_MAX)
        return conductor->actors;
    conductor->actor_count++;
    *actor = (struct actor){.conductor = conductor, .subject = subject, .section = conductor->section};
    snprintf(actor->name, sizeof(actor->name), "%s",
             subject == SUBJECT_MACHINE                  ? "machine"
             : subject >> 32 == (uint64_t)SUBJECT_UNLOAD ? "unload"
             : subject >> 32 == (uint64_t)SUBJECT_CLIENT ? scenario->clients.text[step->subject]
                                                         : scenario->connections.text[step->subject]);
    return actor;
}

/* Sorts the steps from first to end, which are kept, by actor; makes the actors. */
static void cast(struct conductor *conductor, size_t first, size_t end)
{
    const struct scenario_step *steps = conductor->scenario->steps;
    size_t at = first;

    conductor->actors += conductor->actor_count;
    conductor->actor_count = 0;
    conductor->section++;
    for (size_t i = first; i < end; i++)
        if (is_kept(conductor, i))
            actor_of(conductor, &steps[i])->count++;
    for (size_t i = 0; i < conductor->actor_count; i++) {
        conductor->actors[i].first = at;
        at += conductor->actors[i].count;
        conductor->actors[i].count = 0;
    }
    for (size_t i = first; i < end; i++) {
        if (!is_kept(conductor, i))
            continue;
        struct actor *actor = actor_of(conductor, &steps[i]);
        conductor->order[actor->first + actor->count++] = &steps[i];
    }
}

static bool all_over(const struct conductor *conductor)
{
    for (size_t i = 0; i < conductor->actor_count; i++)
        if (!conductor->actors[i].over)
            return false;
    return true;
}

/* Wakes whoever can go on. false: nobody can. */
static bool wake(struct conductor *conductor, bool give_up)
{
    bool woken = false;

    for (size_t i = 0; i < conductor->actor_count && !(give_up && woken); i++) {
        struct actor *actor = &conductor->actors[i];

        if (actor->over || !actor->waits || actor->woken || (!give_up && !is_possible(conductor, actor->step)))
            continue;
        actor->gives_up = give_up;
        actor->woken = 1;
        woken = true;
    }
    return woken;
}

/* It ends by itself, however long it takes. */
static bool somebody_sleeps(const struct conductor *conductor)
{
    for (size_t i = 0; i < conductor->actor_count; i++) {
        const struct actor *actor = &conductor->actors[i];

        if (!actor->over && !actor->waits && actor->step != NULL && actor->step->kind == STEP_SLEEP)
            return true;
    }
    return false;
}

/* Who is inside of a step may need longer than others have patience. */
static void await_all(struct conductor *conductor)
{
    for (size_t i = 0; i < conductor->actor_count; i++)
        (void)nt_schedule_wait(&conductor->actors[i].over);
}

static void conduct(struct conductor *conductor)
{
    uint64_t waited = 0, rest = FIRST_REST;

    conductor->under_way += conductor->actor_count;
    conductor->awaited = 0;
    for (size_t i = 0; i < conductor->actor_count; i++)
        conductor->awaited += is_awaited(&conductor->actors[i]);
    conductor->none_under_way = conductor->under_way == 0;
    for (size_t i = 0; i < conductor->actor_count; i++)
        nt_schedule_spawn(conductor->actors[i].name, act, &conductor->actors[i]);
    for (;;) {
        size_t moves = conductor->moves;

        do /* what came made place for more */
            nt_schedule_settle();
        while (collect(conductor));
        if (all_over(conductor))
            return;
        if (somebody_sleeps(conductor)) {
            nt_schedule_sleep(PATIENCE);
        } else if (wake(conductor, false) || conductor->moves != moves) {
            waited = 0;
            rest = FIRST_REST;
        } else if (waited < PATIENCE) {
            nt_schedule_sleep(rest);
            waited += rest;
            rest *= 2;
        } else if (!wake(conductor, true)) {
            await_all(conductor);
            return;
        }
    }
}

static void perform_all(struct conductor *conductor)
{
    const struct scenario *scenario = conductor->scenario;

    for (size_t at = 0; at < scenario->count;) {
        size_t end = at;

        while (end < scenario->count && !(is_kept(conductor, end) && is_barrier(&scenario->steps[end])))
            end++;
        cast(conductor, at, end);
        tell_step(conductor, "explored");
        conduct(conductor);
        if (end < scenario->count && scenario->steps[end].kind != STEP_THEN) {
            tell_step(conductor, scenario->source.text[scenario->steps[end].expected_at - 1]);
            perform(conductor, &scenario->steps[end]);
        }
        at = end + 1;
    }
}

static void body(void *context)
{
    struct conductor *conductor = context;

    conductor->run = run_new(conductor->scenario, &conductor->result->error);
    if (conductor->run == NULL) {
        conductor->result->broken = true;
        return;
    }
    conductor->run->settle = no_settle;
    (void)world_irql(conductor->plan->irql, &conductor->result->error);
    perform_all(conductor);
    for (size_t i = 0; i < conductor->scenario->connections.count; i++)
        conductor->result->connections += conductor->run->connections[i].told != 0;
    if (!conductor->none_under_way)
        (void)nt_schedule_wait(&conductor->none_under_way);
    if (!conductor->none_under_way)
        return; /* they may still look at the run */
    run_free(conductor->run);
    conductor->run = NULL;
}

void concurrent_run(const struct scenario *scenario, const struct lab_plan *plan,
                    const struct concurrent_options *options, struct concurrent_result *result)
{
    struct conductor conductor = {
        .scenario = scenario, .options = options, .plan = plan, .result = result, .none_under_way = 1};
    struct nt_schedule_options schedule = {
        .strategy = plan->strategy,
        .seed = plan->seed,
        .preemptions = plan->preemptions,
        .choices = plan->choices,
        .choice_count = plan->choice_count,
        .trace = options->trace,
        .trace_context = options->trace_context,
    };
    struct nt_schedule_result scheduled;

    memset(result, 0, sizeof(*result));
    struct actor *actors = calloc(scenario->count + 1, sizeof(*actors));

    conductor.actors = actors;
    conductor.order = calloc(scenario->count + 1, sizeof(*conductor.order));
    if (conductor.actors == NULL || conductor.order == NULL)
        abort();
    nt_verify_clear();
    nt_schedule(&schedule, body, &conductor, &scheduled);
    result->points = scheduled.points;
    result->stuck = scheduled.stuck;
    if (scheduled.abandoned || scheduled.stuck || conductor.run != NULL) {
        scenario_run_forget();
        wfp_forget();
    }
    nt_reset();
    free(actors);
    free(conductor.order);
}
