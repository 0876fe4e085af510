/* SPDX-License-Identifier: MIT */
/*
 * server_request.c - what one request may: its head is judged whole before a byte of its body is taken.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "agent/clock.h"
#include "page/server_parts.h"

#define CALL_PREFIX "/api/"
#define REPLY_TIME  (20u * CLOCK_SECOND) /* of a call; then it is answered in its place */
#define IDLE_TIME   (30u * CLOCK_SECOND) /* between two requests of a connection */

/* Nothing may be loaded from anywhere else, shown in a frame, kept, or turned from text into a script. */
static const char *const headers[][2] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
     "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"},
    {"X-Frame-Options", "DENY"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Embedder-Policy", "require-corp"},
    {"Permissions-Policy", "camera=(), microphone=(), geolocation=(), display-capture=(), usb=()"},
    {"Cache-Control", "no-store"},
};

enum MHD_Result server_queue(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response,
                             const char *type)
{
    enum MHD_Result result = MHD_NO;

    if (response == NULL)
        return MHD_NO;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        if (MHD_add_response_header(response, headers[i][0], headers[i][1]) != MHD_YES)
            goto out;
    if (MHD_add_response_header(response, "Content-Type", type) != MHD_YES)
        goto out;
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED &&
        MHD_add_response_header(response, "Allow", "GET, HEAD, POST") != MHD_YES)
        goto out;
    result = MHD_queue_response(connection, status, response);
out:
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result queue_json(struct MHD_Connection *connection, unsigned status, const struct text *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(text->used, (void *)text_string(text), MHD_RESPMEM_MUST_COPY);

    return server_queue(connection, status, response, "application/json; charset=utf-8");
}

/* sentence: one of the page's own, short and plain. A refusal ends the connection: what follows on it would be the body
 * that nobody reads. */
static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *sentence)
{
    char text[256];
    int size = snprintf(text, sizeof(text), "{\"sentence\":\"%s\"}", sentence);
    struct MHD_Response *response = MHD_create_response_from_buffer((size_t)size, text, MHD_RESPMEM_MUST_COPY);

    if (response != NULL)
        (void)MHD_add_response_header(response, "Connection", "close");
    return server_queue(connection, status, response, "application/json; charset=utf-8");
}

/* --- the head ----------------------------------------------------------------------------------- */

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result count_hosts(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    unsigned *count = context;

    (void)kind, (void)value;
    *count += strcasecmp(name, "Host") == 0;
    return MHD_YES;
}

static struct guard_head read_head(struct MHD_Connection *connection, bool call)
{
    struct guard_head head = {.host = header(connection, "Host"),
                              .origin = header(connection, "Origin"),
                              .site = header(connection, "Sec-Fetch-Site"),
                              .mode = header(connection, "Sec-Fetch-Mode"),
                              .destination = header(connection, "Sec-Fetch-Dest"),
                              .call = call};

    MHD_get_connection_values(connection, MHD_HEADER_KIND, count_hosts, &head.hosts);
    return head;
}

static const struct page_file *find_file(const char *url)
{
    for (size_t i = 0; i < page_file_count; i++)
        if (strcmp(page_files[i].path, url) == 0)
            return &page_files[i];
    return NULL;
}

static bool is_json(const char *type)
{
    static const char json[] = "application/json";

    return type != NULL && strncasecmp(type, json, sizeof(json) - 1) == 0 &&
           (type[sizeof(json) - 1] == '\0' || type[sizeof(json) - 1] == ';');
}

static bool is_too_long(const char *length)
{
    return length != NULL && strtoull(length, NULL, 10) > SERVER_BODY_MAX;
}

struct refusal {
    unsigned status;
    const char *sentence;
};

/* A call's own conditions, once its origin is good. */
static struct refusal judge_call(const struct server *server, struct MHD_Connection *connection,
                                 enum exchange_kind kind, const char *method)
{
    if (strcmp(method, kind == EXCHANGE_STREAM ? "GET" : "POST") != 0)
        return (struct refusal){MHD_HTTP_METHOD_NOT_ALLOWED, "this is asked for in another way."};
    if (kind != EXCHANGE_ENTER && !guard_admits(&server->guard, header(connection, "Authorization")))
        return (struct refusal){MHD_HTTP_UNAUTHORIZED,
                                "the token is missing or wrong: open the link that gatehouse ui printed."};
    if (kind == EXCHANGE_STREAM)
        return (struct refusal){0, NULL};
    if (!is_json(header(connection, "Content-Type")))
        return (struct refusal){MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "a call is JSON."};
    if (is_too_long(header(connection, "Content-Length")))
        return (struct refusal){MHD_HTTP_CONTENT_TOO_LARGE, "a call has 16 KiB at most."};
    return (struct refusal){0, NULL};
}

static struct refusal judge(const struct server *server, struct MHD_Connection *connection, struct exchange *exchange,
                            const char *url, const char *method)
{
    bool call = strncmp(url, CALL_PREFIX, sizeof(CALL_PREFIX) - 1) == 0;
    struct guard_head head = read_head(connection, call);
    const char *sentence = guard_refusal(&server->guard, &head);

    if (sentence != NULL)
        return (struct refusal){head.hosts == 1 ? MHD_HTTP_FORBIDDEN : MHD_HTTP_BAD_REQUEST, sentence};
    if (call) {
        const char *name = url + sizeof(CALL_PREFIX) - 1;

        if (strlen(name) >= sizeof(exchange->name))
            return (struct refusal){MHD_HTTP_NOT_FOUND, "there is no such call."};
        snprintf(exchange->name, sizeof(exchange->name), "%s", name);
        exchange->kind = EXCHANGE_CALL;
        if (strcmp(name, "stream") == 0)
            exchange->kind = EXCHANGE_STREAM;
        else if (strcmp(name, "enter") == 0)
            exchange->kind = EXCHANGE_ENTER;
        return judge_call(server, connection, exchange->kind, method);
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return (struct refusal){MHD_HTTP_METHOD_NOT_ALLOWED, "files are only read."};
    exchange->file = find_file(url);
    if (exchange->file == NULL)
        return (struct refusal){MHD_HTTP_NOT_FOUND, "there is no such page."};
    return (struct refusal){0, NULL};
}

static enum MHD_Result begin(struct server *server, struct MHD_Connection *connection, const char *url,
                             const char *method, void **place)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct exchange *exchange = calloc(1, sizeof(*exchange) + SERVER_BODY_MAX);
    struct refusal refusal;

    if (exchange == NULL || info == NULL || info->socket_context == NULL || server->stopping) {
        free(exchange);
        return MHD_NO;
    }
    exchange->connection = connection;
    exchange->link = info->socket_context;
    exchange->number = ++server->numbers;
    DL_APPEND2(server->exchanges, exchange, before, next);
    *place = exchange;
    refusal = judge(server, connection, exchange, url, method);
    if (refusal.status != 0)
        return refuse(connection, refusal.status, refusal.sentence);
    exchange->link->trusted |= exchange->kind == EXCHANGE_CALL || exchange->kind == EXCHANGE_STREAM;
    return MHD_YES;
}

/* --- the rest ----------------------------------------------------------------------------------- */

static enum MHD_Result enter(struct server *server, struct exchange *exchange, const json_t *body)
{
    const char *code = json_string_value(json_object_get(body, "code"));
    char token[GUARD_TOKEN_SIZE];
    enum guard_entry entry = guard_enter(&server->guard, code == NULL ? "" : code, token);

    if (entry == GUARD_ENTRY_WRONG)
        return refuse(exchange->connection, MHD_HTTP_UNAUTHORIZED,
                      "this link is not of this gatehouse ui: open the one it printed.");
    if (entry == GUARD_ENTRY_AGAIN)
        return refuse(exchange->connection, MHD_HTTP_UNAUTHORIZED,
                      "this link was used already, and is good no more: open the one that gatehouse ui printed.");
    text_add_format(&exchange->reply, "{\"token\":\"%s\"}", token);
    return queue_json(exchange->connection, MHD_HTTP_OK, &exchange->reply);
}

/* The whole request is there. */
static enum MHD_Result dispatch(struct server *server, struct exchange *exchange)
{
    enum MHD_Result result = MHD_YES;
    json_t *body;

    if (exchange->kind == EXCHANGE_STREAM) {
        exchange->link->deadline = 0;
        if (server_stream_begin(server, exchange->connection, &result))
            return result;
        return refuse(exchange->connection, MHD_HTTP_SERVICE_UNAVAILABLE, "too many pages are open: close some.");
    }
    if (exchange->too_long)
        return refuse(exchange->connection, MHD_HTTP_CONTENT_TOO_LARGE, "a call has 16 KiB at most.");
    body = json_loadb(exchange->body, exchange->used, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(body)) {
        json_decref(body);
        return refuse(exchange->connection, MHD_HTTP_BAD_REQUEST, "a call is one JSON object.");
    }
    if (exchange->kind == EXCHANGE_ENTER) {
        result = enter(server, exchange, body);
        json_decref(body);
        return result;
    }
    exchange->link->deadline = 0; /* the exchange has one of its own */
    exchange->deadline = clock_boot() + REPLY_TIME;
    exchange->state = EXCHANGE_CALLING;
    server->events.call(server->events.context, exchange->number, exchange->name, body);
    json_decref(body);
    if (exchange->state == EXCHANGE_ANSWERED)
        return queue_json(exchange->connection, exchange->status, &exchange->reply);
    exchange->state = EXCHANGE_WAITING;
    MHD_suspend_connection(exchange->connection);
    return MHD_YES;
}

static enum MHD_Result send_file(struct exchange *exchange)
{
    const struct page_file *file = exchange->file;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(file->size, (void *)file->bytes, MHD_RESPMEM_PERSISTENT);

    return server_queue(exchange->connection, MHD_HTTP_OK, response, file->type);
}

enum MHD_Result server_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *data, size_t *size, void **place)
{
    struct server *server = context;
    struct exchange *exchange = *place;

    (void)version;
    if (exchange == NULL)
        return begin(server, connection, url, method, place);
    if (*size > 0) {
        if (*size > SERVER_BODY_MAX - exchange->used)
            exchange->too_long = true;
        if (!exchange->too_long) {
            memcpy(exchange->body + exchange->used, data, *size);
            exchange->used += *size;
        }
        *size = 0;
        return MHD_YES;
    }
    if (exchange->state == EXCHANGE_ANSWERED)
        return queue_json(connection, exchange->status, &exchange->reply);
    if (exchange->kind == EXCHANGE_FILE)
        return send_file(exchange);
    return dispatch(server, exchange);
}

void server_request_over(void *context, struct MHD_Connection *connection, void **place,
                         enum MHD_RequestTerminationCode code)
{
    struct server *server = context;
    struct exchange *exchange = *place;

    (void)connection, (void)code;
    if (exchange == NULL)
        return;
    exchange->link->deadline = clock_boot() + IDLE_TIME;
    DL_DELETE2(server->exchanges, exchange, before, next);
    text_free(&exchange->reply);
    free(exchange);
    *place = NULL;
}
