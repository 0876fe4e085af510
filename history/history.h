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
    uint64_t endpoint; /* joins what is told at the verdict and at the end; 0: none */
};

struct history;

struct history_limits {
    uint32_t days;
    uint64_t bytes;
};

/* Makes file and folder when they are missing. say: told of trouble and of its end, on any thread. */
enum agent_result history_open_writer(const char *path, const struct history_limits *limits,
                                      void (*say)(const char *sentence), struct history **history,
                                      struct problem *problem);
enum agent_result history_open_reader(const char *path, struct history **history, struct problem *problem);
/* Writes what waits, for at most 5 s. NULL is allowed. */
void history_close(struct history *history);

/* Copies the record. Never waits. */
void history_add(struct history *history, const struct history_record *record);
/* Waits until all that was added is on disk, or timeout_ms passed: false. */
bool history_flush(struct history *history, int timeout_ms);

/* How often this program was permitted and blocked at this destination before: by name when it has one, else address.
 */
struct history_before {
    uint64_t permitted, blocked;
    int64_t last; /* 0: never */
};
bool history_before(struct history *history, const struct history_record *like, struct history_before *before);

#endif
