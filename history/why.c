/* SPDX-License-Identifier: MIT */
/*
 * why.c - see why.h.
 */
#include "history/why.h"

#include <netinet/in.h>
#include <string.h>

#include <gatehouse/protocol.h>

#include "agent/show.h"
#include "history/show.h"

static void add_rule(struct text *text, const struct history_record *record, const char *does)
{
    if (record->rule) {
        text_add(text, "the rule '");
        show_written(text, record->rule, strlen(record->rule));
        text_add(text, "'");
    } else {
        text_add(text, "a rule that is gone by now");
    }
    if (record->place) {
        text_add(text, " (");
        show_written(text, record->place, strlen(record->place));
        text_add(text, ")");
    }
    text_add_format(text, " %s it", does);
}

static void add_held(struct text *text, const struct history_record *record)
{
    if (record->decided <= record->began)
        return;
    text_add(text, " within ");
    show_duration(text, (uint64_t)(record->decided - record->began) * 10);
}

static void add_reason(struct text *text, const struct history_record *record)
{
    const char *did = record->verdict == GATEHOUSE_VERDICT_PERMIT ? "permitted" : "blocked";
    const char *does = record->verdict == GATEHOUSE_VERDICT_PERMIT ? "permits" : "blocks";

    switch (record->by) {
    case GATEHOUSE_BY_RULE:
        add_rule(text, record, does);
        return;
    case GATEHOUSE_BY_DECIDER:
        if (record->who)
            show_written(text, record->who, strlen(record->who));
        else
            text_add(text, "the program that decides");
        text_add_format(text, " %s it", did);
        return;
    case GATEHOUSE_BY_ANSWER:
        text_add_format(text, "an answer that was given to an earlier question %s it, too", did);
        return;
    case GATEHOUSE_BY_DEADLINE:
        text_add(text, "it was held, and nobody answered");
        add_held(text, record);
        return;
    case GATEHOUSE_BY_NO_DECIDER:
        text_add(text, "no rule decides it, and nobody was there to be asked");
        return;
    case GATEHOUSE_BY_FULL:
        text_add(text, "no rule decides it, and too many connections were held already");
        return;
    case GATEHOUSE_BY_CANNOT_PEND:
        text_add(text, "no rule decides it, and it could not be held to ask");
        return;
    case GATEHOUSE_BY_CANCEL:
        text_add(text, "its program gave up before anybody answered");
        return;
    default:
        text_add_format(text, "a filter ('gatehouse filter list') or the default %s it", does);
    }
}

static void add_way(struct text *text, const struct history_record *record)
{
    if (record->inbound)
        history_show_far_end(text, record);
    else
        text_add(text, "it");
    text_add(text, " connected by ");
    show_protocol(text, record->protocol);
    text_add(text, " to ");
    if (!record->inbound)
        history_show_far_end(text, record);
    else if (record->local_port)
        text_add_format(text, "its port %u", (unsigned)record->local_port);
    else
        text_add(text, "it");
}

void history_why(struct text *text, const struct history_record *record)
{
    const char *slash = record->program ? strrchr(record->program, '/') : NULL;

    if (record->program)
        show_written_path(text, slash && slash[1] && *record->program == '/' ? slash + 1 : record->program);
    else
        text_add(text, "An unknown program");
    if (record->pid)
        text_add_format(text, " (pid %llu", (unsigned long long)record->pid);
    if (record->user != UINT32_MAX) {
        text_add(text, record->pid ? ", user " : " (user ");
        history_show_user(text, record->user);
    }
    if (record->pid || record->user != UINT32_MAX)
        text_add(text, ")");
    text_add_format(text, " was %s on ",
                    record->verdict == GATEHOUSE_VERDICT_PERMIT  ? "permitted"
                    : record->verdict == GATEHOUSE_VERDICT_BLOCK ? "blocked"
                                                                 : "not decided");
    history_show_time(text, record->began);
    text_add(text, " when ");
    add_way(text, record);
    text_add(text, ": ");
    add_reason(text, record);
    text_add(text, ".");
}

/* --- How to permit it ------------------------------------------------------------------------------------------ */

/* Bytes of the character at value that a terminal shows as it is; 0: it is better not written. */
static size_t plain_size(const char *value)
{
    unsigned char first = (unsigned char)*value;
    size_t size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    struct text shown = {0};

    if (strnlen(value, size) == size)
        show_written(&shown, value, size);
    if (shown.failed || shown.used != size || memcmp(shown.data, value, size) != 0)
        size = 0;
    text_free(&shown);
    return size;
}

/* A string of the rule language; a star stands for what cannot be typed. */
static void add_string(struct text *text, const char *value)
{
    bool star = false;

    text_add(text, "\"");
    while (*value) {
        size_t size = plain_size(value);

        if (!size && !star)
            text_add(text, "*");
        star = !size;
        if (size == 1 && strchr("\\\"*?", *value))
            text_add(text, "\\");
        text_add_bytes(text, value, size);
        value += size ? size : 1;
    }
    text_add(text, "\"");
}

/* One that can stand in a rule, and in a shell. */
static bool is_plain_name(const char *name)
{
    size_t size = name ? strlen(name) : 0;

    return size && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") == size && strchr(name, '.') &&
           strspn(name, "0123456789.") != size && *name != '-' && *name != '.';
}

static void add_ends(struct text *text, const struct history_record *record)
{
    bool ports = record->protocol == IPPROTO_TCP || record->protocol == IPPROTO_UDP;

    text_add(text, record->inbound ? " in" : " out");
    text_add(text, record->protocol == IPPROTO_TCP      ? " proto tcp"
                   : record->protocol == IPPROTO_UDP    ? " proto udp"
                   : record->protocol == IPPROTO_ICMP   ? " proto icmp"
                   : record->protocol == IPPROTO_ICMPV6 ? " proto icmp6"
                                                        : " proto ");
    if (!ports && record->protocol != IPPROTO_ICMP && record->protocol != IPPROTO_ICMPV6)
        text_add_format(text, "%u", (unsigned)record->protocol);
    text_add(text, record->inbound ? " from " : " to ");
    if (!record->inbound && is_plain_name(record->name))
        text_add(text, record->name);
    else
        show_address(text, record->ip_version, record->remote_address, 0);
    if (ports && !record->inbound)
        text_add_format(text, " port %u", (unsigned)record->remote_port);
    else if (ports)
        text_add_format(text, " to any port %u", (unsigned)record->local_port);
}

bool history_permit_rule(struct text *text, const struct history_record *record)
{
    bool named = record->program && *record->program == '/';

    text_add(text, "permit");
    if (named) {
        text_add(text, " program ");
        add_string(text, record->program);
    }
    add_ends(text, record);
    return named;
}

void history_how_to_permit(struct text *text, const struct history_record *record)
{
    struct text rule = {0};

    if (record->by == GATEHOUSE_BY_NONE) {
        text_add(text, "gatehouse filter list --all");
        return;
    }
    history_permit_rule(&rule, record);
    text_add(text, "gatehouse rules add '");
    for (const char *at = text_string(&rule); *at; at++) {
        if (*at == '\'')
            text_add(text, "'\\'");
        text_add_bytes(text, at, 1);
    }
    text_add(text, "'");
    text->failed = text->failed || rule.failed;
    text_free(&rule);
}
