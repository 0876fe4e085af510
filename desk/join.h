/* SPDX-License-Identifier: MIT */
/*
 * join.h - one call that gives a front end its desk: that of `gatehouse run` when one answers at the path, else one of
 * its own in this process, that lives as long.
 *
 * Either way there is one descriptor to wait for and one function to call when it is readable. It is also readable,
 * for good, once a stop is requested (agent/stop.h): look at stop_requested after each turn.
 */
#ifndef DESK_JOIN_H
#define DESK_JOIN_H

#include <stdbool.h>

#include "desk/peer.h"

#define DESK_DEFAULT_PATH "/run/gatehouse-desk/desk.sock"

struct desk_join;

struct desk_join_settings {
    const char *desk;   /* the desk's socket; NULL: the default */
    const char *socket; /* gatehoused's, for a desk of its own; NULL: the default */
    bool own;           /* do not look for another desk */
    bool remote;        /* no desk of its own: AGENT_UNREACHABLE when none answers */
    bool patient;       /* remote: wait for the other desk, also at the start */
    bool once;          /* a desk of its own ends with gatehoused: desk_join_ended then */
};

/*
 * Handlers are called from turns only, hello first. AGENT_UNREACHABLE, AGENT_REFUSED: as gatehoused or the desk says.
 * A desk of its own that finds another decider is AGENT_REFUSED too.
 */
enum agent_result desk_join(const struct desk_join_settings *settings, const struct peer_handlers *handlers,
                            struct desk_join **join, struct problem *problem);
/* NULL is allowed. Held connections that a desk of its own has go back undecided. */
void desk_leave(struct desk_join *join);

struct peer *desk_join_peer(const struct desk_join *join);
bool desk_join_is_own(const struct desk_join *join);
struct loop *desk_join_loop(const struct desk_join *join);
int desk_join_descriptor(const struct desk_join *join);
/* Does what is due, without waiting. */
void desk_join_turn(struct desk_join *join);
/* It goes on no more (once, or gatehoused refuses now): why. AGENT_OK: it does. */
enum agent_result desk_join_ended(const struct desk_join *join, struct problem *problem);

#endif
