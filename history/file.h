/* SPDX-License-Identifier: MIT */
/*
 * file.h - the SQLite file of the history: how it is opened, what is in it, and what its errors mean for who uses it.
 *
 * A connection to the file belongs to one thread at a time. The writer makes the file, brings older ones to the present
 * schema, and puts a damaged one aside. Readers change nothing: they need the right to read the file, its -wal and its
 * -shm, which stay there between writers (SQLITE_FCNTL_PERSIST_WAL), but none to write.
 *
 * When you change the schema: count HISTORY_SCHEMA up and add a step to migrations[] in file.c; a file that was made
 * by a newer Gatehouse is left alone.
 */
#ifndef HISTORY_FILE_H
#define HISTORY_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <sqlite3.h>

#include "agent/result.h"

#define HISTORY_SCHEMA      1
#define HISTORY_APPLICATION 0x47484849 /* "GHHI", PRAGMA application_id */
#define HISTORY_PATH_MAX    4000u

enum history_trouble {
    HISTORY_FINE,
    HISTORY_BUSY,     /* somebody else has it */
    HISTORY_FULL,     /* no room on the device */
    HISTORY_DENIED,   /* no right, or a device that is read-only */
    HISTORY_MISSING,  /* no such file or folder */
    HISTORY_DAMAGED,  /* what is there is no whole SQLite file */
    HISTORY_FOREIGN,  /* it is another program's, or a newer Gatehouse's */
    HISTORY_TROUBLED, /* anything else */
};

struct history_file {
    sqlite3 *db; /* NULL: not open */
    const char *path;
    dev_t device; /* of the file when it was opened */
    ino_t inode;
    char why[256]; /* the last trouble, as the end of a sentence without a full stop */
};

/* A file at this path, opened for writing: made, with its folder, when it is not there; schema brought up. */
enum history_trouble history_file_write(struct history_file *file, const char *path);
enum history_trouble history_file_read(struct history_file *file, const char *path);
/* Also one that is not open. */
void history_file_close(struct history_file *file);
/* Another file stands at the path now, or none. */
bool history_file_replaced(const struct history_file *file);
/* Renames file, -wal and -shm to .damaged; an earlier .damaged goes. Closes first. */
enum history_trouble history_file_put_aside(struct history_file *file, const char *path);

/* What the last call on db means; fills why. */
enum history_trouble history_file_trouble(struct history_file *file);
/* Runs statements that answer nothing. */
enum history_trouble history_file_run(struct history_file *file, const char *sql);
/* The first number of the first row; otherwise when there is none. */
enum history_trouble history_file_number(struct history_file *file, const char *sql, int64_t *number);
/* Bytes of the file and its -wal. */
uint64_t history_file_size(const struct history_file *file);

#endif
