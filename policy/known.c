/* SPDX-License-Identifier: MIT */
/*
 * known.c - what the system answered before: where programs are, and whose SIDs.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/parser.h"

/* Where the answer for a name is, or belongs; *fresh: it is not there yet. NULL: out of memory, ask each time. */
static struct known *find(struct parser *parser, char kind, const char *name, bool *fresh)
{
    uint32_t hash = 2166136261u ^ (uint8_t)kind;
    size_t length = strlen(name);
    struct known *known;
    char *asked;

    if (parser->known == NULL)
        parser->known = calloc(KNOWN_MAX, sizeof(*parser->known));
    if (parser->known == NULL)
        return NULL;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    known = &parser->known[(hash ^ hash >> 16) % KNOWN_MAX];
    *fresh = known->asked == NULL || known->asked[0] != kind || strcmp(known->asked + 1, name) != 0;
    if (!*fresh)
        return known;
    asked = arena_take(&parser->policy->arena, length + 2);
    if (asked == NULL)
        return NULL;
    asked[0] = kind;
    memcpy(asked + 1, name, length + 1);
    *known = (struct known){.asked = asked};
    return known;
}

bool known_program(struct parser *parser, const char *path, char *real)
{
    const struct policy_system *system = &parser->policy->system;
    struct known *known;
    bool fresh;

    if (system->find_program == NULL)
        return false;
    known = find(parser, 'p', path, &fresh);
    if (known == NULL)
        return system->find_program(system->context, path, real);
    if (fresh && system->find_program(system->context, path, real))
        known->real =
            strcmp(real, path) == 0 ? known->asked + 1 : arena_copy(&parser->policy->arena, real, strlen(real));
    if (known->real != NULL)
        memcpy(real, known->real, strlen(known->real) + 1);
    return known->real != NULL;
}

bool known_sid(struct parser *parser, enum policy_who who, const char *name, uint8_t *sid, size_t *size)
{
    const struct policy_system *system = &parser->policy->system;
    struct known *known;
    bool fresh;

    if (system->find_sid == NULL)
        return false;
    known = find(parser, who == POLICY_USER ? 'u' : 'g', name, &fresh);
    if (known == NULL)
        return system->find_sid(system->context, who, name, sid, size);
    if (fresh && !system->find_sid(system->context, who, name, known->sid, &known->sid_size))
        known->sid_size = 0;
    memcpy(sid, known->sid, known->sid_size);
    *size = known->sid_size;
    return known->sid_size != 0;
}
