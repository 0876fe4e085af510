/* SPDX-License-Identifier: MIT */
/*
 * facts_reader.h - reads process_facts, with the package, without making anybody wait.
 *
 * A thread reads. What was asked comes back twice at most: all but the package as soon as it is there, then, unless it
 * was there at once, with the package (whole is true; package may still be empty: no package has the program). A thread
 * that does not come back within FACTS_READER_PATIENCE_MS is left behind and another one goes on; once
 * FACTS_READER_THREADS_MAX are left behind nothing is known of any process until one of them comes back.
 *
 * Use: ask; poll the descriptor; take until there is nothing. Show a question when its whole facts are there, or after
 * a quarter of a second with what is there then, or without. One thread uses a reader.
 */
#ifndef AGENT_FACTS_READER_H
#define AGENT_FACTS_READER_H

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
    bool whole;                  /* nothing more comes for this id */
    struct process_facts *facts; /* the caller's now: process_facts_free, then free */
};
/* False: nothing is there. */
bool facts_reader_take(struct facts_reader *reader, struct facts_answer *answer);

#endif
