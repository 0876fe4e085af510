/* SPDX-License-Identifier: MIT */
/*
 * follow.c - see follow.h.
 */
#include "history/follow.h"

#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "agent/stop.h"
#include "agent/stop_unix.h"
#include "history/file.h"

enum agent_result history_follow_open(const char *path, int *descriptor, struct problem *problem)
{
    char copy[HISTORY_PATH_MAX + 1];
    int made = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    const char *folder;

    snprintf(copy, sizeof(copy), "%s", path);
    folder = dirname(copy);
    if (made < 0 || inotify_add_watch(made, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0) {
        int error = errno;

        if (made >= 0)
            close(made);
        return problem_set(problem, AGENT_FAILED, "the folder %.300s cannot be watched: %s.", folder, strerror(error));
    }
    *descriptor = made;
    return AGENT_OK;
}

static bool is_about(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    size_t size = strlen(file);

    return strncmp(name, file, size) == 0 && (!name[size] || strcmp(name + size, "-wal") == 0);
}

bool history_follow_read(int descriptor, const char *path)
{
    _Alignas(struct inotify_event) char buffer[4096];
    bool about = false;
    ssize_t size;

    while ((size = read(descriptor, buffer, sizeof(buffer))) > 0) {
        for (const char *at = buffer; at < buffer + size;) {
            const struct inotify_event *event = (const void *)at;

            about = about || event->mask & IN_Q_OVERFLOW || (event->len && is_about(path, event->name));
            at += sizeof(*event) + event->len;
        }
    }
    return about;
}

static long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool history_follow_wait(int descriptor, const char *path, int timeout_ms)
{
    struct pollfd all[] = {{descriptor, POLLIN, 0}, {stop_descriptor(), POLLIN, 0}, {STDOUT_FILENO, 0, 0}};
    long until = now_ms() + timeout_ms, left = timeout_ms;

    while (!stop_requested()) {
        int ready = poll(all, sizeof(all) / sizeof(all[0]), (int)left);

        if (ready < 0 && errno != EINTR)
            return false;
        if (ready > 0 && (all[1].revents || all[2].revents & (POLLERR | POLLHUP)))
            return false;
        if (ready > 0 && all[0].revents && history_follow_read(descriptor, path))
            return true;
        left = timeout_ms < 0 ? -1 : until - now_ms();
        if (timeout_ms >= 0 && left <= 0)
            return true;
    }
    return false;
}
