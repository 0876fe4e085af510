/* SPDX-License-Identifier: MIT */
/*
 * reference.c - the oracle itself: which rule decides. As simple as the documentation it is written from.
 */
#include "reference.h"

#include <string.h>

/* Backtracking and recursive, unlike the product's. */
static bool pattern_matches(const char *pattern, const char *path)
{
    if (*pattern == 0)
        return *path == 0;
    if (pattern[0] == '*' && pattern[1] == '*')
        return pattern_matches(pattern + 2, path) || (*path && pattern_matches(pattern, path + 1));
    if (*pattern == '*')
        return pattern_matches(pattern + 1, path) || (*path && *path != '/' && pattern_matches(pattern, path + 1));
    if (*path == 0)
        return false;
    if (*pattern == '?' && *path != '/') {
        do
            path++;
        while ((*path & 0xc0) == 0x80); /* a character is a lead byte and what continues it */
        return pattern_matches(pattern + 1, path);
    }
    return *pattern == *path && pattern_matches(pattern + 1, path + 1);
}

static bool program_matches(const char *written, const char *program)
{
    char folder[512];
    size_t length = strlen(written);

    if (!program)
        return false;
    if (!strpbrk(written, "*?") && written[length - 1] != '/')
        return !strcmp(written, program);
    if (written[length - 1] == '/') {
        memcpy(folder, written, length);
        memcpy(folder + length, "**", 3);
        return pattern_matches(folder, program);
    }
    return pattern_matches(written, program);
}

static bool one_program(const struct reference_rule *rule, const char *program)
{
    for (int i = 0; i < rule->program_count; i++)
        if (program_matches(rule->programs[i], program))
            return true;
    return rule->program_count == 0;
}

static bool one_number(int count, const unsigned *numbers, unsigned number)
{
    for (int i = 0; i < count; i++)
        if (numbers[i] == number)
            return true;
    return count == 0;
}

/* A unit is a component of the control group's path. */
static bool one_unit(const struct reference_rule *rule, const char *cgroup)
{
    for (int i = 0; i < rule->unit_count; i++) {
        size_t length = strlen(rule->units[i]);
        const char *at = cgroup;

        while ((at = strstr(at, rule->units[i])) != NULL) {
            if (at > cgroup && at[-1] == '/' && (at[length] == 0 || at[length] == '/'))
                return true;
            at++;
        }
    }
    return rule->unit_count == 0;
}

/* A control group and everything below it. */
static bool one_cgroup(const struct reference_rule *rule, const char *cgroup)
{
    for (int i = 0; i < rule->cgroup_count; i++) {
        size_t length = strlen(rule->cgroups[i]);

        if (!strncmp(cgroup, rule->cgroups[i], length) && (cgroup[length] == 0 || cgroup[length] == '/'))
            return true;
    }
    return rule->cgroup_count == 0;
}

static bool in_ranges(const struct reference_end *end, int family, const uint8_t *address)
{
    size_t size = family == 4 ? 4 : 16;

    for (int i = 0; i < end->count; i++)
        if (end->ranges[i].family == family && memcmp(address, end->ranges[i].low, size) >= 0 &&
            memcmp(address, end->ranges[i].high, size) <= 0)
            return true;
    return false;
}

static bool has_ports(int protocol)
{
    return protocol == 6 || protocol == 17;
}

/* "*.x" is for what ends with ".x". */
static bool one_name(const struct reference_end *end, const struct reference_connection *connection)
{
    for (int i = 0; i < end->name_count; i++)
        for (int k = 0; k < connection->name_count; k++) {
            const char *wanted = end->names[i], *known = connection->names[k];
            size_t tail = strlen(wanted) - 1, length = strlen(known);

            if (wanted[0] == '*' ? length > tail && !strcmp(known + length - tail, wanted + 1) : !strcmp(wanted, known))
                return true;
        }
    return end->name_count == 0;
}

static bool end_matches(const struct reference_end *end, const struct reference_connection *connection,
                        const uint8_t *address, uint16_t port)
{
    bool port_fits = end->port_count == 0;

    if (!end->given)
        return true;
    if (!one_name(end, connection))
        return false;
    if (!end->any && !end->name_count && in_ranges(end, connection->family, address) == end->negated)
        return false;
    for (int i = 0; i < end->port_count; i++)
        if (port >= end->port_low[i] && port <= end->port_high[i])
            port_fits = true;
    return port_fits && (end->port_count == 0 || has_ports(connection->protocol));
}

static bool direction_matches(const struct reference_rule *rule, bool inbound)
{
    bool out = rule->out, in = rule->in;

    if (!out && !in) {
        out = !(rule->from.given && !rule->to.given && !rule->plain.given);
        in = !rule->to.given && !rule->plain.given;
    }
    return inbound ? in : out;
}

static bool protocol_matches(const struct reference_rule *rule, const struct reference_connection *connection)
{
    bool fits = rule->protocol_count == 0;

    for (int i = 0; i < rule->protocol_count; i++)
        if (rule->protocols[i] == connection->protocol)
            fits = true;
    if (fits && rule->icmp_count) {
        if (connection->protocol != 1 && connection->protocol != 58)
            return false;
        for (int i = 0; i < rule->icmp_count; i++)
            if (rule->icmp_types[i] == connection->local_port)
                return true;
        return false;
    }
    return fits;
}

static bool rule_matches(const struct reference_rule *rule, const struct reference_connection *connection)
{
    bool inbound = connection->inbound;

    if (rule->all)
        return true;
    if (!direction_matches(rule, inbound) || (rule->family && rule->family != connection->family) ||
        (rule->raw && !connection->raw) || !protocol_matches(rule, connection))
        return false;
    if (!one_program(rule, connection->program) || !one_number(rule->user_count, rule->users, connection->uid) ||
        !one_number(rule->group_count, rule->groups, connection->gid) || !one_unit(rule, connection->cgroup) ||
        !one_cgroup(rule, connection->cgroup))
        return false;
    if (inbound)
        return end_matches(&rule->to, connection, connection->local, connection->local_port) &&
               end_matches(&rule->from, connection, connection->remote, connection->remote_port) &&
               end_matches(&rule->plain, connection, connection->local, connection->local_port);
    return end_matches(&rule->to, connection, connection->remote, connection->remote_port) &&
           end_matches(&rule->from, connection, connection->local, connection->local_port) &&
           end_matches(&rule->plain, connection, connection->remote, connection->remote_port);
}

void reference_know(const struct reference_facts *facts, struct reference_connection *connection)
{
    connection->name_count = 0;
    for (int i = 0; i < facts->count && !connection->inbound; i++) {
        const struct reference_fact *fact = &facts->facts[i];

        if (fact->family == connection->family && !memcmp(fact->address, connection->remote, 16) &&
            (!fact->program || (connection->program && !strcmp(fact->program, connection->program))))
            connection->names[connection->name_count++] = fact->name;
    }
}

int reference_decide(const struct reference_policy *policy, const struct reference_connection *connection)
{
    for (int i = 0; i < policy->count; i++)
        if (rule_matches(&policy->rules[i], connection))
            return i;
    return -1;
}
