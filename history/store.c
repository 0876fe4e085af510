/* SPDX-License-Identifier: MIT */
/*
 * store.c - see store.h.
 */
#include "history/store.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define DROP_ROWS "4000"

static const char *const texts[STORE_STATEMENTS] = {
    [STORE_PROGRAM_FIND] = "SELECT id FROM programs WHERE path=?1",
    [STORE_PROGRAM_ADD] = "INSERT INTO programs(path, first) VALUES(?1, ?2)",
    [STORE_RULE_FIND] = "SELECT id FROM rules WHERE rule_id=?1 AND text=?2 AND place=?3",
    [STORE_RULE_ADD] = "INSERT INTO rules(rule_id, text, place) VALUES(?1, ?2, ?3)",
    /* Two verdicts at different times are two connections, though all else be the same. */
    [STORE_OPEN_FIND] = "SELECT id FROM connections WHERE endpoint=?1 AND endpoint IS NOT NULL AND remote=?2"
                        " AND remote_port=?3 AND protocol=?4 AND inbound=?5"
                        " AND (program IS ?6 OR ?6 IS NULL OR program IS NULL) AND (ended IS NULL OR ?7 <= ended)"
                        " AND (decided IS NULL OR ?8 IS NULL OR decided = ?8) ORDER BY id DESC LIMIT 1",
    [STORE_ADD] =
        "INSERT INTO connections(began, decided, ended, program, name, rule, who, pid, user, local, remote, local_port,"
        " remote_port, ip_version, protocol, inbound, verdict, by, bytes_out, bytes_in, endpoint, count)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)",
    [STORE_COMPLETE] =
        "UPDATE connections SET began=min(began, ?1), decided=coalesce(decided, ?2), ended=coalesce(?3, ended),"
        " program=coalesce(program, ?4), name=coalesce(name, ?5), rule=coalesce(rule, ?6), who=coalesce(who, ?7),"
        " pid=coalesce(pid, ?8), user=coalesce(user, ?9), verdict=CASE ?17 WHEN 0 THEN verdict ELSE ?17 END,"
        " by=CASE by WHEN 0 THEN ?18 ELSE by END, count=max(count, ?22), bytes_out=coalesce(?19, bytes_out), "
        "bytes_in=coalesce(?20, bytes_in)"
        " WHERE id=?23",
};

enum history_trouble store_open(struct store *store, const char *path)
{
    enum history_trouble trouble;

    memset(store, 0, sizeof(*store));
    trouble = history_file_write(&store->file, path);
    for (int i = 0; i < STORE_STATEMENTS && trouble == HISTORY_FINE; i++)
        if (sqlite3_prepare_v3(store->file.db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[i], NULL) !=
            SQLITE_OK)
            trouble = history_file_trouble(&store->file);
    if (trouble != HISTORY_FINE)
        store_close(store);
    return trouble;
}

void store_close(struct store *store)
{
    for (int i = 0; i < STORE_STATEMENTS; i++) {
        sqlite3_finalize(store->statements[i]);
        store->statements[i] = NULL;
    }
    history_file_close(&store->file);
}

static void bind_known(sqlite3_stmt *statement, int place, bool known, int64_t value)
{
    if (known)
        sqlite3_bind_int64(statement, place, value);
    else
        sqlite3_bind_null(statement, place);
}

static void bind_text(sqlite3_stmt *statement, int place, const char *text)
{
    if (text)
        sqlite3_bind_text(statement, place, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, place);
}

/* Runs it; a row's first number goes to *number, *found says whether there was one. */
static enum history_trouble run(struct store *store, enum store_statement which, bool *found, int64_t *number)
{
    sqlite3_stmt *statement = store->statements[which];
    enum history_trouble trouble = HISTORY_FINE;
    int step = sqlite3_step(statement);

    *found = step == SQLITE_ROW;
    if (*found)
        *number = sqlite3_column_int64(statement, 0);
    else if (step != SQLITE_DONE)
        trouble = history_file_trouble(&store->file);
    sqlite3_reset(statement);
    return trouble;
}

/* One of the row that find finds, else the one that add adds. */
static enum history_trouble find_or_add(struct store *store, enum store_statement find, enum store_statement add,
                                        int64_t *id)
{
    bool found = false;
    enum history_trouble trouble = run(store, find, &found, id);

    if (trouble != HISTORY_FINE || found)
        return trouble;
    trouble = run(store, add, &found, id);
    if (trouble == HISTORY_FINE)
        *id = sqlite3_last_insert_rowid(store->file.db);
    return trouble;
}

static enum history_trouble find_program(struct store *store, const struct history_record *record, int64_t *id)
{
    sqlite3_stmt *find = store->statements[STORE_PROGRAM_FIND], *add = store->statements[STORE_PROGRAM_ADD];
    int size = (int)strlen(record->program);

    sqlite3_bind_blob(find, 1, record->program, size, SQLITE_STATIC);
    sqlite3_bind_blob(add, 1, record->program, size, SQLITE_STATIC);
    sqlite3_bind_int64(add, 2, record->began);
    return find_or_add(store, STORE_PROGRAM_FIND, STORE_PROGRAM_ADD, id);
}

static enum history_trouble find_rule(struct store *store, const struct history_record *record, int64_t *id)
{
    for (int i = STORE_RULE_FIND; i <= STORE_RULE_ADD; i++) {
        sqlite3_bind_int64(store->statements[i], 1, (int64_t)record->rule_id);
        bind_text(store->statements[i], 2, record->rule ? record->rule : "");
        bind_text(store->statements[i], 3, record->place ? record->place : "");
    }
    return find_or_add(store, STORE_RULE_FIND, STORE_RULE_ADD, id);
}

static int address_size(const struct history_record *record)
{
    return record->ip_version == 4 ? 4 : 16;
}

static void bind_all(sqlite3_stmt *statement, const struct history_record *record, int64_t program, int64_t rule)
{
    sqlite3_bind_int64(statement, 1, record->began);
    bind_known(statement, 2, record->decided != 0, record->decided);
    bind_known(statement, 3, record->ended != 0, record->ended);
    bind_known(statement, 4, program != 0, program);
    bind_text(statement, 5, record->name);
    bind_known(statement, 6, rule != 0, rule);
    bind_text(statement, 7, record->who);
    bind_known(statement, 8, record->pid != 0, (int64_t)record->pid);
    bind_known(statement, 9, record->user != UINT32_MAX, record->user);
    sqlite3_bind_blob(statement, 10, record->local_address, address_size(record), SQLITE_STATIC);
    sqlite3_bind_blob(statement, 11, record->remote_address, address_size(record), SQLITE_STATIC);
    sqlite3_bind_int(statement, 12, record->local_port);
    sqlite3_bind_int(statement, 13, record->remote_port);
    sqlite3_bind_int(statement, 14, record->ip_version);
    sqlite3_bind_int(statement, 15, record->protocol);
    sqlite3_bind_int(statement, 16, record->inbound);
    sqlite3_bind_int(statement, 17, record->verdict);
    sqlite3_bind_int(statement, 18, record->by);
    bind_known(statement, 19, record->counted, (int64_t)record->bytes_out);
    bind_known(statement, 20, record->counted, (int64_t)record->bytes_in);
    bind_known(statement, 21, record->endpoint != 0, (int64_t)record->endpoint);
    sqlite3_bind_int64(statement, 22, record->count ? record->count : 1);
}

static enum history_trouble find_open(struct store *store, const struct history_record *record, int64_t program,
                                      bool *found, int64_t *row)
{
    sqlite3_stmt *find = store->statements[STORE_OPEN_FIND];

    *found = false;
    if (!record->endpoint)
        return HISTORY_FINE;
    sqlite3_bind_int64(find, 1, (int64_t)record->endpoint);
    sqlite3_bind_blob(find, 2, record->remote_address, address_size(record), SQLITE_STATIC);
    sqlite3_bind_int(find, 3, record->remote_port);
    sqlite3_bind_int(find, 4, record->protocol);
    sqlite3_bind_int(find, 5, record->inbound);
    bind_known(find, 6, program != 0, program);
    sqlite3_bind_int64(find, 7, record->began);
    bind_known(find, 8, record->decided != 0, record->decided);
    return run(store, STORE_OPEN_FIND, found, row);
}

static enum history_trouble add_one(struct store *store, const struct history_record *record)
{
    enum history_trouble trouble = HISTORY_FINE;
    int64_t program = 0, rule = 0, row = 0;
    bool open = false, ignored;

    if (record->program)
        trouble = find_program(store, record, &program);
    if (trouble == HISTORY_FINE && (record->rule_id || record->rule))
        trouble = find_rule(store, record, &rule);
    if (trouble == HISTORY_FINE)
        trouble = find_open(store, record, program, &open, &row);
    if (trouble != HISTORY_FINE)
        return trouble;
    bind_all(store->statements[open ? STORE_COMPLETE : STORE_ADD], record, program, rule);
    if (open)
        sqlite3_bind_int64(store->statements[STORE_COMPLETE], 23, row);
    return run(store, open ? STORE_COMPLETE : STORE_ADD, &ignored, &row);
}

/* After what failed, of which trouble tells. */
static void roll_back(struct store *store)
{
    if (store->file.db && !sqlite3_get_autocommit(store->file.db))
        sqlite3_exec(store->file.db, "ROLLBACK", NULL, NULL, NULL);
}

enum history_trouble store_add(struct store *store, const struct history_record *const *records, size_t count)
{
    enum history_trouble trouble = history_file_run(&store->file, "BEGIN IMMEDIATE");

    for (size_t i = 0; i < count && trouble == HISTORY_FINE; i++)
        trouble = add_one(store, records[i]);
    if (trouble == HISTORY_FINE)
        trouble = history_file_run(&store->file, "COMMIT");
    if (trouble != HISTORY_FINE)
        roll_back(store);
    return trouble;
}

/* Rows by this condition, then what nobody refers to any more, then their room in the file. */
static enum history_trouble drop(struct store *store, const char *condition, bool *dropped)
{
    char statement[512];
    enum history_trouble trouble = history_file_run(&store->file, "BEGIN IMMEDIATE");

    *dropped = false;
    snprintf(statement, sizeof(statement), "DELETE FROM connections WHERE %s", condition);
    if (trouble == HISTORY_FINE)
        trouble = history_file_run(&store->file, statement);
    if (trouble == HISTORY_FINE)
        *dropped = sqlite3_changes(store->file.db) > 0;
    if (trouble == HISTORY_FINE && *dropped)
        trouble = history_file_run(
            &store->file, "DELETE FROM programs WHERE NOT EXISTS(SELECT 1 FROM connections WHERE program=programs.id);"
                          "DELETE FROM rules WHERE NOT EXISTS(SELECT 1 FROM connections WHERE rule=rules.id)");
    if (trouble == HISTORY_FINE)
        trouble = history_file_run(&store->file, "COMMIT");
    if (trouble != HISTORY_FINE)
        roll_back(store);
    else if (*dropped)
        trouble = history_file_run(&store->file, "PRAGMA incremental_vacuum");
    return trouble;
}

enum history_trouble store_drop_before(struct store *store, int64_t then, bool *more)
{
    char condition[256];

    /* Rows stand by when they were told, which with a clock that was set is not quite by when they began. */
    snprintf(condition, sizeof(condition),
             "id IN (SELECT id FROM connections WHERE began < %lld ORDER BY id LIMIT " DROP_ROWS ")", (long long)then);
    return drop(store, condition, more);
}

enum history_trouble store_drop_above(struct store *store, uint64_t bytes, bool *more)
{
    enum history_trouble trouble;
    bool dropped = false;
    int in_log = 0, moved = 0;

    *more = false;
    if (history_file_size(&store->file) <= bytes)
        return HISTORY_FINE;
    trouble = drop(store, "id IN (SELECT id FROM connections ORDER BY id LIMIT " DROP_ROWS ")", &dropped);
    if (trouble != HISTORY_FINE)
        return trouble;
    if (sqlite3_wal_checkpoint_v2(store->file.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, &in_log, &moved) != SQLITE_OK)
        return history_file_trouble(&store->file);
    *more = dropped && history_file_size(&store->file) > bytes;
    return HISTORY_FINE;
}
