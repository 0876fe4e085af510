/* SPDX-License-Identifier: MIT */
/*
 * scenario_parse.c - see scenario.h: one row of rows[] for each word that a line may begin with.
 */
#include "lab/scenario_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatehouse/protocol.h"

static const char *const verdicts[] = {"permit", "block", NULL};

/* GATEHOUSE_VERDICT_*: the protocol's numbers begin with 1. */
bool parse_verdict(struct words *words, uint32_t *verdict)
{
    if (!words_choice(words, verdicts, "permit or block", verdict))
        return false;
    *verdict += GATEHOUSE_VERDICT_PERMIT;
    return true;
}

static bool read_setting(struct words *words, struct scenario_settings *settings, bool loading)
{
    static const char *const names[] = {"deadline", "undecided", "no-decider", "capacity", "hold-loopback", NULL};
    static const char *const policy_names[] = {"deadline", "undecided", "no-decider", NULL};
    static const char *const no_decider[] = {"hold", "permit", "block", NULL};
    uint32_t which;

    if (!words_choice(words, loading ? names : policy_names,
                      loading ? "deadline, undecided, no-decider, capacity, hold-loopback, keep or parameter"
                              : "deadline, undecided or no-decider",
                      &which))
        return false;
    settings->given[which] = true;
    switch (which) {
    case SETTING_UNDECIDED:
        return parse_verdict(words, &settings->value[which]);
    case SETTING_NO_DECIDER:
        return words_choice(words, no_decider, "hold, permit or block", &settings->value[which]);
    case SETTING_HOLD_LOOPBACK:
        settings->value[which] = 1;
        return true;
    default:
        return words_number(words, 0, UINT32_MAX, which == SETTING_DEADLINE ? "milliseconds" : "a count",
                            &settings->value[which]);
    }
}

/* parameter NAME NUMBER */
static bool read_parameter(struct words *words, struct scenario_step *step)
{
    struct scenario_parameter *parameter;
    uint64_t number;

    if (step->parameter_count == SCENARIO_SETTINGS_MAX)
        return words_expected(words, "no more than 16 parameters");
    if (step->parameters == NULL)
        step->parameters = calloc(SCENARIO_SETTINGS_MAX, sizeof(step->parameters[0]));
    if (step->parameters == NULL)
        abort();
    parameter = &step->parameters[step->parameter_count++];
    if (!words_text(words, "a parameter's name", parameter->name, SCENARIO_NAME_MAX) ||
        !words_any_number(words, UINT32_MAX, "a number", &number))
        return false;
    parameter->value = (uint32_t)number;
    return true;
}

static bool is_setting(const struct words *words)
{
    static const char *const begins[] = {"deadline",      "undecided", "no-decider", "capacity",
                                         "hold-loopback", "parameter", "keep"};

    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
        if (strcmp(words->word[words->at], begins[i]) == 0)
            return true;
    return false;
}

/* A driver of several, by its file's name without what is behind the last dot. */
static bool read_driver(struct words *words, struct scenario_step *step)
{
    return words_text(words, "a driver's name of at most 31 characters", step->driver, SCENARIO_NAME_MAX);
}

static bool parse_load(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    (void)scenario;
    if (words_are_left(words) && !is_setting(words) && !read_driver(words, step))
        return false;
    while (words_are_left(words)) {
        if (words_take(words, "keep"))
            step->keeps = true;
        else if (words_take(words, "parameter") ? !read_parameter(words, step)
                                                : !read_setting(words, &step->settings, true))
            return false;
    }
    return true;
}

static bool parse_unload(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    (void)scenario;
    step->meanwhile = words_take(words, "meanwhile");
    return !words_are_left(words) || read_driver(words, step);
}

static bool parse_late(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    (void)words;
    (void)scenario;
    step->value = WORLD_NOTIFY_LATE;
    return true;
}

static bool parse_never(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    (void)words;
    (void)scenario;
    step->value = WORLD_NOTIFY_NEVER;
    return true;
}

static bool parse_policy(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    (void)scenario;
    do {
        if (!read_setting(words, &step->settings, false))
            return false;
    } while (words_are_left(words));
    return true;
}

static bool parse_nothing(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    (void)words;
    (void)scenario;
    (void)step;
    return true;
}

/* One attribute of a connect; *from: the version of a from address, 0 for none. */
static bool read_attribute(struct words *words, struct scenario *scenario, struct scenario_step *step, uint8_t *from)
{
    static const char *const names[] = {"tcp", "udp",  "protocol", "from",      "to", "program",
                                        "pid", "user", "loopback", "socket-of", NULL};
    struct world_connect *connect = step->connect;
    uint32_t which, number = 0;

    if (!words_choice(words, names, "tcp, udp, protocol, from, to, program, pid, user, loopback or socket-of", &which))
        return false;
    switch (which) {
    case 0:
    case 1:
        connect->protocol = which == 0 ? 6 : 17;
        return true;
    case 2:
        if (!words_number(words, 0, 255, "a protocol's number", &number))
            return false;
        connect->protocol = (uint8_t)number;
        return true;
    case 3:
        return words_address(words, from, connect->local_address, &connect->local_port);
    case 4:
        return words_address(words, &connect->ip_version, connect->remote_address, &connect->remote_port);
    case 5:
        return words_path(words, connect->program);
    case 6:
        connect->has_process = !words_take(words, "none");
        if (!connect->has_process)
            return true;
        if (!words_number(words, 1, UINT32_MAX, "none or a process id", &number))
            return false;
        connect->process_id = number;
        return true;
    case 7:
        return words_sid(words, connect->user_sid, &connect->user_sid_size);
    case 8:
        connect->loopback = true;
        return true;
    default:
        return words_known(words, &scenario->connections, "a connection", &step->socket_of);
    }
}

/* Without more: TCP, /bin/app of process 77, from 10.0.0.1:40000 or [fd00::1]:40000 to 192.0.2.1:443. */
static bool parse_connect(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    static const uint8_t local4[16] = {10, 0, 0, 1}, local6[16] = {0xfd, [15] = 1}, remote4[16] = {192, 0, 2, 1};
    struct world_connect *connect = calloc(1, sizeof(*connect));
    uint8_t from = 0;

    if (connect == NULL)
        abort();
    step->connect = connect;
    connect->ip_version = 4;
    connect->protocol = 6;
    connect->local_port = 40000;
    connect->remote_port = 443;
    memcpy(connect->remote_address, remote4, 16);
    connect->has_process = true;
    connect->process_id = 77;
    for (const char *p = "/bin/app"; *p != 0; p++)
        connect->program[p - "/bin/app"] = (uint8_t)*p;
    step->socket_of = SCENARIO_NOBODY;
    if (!words_new(words, scenario, &scenario->connections, &step->subject))
        return false;
    while (words_are_left(words))
        if (!read_attribute(words, scenario, step, &from))
            return false;
    if (from == 0)
        memcpy(connect->local_address, connect->ip_version == 6 ? local6 : local4, 16);
    else if (from != connect->ip_version)
        return words_expected(words, "from and to of one IP version");
    if (step->socket_of == SCENARIO_NOBODY)
        step->socket_of = step->subject;
    return true;
}

static bool parse_connection(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    return words_known(words, &scenario->connections, "a connection", &step->subject);
}

static bool parse_packet(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    if (!parse_connection(words, scenario, step))
        return false;
    step->inbound = words_take(words, "in");
    return true;
}

/* A connection's socket or a client's handle. */
static bool parse_close(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    if (words_find(words, &scenario->clients, &step->subject)) {
        words->at++;
        step->kind = STEP_CLOSE_CLIENT;
        return true;
    }
    return words_known(words, &scenario->connections, "a connection or a client", &step->subject);
}

/* A new one, or a HELLO on the handle of one that is there. */
static bool parse_new_client(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    if (words_find(words, &scenario->clients, &step->subject)) {
        words->at++;
        return true;
    }
    return words_new(words, scenario, &scenario->clients, &step->subject);
}

static bool parse_client(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    return words_known(words, &scenario->clients, "a client", &step->subject);
}

static bool parse_read(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    step->value = 60000;
    return parse_client(words, scenario, step) &&
           (!words_are_left(words) || words_number(words, 0, 100000, "bytes", &step->value));
}

static bool read_decision(struct words *words, struct scenario *scenario, struct scenario_decision *decision)
{
    if (words_take(words, "nobody"))
        decision->connection = SCENARIO_NOBODY;
    else if (!words_known(words, &scenario->connections, "a connection (or nobody)", &decision->connection))
        return false;
    if (!parse_verdict(words, &decision->verdict))
        return false;
    if (words_take(words, "destination"))
        decision->scope = GATEHOUSE_SCOPE_PROGRAM_DESTINATION;
    else if (words_take(words, "program"))
        decision->scope = GATEHOUSE_SCOPE_PROGRAM;
    return !words_take(words, "for") || words_number(words, 0, UINT32_MAX, "milliseconds", &decision->lifetime_ms);
}

static bool parse_answer(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    if (!parse_client(words, scenario, step))
        return false;
    do {
        if (step->decision_count == SCENARIO_BATCH_MAX)
            return words_expected(words, "no more than 16 decisions");
        if (!read_decision(words, scenario, &step->decisions[step->decision_count++]))
            return false;
    } while (words_take(words, ","));
    return !words_are_left(words) || words_expected(words, "destination, program, for, a comma or the end of the line");
}

static bool parse_filter(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    static const char *const versions[] = {"v4", "v6", NULL};
    uint32_t verdict, version, port = 0;

    if (!words_new(words, scenario, &scenario->filters, &step->subject) || !parse_verdict(words, &verdict) ||
        !words_choice(words, versions, "v4 or v6", &version))
        return false;
    step->filter.block = verdict == GATEHOUSE_VERDICT_BLOCK;
    step->filter.ip_version = version == 0 ? 4 : 6;
    step->filter.has_port = words_take(words, "port");
    if (step->filter.has_port && !words_number(words, 0, 65535, "a port", &port))
        return false;
    step->filter.remote_port = (uint16_t)port;
    return true;
}

static bool parse_remove(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    return words_known(words, &scenario->filters, "a filter", &step->subject);
}

static bool parse_sleep(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    (void)scenario;
    return words_number(words, 1, SLEEP_MAX_MS, "milliseconds", &step->value);
}

static bool parse_until(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    static const char *const what[] = {"decided", "answers", NULL};
    uint32_t which;

    if (!words_choice(words, what, "decided or answers", &which))
        return false;
    if (which == 1) {
        step->kind = STEP_UNTIL_ANSWERS;
        return words_number(words, 0, UINT32_MAX, "a count", &step->value);
    }
    do {
        if (step->decision_count == SCENARIO_BATCH_MAX)
            return words_expected(words, "no more than 16 connections");
        if (!words_known(words, &scenario->connections, "a connection",
                         &step->decisions[step->decision_count++].connection))
            return false;
    } while (words_are_left(words));
    return true;
}

static bool parse_needs(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    (void)scenario;
    (void)step;
    return words_take(words, "virtual-clock") || words_expected(words, "virtual-clock");
}

static const struct row {
    const char *word;
    enum scenario_step_kind kind;
    parse_step *parse;
} rows[] = {
    {"load", STEP_LOAD, parse_load},
    {"unload", STEP_UNLOAD, parse_unload},
    {"connect", STEP_CONNECT, parse_connect},
    {"establish", STEP_ESTABLISH, parse_connection},
    {"packet", STEP_PACKET, parse_packet},
    {"close", STEP_CLOSE_CONNECTION, parse_close},
    {"decider", STEP_DECIDER, parse_new_client},
    {"observer", STEP_OBSERVER, parse_new_client},
    {"seed", STEP_SEED, parse_new_client},
    {"read", STEP_READ, parse_read},
    {"cancel", STEP_CANCEL, parse_client},
    {"answer", STEP_ANSWER, parse_answer},
    {"policy", STEP_POLICY, parse_policy},
    {"status", STEP_STATUS, parse_nothing},
    {"kill", STEP_KILL, parse_client},
    {"change-filters", STEP_CHANGE_FILTERS, parse_nothing},
    {"filter", STEP_FILTER, parse_filter},
    {"remove", STEP_REMOVE, parse_remove},
    {"sleep", STEP_SLEEP, parse_sleep},
    {"until", STEP_UNTIL_DECIDED, parse_until},
    {"needs", STEP_NEEDS_VIRTUAL_CLOCK, parse_needs},
    {"open", STEP_OPEN, parse_open},
    {"send", STEP_SEND, parse_send},
    {"port", STEP_PORT, parse_port},
    {"message", STEP_MESSAGE, parse_message},
    {"reply", STEP_REPLY, parse_reply},
    {"expect", STEP_EXPECT, parse_expect},
    {"irql", STEP_IRQL, parse_irql},
    {"suspend", STEP_SUSPEND, parse_suspend},
    {"resume", STEP_RESUME, parse_nothing},
    {"fault", STEP_FAULT, parse_fault},
    {"delay-notify", STEP_NOTIFY, parse_late},
    {"drop-notify", STEP_NOTIFY, parse_never},
    {"rules", STEP_RULES, parse_rules},
    {"rule", STEP_RULE_ADD, parse_rule},
    {"list", STEP_LIST, parse_client},
    {"name", STEP_NAME, parse_name},
    {"exit", STEP_EXIT, parse_exit},
    {"then", STEP_THEN, parse_nothing},
    {"state", STEP_STATE, parse_nothing},
};

static bool parse_line(struct words *words, struct scenario *scenario, struct scenario_step *step)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (words_take(words, rows[i].word)) {
            step->kind = rows[i].kind;
            return rows[i].parse(words, scenario, step) && words_end(words);
        }
    }
    return words_expected(words, "a step (load, connect, answer, ...: docs/scenarios.md has all)");
}

void scenario_lines_add(struct scenario_lines *lines, const char *text, size_t size)
{
    if (lines->count == lines->room) {
        lines->room = lines->room * 2 + 4;
        lines->text = realloc(lines->text, lines->room * sizeof(lines->text[0]));
    }
    if (lines->text == NULL || (lines->text[lines->count] = malloc(size + 1)) == NULL)
        abort();
    memcpy(lines->text[lines->count], text, size);
    lines->text[lines->count++][size] = 0;
}

void scenario_lines_free(struct scenario_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->text[i]);
    free(lines->text);
    *lines = (struct scenario_lines){0};
}

static struct scenario_step *new_step(struct scenario *scenario)
{
    if (scenario->count == scenario->room) {
        scenario->room = scenario->room * 2 + 32;
        scenario->steps = realloc(scenario->steps, scenario->room * sizeof(scenario->steps[0]));
        if (scenario->steps == NULL)
            abort();
    }
    memset(&scenario->steps[scenario->count], 0, sizeof(scenario->steps[0]));
    return &scenario->steps[scenario->count++];
}

/* An expected event goes to the step before it; it is no part of the source. */
static bool add_event(struct words *words, struct scenario *scenario, const char *line, size_t size)
{
    if (scenario->count == 0)
        return words_wrong(words, "is an event, and there is no step before it", "> ...");
    for (line++, size--; size != 0 && (*line == ' ' || *line == '\t'); size--)
        line++;
    while (size != 0 && (line[size - 1] == ' ' || line[size - 1] == '\t' || line[size - 1] == '\r'))
        size--;
    scenario_lines_add(&scenario->steps[scenario->count - 1].expected, line, size);
    scenario->compares = true;
    scenario->compares_rules |= size >= 7 && memcmp(line, "broken ", 7) == 0;
    return true;
}

static bool add_line(struct words *words, struct scenario *scenario, const char *line, size_t size)
{
    struct scenario_step *step;

    if (memchr(line, 0, size) != NULL)
        return words_wrong(words, "has a zero byte in it", "the line");
    if (size != 0 && *line == '>')
        return add_event(words, scenario, line, size);
    scenario_lines_add(&scenario->source, line, size);
    if (!words_split(words, line, size))
        return false;
    if (words->count == 0 || *words->word[0] == '#')
        return true;
    if (scenario->count == SCENARIO_STEPS_MAX)
        return words_wrong(words, "has more steps than a scenario may have", "the file");
    step = new_step(scenario);
    step->line = words->line;
    step->expected_at = scenario->source.count;
    return parse_line(words, scenario, step);
}

struct scenario *scenario_parse(const char *file, const char *text, size_t size, struct scenario_error *error)
{
    struct scenario *scenario = calloc(1, sizeof(*scenario));
    struct words words = {.file = file, .error = error};
    const char *line = text, *end = text + size;

    if (scenario == NULL || (scenario->file = malloc(strlen(file) + 1)) == NULL)
        abort();
    memcpy(scenario->file, file, strlen(file) + 1);
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        line += 3; /* Windows editors begin a file with it */
    while (line < end) {
        const char *next = memchr(line, '\n', (size_t)(end - line));

        if (next == NULL)
            next = end;
        words.line++;
        if (!add_line(&words, scenario, line, (size_t)(next - line))) {
            scenario_free(scenario);
            return NULL;
        }
        line = next + 1;
    }
    return scenario;
}

struct scenario *scenario_read(const char *path, struct scenario_error *error)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(SCENARIO_FILE_MAX + 1);
    struct scenario *scenario = NULL;
    size_t size = 0;

    if (text == NULL)
        abort();
    if (file != NULL)
        size = fread(text, 1, SCENARIO_FILE_MAX + 1, file);
    if (file == NULL || ferror(file))
        snprintf(error->text, sizeof(error->text), "%s: cannot be read", path);
    else if (size > SCENARIO_FILE_MAX)
        snprintf(error->text, sizeof(error->text), "%s: is larger than a scenario may be (4 MiB)", path);
    else
        scenario = scenario_parse(path, text, size, error);
    if (file != NULL)
        fclose(file);
    free(text);
    return scenario;
}

void scenario_free(struct scenario *scenario)
{
    for (size_t i = 0; i < scenario->count; i++) {
        free(scenario->steps[i].connect);
        free(scenario->steps[i].parameters);
        scenario_raw_free(scenario->steps[i].raw);
        scenario_image_free(scenario->steps[i].image);
        scenario_lines_free(&scenario->steps[i].expected);
    }
    scenario_lines_free(&scenario->source);
    free(scenario->steps);
    free(scenario->connections.text);
    free(scenario->clients.text);
    free(scenario->filters.text);
    free(scenario->variables.text);
    free(scenario->file);
    free(scenario);
}
