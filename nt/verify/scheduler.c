/* SPDX-License-Identifier: MIT */
/*
 * scheduler.c - see scheduler.h: the fibers of a run, who of them can go on, and time.
 *
 * A fiber that waits leaves a question (ready) that others ask for it, so nothing has to wake it. Who gives the turn
 * away finds the next one itself and changes to it; the caller of nt_schedule only gets it back when the run is over.
 * The clocks are fibers at DISPATCH_LEVEL that expire timers: two of them, so that two timer DPCs can meet.
 *
 * Fibers and their stacks are kept from run to run. Order is the order in which fibers were made, never an address.
 */
#include "nt/internal.h"
#include "nt/leaf.h"
#include "nt/verify/fibers.h"
#include "nt/verify/strategy.h"

#include <stdio.h>
#include <stdlib.h>

#define FIBERS_MAX  512u
#define KEPT_MAX    8u
#define MOST_POINTS 1000000u
#define RUN_LENGTH  2000u          /* points in a row, then others get a turn */
#define TAIL_JUMPS  1000u          /* how often time may pass after all that have to end have ended */
#define START       36000000000ull /* one hour */
#define CLOCKS      2u
#define FAR         3155760000000000ull /* ten years: whoever waits for longer waits for ever */
#define SPIN        200u                /* what a fiber in able may spin before time passes: a yield counts YIELD ... */
#define YIELD       100u                /* ... a run of RUN_LENGTH points counts 1 */

bool nt_scheduling;
unsigned nt_leaves;

static struct fiber *live[FIBERS_MAX]; /* in the order they were made */
static size_t live_count;
static struct fiber *spare;
static struct fiber *current;
static size_t current_place; /* in live; where it was, once it has ended */
static struct nt_fiber caller;

static const struct nt_schedule_options *options;
static struct nt_schedule_result outcome;
static uint32_t max_points, run_length, tail_jumps;
static bool yields;
static size_t spun;          /* since a fiber had to wait */
static uint64_t now, waited; /* virtual time; and what of it passed because nobody could run */
static uint64_t serial;
static bool early; /* the strategy may let time jump */

static void **(*kept[KEPT_MAX])(void);
static size_t kept_count;

void nt_schedule_keep(void **(*where)(void))
{
    for (size_t index = 0; index < kept_count; index++)
        if (kept[index] == where)
            return;
    if (kept_count == KEPT_MAX)
        abort();
    kept[kept_count++] = where;
}

bool nt_scheduled(void)
{
    return nt_scheduling;
}

uint64_t nt_schedule_now(void)
{
    return now;
}

uint64_t nt_schedule_serial(void)
{
    return ++serial * 0x9e3779b97f4a7c15ull;
}

uint32_t nt_schedule_fiber(void)
{
    return nt_scheduling ? current->number : 0;
}

struct fiber *nt_fiber_current(void)
{
    return current;
}

size_t nt_fibers(struct fiber ***fibers)
{
    *fibers = live;
    return live_count;
}

/* --- Changing ------------------------------------------------------------------------------- */

static void save_locals(struct fiber *fiber)
{
    fiber->self = nt_self;
    for (size_t index = 0; index < kept_count; index++)
        fiber->kept[index] = *kept[index]();
}

static void load_locals(const struct fiber *fiber)
{
    nt_self = fiber->self;
    for (size_t index = 0; index < kept_count; index++)
        *kept[index]() = fiber->kept[index];
}

static void change_to(struct fiber *next)
{
    struct fiber *previous = current;
    if (next == previous)
        return;
    run_length = 0;
    save_locals(previous);
    load_locals(next);
    current = next;
    nt_fiber_switch(&previous->machine, &next->machine);
}

_Noreturn static void end_run(void)
{
    save_locals(current);
    nt_fiber_leave(&current->machine, &caller);
}

_Noreturn void nt_schedule_abandon(void)
{
    if (!nt_scheduling)
        abort();
    outcome.abandoned = true;
    end_run();
}

/* --- Who can go on ------------------------------------------------------------------------------ */

/* One idle clock is enough for what is due. */
static bool clock_is_due(bool *found)
{
    bool due = !*found && nt_timers_next() <= now;
    *found = true;
    return due;
}

static bool can_go_on(const struct fiber *fiber, bool *clock_found)
{
    switch (fiber->state) {
    case FIBER_READY:
        return true;
    case FIBER_TICKING:
        return clock_is_due(clock_found);
    case FIBER_WAITING:
        return fiber->over || (!fiber->wait.patient && fiber->wait.due <= now) ||
               (fiber->wait.ready != NULL && fiber->wait.ready(fiber->wait.context));
    default:
        return false;
    }
}

static uint32_t able[FIBERS_MAX];  /* numbers of who can go on */
static size_t able_at[FIBERS_MAX]; /* their places in live */
static size_t able_count;

static void find_able(void)
{
    bool clock_found = false;
    able_count = 0;
    for (size_t place = 0; place < live_count; place++)
        if (can_go_on(live[place], &clock_found)) {
            able_at[able_count] = place;
            able[able_count++] = live[place]->number;
        }
}

/* The next due time of those who may come early; NT_NEVER: nobody waits for time. */
static uint64_t next_due(void)
{
    uint64_t due = nt_timers_next();
    for (size_t place = 0; place < live_count; place++) {
        const struct fiber *fiber = live[place];
        if (fiber->state == FIBER_WAITING && !fiber->wait.patient && fiber->wait.due < due)
            due = fiber->wait.due;
    }
    return due != NT_NEVER && due > now && due - now > FAR ? NT_NEVER : due;
}

/* Whose patience ends first; NULL: nobody's. Its due is in waited time. */
static struct fiber *least_patient(void)
{
    struct fiber *least = NULL;
    for (size_t place = 0; place < live_count; place++) {
        struct fiber *fiber = live[place];
        if (fiber->state == FIBER_WAITING && fiber->wait.patient && fiber->wait.due != NT_NEVER && !fiber->over &&
            (least == NULL || fiber->wait.due < least->wait.due))
            least = fiber;
    }
    return least;
}

/* Only system threads and clocks are left: what they do may go on for ever. */
static bool only_background(void)
{
    for (size_t place = 0; place < live_count; place++)
        if (live[place]->kind != FIBER_CLOCK && live[place]->kind != FIBER_THREAD)
            return false;
    return true;
}

static bool pass_time(void)
{
    uint64_t due = next_due();
    struct fiber *least = least_patient();
    uint64_t left = due == NT_NEVER ? NT_NEVER : due > now ? due - now : 0;
    if (only_background() && tail_jumps++ >= TAIL_JUMPS)
        return false;
    if (least != NULL && (least->wait.due <= waited || least->wait.due - waited < left)) {
        left = least->wait.due > waited ? least->wait.due - waited : 0;
        least->over = true;
    } else if (left == NT_NEVER) {
        return false;
    }
    now += left;
    waited += left;
    return true;
}

/* Nobody can run. false: and nobody ever will. */
static bool go_idle(void)
{
    for (size_t place = 0; place < live_count; place++)
        if (live[place]->state == FIBER_SETTLING) {
            live[place]->state = FIBER_READY;
            return true;
        }
    if (pass_time())
        return true;
    for (size_t place = live_count; place-- != 0;) /* whoever was made first may wait for the others */
        if (live[place]->state == FIBER_WAITING && live[place]->hopes) {
            live[place]->over = true;
            return true;
        }
    return false;
}

/* --- Points --------------------------------------------------------------------------------------- */

static void count_point(const char *routine)
{
    uint32_t point = outcome.points++;
    if (options->trace != NULL)
        options->trace(options->trace_context, point, current->name, routine, now);
    if (outcome.points < max_points)
        return;
    nt_leaves++; /* no points in the handler */
    nt_violate("no-progress", routine, "%u points passed, and the run is not over", outcome.points);
    nt_schedule_abandon();
}

/* Where in able the usual choice stands: the current fiber if it goes on, else who comes after it, sleepers last. */
static size_t find_usual(bool goes_on)
{
    size_t usual = able_count, first_after = 0;
    for (size_t index = 0; index < able_count && goes_on; index++)
        if (able_at[index] == current_place)
            return index;
    while (first_after < able_count && able_at[first_after] <= current_place)
        first_after++;
    for (size_t step = 0; step < able_count; step++) {
        size_t index = (first_after + step) % able_count;
        if (!live[able_at[index]]->sleeps)
            return index;
        if (usual == able_count)
            usual = index;
    }
    return usual;
}

/* Whom the strategy picks among able. */
static struct fiber *pick_next(bool goes_on)
{
    struct nt_pick pick = {outcome.points - 1, able, able_count, find_usual(goes_on), goes_on};
    current_place = able_at[nt_strategy_pick(&pick)];
    return live[current_place];
}

static void jump_early(void)
{
    uint64_t due;
    if (!early || (due = next_due()) == NT_NEVER || due <= now || !nt_strategy_jumps(outcome.points - 1))
        return;
    now = due;
}

/* Whoever spins until a time has come would never see it come: once all who can go on only spin, time passes. */
static void spin(void)
{
    run_length = 0;
    nt_strategy_tire(current->number);
    spun += yields ? YIELD : 1;
    yields = false;
    if (spun < SPIN * able_count)
        return;
    spun = 0;
    if (pass_time())
        find_able();
}

void nt_schedule_point(const char *routine)
{
    if (nt_leaves != 0)
        return;
    count_point(routine);
    bool tired = ++run_length >= RUN_LENGTH;
    if (!tired && !nt_strategy_asks())
        return;
    jump_early();
    find_able();
    if (tired)
        spin();
    if (able_count > 1)
        change_to(pick_next(!tired));
}

void nt_interlocked_point(void)
{
    NT_POINT("Interlocked");
}

void nt_schedule_yield(void)
{
    if (!nt_scheduling || nt_leaves != 0)
        return;
    run_length = RUN_LENGTH;
    yields = true;
    nt_schedule_point("YieldProcessor");
}

/* Nobody will ever go on. */
_Noreturn static void end_stuck(void)
{
    nt_leaves++; /* no points in the handler */
    outcome.stuck = nt_fibers_stuck();
    outcome.abandoned = nt_fibers_report_deadlock();
    end_run();
}

/* Some will never go on, whatever others do. */
static void check_circle(void)
{
    nt_leaves++;
    if (nt_fibers_report_circle(current)) {
        outcome.stuck = outcome.abandoned = true;
        end_run();
    }
    nt_leaves--;
}

/* The current fiber cannot go on, or has ended: who can. Ends the run when nobody ever will. */
static struct fiber *find_other(const char *routine)
{
    spun = 0;
    count_point(routine);
    jump_early();
    for (find_able(); able_count == 0; find_able())
        if (!go_idle())
            end_stuck();
    return pick_next(false);
}

/* Until the current fiber can go on. */
static void give_way(const char *routine)
{
    change_to(find_other(routine));
}

bool nt_schedule_until(const struct nt_wait *wait)
{
    if (nt_leaves != 0)
        abort(); /* whoever waits under a leaf lock would wait for ever */
    if (wait->ready != NULL && wait->ready(wait->context))
        return true;
    current->wait = *wait;
    if (wait->patient && wait->due != NT_NEVER)
        current->wait.due += waited;
    current->over = false;
    current->state = FIBER_WAITING;
    if (wait->holder != NULL)
        check_circle();
    give_way(wait->routine);
    current->state = FIBER_READY;
    return wait->ready != NULL && wait->ready(wait->context);
}

/* --- Fibers --------------------------------------------------------------------------------------- */

_Noreturn void nt_fiber_exit(void)
{
    struct fiber *ended = current;
    nt_thread_forget();
    ended->state = FIBER_ENDED;
    for (current_place = 0; live[current_place] != ended; current_place++)
        ;
    live_count--;
    memmove(&live[current_place], &live[current_place + 1], (live_count - current_place) * sizeof live[0]);
    current_place--; /* who came after it is next; before the first: wraps round, see find_usual */
    ended->next = spare;
    spare = ended;
    current = find_other("end");
    run_length = 0;
    load_locals(current);
    nt_fiber_leave(&ended->machine, &current->machine);
}

static void begin(void *argument)
{
    struct fiber *fiber = argument;
    fiber->body(fiber->context);
    nt_fiber_exit();
}

struct fiber *nt_fiber_start(enum fiber_kind kind, const char *name, void (*body)(void *context), void *context)
{
    if (live_count == FIBERS_MAX)
        return NULL;
    struct fiber *fiber = spare;
    if (fiber != NULL)
        spare = fiber->next;
    else
        fiber = calloc(1, sizeof *fiber);
    if (fiber == NULL)
        return NULL;
    if (!nt_fiber_make(&fiber->machine, begin, fiber)) {
        free(fiber);
        return NULL;
    }
    memset(&fiber->self, 0, sizeof fiber->self);
    memset(fiber->kept, 0, sizeof fiber->kept);
    fiber->kind = kind;
    fiber->state = FIBER_READY;
    fiber->number = fiber->self.number = ++outcome.fibers;
    fiber->over = fiber->hopes = fiber->sleeps = false;
    fiber->body = body;
    fiber->context = context;
    fiber->name = fiber->text;
    if (name != NULL)
        snprintf(fiber->text, sizeof fiber->text, "%s", name);
    else
        snprintf(fiber->text, sizeof fiber->text, "%s-%u", kind == FIBER_THREAD ? "thread" : "worker", fiber->number);
    fiber->self.verify.name = fiber->name;
    fiber->self.verify.stack_low = (uintptr_t)fiber->machine.base;
    fiber->self.verify.stack_high = fiber->self.verify.stack_low + fiber->machine.size;
    nt_strategy_fiber(fiber->number);
    live[live_count++] = fiber;
    return fiber;
}

void nt_schedule_spawn(const char *name, void (*body)(void *context), void *context)
{
    if (nt_fiber_start(FIBER_CLIENT, name, body, context) == NULL)
        abort();
}

static void tick(void *unused)
{
    (void)unused;
    for (;;) {
        current->state = FIBER_READY;
        nt_timers_tick(now);
        current->state = FIBER_TICKING;
        give_way("clock");
    }
}

/* --- What bodies call ------------------------------------------------------------------------------ */

static bool flag_is_set(const void *flag)
{
    return __atomic_load_n((const uint32_t *)flag, __ATOMIC_ACQUIRE) != 0;
}

bool nt_schedule_wait(const uint32_t *flag)
{
    struct nt_wait wait = {.routine = "nt_schedule_wait", .ready = flag_is_set, .context = flag, .due = NT_NEVER};
    current->hopes = true;
    bool set = nt_schedule_until(&wait);
    current->hopes = false;
    return set;
}

bool nt_schedule_flag(const uint32_t *flag, uint64_t due)
{
    const char *routine = nt_self.waits_in == NULL ? "KeWaitForSingleObject" : nt_self.waits_in;
    struct nt_wait wait = {.routine = routine,
                           .ready = flag_is_set,
                           .context = flag,
                           .due = nt_self.waits_patiently && due != NT_NEVER ? (due > now ? due - now : 0) : due,
                           .patient = nt_self.waits_patiently,
                           .has_to_end = nt_self.waits_in != NULL,
                           .holder = nt_self.waits_for};
    return nt_schedule_until(&wait);
}

void nt_schedule_settle(void)
{
    current->state = FIBER_SETTLING;
    give_way("nt_schedule_settle");
    current->state = FIBER_READY;
}

void nt_schedule_sleep(uint64_t interval)
{
    struct nt_wait wait = {.routine = "nt_schedule_sleep", .due = interval < FAR ? now + interval : NT_NEVER};
    current->sleeps = true;
    (void)nt_schedule_until(&wait);
    current->sleeps = false;
}

void nt_schedule_skip(uint64_t interval)
{
    now += interval < FAR ? interval : FAR;
}

static void begin_run(const struct nt_schedule_options *given)
{
    options = given;
    outcome = (struct nt_schedule_result){0};
    max_points = given->max_points == 0 ? MOST_POINTS : given->max_points;
    early = given->strategy != NT_RUN_ON && !given->on_time;
    live_count = 0;
    nt_leaves = 0;
    run_length = tail_jumps = 0;
    yields = false;
    spun = 0;
    now = START;
    waited = serial = 0;
    current_place = 0;
    nt_strategy_begin(given);
}

/* Those that a run left where they stood. */
static void end_fibers(void)
{
    for (size_t place = live_count; place-- != 0;) {
        load_locals(live[place]);
        nt_thread_forget();
        live[place]->next = spare;
        spare = live[place];
    }
    live_count = 0;
    current = NULL;
}

void nt_schedule(const struct nt_schedule_options *given, void (*body)(void *context), void *context,
                 struct nt_schedule_result *result)
{
    struct fiber before = {0};
    if (nt_scheduling)
        abort();
    save_locals(&before);
    begin_run(given);
    nt_fiber_adopt(&caller);
    struct fiber *first = nt_fiber_start(FIBER_BODY, "body", body, context);
    for (unsigned clock = 0; first != NULL && clock < CLOCKS; clock++) {
        struct fiber *made = nt_fiber_start(FIBER_CLOCK, clock == 0 ? "clock" : "clock-2", tick, NULL);
        if (made == NULL)
            abort();
        made->state = FIBER_TICKING;
        made->self.irql = DISPATCH_LEVEL;
    }
    if (first == NULL)
        abort();
    nt_scheduling = true;
    current = first;
    load_locals(first);
    nt_fiber_switch(&caller, &first->machine);
    nt_scheduling = false;
    nt_leaves = 0;
    end_fibers();
    load_locals(&before);
    outcome.choices = nt_strategy_choices(&outcome.choice_count);
    *result = outcome;
}
