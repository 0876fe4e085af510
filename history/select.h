/* SPDX-License-Identifier: MIT */
/*
 * select.h - statements over the connections that fit a filter (query.h), for query.c and sum.c.
 */
#ifndef HISTORY_SELECT_H
#define HISTORY_SELECT_H

#include "history/fit.h"
#include "history/private.h"
#include "history/query.h"

struct selection {
    struct history *history;
    const struct history_filter *filter;
    struct problem *problem;
    struct fit_destination to;
    char where[1024]; /* with ? for each value of the filter */
    int bound;        /* values that select_prepare binds; a caller's own come behind */
    bool row;         /* the last step gave one */
};

/* Opens the file for reading if need be. select_end in every case. */
enum agent_result select_begin(struct selection *selection, struct history *history,
                               const struct history_filter *filter, struct problem *problem);
void select_end(struct selection *selection);

/* SELECT columns FROM tables WHERE (the filter) rest. The caller finalizes. */
enum agent_result select_prepare(struct selection *selection, const char *columns, const char *tables, const char *rest,
                                 sqlite3_stmt **statement);
enum agent_result select_step(struct selection *selection, sqlite3_stmt *statement);
/* Left as it is when there is none. */
enum agent_result select_number(struct selection *selection, const char *sql, int64_t *number);

#endif
