/* SPDX-License-Identifier: MIT */
/*
 * writer.h - the thread that writes the history, and the queue before it.
 *
 * Records wait in memory until the thread takes all that there are, for one transaction. While the file takes none (no
 * room, locked, no right) the queue keeps what fits and counts the rest as lost; the thread says so once, tries again
 * after a growing pause, and says when it is over. Nobody who adds ever waits for the file.
 *
 * Locks: one, around the queue; no call of SQLite or say() is made under it.
 */
#ifndef HISTORY_WRITER_H
#define HISTORY_WRITER_H

#include "history/history.h"

#define WRITER_QUEUE_RECORDS 65536u
#define WRITER_QUEUE_BYTES   (32u << 20)
#define WRITER_BATCH         4096u

struct writer;

/* path and say must live as long. NULL: out of memory. */
struct writer *writer_start(const char *path, const struct history_limits *limits, void (*say)(const char *sentence));
/* Writes what waits, as long as the file takes it, for at most timeout_ms. */
void writer_stop(struct writer *writer, int timeout_ms);
void writer_add(struct writer *writer, const struct history_record *record);
bool writer_flush(struct writer *writer, int timeout_ms);

#endif
