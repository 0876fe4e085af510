/* SPDX-License-Identifier: MIT */
/*
 * state.c - makes and guards the folders of the rules in force.
 *
 * The lock is taken on the folder itself, so no file of ours lies among the driver's, but for boot-id.
 */
#include "host/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/log.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14 */
#endif

#define BOOT_ID      "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_SIZE 37u /* a UUID and a newline */

/* The folder and what leads to it; the ones before it are open to everybody. */
static int make_folder(const char *path, mode_t mode)
{
    char part[SETTING_PATH_MAX + 16];

    snprintf(part, sizeof(part), "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(part, 0755) && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return mkdir(part, mode) && errno != EEXIST ? -errno : 0;
}

/* A descriptor of a folder that is ours alone; -errno, told. */
static int open_folder(const char *path)
{
    struct stat status;
    int code = make_folder(path, 0700);
    int folder = code ? code : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0) {
        code = code ? code : -errno;
        log_say("the folder %s, where rules are kept, cannot be made or opened: %s; name another with --state.", path,
                strerror(-code));
        return code;
    }
    if (fstat(folder, &status) == 0 && status.st_uid == geteuid() && !(status.st_mode & (S_IWGRP | S_IWOTH)))
        return folder;
    log_say("the folder %s, where rules are kept, can be changed by others than root: give it to root (chown root) and "
            "take the right from the others (chmod 700), or name another with --state.",
            path);
    close(folder);
    return -EPERM;
}

static int open_locked(const char *path)
{
    int folder = open_folder(path);

    if (folder < 0 || flock(folder, LOCK_EX | LOCK_NB) == 0)
        return folder;
    int code = -errno;
    if (code == -EWOULDBLOCK)
        log_say("another gatehoused runs already, and keeps its rules in %s: end it first; in another network "
                "namespace, give "
                "this one a folder and a socket of its own with --state and --socket.",
                path);
    else
        log_say("the folder %s, where rules are kept, cannot be locked: %s.", path, strerror(-code));
    close(folder);
    return code;
}

/* --- Until the machine restarts -------------------------------------------------------------- */

static bool read_id(int folder, const char *name, char id[BOOT_ID_SIZE])
{
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool whole = file >= 0 && read(file, id, BOOT_ID_SIZE) == BOOT_ID_SIZE;

    if (file >= 0)
        close(file);
    return whole;
}

static int remove_files(int folder)
{
    int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), code = 0;
    DIR *list = again < 0 ? NULL : fdopendir(again);

    if (!list) {
        code = -errno;
        if (again >= 0)
            close(again);
        return code;
    }
    for (struct dirent *entry = readdir(list); entry; entry = readdir(list))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && unlinkat(folder, entry->d_name, 0) && !code)
            code = -errno;
    closedir(list);
    return code;
}

static int write_id(int folder, const char id[BOOT_ID_SIZE])
{
    int file = openat(folder, "boot-id", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int code = file < 0 ? -errno : 0;

    if (!code && write(file, id, BOOT_ID_SIZE) != BOOT_ID_SIZE)
        code = -EIO;
    if (!code && fsync(file))
        code = -errno;
    if (file >= 0)
        close(file);
    return code;
}

/* The mark comes last: an end in between empties the folder once more. */
static int empty_after_restart(int folder, bool *restarted)
{
    char now[BOOT_ID_SIZE], then[BOOT_ID_SIZE];

    if (!read_id(AT_FDCWD, BOOT_ID, now))
        return -ENOENT;
    if (read_id(folder, "boot-id", then) && memcmp(now, then, BOOT_ID_SIZE) == 0)
        return 0;
    int code = remove_files(folder);
    *restarted = true;
    return code ? code : write_id(folder, now);
}

static int name_volatile(const struct settings *settings, struct state *state)
{
    int probe = -1, code = 0;
    unsigned long long cookie;
    socklen_t size = sizeof(cookie);

    if (settings->origin[SETTING_STATE] != SETTING_BY_DEFAULT) {
        snprintf(state->until_reboot, sizeof(state->until_reboot), "%s/volatile", settings->state);
        return 0;
    }
    probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0 || getsockopt(probe, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size))
        code = -errno;
    else
        snprintf(state->until_reboot, sizeof(state->until_reboot), "/run/gatehouse/state-%llx", cookie);
    if (probe >= 0)
        close(probe);
    return code;
}

static void real_path(char path[SETTING_PATH_MAX + 16])
{
    char *real = realpath(path, NULL);

    if (real && strlen(real) < SETTING_PATH_MAX + 16)
        snprintf(path, SETTING_PATH_MAX + 16, "%s", real);
    free(real);
}

int state_open(const struct settings *settings, struct state *state)
{
    *state = (struct state){.lock = -1};
    snprintf(state->kept, sizeof(state->kept), "%s", settings->state);
    int code = name_volatile(settings, state);
    if (code) {
        log_say("cannot tell its network namespace: %s.", strerror(-code));
        return code;
    }
    int kept = open_locked(state->kept);
    if (kept < 0)
        return kept;
    int until_reboot = open_folder(state->until_reboot);
    if (until_reboot < 0) {
        close(kept);
        return until_reboot;
    }
    code = empty_after_restart(until_reboot, &state->restarted);
    close(until_reboot);
    if (code) {
        log_say("the folder %s, for rules until the machine restarts, cannot be emptied of old ones: %s.",
                state->until_reboot, strerror(-code));
        close(kept);
        return code;
    }
    real_path(state->kept);
    real_path(state->until_reboot);
    if (strlen(state->until_reboot) > SETTING_STATE_MAX + sizeof("/volatile") - 1 || strchr(state->kept, '\\')) {
        log_say(
            "the folder %s, where rules are kept, has a backslash in its path or more than %u bytes: name another with "
            "--state.",
            state->kept, SETTING_STATE_MAX);
        close(kept);
        return -ENAMETOOLONG;
    }
    state->lock = kept;
    return 0;
}

void state_close(struct state *state)
{
    if (state->lock >= 0)
        close(state->lock);
    state->lock = -1;
}

bool state_nt_path(const char *path, char *nt_path, size_t size)
{
    int length = snprintf(nt_path, size, "\\??\\unix%s", path);

    if (length < 0 || (size_t)length >= size || strchr(path, '\\'))
        return false;
    for (char *c = nt_path; *c; c++)
        if (*c == '/')
            *c = '\\';
    return true;
}
