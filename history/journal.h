/* SPDX-License-Identifier: MIT */
/*
 * journal.h - tells the system's journal of connections that were held, logged or blocked.
 *
 * systemd's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), one datagram a connection, and not sd_journal_sendv:
 * that waits when the journal is busy, and nobody who decides may wait for it. What does not go at once is dropped, and
 * how many were is a field of the next. Where no journal listens, each costs one failing system call.
 */
#ifndef HISTORY_JOURNAL_H
#define HISTORY_JOURNAL_H

#include "history/history.h"

#define JOURNAL_PATH "/run/systemd/journal/socket"
/* MESSAGE_ID, for journalctl: made at random, never reused. */
#define JOURNAL_PERMITTED "7099f836bb4a4c9a9ea5c6a7c52fa7d3"
#define JOURNAL_BLOCKED   "fdcabcede2834fe2a560e929d873f526"

struct journal;

/* NULL: out of memory, or no socket could be made. path: JOURNAL_PATH but in tests. */
struct journal *journal_open(const char *path);
/* NULL is allowed, here and below. */
void journal_close(struct journal *journal);

/* One that was not held and is told again (a count that grew) is left out. */
void journal_tell(struct journal *journal, const struct history_record *record);

#endif
