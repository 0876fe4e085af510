/* SPDX-License-Identifier: MIT */
/*
 * explore_shrink.c - explore_shrink, see explore.h: each test is a child (explore_child.c) that tries a smaller
 * scenario, or fewer choices.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lab/explore_child.h"
#include "lab/shrink.h"

#define STEP_TESTS     300u
#define CHOICE_TESTS   2000u
#define SHRINK_SECONDS 60
#define HANG_MS_MOST   2000u /* a hang that is shrunk is waited for at each test */

struct shrinking {
    struct explorer *explorer;
    struct explore_found *smallest; /* what the last test that failed found */
    const struct lab_plan *plan;    /* what tests try first */
};

/* One child after the other, until it has tried everything. true: it found what is wanted. */
static bool run_test(struct explorer *explorer, struct explore_found *found)
{
    struct lab_worker worker = {.board = explorer->boards[0]};
    struct explore_slot *slot = explore_slot_of(worker.board);
    struct world_error error;

    slot->at = 0;
    for (;;) {
        worker.board->found = 0;
        if (!explore_watch(explorer) || !lab_worker_start(&worker, explore_test_body, explorer))
            return false;
        (void)lab_workers_wait(&worker, 1, explore_watch, explorer, explorer->options.hang_ms);
        if (worker.result.end == LAB_WORKER_STOPPED ||
            (worker.result.end == LAB_WORKER_ENDED && worker.result.exit_code == CHILD_CLEAN))
            return false;
        if (worker.result.end == LAB_WORKER_ENDED && worker.result.exit_code == CHILD_AGAIN)
            continue;
        if (!explore_take(explorer, &worker, found, &error))
            return false;
        if (explore_same_place(&found->report, &explorer->wanted->report))
            return true;
        plan_free(&found->plan);
        slot->at++;
    }
}

static bool still_found(struct shrinking *shrinking, const bool *keep, const struct lab_plan *plan, bool only_plan)
{
    struct explorer *explorer = shrinking->explorer;
    struct explore_found found;

    explorer->keep = keep;
    explorer->plan = plan;
    explorer->only_plan = only_plan;
    if (!run_test(explorer, &found))
        return false;
    found.run = shrinking->smallest->run;
    plan_free(&shrinking->smallest->plan);
    *shrinking->smallest = found;
    return true;
}

static bool without_steps(void *context, const bool *keep, size_t count)
{
    struct shrinking *shrinking = context;

    (void)count;
    return still_found(shrinking, keep, shrinking->plan, false);
}

/* Without each call that failed, if it can be. */
static void shrink_faults(struct shrinking *shrinking, const bool *keep)
{
    for (uint32_t i = shrinking->smallest->plan.fault_count; i-- != 0;) {
        struct lab_plan fewer = shrinking->smallest->plan;

        fewer.choices = NULL;
        if (!plan_set_choices(&fewer, shrinking->smallest->plan.choices, shrinking->smallest->plan.choice_count))
            return;
        fewer.fault_count--;
        memmove(&fewer.faults[i], &fewer.faults[i + 1], (fewer.fault_count - i) * sizeof(fewer.faults[0]));
        (void)still_found(shrinking, keep, &fewer, false);
        plan_free(&fewer);
    }
}

struct choosing {
    struct shrinking *shrinking;
    const bool *keep;
    struct lab_plan plan; /* all choices */
};

static bool without_choices(void *context, const bool *keep, size_t count)
{
    struct choosing *choosing = context;
    struct lab_plan fewer = choosing->plan;
    bool found;

    fewer.choices = calloc(count + 1, sizeof(*fewer.choices));
    if (fewer.choices == NULL)
        return false;
    fewer.choice_count = 0;
    for (size_t i = 0; i < count; i++)
        if (keep[i])
            fewer.choices[fewer.choice_count++] = choosing->plan.choices[i];
    found = still_found(choosing->shrinking, choosing->keep, &fewer, true);
    free(fewer.choices);
    return found;
}

/* As few changes of fibers as will do, to be replayed. */
static void shrink_choices(struct shrinking *shrinking, const bool *keep)
{
    struct choosing choosing = {.shrinking = shrinking, .keep = keep, .plan = shrinking->smallest->plan};
    size_t count = choosing.plan.choice_count;
    bool *kept = calloc(count + 1, sizeof(*kept));

    choosing.plan.choices = NULL;
    if (kept == NULL || !plan_set_choices(&choosing.plan, shrinking->smallest->plan.choices, count)) {
        free(kept);
        return;
    }
    choosing.plan.strategy = NT_REPLAY;
    for (size_t i = 0; i < count; i++)
        kept[i] = true;
    if (without_choices(&choosing, kept, count)) {
        (void)lab_shrink(kept, count, without_choices, &choosing, CHOICE_TESTS);
        /* Which choices were recorded differs from which were asked for: those asked for are what is needed. */
        (void)without_choices(&choosing, kept, count);
        choosing.plan.choice_count = 0;
        for (size_t i = 0; i < count; i++)
            if (kept[i])
                choosing.plan.choices[choosing.plan.choice_count++] = choosing.plan.choices[i];
        shrinking->smallest->plan.strategy = NT_REPLAY;
        (void)plan_set_choices(&shrinking->smallest->plan, choosing.plan.choices, choosing.plan.choice_count);
    }
    plan_free(&choosing.plan);
    free(kept);
}

static void begin(struct explorer *explorer, const struct explore_found *wanted)
{
    clock_gettime(CLOCK_MONOTONIC, &explorer->deadline);
    explorer->deadline.tv_sec += SHRINK_SECONDS;
    explorer->timed = true;
    explorer->time_over = false;
    explorer->wanted = wanted;
}

void explore_shrink(struct explorer *explorer, const struct explore_found *found, bool *keep,
                    struct explore_found *smallest)
{
    struct shrinking shrinking = {.explorer = explorer, .smallest = smallest, .plan = &found->plan};
    unsigned hang_ms = explorer->options.hang_ms;

    *smallest = *found;
    smallest->plan.choices = NULL;
    (void)plan_set_choices(&smallest->plan, found->plan.choices, found->plan.choice_count);
    begin(explorer, found);
    if (strcmp(found->report.routine, "wfplab") == 0 && hang_ms > HANG_MS_MOST)
        explorer->options.hang_ms = HANG_MS_MOST;
    for (size_t i = 0; i < explorer->scenario->count; i++)
        keep[i] = true;
    (void)lab_shrink(keep, explorer->scenario->count, without_steps, &shrinking, STEP_TESTS);
    shrink_faults(&shrinking, keep);
    shrink_choices(&shrinking, keep);
    explorer->options.hang_ms = hang_ms;
    explorer->wanted = NULL;
    explorer->keep = NULL;
}

bool explore_again(struct explorer *explorer, const struct explore_found *wanted, const struct lab_plan *plan)
{
    struct explore_found found;

    begin(explorer, wanted);
    explorer->plan = plan;
    explorer->only_plan = true;
    bool again = run_test(explorer, &found);
    if (again)
        plan_free(&found.plan);
    explorer->wanted = NULL;
    return again;
}
