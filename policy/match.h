/* SPDX-License-Identifier: MIT */
/*
 * match.h - which rule of an image decides a connection, and why each earlier one does not.
 *
 * Plain and linear: what `rules explain` prints, and the oracle that the engine, its cache and the driver are compared
 * with. It follows the words of gatehouse/rules.h and nothing else.
 */
#ifndef POLICY_MATCH_H
#define POLICY_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gatehouse/rules.h"
#include "policy/print.h"

struct policy_sid {
    uint8_t bytes[GATEHOUSE_SID_MAX];
    size_t size;
};

/* What is not known matches no part that asks for it. */
struct policy_connection {
    uint8_t direction; /* GATEHOUSE_RULE_OUT or GATEHOUSE_RULE_IN */
    uint8_t family;    /* 4 or 6 */
    uint8_t protocol;
    bool raw;
    bool has_local, has_remote;    /* addresses */
    uint8_t local[16], remote[16]; /* network order; IPv4 in the first four bytes */
    bool has_local_port, has_remote_port;
    uint16_t local_port, remote_port; /* host order */
    bool has_icmp_type;
    uint8_t icmp_type;
    const void *program; /* UTF-16LE as ALE_APP_ID has it, without NUL; NULL: none */
    size_t program_size; /* in bytes */
    bool has_sha256;
    uint8_t sha256[32];
    const struct policy_sid *sids; /* the token: its user, groups, units and control groups */
    unsigned sid_count;
    const char *const *names; /* ASCII, lower case: under which the program got the remote address */
    unsigned name_count;
};

/* A rule before the one that decides, its number from 0, and the first part that does not match, in words:
 * "to 10.0.0.0/8: 192.0.2.1 is not in it". Valid during the call. */
typedef void policy_miss_function(void *context, uint32_t number, const struct gatehouse_rule *rule, const char *why);

/* NULL: no rule decides. sets: of the image (print.h). miss may be NULL; number may be NULL. */
const struct gatehouse_rule *policy_match(const void *image, const struct policy_sets *sets,
                                          const struct policy_connection *connection, uint32_t *number,
                                          policy_miss_function *miss, void *context);

/* One rule alone. why (may be NULL) gets the words when it does not match. */
bool policy_rule_matches(const struct policy_sets *sets, const struct gatehouse_rule *rule,
                         const struct policy_connection *connection, char *why, size_t capacity);
#define POLICY_WHY_MAX 1024u

/* When no rule decides: an outgoing connection by TCP or UDP is asked about, anything else passes. */
enum gatehouse_rule_action policy_default_action(uint8_t direction, uint8_t protocol);

#endif
