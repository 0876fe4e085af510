/* SPDX-License-Identifier: MIT */
/*
 * rule_system_windows.c - see rule_system.h. Windows tells a user's groups only by asking others (a domain), so none.
 */
#include "agent/rule_system.h"

#include <winsock2.h>
#include <ws2tcpip.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/library_windows.h"
#include "agent/program_path.h"

const char *rule_system_file(void)
{
    static char file[MAX_PATH];
    const char *folder = getenv("ProgramData");

    if (file[0] == '\0')
        snprintf(file, sizeof(file), "%s\\Gatehouse\\rules", folder == NULL ? "C:\\ProgramData" : folder);
    return file;
}

static bool find_program(void *context, const char *path, char *real)
{
    enum program_path_kind kind;
    char resolved[PROGRAM_PATH_MAX];

    (void)context;
    if (program_path_resolve(path, resolved, &kind, NULL) != AGENT_OK)
        return false;
    snprintf(real, POLICY_PATH_MAX, "%s", resolved);
    return true;
}

struct policy_system rule_system_here(void)
{
    struct policy_system here = policy_system_here;

    here.find_program = find_program;
    return here;
}

unsigned rule_system_groups(const struct policy_sid *user, struct policy_sid *groups, unsigned most)
{
    (void)user;
    (void)groups;
    (void)most;
    return 0;
}

enum agent_result rule_system_program(const char *written, char *path, struct problem *problem)
{
    enum program_path_kind kind;
    char resolved[PROGRAM_PATH_MAX];
    enum agent_result result = program_path_resolve(written, resolved, &kind, problem);

    if (result == AGENT_OK)
        snprintf(path, POLICY_PATH_MAX, "%s", resolved);
    return result;
}

typedef int WSAAPI startup_routine(WORD version, WSADATA *data);
typedef int WSAAPI resolve_routine(const char *host, const char *service, const ADDRINFOA *hints, ADDRINFOA **list);
typedef void WSAAPI free_routine(ADDRINFOA *list);

static void copy_addresses(const ADDRINFOA *list, struct rule_address *addresses, unsigned *count)
{
    *count = 0;
    for (; list != NULL && *count < RULE_ADDRESSES_MAX; list = list->ai_next) {
        struct rule_address address = {.family = list->ai_family == AF_INET6 ? 6 : 4};

        if (list->ai_family == AF_INET)
            memcpy(address.bytes, &((const struct sockaddr_in *)(const void *)list->ai_addr)->sin_addr, 4);
        else if (list->ai_family == AF_INET6)
            memcpy(address.bytes, &((const struct sockaddr_in6 *)(const void *)list->ai_addr)->sin6_addr, 16);
        else
            continue;
        addresses[(*count)++] = address;
    }
}

enum agent_result rule_system_resolve(const char *host, struct rule_address *addresses, unsigned *count,
                                      struct problem *problem)
{
    startup_routine *start = (startup_routine *)library_routine(L"ws2_32.dll", "WSAStartup");
    resolve_routine *resolve = (resolve_routine *)library_routine(L"ws2_32.dll", "getaddrinfo");
    free_routine *release = (free_routine *)library_routine(L"ws2_32.dll", "freeaddrinfo");
    ADDRINFOA hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    ADDRINFOA *list = NULL;
    WSADATA data;

    if (start == NULL || resolve == NULL || release == NULL || start(MAKEWORD(2, 2), &data) != 0 ||
        resolve(host, NULL, &hints, &list) != 0)
        return problem_set(problem, AGENT_USAGE, "'%.100s' is no address, and no host's name that can be found.", host);
    copy_addresses(list, addresses, count);
    release(list);
    if (*count == 0)
        return problem_set(problem, AGENT_USAGE, "the host '%.100s' has no address.", host);
    return AGENT_OK;
}
