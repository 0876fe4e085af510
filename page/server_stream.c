/* SPDX-License-Identifier: MIT */
/*
 * server_stream.c - Server-Sent Events. While nothing waits, the connection is suspended: nothing wakes up for it.
 *
 * microhttpd does not see that a suspended connection's other end has gone, so now and then a comment is sent.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "agent/clock.h"
#include "page/server_parts.h"

#define BLOCK     16384u
#define BEAT_TIME (15u * CLOCK_SECOND)

static ssize_t read_stream(void *context, uint64_t position, char *buffer, size_t capacity)
{
    struct stream *stream = context;
    size_t count = stream->backlog.used - stream->taken;

    (void)position;
    if (stream->ending || stream->backlog.failed)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (count == 0) {
        MHD_suspend_connection(stream->connection);
        stream->suspended = true;
        return 0;
    }
    count = count < capacity ? count : capacity;
    memcpy(buffer, stream->backlog.data + stream->taken, count);
    stream->taken += count;
    if (stream->taken == stream->backlog.used) {
        text_clear(&stream->backlog);
        stream->taken = 0;
    }
    return (ssize_t)count;
}

static void free_stream(void *context)
{
    struct stream *stream = context;

    DL_DELETE2(stream->server->streams, stream, before, next);
    stream->server->stream_count--;
    text_free(&stream->backlog);
    free(stream);
}

bool server_stream_begin(struct server *server, struct MHD_Connection *connection, enum MHD_Result *result)
{
    struct stream *stream;
    struct MHD_Response *response;

    if (server->stream_count == SERVER_STREAMS_MAX)
        return false;
    stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        return false;
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, stream, free_stream);
    if (response == NULL) {
        free(stream);
        return false;
    }
    stream->server = server;
    stream->connection = connection;
    stream->number = ++server->numbers;
    stream->sent = clock_boot();
    DL_APPEND2(server->streams, stream, before, next);
    server->stream_count++;
    server->events.opened(server->events.context, stream->number);
    *result = server_queue(connection, MHD_HTTP_OK, response, "text/event-stream; charset=utf-8");
    return true;
}

static void wake(struct stream *stream)
{
    if (!stream->suspended)
        return;
    stream->suspended = false;
    MHD_resume_connection(stream->connection);
}

static void put(struct stream *stream, const char *before, const char *line, size_t size)
{
    if (stream->backlog.used - stream->taken + size > SERVER_BACKLOG_MAX)
        stream->ending = true;
    if (!stream->ending) {
        text_add(&stream->backlog, before);
        text_add_bytes(&stream->backlog, line, size);
        text_add(&stream->backlog, "\n\n");
    }
    stream->sent = clock_boot();
    wake(stream);
}

void server_stream_send(struct server *server, uint64_t number, const char *line, size_t size)
{
    struct stream *stream;

    DL_SEARCH_SCALAR(server->streams, stream, number, number);
    if (stream != NULL)
        put(stream, "data: ", line, size);
}

void server_stream_send_all(struct server *server, const char *line, size_t size)
{
    struct stream *stream;

    DL_FOREACH2(server->streams, stream, next)
    put(stream, "data: ", line, size);
}

void server_stream_stop(struct server *server)
{
    struct stream *stream;

    DL_FOREACH2(server->streams, stream, next)
    {
        stream->ending = true;
        wake(stream);
    }
}

uint64_t server_stream_beat(struct server *server, uint64_t now)
{
    struct stream *stream;
    uint64_t next = 0;

    DL_FOREACH2(server->streams, stream, next)
    {
        if (stream->sent + BEAT_TIME <= now)
            put(stream, ":", "", 0);
        if (next == 0 || stream->sent + BEAT_TIME < next)
            next = stream->sent + BEAT_TIME;
    }
    return next;
}
