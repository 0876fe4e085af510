/* SPDX-License-Identifier: MIT */
/*
 * write_history FILE - writes a history: each line of standard input is one record, a JSON object with the members of
 * struct history_record, addresses as text; an empty line waits until all is on disk, and prints a line.
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "history/history.h"

static void say(const char *sentence)
{
    fprintf(stderr, "%s\n", sentence);
}

static int64_t number(const json_t *object, const char *name, int64_t otherwise)
{
    const json_t *value = json_object_get(object, name);

    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

static const char *text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void read_address(const json_t *object, const char *name, uint8_t address[16], uint8_t *version)
{
    const char *value = text(object, name);

    if (!value)
        return;
    *version = strchr(value, ':') ? 6 : 4;
    inet_pton(*version == 4 ? AF_INET : AF_INET6, value, address);
}

static void add(struct history *history, const json_t *object)
{
    struct history_record record = {.began = number(object, "began", 0),
                                    .decided = number(object, "decided", 0),
                                    .ended = number(object, "ended", 0),
                                    .program = text(object, "program"),
                                    .name = text(object, "name"),
                                    .rule = text(object, "rule"),
                                    .place = text(object, "place"),
                                    .who = text(object, "who"),
                                    .rule_id = (uint64_t)number(object, "rule_id", 0),
                                    .pid = (uint64_t)number(object, "pid", 0),
                                    .user = (uint32_t)number(object, "user", UINT32_MAX),
                                    .local_port = (uint16_t)number(object, "local_port", 0),
                                    .remote_port = (uint16_t)number(object, "remote_port", 0),
                                    .ip_version = 4,
                                    .protocol = (uint8_t)number(object, "protocol", 6),
                                    .inbound = number(object, "inbound", 0) != 0,
                                    .verdict = (uint8_t)number(object, "verdict", 0),
                                    .by = (uint8_t)number(object, "by", 0),
                                    .counted = json_object_get(object, "bytes_out") != NULL,
                                    .bytes_out = (uint64_t)number(object, "bytes_out", 0),
                                    .bytes_in = (uint64_t)number(object, "bytes_in", 0),
                                    .endpoint = (uint64_t)number(object, "endpoint", 0),
                                    .count = (uint32_t)number(object, "count", 0)};

    read_address(object, "local", record.local_address, &record.ip_version);
    read_address(object, "remote", record.remote_address, &record.ip_version);
    history_add(history, &record);
}

int main(int argc, char **argv)
{
    struct history *history = NULL;
    struct problem problem = {0};
    static char line[65536];

    if (argc != 2 || history_open_writer(argv[1], NULL, say, &history, &problem) != AGENT_OK)
        return 1;
    while (fgets(line, sizeof(line), stdin)) {
        json_t *object = json_loads(line, 0, NULL);

        if (object)
            add(history, object);
        else if (!history_flush(history, 30000) || puts("written") < 0 || fflush(stdout) != 0)
            return 1;
        json_decref(object);
    }
    history_close(history);
    return 0;
}
