/* SPDX-License-Identifier: MIT */
/*
 * live_options.c - see live_options.h: takes out its own options and leaves the rest to options.c.
 */
#include "lab/live_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_SECONDS 30u

static bool wrong(const char *about, const char *sentence)
{
    fprintf(stderr, "wfplab: %s: %s\n", about, sentence);
    return false;
}

static bool read_answer(struct live_arguments *read, const char *value)
{
    read->wish.answers = true;
    read->wish.permit = strcmp(value, "permit") == 0;
    return read->wish.permit || strcmp(value, "block") == 0 || wrong("--answer", "expected permit or block.");
}

/* NAME=NUMBER; the name is kept. */
static bool read_parameter(struct live_arguments *read, const char *value)
{
    const char *equal = strchr(value, '=');
    struct nt_registry_value *parameter = &read->parameters[read->parameter_count];
    char *name, *end;

    if (equal == NULL || equal == value || equal[1] < '0' || equal[1] > '9')
        return wrong("--set", "expected NAME=NUMBER.");
    if (read->parameter_count == LIVE_PARAMETERS_MAX)
        return wrong("--set", "there are more than 24 of them.");
    parameter->value = (ULONG)strtoul(equal + 1, &end, 0);
    name = strndup(value, (size_t)(equal - value));
    if (name == NULL)
        abort();
    parameter->name = name;
    read->parameter_count++;
    return *end == 0 || wrong("--set", "expected NAME=NUMBER.");
}

static bool read_seconds(struct live_arguments *read, const char *value)
{
    char *end;

    read->seconds = strtod(value, &end);
    return (*value >= '0' && *value <= '9' && *end == 0 && read->seconds > 0 && read->seconds <= 1e6) ||
           wrong("--for", "expected seconds, more than 0.");
}

static bool read_limit(struct live_arguments *read, const char *value)
{
    char *end;

    read->limit = (unsigned)strtoul(value, &end, 10);
    return (*value >= '0' && *value <= '9' && *end == 0 && read->limit <= 86400) ||
           wrong("--limit", "expected seconds from 0 (no limit) to 86400.");
}

static bool read_value(struct live_arguments *read, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **text;
    } texts[] = {{"--device", &read->wish.device},
                 {"--port", &read->wish.port},
                 {"--ask", &read->wish.ask},
                 {"--reply", &read->wish.reply},
                 {"--socket", &read->socket_path}};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(name, texts[i].name) != 0)
            continue;
        *texts[i].text = value;
        return true;
    }
    return strcmp(name, "--answer") == 0 ? read_answer(read, value)
           : strcmp(name, "--set") == 0  ? read_parameter(read, value)
           : strcmp(name, "--for") == 0  ? read_seconds(read, value)
                                         : read_limit(read, value);
}

/* "--name VALUE" and "--name=VALUE" of ours. */
static bool is_ours(const char *word, char *name, size_t room)
{
    static const char *const names[] = {"--device", "--port", "--ask", "--reply", "--socket",
                                        "--answer", "--set",  "--for", "--limit"};
    const char *equal = strchr(word, '=');

    snprintf(name, room, "%.*s", (int)(equal != NULL ? (size_t)(equal - word) : strlen(word)), word);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool take_words(int count, char **arguments, struct live_arguments *read, char **rest, int *rest_count)
{
    char name[32];

    for (int at = 0; at < count; at++) {
        char *equal = strchr(arguments[at], '=');

        if (strcmp(arguments[at], "--unverified") == 0) {
            read->unverified = true;
        } else if (!is_ours(arguments[at], name, sizeof(name))) {
            rest[(*rest_count)++] = arguments[at];
        } else if (equal == NULL && at + 1 == count) {
            return wrong(name, "it needs a value behind it.");
        } else if (!read_value(read, name, equal != NULL ? equal + 1 : arguments[++at])) {
            return false;
        }
    }
    return true;
}

static bool check(struct live_arguments *read)
{
    const struct options *options = &read->options;

    if (options->scenario_count != 0)
        return wrong(options->scenarios[0], "live takes real connections, not a scenario.");
    if (options->asan || options->record || options->trace)
        return wrong("live", "--asan, --record and --trace are for scenarios.");
    if (read->wish.device != NULL && read->wish.port != NULL)
        return wrong("live", "--device and --port: one of them.");
    if (read->socket_path != NULL && (*read->socket_path == 0 || strlen(read->socket_path) > 107))
        return wrong("--socket", "expected a path of 1 to 107 bytes.");
    read->wish.answers = read->wish.answers || read->wish.reply != NULL;
    snprintf(read->device, sizeof(read->device), "\\\\.\\%s",
             read->wish.device != NULL ? read->wish.device : "Gatehouse");
    if (read->wish.answers)
        read->protocol_count = live_protocols_find(&read->wish, read->protocols);
    return !read->wish.answers || read->protocol_count != 0;
}

bool live_arguments_read(int count, char **arguments, struct live_arguments *read)
{
    static char **rest; /* kept: options point into it */
    int rest_count = 0;

    rest = calloc((size_t)count + 1, sizeof(*rest));

    memset(read, 0, sizeof(*read));
    read->limit = LIMIT_SECONDS;
    if (rest == NULL)
        abort();
    return take_words(count, arguments, read, rest, &rest_count) &&
           options_read(rest_count, rest, &read->options) == OPTIONS_GOOD && check(read);
}
