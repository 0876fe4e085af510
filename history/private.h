/* SPDX-License-Identifier: MIT */
/*
 * private.h - what a struct history is: a connection for reading, and for a writer a thread with its queue beside it.
 */
#ifndef HISTORY_PRIVATE_H
#define HISTORY_PRIVATE_H

#include "history/file.h"
#include "history/history.h"
#include "history/writer.h"

struct history {
    char path[HISTORY_PATH_MAX + 1];
    struct history_file reading; /* opened when it is needed first */
    uint64_t opened;             /* how often */
    struct writer *writer;       /* NULL: a reader */
};

/* Opens it for reading unless it is, or another file stands there now. */
enum history_trouble history_reading(struct history *history);

#endif
