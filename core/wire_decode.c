/* SPDX-License-Identifier: MIT */
/*
 * wire_decode.c - see wire_decode.h. Sizes are compared as size_t and counts bounded before they
 * are multiplied, so no sum here can wrap.
 */
#include "core/wire_decode.h"

#include "core/name_pattern.h"

static uint32_t take(const void *input, size_t size, void *to, size_t wanted)
{
    if (size < wanted)
        return GATEHOUSE_E_SHORT_INPUT;
    if (size > wanted)
        return GATEHOUSE_E_LONG_INPUT;
    memcpy(to, input, wanted);
    return 0;
}

uint32_t wire_decode_hello(const void *input, size_t size, struct gatehouse_hello *hello)
{
    struct gatehouse_hello in;
    uint32_t status = take(input, size, &in, sizeof(in));

    if (status != 0)
        return status;
    if (in.version != GATEHOUSE_PROTOCOL_VERSION)
        return GATEHOUSE_E_BAD_VERSION;
    if (in.reserved != 0)
        return GATEHOUSE_E_RESERVED;
    if (in.role != GATEHOUSE_ROLE_DECIDER && in.role != GATEHOUSE_ROLE_OBSERVER)
        return GATEHOUSE_E_BAD_ROLE;
    *hello = in;
    return 0;
}

bool wire_policy_is_valid(const struct gatehouse_policy *policy)
{
    return policy->deadline_ms >= GATEHOUSE_DEADLINE_MIN_MS && policy->deadline_ms <= GATEHOUSE_DEADLINE_MAX_MS &&
           (policy->undecided == GATEHOUSE_VERDICT_PERMIT || policy->undecided == GATEHOUSE_VERDICT_BLOCK) &&
           policy->no_decider <= GATEHOUSE_NO_DECIDER_BLOCK;
}

uint32_t wire_decode_policy(const void *input, size_t size, struct gatehouse_policy *policy)
{
    struct gatehouse_policy in;
    uint32_t status = take(input, size, &in, sizeof(in));

    if (status != 0)
        return status;
    if (in.version != GATEHOUSE_PROTOCOL_VERSION)
        return GATEHOUSE_E_BAD_VERSION;
    if (in.reserved != 0)
        return GATEHOUSE_E_RESERVED;
    if (!wire_policy_is_valid(&in))
        return GATEHOUSE_E_BAD_SETTING;
    *policy = in;
    return 0;
}

uint32_t wire_decode_decisions(const void *input, size_t size, uint32_t *count)
{
    struct gatehouse_decisions header;

    if (size < sizeof(header))
        return GATEHOUSE_E_SHORT_INPUT;
    memcpy(&header, input, sizeof(header));
    if (header.version != GATEHOUSE_PROTOCOL_VERSION)
        return GATEHOUSE_E_BAD_VERSION;
    if (header.count == 0 || header.count > GATEHOUSE_DECISIONS_MAX)
        return GATEHOUSE_E_BAD_COUNT;

    size_t wanted = sizeof(header) + header.count * sizeof(struct gatehouse_decision);
    if (size < wanted)
        return GATEHOUSE_E_SHORT_INPUT;
    if (size > wanted)
        return GATEHOUSE_E_LONG_INPUT;
    *count = header.count;
    return 0;
}

uint32_t wire_decode_decision(const void *input, uint32_t index, struct gatehouse_decision *decision)
{
    struct gatehouse_decision in;

    memcpy(&in, (const uint8_t *)input + sizeof(struct gatehouse_decisions) + index * sizeof(in), sizeof(in));
    if (in.verdict != GATEHOUSE_VERDICT_PERMIT && in.verdict != GATEHOUSE_VERDICT_BLOCK)
        return GATEHOUSE_E_BAD_VERDICT;
    if (in.scope > GATEHOUSE_SCOPE_PROGRAM_NAME)
        return GATEHOUSE_E_BAD_SCOPE;
    if (in.scope == GATEHOUSE_SCOPE_CONNECTION && (in.lifetime_ms != 0 || in.until != 0))
        return GATEHOUSE_E_BAD_LIFETIME;
    if (in.until > GATEHOUSE_UNTIL_REBOOT ||
        (in.until != 0 && (in.until == GATEHOUSE_UNTIL_TIME) != (in.lifetime_ms != 0)))
        return GATEHOUSE_E_BAD_LIFETIME;
    *decision = in;
    return 0;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* left: bytes from here to the end of the input. */
static uint32_t check_name(const uint8_t *at, size_t left, uint32_t *record_size)
{
    struct gatehouse_name in;
    size_t used;

    if (left < sizeof(in))
        return GATEHOUSE_E_SHORT_INPUT;
    memcpy(&in, at, sizeof(in));
    used = sizeof(in) + in.path_size + in.name_size;
    if (in.size < used)
        return GATEHOUSE_E_SHORT_INPUT;
    if (in.size > ((used + 7u) & ~(size_t)7u))
        return GATEHOUSE_E_LONG_INPUT;
    if (in.size % 8u != 0 || in.size > left)
        return GATEHOUSE_E_SHORT_INPUT;
    if (!all_zero(in.reserved, sizeof(in.reserved)) || !all_zero(at + used, in.size - used))
        return GATEHOUSE_E_RESERVED;
    if (in.path_size % 2u != 0 || !name_is_valid(at + sizeof(in) + in.path_size, in.name_size) ||
        (in.ip_version != 6 && (in.ip_version != 4 || !all_zero(in.address + 4, 12))))
        return GATEHOUSE_E_BAD_NAME;
    *record_size = in.size;
    return 0;
}

uint32_t wire_decode_names(const void *input, size_t size, uint32_t *count)
{
    struct gatehouse_names header;
    size_t at = sizeof(header);

    if (size < sizeof(header))
        return GATEHOUSE_E_SHORT_INPUT;
    memcpy(&header, input, sizeof(header));
    if (header.version != GATEHOUSE_PROTOCOL_VERSION)
        return GATEHOUSE_E_BAD_VERSION;
    if (header.count == 0 || header.count > GATEHOUSE_NAMES_MAX)
        return GATEHOUSE_E_BAD_COUNT;
    for (uint32_t i = 0; i < header.count; i++) {
        uint32_t record_size = 0;
        uint32_t status = check_name((const uint8_t *)input + at, size - at, &record_size);

        if (status != 0)
            return status;
        at += record_size;
    }
    if (at != size)
        return GATEHOUSE_E_LONG_INPUT;
    *count = header.count;
    return 0;
}

void wire_decode_name(const void *input, size_t *offset, struct wire_name *name)
{
    const uint8_t *at = (const uint8_t *)input + (*offset == 0 ? sizeof(struct gatehouse_names) : *offset);
    struct gatehouse_name in;

    memcpy(&in, at, sizeof(in));
    name->ttl_ms = in.ttl_ms;
    name->ip_version = in.ip_version;
    name->address = at + offsetof(struct gatehouse_name, address);
    name->path = at + sizeof(in);
    name->path_size = in.path_size;
    name->name = name->path + in.path_size;
    name->name_size = in.name_size;
    *offset = (size_t)(at - (const uint8_t *)input) + in.size;
}

bool wire_decode_seed_decision(const void *input, size_t size, USER_CLASSIFY_DECISION *decision)
{
    if (size != sizeof(*decision))
        return false;
    memcpy(decision, input, sizeof(*decision));
    return true;
}
