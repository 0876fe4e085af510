/* SPDX-License-Identifier: MIT */
/*
 * query.c - see query.h.
 *
 * A filter becomes one WHERE with two functions of our own for what people write (fit.h); values are bound.
 */
#include "history/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gatehouse/protocol.h>

#include "history/fit.h"
#include "history/private.h"
#include "history/select.h"

#define PAGE_ROWS 256

static const char row_columns[] =
    "connections.id, began, decided, ended, path, name, text, place, rule_id, who, pid, user, local, remote, "
    "local_port,"
    " remote_port, ip_version, protocol, inbound, verdict, by, bytes_out, bytes_in, endpoint, count";
static const char row_tables[] =
    "connections LEFT JOIN programs ON programs.id=program LEFT JOIN rules ON rules.id=rule";

/* Text of a row, with its NUL: sqlite3_column_text ends BLOBs so, too. */
static const char *column_text(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL ? NULL
                                                                 : (const char *)sqlite3_column_text(statement, column);
}

static void column_address(sqlite3_stmt *statement, int column, uint8_t address[16])
{
    const void *bytes = sqlite3_column_blob(statement, column);
    int size = sqlite3_column_bytes(statement, column);

    if (bytes && (size == 4 || size == 16))
        memcpy(address, bytes, (size_t)size);
}

static void read_row(sqlite3_stmt *statement, struct history_row *row)
{
    struct history_record *record = &row->record;

    memset(row, 0, sizeof(*row));
    row->id = sqlite3_column_int64(statement, 0);
    record->began = sqlite3_column_int64(statement, 1);
    record->decided = sqlite3_column_int64(statement, 2);
    record->ended = sqlite3_column_int64(statement, 3);
    record->program = column_text(statement, 4);
    record->name = column_text(statement, 5);
    record->rule = column_text(statement, 6);
    record->place = column_text(statement, 7);
    record->rule_id = (uint64_t)sqlite3_column_int64(statement, 8);
    record->who = column_text(statement, 9);
    record->pid = (uint64_t)sqlite3_column_int64(statement, 10);
    record->user =
        sqlite3_column_type(statement, 11) == SQLITE_NULL ? UINT32_MAX : (uint32_t)sqlite3_column_int64(statement, 11);
    column_address(statement, 12, record->local_address);
    column_address(statement, 13, record->remote_address);
    record->local_port = (uint16_t)sqlite3_column_int(statement, 14);
    record->remote_port = (uint16_t)sqlite3_column_int(statement, 15);
    record->ip_version = (uint8_t)sqlite3_column_int(statement, 16);
    record->protocol = (uint8_t)sqlite3_column_int(statement, 17);
    record->inbound = sqlite3_column_int(statement, 18) != 0;
    record->verdict = (uint8_t)sqlite3_column_int(statement, 19);
    record->by = (uint8_t)sqlite3_column_int(statement, 20);
    record->counted = sqlite3_column_type(statement, 21) != SQLITE_NULL;
    record->bytes_out = (uint64_t)sqlite3_column_int64(statement, 21);
    record->bytes_in = (uint64_t)sqlite3_column_int64(statement, 22);
    record->endpoint = (uint64_t)sqlite3_column_int64(statement, 23);
    record->count = (uint32_t)sqlite3_column_int64(statement, 24);
    if (record->rule && !*record->rule)
        record->rule = NULL;
    if (record->place && !*record->place)
        record->place = NULL;
}

enum agent_result history_filter_check(const struct history_filter *filter, struct problem *problem)
{
    struct fit_destination ignored;

    if (filter->to && !fit_read_destination(filter->to, &ignored))
        return problem_set(problem, AGENT_USAGE,
                           "'%.100s' is no destination: write an address, a prefix or a name, and :PORT if you want.",
                           filter->to);
    return AGENT_OK;
}

/* The number of the row before the newest limit ones; they may be fewer. */
static enum agent_result find_start(struct selection *selection, uint64_t limit, int64_t *start)
{
    sqlite3_stmt *statement = NULL;
    enum agent_result result = select_prepare(selection, "connections.id", row_tables,
                                              "ORDER BY connections.id DESC LIMIT 1 OFFSET ?", &statement);

    if (result != AGENT_OK)
        return result;
    sqlite3_bind_int64(statement, selection->bound + 1, (int64_t)limit - 1);
    result = select_step(selection, statement);
    if (result == AGENT_OK && selection->row)
        *start = sqlite3_column_int64(statement, 0) - 1;
    sqlite3_finalize(statement);
    return result;
}

struct page {
    bool (*take)(void *context, const struct history_row *row);
    void *context;
    int64_t last; /* row that was taken */
    bool more;
};

/* The rows are copied out first: take may be slow. */
struct kept_row {
    struct history_row row;
    char *texts[5];
};

static void keep_row(struct kept_row *kept, const struct history_row *row)
{
    const char **texts[] = {&kept->row.record.program, &kept->row.record.name, &kept->row.record.rule,
                            &kept->row.record.place, &kept->row.record.who};

    kept->row = *row;
    for (int i = 0; i < 5; i++) {
        kept->texts[i] = *texts[i] ? strdup(*texts[i]) : NULL;
        *texts[i] = kept->texts[i];
    }
}

static void drop_rows(struct kept_row *rows, unsigned count)
{
    for (unsigned at = 0; at < count; at++)
        for (int i = 0; i < 5; i++)
            free(rows[at].texts[i]);
}

static enum agent_result read_page(struct selection *selection, struct page *page, struct kept_row *rows)
{
    sqlite3_stmt *statement = NULL;
    unsigned count = 0;
    enum agent_result result = select_prepare(selection, row_columns, row_tables,
                                              "AND connections.id > ? ORDER BY connections.id LIMIT ?", &statement);

    if (result != AGENT_OK)
        return result;
    sqlite3_bind_int64(statement, selection->bound + 1, page->last);
    sqlite3_bind_int64(statement, selection->bound + 2, PAGE_ROWS);
    while ((result = select_step(selection, statement)) == AGENT_OK && selection->row && count < PAGE_ROWS) {
        struct history_row row;

        read_row(statement, &row);
        keep_row(&rows[count++], &row);
    }
    sqlite3_finalize(statement);
    page->more = result == AGENT_OK && count == PAGE_ROWS;
    for (unsigned i = 0; i < count && result == AGENT_OK; i++) {
        page->last = rows[i].row.id;
        if (page->take(page->context, &rows[i].row))
            continue;
        page->more = false;
        break;
    }
    drop_rows(rows, count);
    return result;
}

enum agent_result history_query(struct history *history, const struct history_filter *filter,
                                bool (*take)(void *context, const struct history_row *row), void *context,
                                int64_t *last, struct problem *problem)
{
    struct page page = {.take = take, .context = context, .last = filter->after, .more = true};
    struct selection selection;
    struct kept_row *rows = calloc(PAGE_ROWS, sizeof(*rows));
    int64_t newest = filter->after;
    enum agent_result result = select_begin(&selection, history, filter, problem);

    if (result == AGENT_OK && !rows)
        result = problem_set(problem, AGENT_FAILED, "out of memory.");
    if (result == AGENT_OK && last)
        result = select_number(&selection, "SELECT max(id) FROM connections", &newest);
    if (result == AGENT_OK && filter->limit)
        result = find_start(&selection, filter->limit, &page.last);
    while (result == AGENT_OK && page.more)
        result = read_page(&selection, &page, rows);
    select_end(&selection);
    free(rows);
    if (result == AGENT_OK && last)
        *last = page.last > newest ? page.last : newest;
    return result;
}

enum agent_result history_newest(struct history *history, const struct history_filter *filter,
                                 void (*take)(void *context, const struct history_row *row), void *context, bool *found,
                                 struct problem *problem)
{
    struct selection selection;
    sqlite3_stmt *statement = NULL;
    enum agent_result result = select_begin(&selection, history, filter, problem);

    *found = false;
    if (result == AGENT_OK)
        result =
            select_prepare(&selection, row_columns, row_tables, "ORDER BY connections.id DESC LIMIT 1", &statement);
    if (result == AGENT_OK)
        result = select_step(&selection, statement);
    if (result == AGENT_OK && selection.row) {
        struct history_row row;

        read_row(statement, &row);
        take(context, &row);
        *found = true;
    }
    sqlite3_finalize(statement);
    select_end(&selection);
    return result;
}
