/* SPDX-License-Identifier: MIT */
/*
 * table.h - rows of cells as columns of text, each as wide as its widest cell.
 *
 * Cells are copied as they come, row by row; what is not safe on a terminal is the caller's to escape. One column may
 * be bounded: a wider cell pushes the rest to the right in its own line only. One thread.
 */
#ifndef AGENT_TABLE_H
#define AGENT_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/text.h"

#define TABLE_COLUMNS_MAX 12u

struct table_column {
    const char *head;
    bool right;    /* numbers */
    unsigned most; /* characters that count for its width; 0: all */
};

struct table {
    const struct table_column *columns;
    unsigned count;
    struct text cells; /* each with its NUL */
    size_t widths[TABLE_COLUMNS_MAX];
    unsigned next; /* column of the next cell */
};

/* columns stay the caller's and must live as long. A zeroed struct table is good for table_free too. */
void table_begin(struct table *table, const struct table_column *columns, unsigned count);
void table_free(struct table *table);

/* The next cell of the row; after the last column a new row begins. */
void table_add(struct table *table, const char *cell);
/* The same; empties the text for the next one. */
void table_take(struct table *table, struct text *cell);

/* The heads and all rows, each line with its newline; sets to->failed when memory ended before. */
void table_show(const struct table *table, struct text *to);

#endif
