/* SPDX-License-Identifier: MIT */
/*
 * server_parts.h - what the files of the server share: connections, exchanges (one request each), streams.
 *
 * server.c has the daemon and all deadlines; server_request.c what one request may; server_stream.c the streams.
 */
#ifndef PAGE_SERVER_PARTS_H
#define PAGE_SERVER_PARTS_H

#include <microhttpd.h>

#include "agent/text.h"
#include "page/files.h"
#include "page/listen.h"
#include "page/server.h"

/* One connection; oldest first. */
struct server_link {
    struct server_link *before, *next;
    int fd;            /* microhttpd's */
    uint64_t deadline; /* boot time, 100 ns; 0: none, it carries a stream */
    bool trusted;      /* has shown the token */
};

enum exchange_state { EXCHANGE_READING, EXCHANGE_CALLING, EXCHANGE_WAITING, EXCHANGE_ANSWERED };
enum exchange_kind { EXCHANGE_FILE, EXCHANGE_ENTER, EXCHANGE_CALL, EXCHANGE_STREAM };

/* One request, from its head to the end of its response. */
struct exchange {
    struct exchange *before, *next;
    struct MHD_Connection *connection;
    struct server_link *link;
    enum exchange_kind kind;
    enum exchange_state state;
    const struct page_file *file;
    uint64_t number, deadline;
    char name[32]; /* of the call */
    unsigned status;
    struct text reply;
    bool too_long;
    size_t used;
    char body[]; /* SERVER_BODY_MAX for calls */
};

struct stream {
    struct stream *before, *next;
    struct server *server;
    struct MHD_Connection *connection;
    uint64_t number;
    uint64_t sent; /* when the last bytes were put in; boot time */
    bool suspended, ending;
    size_t taken; /* of backlog */
    struct text backlog;
};

struct server {
    struct server_events events;
    struct guard guard;
    struct listen_sockets sockets;
    struct MHD_Daemon *daemon;
    int epoll;
    uint64_t numbers;
    unsigned link_count, stream_count;
    bool stopping;
    struct server_link *links;
    struct exchange *exchanges;
    struct stream *streams;
};

/* Callbacks of microhttpd. */
enum MHD_Result server_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *data, size_t *size, void **exchange);
void server_request_over(void *context, struct MHD_Connection *connection, void **exchange,
                         enum MHD_RequestTerminationCode code);

/* A response with the headers that all have; takes response over. */
enum MHD_Result server_queue(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response,
                             const char *type);
/* Answers with the stream; false: there are too many, or no memory. */
bool server_stream_begin(struct server *server, struct MHD_Connection *connection, enum MHD_Result *result);
/* Ends all of them. */
void server_stream_stop(struct server *server);
/* Keeps connections alive, and finds those that are gone. Returns when it wants to be called again; 0: never. */
uint64_t server_stream_beat(struct server *server, uint64_t now);

#endif
