/* SPDX-License-Identifier: MIT */
/*
 * history_fixture.h - a folder of its own for each test, records, and what SQLite itself says of a file.
 */
#ifndef TESTS_HISTORY_FIXTURE_H
#define TESTS_HISTORY_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "history/history.h"

#define FIXTURE_MS 30000 /* the longest that anything is waited for */

struct history_fixture {
    char folder[64], file[96];
};

int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* Said so far, all sentences one after the other; fixture_say is for history_open_writer. */
void fixture_say(const char *sentence);
/* Waits for a sentence with this in it. */
bool fixture_said(const char *part);
unsigned fixture_said_count(const char *part);

/* A connection of /usr/bin/N to 192.0.2.N:443; its texts are static. */
struct history_record fixture_record(unsigned n);
struct history *fixture_writer(const struct history_fixture *fixture, const struct history_limits *limits);

/* The first number of the first row, by SQLite alone. */
int64_t fixture_number(const char *file, const char *sql);

#endif
