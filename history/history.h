/* SPDX-License-Identifier: MIT */
/*
 * history.h - what happened: each connection, who decided it, what it carried. One SQLite file (WAL).
 *
 * One writer (gatehouse run), any number of readers. Bounded by age and by size: the oldest go first. Writing never
 * makes a decision wait and never fails one: records wait in memory (bounded, then counted as lost) and go out in one
 * transaction at a time, on a thread of their own. A full disk or a locked file is told once, and tried again; a
 * damaged file is put aside and a new one begun. Text from outside (paths, names) is bound, never pasted into SQL.
 *
 * Times are microseconds since 1970 UTC. Paths are bytes as the system has them (no UTF-8 promised), and stored so.
 */
#ifndef HISTORY_HISTORY_H
#define HISTORY_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/result.h"

#define HISTORY_DEFAULT_PATH  "/var/lib/gatehouse-history/history.db"
#define HISTORY_DEFAULT_DAYS  30u
#define HISTORY_DEFAULT_BYTES (100ull << 20)

/* One connection, or one answer of a person. Pointers are the caller's and good for the call; NULL: not known. */
struct history_record {
    int64_t began;       /* when it was held or permitted */
    int64_t decided;     /* 0: was not held */
    int64_t ended;       /* 0: not known */
    const char *program; /* path; NULL: unknown */
    const char *name;    /* that the address was looked up under */
    const char *rule;    /* as written, when a rule decided */
    const char *place;   /* of the rule: "/etc/gatehouse/rules:12", "added", "answer" */
    const char *who;     /* user name of the person who answered */
    uint64_t rule_id;    /* 0: none */
    uint64_t pid;        /* 0: none */
    uint32_t user;       /* UINT32_MAX: not known */
    uint8_t local_address[16], remote_address[16];
    uint16_t local_port, remote_port;
    uint8_t ip_version, protocol;
    bool inbound;
    uint8_t verdict; /* enum gatehouse_verdict */
    uint8_t by;      /* enum gatehouse_decided_by; BY_NONE: a filter that is no rule, or the default */
    bool counted;    /* bytes are known */
    uint64_t bytes_out, bytes_in;
    /*
     * Joins what is told at the verdict and at the end: a record with that of an earlier one, to the same destination,
     * that began before that one ended completes it. 0: none.
     */
    uint64_t endpoint;
    uint32_t count; /* such connections that this one stands for; 0 is 1 */
};

struct history;

struct history_limits {
    uint32_t days;  /* 0: HISTORY_DEFAULT_DAYS */
    uint64_t bytes; /* file and -wal; 0: HISTORY_DEFAULT_BYTES; at least HISTORY_LEAST_BYTES */
};
#define HISTORY_LEAST_BYTES (4ull << 20)

/*
 * Makes file and folder when they are missing, later if they cannot be made now. Fails for want of memory and for a
 * path that can be none. limits NULL: the defaults. say: told of trouble and of its end, on a thread of the history's.
 */
enum agent_result history_open_writer(const char *path, const struct history_limits *limits,
                                      void (*say)(const char *sentence), struct history **history,
                                      struct problem *problem);
/* Needs no right to write. AGENT_UNREACHABLE: there is none yet. A reader belongs to one thread at a time. */
enum agent_result history_open_reader(const char *path, struct history **history, struct problem *problem);
/* Writes what waits, for at most 5 s. NULL is allowed. */
void history_close(struct history *history);

/* Copies the record. Never waits. history may be NULL. Any thread, as history_flush. */
void history_add(struct history *history, const struct history_record *record);
/* Waits until all that was added is on disk, or timeout_ms passed: false. */
bool history_flush(struct history *history, int timeout_ms);

/* False: there is no file at the path, or a new one that is still empty. */
bool history_is_there(struct history *history);
/* Counts up when another file stands at the path than before, whose row numbers mean something else. */
uint64_t history_opened(const struct history *history);

/* How often this program was permitted and blocked at this destination before: by name when it has one, else address.
 */
struct history_before {
    uint64_t permitted, blocked;
    int64_t last; /* 0: never */
};
/* false: it cannot be read now; before is all zero then. */
bool history_before(struct history *history, const struct history_record *like, struct history_before *before);

#endif
