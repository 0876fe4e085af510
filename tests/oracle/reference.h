/* SPDX-License-Identifier: MIT */
/*
 * reference.h - a policy and a connection as plainly as they can be said, and who decides: the oracle for rules.
 *
 * Knows nothing of the language's parser, of images, filters or caches; written from docs/rules.md alone. Random
 * policies are made here, and given to the product as text only. Everything is drawn from small worlds, so that rules
 * meet connections often, and from the edges of ranges.
 */
#ifndef TESTS_ORACLE_REFERENCE_H
#define TESTS_ORACLE_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REFERENCE_RULES_MAX 48
#define REFERENCE_LIST_MAX  5
#define REFERENCE_TEXT_MAX  (128 * 1024)
#define REFERENCE_FACTS_MAX 600
#define REFERENCE_NAMES_MAX 8 /* different ones in the world: the product keeps as many for an address */

struct reference_random {
    uint64_t state;
};
uint32_t reference_below(struct reference_random *random, uint32_t bound);

enum reference_action { REFERENCE_PERMIT, REFERENCE_BLOCK, REFERENCE_ASK };

/* One family; bytes in network order. */
struct reference_range {
    int family; /* 4 or 6 */
    uint8_t low[16], high[16];
};

/* given false: the rule does not speak of it. any: every address. */
struct reference_end {
    bool given, any, negated;
    int count;
    struct reference_range ranges[REFERENCE_LIST_MAX];
    char words[REFERENCE_LIST_MAX][96]; /* as it is written */
    int port_count;                     /* 0: any */
    uint16_t port_low[REFERENCE_LIST_MAX], port_high[REFERENCE_LIST_MAX];
    int name_count; /* of to, instead of ranges */
    const char *names[REFERENCE_LIST_MAX];
};

struct reference_rule {
    enum reference_action action;
    bool all, log, raw;
    bool out, in; /* as written; neither: by what else is written */
    int family;   /* 0, 4, 6 */
    int program_count, user_count, group_count, unit_count, cgroup_count, protocol_count, icmp_count;
    const char *programs[REFERENCE_LIST_MAX];
    unsigned users[REFERENCE_LIST_MAX], groups[REFERENCE_LIST_MAX];
    const char *units[REFERENCE_LIST_MAX], *cgroups[REFERENCE_LIST_MAX];
    int protocols[REFERENCE_LIST_MAX], icmp_types[REFERENCE_LIST_MAX];
    struct reference_end to, from, plain; /* plain: only its ports */
};

struct reference_policy {
    int count;
    struct reference_rule rules[REFERENCE_RULES_MAX];
};

struct reference_connection {
    bool inbound, raw;
    int family, protocol;
    uint8_t local[16], remote[16];
    uint16_t local_port, remote_port; /* ICMP: the type, the code */
    const char *program;              /* NULL: none */
    unsigned uid, gid;
    const char *cgroup; /* "/system.slice/nginx.service" */
    int name_count;     /* under which its program, or nobody knows who, got the remote address */
    const char *names[2 * REFERENCE_NAMES_MAX];
};

/* This program (NULL: nobody knows which) got this address under that name. */
struct reference_fact {
    const char *program, *name;
    int family;
    uint8_t address[16];
};

struct reference_facts {
    int count;
    struct reference_fact facts[REFERENCE_FACTS_MAX];
};

void reference_random_policy(struct reference_random *random, struct reference_policy *policy);
void reference_random_connection(struct reference_random *random, const struct reference_policy *policy,
                                 struct reference_connection *connection);

/* Something new about the connection's remote address; false: not this time. fact is what the product has to be told.
 */
bool reference_random_fact(struct reference_random *random, struct reference_facts *facts,
                           const struct reference_connection *connection, const struct reference_fact **fact);
/* Sets the connection's names. */
void reference_know(const struct reference_facts *facts, struct reference_connection *connection);

/* The policy as a rule file, a rule a line. */
size_t reference_write(const struct reference_policy *policy, char *text, size_t size);

/* The number of the rule that decides; -1: none. */
int reference_decide(const struct reference_policy *policy, const struct reference_connection *connection);

#endif
