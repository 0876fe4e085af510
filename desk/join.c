/* SPDX-License-Identifier: MIT */
/*
 * join.c - see join.h. A desk of one's own is the same desk, spoken to over a socket pair.
 */
#define _GNU_SOURCE
#include "desk/join.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/transport.h"
#include "desk/facts.h"
#include "desk/gate.h"
#include "desk/server.h"

struct desk_join {
    struct loop *loop;
    struct peer *peer;
    /* A desk of its own; NULL: another's. */
    struct desk *desk;
    struct server *server;
    struct gate *gate;
    struct facts *facts;
};

/* hello tells the front end the same. */
static void say_nothing(void *context, const char *sentence)
{
    (void)context;
    (void)sentence;
}

static enum agent_result join_own(struct desk_join *join, const struct desk_join_settings *settings,
                                  const struct peer_handlers *handlers, struct problem *problem)
{
    struct gate_settings gate = {.loop = join->loop,
                                 .socket = settings->socket == NULL ? transport_default_path() : settings->socket,
                                 .once = settings->once,
                                 .say = say_nothing};
    struct desk_settings desk = {.describe = facts_describe};
    enum agent_result result = facts_open(join->loop, &join->facts, problem);
    int ends[2];

    if (result != AGENT_OK)
        return result;
    desk.describe_context = join->facts;
    join->desk = gate.desk = desk_new(&desk);
    if (join->desk == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    facts_use(join->facts, join->desk, NULL, NULL);
    result = gate_open(&gate, &join->gate, problem);
    if (result == AGENT_OK)
        result = server_open(join->loop, join->desk, NULL, &join->server, problem);
    if (result != AGENT_OK)
        return result;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return problem_set(problem, AGENT_FAILED, "cannot make a socket: %s.", strerror(errno));
    result = server_adopt(join->server, ends[0], problem);
    if (result != AGENT_OK) {
        close(ends[1]);
        return result;
    }
    return peer_adopt(join->loop, ends[1], handlers, &join->peer, problem);
}

enum agent_result desk_join(const struct desk_join_settings *settings, const struct peer_handlers *handlers,
                            struct desk_join **join, struct problem *problem)
{
    const char *path = settings->desk == NULL ? DESK_DEFAULT_PATH : settings->desk;
    struct desk_join *made = calloc(1, sizeof(*made));
    enum agent_result result;

    if (made == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    result = loop_new(&made->loop, problem);
    if (result == AGENT_OK && settings->remote && settings->patient)
        result = peer_wait(made->loop, path, handlers, &made->peer, problem);
    else if (result == AGENT_OK && !settings->own)
        result = peer_open(made->loop, path, handlers, &made->peer, problem);
    /* One who may not open the other's desk may not decide either, but gatehoused says that best. */
    if (result == AGENT_OK && settings->own)
        result = join_own(made, settings, handlers, problem);
    else if (result == AGENT_UNREACHABLE && !settings->remote)
        result = join_own(made, settings, handlers, problem);
    if (result != AGENT_OK) {
        desk_leave(made);
        return result;
    }
    *join = made;
    return AGENT_OK;
}

void desk_leave(struct desk_join *join)
{
    if (join == NULL)
        return;
    peer_close(join->peer);
    gate_close(join->gate);
    server_close(join->server);
    facts_close(join->facts);
    desk_free(join->desk);
    loop_free(join->loop);
    free(join);
}

struct peer *desk_join_peer(const struct desk_join *join)
{
    return join->peer;
}

bool desk_join_is_own(const struct desk_join *join)
{
    return join->desk != NULL;
}

struct loop *desk_join_loop(const struct desk_join *join)
{
    return join->loop;
}

int desk_join_descriptor(const struct desk_join *join)
{
    return loop_descriptor(join->loop);
}

void desk_join_turn(struct desk_join *join)
{
    loop_turn(join->loop, 0);
}

enum agent_result desk_join_ended(const struct desk_join *join, struct problem *problem)
{
    return join->gate == NULL ? AGENT_OK : gate_ended(join->gate, problem);
}
