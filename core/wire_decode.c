/* SPDX-License-Identifier: MIT */
/*
 * wire_decode.c - see wire_decode.h. Sizes are compared as size_t and counts bounded before they
 * are multiplied, so no sum here can wrap.
 */
#include "core/wire_decode.h"

#include "gatehouse/rules.h"

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
    if (in.scope > GATEHOUSE_SCOPE_PROGRAM)
        return GATEHOUSE_E_BAD_SCOPE;
    if (in.scope == GATEHOUSE_SCOPE_CONNECTION && (in.lifetime_ms != 0 || in.until != 0))
        return GATEHOUSE_E_BAD_LIFETIME;
    if (in.until > GATEHOUSE_UNTIL_REBOOT ||
        (in.until != 0 && (in.until == GATEHOUSE_UNTIL_TIME) != (in.lifetime_ms != 0)))
        return GATEHOUSE_E_BAD_LIFETIME;
    *decision = in;
    return 0;
}

bool wire_decode_seed_decision(const void *input, size_t size, USER_CLASSIFY_DECISION *decision)
{
    if (size != sizeof(*decision))
        return false;
    memcpy(decision, input, sizeof(*decision));
    return true;
}
