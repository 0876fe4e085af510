/* SPDX-License-Identifier: MIT */
/*
 * history_fixture.c - see history_fixture.h.
 */
#include "tests/history/history_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <sqlite3.h>
#include <time.h>
#include <unistd.h>

#include <gatehouse/protocol.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char said[65536];

void fixture_say(const char *sentence)
{
    pthread_mutex_lock(&mutex);
    snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", sentence);
    pthread_mutex_unlock(&mutex);
}

unsigned fixture_said_count(const char *part)
{
    unsigned count = 0;

    pthread_mutex_lock(&mutex);
    for (const char *at = said; (at = strstr(at, part)) != NULL; at++)
        count++;
    pthread_mutex_unlock(&mutex);
    return count;
}

bool fixture_said(const char *part)
{
    struct timespec moment = {0, 10 * 1000000};

    for (int i = 0; i < FIXTURE_MS / 10; i++) {
        if (fixture_said_count(part) > 0)
            return true;
        nanosleep(&moment, NULL);
    }
    return false;
}

int fixture_set_up(void **state)
{
    struct history_fixture *fixture = calloc(1, sizeof(*fixture));

    if (!fixture)
        return -1;
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/history-test-XXXXXX");
    if (!mkdtemp(fixture->folder))
        return -1;
    snprintf(fixture->file, sizeof(fixture->file), "%s/history.db", fixture->folder);
    said[0] = '\0';
    *state = fixture;
    return 0;
}

int fixture_tear_down(void **state)
{
    struct history_fixture *fixture = *state;
    DIR *folder = opendir(fixture->folder);
    struct dirent *entry;

    while (folder && (entry = readdir(folder)) != NULL)
        unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder)
        closedir(folder);
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

struct history_record fixture_record(unsigned n)
{
    static char programs[256][24], names[256][24];
    struct history_record record = {.began = 1700000000000000 + n,
                                    .user = n % 5 ? 1000 + n % 5 : UINT32_MAX,
                                    .pid = n % 7 ? 100 + n : 0,
                                    .ip_version = n % 3 ? 4 : 6,
                                    .protocol = n % 4 ? 6 : 17,
                                    .local_port = (uint16_t)(40000 + n % 1000),
                                    .remote_port = n % 2 ? 443 : 53,
                                    .verdict = n % 6 ? GATEHOUSE_VERDICT_PERMIT : GATEHOUSE_VERDICT_BLOCK,
                                    .by = n % 10};

    snprintf(programs[n % 256], sizeof(programs[0]), "/usr/bin/%u", n % 32);
    snprintf(names[n % 256], sizeof(names[0]), "%u.example.org", n % 16);
    record.program = programs[n % 256];
    record.name = n % 2 ? names[n % 256] : NULL;
    record.remote_address[0] = 192;
    record.remote_address[3] = (uint8_t)(n % 64);
    record.local_address[0] = 10;
    return record;
}

struct history *fixture_writer(const struct history_fixture *fixture, const struct history_limits *limits)
{
    struct history *history = NULL;
    struct problem problem = {0};

    assert_int_equal(history_open_writer(fixture->file, limits, fixture_say, &history, &problem), AGENT_OK);
    return history;
}

int64_t fixture_number(const char *file, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;

    assert_int_equal(sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, FIXTURE_MS);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    if (sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return number;
}
