/* SPDX-License-Identifier: MIT */
/*
 * table.c - see table.h.
 */
#include "agent/table.h"

#include <string.h>

/* Characters, not bytes. */
static size_t width_of(const char *cell)
{
    size_t width = 0;

    for (; *cell != '\0'; cell++)
        width += ((unsigned char)*cell & 0xC0) != 0x80;
    return width;
}

void table_begin(struct table *table, const struct table_column *columns, unsigned count)
{
    *table = (struct table){.columns = columns, .count = count};
    for (unsigned i = 0; i < count; i++)
        table->widths[i] = width_of(columns[i].head);
}

void table_free(struct table *table)
{
    text_free(&table->cells);
    *table = (struct table){0};
}

void table_add(struct table *table, const char *cell)
{
    unsigned most = table->columns[table->next].most;
    size_t width = width_of(cell);

    if (most != 0 && width > most)
        width = most;
    if (width > table->widths[table->next])
        table->widths[table->next] = width;
    text_add_bytes(&table->cells, cell, strlen(cell) + 1);
    table->next = table->next + 1 == table->count ? 0 : table->next + 1;
}

void table_take(struct table *table, struct text *cell)
{
    table->cells.failed = table->cells.failed || cell->failed;
    table_add(table, text_string(cell));
    text_clear(cell);
}

static void pad(struct text *to, size_t count)
{
    while (count-- > 0)
        text_add_bytes(to, " ", 1);
}

static void show_cell(const struct table *table, struct text *to, const char *cell, unsigned column)
{
    size_t width = width_of(cell);
    size_t left = width < table->widths[column] ? table->widths[column] - width : 0;

    if (table->columns[column].right)
        pad(to, left);
    text_add(to, cell);
    if (column + 1 == table->count) {
        text_add(to, "\n");
        return;
    }
    pad(to, 2 + (table->columns[column].right ? 0 : left));
}

void table_show(const struct table *table, struct text *to)
{
    const char *cell = text_string(&table->cells);
    unsigned column = 0;

    for (unsigned i = 0; i < table->count; i++)
        show_cell(table, to, table->columns[i].head, i);
    for (size_t at = 0; at < table->cells.used; at += strlen(cell + at) + 1) {
        show_cell(table, to, cell + at, column);
        column = column + 1 == table->count ? 0 : column + 1;
    }
    to->failed = to->failed || table->cells.failed;
}
