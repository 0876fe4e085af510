/* SPDX-License-Identifier: MIT */
/*
 * rule_fit.h - does a rule match a connection that is held? Yes, no, or not known.
 *
 * The filter engine matches new connections; it cannot be asked about one that waits (its page: pending). So the driver
 * asks here, when its rules have changed, whether a connection has to go on waiting. What it did not keep of the
 * connection (groups, units, control groups, the executable's SHA-256, whether the socket is raw) is not known, and
 * never guessed: such a connection waits on.
 *
 * Plain, over the records of gatehouse/rules.h. No allocation, no lock of its own, any IRQL.
 */
#ifndef CORE_RULE_FIT_H
#define CORE_RULE_FIT_H

#include "core/connection.h"
#include "core/rule_list.h"

enum rule_fit { RULE_FITS_NOT, RULE_FITS, RULE_FITS_MAYBE };

struct rule_subject {
    const struct connection *connection;
    const void *path; /* as in a request; NULL: no program */
    size_t path_size;
    bool inbound;
    /* Did the program get the remote address under a name like this (core/name_pattern.h)? rule: whose part it is. */
    bool (*is_known_as)(void *context, const struct gatehouse_rule *rule, const void *pattern, size_t size);
    void *context;
};

/* rule: of list's image. */
enum rule_fit rule_fits(const struct rule_list *list, const struct gatehouse_rule *rule,
                        const struct rule_subject *subject);

/* All rules, in their order: begin, go on over each list, end. */
struct rule_reading {
    uint32_t possible;                 /* bits of the actions of rules that may match */
    const struct gatehouse_rule *rule; /* the first that matches for certain; NULL: none does */
    bool over;                         /* one matches for certain */
};

void rule_reading_begin(struct rule_reading *reading);
/* The next entries, in order: [from, to) of list. */
void rule_reading_go_on(struct rule_reading *reading, const struct rule_list *list, uint32_t from, uint32_t to,
                        const struct rule_subject *subject);
/* No more rules. PERMIT or BLOCK where that is what becomes of it, whatever the unknown is; else ASK. */
enum gatehouse_rule_action rule_reading_end(struct rule_reading *reading, const struct rule_subject *subject);

#endif
