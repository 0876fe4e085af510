/* SPDX-License-Identifier: MIT */
/*
 * server.c - see server.h.
 */
#define _GNU_SOURCE
#include "desk/server.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/clock.h"
#include "agent/users.h"
#include "desk/lines.h"

#define GROUP_NAME "gatehouse"
#define BACKLOG    16
/* No more questions are sent to a peer that has so much to read. */
#define ENOUGH     (256u << 10)
#define GROUPS_MAX 65536u

struct guest {
    struct guest *next;
    struct server *server;
    struct lines *lines;
    struct desk_peer *peer;
};

struct server {
    struct loop *loop;
    struct desk *desk;
    struct guest *guests;
    unsigned count;
    int listener; /* -1: none */
    struct loop_watch *watch;
    struct sockaddr_un address;
    dev_t device; /* of the socket's file, which may be replaced by another desk's */
    ino_t inode;
};

/* --- Guests ------------------------------------------------------------------------------------- */

static void send_line(void *context, const char *line, size_t size)
{
    struct guest *guest = context;

    lines_send(guest->lines, line, size);
}

static bool has_room(void *context)
{
    const struct guest *guest = context;

    return lines_waiting(guest->lines) < ENOUGH;
}

static void on_line(void *context, const char *line, size_t size)
{
    struct guest *guest = context;

    desk_peer_line(guest->peer, line, size, clock_boot());
}

static void on_drained(void *context)
{
    struct guest *guest = context;

    desk_peer_pump(guest->peer, clock_boot());
}

static void guest_leave(struct guest *guest)
{
    struct guest **at = &guest->server->guests;

    while (*at != guest)
        at = &(*at)->next;
    *at = guest->next;
    guest->server->count--;
    desk_peer_free(guest->peer);
    lines_close(guest->lines);
    free(guest);
}

static void on_ended(void *context, const char *why)
{
    (void)why;
    guest_leave(context);
}

static enum agent_result let_in(struct server *server, int descriptor, const char *user, struct problem *problem)
{
    struct guest *guest = calloc(1, sizeof(*guest));
    struct lines_handlers handlers = {guest, on_line, on_ended, on_drained};
    struct desk_sender sender = {guest, send_line, has_room};

    if (guest == NULL) {
        close(descriptor);
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    }
    guest->server = server;
    if (lines_open(server->loop, descriptor, &handlers, &guest->lines, problem) != AGENT_OK) {
        free(guest);
        return AGENT_FAILED;
    }
    guest->next = server->guests;
    server->guests = guest;
    server->count++;
    guest->peer = desk_peer_new(server->desk, user, &sender, clock_boot());
    if (guest->peer != NULL)
        return AGENT_OK;
    guest_leave(guest);
    return problem_set(problem, AGENT_FAILED, "out of memory.");
}

/* --- Who may ------------------------------------------------------------------------------------ */

static void name_user(uid_t user, char *name, size_t size)
{
    uint8_t sid[16] = {1, 2, 0, 0, 0, 0, 0, 22, 1}; /* S-1-22-1-N, gatehouse/rules.h */
    const char *known;

    for (unsigned i = 0; i < 4; i++)
        sid[12 + i] = (uint8_t)(user >> 8 * i);
    known = users_name(sid, sizeof(sid));
    if (known != NULL)
        snprintf(name, size, "%s", known);
    else
        snprintf(name, size, "%u", (unsigned)user);
}

/* Of the group, also when only by one of its further groups. */
static bool is_member(int descriptor, gid_t first)
{
    const struct group *group = getgrnam(GROUP_NAME);
    socklen_t size = 0;
    gid_t wanted, *groups;
    bool found = false;

    if (group == NULL)
        return false;
    wanted = group->gr_gid;
    if (first == wanted)
        return true;
    (void)getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, NULL, &size);
    if (size == 0 || size > GROUPS_MAX * sizeof(gid_t))
        return false;
    groups = malloc(size);
    if (groups != NULL && getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0) {
        for (size_t i = 0; i < size / sizeof(gid_t); i++)
            found = found || groups[i] == wanted;
    }
    free(groups);
    return found;
}

/* NULL: it may come; else one line that says why not. */
static const char *refusal(const struct server *server, int descriptor, const struct ucred *who)
{
    if (server->count >= SERVER_PEERS_MAX)
        return "{\"type\":\"error\",\"sentence\":\"As many people as may are at the desk already: end one of their "
               "programs.\"}\n";
    if (who->uid == 0 || who->uid == geteuid() || is_member(descriptor, who->gid))
        return NULL;
    return "{\"type\":\"error\",\"sentence\":\"You may not answer here: be root or a member of the group "
           "'gatehouse'.\"}\n";
}

static void on_knock(void *context, uint32_t events)
{
    struct server *server = context;
    int descriptor = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ucred who = {0};
    socklen_t size = sizeof(who);
    const char *line;
    char name[65];

    (void)events;
    if (descriptor < 0)
        return;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) {
        close(descriptor);
        return;
    }
    line = refusal(server, descriptor, &who);
    if (line != NULL) {
        (void)!send(descriptor, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
        close(descriptor);
        return;
    }
    name_user(who.uid, name, sizeof(name));
    (void)let_in(server, descriptor, name, NULL);
}

enum agent_result server_adopt(struct server *server, int descriptor, struct problem *problem)
{
    char name[65];

    name_user(getuid(), name, sizeof(name));
    return let_in(server, descriptor, name, problem);
}

/* --- The socket --------------------------------------------------------------------------------- */

/* Nobody listens there any more. */
static bool is_left_behind(const struct sockaddr_un *address)
{
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool left =
        probe >= 0 && connect(probe, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno == ECONNREFUSED;

    if (probe >= 0)
        close(probe);
    return left;
}

static int bind_socket(int descriptor, const struct sockaddr_un *address)
{
    mode_t before = umask(0117);
    int done = bind(descriptor, (const struct sockaddr *)address, sizeof(*address));
    int error = errno;

    umask(before);
    errno = error;
    return done;
}

static enum agent_result explain_bind(const char *path, int error, struct problem *problem)
{
    if (error == EADDRINUSE)
        return problem_set(problem, AGENT_REFUSED,
                           "another desk answers at %s: end it, or name another socket with --desk.", path);
    if (error == ENOENT)
        return problem_set(
            problem, AGENT_FAILED,
            "the folder of %s is missing and cannot be made: make it, or name another socket with --desk.", path);
    return problem_set(problem, AGENT_FAILED, "cannot make the desk's socket %s: %s.", path, strerror(error));
}

/* The folder alone: what it is in is somebody else's. */
static void make_folder(const char *path)
{
    char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char *slash;

    snprintf(folder, sizeof(folder), "%s", path);
    slash = strrchr(folder, '/');
    if (slash == NULL || slash == folder)
        return;
    *slash = '\0';
    (void)!mkdir(folder, 0755);
}

static enum agent_result make_listener(struct server *server, const char *path, struct problem *problem)
{
    const struct group *group = getgrnam(GROUP_NAME);
    struct stat file;
    int done;

    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->listener < 0)
        return problem_set(problem, AGENT_FAILED, "cannot make a socket: %s.", strerror(errno));
    done = bind_socket(server->listener, &server->address);
    if (done != 0 && errno == ENOENT) {
        make_folder(path);
        done = bind_socket(server->listener, &server->address);
    }
    if (done != 0 && errno == EADDRINUSE && is_left_behind(&server->address)) {
        (void)unlink(path);
        done = bind_socket(server->listener, &server->address);
    } else if (done != 0 && errno != EADDRINUSE) {
        return explain_bind(path, errno, problem);
    }
    if (done != 0)
        return explain_bind(path, EADDRINUSE, problem);
    if (group != NULL)
        (void)!chown(path, (uid_t)-1, group->gr_gid);
    if (stat(path, &file) == 0) {
        server->device = file.st_dev;
        server->inode = file.st_ino;
    }
    if (listen(server->listener, BACKLOG) != 0)
        return problem_set(problem, AGENT_FAILED, "cannot listen at %s: %s.", path, strerror(errno));
    return loop_watch(server->loop, server->listener, EPOLLIN, on_knock, server, &server->watch, problem);
}

enum agent_result server_open(struct loop *loop, struct desk *desk, const char *path, struct server **server,
                              struct problem *problem)
{
    struct server *made = calloc(1, sizeof(*made));
    enum agent_result result = AGENT_OK;

    if (made == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    made->loop = loop;
    made->desk = desk;
    made->listener = -1;
    made->address.sun_family = AF_UNIX;
    if (path != NULL && (path[0] == '\0' || strlen(path) >= sizeof(made->address.sun_path)))
        result = problem_set(problem, AGENT_USAGE, "a socket's path has 1 to %zu bytes: give --desk a shorter one.",
                             sizeof(made->address.sun_path) - 1);
    else if (path != NULL) {
        memcpy(made->address.sun_path, path, strlen(path));
        result = make_listener(made, path, problem);
    }
    if (result != AGENT_OK) {
        server_close(made);
        return result;
    }
    *server = made;
    return AGENT_OK;
}

void server_close(struct server *server)
{
    struct stat file;

    if (server == NULL)
        return;
    while (server->guests != NULL)
        guest_leave(server->guests);
    loop_unwatch(server->watch);
    if (server->inode != 0 && stat(server->address.sun_path, &file) == 0 && file.st_dev == server->device &&
        file.st_ino == server->inode)
        (void)unlink(server->address.sun_path);
    if (server->listener >= 0)
        close(server->listener);
    free(server);
}
