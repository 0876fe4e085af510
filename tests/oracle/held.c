/* SPDX-License-Identifier: MIT */
/*
 * held.c - see held.h.
 */
#include "tests/oracle/held.h"

#include "core/name_pattern.h"
#include "core/rule_fit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void *take(void *context, size_t size)
{
    (void)context;
    return calloc(1, size); /* the driver's pool is zeroed */
}

static void give(void *context, void *p, size_t size)
{
    (void)context, (void)size;
    free(p);
}

static const struct core_memory memory = {take, give, NULL};

void held_list(const void *image, size_t size, struct rule_list *list)
{
    void *copy = malloc(size);

    assert_non_null(copy);
    memcpy(copy, image, size);
    assert_true(rule_list_init(list, &memory, copy));
}

void held_cleanup(struct rule_list *list)
{
    rule_list_cleanup(list);
}

static bool is_known_as(void *context, const struct gatehouse_rule *rule, const void *pattern, size_t size)
{
    const struct reference_connection *from = context;

    (void)rule;
    for (int i = 0; i < from->name_count; i++)
        if (name_pattern_matches(pattern, size, from->names[i], strlen(from->names[i])))
            return true;
    return false;
}

int held_ask(const struct rule_list *list, const struct reference_connection *from, const void *path, size_t path_size,
             uint64_t *id)
{
    struct connection connection = {
        .local_port = from->local_port,
        .remote_port = from->remote_port,
        .ip_version = (uint8_t)from->family,
        .protocol = (uint8_t)from->protocol,
        .user_sid_size = 16,
        .user_sid = {1, 2, 0, 0, 0, 0, 0, 22, 1},
    };
    struct rule_subject subject = {&connection, path, path_size, from->inbound, is_known_as, (void *)(uintptr_t)from};
    struct rule_reading reading;
    int action;

    memcpy(connection.local_address, from->local, 16);
    memcpy(connection.remote_address, from->remote, 16);
    memcpy(connection.user_sid + 12, &from->uid, 4);
    rule_reading_begin(&reading);
    /* As the driver does, in parts. */
    rule_reading_go_on(&reading, list, 0, list->tail, &subject);
    rule_reading_go_on(&reading, list, list->tail, list->count, &subject);
    action = (int)rule_reading_end(&reading, &subject);
    *id = reading.rule == NULL ? 0 : reading.rule->id;
    return action;
}

bool held_is_unknown(const struct reference_policy *policy)
{
    for (int i = 0; i < policy->count; i++) {
        const struct reference_rule *rule = &policy->rules[i];

        if (rule->raw || rule->group_count != 0 || rule->unit_count != 0 || rule->cgroup_count != 0)
            return true;
    }
    return false;
}
