/* SPDX-License-Identifier: MIT */
/*
 * users_unix.c - S-1-22-1-N is the Unix user N; its name is in /etc/passwd.
 *
 * Not getpwuid: it may ask LDAP or the like over the network. That connection is held until a decider
 * answers, and the decider would be waiting for it. A user that /etc/passwd does not name is shown by SID.
 */
#include "agent/users.h"

#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/show.h"

#define USERS_FILE       "/etc/passwd"
#define USERS_CACHE_SIZE 64u
/* A longer file is not read to its end for every new user. */
#define USERS_LINES_MAX 100000u

struct entry {
    bool used;
    uint32_t user;
    char name[USERS_NAME_MAX]; /* empty: known to have none */
};

static struct entry cache[USERS_CACHE_SIZE];
static struct timespec cache_of;

static void read_name(struct entry *entry)
{
    FILE *file = fopen(USERS_FILE, "re");
    const struct passwd *line;

    entry->name[0] = '\0';
    if (file == NULL)
        return;
    for (unsigned count = 0; count < USERS_LINES_MAX && (line = fgetpwent(file)) != NULL; count++) {
        if (line->pw_uid != entry->user)
            continue;
        if (strlen(line->pw_name) < sizeof(entry->name))
            memcpy(entry->name, line->pw_name, strlen(line->pw_name) + 1);
        break;
    }
    fclose(file);
}

const char *users_name(const uint8_t *sid, size_t size)
{
    struct stat file;
    struct entry *entry;
    uint32_t user;

    if (!show_sid_unix_user(sid, size, &user))
        return NULL;
    if (stat(USERS_FILE, &file) == 0 &&
        (file.st_mtim.tv_sec != cache_of.tv_sec || file.st_mtim.tv_nsec != cache_of.tv_nsec)) {
        memset(cache, 0, sizeof(cache));
        cache_of = file.st_mtim;
    }
    entry = &cache[user % USERS_CACHE_SIZE];
    if (!entry->used || entry->user != user) {
        entry->used = true;
        entry->user = user;
        read_name(entry);
    }
    return entry->name[0] == '\0' ? NULL : entry->name;
}
