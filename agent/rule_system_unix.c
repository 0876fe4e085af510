/* SPDX-License-Identifier: MIT */
/*
 * rule_system_unix.c - see rule_system.h.
 *
 * Groups come from /etc/passwd and /etc/group alone, as everything else about rules does: a name service's connection
 * might be held.
 */
#define _GNU_SOURCE
#include "agent/rule_system.h"

#include <grp.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/show.h"
#include "words.h"

#define LINES_MAX 100000u

const char *rule_system_file(void)
{
    return WORDS_RULES_FILE;
}

struct policy_system rule_system_here(void)
{
    return policy_system_here;
}

static struct policy_sid group_sid(uint32_t group)
{
    static const uint8_t prefix[12] = {1, 2, 0, 0, 0, 0, 0, 22, 2, 0, 0, 0};
    struct policy_sid sid = {.size = 16};

    memcpy(sid.bytes, prefix, sizeof(prefix));
    for (unsigned i = 0; i < 4; i++)
        sid.bytes[12 + i] = (uint8_t)(group >> 8 * i);
    return sid;
}

/* The user's name and first group, from /etc/passwd. */
static bool find_user(uint32_t user, char *name, size_t size, uint32_t *group)
{
    FILE *file = fopen("/etc/passwd", "re");
    const struct passwd *line;
    bool found = false;

    if (file == NULL)
        return false;
    for (unsigned i = 0; !found && i < LINES_MAX && (line = fgetpwent(file)) != NULL; i++) {
        found = line->pw_uid == user && strlen(line->pw_name) < size;
        if (found) {
            memcpy(name, line->pw_name, strlen(line->pw_name) + 1);
            *group = line->pw_gid;
        }
    }
    fclose(file);
    return found;
}

static bool has_member(const struct group *group, const char *name)
{
    for (char **member = group->gr_mem; member != NULL && *member != NULL; member++)
        if (strcmp(*member, name) == 0)
            return true;
    return false;
}

unsigned rule_system_groups(const struct policy_sid *user, struct policy_sid *groups, unsigned most)
{
    char name[LOGIN_NAME_MAX + 1];
    const struct group *line;
    unsigned count = 0;
    uint32_t number, first;
    FILE *file;

    if (most == 0 || !show_sid_unix_user(user->bytes, user->size, &number) ||
        !find_user(number, name, sizeof(name), &first))
        return 0;
    groups[count++] = group_sid(first);
    file = fopen("/etc/group", "re");
    if (file == NULL)
        return count;
    for (unsigned i = 0; count < most && i < LINES_MAX && (line = fgetgrent(file)) != NULL; i++)
        if (line->gr_gid != first && has_member(line, name))
            groups[count++] = group_sid(line->gr_gid);
    fclose(file);
    return count;
}

/* In the folders of PATH; as written when it is in none. */
static void find_in_path(const char *name, char *path)
{
    const char *folders = getenv("PATH");
    struct stat file;

    snprintf(path, POLICY_PATH_MAX, "%s", name);
    while (folders != NULL && *folders != '\0') {
        size_t length = strcspn(folders, ":");

        if (*folders == '/' &&
            snprintf(path, POLICY_PATH_MAX, "%.*s/%s", (int)length, folders, name) < (int)POLICY_PATH_MAX &&
            stat(path, &file) == 0 && S_ISREG(file.st_mode) && access(path, X_OK) == 0)
            return;
        folders += length + (folders[length] == ':');
    }
    snprintf(path, POLICY_PATH_MAX, "%s", name);
}

enum agent_result rule_system_program(const char *written, char *path, struct problem *problem)
{
    char found[POLICY_PATH_MAX];
    char real[PATH_MAX];

    if (strlen(written) >= POLICY_PATH_MAX)
        return problem_set(problem, AGENT_USAGE, "a program's path has at most %u bytes.", POLICY_PATH_MAX - 1);
    if (strchr(written, '/') == NULL)
        find_in_path(written, found);
    else
        snprintf(found, sizeof(found), "%s", written);
    if (realpath(found, real) != NULL)
        snprintf(path, POLICY_PATH_MAX, "%s", real);
    else if (found[0] == '/')
        snprintf(path, POLICY_PATH_MAX, "%s", found);
    else
        return problem_set(problem, AGENT_USAGE, "there is no program '%.100s': name its whole path, from / on.",
                           written);
    return AGENT_OK;
}

enum agent_result rule_system_resolve(const char *host, struct rule_address *addresses, unsigned *count,
                                      struct problem *problem)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int error = getaddrinfo(host, NULL, &hints, &list);

    if (error != 0)
        return problem_set(problem, AGENT_USAGE, "'%.100s' is no address, and no host's name that can be found: %s.",
                           host, gai_strerror(error));
    *count = 0;
    for (const struct addrinfo *at = list; at != NULL && *count < RULE_ADDRESSES_MAX; at = at->ai_next) {
        struct rule_address address = {.family = at->ai_family == AF_INET6 ? 6 : 4};

        if (at->ai_family == AF_INET)
            memcpy(address.bytes, &((const struct sockaddr_in *)(const void *)at->ai_addr)->sin_addr, 4);
        else if (at->ai_family == AF_INET6)
            memcpy(address.bytes, &((const struct sockaddr_in6 *)(const void *)at->ai_addr)->sin6_addr, 16);
        else
            continue;
        addresses[(*count)++] = address;
    }
    freeaddrinfo(list);
    if (*count == 0)
        return problem_set(problem, AGENT_USAGE, "the host '%.100s' has no address.", host);
    return AGENT_OK;
}
