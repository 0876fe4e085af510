/* SPDX-License-Identifier: MIT */
/*
 * server.h - the desk's socket: lets peers in, and carries their lines. docs/desk.md.
 *
 * Root, the user that the desk runs as, and members of the group gatehouse may come (SO_PEERCRED, SO_PEERGROUPS); who
 * may not is told so in one line. At most SERVER_PEERS_MAX at once. A peer that does not read what it is sent is
 * dropped, and never makes anybody wait. One thread.
 */
#ifndef DESK_SERVER_H
#define DESK_SERVER_H

#include "agent/result.h"
#include "desk/desk.h"
#include "desk/loop.h"

#define SERVER_PEERS_MAX 64u

struct server;

/*
 * path NULL: no socket, only those that are adopted. A socket that nobody listens on any more is replaced; one that
 * somebody does is AGENT_REFUSED. The desk outlives the server.
 */
enum agent_result server_open(struct loop *loop, struct desk *desk, const char *path, struct server **server,
                              struct problem *problem);
/* Also removes the socket. NULL is allowed. */
void server_close(struct server *server);

/* A peer over a socket of one's own, as the user that this process runs as. The socket becomes the server's. */
enum agent_result server_adopt(struct server *server, int descriptor, struct problem *problem);

#endif
