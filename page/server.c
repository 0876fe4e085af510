/* SPDX-License-Identifier: MIT */
/*
 * server.c - see server.h. The daemon has no thread and no socket of its own: connections are accepted here, so that
 * what happens when there are too many is decided here too.
 */
#include "page/server.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "agent/clock.h"
#include "page/server_parts.h"

#define LINKS_FULL     (SERVER_CONNECTIONS_MAX * 3 / 4) /* from here on the oldest stranger goes */
#define ACCEPTS_A_TURN 64
#define HEAD_MEMORY    (16u * 1024u)        /* of a connection; a longer head is refused */
#define IDLE_SECONDS   30u                  /* of silence, in microhttpd */
#define REQUEST_TIME   (10u * CLOCK_SECOND) /* from its first byte, or from accept, to its last */

static void notice_link(void *context, struct MHD_Connection *connection, void **place,
                        enum MHD_ConnectionNotificationCode code)
{
    struct server *server = context;
    struct server_link *link = *place;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

        link = calloc(1, sizeof(*link));
        *place = link;
        if (link == NULL)
            return; /* server_request refuses what has none */
        link->fd = info->connect_fd;
        link->deadline = clock_boot() + REQUEST_TIME;
        DL_APPEND2(server->links, link, before, next);
        server->link_count++;
    } else if (link != NULL) {
        DL_DELETE2(server->links, link, before, next);
        server->link_count--;
        free(link);
        *place = NULL;
    }
}

/* The path is compared byte by byte with those that there are, so nothing in it needs a meaning. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
    size_t size = 0;

    (void)context, (void)connection;
    while (text[size] != '\0')
        size++;
    return size;
}

static struct MHD_Daemon *start_daemon(struct server *server)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET;

    return MHD_start_daemon(
        flags, 0, NULL, NULL, server_request, server, MHD_OPTION_CONNECTION_LIMIT, SERVER_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
        MHD_OPTION_NOTIFY_CONNECTION, notice_link, server, MHD_OPTION_NOTIFY_COMPLETED, server_request_over, server,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

static bool find_epoll(struct server *server)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    if (info == NULL)
        return false;
    server->epoll = info->epoll_fd;
    return true;
}

enum agent_result server_new(unsigned port, const struct server_events *events, struct server **server,
                             struct problem *problem)
{
    struct server *made = calloc(1, sizeof(*made));
    enum agent_result result;

    if (made == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    made->events = *events;
    made->sockets.v4 = made->sockets.v6 = -1;
    result = listen_open(port, &made->sockets, problem);
    if (result == AGENT_OK && !guard_init(&made->guard, made->sockets.port))
        result = problem_set(problem, AGENT_FAILED, "the system gives no random bytes for the link.");
    if (result == AGENT_OK && ((made->daemon = start_daemon(made)) == NULL || !find_epoll(made)))
        result = problem_set(problem, AGENT_FAILED, "libmicrohttpd cannot start: out of memory or of descriptors.");
    if (result != AGENT_OK) {
        server_free(made);
        return result;
    }
    *server = made;
    return AGENT_OK;
}

/* microhttpd wants nothing suspended when it stops. */
static void let_all_go(struct server *server)
{
    struct exchange *exchange;

    server->stopping = true;
    DL_FOREACH2(server->exchanges, exchange, next)
    {
        if (exchange->state == EXCHANGE_WAITING) {
            exchange->state = EXCHANGE_ANSWERED;
            exchange->status = MHD_HTTP_SERVICE_UNAVAILABLE;
            MHD_resume_connection(exchange->connection);
        }
    }
    server_stream_stop(server);
    MHD_run(server->daemon);
}

void server_free(struct server *server)
{
    if (server == NULL)
        return;
    if (server->daemon != NULL) {
        let_all_go(server);
        MHD_stop_daemon(server->daemon);
    }
    if (server->sockets.v4 >= 0)
        close(server->sockets.v4);
    if (server->sockets.v6 >= 0)
        close(server->sockets.v6);
    free(server);
}

const struct guard *server_guard(const struct server *server)
{
    return &server->guard;
}

unsigned server_descriptors(const struct server *server, int descriptors[SERVER_DESCRIPTORS])
{
    unsigned count = 0;

    descriptors[count++] = server->epoll;
    if (server->link_count == SERVER_CONNECTIONS_MAX)
        return count; /* those that wait are looked at when one has gone */
    descriptors[count++] = server->sockets.v4;
    if (server->sockets.v6 >= 0)
        descriptors[count++] = server->sockets.v6;
    return count;
}

/* --- deadlines ---------------------------------------------------------------------------------- */

/* A request that came too slowly, and a flood's oldest connections. Their ends are noticed like any other. */
static void cut(struct server_link *link)
{
    (void)shutdown(link->fd, SHUT_RDWR);
    link->deadline = 0;
}

static uint64_t sooner(uint64_t one, uint64_t other)
{
    if (one == 0 || other == 0)
        return one == 0 ? other : one;
    return one < other ? one : other;
}

/* Acts on all deadlines that passed and returns the next one, 0: there is none. */
static uint64_t keep_deadlines(struct server *server, uint64_t now)
{
    static const char late[] = "{\"sentence\":\"no answer came in time; look again whether it happened.\"}";
    struct server_link *link;
    struct exchange *exchange, *after;
    uint64_t next = server_stream_beat(server, now);

    DL_FOREACH2(server->links, link, next)
    {
        if (link->deadline != 0 && link->deadline <= now)
            cut(link);
        next = sooner(next, link->deadline);
    }
    DL_FOREACH_SAFE2(server->exchanges, exchange, after, next)
    {
        if (exchange->state != EXCHANGE_WAITING)
            continue;
        if (exchange->deadline <= now)
            server_reply(server, exchange->number, MHD_HTTP_GATEWAY_TIMEOUT, late, sizeof(late) - 1);
        else
            next = sooner(next, exchange->deadline);
    }
    return next;
}

int server_patience(struct server *server)
{
    uint64_t now = clock_boot();
    uint64_t next = keep_deadlines(server, now);
    uint64_t patience = next == 0 ? UINT64_MAX : (next - now) / CLOCK_MILLISECOND + 1;
    MHD_UNSIGNED_LONG_LONG other;

    if (MHD_get_timeout(server->daemon, &other) == MHD_YES && other < patience)
        patience = other;
    return patience > 3600000u ? (next == 0 && patience == UINT64_MAX ? -1 : 3600000) : (int)patience;
}

/* --- connections -------------------------------------------------------------------------------- */

static void make_room(struct server *server)
{
    struct server_link *link;

    if (server->link_count < LINKS_FULL)
        return;
    DL_FOREACH2(server->links, link, next)
    {
        if (!link->trusted && link->deadline != 0) {
            cut(link);
            return;
        }
    }
}

static void accept_from(struct server *server, int listener)
{
    for (unsigned i = 0; i < ACCEPTS_A_TURN && server->link_count < SERVER_CONNECTIONS_MAX; i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof(address);
        int fd;

        make_room(server);
        fd = accept4(listener, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        /* It closes the socket when it takes it not. */
        (void)MHD_add_connection(server->daemon, fd, (const struct sockaddr *)&address, size);
        MHD_run(server->daemon);
    }
}

void server_work(struct server *server)
{
    accept_from(server, server->sockets.v4);
    if (server->sockets.v6 >= 0)
        accept_from(server, server->sockets.v6);
    MHD_run(server->daemon);
}

/* --- calls -------------------------------------------------------------------------------------- */

void server_reply(struct server *server, uint64_t number, unsigned status, const char *body, size_t size)
{
    struct exchange *exchange;

    DL_SEARCH_SCALAR(server->exchanges, exchange, number, number);
    if (exchange == NULL || (exchange->state != EXCHANGE_CALLING && exchange->state != EXCHANGE_WAITING))
        return;
    exchange->status = status;
    text_add_bytes(&exchange->reply, body, size);
    if (exchange->state == EXCHANGE_WAITING)
        MHD_resume_connection(exchange->connection);
    exchange->state = EXCHANGE_ANSWERED;
}
