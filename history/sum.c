/* SPDX-License-Identifier: MIT */
/*
 * sum.c - sums over connections; see query.h.
 */
#include "history/query.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <gatehouse/protocol.h>

#include "history/select.h"

/* Of all groups; counts are of connections, each row may stand for several. */
#define SUMS                                                                                                           \
    "sum(CASE verdict WHEN 1 THEN count ELSE 0 END) AS permitted, sum(CASE verdict WHEN 2 THEN count ELSE 0 END) AS "  \
    "blocked, total(bytes_out) AS all_out, total(bytes_in) AS all_in, min(began), max(began) AS latest"

_Static_assert(GATEHOUSE_VERDICT_PERMIT == 1 && GATEHOUSE_VERDICT_BLOCK == 2, "the numbers in SUMS");

struct grouping {
    const char *columns; /* key, place, ip_version, port, protocol, by, other, then SUMS */
    const char *tables, *group;
};

static const struct grouping groupings[] = {
    [HISTORY_BY_PROGRAM] = {"path, NULL, 0, 0, 0, 0, count(DISTINCT coalesce(name, remote)), " SUMS,
                            "connections LEFT JOIN programs ON programs.id=program", "GROUP BY program"},
    [HISTORY_BY_DESTINATION] = {"coalesce(name, remote), NULL, CASE WHEN name IS NULL THEN ip_version ELSE 0 END,"
                                " remote_port, protocol, 0, count(DISTINCT program), " SUMS,
                                "connections", "GROUP BY coalesce(name, remote)"},
    [HISTORY_BY_RULE] = {"nullif(text, ''), place, 0, 0, 0, by, count(DISTINCT program), " SUMS,
                         "connections LEFT JOIN rules ON rules.id=rule", "GROUP BY coalesce(rule, -by)"},
};

static const char *const orders[] = {
    [HISTORY_LATEST_FIRST] = "ORDER BY latest DESC, 1",
    [HISTORY_MOST_FIRST] = "ORDER BY permitted + blocked DESC, latest DESC, 1",
    [HISTORY_BYTES_FIRST] = "ORDER BY all_out + all_in DESC, permitted + blocked DESC, latest DESC, 1",
};

static void read_sum(sqlite3_stmt *statement, struct history_sum *sum, char address[INET6_ADDRSTRLEN])
{
    const void *key = sqlite3_column_blob(statement, 0);
    int size = sqlite3_column_bytes(statement, 0);

    *sum = (struct history_sum){
        .ip_version = (uint8_t)sqlite3_column_int(statement, 2),
        .port = (uint16_t)sqlite3_column_int(statement, 3),
        .protocol = (uint8_t)sqlite3_column_int(statement, 4),
        .by = (uint8_t)sqlite3_column_int(statement, 5),
        .other = (uint64_t)sqlite3_column_int64(statement, 6),
        .permitted = (uint64_t)sqlite3_column_int64(statement, 7),
        .blocked = (uint64_t)sqlite3_column_int64(statement, 8),
        .bytes_out = (uint64_t)sqlite3_column_double(statement, 9),
        .bytes_in = (uint64_t)sqlite3_column_double(statement, 10),
        .first = sqlite3_column_int64(statement, 11),
        .last = sqlite3_column_int64(statement, 12),
    };
    if (sum->ip_version && key && size == (sum->ip_version == 4 ? 4 : 16))
        sum->key = inet_ntop(sum->ip_version == 4 ? AF_INET : AF_INET6, key, address, INET6_ADDRSTRLEN);
    else if (sqlite3_column_type(statement, 0) != SQLITE_NULL)
        sum->key = (const char *)sqlite3_column_text(statement, 0);
    if (sqlite3_column_type(statement, 1) != SQLITE_NULL)
        sum->place = (const char *)sqlite3_column_text(statement, 1);
}

enum agent_result history_sum_up(struct history *history, const struct history_filter *filter, enum history_group group,
                                 enum history_order order, uint64_t limit,
                                 bool (*take)(void *context, const struct history_sum *sum), void *context,
                                 struct problem *problem)
{
    const struct grouping *grouping = &groupings[group];
    char rest[256], address[INET6_ADDRSTRLEN];
    struct selection selection;
    sqlite3_stmt *statement = NULL;
    struct history_sum sum;
    enum agent_result result = select_begin(&selection, history, filter, problem);

    snprintf(rest, sizeof(rest), "AND verdict IN (1, 2) %s %s LIMIT ?", grouping->group, orders[order]);
    if (result == AGENT_OK)
        result = select_prepare(&selection, grouping->columns, grouping->tables, rest, &statement);
    if (result == AGENT_OK)
        sqlite3_bind_int64(statement, selection.bound + 1, limit ? (int64_t)limit : -1);
    while (result == AGENT_OK && (result = select_step(&selection, statement)) == AGENT_OK && selection.row) {
        read_sum(statement, &sum, address);
        if (!take(context, &sum))
            break;
    }
    sqlite3_finalize(statement);
    select_end(&selection);
    return result;
}

enum agent_result history_chart(struct history *history, const struct history_filter *filter, uint64_t *permitted,
                                uint64_t *blocked, unsigned count, struct problem *problem)
{
    int64_t width = (filter->until - filter->since) / count;
    struct selection selection;
    sqlite3_stmt *statement = NULL;
    enum agent_result result = select_begin(&selection, history, filter, problem);

    memset(permitted, 0, count * sizeof(*permitted));
    memset(blocked, 0, count * sizeof(*blocked));
    if (width < 1)
        width = 1;
    if (result == AGENT_OK)
        result = select_prepare(&selection, "began, verdict, count", "connections", "", &statement);
    while (result == AGENT_OK && (result = select_step(&selection, statement)) == AGENT_OK && selection.row) {
        int64_t at = (sqlite3_column_int64(statement, 0) - filter->since) / width;
        uint64_t *bars = sqlite3_column_int(statement, 1) == GATEHOUSE_VERDICT_PERMIT  ? permitted
                         : sqlite3_column_int(statement, 1) == GATEHOUSE_VERDICT_BLOCK ? blocked
                                                                                       : NULL;

        if (bars)
            bars[at < (int64_t)count ? at : (int64_t)count - 1] += (uint64_t)sqlite3_column_int64(statement, 2);
    }
    sqlite3_finalize(statement);
    select_end(&selection);
    return result;
}
