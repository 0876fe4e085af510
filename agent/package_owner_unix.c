/* SPDX-License-Identifier: MIT */
/*
 * package_owner_unix.c - see package_owner.h.
 *
 * No lock is held while the disk is read or rpm runs: two threads may then look for the same at once, which only costs.
 */
#define _GNU_SOURCE
#include "agent/package_owner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LISTS         "/var/lib/dpkg/info"
#define RPM           "/usr/bin/rpm"
#define RPM_LISTS     "/var/lib/rpm"
#define RPM_DEADLINE  5000 /* ms */
#define LIST_SIZE_MAX (64u << 20)
#define LISTS_MAX     100000u
#define KEPT          512u

struct kept {
    char *program;
    char name[PACKAGE_NAME_MAX];
};

static struct {
    pthread_mutex_t lock;
    struct kept list[KEPT]; /* by hash; a later one of the same place takes it */
    struct timespec lists_changed;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *folder = LISTS;

/* With the lock held. */
static void forget_all(void)
{
    for (unsigned i = 0; i < KEPT; i++) {
        free(cache.list[i].program);
        cache.list[i].program = NULL;
    }
}

void package_owner_use_folder(const char *other)
{
    pthread_mutex_lock(&cache.lock);
    folder = other == NULL ? LISTS : other;
    forget_all();
    pthread_mutex_unlock(&cache.lock);
}

static bool has_lists(void)
{
    return access(folder, R_OK | X_OK) == 0;
}

/* When the lists last changed: a package manager renames new ones into the folder. */
static struct timespec lists_changed(void)
{
    struct stat file;

    if (stat(has_lists() ? folder : RPM_LISTS, &file) != 0)
        return (struct timespec){0};
    return file.st_mtim;
}

static struct kept *place_of(const char *program)
{
    uint32_t hash = 2166136261u;

    for (; *program != '\0'; program++)
        hash = (hash ^ (unsigned char)*program) * 16777619u;
    return &cache.list[hash % KEPT];
}

bool package_owner_known(const char *program, char name[PACKAGE_NAME_MAX])
{
    struct timespec changed = lists_changed();
    const struct kept *kept = place_of(program);
    bool known;

    name[0] = '\0';
    pthread_mutex_lock(&cache.lock);
    if (changed.tv_sec != cache.lists_changed.tv_sec || changed.tv_nsec != cache.lists_changed.tv_nsec) {
        forget_all();
        cache.lists_changed = changed;
    }
    known = kept->program != NULL && strcmp(kept->program, program) == 0;
    if (known)
        memcpy(name, kept->name, sizeof(kept->name));
    pthread_mutex_unlock(&cache.lock);
    return known;
}

static void keep(const char *program, const char name[PACKAGE_NAME_MAX])
{
    struct kept *kept = place_of(program);

    pthread_mutex_lock(&cache.lock);
    free(kept->program);
    kept->program = strdup(program);
    snprintf(kept->name, sizeof(kept->name), "%s", name);
    pthread_mutex_unlock(&cache.lock);
}

/* The part of text that is a package's name; false: it has other characters, or none, or too many. */
static bool take_name(const char *text, size_t length, char name[PACKAGE_NAME_MAX])
{
    if (length == 0 || length >= PACKAGE_NAME_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+_-", text[i]) == NULL)
            return false;
    memcpy(name, text, length);
    name[length] = '\0';
    return true;
}

/* A whole file between two line ends; false: it cannot be read. */
static bool read_list(int lists, const char *file_name, char **buffer, size_t *capacity, size_t *used)
{
    int file = openat(lists, file_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat about;
    ssize_t got;

    if (file < 0)
        return false;
    if (fstat(file, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size > (off_t)LIST_SIZE_MAX)
        goto out;
    if (*buffer == NULL || *capacity < (size_t)about.st_size + 2) {
        char *more = realloc(*buffer, (size_t)about.st_size + 2);

        if (more == NULL)
            goto out;
        *buffer = more;
        *capacity = (size_t)about.st_size + 2;
    }
    (*buffer)[0] = '\n';
    *used = 1;
    while (*used < (size_t)about.st_size + 1 &&
           (got = read(file, *buffer + *used, (size_t)about.st_size + 1 - *used)) > 0)
        *used += (size_t)got;
    (*buffer)[(*used)++] = '\n';
    close(file);
    return true;
out:
    close(file);
    return false;
}

/* "/usr/bin/ls" is "/bin/ls" too where /bin is a link to usr/bin. NULL: there is no such name. */
static const char *other_name(const char *program)
{
    char first[64];
    struct stat file;
    size_t length;

    if (strncmp(program, "/usr/", 5) != 0)
        return NULL;
    length = strcspn(program + 5, "/");
    if (length == 0 || length + 2 > sizeof(first) || program[5 + length] == '\0')
        return NULL;
    snprintf(first, sizeof(first), "/%.*s", (int)length, program + 5);
    return lstat(first, &file) == 0 && S_ISLNK(file.st_mode) ? program + 4 : NULL;
}

static bool has_line(const char *buffer, size_t size, const char *line)
{
    char wanted[4096 + 3];
    int length = line == NULL ? 0 : snprintf(wanted, sizeof(wanted), "\n%s\n", line);

    return length > 0 && length < (int)sizeof(wanted) && memmem(buffer, size, wanted, (size_t)length) != NULL;
}

static bool look_in_lists(const char *program, char name[PACKAGE_NAME_MAX])
{
    const char *other = other_name(program);
    const struct dirent *entry;
    DIR *lists = opendir(folder);
    size_t capacity = 0, used;
    char *buffer = NULL;
    bool found = false;

    if (lists == NULL || strchr(program, '\n') != NULL)
        goto out;
    for (unsigned i = 0; !found && i < LISTS_MAX && (entry = readdir(lists)) != NULL; i++) {
        size_t length = strlen(entry->d_name);

        /* NAME.list, or NAME:ARCHITECTURE.list */
        if (length <= 5 || strcmp(entry->d_name + length - 5, ".list") != 0 ||
            !read_list(dirfd(lists), entry->d_name, &buffer, &capacity, &used))
            continue;
        if (has_line(buffer, used, program) || has_line(buffer, used, other)) {
            size_t colon = strcspn(entry->d_name, ":");

            found = take_name(entry->d_name, colon < length ? colon : length - 5, name);
        }
    }
out:
    free(buffer);
    if (lists != NULL)
        closedir(lists);
    return found;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Reads the first line of what rpm says until the deadline; its end is not waited for. */
static size_t read_rpm(int output, char *buffer, size_t size)
{
    int64_t until = now_ms() + RPM_DEADLINE;
    size_t used = 0;

    while (used < size && memchr(buffer, '\n', used) == NULL) {
        struct pollfd wait = {.fd = output, .events = POLLIN};
        int64_t left = until - now_ms();
        ssize_t got;

        if (left <= 0 || poll(&wait, 1, (int)left) <= 0)
            break;
        got = read(output, buffer + used, size - used);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    return used;
}

static bool ask_rpm(const char *program, char name[PACKAGE_NAME_MAX])
{
    char *arguments[] = {(char *)"rpm",
                         (char *)"-qf",
                         (char *)"--queryformat",
                         (char *)"%{NAME}\\n",
                         (char *)"--",
                         (char *)(uintptr_t)program,
                         NULL};
    char *environment[] = {(char *)"LC_ALL=C", (char *)"PATH=/usr/bin:/bin", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char buffer[PACKAGE_NAME_MAX * 2] = "";
    size_t used = 0;
    sigset_t none;
    int ends[2], status = 1;
    pid_t child;

    if (access(RPM, X_OK) != 0 || pipe2(ends, O_CLOEXEC) != 0)
        return false;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigmask(&attributes, &none);
    status = posix_spawn(&child, RPM, &actions, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (status == 0) {
        used = read_rpm(ends[0], buffer, sizeof(buffer));
        kill(child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    }
    close(ends[0]);
    /* "file /x is not owned by any package" has spaces, so it is no name. */
    return used > 0 && memchr(buffer, '\n', used) != NULL &&
           take_name(buffer, (size_t)((char *)memchr(buffer, '\n', used) - buffer), name);
}

bool package_owner_find(const char *program, char name[PACKAGE_NAME_MAX])
{
    char found[PACKAGE_NAME_MAX] = "";

    if (program[0] != '/' || package_owner_known(program, name))
        return program[0] == '/' && name[0] != '\0';
    if (has_lists())
        (void)look_in_lists(program, found);
    else
        (void)ask_rpm(program, found);
    keep(program, found);
    memcpy(name, found, sizeof(found));
    return found[0] != '\0';
}
