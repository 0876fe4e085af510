/* SPDX-License-Identifier: MIT */
/*
 * learner.c - see learner.h. It speaks to the desk over a socket pair, as any peer does, so that its answers wait in
 * the same queue as those of people.
 */
#define _GNU_SOURCE
#include "desk/learner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "desk/peer.h"

struct learner {
    struct peer *peer;
};

static void on_question(void *context, struct peer_question *question)
{
    struct learner *learner = context;
    const struct choice choice = {.permit = true, .scope = GATEHOUSE_SCOPE_CONNECTION, .until = CHOICE_ONCE};

    (void)peer_answer(learner->peer, question->id, &choice);
}

enum agent_result learner_open(struct loop *loop, struct server *server, struct learner **learner,
                               struct problem *problem)
{
    struct learner *made = calloc(1, sizeof(*made));
    struct peer_handlers handlers = {.context = made, .question = on_question};
    enum agent_result result;
    int ends[2];

    if (made == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        free(made);
        return problem_set(problem, AGENT_FAILED, "cannot make a socket: %s.", strerror(errno));
    }
    result = server_adopt(server, ends[0], problem);
    if (result == AGENT_OK)
        result = peer_adopt(loop, ends[1], &handlers, &made->peer, problem);
    else
        close(ends[1]);
    if (result != AGENT_OK) {
        free(made);
        return result;
    }
    *learner = made;
    return AGENT_OK;
}

void learner_close(struct learner *learner)
{
    if (learner == NULL)
        return;
    peer_close(learner->peer);
    free(learner);
}
