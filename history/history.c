/* SPDX-License-Identifier: MIT */
/*
 * history.c - see history.h.
 */
#include "history/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gatehouse/protocol.h>

#include "history/private.h"

#define CLOSE_MS 5000

static enum agent_result make(const char *path, struct history **history, struct problem *problem)
{
    struct history *made;

    if (!*path || strlen(path) > HISTORY_PATH_MAX)
        return problem_set(problem, AGENT_USAGE, "the path of the history must have 1 to %u bytes.", HISTORY_PATH_MAX);
    made = calloc(1, sizeof(*made));
    if (!made)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    memcpy(made->path, path, strlen(path) + 1);
    *history = made;
    return AGENT_OK;
}

enum agent_result history_open_writer(const char *path, const struct history_limits *limits,
                                      void (*say)(const char *sentence), struct history **history,
                                      struct problem *problem)
{
    struct history_limits bounds = limits ? *limits : (struct history_limits){0};
    struct history *made = NULL;
    enum agent_result result = make(path, &made, problem);

    if (result != AGENT_OK)
        return result;
    if (!bounds.days)
        bounds.days = HISTORY_DEFAULT_DAYS;
    if (!bounds.bytes)
        bounds.bytes = HISTORY_DEFAULT_BYTES;
    if (bounds.bytes < HISTORY_LEAST_BYTES)
        bounds.bytes = HISTORY_LEAST_BYTES;
    made->writer = writer_start(made->path, &bounds, say);
    if (!made->writer) {
        free(made);
        return problem_set(problem, AGENT_FAILED, "no thread could be made for the history.");
    }
    *history = made;
    return AGENT_OK;
}

enum agent_result history_open_reader(const char *path, struct history **history, struct problem *problem)
{
    struct history *made = NULL;
    enum agent_result result = make(path, &made, problem);
    enum history_trouble trouble;

    if (result != AGENT_OK)
        return result;
    trouble = history_reading(made);
    if (trouble != HISTORY_FINE) {
        result = problem_set(problem, trouble == HISTORY_MISSING ? AGENT_UNREACHABLE : AGENT_FAILED,
                             "the history %s cannot be read: %s%s", path, made->reading.why,
                             trouble == HISTORY_MISSING  ? "; gatehouse run writes it."
                             : trouble == HISTORY_DENIED ? "; root and members of the group gatehouse may read it."
                                                         : ".");
        history_close(made);
        return result;
    }
    *history = made;
    return AGENT_OK;
}

void history_close(struct history *history)
{
    if (!history)
        return;
    if (history->writer)
        writer_stop(history->writer, CLOSE_MS);
    history_file_close(&history->reading);
    free(history);
}

void history_add(struct history *history, const struct history_record *record)
{
    if (history && history->writer)
        writer_add(history->writer, record);
}

bool history_flush(struct history *history, int timeout_ms)
{
    return !history->writer || writer_flush(history->writer, timeout_ms);
}

enum history_trouble history_reading(struct history *history)
{
    if (history->reading.db && !history_file_replaced(&history->reading))
        return HISTORY_FINE;
    history_file_close(&history->reading);
    history->opened++;
    return history_file_read(&history->reading, history->path);
}

bool history_is_there(struct history *history)
{
    return history_reading(history) != HISTORY_MISSING;
}

uint64_t history_opened(const struct history *history)
{
    return history->opened;
}

static bool read_before(struct history *history, const struct history_record *like, struct history_before *before)
{
    char sql[512];
    sqlite3_stmt *statement = NULL;
    int step;

    snprintf(
        sql, sizeof(sql),
        "SELECT verdict, sum(count), max(began) FROM connections WHERE program=(SELECT id FROM programs WHERE path=?1)"
        " AND %s AND remote_port=?3 AND protocol=?4 GROUP BY verdict",
        like->name ? "name=?2 AND name IS NOT NULL" : "remote=?2 AND name IS NULL");
    if (sqlite3_prepare_v2(history->reading.db, sql, -1, &statement, NULL) != SQLITE_OK)
        return false;
    sqlite3_bind_blob(statement, 1, like->program, (int)strlen(like->program), SQLITE_STATIC);
    if (like->name)
        sqlite3_bind_text(statement, 2, like->name, -1, SQLITE_STATIC);
    else
        sqlite3_bind_blob(statement, 2, like->remote_address, like->ip_version == 4 ? 4 : 16, SQLITE_STATIC);
    sqlite3_bind_int(statement, 3, like->remote_port);
    sqlite3_bind_int(statement, 4, like->protocol);
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        uint64_t count = (uint64_t)sqlite3_column_int64(statement, 1);
        int64_t last = sqlite3_column_int64(statement, 2);

        if (sqlite3_column_int(statement, 0) == GATEHOUSE_VERDICT_PERMIT)
            before->permitted += count;
        else if (sqlite3_column_int(statement, 0) == GATEHOUSE_VERDICT_BLOCK)
            before->blocked += count;
        else
            continue;
        before->last = last > before->last ? last : before->last;
    }
    sqlite3_finalize(statement);
    return step == SQLITE_DONE;
}

bool history_before(struct history *history, const struct history_record *like, struct history_before *before)
{
    struct history_before found = {0};
    bool read =
        history && like->program && history_reading(history) == HISTORY_FINE && read_before(history, like, &found);

    *before = read ? found : (struct history_before){0};
    return read;
}
