/* SPDX-License-Identifier: MIT */
/*
 * wire.c - see wire.h.
 */
#include "agent/wire.h"

#include <stdbool.h>
#include <string.h>

static size_t round_up_8(size_t size)
{
    return (size + 7u) & ~(size_t)7u;
}

static bool all_zero(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* No control characters, no space: what is shown of it cannot act on anything. */
static bool is_name(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] <= ' ' || bytes[i] > '~')
            return false;
    }
    return count <= GATEHOUSE_NAME_MAX;
}

/* NULL when good. The record starts at bytes and has left bytes at most. */
static const char *read_request(const uint8_t *bytes, size_t left, struct request *request)
{
    struct request found = {0};
    size_t end;

    if (left < sizeof(found.fixed))
        return "a request is cut short";
    memcpy(&found.fixed, bytes, sizeof(found.fixed));
    end = sizeof(found.fixed) + found.fixed.path_size + found.fixed.name_size;
    if (found.fixed.path_size % 2 != 0)
        return "a program's path has an odd size";
    if (found.fixed.size != round_up_8(end))
        return "a request's size does not fit its path and name";
    if (found.fixed.size > left)
        return "a request is longer than its answer";
    if (found.fixed.ip_version != 4 && found.fixed.ip_version != 6)
        return "a request is neither IPv4 nor IPv6";
    if (found.fixed.user_sid_size > GATEHOUSE_SID_MAX)
        return "a user's SID is too long";
    if (!all_zero(bytes + end, found.fixed.size - end))
        return "a request's padding is not zero";
    found.path = bytes + sizeof(found.fixed);
    found.name = found.path + found.fixed.path_size;
    if (!is_name(found.name, found.fixed.name_size))
        return "a request's name is none";
    *request = found;
    return NULL;
}

enum wire_step wire_next_request(struct wire_cursor *cursor, struct request *request, const char **why)
{
    const char *wrong;

    if (cursor->left == 0)
        return WIRE_END;
    wrong = read_request(cursor->next, cursor->left, request);
    if (wrong != NULL) {
        *why = wrong;
        return WIRE_BAD;
    }
    cursor->next += request->fixed.size;
    cursor->left -= request->fixed.size;
    return WIRE_RECORD;
}

static const char *read_event(const uint8_t *bytes, size_t left, struct event *event)
{
    struct event found = {0};
    const char *wrong;

    if (left < sizeof(found.fixed))
        return "an event is cut short";
    memcpy(&found.fixed, bytes, sizeof(found.fixed));
    if (found.fixed.size > left)
        return "an event is longer than its answer";
    if (found.fixed.type == GATEHOUSE_EVENT_LOST) {
        if (found.fixed.size != sizeof(found.fixed))
            return "an event's size does not fit its kind";
        *event = found;
        return NULL;
    }
    if (found.fixed.type != GATEHOUSE_EVENT_HELD && found.fixed.type != GATEHOUSE_EVENT_DECIDED)
        return "an event is of no known kind";
    if (found.fixed.size < sizeof(found.fixed))
        return "an event's size does not fit its kind";
    wrong = read_request(bytes + sizeof(found.fixed), found.fixed.size - sizeof(found.fixed), &found.request);
    if (wrong != NULL)
        return wrong;
    if (found.fixed.size != sizeof(found.fixed) + found.request.fixed.size)
        return "an event's size does not fit its request";
    *event = found;
    return NULL;
}

enum wire_step wire_next_event(struct wire_cursor *cursor, struct event *event, const char **why)
{
    const char *wrong;

    if (cursor->left == 0)
        return WIRE_END;
    wrong = read_event(cursor->next, cursor->left, event);
    if (wrong != NULL) {
        *why = wrong;
        return WIRE_BAD;
    }
    cursor->next += event->fixed.size;
    cursor->left -= event->fixed.size;
    return WIRE_RECORD;
}

static const char *read_flow(const uint8_t *bytes, size_t left, struct flow *flow)
{
    struct flow found = {0};
    size_t end;

    if (left < sizeof(found.fixed))
        return "a flow is cut short";
    memcpy(&found.fixed, bytes, sizeof(found.fixed));
    end = sizeof(found.fixed) + found.fixed.path_size + found.fixed.name_size;
    if (found.fixed.path_size % 2 != 0)
        return "a program's path has an odd size";
    if (found.fixed.size != round_up_8(end))
        return "a flow's size does not fit its path and name";
    if (found.fixed.size > left)
        return "a flow is longer than its answer";
    if (found.fixed.ip_version != 4 && found.fixed.ip_version != 6)
        return "a flow is neither IPv4 nor IPv6";
    found.path = bytes + sizeof(found.fixed);
    found.name = found.path + found.fixed.path_size;
    if (!is_name(found.name, found.fixed.name_size))
        return "a flow's name is none";
    *flow = found;
    return NULL;
}

enum wire_step wire_next_flow(struct wire_cursor *cursor, struct flow *flow, const char **why)
{
    const char *wrong;

    if (cursor->left == 0)
        return WIRE_END;
    wrong = read_flow(cursor->next, cursor->left, flow);
    if (wrong != NULL) {
        *why = wrong;
        return WIRE_BAD;
    }
    cursor->next += flow->fixed.size;
    cursor->left -= flow->fixed.size;
    return WIRE_RECORD;
}

const char *wire_read_status(const uint8_t *bytes, size_t size, struct gatehouse_status *status)
{
    struct gatehouse_status found;

    if (size < sizeof(found))
        return "the status is cut short";
    memcpy(&found, bytes, sizeof(found));
    if (found.version != GATEHOUSE_PROTOCOL_VERSION)
        return "the status has another version";
    if (found.size < sizeof(found) || found.size > size)
        return "the status tells a wrong size";
    *status = found;
    return NULL;
}

const char *wire_read_platform(const uint8_t *bytes, size_t size, struct gatehouse_platform_status *platform)
{
    struct gatehouse_platform_status found;

    if (size < sizeof(found))
        return "the platform's status is cut short";
    memcpy(&found, bytes, sizeof(found));
    if (found.size < sizeof(found) || found.size > size)
        return "the platform's status tells a wrong size";
    *platform = found;
    return NULL;
}
