/* SPDX-License-Identifier: MIT */
/*
 * system_unix.c - the files, users, groups and programs of this machine (struct policy_system).
 *
 * Names come from /etc/passwd and /etc/group alone: getpwnam may ask a server, whose connection would be held until
 * these very rules are in force.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <idn2.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/policy.h"
#include "policy/sids.h"

/* Longer files of names are not read to their end. */
#define ENTRIES_MAX 100000u

_Static_assert(POLICY_PATH_MAX >= PATH_MAX, "realpath's result fits");

static bool read_all(int file, size_t limit, char **bytes, size_t *size, const char **why)
{
    size_t used = 0, capacity = 65536;
    char *block = malloc(capacity);

    *why = "out of memory";
    while (block != NULL) {
        ssize_t got = read(file, block + used, capacity - used);
        char *larger;

        if (got == 0) {
            *bytes = block;
            *size = used;
            return true;
        }
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            *why = strerror(errno);
            break;
        }
        used += (size_t)got;
        if (used > limit) {
            *why = "it is too large";
            break;
        }
        if (used < capacity)
            continue;
        larger = realloc(block, capacity *= 2);
        if (larger == NULL)
            break;
        block = larger;
    }
    free(block);
    return false;
}

static bool read_file(void *context, const char *path, size_t limit, char **bytes, size_t *size, const char **why)
{
    /* A FIFO must not hold whoever loads rules. */
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat about;
    bool good = false;

    (void)context;
    if (file < 0) {
        *why = strerror(errno);
        return false;
    }
    if (fstat(file, &about) != 0)
        *why = strerror(errno);
    else if (!S_ISREG(about.st_mode))
        *why = "it is no regular file";
    else
        good = read_all(file, limit, bytes, size, why);
    close(file);
    return good;
}

static bool list_files(void *context, const char *pattern, char ***paths, size_t *count, const char **why)
{
    glob_t found = {0};
    int result = glob(pattern, 0, NULL, &found);
    char **list = NULL;
    size_t used = 0;

    (void)context;
    if (result != 0 && result != GLOB_NOMATCH) {
        *why = result == GLOB_NOSPACE ? "out of memory" : "its folder cannot be read";
        globfree(&found);
        return false;
    }
    if (result == 0)
        list = calloc(found.gl_pathc, sizeof(*list));
    while (list != NULL && used < found.gl_pathc && (list[used] = strdup(found.gl_pathv[used])) != NULL)
        used++;
    if (result == 0 && used < found.gl_pathc) {
        while (used > 0)
            free(list[--used]);
        free(list);
        globfree(&found);
        *why = "out of memory";
        return false;
    }
    globfree(&found);
    *paths = list;
    *count = used;
    return true;
}

static bool find_user(FILE *file, const char *name, uint32_t *number)
{
    const struct passwd *line;

    for (unsigned i = 0; i < ENTRIES_MAX && (line = fgetpwent(file)) != NULL; i++) {
        if (strcmp(line->pw_name, name) == 0) {
            *number = line->pw_uid;
            return true;
        }
    }
    return false;
}

static bool find_group(FILE *file, const char *name, uint32_t *number)
{
    const struct group *line;

    for (unsigned i = 0; i < ENTRIES_MAX && (line = fgetgrent(file)) != NULL; i++) {
        if (strcmp(line->gr_name, name) == 0) {
            *number = line->gr_gid;
            return true;
        }
    }
    return false;
}

static bool find_sid(void *context, enum policy_who who, const char *name, uint8_t *sid, size_t *size)
{
    FILE *file = fopen(who == POLICY_USER ? "/etc/passwd" : "/etc/group", "re");
    uint32_t number;
    bool found;

    (void)context;
    if (file == NULL)
        return false;
    found = who == POLICY_USER ? find_user(file, name, &number) : find_group(file, name, &number);
    fclose(file);
    if (found)
        *size = sid_of_unix(who == POLICY_USER ? SIDS_UNIX_USER : SIDS_UNIX_GROUP, number, sid);
    return found;
}

static const char *find_name(void *context, enum policy_who who, const uint8_t *sid, size_t size)
{
    static _Thread_local char name[64];
    FILE *file;
    uint32_t number;

    (void)context;
    if (!sid_is_unix(sid, size, who == POLICY_USER ? SIDS_UNIX_USER : SIDS_UNIX_GROUP, &number))
        return NULL;
    file = fopen(who == POLICY_USER ? "/etc/passwd" : "/etc/group", "re");
    if (file == NULL)
        return NULL;
    name[0] = '\0';
    for (unsigned i = 0; i < ENTRIES_MAX && name[0] == '\0'; i++) {
        const struct passwd *user = who == POLICY_USER ? fgetpwent(file) : NULL;
        const struct group *group = who == POLICY_GROUP ? fgetgrent(file) : NULL;
        const char *found = user != NULL ? user->pw_name : group != NULL ? group->gr_name : NULL;

        if (found == NULL)
            break;
        if ((user != NULL ? user->pw_uid : group->gr_gid) == number && strlen(found) < sizeof(name))
            memcpy(name, found, strlen(found) + 1);
    }
    fclose(file);
    return name[0] == '\0' ? NULL : name;
}

/* The kernel names a program by its path without symbolic links. */
static bool find_program(void *context, const char *path, char *real)
{
    (void)context;
    return realpath(path, real) != NULL;
}

/* As programs look it up (IDNA 2008 after the mapping of UTS #46). Asks nobody. */
static bool find_ascii(void *context, const char *name, char *ascii, const char **why)
{
    char *found = NULL;
    int result = idn2_to_ascii_8z(name, &found, IDN2_NONTRANSITIONAL);
    bool good = result == IDN2_OK && strlen(found) < POLICY_NAME_ASCII_MAX;

    (void)context;
    if (good)
        memcpy(ascii, found, strlen(found) + 1);
    else
        *why = result == IDN2_OK ? "it is too long" : idn2_strerror(result);
    idn2_free(found);
    return good;
}

const struct policy_system policy_system_here = {
    .read_file = read_file,
    .list_files = list_files,
    .find_sid = find_sid,
    .find_name = find_name,
    .find_program = find_program,
    .find_ascii = find_ascii,
};
