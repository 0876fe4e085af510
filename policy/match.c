/* SPDX-License-Identifier: MIT */
/*
 * match.c - see match.h. Each kind of part is asked by itself, in the order of gatehouse/rules.h.
 */
#include "policy/match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/name_pattern.h"
#include "core/path_pattern.h"
#include "core/path_text.h"
#include "core/rule_image.h"
#include "policy/address.h"
#include "policy/bytes.h"
#include "policy/names.h"
#include "policy/print_kind.h"

static bool in_set(const struct gatehouse_set *set, uint8_t family, const uint8_t address[16])
{
    uint32_t v4 = (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 | address[3];

    for (uint32_t i = 0; i < set->count; i++) {
        if (set->kind == GATEHOUSE_SET_V4 && family == 4 && set_ranges_v4(set)[i].low <= v4 &&
            v4 <= set_ranges_v4(set)[i].high)
            return true;
        if (set->kind == GATEHOUSE_SET_V6 && family == 6 && memcmp(set_ranges_v6(set)[i].low, address, 16) <= 0 &&
            memcmp(address, set_ranges_v6(set)[i].high, 16) <= 0)
            return true;
    }
    return false;
}

static bool port_in_set(const struct gatehouse_set *set, uint16_t port)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set_ranges_port(set)[i].low <= port && port <= set_ranges_port(set)[i].high)
            return true;
    }
    return false;
}

static bool has_sid(const struct policy_connection *c, const uint8_t *sid, size_t size)
{
    for (unsigned i = 0; i < c->sid_count; i++) {
        if (c->sids[i].size == size && memcmp(c->sids[i].bytes, sid, size) == 0)
            return true;
    }
    return false;
}

static bool has_name(const struct policy_connection *c, const void *pattern, size_t size)
{
    for (unsigned i = 0; i < c->name_count; i++) {
        if (name_is_valid(c->names[i], strlen(c->names[i])) &&
            name_pattern_matches(pattern, size, c->names[i], strlen(c->names[i])))
            return true;
    }
    return false;
}

static bool has_ports(const struct policy_connection *c)
{
    return c->protocol == 6 || c->protocol == 17;
}

static bool part_matches(const struct policy_sets *sets, const struct gatehouse_rule_part *part,
                         const struct policy_connection *c)
{
    const uint8_t *data = rule_part_data(part);

    switch (part->type) {
    case GATEHOUSE_PART_PROGRAM:
        return c->program != NULL && c->program_size == part->data_size &&
               memcmp(c->program, data, part->data_size) == 0;
    case GATEHOUSE_PART_PATTERN:
        return c->program != NULL && path_pattern_matches(data, part->data_size, c->program, c->program_size);
    case GATEHOUSE_PART_SHA256:
        return c->has_sha256 && memcmp(c->sha256, data, sizeof(c->sha256)) == 0;
    case GATEHOUSE_PART_USER:
    case GATEHOUSE_PART_GROUP:
    case GATEHOUSE_PART_UNIT:
    case GATEHOUSE_PART_CGROUP:
        return has_sid(c, data, part->data_size);
    case GATEHOUSE_PART_PROTOCOL:
        return c->protocol == data[0];
    case GATEHOUSE_PART_REMOTE:
        return c->has_remote && in_set(sets->sets[rule_part_set(part)], c->family, c->remote);
    case GATEHOUSE_PART_LOCAL:
        return c->has_local && in_set(sets->sets[rule_part_set(part)], c->family, c->local);
    case GATEHOUSE_PART_REMOTE_PORT:
        return c->has_remote_port && has_ports(c) && port_in_set(sets->sets[rule_part_set(part)], c->remote_port);
    case GATEHOUSE_PART_LOCAL_PORT:
        return c->has_local_port && has_ports(c) && port_in_set(sets->sets[rule_part_set(part)], c->local_port);
    case GATEHOUSE_PART_ICMP_TYPE:
        return c->has_icmp_type && c->icmp_type == data[0];
    case GATEHOUSE_PART_NAME:
        return has_name(c, data, part->data_size);
    default:
        return true;
    }
}

/* PROGRAM, PATTERN and SHA256 are one kind. */
static uint16_t kind_of(uint16_t type)
{
    return type <= GATEHOUSE_PART_SHA256 ? GATEHOUSE_PART_PROGRAM : type;
}

/* No part of that kind, or one that matches. */
static bool kind_matches(const struct policy_sets *sets, const struct gatehouse_rule *rule,
                         const struct policy_connection *c, uint16_t kind)
{
    bool asked = false;

    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        if (kind_of(part->type) != kind)
            continue;
        if (part_matches(sets, part, c))
            return true;
        asked = true;
    }
    return !asked;
}

/* --- Why not -------------------------------------------------------------------------------- */

static void say_program(struct bytes *text, const struct policy_connection *c)
{
    uint8_t path[PATH_TEXT_BYTES_SIZE(1024)];
    size_t size;

    if (c->program == NULL)
        bytes_print(text, "no program is known");
    else if (c->program_size <= 1024 && path_text_to_bytes(c->program, c->program_size, path, sizeof(path), &size))
        bytes_print(text, "it is \"%.*s\"", size > 300 ? 300 : (int)size, (const char *)path);
    else
        bytes_print(text, "it is another");
}

static void say_address(struct bytes *text, const struct policy_connection *c, bool remote)
{
    const uint8_t *address = remote ? c->remote : c->local;
    char written[ADDRESS_TEXT_MAX];

    if (remote ? !c->has_remote : !c->has_local) {
        bytes_print(text, "the %s address is not known", remote ? "remote" : "local");
        return;
    }
    if (c->family == 6)
        address_write_v6(address, written);
    else
        address_write_v4(
            (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 | address[3], written);
    bytes_print(text, "%s is not in it", written);
}

static void say_port(struct bytes *text, const struct policy_connection *c, bool remote)
{
    if (!has_ports(c))
        bytes_print(text, "there are no ports");
    else if (remote ? !c->has_remote_port : !c->has_local_port)
        bytes_print(text, "the %s port is not known", remote ? "remote" : "local");
    else
        bytes_print(text, "%u is not in it", remote ? c->remote_port : c->local_port);
}

static void say_name(struct bytes *text, const struct policy_connection *c)
{
    if (c->name_count == 0)
        bytes_print(text, "its name is not known");
    else
        bytes_print(text, "its name is %.253s", c->names[0]);
    if (c->name_count > 1)
        bytes_print(text, ", and others that do not match");
}

static void say_number(struct bytes *text, enum names_table table, uint8_t number)
{
    const char *name = names_of(table, number);

    if (name != NULL)
        bytes_print(text, "it is %s", name);
    else
        bytes_print(text, "it is %u", number);
}

/* The word before a list of addresses or ports, seen from the rule's direction. */
static const char *end_word(const struct policy_connection *c, uint16_t kind)
{
    bool remote = kind == GATEHOUSE_PART_REMOTE || kind == GATEHOUSE_PART_REMOTE_PORT;
    bool to = remote == (c->direction == GATEHOUSE_RULE_OUT);

    if (kind == GATEHOUSE_PART_NAME)
        return " to ";
    if (kind == GATEHOUSE_PART_REMOTE || kind == GATEHOUSE_PART_LOCAL)
        return to ? " to " : " from ";
    return to ? " port " : " from any port ";
}

static void say_miss(struct bytes *text, const struct policy_sets *sets, const struct gatehouse_rule *rule,
                     const struct policy_connection *c, uint16_t kind)
{
    bool remote = kind == GATEHOUSE_PART_REMOTE || kind == GATEHOUSE_PART_REMOTE_PORT;

    if ((kind >= GATEHOUSE_PART_REMOTE && kind <= GATEHOUSE_PART_LOCAL_PORT) || kind == GATEHOUSE_PART_NAME)
        bytes_print(text, "%s", end_word(c, kind));
    print_kind(text, sets, rule, kind);
    bytes_print(text, ": ");
    if (kind == GATEHOUSE_PART_PROGRAM)
        say_program(text, c);
    else if (kind >= GATEHOUSE_PART_USER && kind <= GATEHOUSE_PART_CGROUP)
        bytes_print(text, "the program runs as none of these");
    else if (kind == GATEHOUSE_PART_PROTOCOL)
        say_number(text, NAMES_PROTOCOL, c->protocol);
    else if (kind == GATEHOUSE_PART_REMOTE || kind == GATEHOUSE_PART_LOCAL)
        say_address(text, c, remote);
    else if (kind == GATEHOUSE_PART_NAME)
        say_name(text, c);
    else if (kind == GATEHOUSE_PART_ICMP_TYPE && c->has_icmp_type)
        say_number(text, c->protocol == 58 ? NAMES_ICMP6 : NAMES_ICMP, c->icmp_type);
    else if (kind == GATEHOUSE_PART_ICMP_TYPE)
        bytes_print(text, "its type is not known");
    else
        say_port(text, c, remote);
}

/* Of a text whose first byte is a blank. */
static void give(struct bytes *text, char *why, size_t capacity)
{
    size_t skip = text->size != 0 && text->at[0] == ' ' ? 1 : 0, size = text->size - skip;

    if (size >= capacity)
        size = capacity - 1;
    if (size != 0)
        memcpy(why, text->at + skip, size);
    why[size] = '\0';
}

/* --- The rule ------------------------------------------------------------------------------- */

/* What is no part. NULL: all of it matches. */
static const char *fields_miss(const struct gatehouse_rule *rule, const struct policy_connection *c)
{
    if ((rule->direction & c->direction) == 0)
        return rule->direction == GATEHOUSE_RULE_IN ? "in: it is outgoing" : "out: it is incoming";
    if (rule->family != 0 && rule->family != c->family)
        return rule->family == 4 ? "inet: it is IPv6" : "inet6: it is IPv4";
    if ((rule->flags & GATEHOUSE_RULE_RAW) != 0 && !c->raw)
        return "raw: it is no raw socket";
    return NULL;
}

bool policy_rule_matches(const struct policy_sets *sets, const struct gatehouse_rule *rule,
                         const struct policy_connection *connection, char *why, size_t capacity)
{
    const char *miss = fields_miss(rule, connection);
    struct bytes text = {0};

    if (miss != NULL) {
        if (why != NULL)
            snprintf(why, capacity, "%s", miss);
        return false;
    }
    for (unsigned type = GATEHOUSE_PART_PROGRAM; type <= GATEHOUSE_PART_NAME; type++) {
        uint16_t kind = (uint16_t)type;

        /* TEXT and FILE match nothing and everything. */
        if (kind == GATEHOUSE_PART_TEXT || kind == GATEHOUSE_PART_FILE || kind_of(kind) != kind ||
            kind_matches(sets, rule, connection, kind))
            continue;
        if (why != NULL) {
            say_miss(&text, sets, rule, connection, kind);
            give(&text, why, capacity);
            bytes_cleanup(&text);
        }
        return false;
    }
    return true;
}

const struct gatehouse_rule *policy_match(const void *image, const struct policy_sets *sets,
                                          const struct policy_connection *connection, uint32_t *number,
                                          policy_miss_function *miss, void *context)
{
    const struct gatehouse_rules_image *header = image;
    const struct gatehouse_rule *rule = header->rule_count == 0 ? NULL : rule_image_first_rule(image);
    char why[POLICY_WHY_MAX];

    for (uint32_t i = 0; rule != NULL; i++, rule = rule_image_next_rule(image, rule)) {
        if (policy_rule_matches(sets, rule, connection, miss == NULL ? NULL : why, sizeof(why))) {
            if (number != NULL)
                *number = i;
            return rule;
        }
        if (miss != NULL)
            miss(context, i, rule, why);
    }
    return NULL;
}

enum gatehouse_rule_action policy_default_action(uint8_t direction, uint8_t protocol)
{
    bool asked = direction == GATEHOUSE_RULE_OUT && (protocol == 6 || protocol == 17);

    return asked ? GATEHOUSE_RULE_ASK : GATEHOUSE_RULE_PERMIT;
}
