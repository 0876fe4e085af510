/* SPDX-License-Identifier: MIT */
/*
 * screen.c - see screen.h. One poll: keys, the desk, signals, a stop, the time.
 *
 * Order matters: keys are taken before what the desk says, because whoever pressed them saw the screen as it was
 * before.
 */
#include "screen/screen.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/stop.h"
#include "agent/stop_unix.h"
#include "screen/draw.h"
#include "screen/layout.h"
#include "screen/model.h"

enum { INPUT, DESK, STOP, SIGNALS, DESCRIPTORS };

struct screen {
    struct desk_join *join;
    struct peer *peer;
    struct model model;
    struct layout layout;
    bool ended; /* nobody is at the terminal any more */
};

bool screen_can(void)
{
    return draw_can();
}

/* --- Between the desk and the model -------------------------------------------------------------- */

static uint32_t answer(void *context, uint64_t id, const struct choice *choice)
{
    return peer_answer(((struct screen *)context)->peer, id, choice);
}

static uint32_t undo(void *context, const char *name)
{
    return peer_undo(((struct screen *)context)->peer, name);
}

static void on_hello(void *context, const struct peer_hello *hello)
{
    model_hello(&((struct screen *)context)->model, hello);
}

static void on_question(void *context, struct peer_question *question)
{
    model_question(&((struct screen *)context)->model, question);
}

static void on_gone(void *context, struct peer_question *question, const struct peer_gone *gone)
{
    model_gone(&((struct screen *)context)->model, question, gone);
}

static void on_answered(void *context, const struct peer_answered *answered)
{
    model_answered(&((struct screen *)context)->model, answered);
}

static void on_undone(void *context, uint32_t tag, bool done, const char *sentence)
{
    model_undone(&((struct screen *)context)->model, tag, done, sentence);
}

static void on_error(void *context, uint32_t tag, const char *sentence)
{
    model_error(&((struct screen *)context)->model, tag, sentence);
}

static void on_lost(void *context, const char *sentence)
{
    model_lost(&((struct screen *)context)->model, sentence);
}

static void on_back(void *context)
{
    model_back(&((struct screen *)context)->model);
}

/* --- The loop ------------------------------------------------------------------------------------- */

static void show(struct screen *screen)
{
    draw_size(&screen->layout.columns, &screen->layout.rows);
    screen->layout.utf8 = draw_is_utf8();
    layout_make(&screen->layout, &screen->model, clock_boot());
    draw_layout(&screen->layout);
    model_shown(&screen->model, screen->layout.with_question, clock_boot());
}

static int time_to_wait(const struct screen *screen)
{
    uint64_t now = clock_boot();
    uint64_t due = model_due(&screen->model, now);

    if (due == 0)
        return -1;
    return due <= now ? 0 : (int)((due - now) / CLOCK_MILLISECOND + 1);
}

static void take_keys(struct screen *screen)
{
    int key;

    while (!screen->model.quit && (key = draw_key()) != 0) {
        if (key < 0) {
            screen->ended = true;
            return;
        }
        model_press(&screen->model, key, clock_boot());
    }
}

static enum agent_result turn(struct screen *screen, struct problem *problem)
{
    struct pollfd list[DESCRIPTORS] = {
        [INPUT] = {.fd = STDIN_FILENO, .events = POLLIN},
        [DESK] = {.fd = desk_join_descriptor(screen->join), .events = POLLIN},
        [STOP] = {.fd = stop_descriptor(), .events = POLLIN},
        [SIGNALS] = {.fd = draw_descriptor(), .events = POLLIN},
    };

    show(screen);
    if (poll(list, DESCRIPTORS, time_to_wait(screen)) < 0)
        list[INPUT].revents = list[DESK].revents = list[SIGNALS].revents = 0;
    if (stop_requested())
        return AGENT_STOPPED;
    if ((list[SIGNALS].revents & POLLIN) != 0 && draw_signals())
        model_shown(&screen->model, false, clock_boot());
    if ((list[INPUT].revents & POLLIN) != 0)
        take_keys(screen);
    if (screen->ended || (list[INPUT].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
        return problem_set(problem, AGENT_INPUT_ENDED, "the terminal is gone: nobody answers any more.");
    if (list[DESK].revents != 0)
        desk_join_turn(screen->join);
    return desk_join_ended(screen->join, problem);
}

/* What becomes of those that nobody answered here. */
static void say_rest(const struct screen *screen, unsigned held, void (*say)(const char *sentence))
{
    char sentence[160];

    if (held == 0)
        return;
    if (screen->model.own)
        snprintf(sentence, sizeof(sentence), "%u held connection%s undecided.", held,
                 held == 1 ? " goes back" : "s go back");
    else
        snprintf(sentence, sizeof(sentence), "%u question%s on the desk of 'gatehouse run'.", held,
                 held == 1 ? " stays" : "s stay");
    say(sentence);
}

enum agent_result screen_run(const struct desk_join_settings *settings, void (*say)(const char *sentence),
                             struct problem *problem)
{
    struct screen *screen = calloc(1, sizeof(*screen));
    enum agent_result result = AGENT_OK;
    unsigned held = 0;

    if (screen == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    struct peer_handlers handlers = {.context = screen,
                                     .hello = on_hello,
                                     .question = on_question,
                                     .gone = on_gone,
                                     .answered = on_answered,
                                     .undone = on_undone,
                                     .error = on_error,
                                     .lost = on_lost,
                                     .back = on_back};
    struct model_desk desk = {.context = screen, .answer = answer, .undo = undo};

    if (!model_init(&screen->model, &desk)) {
        result = problem_set(problem, AGENT_FAILED, "out of memory.");
        goto out;
    }
    result = desk_join(settings, &handlers, &screen->join, problem);
    if (result != AGENT_OK)
        goto out;
    screen->peer = desk_join_peer(screen->join);
    screen->model.own = desk_join_is_own(screen->join);
    result = draw_open(problem);
    while (result == AGENT_OK && !screen->model.quit)
        result = turn(screen, problem);
    draw_close();
    held = screen->model.count;
out:
    desk_leave(screen->join);
    say_rest(screen, held, say);
    model_cleanup(&screen->model);
    layout_free(&screen->layout);
    free(screen);
    return result;
}
