/* SPDX-License-Identifier: MIT */
/*
 * collect.c - see collect.h.
 */
#include "history/collect.h"

#include <stdlib.h>
#include <string.h>

#include <gatehouse/rules.h>

#include "agent/clock.h"
#include "agent/rule_index.h"
#include "agent/show.h"
#include "core/path_text.h"
#include "core/rule_image.h"
#include "policy/print.h"

#define EPOCH_1970   INT64_C(11644473600000000) /* microseconds since 1601 */
#define BLOCKED_FLOW 0xb10cu

struct known_rule {
    uint64_t id;
    const struct gatehouse_rule *rule;
};

struct history_collect {
    uint64_t salt;
    struct rule_policy policy;
    struct policy_sets sets;
    struct known_rule *rules; /* sorted by id */
    size_t rule_count;
    bool wants_rules;
    uint64_t got_rules; /* boot time */
    char *program;      /* of the record */
    size_t program_room;
    char name[GATEHOUSE_NAME_MAX + 1];
    char *rule;
    struct text place;
};

int64_t history_time(uint64_t wall)
{
    return (int64_t)(wall / 10) - EPOCH_1970;
}

int64_t history_time_of_boot(uint64_t boot)
{
    uint64_t now = clock_boot();

    return history_time(clock_wall() - (now > boot ? now - boot : 0));
}

struct history_collect *history_collect_new(uint64_t loaded_at)
{
    struct history_collect *collect = calloc(1, sizeof(*collect));

    if (!collect)
        return NULL;
    collect->salt = loaded_at;
    collect->wants_rules = true;
    return collect;
}

/* --- Rules --------------------------------------------------------------------------------------------------- */

static void drop_rules(struct history_collect *collect)
{
    policy_sets_cleanup(&collect->sets);
    rule_policy_free(&collect->policy);
    free(collect->rules);
    collect->sets = (struct policy_sets){0};
    collect->policy = (struct rule_policy){0};
    collect->rules = NULL;
    collect->rule_count = 0;
}

void history_collect_free(struct history_collect *collect)
{
    if (!collect)
        return;
    drop_rules(collect);
    free(collect->program);
    free(collect->rule);
    text_free(&collect->place);
    free(collect);
}

static int compare(const void *one, const void *other)
{
    const struct known_rule *a = one, *b = other;

    return (a->id > b->id) - (a->id < b->id);
}

void history_collect_rules(struct history_collect *collect, struct rule_policy *policy)
{
    const struct gatehouse_rules_image *image = policy->image;

    drop_rules(collect);
    collect->policy = *policy;
    *policy = (struct rule_policy){0};
    collect->wants_rules = false;
    collect->got_rules = clock_boot();
    collect->rules = image ? calloc((size_t)image->rule_count + 1, sizeof(*collect->rules)) : NULL;
    if (!collect->rules || !policy_sets_init(&collect->sets, image)) {
        drop_rules(collect);
        return;
    }
    for (const struct gatehouse_rule *rule = rule_image_first_rule(image);
         rule && collect->rule_count < image->rule_count; rule = rule_image_next_rule(image, rule))
        collect->rules[collect->rule_count++] = (struct known_rule){rule->id, rule};
    qsort(collect->rules, collect->rule_count, sizeof(*collect->rules), compare);
}

bool history_collect_wants_rules(struct history_collect *collect)
{
    uint64_t now = clock_boot();

    if (!collect->wants_rules ||
        (collect->got_rules && now - collect->got_rules < HISTORY_RULES_MS * CLOCK_MILLISECOND))
        return false;
    collect->got_rules = now; /* should it fail, not at once again */
    return true;
}

static const struct gatehouse_rule *find_rule(struct history_collect *collect, uint64_t id)
{
    struct known_rule wanted = {.id = id};
    const struct known_rule *found =
        collect->rule_count ? bsearch(&wanted, collect->rules, collect->rule_count, sizeof(*collect->rules), compare)
                            : NULL;

    if (!found)
        collect->wants_rules = true;
    return found ? found->rule : NULL;
}

static void fill_rule(struct history_collect *collect, uint64_t id, struct history_record *record)
{
    const struct gatehouse_rule *rule = id ? find_rule(collect, id) : NULL;

    record->rule_id = id;
    if (!rule)
        return;
    free(collect->rule);
    collect->rule = policy_rule_text(&collect->sets, rule, NULL);
    record->rule = collect->rule;
    text_clear(&collect->place);
    rule_show_place(&collect->place, rule);
    record->place = text_string(&collect->place);
}

/* --- What both have ------------------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 32;
}

static uint64_t mix_bytes(uint64_t hash, const uint8_t bytes[16])
{
    uint64_t words[2];

    memcpy(words, bytes, sizeof(words));
    return mix(mix(hash, words[0]), words[1]);
}

/* Never 0, and no negative number to people who look at the file with other tools. */
static uint64_t make_endpoint(const struct history_collect *collect, const struct history_record *record,
                              uint64_t process_start)
{
    uint64_t hash = mix(collect->salt, process_start);

    hash = mix_bytes(mix_bytes(hash, record->local_address), record->remote_address);
    hash = mix(hash, (uint64_t)record->local_port << 32 | (uint64_t)record->remote_port << 16 |
                         (uint64_t)record->protocol << 8 | record->ip_version << 1 | record->inbound);
    return (mix(hash, record->pid) >> 1) | 1;
}

/* Bytes as the system has them, cut at a NUL, which none has. */
static void fill_program(struct history_collect *collect, const uint8_t *path, size_t size,
                         struct history_record *record)
{
    size_t room = PATH_TEXT_BYTES_SIZE(size) + 1, count = 0;

    if (!size)
        return;
    if (room > collect->program_room) {
        char *grown = realloc(collect->program, room);

        if (!grown)
            return;
        collect->program = grown;
        collect->program_room = room;
    }
    if (!path_text_to_bytes(path, size, (uint8_t *)collect->program, room - 1, &count))
        return;
    collect->program[count] = '\0';
    record->program = collect->program;
}

static void fill_name(struct history_collect *collect, const uint8_t *name, size_t size, struct history_record *record)
{
    if (!size || size > GATEHOUSE_NAME_MAX)
        return;
    memcpy(collect->name, name, size);
    collect->name[size] = '\0';
    record->name = collect->name;
}

/* --- Events -------------------------------------------------------------------------------------------------- */

static void fill_from_request(struct history_collect *collect, const struct request *request,
                              struct history_record *record)
{
    const struct gatehouse_request *fixed = &request->fixed;

    record->pid = fixed->flags & GATEHOUSE_REQUEST_NO_PROCESS ? 0 : fixed->process_id;
    memcpy(record->local_address, fixed->local_address, sizeof(record->local_address));
    memcpy(record->remote_address, fixed->remote_address, sizeof(record->remote_address));
    record->local_port = fixed->local_port;
    record->remote_port = fixed->remote_port;
    record->ip_version = fixed->ip_version;
    record->protocol = fixed->protocol;
    record->inbound = show_is_inbound(fixed);
    if (!show_sid_unix_user(fixed->user_sid, fixed->user_sid_size, &record->user))
        record->user = UINT32_MAX;
    fill_program(collect, request->path, fixed->path_size, record);
    fill_name(collect, request->path + fixed->path_size, fixed->name_size, record);
    record->endpoint = make_endpoint(collect, record, record->pid ? fixed->process_start : 0);
}

bool history_from_event(struct history_collect *collect, const struct event *event, const char *who,
                        struct history_record *record)
{
    const struct gatehouse_event *fixed = &event->fixed;
    int64_t when;

    if (fixed->type != GATEHOUSE_EVENT_DECIDED || fixed->by == GATEHOUSE_BY_UNLOAD)
        return false;
    when = history_time_of_boot(fixed->time);
    *record = (struct history_record){.began = when, .who = who, .verdict = fixed->verdict, .by = fixed->by};
    if (event->request.fixed.held_at) {
        record->began = history_time_of_boot(event->request.fixed.held_at);
        record->decided = when;
    }
    fill_from_request(collect, &event->request, record);
    if (fixed->by == GATEHOUSE_BY_RULE)
        fill_rule(collect, fixed->count, record);
    if (record->verdict != GATEHOUSE_VERDICT_PERMIT)
        record->ended = when;
    return true;
}

/* --- Flows --------------------------------------------------------------------------------------------------- */

/* It is told of by events, one for each. */
static bool is_logged(struct history_collect *collect, uint64_t id)
{
    const struct gatehouse_rule *rule = id ? find_rule(collect, id) : NULL;

    return rule && rule->flags & GATEHOUSE_RULE_LOG;
}

static void fill_from_flow(struct history_collect *collect, const struct flow *flow, struct history_record *record)
{
    const struct gatehouse_flow_entry *fixed = &flow->fixed;

    record->pid = fixed->process_id;
    memcpy(record->local_address, fixed->local_address, sizeof(record->local_address));
    memcpy(record->remote_address, fixed->remote_address, sizeof(record->remote_address));
    record->local_port = fixed->local_port;
    record->remote_port = fixed->remote_port;
    record->ip_version = fixed->ip_version;
    record->protocol = fixed->protocol;
    record->inbound = fixed->flags & GATEHOUSE_FLOW_INBOUND;
    record->user = fixed->user;
    record->counted = fixed->flags & GATEHOUSE_FLOW_COUNTED;
    record->bytes_out = fixed->bytes_out;
    record->bytes_in = fixed->bytes_in;
    fill_program(collect, flow->path, fixed->path_size, record);
    fill_name(collect, flow->name, fixed->name_size, record);
}

bool history_from_flow(struct history_collect *collect, const struct flow *flow, struct history_record *record)
{
    const struct gatehouse_flow_entry *fixed = &flow->fixed;
    bool blocked = fixed->flags & GATEHOUSE_FLOW_BLOCKED;
    uint64_t id = rule_id_of_key(fixed->filter_key);

    if (blocked && is_logged(collect, id))
        return false;
    *record = (struct history_record){.began = history_time(fixed->began),
                                      .ended = fixed->ended ? history_time(fixed->ended) : 0,
                                      .verdict = blocked ? GATEHOUSE_VERDICT_BLOCK : GATEHOUSE_VERDICT_PERMIT,
                                      .by = id ? GATEHOUSE_BY_RULE : GATEHOUSE_BY_NONE,
                                      .count = blocked ? fixed->count : 1};
    fill_from_flow(collect, flow, record);
    fill_rule(collect, id, record);
    /* A blocked one stands for many of other ends: its number tells it from the next. */
    record->endpoint = blocked ? (mix(mix(collect->salt, BLOCKED_FLOW), fixed->number) >> 1) | 1
                               : make_endpoint(collect, record, fixed->process_start);
    return true;
}
