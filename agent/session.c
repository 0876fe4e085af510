/* SPDX-License-Identifier: MIT */
/*
 * session.c - see session.h.
 */
#include "agent/session.h"

#include <stdio.h>

#include "agent/clock.h"
#include "agent/stop.h"
#include "agent/wait.h"
#include "words.h"

#define PAUSE_FIRST_MS 50
#define PAUSE_LAST_MS  1000
/* A connection that lived this long was a good one: the next pause is short again. */
#define GOOD_AFTER (5 * CLOCK_SECOND)

void session_connected(struct session *session)
{
    if (session->was_connected)
        session->say(WORDS_PEER " is back.");
    session->was_connected = true;
    session->connected_at = clock_boot();
}

static void say_retry(const struct session *session, const struct problem *problem)
{
    char sentence[sizeof(problem->sentence) + 64];

    snprintf(sentence, sizeof(sentence), "%s Trying again until it is back.", problem->sentence);
    session->say(sentence);
}

enum agent_result session_run(struct session *session, session_work *work, void *context, struct problem *problem)
{
    int pause_ms = PAUSE_FIRST_MS;

    for (;;) {
        struct wait only_stop = {.input = WAIT_INPUT_NONE};
        enum agent_result result;

        session->connected_at = 0;
        result = work(session, context, problem);
        if (stop_requested())
            return AGENT_STOPPED;
        if (session->once || !session->was_connected || (result != AGENT_LOST && result != AGENT_UNREACHABLE))
            return result;
        if (session->connected_at != 0) {
            say_retry(session, problem);
            if (clock_boot() - session->connected_at > GOOD_AFTER)
                pause_ms = PAUSE_FIRST_MS;
        }
        wait_any(&only_stop, pause_ms);
        if (stop_requested())
            return AGENT_STOPPED;
        pause_ms = pause_ms * 2 > PAUSE_LAST_MS ? PAUSE_LAST_MS : pause_ms * 2;
    }
}
