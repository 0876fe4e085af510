/* SPDX-License-Identifier: MIT */
/*
 * rule_system.h - what rules need to know of this machine.
 */
#ifndef AGENT_RULE_SYSTEM_H
#define AGENT_RULE_SYSTEM_H

#include <stdint.h>

#include "policy/match.h"
#include "policy/policy.h"

#include "agent/result.h"

/* The file of rules when nobody names one. Valid until the program ends. */
const char *rule_system_file(void);

/* Files, users and programs of this machine, for policy_parse_*. */
struct policy_system rule_system_here(void);

/* The groups of a user whose SID is known, from this machine's own files; at most most. */
unsigned rule_system_groups(const struct policy_sid *user, struct policy_sid *groups, unsigned most);

/* The program that a person names, for rules about it: a path, or a name that is looked for in PATH. path has
 * POLICY_PATH_MAX bytes. AGENT_USAGE with a sentence. */
enum agent_result rule_system_program(const char *written, char *path, struct problem *problem);

/* An address that a host's name stands for. */
struct rule_address {
    uint8_t family; /* 4 or 6 */
    uint8_t bytes[16];
};
#define RULE_ADDRESSES_MAX 32u

/* Asks as any program of this machine would, so it may ask the network, and wait. AGENT_USAGE: there is no such host.
 */
enum agent_result rule_system_resolve(const char *host, struct rule_address *addresses, unsigned *count,
                                      struct problem *problem);

#endif
