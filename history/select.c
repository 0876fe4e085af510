/* SPDX-License-Identifier: MIT */
/*
 * select.c - see select.h.
 */
#include "history/select.h"

#include <stdio.h>
#include <string.h>

#include <gatehouse/protocol.h>

static enum agent_result fail(struct selection *selection)
{
    struct history_file *file = &selection->history->reading;

    history_file_trouble(file);
    return problem_set(selection->problem, AGENT_FAILED, "the history %.300s cannot be read: %s.",
                       selection->history->path, file->why);
}

/* fits_program(path) and fits_destination(name, ip_version, remote, remote_port); the filter is their user data. */
static void fits_program(sqlite3_context *context, int count, sqlite3_value **values)
{
    const struct selection *selection = sqlite3_user_data(context);
    const char *path = sqlite3_value_blob(values[0]);

    (void)count;
    if (sqlite3_value_type(values[0]) != SQLITE_NULL && !path)
        path = "";
    sqlite3_result_int(context, fit_program(selection->filter->program, path, (size_t)sqlite3_value_bytes(values[0])));
}

static void fits_destination(sqlite3_context *context, int count, sqlite3_value **values)
{
    const struct selection *selection = sqlite3_user_data(context);
    const char *name = (const char *)sqlite3_value_text(values[0]);
    const void *remote = sqlite3_value_blob(values[2]);
    unsigned family = (unsigned)sqlite3_value_int(values[1]);
    int size = sqlite3_value_bytes(values[2]);

    (void)count;
    sqlite3_result_int(
        context, remote && size == (family == 4 ? 4 : 16) &&
                     fit_is_destination(&selection->to, name, family, remote, (uint16_t)sqlite3_value_int(values[3])));
}

static void add(struct selection *selection, const char *condition)
{
    size_t used = strlen(selection->where);

    snprintf(selection->where + used, sizeof(selection->where) - used, "%s%s", used ? " AND " : "", condition);
}

static void make_where(struct selection *selection)
{
    const struct history_filter *filter = selection->filter;

    add(selection, "connections.id > ?");
    if (filter->program)
        add(selection,
            *filter->program ? "program IN (SELECT id FROM programs WHERE fits_program(path))" : "program IS NULL");
    if (filter->to)
        add(selection, "fits_destination(name, ip_version, remote, remote_port)");
    if (filter->has_user)
        add(selection, "user=?");
    if (filter->verdict)
        add(selection, "verdict=?");
    if (filter->has_by)
        add(selection, "by=?");
    if (filter->who)
        add(selection, "who=?");
    if (filter->since)
        add(selection, "began>=?");
    if (filter->until)
        add(selection, "began<?");
    if (filter->outgoing != filter->inbound)
        add(selection, "inbound=?");
}

enum agent_result select_begin(struct selection *selection, struct history *history,
                               const struct history_filter *filter, struct problem *problem)
{
    sqlite3 *db;
    enum agent_result result = history_filter_check(filter, problem);

    *selection = (struct selection){.history = history, .filter = filter, .problem = problem};
    if (result != AGENT_OK)
        return result;
    if (filter->to)
        fit_read_destination(filter->to, &selection->to);
    make_where(selection);
    if (history_reading(history) != HISTORY_FINE)
        return problem_set(problem, AGENT_FAILED, "the history %.300s cannot be read: %s.", history->path,
                           history->reading.why);
    db = history->reading.db;
    if (sqlite3_create_function(db, "fits_program", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, selection, fits_program,
                                NULL, NULL) != SQLITE_OK ||
        sqlite3_create_function(db, "fits_destination", 4, SQLITE_UTF8 | SQLITE_DETERMINISTIC, selection,
                                fits_destination, NULL, NULL) != SQLITE_OK)
        return fail(selection);
    return AGENT_OK;
}

void select_end(struct selection *selection)
{
    sqlite3 *db = selection->history->reading.db;

    if (!db)
        return;
    sqlite3_create_function(db, "fits_program", 1, SQLITE_UTF8, NULL, NULL, NULL, NULL);
    sqlite3_create_function(db, "fits_destination", 4, SQLITE_UTF8, NULL, NULL, NULL, NULL);
}

/* In the order of make_where. */
static void bind(struct selection *selection, sqlite3_stmt *statement)
{
    const struct history_filter *filter = selection->filter;
    int place = 0;

    sqlite3_bind_int64(statement, ++place, filter->after);
    if (filter->has_user)
        sqlite3_bind_int64(statement, ++place, filter->user);
    if (filter->verdict)
        sqlite3_bind_int(statement, ++place, filter->verdict);
    if (filter->has_by)
        sqlite3_bind_int(statement, ++place, filter->by);
    if (filter->who)
        sqlite3_bind_text(statement, ++place, filter->who, -1, SQLITE_STATIC);
    if (filter->since)
        sqlite3_bind_int64(statement, ++place, filter->since);
    if (filter->until)
        sqlite3_bind_int64(statement, ++place, filter->until);
    if (filter->outgoing != filter->inbound)
        sqlite3_bind_int(statement, ++place, filter->inbound);
    selection->bound = place;
}

enum agent_result select_prepare(struct selection *selection, const char *columns, const char *tables, const char *rest,
                                 sqlite3_stmt **statement)
{
    char sql[3072];

    if ((size_t)snprintf(sql, sizeof(sql), "SELECT %s FROM %s WHERE %s %s", columns, tables, selection->where, rest) >=
        sizeof(sql))
        return problem_set(selection->problem, AGENT_FAILED, "the question is too long.");
    if (sqlite3_prepare_v2(selection->history->reading.db, sql, -1, statement, NULL) != SQLITE_OK)
        return fail(selection);
    bind(selection, *statement);
    return AGENT_OK;
}

enum agent_result select_step(struct selection *selection, sqlite3_stmt *statement)
{
    int step = sqlite3_step(statement);

    selection->row = step == SQLITE_ROW;
    return step == SQLITE_ROW || step == SQLITE_DONE ? AGENT_OK : fail(selection);
}

enum agent_result select_number(struct selection *selection, const char *sql, int64_t *number)
{
    return history_file_number(&selection->history->reading, sql, number) == HISTORY_FINE ? AGENT_OK : fail(selection);
}
