/* SPDX-License-Identifier: MIT */
/*
 * learner.h - a peer of the desk in its own process that permits every question at once, each for its connection only:
 * the learning mode. The history then has what programs do, and `gatehouse learn` proposes rules for it. Rules that
 * block go on blocking.
 */
#ifndef DESK_LEARNER_H
#define DESK_LEARNER_H

#include "agent/result.h"
#include "desk/loop.h"
#include "desk/server.h"

struct learner;

enum agent_result learner_open(struct loop *loop, struct server *server, struct learner **learner,
                               struct problem *problem);
/* Before the server is closed. NULL is allowed. */
void learner_close(struct learner *learner);

#endif
