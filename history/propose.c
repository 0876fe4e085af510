/* SPDX-License-Identifier: MIT */
/*
 * propose.c - see propose.h. What was seen is collected into one array, sorted, and written program by program.
 */
#include "history/propose.h"

#include <stdlib.h>
#include <string.h>

#include "agent/rule_show.h"
#include "agent/show.h"

/* One place that a program went to. */
struct seen {
    char *program, *place; /* owned; place: a name, or an address */
    uint16_t port;
    uint8_t protocol;
    bool inbound;
    uint64_t count;
};

struct seen_list {
    struct seen *list;
    size_t count, capacity;
    uint64_t connections;
    bool failed, full;
};

static int compare(const void *a, const void *b)
{
    const struct seen *one = a, *other = b;
    int order = strcmp(one->program, other->program);

    if (order == 0)
        order = (int)one->inbound - (int)other->inbound;
    if (order == 0)
        order = (int)one->protocol - (int)other->protocol;
    if (order == 0)
        order = (int)one->port - (int)other->port;
    return order != 0 ? order : strcmp(one->place, other->place);
}

static char *place_of(const struct history_record *record)
{
    struct text place = {0};
    char *copy;

    if (record->name != NULL && record->name[0] != '\0')
        text_add(&place, record->name);
    else
        show_address(&place, record->ip_version, record->remote_address, 0);
    copy = place.failed ? NULL : strdup(text_string(&place));
    text_free(&place);
    return copy;
}

/* A rule of the file decides such a connection already; what an answer or nobody decided is what to learn from. */
static bool teaches(const struct history_record *record)
{
    return record->verdict == GATEHOUSE_VERDICT_PERMIT && record->program != NULL && record->program[0] == '/' &&
           record->by != GATEHOUSE_BY_RULE;
}

static bool take_row(void *context, const struct history_row *row)
{
    struct seen_list *seen = context;
    const struct history_record *record = &row->record;
    struct seen *one;

    if (!teaches(record))
        return true;
    seen->connections += record->count == 0 ? 1 : record->count;
    if (seen->count == PROPOSE_SEEN_MAX) {
        seen->full = true;
        return false;
    }
    if (seen->count == seen->capacity) {
        size_t capacity = seen->capacity == 0 ? 256 : 2 * seen->capacity;
        struct seen *more = realloc(seen->list, capacity * sizeof(*more));

        if (more == NULL) {
            seen->failed = true;
            return false;
        }
        seen->list = more;
        seen->capacity = capacity;
    }
    one = &seen->list[seen->count++];
    *one = (struct seen){.program = strdup(record->program),
                         .place = place_of(record),
                         .port = record->inbound ? record->local_port : record->remote_port,
                         .protocol = record->protocol,
                         .inbound = record->inbound,
                         .count = record->count == 0 ? 1 : record->count};
    seen->failed = one->program == NULL || one->place == NULL;
    return !seen->failed;
}

/* Sorts, and adds up what is the same. */
static void merge(struct seen_list *seen)
{
    size_t kept = 0;

    if (seen->count == 0)
        return;
    qsort(seen->list, seen->count, sizeof(seen->list[0]), compare);
    for (size_t i = 1; i < seen->count; i++) {
        if (compare(&seen->list[kept], &seen->list[i]) == 0) {
            seen->list[kept].count += seen->list[i].count;
            free(seen->list[i].program);
            free(seen->list[i].place);
        } else {
            seen->list[++kept] = seen->list[i];
        }
    }
    seen->count = kept + 1;
}

/* Characters that a string between quotes cannot have, or that would be a pattern. */
static bool is_plain(const char *path)
{
    for (; *path != '\0'; path++)
        if ((unsigned char)*path < 0x20 || *path == '*' || *path == '?' || *path == 0x7f)
            return false;
    return true;
}

static bool has_ports(uint8_t protocol)
{
    return protocol == 6 || protocol == 17;
}

static void begin_rule(struct text *rules, const struct seen *one)
{
    text_add(rules, "permit program ");
    rule_show_string(rules, one->program);
    text_add_format(rules, " %s proto ", one->inbound ? "in" : "out");
    if (one->protocol == 6 || one->protocol == 17)
        text_add(rules, one->protocol == 6 ? "tcp" : "udp");
    else
        text_add_format(rules, "%u", one->protocol);
}

/* One rule a place; who comes in may come from anywhere. */
static void write_place(struct proposed *proposed, const struct seen *one)
{
    struct text *rules = &proposed->rules;

    begin_rule(rules, one);
    if (!one->inbound)
        text_add_format(rules, " to %s", one->place);
    if (has_ports(one->protocol))
        text_add_format(rules, " port %u", one->port);
    text_add_format(rules, "    # %llu times\n", (unsigned long long)one->count);
    proposed->rule_count++;
}

/* All of one direction and protocol: its ports, wherever they are. Many ports are any. */
static void write_ports(struct proposed *proposed, const struct seen *list, size_t count)
{
    struct text *rules = &proposed->rules;
    unsigned ports = 0;
    uint64_t times = list[0].count;

    for (size_t i = 1; i < count; i++) {
        ports += list[i].port != list[i - 1].port;
        times += list[i].count;
    }
    begin_rule(rules, &list[0]);
    if (has_ports(list[0].protocol) && ports < 2 * PROPOSE_PLACES_MAX) {
        text_add(rules, list[0].inbound ? " port {" : " to any port {");
        for (size_t i = 0; i < count; i++)
            if (i == 0 || list[i].port != list[i - 1].port)
                text_add_format(rules, "%s %u", i == 0 ? "" : ",", list[i].port);
        text_add(rules, " }");
    }
    text_add_format(rules, "    # %llu times, %zu places\n", (unsigned long long)times, count);
    proposed->rule_count++;
}

/* Those of one program, in the order of compare. */
static void write_program(struct proposed *proposed, const struct seen *list, size_t count)
{
    proposed->programs++;
    if (!is_plain(list[0].program)) {
        text_add(&proposed->rules, "# ");
        show_written_path(&proposed->rules, list[0].program);
        text_add(&proposed->rules, ": this path cannot be written as one program; a pattern or sha256 can name it.\n");
        return;
    }
    if (count <= PROPOSE_PLACES_MAX) {
        for (size_t i = 0; i < count; i++)
            if (!list[i].inbound || i == 0 || !list[i - 1].inbound || list[i].port != list[i - 1].port ||
                list[i].protocol != list[i - 1].protocol)
                write_place(proposed, &list[i]);
        return;
    }
    for (size_t i = 0, first = 0; i < count; i++) {
        bool last = i + 1 == count || list[i + 1].protocol != list[first].protocol ||
                    list[i + 1].inbound != list[first].inbound;

        if (last) {
            write_ports(proposed, &list[first], i + 1 - first);
            first = i + 1;
        }
    }
}

enum agent_result history_propose(struct history *history, const struct history_filter *filter,
                                  struct proposed *proposed, struct problem *problem)
{
    struct seen_list seen = {0};
    enum agent_result result = history_query(history, filter, take_row, &seen, NULL, problem);

    *proposed = (struct proposed){0};
    merge(&seen);
    for (size_t i = 0, first = 0; i < seen.count && result == AGENT_OK; i++) {
        if (i + 1 < seen.count && strcmp(seen.list[i + 1].program, seen.list[first].program) == 0)
            continue;
        write_program(proposed, &seen.list[first], i + 1 - first);
        first = i + 1;
    }
    proposed->connections = seen.connections;
    if (seen.full)
        text_add(&proposed->rules, "# There is more than was looked at: ask again with --since.\n");
    for (size_t i = 0; i < seen.count; i++) {
        free(seen.list[i].program);
        free(seen.list[i].place);
    }
    free(seen.list);
    if (result == AGENT_OK && (seen.failed || proposed->rules.failed))
        result = problem_set(problem, AGENT_FAILED, "out of memory.");
    return result;
}

void proposed_free(struct proposed *proposed)
{
    text_free(&proposed->rules);
}
