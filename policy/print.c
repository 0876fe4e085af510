/* SPDX-License-Identifier: MIT */
/*
 * print.c - see print.h. The order: action, program, accounts, direction, protocol, ends, ICMP type, flags, lifetime.
 */
#include "policy/print.h"

#include <stdlib.h>
#include <string.h>

#include "core/path_text.h"
#include "core/rule_image.h"
#include "policy/address.h"
#include "policy/bytes.h"
#include "policy/names.h"
#include "policy/print_kind.h"
#include "policy/punycode.h"
#include "policy/ranges.h"
#include "policy/sids.h"
#include "policy/windows_path.h"

#define ICMP6 58u

#define KIND_RANGES_MAX 4u

bool policy_sets_init(struct policy_sets *sets, const void *image)
{
    const struct gatehouse_rules_image *header = image;
    const struct gatehouse_set *set = header->set_count == 0 ? NULL : rule_image_set(image, 0);
    const struct gatehouse_set **all = calloc(header->set_count + 1u, sizeof(*all));

    if (all == NULL)
        return false;
    for (uint32_t i = 0; i < header->set_count; i++) {
        all[i] = set;
        set = rule_image_next_set(image, set);
    }
    *sets = (struct policy_sets){all, header->set_count};
    return true;
}

void policy_sets_cleanup(struct policy_sets *sets)
{
    free(sets->sets);
    *sets = (struct policy_sets){0};
}

struct printer {
    struct bytes text;
    const struct policy_sets *sets;
    const struct gatehouse_rule *rule;
    struct policy_print_options options;
};

static const struct gatehouse_rule_part *next_of(const struct printer *p, const struct gatehouse_rule_part *part,
                                                 uint16_t type)
{
    part = part == NULL ? rule_first_part(p->rule) : rule_next_part(p->rule, part);
    while (part != NULL && part->type != type)
        part = rule_next_part(p->rule, part);
    return part;
}

static unsigned count_of(const struct printer *p, uint16_t type)
{
    unsigned count = 0;

    for (const struct gatehouse_rule_part *part = next_of(p, NULL, type); part != NULL; part = next_of(p, part, type))
        count++;
    return count;
}

/* --- Programs ------------------------------------------------------------------------------- */

/* One byte of a string in quotes. literal: it stands for itself, even where it looks like a wildcard. */
static void print_byte(struct bytes *text, uint8_t byte, bool literal)
{
    if (byte == '\n')
        bytes_print(text, "\\n");
    else if (byte == '\t')
        bytes_print(text, "\\t");
    else if (byte == '\r')
        bytes_print(text, "\\r");
    else if (byte < ' ' || byte == 0x7f)
        bytes_print(text, "\\%03o", byte);
    else if (byte == '"' || byte == '\\' || (literal && (byte == '*' || byte == '?')))
        bytes_print(text, "\\%c", byte);
    else
        bytes_add(text, &byte, 1);
}

static void print_string(struct bytes *text, const struct gatehouse_rule_part *part)
{
    size_t capacity = PATH_TEXT_BYTES_SIZE((size_t)part->data_size) + 1, size = 0;
    bool pattern = part->type == GATEHOUSE_PART_PATTERN;
    uint8_t *bytes = malloc(capacity);

    if (bytes == NULL || !path_text_to_bytes(rule_part_data(part), part->data_size, bytes, capacity, &size))
        size = 0;
    bytes_print(text, "\"");
    if (is_windows_path((const char *)bytes, size)) {
        /* A path of Windows has none of these, and could not say them. */
        for (size_t i = 0; i < size; i++)
            bytes_print(text, "%c", bytes[i] < ' ' || bytes[i] == 0x7f || bytes[i] == '"' ? '?' : bytes[i]);
    } else {
        for (size_t i = 0; i < size; i++) {
            bool escaped = pattern && bytes[i] == '\\' && i + 1 < size;

            i += escaped;
            print_byte(text, bytes[i], escaped || !pattern);
        }
    }
    bytes_print(text, "\"");
    text->failed = text->failed || bytes == NULL;
    free(bytes);
}

static void print_program(struct bytes *text, const struct gatehouse_rule_part *part)
{
    const uint8_t *digest = rule_part_data(part);

    if (part->type != GATEHOUSE_PART_SHA256) {
        print_string(text, part);
        return;
    }
    bytes_print(text, "sha256 ");
    for (unsigned i = 0; i < part->data_size; i++)
        bytes_print(text, "%02x", digest[i]);
}

static void print_programs(struct printer *p)
{
    unsigned count =
        count_of(p, GATEHOUSE_PART_PROGRAM) + count_of(p, GATEHOUSE_PART_PATTERN) + count_of(p, GATEHOUSE_PART_SHA256);
    const char *before = count > 1 ? " { " : " ";

    if (count == 0)
        return;
    bytes_print(&p->text, " program");
    for (unsigned type = GATEHOUSE_PART_PROGRAM; type <= GATEHOUSE_PART_SHA256; type++) {
        for (const struct gatehouse_rule_part *part = next_of(p, NULL, (uint16_t)type); part != NULL;
             part = next_of(p, part, (uint16_t)type)) {
            bytes_print(&p->text, "%s", before);
            print_program(&p->text, part);
            before = ", ";
        }
    }
    if (count > 1)
        bytes_print(&p->text, " }");
}

/* --- Accounts ------------------------------------------------------------------------------- */

/* Does the name mean this SID, and can it stand in quotes? */
static bool is_name_of(const struct policy_system *system, enum policy_who who, const char *name, const uint8_t *sid,
                       size_t size)
{
    uint8_t found[GATEHOUSE_SID_MAX];
    size_t found_size;

    for (const char *c = name; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == '"' || *c == '\\' || *c == 0x7f)
            return false;
    }
    return name[0] != '\0' && system->find_sid != NULL &&
           system->find_sid(system->context, who, name, found, &found_size) && found_size == size &&
           memcmp(found, sid, size) == 0;
}

static void print_account(struct printer *p, const struct gatehouse_rule_part *part)
{
    enum policy_who who = part->type == GATEHOUSE_PART_USER ? POLICY_USER : POLICY_GROUP;
    const struct policy_system *system = p->options.system;
    const uint8_t *sid = rule_part_data(part);
    char text[SIDS_TEXT_MAX];
    const char *name = NULL;
    uint32_t number;

    if (part->type <= GATEHOUSE_PART_GROUP && system != NULL && system->find_name != NULL)
        name = system->find_name(system->context, who, sid, part->data_size);
    if (name != NULL && strlen(name) < sizeof(text)) {
        memcpy(text, name, strlen(name) + 1);
        if (is_name_of(system, who, text, sid, part->data_size)) {
            bytes_print(&p->text, "\"%s\"", text);
            return;
        }
    }
    if ((part->type == GATEHOUSE_PART_USER && sid_is_unix(sid, part->data_size, SIDS_UNIX_USER, &number)) ||
        (part->type == GATEHOUSE_PART_GROUP && sid_is_unix(sid, part->data_size, SIDS_UNIX_GROUP, &number))) {
        bytes_print(&p->text, "%u", number);
        return;
    }
    sid_write(sid, part->data_size, text);
    bytes_print(&p->text, "%s", text);
}

static void print_accounts(struct printer *p, uint16_t type, const char *word)
{
    unsigned count = count_of(p, type);
    const char *before = count > 1 ? " { " : " ";

    if (count == 0)
        return;
    bytes_print(&p->text, " %s", word);
    for (const struct gatehouse_rule_part *part = next_of(p, NULL, type); part != NULL; part = next_of(p, part, type)) {
        bytes_print(&p->text, "%s", before);
        print_account(p, part);
        before = ", ";
    }
    if (count > 1)
        bytes_print(&p->text, " }");
}

/* --- Sets ----------------------------------------------------------------------------------- */

/* bits: of the prefix that the range is; below 0: it is none. all: those of one address. */
static void print_span(struct bytes *text, const char *low, const char *high, int bits, int all)
{
    if (bits == all)
        bytes_print(text, "%s", low);
    else if (bits >= 0)
        bytes_print(text, "%s/%d", low, bits);
    else
        bytes_print(text, "%s-%s", low, high);
}

static void print_range_v4(struct bytes *text, const struct gatehouse_range_v4 *range)
{
    char low[ADDRESS_TEXT_MAX], high[ADDRESS_TEXT_MAX];

    address_write_v4(range->low, low);
    address_write_v4(range->high, high);
    print_span(text, low, high, range_prefix_v4(range->low, range->high), 32);
}

static void print_range_v6(struct bytes *text, const struct gatehouse_range_v6 *range)
{
    char low[ADDRESS_TEXT_MAX], high[ADDRESS_TEXT_MAX];

    address_write_v6(range->low, low);
    address_write_v6(range->high, high);
    print_span(text, low, high, range_prefix_v6(range->low, range->high), 128);
}

static void print_range_port(struct bytes *text, const struct gatehouse_range_port *range)
{
    if (range->low == range->high)
        bytes_print(text, "%u", range->low);
    else
        bytes_print(text, "%u-%u", range->low, range->high);
}

/* The list in its braces, or its one thing. */
static void print_ranges(struct printer *p, const struct ranges *ranges)
{
    const struct gatehouse_range_v4 *v4 = (const struct gatehouse_range_v4 *)(const void *)ranges->v4.at;
    const struct gatehouse_range_v6 *v6 = (const struct gatehouse_range_v6 *)(const void *)ranges->v6.at;
    const struct gatehouse_range_port *ports = (const struct gatehouse_range_port *)(const void *)ranges->ports.at;
    size_t v4_count = ranges_count_v4(ranges), v6_count = ranges_count_v6(ranges);
    size_t count = v4_count + v6_count + ranges_count_ports(ranges), shown = count;

    if (p->options.ranges_max != 0 && shown > p->options.ranges_max)
        shown = p->options.ranges_max;
    if (count != 1)
        bytes_print(&p->text, "{");
    for (size_t i = 0; i < shown; i++) {
        if (count != 1)
            bytes_print(&p->text, i == 0 ? " " : ", ");
        if (i < v4_count)
            print_range_v4(&p->text, v4 + i);
        else if (i - v4_count < v6_count)
            print_range_v6(&p->text, v6 + (i - v4_count));
        else
            print_range_port(&p->text, ports + (i - v4_count - v6_count));
    }
    if (shown < count)
        bytes_print(&p->text, " ... and %u more", (unsigned)(count - shown));
    if (count != 1)
        bytes_print(&p->text, count == 0 ? "}" : " }");
}

/* All ranges of the parts of one type. */
static void gather(const struct printer *p, uint16_t type, struct ranges *into)
{
    for (const struct gatehouse_rule_part *part = next_of(p, NULL, type); part != NULL; part = next_of(p, part, type)) {
        const struct gatehouse_set *set = p->sets->sets[rule_part_set(part)];

        if (set->kind == GATEHOUSE_SET_V4)
            bytes_add(&into->v4, set_ranges_v4(set), set->count * sizeof(struct gatehouse_range_v4));
        else if (set->kind == GATEHOUSE_SET_V6)
            bytes_add(&into->v6, set_ranges_v6(set), set->count * sizeof(struct gatehouse_range_v6));
        else
            bytes_add(&into->ports, set_ranges_port(set), set->count * sizeof(struct gatehouse_range_port));
    }
    ranges_join(into);
}

/* What is not in them, of the families that the rule is for; is it the shorter way to say it? */
static bool turn_round(const struct printer *p, const struct ranges *ranges, struct ranges *others)
{
    size_t count = ranges_count_v4(ranges) + ranges_count_v6(ranges), turned;

    if (count < 2)
        return false;
    ranges_add_all(others, ranges);
    ranges_complement(others);
    if (p->rule->family == 6)
        others->v4.size = 0;
    if (p->rule->family == 4)
        others->v6.size = 0;
    turned = ranges_count_v4(others) + ranges_count_v6(others);
    return turned != 0 && turned < count;
}

/* --- Names ---------------------------------------------------------------------------------- */

/* Does the lexer take it for a name without quotes? It has a dot, and nothing else that it could be begins so. */
static bool is_plain_name(const char *name, size_t size)
{
    const char *first = size > 2 && name[0] == '*' ? name + 2 : name, *dot = NULL;
    char last;

    for (size_t i = 0; i < size; i++)
        dot = name[i] == '.' ? name + i : dot;
    /* With digits in front its last label begins with a letter and is longer than that. */
    last = dot == NULL || dot + 2 >= name + size ? '0' : dot[1];

    if (dot == NULL || *first == '-' || dot[1] == '-')
        return false;
    return first != name || *first > '9' || last > '9';
}

static void print_names(struct printer *p)
{
    unsigned count = count_of(p, GATEHOUSE_PART_NAME), shown = 0;

    if (count > 1)
        bytes_print(&p->text, "{ ");
    for (const struct gatehouse_rule_part *part = next_of(p, NULL, GATEHOUSE_PART_NAME); part != NULL;
         part = next_of(p, part, GATEHOUSE_PART_NAME)) {
        const char *quote = is_plain_name(rule_part_data(part), part->data_size) ? "" : "\"";

        if (p->options.ranges_max != 0 && shown == p->options.ranges_max) {
            bytes_print(&p->text, " ... and %u more", count - shown);
            break;
        }
        bytes_print(&p->text, "%s%s%.*s%s", shown == 0 ? "" : ", ", quote, part->data_size,
                    (const char *)rule_part_data(part), quote);
        shown++;
    }
    if (count > 1)
        bytes_print(&p->text, " }");
}

/* Behind the rule, as a comment, what its xn-- names stand for. */
static void print_readings(struct printer *p)
{
    const char *before = " # ";

    for (const struct gatehouse_rule_part *part = next_of(p, NULL, GATEHOUSE_PART_NAME); part != NULL;
         part = next_of(p, part, GATEHOUSE_PART_NAME)) {
        char reading[PUNYCODE_NAME_TEXT_MAX];

        if (!punycode_name_read(rule_part_data(part), part->data_size, reading, sizeof(reading)))
            continue;
        bytes_print(&p->text, "%s%s", before, reading);
        before = ", ";
    }
}

static void print_end(struct printer *p, const char *word, uint16_t type, uint16_t port_type)
{
    bool addresses = count_of(p, type) != 0, ports = count_of(p, port_type) != 0;
    bool names = type == GATEHOUSE_PART_REMOTE && count_of(p, GATEHOUSE_PART_NAME) != 0;
    struct ranges ranges = {0}, others = {0};

    if (!addresses && !ports && !names)
        return;
    bytes_print(&p->text, " %s ", word);
    if (names) {
        print_names(p);
    } else if (!addresses) {
        bytes_print(&p->text, "any");
    } else {
        gather(p, type, &ranges);
        if (turn_round(p, &ranges, &others)) {
            bytes_print(&p->text, "! ");
            print_ranges(p, &others);
        } else {
            print_ranges(p, &ranges);
        }
    }
    ranges_clear(&ranges);
    if (ports) {
        bytes_print(&p->text, " port ");
        gather(p, port_type, &ranges);
        print_ranges(p, &ranges);
    }
    p->text.failed = p->text.failed || ranges_failed(&ranges) || ranges_failed(&others);
    ranges_cleanup(&ranges);
    ranges_cleanup(&others);
}

static void print_ends(struct printer *p)
{
    bool in = p->rule->direction == GATEHOUSE_RULE_IN;

    print_end(p, in ? "from" : "to", GATEHOUSE_PART_REMOTE, GATEHOUSE_PART_REMOTE_PORT);
    print_end(p, in ? "to" : "from", GATEHOUSE_PART_LOCAL, GATEHOUSE_PART_LOCAL_PORT);
}

/* Addresses or ports in both directions. */
static bool is_beyond_language(const struct printer *p)
{
    return p->rule->direction == (GATEHOUSE_RULE_OUT | GATEHOUSE_RULE_IN) &&
           count_of(p, GATEHOUSE_PART_REMOTE) + count_of(p, GATEHOUSE_PART_LOCAL) +
                   count_of(p, GATEHOUSE_PART_REMOTE_PORT) + count_of(p, GATEHOUSE_PART_LOCAL_PORT) !=
               0;
}

/* --- Numbers -------------------------------------------------------------------------------- */

static void print_numbers(struct printer *p, uint16_t type, const char *word, enum names_table table)
{
    unsigned count = count_of(p, type);
    const char *before = count > 1 ? " { " : " ";

    if (count == 0)
        return;
    bytes_print(&p->text, " %s", word);
    for (const struct gatehouse_rule_part *part = next_of(p, NULL, type); part != NULL; part = next_of(p, part, type)) {
        uint8_t number = *(const uint8_t *)rule_part_data(part);
        const char *name = names_of(table, number);

        if (name != NULL)
            bytes_print(&p->text, "%s%s", before, name);
        else
            bytes_print(&p->text, "%s%u", before, number);
        before = ", ";
    }
    if (count > 1)
        bytes_print(&p->text, " }");
}

static void print_icmp_types(struct printer *p)
{
    const struct gatehouse_rule_part *protocol = next_of(p, NULL, GATEHOUSE_PART_PROTOCOL);
    bool v6 = protocol != NULL && *(const uint8_t *)rule_part_data(protocol) == ICMP6;

    print_numbers(p, GATEHOUSE_PART_ICMP_TYPE, "icmp-type", v6 ? NAMES_ICMP6 : NAMES_ICMP);
}

static void print_for(struct printer *p, uint64_t ms)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"day", 86400000}, {"hour", 3600000}, {"minute", 60000}, {"second", 1000}, {"millisecond", 1}};

    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (ms % units[i].ms == 0) {
            unsigned long long count = ms / units[i].ms;

            bytes_print(&p->text, " for %llu %s%s", count, units[i].name, count == 1 ? "" : "s");
            return;
        }
    }
}

static void print_lifetime(struct printer *p)
{
    const struct gatehouse_rule *rule = p->rule;

    if (rule->until == GATEHOUSE_UNTIL_EXIT)
        bytes_print(&p->text, " until exit");
    if (rule->until == GATEHOUSE_UNTIL_REBOOT)
        bytes_print(&p->text, " until reboot");
    if (rule->until != GATEHOUSE_UNTIL_TIME)
        return;
    if (rule->ends != 0 && p->options.now != 0)
        print_for(p, rule->ends > p->options.now ? ((rule->ends - p->options.now) / 10000000 + 1) * 1000 : 1000);
    else if (rule->lifetime_ms != 0)
        print_for(p, rule->lifetime_ms);
}

/* --- The rule ------------------------------------------------------------------------------- */

static const char *action_word(uint8_t action)
{
    return action == GATEHOUSE_RULE_PERMIT ? "permit" : action == GATEHOUSE_RULE_BLOCK ? "block" : "ask";
}

static bool matches_all(const struct gatehouse_rule *rule)
{
    if (rule->direction != (GATEHOUSE_RULE_OUT | GATEHOUSE_RULE_IN) || rule->family != 0 ||
        (rule->flags & GATEHOUSE_RULE_RAW) != 0)
        return false;
    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        if (part->type != GATEHOUSE_PART_TEXT && part->type != GATEHOUSE_PART_FILE)
            return false;
    }
    return true;
}

char *policy_print_rule(const struct policy_sets *sets, const struct gatehouse_rule *rule,
                        const struct policy_print_options *options)
{
    struct printer p = {.sets = sets, .rule = rule};

    if (options != NULL)
        p.options = *options;
    bytes_print(&p.text, "%s", action_word(rule->action));
    if (matches_all(rule))
        bytes_print(&p.text, " all");
    print_programs(&p);
    print_accounts(&p, GATEHOUSE_PART_USER, "user");
    print_accounts(&p, GATEHOUSE_PART_GROUP, "group");
    print_accounts(&p, GATEHOUSE_PART_UNIT, "unit");
    print_accounts(&p, GATEHOUSE_PART_CGROUP, "cgroup");
    if (rule->direction == GATEHOUSE_RULE_OUT)
        bytes_print(&p.text, " out");
    if (rule->direction == GATEHOUSE_RULE_IN)
        bytes_print(&p.text, " in");
    if (rule->family != 0)
        bytes_print(&p.text, rule->family == 4 ? " inet" : " inet6");
    print_numbers(&p, GATEHOUSE_PART_PROTOCOL, "proto", NAMES_PROTOCOL);
    print_icmp_types(&p);
    if ((rule->flags & GATEHOUSE_RULE_RAW) != 0)
        bytes_print(&p.text, " raw");
    print_ends(&p);
    if ((rule->flags & GATEHOUSE_RULE_LOG) != 0)
        bytes_print(&p.text, " log");
    print_lifetime(&p);
    if (is_beyond_language(&p))
        bytes_print(&p.text, " # and incoming ones with the same ends");
    else
        print_readings(&p);
    return bytes_string(&p.text);
}

static void print_set_kind(struct printer *p, uint16_t type)
{
    struct ranges ranges = {0};

    gather(p, type, &ranges);
    print_ranges(p, &ranges);
    p->text.failed = p->text.failed || ranges_failed(&ranges);
    ranges_cleanup(&ranges);
}

void print_kind(struct bytes *text, const struct policy_sets *sets, const struct gatehouse_rule *rule, uint16_t type)
{
    struct printer p = {.text = *text, .sets = sets, .rule = rule, .options = {.ranges_max = KIND_RANGES_MAX}};

    switch (type) {
    case GATEHOUSE_PART_PROGRAM:
        print_programs(&p);
        break;
    case GATEHOUSE_PART_USER:
        print_accounts(&p, type, "user");
        break;
    case GATEHOUSE_PART_GROUP:
        print_accounts(&p, type, "group");
        break;
    case GATEHOUSE_PART_UNIT:
        print_accounts(&p, type, "unit");
        break;
    case GATEHOUSE_PART_CGROUP:
        print_accounts(&p, type, "cgroup");
        break;
    case GATEHOUSE_PART_PROTOCOL:
        print_numbers(&p, type, "proto", NAMES_PROTOCOL);
        break;
    case GATEHOUSE_PART_ICMP_TYPE:
        print_icmp_types(&p);
        break;
    case GATEHOUSE_PART_NAME:
        print_names(&p);
        break;
    default:
        print_set_kind(&p, type);
        break;
    }
    *text = p.text;
}

static const char *text_of(const struct gatehouse_rule *rule, uint16_t type, size_t *size)
{
    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        if (part->type == type) {
            *size = part->data_size;
            return rule_part_data(part);
        }
    }
    return NULL;
}

char *policy_rule_text(const struct policy_sets *sets, const struct gatehouse_rule *rule,
                       const struct policy_print_options *options)
{
    struct bytes text = {0};
    size_t size;
    const char *written = text_of(rule, GATEHOUSE_PART_TEXT, &size);

    if (written == NULL)
        return policy_print_rule(sets, rule, options);
    bytes_add(&text, written, size);
    return bytes_string(&text);
}

const char *policy_rule_file(const struct gatehouse_rule *rule, size_t *size)
{
    return text_of(rule, GATEHOUSE_PART_FILE, size);
}
