/* SPDX-License-Identifier: MIT */
/*
 * resolved.c - see resolved.h.
 *
 * A query's result has the question, all questions before it when aliases led on ("collectedQuestions"), and the
 * records found. The name that the program gave is the first of all. A record counts when its own name is one of the
 * questions' or that of an alias among the records.
 */
#include "host/resolved.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/name_pattern.h"
#include "host/dns_message.h"
#include "host/log.h"

#define TYPE_A     1
#define TYPE_CNAME 5
#define TYPE_AAAA  28
#define ALIASES    32u

static const char subscribe[] = "{\"method\":\"io.systemd.Resolve.Monitor.SubscribeQueryResults\",\"parameters\":{},"
                                "\"more\":true}";

struct resolved {
    struct loop *loop;
    struct names *names;
    struct loop_source connection; /* fd -1: none */
    struct loop_source timer;
    struct loop_source folder; /* of the socket, or the nearest above it that is there; fd -1: it cannot be watched */
    int watch;                 /* of the folder; negative: none */
    unsigned wait_s;
    bool told;
    size_t used;
    char buffer[RESOLVED_MESSAGE_MAX];
};

/* --- A message ------------------------------------------------------------------------------- */

struct name_set {
    unsigned count;
    const char *names[ALIASES];
};

static void set_add(struct name_set *set, const json_t *name)
{
    if (json_is_string(name) && set->count < ALIASES)
        set->names[set->count++] = json_string_value(name);
}

static bool set_has(const struct name_set *set, const json_t *name)
{
    for (unsigned i = 0; json_is_string(name) && i < set->count; i++)
        if (strcasecmp(set->names[i], json_string_value(name)) == 0)
            return true;
    return false;
}

static void add_questions(struct name_set *set, const json_t *questions)
{
    for (size_t i = 0; i < json_array_size(questions); i++)
        set_add(set, json_object_get(json_array_get(questions, i), "name"));
}

static json_int_t type_of(const json_t *record)
{
    return json_integer_value(json_object_get(json_object_get(record, "key"), "type"));
}

static const json_t *record_of(const json_t *answers, size_t i)
{
    return json_object_get(json_array_get(answers, i), "rr");
}

static bool read_address(const json_t *record, uint8_t bytes[16], struct name_found *found)
{
    const json_t *address = json_object_get(record, "address");
    size_t size = type_of(record) == TYPE_A ? 4 : 16;

    if ((type_of(record) != TYPE_A && type_of(record) != TYPE_AAAA) || json_array_size(address) != size)
        return false;
    memset(bytes, 0, 16);
    for (size_t i = 0; i < size; i++) {
        const json_t *byte = json_array_get(address, i);

        if (!json_is_integer(byte) || json_integer_value(byte) < 0 || json_integer_value(byte) > 255)
            return false;
        bytes[i] = (uint8_t)json_integer_value(byte);
    }
    *found = (struct name_found){size == 4 ? 4 : 6, bytes, 0};
    return true;
}

/* The first that is a name: a question is there as it was given and as the DNS has it ("xn--"). */
static const char *first_name(const struct name_set *questions)
{
    for (unsigned i = 0; i < questions->count; i++) {
        const char *name = questions->names[i];
        size_t size = strlen(name);

        if (name_is_valid(name, size))
            return name;
    }
    return NULL;
}

static void take_result(struct names *names, const json_t *result)
{
    const json_t *answers = json_object_get(result, "answer"), *state = json_object_get(result, "state");
    struct name_found found[DNS_ADDRESSES_MAX];
    uint8_t bytes[DNS_ADDRESSES_MAX][16];
    struct name_set known = {0};
    unsigned count = 0;
    const char *name;

    if (!json_is_string(state) || strcmp(json_string_value(state), "success") != 0)
        return;
    add_questions(&known, json_object_get(result, "collectedQuestions"));
    add_questions(&known, json_object_get(result, "question"));
    name = first_name(&known);
    if (!name)
        return;
    for (size_t i = 0; i < json_array_size(answers); i++)
        if (type_of(record_of(answers, i)) == TYPE_CNAME)
            set_add(&known, json_object_get(record_of(answers, i), "name"));
    for (size_t i = 0; i < json_array_size(answers) && count < DNS_ADDRESSES_MAX; i++) {
        const json_t *record = record_of(answers, i);

        if (set_has(&known, json_object_get(json_object_get(record, "key"), "name")) &&
            read_address(record, bytes[count], &found[count]))
            count++;
    }
    names_say(names, name, strlen(name), found, count);
}

bool resolved_message(struct names *names, const char *message, size_t size)
{
    json_t *root = json_loadb(message, size, JSON_REJECT_DUPLICATES, NULL);
    const json_t *parameters = json_object_get(root, "parameters");
    bool good = json_is_object(parameters) && !json_object_get(root, "error");

    if (good)
        take_result(names, parameters);
    json_decref(root);
    return good;
}

/* --- The connection -------------------------------------------------------------------------- */

/* The nearest that is there; what it is told of may be the next one, or the socket. False: no folder can be watched. */
static bool watch_folder(struct resolved *resolved)
{
    char path[] = GATE_RESOLVED_SOCKET;
    int watch = -1;

    for (char *slash = strrchr(path, '/'); watch < 0 && slash && slash != path; slash = strrchr(path, '/')) {
        *slash = 0;
        watch = inotify_add_watch(resolved->folder.fd, path, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
    }
    if (watch != resolved->watch && resolved->watch >= 0)
        (void)inotify_rm_watch(resolved->folder.fd, resolved->watch);
    resolved->watch = watch;
    return watch >= 0;
}

/* For a socket that is not there, or does not serve. */
static void try_later(struct resolved *resolved)
{
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)resolved->wait_s}};

    /* Whether it is there is asked when the folder is watched: nothing is missed in between. */
    if (watch_folder(resolved) && access(GATE_RESOLVED_SOCKET, F_OK) && errno == ENOENT)
        return;
    timerfd_settime(resolved->timer.fd, 0, &when, NULL);
    resolved->wait_s *= 2;
    if (resolved->wait_s > RESOLVED_RETRY_MAX_S)
        resolved->wait_s = RESOLVED_RETRY_MAX_S;
}

static void hang_up(struct resolved *resolved)
{
    if (resolved->connection.fd < 0)
        return;
    loop_remove(resolved->loop, &resolved->connection);
    close(resolved->connection.fd);
    resolved->connection.fd = -1;
    resolved->used = 0;
    try_later(resolved);
}

/* Whole messages from the front of the buffer. False: it says what we do not understand. */
static bool take_messages(struct resolved *resolved)
{
    size_t at = 0;
    const char *end;

    while ((end = memchr(resolved->buffer + at, 0, resolved->used - at)) != NULL) {
        size_t size = (size_t)(end - resolved->buffer) - at;

        if (!resolved_message(resolved->names, resolved->buffer + at, size))
            return false;
        resolved->wait_s = 1;
        at += size + 1;
    }
    memmove(resolved->buffer, resolved->buffer + at, resolved->used - at);
    resolved->used -= at;
    return resolved->used < sizeof(resolved->buffer);
}

void resolved_read(struct resolved *resolved)
{
    while (resolved && resolved->connection.fd >= 0) {
        ssize_t got = recv(resolved->connection.fd, resolved->buffer + resolved->used,
                           sizeof(resolved->buffer) - resolved->used, MSG_DONTWAIT);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got > 0) {
            resolved->used += (size_t)got;
            if (take_messages(resolved))
                continue;
            if (!resolved->told)
                log_say("systemd-resolved does not tell what it finds: names of programs that use it are not known.");
            resolved->told = true;
        }
        hang_up(resolved);
    }
}

static void connection_ready(void *context, uint32_t events)
{
    (void)events;
    resolved_read(context);
}

static void dial(struct resolved *resolved)
{
    int fd = gate_dial_resolved();

    resolved->connection = (struct loop_source){fd < 0 ? -1 : fd, connection_ready, resolved};
    if (fd >= 0 && send(fd, subscribe, sizeof(subscribe), MSG_NOSIGNAL) == (ssize_t)sizeof(subscribe) &&
        loop_add(resolved->loop, &resolved->connection, EPOLLIN) == 0)
        return;
    if (fd >= 0)
        close(fd);
    resolved->connection.fd = -1;
    try_later(resolved);
}

/* Something came into the folder. Its name does not matter: the socket's folder may be one of several that came. */
static void folder_ready(void *context, uint32_t events)
{
    struct resolved *resolved = context;
    char told[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

    (void)events;
    while (read(resolved->folder.fd, told, sizeof(told)) > 0)
        ;
    if (resolved->connection.fd >= 0)
        return;
    resolved->wait_s = 1;
    dial(resolved);
}

static void timer_ready(void *context, uint32_t events)
{
    struct resolved *resolved = context;
    uint64_t count;

    (void)events;
    if (read(resolved->timer.fd, &count, sizeof(count)) == sizeof(count) && resolved->connection.fd < 0)
        dial(resolved);
}

struct resolved *resolved_new(struct loop *loop, struct names *names)
{
    struct resolved *resolved = calloc(1, sizeof(*resolved));

    if (!resolved)
        return NULL;
    resolved->loop = loop;
    resolved->names = names;
    resolved->wait_s = 1;
    resolved->connection.fd = -1;
    resolved->timer =
        (struct loop_source){timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), timer_ready, resolved};
    if (resolved->timer.fd < 0 || loop_add(loop, &resolved->timer, EPOLLIN)) {
        if (resolved->timer.fd >= 0)
            close(resolved->timer.fd);
        free(resolved);
        return NULL;
    }
    resolved->watch = -1;
    resolved->folder = (struct loop_source){inotify_init1(IN_CLOEXEC | IN_NONBLOCK), folder_ready, resolved};
    if (resolved->folder.fd >= 0 && loop_add(loop, &resolved->folder, EPOLLIN)) {
        close(resolved->folder.fd);
        resolved->folder.fd = -1;
    }
    dial(resolved);
    return resolved;
}

void resolved_free(struct resolved *resolved)
{
    if (!resolved)
        return;
    if (resolved->connection.fd >= 0) {
        loop_remove(resolved->loop, &resolved->connection);
        close(resolved->connection.fd);
    }
    if (resolved->folder.fd >= 0) {
        loop_remove(resolved->loop, &resolved->folder);
        close(resolved->folder.fd);
    }
    loop_remove(resolved->loop, &resolved->timer);
    close(resolved->timer.fd);
    free(resolved);
}
