/* SPDX-License-Identifier: MIT */
/*
 * process_facts.h - what this machine knows of the process behind a connection, for people who decide.
 *
 * Everything here comes from the process itself or from files that it may have made: nothing of it decides anything.
 * All of it is bounded, and text is escaped for reading (show.h) as it is taken. A process that is gone, or that is not
 * the one that was meant, is not known: its id may belong to another one by now.
 *
 * process_facts_read may wait: a process can make its command line wait for itself (memory that it answers for), and an
 * executable may lie on a disk that does not answer. Who must not wait asks facts_reader.h, which does this on a
 * thread.
 *
 * How the process is recognized: by its start. A request tells it in wall time as gatehoused reckons it, the system
 * counts from boot. The difference is that of the two clocks, unless the wall clock was set since gatehoused began;
 * then every process is off by the same, and that is believed once two processes agree on it.
 */
#ifndef AGENT_PROCESS_FACTS_H
#define AGENT_PROCESS_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/text.h"

#define PROCESS_PARENTS_MAX 16u
#define PROCESS_NAME_MAX    256u  /* with NUL, escaped */
#define PROCESS_COMMAND_MAX 8192u /* bytes of the command line that are read; more is cut, and "..." says so */
#define PROCESS_PROGRAM_MAX 4096u /* bytes of a path */

/* Which process, as a request tells it. */
struct process_key {
    uint64_t pid;
    uint64_t start; /* 100 ns since 1601 UTC; 0: not known, and then the process is not known either */
    /* The program's path as it was when it was started (its bytes, NUL-terminated; core/path_text.h makes them from a
     * request's). NULL or not from "/" on: not known, or of another mount namespace. */
    const char *program;
};

struct process_parent {
    uint64_t pid;
    char name[PROCESS_NAME_MAX]; /* as the process calls itself */
    struct text program;         /* path, escaped; empty: may not be looked at, or a thread of the kernel */
};

enum process_executable {
    PROCESS_EXECUTABLE_UNKNOWN,
    PROCESS_EXECUTABLE_SAME,    /* what runs is what lies at its path */
    PROCESS_EXECUTABLE_DELETED, /* nothing lies there any more */
    PROCESS_EXECUTABLE_REPLACED /* another file lies there now */
};

struct process_facts {
    bool known;            /* false: nothing below says anything but executable */
    struct text command;   /* words, escaped, with ' around those that need it */
    unsigned parent_count; /* nearest first; ends at the first process, or at PARENTS_MAX */
    struct process_parent parents[PROCESS_PARENTS_MAX]; /* each began no later than its child */
    char unit[PROCESS_NAME_MAX];                        /* systemd unit, escaped: "ssh.service"; empty: none */
    enum process_executable executable;
};

/* A zeroed struct process_facts is one that knows nothing. */
void process_facts_free(struct process_facts *facts);

/* facts is a zeroed or freed one. Any thread. */
void process_facts_read(const struct process_key *key, struct process_facts *facts);

/* Where processes are listed; tests give another folder, which must live on. NULL: the system's. */
void process_facts_use_folder(const char *folder);

#endif
