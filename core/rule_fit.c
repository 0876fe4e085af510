/* SPDX-License-Identifier: MIT */
/*
 * rule_fit.c - see rule_fit.h. A rule's parts are read once: which kinds it asks for, which are there, which may be.
 */
#include "core/rule_fit.h"

#include "core/path_pattern.h"

#define PROTOCOL_TCP   6u
#define PROTOCOL_UDP   17u
#define PROTOCOL_ICMP  1u
#define PROTOCOL_ICMP6 58u

/* S-1-22-1-N, and S-1-5-18 to 20: accounts that are no groups. */
static const uint8_t unix_user[12] = {1, 2, 0, 0, 0, 0, 0, 22, 1, 0, 0, 0};
static const uint8_t system_account[8] = {1, 1, 0, 0, 0, 0, 0, 5};

static bool is_user_alone(const uint8_t *sid, size_t size)
{
    if (size == 16)
        return memcmp(sid, unix_user, sizeof(unix_user)) == 0;
    return size == 12 && memcmp(sid, system_account, sizeof(system_account)) == 0 && sid[8] >= 18 && sid[8] <= 20 &&
           sid[9] == 0 && sid[10] == 0 && sid[11] == 0;
}

/* Of the token only the user was kept; other SIDs of it may be groups. */
static enum rule_fit user_fits(const struct connection *connection, const uint8_t *sid, size_t size)
{
    if (connection->user_sid_size == 0)
        return RULE_FITS_MAYBE;
    if (connection->user_sid_size == size && memcmp(connection->user_sid, sid, size) == 0)
        return RULE_FITS;
    return is_user_alone(sid, size) ? RULE_FITS_NOT : RULE_FITS_MAYBE;
}

static int compare_v4(const struct gatehouse_range_v4 *range, const uint8_t address[16])
{
    uint32_t v4 = (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 | address[3];

    return v4 < range->low ? -1 : v4 > range->high;
}

static int compare_v6(const struct gatehouse_range_v6 *range, const uint8_t address[16])
{
    if (memcmp(address, range->low, sizeof(range->low)) < 0)
        return -1;
    return memcmp(address, range->high, sizeof(range->high)) > 0;
}

static int compare_port(const struct gatehouse_range_port *range, uint16_t port)
{
    return port < range->low ? -1 : port > range->high;
}

/* -1, 0, 1: the value lies before, in, behind the set's range i. */
static int compare(const struct gatehouse_set *set, uint32_t i, const uint8_t *address, uint16_t port)
{
    if (set->kind == GATEHOUSE_SET_V4)
        return compare_v4(&set_ranges_v4(set)[i], address);
    if (set->kind == GATEHOUSE_SET_V6)
        return compare_v6(&set_ranges_v6(set)[i], address);
    return compare_port(&set_ranges_port(set)[i], port);
}

/* Its ranges are in order, and apart. */
static bool set_has(const struct gatehouse_set *set, const uint8_t *address, uint16_t port)
{
    uint32_t low = 0, high = set->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int where = compare(set, middle, address, port);

        if (where == 0)
            return true;
        if (where < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static enum rule_fit sure(bool fits)
{
    return fits ? RULE_FITS : RULE_FITS_NOT;
}

static enum rule_fit address_fits(const struct gatehouse_set *set, const struct connection *connection,
                                  const uint8_t *address)
{
    uint16_t kind = connection->ip_version == 6 ? GATEHOUSE_SET_V6 : GATEHOUSE_SET_V4;

    return sure(set->kind == kind && set_has(set, address, 0));
}

static enum rule_fit port_fits(const struct gatehouse_set *set, const struct connection *connection, uint16_t port)
{
    return sure((connection->protocol == PROTOCOL_TCP || connection->protocol == PROTOCOL_UDP) &&
                set_has(set, NULL, port));
}

static enum rule_fit icmp_type_fits(uint8_t type, const struct connection *connection)
{
    return sure((connection->protocol == PROTOCOL_ICMP || connection->protocol == PROTOCOL_ICMP6) &&
                connection->local_port == type);
}

static enum rule_fit part_fits(const struct rule_list *list, const struct gatehouse_rule *rule,
                               const struct gatehouse_rule_part *part, const struct rule_subject *subject)
{
    const struct connection *connection = subject->connection;
    const uint8_t *data = rule_part_data(part);

    switch (part->type) {
    case GATEHOUSE_PART_PROGRAM:
        return sure(subject->path != NULL && subject->path_size == part->data_size &&
                    memcmp(subject->path, data, part->data_size) == 0);
    case GATEHOUSE_PART_PATTERN:
        return sure(subject->path != NULL &&
                    path_pattern_matches(data, part->data_size, subject->path, subject->path_size));
    case GATEHOUSE_PART_USER:
        return user_fits(connection, data, part->data_size);
    case GATEHOUSE_PART_PROTOCOL:
        return sure(connection->protocol == data[0]);
    case GATEHOUSE_PART_REMOTE:
        return address_fits(list->sets[rule_part_set(part)], connection, connection->remote_address);
    case GATEHOUSE_PART_LOCAL:
        return address_fits(list->sets[rule_part_set(part)], connection, connection->local_address);
    case GATEHOUSE_PART_REMOTE_PORT:
        return port_fits(list->sets[rule_part_set(part)], connection, connection->remote_port);
    case GATEHOUSE_PART_LOCAL_PORT:
        return port_fits(list->sets[rule_part_set(part)], connection, connection->local_port);
    case GATEHOUSE_PART_ICMP_TYPE:
        return icmp_type_fits(data[0], connection);
    case GATEHOUSE_PART_NAME:
        return sure(!subject->inbound && subject->is_known_as(subject->context, rule, data, part->data_size));
    default: /* SHA256, GROUP, UNIT, CGROUP */
        return RULE_FITS_MAYBE;
    }
}

/* PROGRAM, PATTERN and SHA256 are one kind; TEXT and FILE none. */
static uint32_t kind_of(uint16_t type)
{
    if (type == GATEHOUSE_PART_TEXT || type == GATEHOUSE_PART_FILE)
        return 0;
    return 1u << (type <= GATEHOUSE_PART_SHA256 ? GATEHOUSE_PART_PROGRAM : type);
}

enum rule_fit rule_fits(const struct rule_list *list, const struct gatehouse_rule *rule,
                        const struct rule_subject *subject)
{
    uint32_t asked = 0, there = 0, maybe = 0;

    if ((rule->direction & (subject->inbound ? GATEHOUSE_RULE_IN : GATEHOUSE_RULE_OUT)) == 0 ||
        (rule->family != 0 && rule->family != subject->connection->ip_version))
        return RULE_FITS_NOT;
    if ((rule->flags & GATEHOUSE_RULE_RAW) != 0)
        asked = maybe = 1; /* no part's bit */
    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        uint32_t kind = kind_of(part->type);
        enum rule_fit fit;

        if ((there & kind) == kind)
            continue;
        fit = part_fits(list, rule, part, subject);
        asked |= kind;
        there |= fit == RULE_FITS ? kind : 0;
        maybe |= fit == RULE_FITS_MAYBE ? kind : 0;
    }
    if ((asked & ~(there | maybe)) != 0)
        return RULE_FITS_NOT;
    return (asked & ~there) != 0 ? RULE_FITS_MAYBE : RULE_FITS;
}

void rule_reading_begin(struct rule_reading *reading)
{
    reading->possible = 0;
    reading->rule = NULL;
    reading->over = false;
}

void rule_reading_go_on(struct rule_reading *reading, const struct rule_list *list, uint32_t from, uint32_t to,
                        const struct rule_subject *subject)
{
    for (uint32_t i = from; i < to && !reading->over; i++) {
        const struct gatehouse_rule *rule = list->entries[i].rule;
        enum rule_fit fit = list->entries[i].ended ? RULE_FITS_NOT : rule_fits(list, rule, subject);

        if (fit == RULE_FITS_NOT)
            continue;
        reading->possible |= 1u << rule->action;
        if (fit == RULE_FITS) {
            reading->rule = rule;
            reading->over = true;
        }
    }
}

enum gatehouse_rule_action rule_reading_end(struct rule_reading *reading, const struct rule_subject *subject)
{
    uint8_t protocol = subject->connection->protocol;
    bool asked = !subject->inbound && (protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP);

    if (!reading->over)
        reading->possible |= 1u << (asked ? GATEHOUSE_RULE_ASK : GATEHOUSE_RULE_PERMIT);
    reading->over = true;
    if (reading->possible == 1u << GATEHOUSE_RULE_PERMIT)
        return GATEHOUSE_RULE_PERMIT;
    if (reading->possible == 1u << GATEHOUSE_RULE_BLOCK)
        return GATEHOUSE_RULE_BLOCK;
    return GATEHOUSE_RULE_ASK;
}
