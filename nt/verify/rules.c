/* SPDX-License-Identifier: MIT */
/*
 * rules.c - looks a rule up by its id; see rules.h.
 *
 * The table stays in the order in which people read it. A hash table of its indices, made at the first look-up, finds
 * a row without comparing it with all: reports of a long search look up the same few rules over and over.
 */
#include "nt/verify/rules.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#define ROW(id, severity, rule, page, advice) {id, NT_##severity, rule, page, advice},
static const struct nt_rule rules[] = {NT_RULES(ROW)};
#undef ROW

#define RULES (sizeof rules / sizeof rules[0])
#define SLOTS 512u
_Static_assert(RULES * 2 < SLOTS, "the hash table is at most half full, so that a look-up ends");

static uint16_t slots[SLOTS]; /* index + 1; 0: empty */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint32_t hash(const char *text)
{
    uint32_t value = 2166136261u;
    for (; *text != '\0'; text++)
        value = (value ^ (unsigned char)*text) * 16777619u;
    return value ^ (value >> 15);
}

static void fill(void)
{
    for (size_t index = 0; index < RULES; index++) {
        uint32_t slot = hash(rules[index].id) % SLOTS;
        while (slots[slot] != 0)
            slot = (slot + 1) % SLOTS;
        slots[slot] = (uint16_t)(index + 1);
    }
}

const struct nt_rule *nt_rule_find(const char *id)
{
    pthread_once(&once, fill);
    for (uint32_t slot = hash(id) % SLOTS; slots[slot] != 0; slot = (slot + 1) % SLOTS) {
        const struct nt_rule *rule = &rules[slots[slot] - 1];
        if (strcmp(rule->id, id) == 0)
            return rule;
    }
    return NULL;
}

const struct nt_rule *nt_rule_at(size_t index)
{
    return index < RULES ? &rules[index] : NULL;
}

const char *nt_severity_name(enum nt_severity severity)
{
    static const char *const names[] = {"note", "warning", "error"};
    return names[severity];
}
