/* SPDX-License-Identifier: MIT */
/*
 * store.h - writes records into the file of the history, and takes the oldest out of it.
 *
 * The file's writer alone, on one thread. A record whose endpoint is that of an earlier one (history.h) completes
 * that row; any other is a new one.
 */
#ifndef HISTORY_STORE_H
#define HISTORY_STORE_H

#include <stddef.h>

#include "history/file.h"
#include "history/history.h"

enum store_statement {
    STORE_PROGRAM_FIND,
    STORE_PROGRAM_ADD,
    STORE_RULE_FIND,
    STORE_RULE_ADD,
    STORE_OPEN_FIND,
    STORE_ADD,
    STORE_COMPLETE,
    STORE_STATEMENTS
};

struct store {
    struct history_file file;
    sqlite3_stmt *statements[STORE_STATEMENTS];
};

enum history_trouble store_open(struct store *store, const char *path);
void store_close(struct store *store);

/* All of them in one transaction, or none. */
enum history_trouble store_add(struct store *store, const struct history_record *const *records, size_t count);

/* Takes rows out that began before then (microseconds since 1970); at most some thousands a call: more says whether to
 * call again. */
enum history_trouble store_drop_before(struct store *store, int64_t then, bool *more);
/* Takes the oldest rows out while file and -wal are larger than bytes: some thousands a call. HISTORY_BUSY: a reader
 * keeps what was taken out. */
enum history_trouble store_drop_above(struct store *store, uint64_t bytes, bool *more);

#endif
