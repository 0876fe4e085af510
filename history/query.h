/* SPDX-License-Identifier: MIT */
/*
 * query.h - reads the history: connections that fit a filter, oldest first, and sums over them.
 *
 * What is read is read in pieces, and no statement is open between them: a reader whose output waits (a pager) holds
 * nothing up, and never keeps the writer from giving room back. Rows that are taken out meanwhile are left out.
 */
#ifndef HISTORY_QUERY_H
#define HISTORY_QUERY_H

#include "history/history.h"

struct history_filter {
    /* With a "/": that path, where * stands for any bytes and ? for one. Without: the last part of the path, the same.
     * NULL: any. "" : unknown ones. */
    const char *program;
    /* The other end: an address, a prefix (10.0.0.0/8), or a name with * and ?, which means names below one too
     * ("*.example.org"); each may be followed by ":PORT" ("[2001:db8::1]:443"). NULL: any */
    const char *to;
    bool has_user;
    uint32_t user;
    uint8_t verdict; /* GATEHOUSE_VERDICT_NONE: any */
    bool has_by;
    uint8_t by;             /* enum gatehouse_decided_by */
    const char *who;        /* the person; NULL: any */
    int64_t since;          /* began at or after; 0: any */
    int64_t until;          /* began before; 0: any */
    int64_t after;          /* rows behind this number only */
    uint64_t limit;         /* the newest so many; 0: all */
    bool outgoing, inbound; /* one of them: only such */
};

struct history_row {
    int64_t id;                   /* grows with each row that is written */
    struct history_record record; /* pointers are good during the call */
};

/* AGENT_USAGE with a sentence when filter->to or filter->program cannot be read. */
enum agent_result history_filter_check(const struct history_filter *filter, struct problem *problem);

/* take returns false: no more. *last, if not NULL: the number of the last row that there is, fitting or not. */
enum agent_result history_query(struct history *history, const struct history_filter *filter,
                                bool (*take)(void *context, const struct history_row *row), void *context,
                                int64_t *last, struct problem *problem);
/* The newest row that fits. AGENT_OK with *found false: none. */
enum agent_result history_newest(struct history *history, const struct history_filter *filter,
                                 void (*take)(void *context, const struct history_row *row), void *context, bool *found,
                                 struct problem *problem);

enum history_group {
    HISTORY_BY_PROGRAM,     /* key: path */
    HISTORY_BY_DESTINATION, /* key: name, else address */
    HISTORY_BY_RULE,        /* key: the rule's text, else how it was decided: see history_by_name */
};
enum history_order { HISTORY_LATEST_FIRST, HISTORY_MOST_FIRST, HISTORY_BYTES_FIRST };

struct history_sum {
    const char *key;    /* NULL: unknown program */
    const char *place;  /* of a rule */
    uint8_t ip_version; /* HISTORY_BY_DESTINATION: of an address; 0: key is a name */
    uint16_t port;      /* HISTORY_BY_DESTINATION: the one used last */
    uint8_t protocol;
    uint8_t by; /* HISTORY_BY_RULE, when key is NULL */
    uint64_t permitted, blocked;
    uint64_t bytes_out, bytes_in;
    uint64_t other; /* different destinations of a program, programs of a destination or rule */
    int64_t first, last;
};

/* At most limit groups (0: all). What has neither verdict counts in none. */
enum agent_result history_sum_up(struct history *history, const struct history_filter *filter, enum history_group group,
                                 enum history_order order, uint64_t limit,
                                 bool (*take)(void *context, const struct history_sum *sum), void *context,
                                 struct problem *problem);

/* Connections in each of count equal pieces of [since, until) of the filter, which must be set. */
enum agent_result history_chart(struct history *history, const struct history_filter *filter, uint64_t *permitted,
                                uint64_t *blocked, unsigned count, struct problem *problem);

#endif
