/* SPDX-License-Identifier: MIT */
/*
 * rule_callout.c - see rule_callout.h.
 */
#include "driver/rule_callout.h"

#include "core/path_pattern.h"
#include "driver/accept.h"
#include "driver/callout.h"
#include "driver/classify.h"
#include "driver/events.h"
#include "driver/names.h"

_Use_decl_annotations_
uint64_t rule_callout_add(const struct gatehouse_rule *rule)
{
    uint64_t number;
    KIRQL irql;

    KeAcquireSpinLock(&driver_rule_lock, &irql);
    number = rule_table_add(driver_rule_table(), rule);
    KeReleaseSpinLock(&driver_rule_lock, irql);
    return number;
}

_Use_decl_annotations_
void rule_callout_retire(uint64_t number)
{
    KIRQL irql;

    KeAcquireSpinLock(&driver_rule_lock, &irql);
    rule_table_retire(driver_rule_table(), number);
    KeReleaseSpinLock(&driver_rule_lock, irql);
}

_Use_decl_annotations_
void rule_callout_sweep(void)
{
    KIRQL irql;

    KeAcquireSpinLock(&driver_rule_lock, &irql);
    rule_table_sweep(driver_rule_table());
    KeReleaseSpinLock(&driver_rule_lock, irql);
}

_Use_decl_annotations_
BOOLEAN rule_callout_is_over(uint64_t number)
{
    BOOLEAN over;
    KIRQL irql;

    KeAcquireSpinLock(&driver_rule_lock, &irql);
    over = rule_table_is_over(driver_rule_table(), number);
    KeReleaseSpinLock(&driver_rule_lock, irql);
    return over;
}

_Use_decl_annotations_
BOOLEAN rule_callout_process_exited(uint64_t process_id)
{
    BOOLEAN over;
    KIRQL irql;

    KeAcquireSpinLock(&driver_rule_lock, &irql);
    over = rule_table_process_exited(driver_rule_table(), process_id);
    KeReleaseSpinLock(&driver_rule_lock, irql);
    return over;
}

static BOOLEAN program_matches(const struct gatehouse_rule *rule, const FWPS_INCOMING_VALUES0 *values)
{
    size_t path_size = 0;
    const uint8_t *path = classify_program(values, &path_size);
    BOOLEAN patterns = FALSE, found = FALSE;

    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL && !found;
         part = rule_next_part(rule, part)) {
        if (part->type == GATEHOUSE_PART_PATTERN) {
            patterns = TRUE;
            found = path != NULL && path_pattern_matches(part + 1, part->data_size, path, path_size);
        } else if (part->type == GATEHOUSE_PART_PROGRAM) {
            found = path != NULL && path_size == part->data_size && memcmp(part + 1, path, path_size) == 0;
        }
    }
    return found || !patterns;
}

static BOOLEAN token_has(const SID_AND_ATTRIBUTES_HASH *sids, const struct gatehouse_rule_part *part)
{
    for (ULONG i = 0; i < sids->SidCount; i++) {
        const SID *sid = sids->SidAttr[i].Sid;

        if (classify_sid_size(sid) == part->data_size && memcmp(sid, part + 1, part->data_size) == 0)
            return TRUE;
    }
    return FALSE;
}

/* One of each kind that the rule has. */
static BOOLEAN user_matches(const struct gatehouse_rule *rule, const FWPS_INCOMING_VALUES0 *values)
{
    const SID_AND_ATTRIBUTES_HASH *sids = classify_sids(values);
    uint32_t wanted = 0, found = 0;

    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        if (part->type < GATEHOUSE_PART_USER || part->type > GATEHOUSE_PART_CGROUP)
            continue;
        wanted |= 1u << part->type;
        if ((found & 1u << part->type) == 0 && sids != NULL && token_has(sids, part))
            found |= 1u << part->type;
    }
    return wanted == found;
}

static BOOLEAN has_names(const struct gatehouse_rule *rule)
{
    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        if (part->type == GATEHOUSE_PART_NAME)
            return TRUE;
    }
    return FALSE;
}

static BOOLEAN is_known_as(const struct gatehouse_rule *rule, const FWPS_INCOMING_VALUES0 *values,
                           const struct destination *to)
{
    size_t path_size = 0;
    const uint8_t *path = classify_program(values, &path_size);
    struct name_program program;

    if (!names_program(path, path == NULL ? 0 : path_size, &program))
        return FALSE;
    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        if (part->type == GATEHOUSE_PART_NAME && names_match(&program, to, part + 1, part->data_size))
            return TRUE;
    }
    return FALSE;
}

/* A connection that this rule matched once goes on matching: names are forgotten, and it may live for days. */
static BOOLEAN name_matches(const struct gatehouse_rule *rule, const FWPS_INCOMING_VALUES0 *values,
                            const FWPS_INCOMING_METADATA_VALUES0 *metadata)
{
    UINT64 endpoint = classify_endpoint(metadata);
    struct destination to;

    if (!has_names(rule))
        return TRUE;
    if (!classify_destination(values, values->layerId == FWPS_LAYER_ALE_AUTH_CONNECT_V6 ? 6 : 4, &to))
        return FALSE;
    if ((classify_flags(values) & FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0 && endpoint != 0 &&
        holds_noted_rule(endpoint, &to) == rule->id)
        return TRUE;
    if (!is_known_as(rule, values, &to))
        return FALSE;
    if (endpoint != 0 && rule->action != GATEHOUSE_RULE_BLOCK)
        holds_note_rule(endpoint, &to, rule->id);
    return TRUE;
}

/* The rule decides, and does not ask. */
static void note(struct live_rule *live, const FWPS_INCOMING_VALUES0 *values,
                 const FWPS_INCOMING_METADATA_VALUES0 *metadata)
{
    const struct gatehouse_rule *rule = live->rule;
    struct hold_arrival arrival;
    KIRQL irql;

    (void)classify_arrival(values, metadata, &arrival);
    if (rule->until == GATEHOUSE_UNTIL_EXIT && (arrival.connection.flags & GATEHOUSE_REQUEST_NO_PROCESS) == 0) {
        KeAcquireSpinLock(&driver_rule_lock, &irql);
        (void)rule_table_watch(driver_rule_table(), live, arrival.connection.process_id);
        KeReleaseSpinLock(&driver_rule_lock, irql);
    }
    if ((rule->flags & GATEHOUSE_RULE_LOG) != 0 && (classify_flags(values) & FWP_CONDITION_FLAG_IS_REAUTHORIZE) == 0) {
        struct wire_request request = {0, &arrival.connection, arrival.path, (uint16_t)arrival.path_size,
                                       0, arrival.name};

        names_of_arrival(&arrival);
        request.name_size = arrival.name_size;
        events_record_rule(rule->action == GATEHOUSE_RULE_PERMIT ? GATEHOUSE_VERDICT_PERMIT : GATEHOUSE_VERDICT_BLOCK,
                           rule->id, &request);
        events_deliver();
    }
}

static void decide(struct live_rule *live, const FWPS_INCOMING_VALUES0 *values,
                   const FWPS_INCOMING_METADATA_VALUES0 *metadata, void *layer_data, const FWPS_FILTER3 *filter,
                   FWPS_CLASSIFY_OUT0 *out)
{
    const struct gatehouse_rule *rule = live->rule;
    BOOLEAN by_hash = (filter->context & RULE_CONTEXT_SHA256) != 0;

    if ((!by_hash && !program_matches(rule, values)) || !user_matches(rule, values) ||
        !name_matches(rule, values, metadata)) {
        classify_answer(out, filter, ACTION_CONTINUE);
    } else if (rule->action != GATEHOUSE_RULE_ASK) {
        note(live, values, metadata);
        classify_answer(out, filter, rule->action == GATEHOUSE_RULE_PERMIT ? ACTION_PERMIT : ACTION_BLOCK);
    } else if (classify_inbound(values)) {
        classify_answer(out, filter, accept_ask(values, metadata, layer_data, out));
    } else {
        callout_ask(values, metadata, filter, out);
    }
}

_Use_decl_annotations_
void NTAPI rule_callout(const FWPS_INCOMING_VALUES0 *values, const FWPS_INCOMING_METADATA_VALUES0 *metadata,
                        void *layer_data, const void *classify_context, const FWPS_FILTER3 *filter, UINT64 flow_context,
                        FWPS_CLASSIFY_OUT0 *out)
{
    struct live_rule *live;
    KIRQL irql;

    UNREFERENCED_PARAMETER(classify_context);
    UNREFERENCED_PARAMETER(flow_context);
    DRIVER_COUNT(classified);
    KeAcquireSpinLock(&driver_rule_lock, &irql);
    live = rule_table_get(driver_rule_table(), filter->context & ~(UINT64)RULE_CONTEXT_SHA256);
    KeReleaseSpinLock(&driver_rule_lock, irql);
    if (live == NULL) {
        classify_answer(out, filter, ACTION_BLOCK);
        return;
    }
    decide(live, values, metadata, layer_data, filter, out);
    KeAcquireSpinLock(&driver_rule_lock, &irql);
    rule_table_put(driver_rule_table(), live);
    KeReleaseSpinLock(&driver_rule_lock, irql);
}
