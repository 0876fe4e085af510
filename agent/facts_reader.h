/* SPDX-License-Identifier: MIT */
/*
 * facts_reader.h - reads process_facts, and whose package the program is, without making anybody wait.
 *
 * A thread reads. The facts come as soon as they are there; the package with them when it is known already, else later.
 * A thread that does not come back within FACTS_READER_PATIENCE_MS is left behind and another one goes on; while
 * FACTS_READER_THREADS_MAX are left behind nothing comes.
 *
 * Use: ask; poll the descriptor; take until there is nothing. Show a question once all is there, or after a quarter
 * of a second with what is there then. One thread uses a reader. While nothing is asked no thread wakes up.
 */
#ifndef AGENT_FACTS_READER_H
#define AGENT_FACTS_READER_H

#include "agent/package_owner.h"
#include "agent/process_facts.h"
#include "agent/result.h"

#define FACTS_READER_WAITING_MAX 2048u
#define FACTS_READER_PATIENCE_MS 2000
#define FACTS_READER_THREADS_MAX 4u

struct facts_reader;

/* NULL with a sentence. */
struct facts_reader *facts_reader_new(struct problem *problem);
/* Waits for no thread: one that is left behind keeps what it needs. NULL is allowed. */
void facts_reader_free(struct facts_reader *reader);

/* Copies the key. False: too many wait, or out of memory; then nothing comes back for this id. */
bool facts_reader_ask(struct facts_reader *reader, uint64_t id, const struct process_key *key);

/* Readable while facts_reader_take has something. */
int facts_reader_descriptor(const struct facts_reader *reader);

struct facts_answer {
    uint64_t id;
    struct process_facts *facts;    /* the caller's now: process_facts_free, then free. NULL: they came before */
    bool whole;                     /* nothing more comes for this id, and package counts */
    char package[PACKAGE_NAME_MAX]; /* empty: no package has the program, or it cannot be told */
};
/* False: nothing is there. */
bool facts_reader_take(struct facts_reader *reader, struct facts_answer *answer);

#endif
