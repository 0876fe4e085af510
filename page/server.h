/* SPDX-License-Identifier: MIT */
/*
 * server.h - the HTTP side of the page: libmicrohttpd on the two loopback addresses, the page's own files, calls,
 * streams.
 *
 * Everything has a bound: connections (a flood loses its oldest ones, never one that has shown the token), the size of
 * a head and of a body, the time a request may take, the calls under way, the streams and what waits in each. A stream
 * that is not read fast enough is ended: the page opens another and begins anew.
 *
 *   GET  /, /page.css, ...   the files (page/files.h), without a token: they hold nothing of this machine
 *   GET  /api/stream         what happens, as Server-Sent Events
 *   POST /api/NAME           a call: one JSON object, answered by one
 *
 * One thread: that of the loop, which waits on server_descriptors and calls server_work. When you add a call, it is
 * page.c that knows it; here all calls are alike.
 */
#ifndef PAGE_SERVER_H
#define PAGE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "agent/result.h"
#include "page/guard.h"

#define SERVER_BODY_MAX        16384u /* bytes of a call */
#define SERVER_CONNECTIONS_MAX 256u
#define SERVER_DESCRIPTORS     3u
#define SERVER_STREAMS_MAX     16u
#define SERVER_BACKLOG_MAX     (1024u * 1024u) /* bytes that wait in a stream */

struct server;

struct server_events {
    void *context;
    /* A call with the token. Answer it now or later, with server_reply and this number. body is the caller's. */
    void (*call)(void *context, uint64_t number, const char *name, const json_t *body);
    /* A page is there: server_stream_send what it has to know first. */
    void (*opened)(void *context, uint64_t stream);
};

/* port 0: any. On success the caller frees with server_free. */
enum agent_result server_new(unsigned port, const struct server_events *events, struct server **server,
                             struct problem *problem);
void server_free(struct server *server);

const struct guard *server_guard(const struct server *server);
/* Readable when there is work. Returns how many. */
unsigned server_descriptors(const struct server *server, int descriptors[SERVER_DESCRIPTORS]);
/* How long server_work may wait, -1: until a descriptor is readable. */
int server_patience(struct server *server);
void server_work(struct server *server);

/* status: of HTTP. body: JSON text; copied. A number whose connection is gone is no failure. */
void server_reply(struct server *server, uint64_t number, unsigned status, const char *body, size_t size);

/* One event; line is JSON without line ends. All: to every stream. */
void server_stream_send(struct server *server, uint64_t stream, const char *line, size_t size);
void server_stream_send_all(struct server *server, const char *line, size_t size);

#endif
