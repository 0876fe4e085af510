/* SPDX-License-Identifier: MIT */
/*
 * exceptions.c - see exceptions.h.
 */
#include "agent/exceptions.h"

#include <stdlib.h>
#include <string.h>

#include "core/path_text.h"

#define PATH_SIZE_MAX 65534u
#define PROTOCOL_TCP  6u
#define PROTOCOL_UDP  17u

void exceptions_init(struct exceptions *exceptions, enum gatehouse_verdict verdict)
{
    *exceptions = (struct exceptions){.verdict = verdict};
}

void exceptions_cleanup(struct exceptions *exceptions)
{
    for (unsigned i = 0; i < exceptions->count; i++)
        free(exceptions->list[i].utf16);
    free(exceptions->list);
    *exceptions = (struct exceptions){0};
}

static int compare(const uint8_t *one, size_t one_size, const uint8_t *other, size_t other_size)
{
    if (one_size != other_size)
        return one_size < other_size ? -1 : 1;
    return memcmp(one, other, one_size);
}

/* The first exception that is not before the path; *same tells whether it is the path. */
static unsigned find(const struct exceptions *exceptions, const uint8_t *utf16, size_t size, bool *same)
{
    unsigned low = 0, high = exceptions->count;

    *same = false;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        const struct exceptions_path *exception = &exceptions->list[middle];
        int order = compare(exception->utf16, exception->size, utf16, size);

        if (order == 0)
            *same = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum agent_result insert(struct exceptions *exceptions, struct exceptions_path *path, struct problem *problem)
{
    struct exceptions_path *grown;
    bool same;
    unsigned at = find(exceptions, path->utf16, path->size, &same);

    if (same)
        return AGENT_OK;
    if (exceptions->count == EXCEPTIONS_MAX)
        return problem_set(problem, AGENT_USAGE, "more than %u programs after --except: name fewer.", EXCEPTIONS_MAX);
    grown = realloc(exceptions->list, (exceptions->count + 1) * sizeof(*grown));
    if (grown == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    exceptions->list = grown;
    memmove(grown + at + 1, grown + at, (exceptions->count - at) * sizeof(*grown));
    grown[at] = *path;
    exceptions->count++;
    *path = (struct exceptions_path){0};
    return AGENT_OK;
}

enum agent_result exceptions_add(struct exceptions *exceptions, const char *path, struct problem *problem)
{
    struct exceptions_path added = {0};
    size_t length = strlen(path);
    enum agent_result result;

    if (length == 0 || length > PATH_SIZE_MAX / 2)
        return problem_set(problem, AGENT_USAGE, "a program's path has 1 to %u bytes: give --except such a path.",
                           PATH_SIZE_MAX / 2);
    added.utf16 = malloc(PATH_TEXT_UTF16_SIZE(length));
    if (added.utf16 == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    (void)path_text_from_bytes((const uint8_t *)path, length, added.utf16, PATH_TEXT_UTF16_SIZE(length), &added.size);
    result = insert(exceptions, &added, problem);
    free(added.utf16);
    return result;
}

void exceptions_set_resolvers(struct exceptions *exceptions, const struct resolver *resolvers, unsigned count)
{
    exceptions->resolver_count = count < RESOLVERS_MAX ? count : RESOLVERS_MAX;
    memcpy(exceptions->resolvers, resolvers, exceptions->resolver_count * sizeof(*resolvers));
}

static bool asks_resolver(const struct exceptions *exceptions, const struct gatehouse_request *request)
{
    if (request->remote_port != RESOLVERS_PORT ||
        (request->protocol != PROTOCOL_UDP && request->protocol != PROTOCOL_TCP))
        return false;
    for (unsigned i = 0; i < exceptions->resolver_count; i++) {
        if (exceptions->resolvers[i].ip_version == request->ip_version &&
            memcmp(exceptions->resolvers[i].address, request->remote_address, 16) == 0)
            return true;
    }
    return false;
}

enum gatehouse_verdict exceptions_decide(const struct exceptions *exceptions, const struct request *request)
{
    bool same = false;

    if (exceptions->count > 0 && request->fixed.path_size > 0 &&
        (request->fixed.flags & GATEHOUSE_REQUEST_NO_PROGRAM) == 0)
        (void)find(exceptions, request->path, request->fixed.path_size, &same);
    if (!same && exceptions->verdict == GATEHOUSE_VERDICT_BLOCK && asks_resolver(exceptions, &request->fixed))
        return GATEHOUSE_VERDICT_PERMIT;
    if (!same)
        return exceptions->verdict;
    return exceptions->verdict == GATEHOUSE_VERDICT_PERMIT ? GATEHOUSE_VERDICT_BLOCK : GATEHOUSE_VERDICT_PERMIT;
}
