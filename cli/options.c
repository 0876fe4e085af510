/* SPDX-License-Identifier: MIT */
/*
 * options.c - see options.h. A table says which option belongs to which commands and what reads its value.
 */
#include "cli/options.h"

#include <stdlib.h>
#include <string.h>

#include <gatehouse/protocol.h>

#include "policy/names.h"

struct reader {
    struct options *options;
    int argc;
    char **argv;
    int at;              /* the next argument */
    const char *inlined; /* the value after '=', or NULL */
    struct problem *problem;
};

struct option {
    const char *name;
    unsigned commands; /* bits of 1 << enum options_command; 0: all */
    bool takes_value;
    enum agent_result (*read)(struct reader *reader, const char *value);
};

static const char *const command_names[] = {
    "",   "permit", "block", "ask",  "status", "watch",  "policy", "filter", "rules",  "flows",   "run",       "notify",
    "ui", "log",    "top",   "apps", "show",   "export", "why",    "learn",  "import", "install", "uninstall", NULL};
#define COMMANDS (sizeof(command_names) / sizeof(command_names[0]) - 1)

const char *options_command_name(enum options_command command)
{
    return command_names[command];
}

enum agent_result options_unknown(const char *what, const char *word, const char *const *words, const char *command,
                                  struct problem *problem)
{
    const char *near = names_near(word, strlen(word), words);

    const char *gap = *command != '\0' ? " " : "";
    bool verb = strcmp(what, "command") == 0; /* of a command */

    if (near == NULL)
        return problem_set(problem, AGENT_USAGE, "there is no %s '%s%s%.100s': see 'gatehouse %s%s--help'.", what,
                           verb ? command : "", verb ? gap : "", word, command, gap);
    return problem_set(problem, AGENT_USAGE,
                       "there is no %s '%s%s%.100s'; did you mean '%s'? See 'gatehouse %s%s--help'.", what,
                       verb ? command : "", verb ? gap : "", word, near, command, gap);
}

static enum agent_result read_socket(struct reader *reader, const char *value)
{
    reader->options->socket = value;
    return AGENT_OK;
}

static enum agent_result read_help(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->help = true;
    return AGENT_OK;
}

static enum agent_result read_version(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->version = true;
    return AGENT_OK;
}

static enum agent_result read_json(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->json = true;
    return AGENT_OK;
}

static enum agent_result read_quiet(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->quiet = true;
    return AGENT_OK;
}

static enum agent_result read_no_lookups(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->no_lookups = true;
    return AGENT_OK;
}

static enum agent_result read_once(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->once = true;
    return AGENT_OK;
}

static enum agent_result read_lines(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->lines = true;
    return AGENT_OK;
}

static enum agent_result read_desk(struct reader *reader, const char *value)
{
    reader->options->desk = value;
    return AGENT_OK;
}

static enum agent_result read_all(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->all = true;
    return AGENT_OK;
}

static enum agent_result read_follow(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->follow = true;
    return AGENT_OK;
}

#define WORD(group, name)                                                                                              \
    static enum agent_result read_##group##_##name(struct reader *reader, const char *value)                           \
    {                                                                                                                  \
        reader->options->group.name = value;                                                                           \
        return AGENT_OK;                                                                                               \
    }
#define FLAG(group, name)                                                                                              \
    static enum agent_result read_##group##_##name(struct reader *reader, const char *value)                           \
    {                                                                                                                  \
        (void)value;                                                                                                   \
        reader->options->group.name = true;                                                                            \
        return AGENT_OK;                                                                                               \
    }
WORD(filter, program)
WORD(filter, to)
WORD(filter, port)
WORD(filter, protocol)
WORD(filter, weight)
WORD(filter, name)
FLAG(filter, v4)
FLAG(filter, v6)
FLAG(filter, in)
WORD(rules, file)
WORD(rules, port)
WORD(rules, protocol)
WORD(rules, user)
WORD(rules, from)
WORD(rules, unit)
FLAG(rules, in)
FLAG(rules, all_sets)
WORD(past, program)
WORD(past, to)
WORD(past, user)
WORD(past, verdict)
WORD(past, since)
WORD(past, until)
WORD(past, by)
WORD(past, limit)
FLAG(past, csv)

static void add_exception(struct reader *reader, const char *path)
{
    reader->options->except[reader->options->except_count++] = path;
}

/* Takes all paths up to the next option; "--" ends the list. */
static enum agent_result read_except(struct reader *reader, const char *value)
{
    add_exception(reader, value);
    if (reader->inlined != NULL)
        return AGENT_OK;
    while (reader->at < reader->argc && strncmp(reader->argv[reader->at], "--", 2) != 0)
        add_exception(reader, reader->argv[reader->at++]);
    if (reader->at < reader->argc && strcmp(reader->argv[reader->at], "--") == 0)
        reader->at++;
    return AGENT_OK;
}

/* Seconds with at most three decimals to milliseconds; false for anything else. */
static bool parse_seconds(const char *text, uint32_t *milliseconds)
{
    uint32_t value = 0;
    int decimals = -1;

    if (text[0] < '0' || text[0] > '9')
        return false;
    for (; *text != '\0'; text++) {
        if (*text == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (*text < '0' || *text > '9' || decimals == 3 || value > 10000000)
            return false;
        value = value * 10 + (uint32_t)(*text - '0');
        decimals += decimals >= 0;
    }
    if (decimals == 0)
        return false;
    for (decimals = decimals < 0 ? 0 : decimals; decimals < 3; decimals++)
        value *= 10;
    *milliseconds = value;
    return true;
}

static enum agent_result read_deadline(struct reader *reader, const char *value)
{
    struct watch_change *change = &reader->options->policy;

    if (!parse_seconds(value, &change->deadline_ms) || change->deadline_ms < GATEHOUSE_DEADLINE_MIN_MS ||
        change->deadline_ms > GATEHOUSE_DEADLINE_MAX_MS)
        return problem_set(reader->problem, AGENT_USAGE,
                           "--deadline takes 0.1 to 120 seconds, not '%.100s': give it such a number.", value);
    change->set_deadline = true;
    return AGENT_OK;
}

static enum agent_result read_undecided(struct reader *reader, const char *value)
{
    struct watch_change *change = &reader->options->policy;

    if (strcmp(value, "block") == 0)
        change->undecided = GATEHOUSE_VERDICT_BLOCK;
    else if (strcmp(value, "permit") == 0)
        change->undecided = GATEHOUSE_VERDICT_PERMIT;
    else
        return problem_set(reader->problem, AGENT_USAGE, "--undecided takes block or permit, not '%.100s'.", value);
    change->set_undecided = true;
    return AGENT_OK;
}

static enum agent_result read_no_decider(struct reader *reader, const char *value)
{
    struct watch_change *change = &reader->options->policy;

    if (strcmp(value, "block") == 0)
        change->no_decider = GATEHOUSE_NO_DECIDER_BLOCK;
    else if (strcmp(value, "permit") == 0)
        change->no_decider = GATEHOUSE_NO_DECIDER_PERMIT;
    else if (strcmp(value, "hold") == 0)
        change->no_decider = GATEHOUSE_NO_DECIDER_HOLD;
    else
        return problem_set(reader->problem, AGENT_USAGE, "--no-decider takes block, permit or hold, not '%.100s'.",
                           value);
    change->set_no_decider = true;
    return AGENT_OK;
}

static enum agent_result read_closed(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->install.closed = INSTALL_YES;
    return AGENT_OK;
}

static enum agent_result read_open(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->install.closed = INSTALL_NO;
    return AGENT_OK;
}

static enum agent_result read_start(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->install.start = true;
    return AGENT_OK;
}

static enum agent_result read_starts(struct reader *reader, const char *value)
{
    if (strcmp(value, "auto") == 0)
        reader->options->install.automatic = INSTALL_YES;
    else if (strcmp(value, "demand") == 0)
        reader->options->install.automatic = INSTALL_NO;
    else
        return problem_set(reader->problem, AGENT_USAGE, "--starts takes auto or demand, not '%.100s'.", value);
    return AGENT_OK;
}

static enum agent_result read_dry_run(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->install.dry_run = true;
    return AGENT_OK;
}

static enum agent_result read_event_log(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->event_log = true;
    return AGENT_OK;
}

static enum agent_result read_learn(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->learn = true;
    return AGENT_OK;
}

static enum agent_result read_history(struct reader *reader, const char *value)
{
    reader->options->history = value;
    return AGENT_OK;
}

/* A number from 1 to most; 0: it is none. */
static uint32_t parse_count(const char *value, uint32_t most)
{
    uint32_t count = 0;

    for (const char *at = value; *at != '\0'; at++) {
        if (*at < '0' || *at > '9')
            return 0;
        count = count * 10 + (uint32_t)(*at - '0');
        if (count > most)
            return 0;
    }
    return count;
}

static enum agent_result read_days(struct reader *reader, const char *value)
{
    reader->options->days = parse_count(value, 36500);
    if (reader->options->days == 0)
        return problem_set(reader->problem, AGENT_USAGE, "--days takes 1 to 36500, not '%.100s'.", value);
    return AGENT_OK;
}

static enum agent_result read_megabytes(struct reader *reader, const char *value)
{
    reader->options->megabytes = parse_count(value, 1000000);
    if (reader->options->megabytes < 4)
        return problem_set(reader->problem, AGENT_USAGE, "--megabytes takes 4 to 1000000, not '%.100s'.", value);
    return AGENT_OK;
}

static enum agent_result read_no_open(struct reader *reader, const char *value)
{
    (void)value;
    reader->options->ui.no_open = true;
    return AGENT_OK;
}

static enum agent_result read_ui_port(struct reader *reader, const char *value)
{
    uint32_t port = 0;

    for (const char *at = value; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || port > 65535)
            port = 65536;
        else
            port = port * 10 + (uint32_t)(*at - '0');
    }
    if (port > 65535 || value[0] == '\0')
        return problem_set(reader->problem, AGENT_USAGE, "--port takes 1 to 65535, or 0 for any, not '%.100s'.", value);
    reader->options->ui.port = port;
    return AGENT_OK;
}

#define FOR(command) (1u << OPTIONS_##command)
#define DECIDERS     (FOR(PERMIT) | FOR(BLOCK))
#define PAST         (FOR(LOG) | FOR(TOP) | FOR(APPS) | FOR(SHOW) | FOR(EXPORT))
#define PAST_ALL     (FOR(LOG) | FOR(TOP) | FOR(APPS) | FOR(EXPORT))  /* not of one program */
#define PAST_ENDS    (FOR(LOG) | FOR(APPS) | FOR(SHOW) | FOR(EXPORT)) /* not up to now */

static const struct option table[] = {
    {"--socket", 0, true, read_socket},
    {"--help", 0, false, read_help},
    {"-h", 0, false, read_help},
    {"--version", 0, false, read_version},
    {"--except", DECIDERS, true, read_except},
    {"--quiet", DECIDERS | FOR(RUN), false, read_quiet},
    {"--no-lookups", FOR(BLOCK), false, read_no_lookups},
    {"--once", DECIDERS | FOR(ASK), false, read_once},
    {"--lines", FOR(ASK), false, read_lines},
    {"--json",
     DECIDERS | FOR(STATUS) | FOR(WATCH) | FOR(POLICY) | FOR(FILTER) | FOR(RULES) | FOR(FLOWS) | FOR(RUN) | PAST |
         FOR(WHY) | FOR(INSTALL) | FOR(UNINSTALL),
     false, read_json},
    {"--deadline", FOR(POLICY) | FOR(INSTALL), true, read_deadline},
    {"--undecided", FOR(POLICY) | FOR(INSTALL), true, read_undecided},
    {"--no-decider", FOR(POLICY) | FOR(INSTALL), true, read_no_decider},
    {"--all", FOR(FILTER) | FOR(RULES), false, read_all},
    {"--program", FOR(FILTER), true, read_filter_program},
    {"--to", FOR(FILTER), true, read_filter_to},
    {"--port", FOR(FILTER), true, read_filter_port},
    {"--proto", FOR(FILTER), true, read_filter_protocol},
    {"--weight", FOR(FILTER), true, read_filter_weight},
    {"--name", FOR(FILTER), true, read_filter_name},
    {"--v4", FOR(FILTER), false, read_filter_v4},
    {"--v6", FOR(FILTER), false, read_filter_v6},
    {"--in", FOR(FILTER), false, read_filter_in},
    {"--file", FOR(RULES), true, read_rules_file},
    {"--port", FOR(RULES), true, read_rules_port},
    {"--proto", FOR(RULES), true, read_rules_protocol},
    {"--user", FOR(RULES), true, read_rules_user},
    {"--from", FOR(RULES), true, read_rules_from},
    {"--unit", FOR(RULES), true, read_rules_unit},
    {"--in", FOR(RULES), false, read_rules_in},
    {"--all-sets", FOR(RULES), false, read_rules_all_sets},
    {"--follow", FOR(FLOWS) | FOR(LOG), false, read_follow},
    {"-f", FOR(FLOWS) | FOR(LOG), false, read_follow},
    {"--program", PAST_ALL | FOR(LEARN), true, read_past_program},
    {"--to", PAST, true, read_past_to},
    {"--user", PAST | FOR(LEARN), true, read_past_user},
    {"--verdict", PAST, true, read_past_verdict},
    {"--since", PAST | FOR(LEARN), true, read_past_since},
    {"--until", PAST_ENDS | FOR(LEARN), true, read_past_until},
    {"--by", PAST, true, read_past_by},
    {"--limit", PAST, true, read_past_limit},
    {"--csv", FOR(EXPORT), false, read_past_csv},
    {"--event-log", FOR(WATCH), false, read_event_log},
    {"--learn", FOR(RUN), false, read_learn},
    {"--desk", FOR(ASK) | FOR(RUN) | FOR(NOTIFY) | FOR(UI), true, read_desk},
    {"--history", FOR(RUN) | FOR(UI) | PAST | FOR(WHY) | FOR(LEARN), true, read_history},
    {"--days", FOR(RUN), true, read_days},
    {"--megabytes", FOR(RUN), true, read_megabytes},
    {"--port", FOR(UI), true, read_ui_port},
    {"--no-open", FOR(UI), false, read_no_open},
    {"--closed", FOR(INSTALL), false, read_closed},
    {"--open", FOR(INSTALL), false, read_open},
    {"--start", FOR(INSTALL), false, read_start},
    {"--starts", FOR(INSTALL), true, read_starts},
    {"--dry-run", FOR(INSTALL) | FOR(UNINSTALL), false, read_dry_run},
};

/* That of this command, if there are several of the name. */
static const struct option *find_option(struct reader *reader, const char *argument)
{
    const char *equals = strchr(argument, '=');
    size_t length = equals == NULL ? strlen(argument) : (size_t)(equals - argument);
    const struct option *found = NULL;

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strlen(table[i].name) != length || strncmp(table[i].name, argument, length) != 0)
            continue;
        if (found == NULL || (table[i].commands & 1u << reader->options->command) != 0)
            found = &table[i];
    }
    reader->inlined = found == NULL || equals == NULL ? NULL : equals + 1;
    return found;
}

/* Those that this command takes; without a command, those of all. */
static enum agent_result unknown_option(struct reader *reader, const char *argument)
{
    const char *words[sizeof(table) / sizeof(table[0]) + 1], *equals = strchr(argument, '=');
    enum options_command command = reader->options->command;
    size_t count = 0, length = equals == NULL ? strlen(argument) : (size_t)(equals - argument);
    char name[64];

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (table[i].commands == 0 || (table[i].commands & 1u << command) != 0)
            words[count++] = table[i].name;
    words[count] = NULL;
    if (length >= sizeof(name))
        return options_unknown("option", argument, words, command_names[command], reader->problem);
    memcpy(name, argument, length);
    name[length] = '\0';
    return options_unknown("option", name, words, command_names[command], reader->problem);
}

static enum agent_result read_option(struct reader *reader, const char *argument)
{
    const struct option *option = find_option(reader, argument);
    enum options_command command = reader->options->command;
    const char *value = reader->inlined;

    if (option == NULL)
        return unknown_option(reader, argument);
    if (option->commands != 0 && command == OPTIONS_NONE)
        return problem_set(reader->problem, AGENT_USAGE, "%s comes after a command: see 'gatehouse --help'.",
                           option->name);
    if (option->commands != 0 && (option->commands & 1u << command) == 0)
        return problem_set(reader->problem, AGENT_USAGE, "'gatehouse %s' has no option %s: see 'gatehouse %s --help'.",
                           command_names[command], option->name, command_names[command]);
    if (!option->takes_value && value != NULL)
        return problem_set(reader->problem, AGENT_USAGE, "%s takes no value: leave '=%.100s' away.", option->name,
                           value);
    if (option->takes_value && value == NULL) {
        if (reader->at == reader->argc || strncmp(reader->argv[reader->at], "--", 2) == 0)
            return problem_set(reader->problem, AGENT_USAGE, "%s needs a value after it: see 'gatehouse %s%s--help'.",
                               option->name, command_names[command], command == OPTIONS_NONE ? "" : " ");
        value = reader->argv[reader->at++];
    }
    return option->read(reader, value);
}

static enum agent_result read_command(struct reader *reader, const char *argument)
{
    if ((1u << reader->options->command & (FOR(FILTER) | FOR(RULES) | FOR(SHOW) | FOR(WHY) | FOR(IMPORT))) != 0) {
        reader->options->words[reader->options->word_count++] = argument;
        return AGENT_OK;
    }
    if (reader->options->command != OPTIONS_NONE)
        return problem_set(reader->problem, AGENT_USAGE, "'%.100s' is one word too many: see 'gatehouse %s --help'.",
                           argument, command_names[reader->options->command]);
    for (unsigned i = 1; i < COMMANDS; i++) {
        if (strcmp(argument, command_names[i]) == 0) {
            reader->options->command = (enum options_command)i;
            return AGENT_OK;
        }
    }
    return options_unknown("command", argument, command_names + 1, "", reader->problem);
}

enum agent_result options_read(struct options *options, int argc, char **argv, struct problem *problem)
{
    struct options found = {0};
    struct reader reader = {.options = &found, .argc = argc, .argv = argv, .at = 1, .problem = problem};
    enum agent_result result = AGENT_OK;

    found.except = calloc((size_t)argc + 1, sizeof(*found.except));
    found.words = calloc((size_t)argc + 1, sizeof(*found.words));
    if (found.except == NULL || found.words == NULL) {
        options_cleanup(&found);
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    }
    while (result == AGENT_OK && reader.at < argc) {
        const char *argument = argv[reader.at++];

        reader.inlined = NULL;
        result = argument[0] == '-' ? read_option(&reader, argument) : read_command(&reader, argument);
    }
    if (result == AGENT_OK && found.command == OPTIONS_NONE && !found.help && !found.version)
        result = problem_set(problem, AGENT_USAGE, "a command is missing: see 'gatehouse --help'.");
    if (result != AGENT_OK) {
        options_cleanup(&found);
        return result;
    }
    *options = found;
    return AGENT_OK;
}

void options_cleanup(struct options *options)
{
    free(options->except);
    free(options->words);
    *options = (struct options){0};
}
