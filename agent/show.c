/* SPDX-License-Identifier: MIT */
/*
 * show.c - addresses, programs, users and times. Lines made of them are in show_lines.c. See show.h.
 */
#include "agent/show.h"

#include <inttypes.h>
#include <string.h>

#include "agent/clock.h"
#include "core/path_text.h"
#include "agent/users.h"
#include "policy/names.h"

/* FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V4 and _V6, as every Windows since 8 and the driver's own headers number them. */
enum { LAYER_ACCEPT_V4 = 44, LAYER_ACCEPT_V6 = 46 };
/* IANA protocol numbers. */
enum { ICMP = 1, TCP = 6, UDP = 17, DCCP = 33, ICMPV6 = 58, SCTP = 132, UDPLITE = 136 };

static const char *protocol_name(unsigned protocol)
{
    switch (protocol) {
    case ICMP:
        return "icmp";
    case TCP:
        return "tcp";
    case UDP:
        return "udp";
    case DCCP:
        return "dccp";
    case ICMPV6:
        return "icmpv6";
    case SCTP:
        return "sctp";
    case UDPLITE:
        return "udplite";
    default:
        return NULL;
    }
}

void show_protocol(struct text *text, unsigned protocol)
{
    const char *name = protocol_name(protocol);

    if (name != NULL)
        text_add(text, name);
    else
        text_add_format(text, "protocol %u", protocol);
}

static bool has_ports(unsigned protocol)
{
    return protocol == TCP || protocol == UDP || protocol == DCCP || protocol == SCTP || protocol == UDPLITE;
}

static void show_ipv4(struct text *text, const uint8_t *address)
{
    text_add_format(text, "%u.%u.%u.%u", address[0], address[1], address[2], address[3]);
}

/* The longest run of zero groups, the first of equals, if longer than one (RFC 5952, section 4.2). */
static void find_zero_run(const unsigned groups[8], unsigned *start, unsigned *length)
{
    unsigned run = 0;

    *start = 8;
    *length = 1;
    for (unsigned i = 0; i < 8; i++) {
        run = groups[i] == 0 ? run + 1 : 0;
        if (run > *length) {
            *length = run;
            *start = i + 1 - run;
        }
    }
}

static void show_ipv6(struct text *text, const uint8_t *address)
{
    unsigned groups[8], start, length;

    for (unsigned i = 0; i < 8; i++)
        groups[i] = (unsigned)address[2 * i] << 8 | address[2 * i + 1];
    find_zero_run(groups, &start, &length);
    if (start == 0 && length == 5 && groups[5] == 0xFFFF) {
        text_add(text, "::ffff:");
        show_ipv4(text, address + 12);
        return;
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i == start) {
            text_add(text, "::");
            i += length - 1;
            continue;
        }
        text_add_format(text, i == 0 || i == start + length ? "%x" : ":%x", groups[i]);
    }
}

void show_address(struct text *text, unsigned ip_version, const uint8_t address[16], uint32_t scope)
{
    if (ip_version == 4) {
        show_ipv4(text, address);
        return;
    }
    show_ipv6(text, address);
    if (address[0] == 0xFE && (address[1] & 0xC0) == 0x80 && scope != 0)
        text_add_format(text, "%%%u", (unsigned)scope);
}

void show_end(struct text *text, unsigned ip_version, unsigned protocol, const uint8_t address[16], uint16_t port,
              uint32_t scope)
{
    bool ports = has_ports(protocol);
    bool brackets = ports && ip_version == 6;

    text_add(text, brackets ? "[" : "");
    show_address(text, ip_version, address, scope);
    text_add(text, brackets ? "]" : "");
    if (ports)
        text_add_format(text, ":%u", port);
}

bool show_is_inbound(const struct gatehouse_request *request)
{
    return request->layer == LAYER_ACCEPT_V4 || request->layer == LAYER_ACCEPT_V6;
}

/* WFP has the type of an ICMP message where others have their local port. A request to send without a type has 0. */
static void show_icmp_type(struct text *text, const struct gatehouse_request *request)
{
    const char *name = NULL;

    if ((request->protocol != ICMP && request->protocol != ICMPV6) ||
        (request->local_port == 0 && !show_is_inbound(request)))
        return;
    name = names_of(request->protocol == ICMP ? NAMES_ICMP : NAMES_ICMP6, request->local_port);
    if (name != NULL)
        text_add_format(text, " %s", name);
    else
        text_add_format(text, " type %u", request->local_port);
}

void show_destination(struct text *text, const struct request *request)
{
    const struct gatehouse_request *fixed = &request->fixed;
    bool in = show_is_inbound(fixed);

    text_add(text, in ? "in " : "");
    show_protocol(text, fixed->protocol);
    show_icmp_type(text, fixed);
    text_add(text, " ");
    if (in) {
        show_end(text, fixed->ip_version, fixed->protocol, fixed->local_address, fixed->local_port,
                 fixed->interface_index);
        text_add(text, " from ");
    }
    show_name_before(text, request->name, fixed->name_size);
    show_end(text, fixed->ip_version, fixed->protocol, fixed->remote_address, fixed->remote_port,
             fixed->interface_index);
    text_add(text, fixed->name_size != 0 ? ")" : "");
}

void show_name_before(struct text *text, const uint8_t *name, size_t size)
{
    if (size == 0)
        return;
    text_add_bytes(text, (const char *)name, size);
    text_add(text, " (");
}

static void show_escaped(struct text *text, const uint8_t *utf16, size_t size, bool double_backslash)
{
    for (size_t at = 0; at + 2 <= size;) {
        uint32_t character;
        uint8_t bytes[4];

        at += path_text_next(utf16 + at, size - at, &character);
        if (character == '\\' && double_backslash)
            text_add(text, "\\\\");
        else if (character >= 0xDC80u && character <= 0xDCFFu)
            text_add_format(text, "\\x%02x", (unsigned)(character - 0xDC00u));
        else if (character < 0x80u && text_is_unsafe(character))
            text_add_format(text, "\\x%02x", (unsigned)character);
        else if (text_is_unsafe(character))
            text_add_format(text, "\\u{%x}", (unsigned)character);
        else
            text_add_bytes(text, (const char *)bytes, path_text_put_utf8(character, bytes));
    }
}

void show_program_path(struct text *text, const uint8_t *path, size_t path_size)
{
    if (path_size < 2)
        text_add(text, "(unknown program)");
    else /* A Linux path starts with a slash and may hold a backslash; a Windows path is made of them. */
        show_escaped(text, path, path_size, path[0] == '/' && path[1] == 0);
}

void show_program(struct text *text, const struct request *request)
{
    bool known = (request->fixed.flags & GATEHOUSE_REQUEST_NO_PROGRAM) == 0;

    show_program_path(text, request->path, known ? request->fixed.path_size : 0);
}

void show_written_path(struct text *text, const char *path)
{
    uint8_t utf16[PATH_TEXT_UTF16_SIZE(SHOW_WRITTEN_MAX)];
    size_t count = strlen(path);
    size_t size = 0;

    if (count > SHOW_WRITTEN_MAX)
        count = SHOW_WRITTEN_MAX;
    (void)path_text_from_bytes((const uint8_t *)path, count, utf16, sizeof(utf16), &size);
    show_escaped(text, utf16, size, path[0] == '/');
}

void show_written(struct text *text, const char *bytes, size_t size)
{
    uint8_t utf16[PATH_TEXT_UTF16_SIZE(256)];

    while (size > 0) {
        size_t count = size < 256 ? size : 256;
        size_t used = 0, wide = 0;

        if (*bytes == '\n' || *bytes == '\r' || *bytes == '\t') {
            text_add(text, " ");
            bytes++;
            size--;
            continue;
        }
        while (used < count && bytes[used] != '\n' && bytes[used] != '\r' && bytes[used] != '\t')
            used++;
        /* Not through the middle of a character. */
        for (unsigned back = 0; back < 3 && used < size && used > 1 && ((unsigned char)bytes[used] & 0xC0) == 0x80;
             back++)
            used--;
        (void)path_text_from_bytes((const uint8_t *)bytes, used, utf16, sizeof(utf16), &wide);
        show_escaped(text, utf16, wide, false);
        bytes += used;
        size -= used;
    }
}

static uint32_t sid_number(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static bool sid_is_whole(const uint8_t *sid, size_t size)
{
    return size >= 8 && sid[0] == 1 && size == 8u + 4u * (size_t)sid[1];
}

void show_sid(struct text *text, const uint8_t *sid, size_t size)
{
    uint64_t authority = 0;

    if (!sid_is_whole(sid, size))
        return;
    for (unsigned i = 2; i < 8; i++)
        authority = authority << 8 | sid[i];
    text_add_format(text, "S-1-%" PRIu64, authority);
    for (unsigned i = 0; i < sid[1]; i++)
        text_add_format(text, "-%u", (unsigned)sid_number(sid + 8 + 4 * i));
}

bool show_sid_unix_user(const uint8_t *sid, size_t size, uint32_t *user)
{
    static const uint8_t prefix[12] = {1, 2, 0, 0, 0, 0, 0, 22, 1, 0, 0, 0};

    if (size != 16)
        return false;
    for (unsigned i = 0; i < sizeof(prefix); i++) {
        if (sid[i] != prefix[i])
            return false;
    }
    *user = sid_number(sid + 12);
    return true;
}

void show_user(struct text *text, const struct gatehouse_request *request)
{
    const char *name = users_name(request->user_sid, request->user_sid_size);
    size_t before = text->used;

    for (; name != NULL && *name != '\0'; name++) {
        if ((unsigned char)*name < 0x20u || *name == 0x7F)
            text_add(text, "?");
        else
            text_add_bytes(text, name, 1);
    }
    if (text->used == before)
        show_sid(text, request->user_sid, request->user_sid_size);
    if (text->used == before)
        text_add(text, "(unknown)");
}

void show_duration(struct text *text, uint64_t time)
{
    uint64_t seconds = time / CLOCK_SECOND + (time % CLOCK_SECOND != 0);

    if (seconds >= 86400)
        text_add_format(text, "%" PRIu64 " d ", seconds / 86400);
    if (seconds >= 3600)
        text_add_format(text, "%" PRIu64 " h ", seconds / 3600 % 24);
    if (seconds >= 60)
        text_add_format(text, "%" PRIu64 " min ", seconds / 60 % 60);
    text_add_format(text, "%" PRIu64 " s", seconds % 60);
}

void show_bytes(struct text *text, uint64_t count)
{
    static const char *const units[] = {"", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};
    unsigned unit = 0;
    uint64_t tenths = 0;

    for (; count >= 1024; unit++) {
        tenths = count % 1024 * 10 / 1024;
        count /= 1024;
    }
    if (unit > 0 && count < 10)
        text_add_format(text, "%" PRIu64 ".%" PRIu64 "%s", count, tenths, units[unit]);
    else
        text_add_format(text, "%" PRIu64 "%s", count, units[unit]);
}

void show_about(struct text *text, uint64_t time)
{
    uint64_t seconds = time / CLOCK_SECOND;

    if (seconds >= 2 * 86400)
        text_add_format(text, "%" PRIu64 " d", seconds / 86400);
    else if (seconds >= 2 * 3600)
        text_add_format(text, "%" PRIu64 " h", seconds / 3600);
    else if (seconds >= 60)
        text_add_format(text, "%" PRIu64 " min", seconds / 60);
    else
        text_add_format(text, "%" PRIu64 " s", seconds);
}

void show_time_of_day(struct text *text, uint64_t time)
{
    struct clock_date date = clock_date_local(time);

    text_add_format(text, "%02d:%02d:%02d.%03d", date.hour, date.minute, date.second, date.millisecond);
}

void show_time_utc(struct text *text, uint64_t time)
{
    struct clock_date date = clock_date_utc(time);

    text_add_format(text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", date.year, date.month, date.day, date.hour,
                    date.minute, date.second, date.millisecond);
}
