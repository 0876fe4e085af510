/* SPDX-License-Identifier: MIT */
/*
 * record.c - the draft of a rule becomes a record (gatehouse/rules.h): direction, sets, parts in the order of their
 * types, so that the same meaning is the same record however it was written.
 */
#include <string.h>

#include "grammar.h"
#include "policy/parser.h"
#include "policy/names.h"

static bool given(const struct parser *parser, enum matcher matcher)
{
    return parser->draft.given[matcher].at != NULL;
}

static bool any_given(const struct parser *parser, enum matcher first, enum matcher last)
{
    for (int i = first; i <= (int)last; i++) {
        if (given(parser, (enum matcher)i))
            return true;
    }
    return false;
}

/* all, and nothing that says less. */
static bool check_all(struct parser *parser)
{
    const struct draft *draft = &parser->draft;
    bool named =
        any_given(parser, MATCHER_PROGRAM, MATCHER_CGROUP) || any_given(parser, MATCHER_PROTO, MATCHER_ICMP_TYPE);

    if (given(parser, MATCHER_ALL) && named) {
        parser_fail(parser, &draft->given[MATCHER_ALL],
                    "found 'all' beside what says less than all; expected one of them; leave 'all' out");
        return false;
    }
    if (!named && !any_given(parser, MATCHER_ALL, MATCHER_DIRECTION) && !given(parser, MATCHER_RAW) &&
        !given(parser, MATCHER_FAMILY)) {
        parser_fail(
            parser, &parser->last,
            "found a rule that does not say which connections it is for; expected program, to, port ... or all; "
            "write 'all' for every connection");
        return false;
    }
    return true;
}

static bool find_direction(struct parser *parser)
{
    struct draft *draft = &parser->draft;
    bool out = given(parser, MATCHER_TO) || given(parser, MATCHER_PORT), in = given(parser, MATCHER_FROM);

    if (draft->rule.direction != 0)
        return true;
    if (out && in) {
        parser_fail(parser, &draft->given[MATCHER_FROM],
                    "found 'from' beside '%s' without a direction; expected in or out; write 'out' if this machine "
                    "connects, 'in' if others do",
                    given(parser, MATCHER_TO) ? "to" : "port");
        return false;
    }
    draft->rule.direction = out ? GATEHOUSE_RULE_OUT : in ? GATEHOUSE_RULE_IN : GATEHOUSE_RULE_OUT | GATEHOUSE_RULE_IN;
    return true;
}

/* --- Sets ----------------------------------------------------------------------------------- */

static const struct bytes *list_of(const struct ranges *ranges, uint16_t kind)
{
    if (kind == GATEHOUSE_SET_V4)
        return &ranges->v4;
    return kind == GATEHOUSE_SET_V6 ? &ranges->v6 : &ranges->ports;
}

static void put_set(struct parser *parser, const struct operand *operand, uint16_t kind, uint16_t type)
{
    struct set_store *store = &parser->policy->sets;
    uint32_t *known = operand->named != NULL ? &operand->named->numbers[kind] : NULL;
    const struct bytes *list = list_of(operand->named != NULL ? &operand->named->ranges : &operand->ranges, kind);
    uint32_t number = known != NULL ? *known : SET_STORE_NONE, part[2] = {0, 0};
    size_t count = list->size / set_range_size(kind);

    if (count > GATEHOUSE_SET_RANGES_MAX) {
        parser_fail(parser, &parser->first, "found %u ranges in one set; expected at most %u", (unsigned)count,
                    GATEHOUSE_SET_RANGES_MAX);
        return;
    }
    if (number == SET_STORE_NONE)
        number = set_store_put(store, kind, list->at, (uint32_t)count);
    if (number == SET_STORE_NONE) {
        if (store->sets.failed || store->offsets.failed)
            parser_no_memory(parser);
        else
            parser_fail(parser, &parser->first, "found more sets of addresses and ports than one policy may have");
        parser->ended = true;
        return;
    }
    if (known != NULL)
        *known = number;
    part[0] = number;
    rule_part(parser, type, part, sizeof(part));
}

static void put_addresses(struct parser *parser, enum matcher matcher, struct operand *operand, uint16_t type)
{
    const struct ranges *ranges = operand->named != NULL ? &operand->named->ranges : &operand->ranges;
    uint8_t family = parser->draft.rule.family;
    bool v4, v6;

    if (!given(parser, matcher) || operand->any)
        return;
    if (operand->negated)
        ranges_complement(&operand->ranges);
    else if (operand->named == NULL)
        ranges_join(&operand->ranges);
    if (ranges_failed(&operand->ranges)) {
        parser_no_memory(parser);
        return;
    }
    v4 = ranges_count_v4(ranges) != 0 && family != 6;
    v6 = ranges_count_v6(ranges) != 0 && family != 4;
    if (!v4 && !v6 && !operand->negated && ranges_count_v4(ranges) + ranges_count_v6(ranges) != 0) {
        parser_fail(parser, &parser->draft.given[matcher],
                    "found no IPv%u address behind '%.*s'; expected one, because the rule says inet%s", family,
                    (int)parser->draft.given[matcher].length, parser->draft.given[matcher].at, family == 6 ? "6" : "");
        return;
    }
    /* An empty set matches nothing: a list of bad addresses that is empty today. */
    if (v4 || (!v6 && family != 6))
        put_set(parser, operand, GATEHOUSE_SET_V4, type);
    if (v6 || (!v4 && family == 6))
        put_set(parser, operand, GATEHOUSE_SET_V6, type);
}

static void put_ports(struct parser *parser, const struct operand *operand, uint16_t type)
{
    struct ranges *ranges = (struct ranges *)&operand->ranges;

    if (operand->any)
        return;
    if (operand->named == NULL)
        ranges_join(ranges);
    put_set(parser, operand, GATEHOUSE_SET_PORT, type);
}

static bool port_twice(struct parser *parser, enum matcher other)
{
    if (!given(parser, MATCHER_PORT) || !given(parser, other))
        return false;
    parser_fail(parser, &parser->draft.given[MATCHER_PORT],
                "found 'port' twice for the same end; expected it once; write all ports as one list in { }");
    return true;
}

static void put_ends(struct parser *parser)
{
    struct draft *draft = &parser->draft;
    bool in = draft->rule.direction == GATEHOUSE_RULE_IN;
    uint16_t to = in ? GATEHOUSE_PART_LOCAL : GATEHOUSE_PART_REMOTE;
    uint16_t from = in ? GATEHOUSE_PART_REMOTE : GATEHOUSE_PART_LOCAL;
    uint16_t to_port = in ? GATEHOUSE_PART_LOCAL_PORT : GATEHOUSE_PART_REMOTE_PORT;
    uint16_t from_port = in ? GATEHOUSE_PART_REMOTE_PORT : GATEHOUSE_PART_LOCAL_PORT;

    if (given(parser, MATCHER_TO) && draft->to.host_name.at != NULL)
        host_name_parts(parser, &draft->to);
    else
        put_addresses(parser, MATCHER_TO, &draft->to, to);
    put_addresses(parser, MATCHER_FROM, &draft->from, from);
    if (port_twice(parser, MATCHER_TO_PORT))
        return;
    if (given(parser, MATCHER_TO_PORT))
        put_ports(parser, &draft->to_port, to_port);
    if (given(parser, MATCHER_PORT))
        put_ports(parser, &draft->port, to_port);
    if (given(parser, MATCHER_FROM_PORT))
        put_ports(parser, &draft->from_port, from_port);
}

/* --- Protocols and ICMP types ------------------------------------------------------------------ */

static bool has_protocol(const struct draft *draft, unsigned number)
{
    return (draft->protocols[number / 8] >> number % 8 & 1) != 0;
}

static void put_protocols(struct parser *parser)
{
    struct draft *draft = &parser->draft;
    bool ports = false;

    for (unsigned i = 0; i < draft->part_count; i++)
        ports = ports || draft->parts[i].type == GATEHOUSE_PART_REMOTE_PORT ||
                draft->parts[i].type == GATEHOUSE_PART_LOCAL_PORT;
    if (ports && !given(parser, MATCHER_PROTO)) {
        draft->protocols[6 / 8] |= 1u << 6 % 8;
        draft->protocols[17 / 8] |= 1u << 17 % 8;
    }
    for (unsigned number = 0; number < 256; number++) {
        uint8_t byte = (uint8_t)number;

        if (!has_protocol(draft, number))
            continue;
        if (ports && number != 6 && number != 17) {
            const char *name = names_of(NAMES_PROTOCOL, (uint16_t)number);

            parser_fail(parser, &draft->given[MATCHER_PROTO],
                        "found a port beside protocol %u%s%s, which has none; expected tcp or udp", number,
                        name == NULL ? "" : " ", name == NULL ? "" : name);
            return;
        }
        rule_part(parser, GATEHOUSE_PART_PROTOCOL, &byte, 1);
    }
}

static void put_icmp_type(struct parser *parser, const struct item *item, enum names_table table)
{
    const struct token *token = &item->first;
    struct quote quote;
    uint16_t named;
    uint64_t number;
    uint8_t byte;
    const char *near;

    if (item->last.at == NULL && !item->sha256 && value_number(token, 255, &number)) {
        byte = (uint8_t)number;
        rule_part(parser, GATEHOUSE_PART_ICMP_TYPE, &byte, 1);
    } else if (item->last.at == NULL && token->kind == TOKEN_WORD &&
               names_number(table, token->at, token->length, &named)) {
        byte = (uint8_t)named;
        rule_part(parser, GATEHOUSE_PART_ICMP_TYPE, &byte, 1);
    } else {
        near = token->kind == TOKEN_WORD ? names_near_in(table, token->at, token->length) : NULL;
        parser_fail(parser, token, "found %s; expected an ICMP type from 0 to 255 or its name; write '%s' instead",
                    quote_token(token, &quote), near == NULL ? "echo-request" : near);
    }
}

static void put_icmp_types(struct parser *parser)
{
    struct draft *draft = &parser->draft;
    unsigned count = 0;

    if (!given(parser, MATCHER_ICMP_TYPE))
        return;
    for (unsigned number = 0; number < 256; number++)
        count += has_protocol(draft, number);
    if (count != 1 || (!has_protocol(draft, 1) && !has_protocol(draft, 58))) {
        parser_fail(
            parser, &draft->given[MATCHER_ICMP_TYPE],
            "found icmp-type without its protocol; expected 'proto icmp' or 'proto icmp6', their numbers differ");
        return;
    }
    for (unsigned i = 0; i < draft->icmp_type_count && !parser->failed; i++)
        put_icmp_type(parser, &draft->icmp_types[i], has_protocol(draft, 1) ? NAMES_ICMP : NAMES_ICMP6);
}

/* --- Parts in order -------------------------------------------------------------------------- */

static int compare(const struct draft *draft, const struct draft_part *a, const struct draft_part *b)
{
    uint32_t least = a->size < b->size ? a->size : b->size;
    int order;

    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    /* Sets keep their order: V4 before V6. */
    if (a->type >= GATEHOUSE_PART_REMOTE && a->type <= GATEHOUSE_PART_LOCAL_PORT)
        return -1;
    order = memcmp(draft->data.at + a->offset, draft->data.at + b->offset, least);
    return order != 0 ? order : a->size < b->size ? -1 : a->size > b->size;
}

/* And each once. */
static void sort_parts(struct draft *draft)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < draft->part_count; i++) {
        struct draft_part part = draft->parts[i];
        unsigned place = kept;
        int order = 1;

        while (place > 0 && (order = compare(draft, &draft->parts[place - 1], &part)) > 0)
            place--;
        if (place > 0 && order == 0)
            continue;
        memmove(&draft->parts[place + 1], &draft->parts[place], (kept - place) * sizeof(part));
        draft->parts[place] = part;
        kept++;
    }
    draft->part_count = kept;
}

/* --- As written ------------------------------------------------------------------------------ */

/* In one line, without comments. */
static void add_text(struct parser *parser)
{
    const char *first = parser->first.at, *end = parser->last.at + parser->last.length, *at = parser->at;
    struct bytes *text = &parser->plain;
    struct token token;
    bool gap = false;

    if (memchr(first, '\n', (size_t)(end - first)) == NULL) {
        if (end - first <= UINT16_MAX)
            rule_part(parser, GATEHOUSE_PART_TEXT, first, (size_t)(end - first));
        return;
    }
    text->size = 0;
    parser->at = first;
    do {
        lexer_next(parser, &token);
        if (token.kind != TOKEN_NEWLINE && text->size <= UINT16_MAX) {
            if (gap && token.kind != TOKEN_COMMA)
                bytes_add(text, " ", 1);
            bytes_add(text, token.at, token.length);
            gap = true;
        }
    } while (parser->at < end);
    parser->at = at;
    if (text->failed)
        parser_no_memory(parser);
    else if (text->size <= UINT16_MAX)
        rule_part(parser, GATEHOUSE_PART_TEXT, text->at, text->size);
}

/* --- The record ------------------------------------------------------------------------------ */

static void write_record(struct parser *parser)
{
    struct policy *policy = parser->policy;
    struct draft *draft = &parser->draft;
    struct gatehouse_rule rule = draft->rule;
    uint64_t size = sizeof(rule);

    for (unsigned i = 0; i < draft->part_count; i++)
        size += (sizeof(struct gatehouse_rule_part) + draft->parts[i].size + 7u) & ~7u;
    if (size > GATEHOUSE_RULE_MAX_SIZE) {
        parser_fail(parser, &parser->first, "found a rule that needs %u bytes; expected at most %u; write two rules",
                    (unsigned)size, GATEHOUSE_RULE_MAX_SIZE);
        return;
    }
    if (policy->rule_count == GATEHOUSE_RULES_MAX || policy->records.size + size > GATEHOUSE_IMAGE_MAX_SIZE) {
        parser_fail(parser, &parser->first, "found more rules than one policy may have, which is %u rules or %u MiB",
                    GATEHOUSE_RULES_MAX, GATEHOUSE_IMAGE_MAX_SIZE >> 20);
        parser->ended = true;
        return;
    }
    rule.size = (uint32_t)size;
    rule.part_count = (uint16_t)draft->part_count;
    bytes_add(&policy->records, &rule, sizeof(rule));
    for (unsigned i = 0; i < draft->part_count; i++) {
        const struct draft_part *from = &draft->parts[i];
        struct gatehouse_rule_part part = {(uint32_t)((sizeof(part) + from->size + 7u) & ~7u), from->type,
                                           (uint16_t)from->size};

        bytes_add(&policy->records, &part, sizeof(part));
        bytes_add(&policy->records, draft->data.at + from->offset, from->size);
        bytes_pad(&policy->records);
    }
    if (policy->records.failed)
        parser_no_memory(parser);
    else
        policy->rule_count++;
}

void record_finish(struct parser *parser)
{
    struct draft *draft = &parser->draft;
    size_t name = strlen(parser->source->name);

    if (parser->failed || !check_all(parser) || !find_direction(parser))
        return;
    put_ends(parser);
    put_protocols(parser);
    put_icmp_types(parser);
    if (parser->failed)
        return;
    draft->rule.line = parser_line(parser, &parser->first);
    add_text(parser);
    if (name <= UINT16_MAX)
        rule_part(parser, GATEHOUSE_PART_FILE, parser->source->name, name);
    sort_parts(draft);
    if (!parser->failed)
        write_record(parser);
}
