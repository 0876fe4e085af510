/* SPDX-License-Identifier: MIT */
/*
 * opensnitch.c - OpenSnitch's rules: one JSON object a file.
 *
 * Its order: rules by name; the first that matches and denies, rejects or has precedence decides at once; without one,
 * any that allows does. So these come first here, by name, then those that allow. What it sees goes out: so does each.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "agent/rule_show.h"
#include "import/rule_line.h"

struct rule_files {
    json_t **rules; /* owned */
    unsigned count;
};

static const char *member(const json_t *object, const char *name)
{
    const char *string = json_string_value(json_object_get(object, name));

    return string == NULL ? "" : string;
}

/* --- One operator ------------------------------------------------------------------------------- */

/* "{ "a", "b" }" of lines; one stands alone. */
static void add_list(struct text *to, const struct text *lines, bool quoted)
{
    const char *at = text_string(lines);
    bool many = strchr(at, '\n') != NULL && strchr(at, '\n')[1] != '\0', first = true;

    text_add(to, many ? " {" : "");
    while (*at != '\0') {
        size_t length = strcspn(at, "\n");
        struct text one = {0};

        text_add_bytes(&one, at, length);
        text_add(to, first ? " " : ", ");
        if (quoted)
            rule_show_string(to, text_string(&one));
        else
            text_add(to, text_string(&one));
        text_free(&one);
        first = false;
        at += length + (at[length] == '\n');
    }
    text_add(to, many ? " }" : "");
}

struct operand {
    const char *name, *keyword;
    enum regex_kind kind;
    bool quoted;
};

static const struct operand operands[] = {
    {"process.path", "program", REGEX_PATH, true}, {"user.id", "user", REGEX_WORD, false},
    {"user.name", "user", REGEX_WORD, true},       {"dest.host", "to", REGEX_NAME, false},
    {"dest.ip", "to", REGEX_WORD, false},          {"dest.network", "to", REGEX_WORD, false},
    {"dest.port", "port", REGEX_WORD, false},      {"protocol", "proto", REGEX_WORD, false},
    {"source.ip", "from", REGEX_WORD, false},      {"source.network", "from", REGEX_WORD, false},
};

static const struct operand *find_operand(const char *name)
{
    for (size_t i = 0; i < sizeof(operands) / sizeof(operands[0]); i++)
        if (strcmp(operands[i].name, name) == 0)
            return &operands[i];
    return NULL;
}

/* "tcp6" and "udp6" are the protocol over IPv6; which of both families a rule is for, it says by its addresses. */
static void write_protocol(char *protocol)
{
    size_t length = strlen(protocol);

    if (length > 1 && protocol[length - 1] == '6' && strcmp(protocol, "icmp6") != 0)
        protocol[length - 1] = '\0';
}

static void take_simple(const struct operand *operand, const char *data, struct rule_line *line)
{
    struct text one = {0};
    char protocol[32];

    if (strcmp(operand->keyword, "proto") == 0) {
        snprintf(protocol, sizeof(protocol), "%s", data);
        if (protocol[0] != '\0' && protocol[strlen(protocol) - 1] == '6')
            rule_line_leave(line, "it is for %.20s alone, and a rule names a family by its addresses", data);
        write_protocol(protocol);
        data = protocol;
    }
    if (strpbrk(data, "\n") != NULL)
        rule_line_leave(line, "its %s has a line end", operand->name);
    if (operand->kind == REGEX_PATH && strpbrk(data, "*?") != NULL)
        rule_line_leave(line, "its path has * or ?, which are patterns here");
    text_add(&one, data);
    text_add_format(&line->words, " %s", operand->keyword);
    add_list(&line->words, &one, operand->quoted);
    text_free(&one);
}

static void take_regex(const struct operand *operand, const char *data, struct rule_line *line)
{
    struct text found = {0};

    if (!regex_read(data, operand->kind, &found, line))
        rule_line_leave(line, "our rules cannot say the regular expression '%.200s' of its %s", data, operand->name);
    text_add_format(&line->words, " %s", operand->keyword);
    add_list(&line->words, &found, operand->quoted);
    text_free(&found);
}

static const char *why_not(const char *name)
{
    if (strncmp(name, "process.hash", 12) == 0)
        return "programs are known by path or SHA-256 here, not by other hashes";
    if (strncmp(name, "process.command", 15) == 0)
        return "the arguments of a program decide nothing here: it chooses them itself";
    if (strncmp(name, "process.", 8) == 0 || strncmp(name, "process.env", 11) == 0)
        return "of a process only its program, user and unit count here";
    if (strncmp(name, "iface", 5) == 0)
        return "rules do not name interfaces: name addresses";
    if (strncmp(name, "lists.", 6) == 0)
        return "lists of files are not read: make a set of it (set NAME = file \"...\")";
    return "rules here have no such matcher";
}

static void take_operator(const json_t *operator, struct rule_line * line)
{
    const char *type = member(operator, "type"), *name = member(operator, "operand"), *data = member(operator, "data");
    const struct operand *operand = find_operand(name);

    if (strcmp(name, "true") == 0)
        return;
    if (operand == NULL)
        rule_line_leave(line, "it looks at %.60s: %s", name[0] == '\0' ? "nothing" : name, why_not(name));
    else if (strcmp(type, "simple") == 0 || strcmp(type, "network") == 0)
        take_simple(operand, data, line);
    else if (strcmp(type, "regexp") == 0)
        take_regex(operand, data, line);
    else
        rule_line_leave(line, "its operator is of the type '%.40s'", type);
}

/* All have to match. Older versions keep the list as text. */
static void take_list(const json_t *operator, struct rule_line * line)
{
    json_t *list = json_object_get(operator, "list"), *parsed = NULL, *one;
    size_t i;

    if (json_array_size(list) == 0)
        list = json_object_get(operator, "operands");
    if (json_array_size(list) == 0)
        list = parsed = json_loads(member(operator, "data"), 0, NULL);
    if (json_array_size(list) == 0)
        rule_line_leave(line, "its list of operators is empty");
    json_array_foreach(list, i, one) take_operator(one, line);
    json_decref(parsed);
}

/* --- One rule ----------------------------------------------------------------------------------- */

static bool decides_at_once(const json_t *rule)
{
    return strcmp(member(rule, "action"), "allow") != 0 || json_is_true(json_object_get(rule, "precedence"));
}

static void write_rule(const json_t *rule, struct imported *imported)
{
    const json_t *operator= json_object_get(rule, "operator");
    const char *action = member(rule, "action"), *duration = member(rule, "duration"), *until = "";
    struct rule_line line = {0};

    text_add(&line.words, " out");
    if (!json_is_true(json_object_get(rule, "enabled")))
        rule_line_leave(&line, "it was disabled");
    if (strcmp(duration, "until restart") == 0)
        until = " until reboot";
    else if (strcmp(duration, "always") != 0)
        rule_line_leave(&line, "it was for a time only (%.40s)", duration);
    if (strcmp(action, "allow") != 0 && strcmp(action, "deny") != 0 && strcmp(action, "reject") != 0)
        rule_line_leave(&line, "its action is '%.40s'", action);
    if (strcmp(member(operator, "type"), "list") == 0)
        take_list(operator, & line);
    else
        take_operator(operator, & line);
    rule_line_write(&line, member(rule, "name"), strcmp(action, "allow") == 0 ? "permit" : "block", until, imported);
    rule_line_free(&line);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(member(*(json_t *const *)a, "name"), member(*(json_t *const *)b, "name"));
}

/* --- Files -------------------------------------------------------------------------------------- */

static enum agent_result add_file(struct rule_files *list, const char *path, struct problem *problem)
{
    json_error_t error;
    size_t size;
    char *bytes = import_read_file(path, &size, problem);
    json_t *rule, **more;

    if (bytes == NULL)
        return AGENT_USAGE;
    rule = json_loadb(bytes, size, 0, &error);
    free(bytes);
    if (rule == NULL || !json_is_object(json_object_get(rule, "operator"))) {
        json_decref(rule);
        return problem_set(problem, AGENT_USAGE,
                           "%.200s is no rule of OpenSnitch (%.100s), and no profile of simplewall.", path,
                           rule == NULL ? error.text : "it has no operator");
    }
    more = list->count < IMPORT_RULES_MAX ? realloc(list->rules, (list->count + 1) * sizeof(json_t *)) : NULL;
    if (more == NULL) {
        json_decref(rule);
        return problem_set(problem, AGENT_FAILED, "these are too many rules, or memory ended.");
    }
    list->rules = more;
    list->rules[list->count++] = rule;
    return AGENT_OK;
}

static bool is_json(const char *name)
{
    size_t length = strlen(name);

    return length > 5 && strcmp(name + length - 5, ".json") == 0;
}

static enum agent_result add_folder(struct rule_files *list, const char *path, struct problem *problem)
{
    DIR *folder = opendir(path);
    enum agent_result result = AGENT_OK;
    struct dirent *entry;

    if (folder == NULL)
        return problem_set(problem, AGENT_USAGE, "cannot read %.200s: %s.", path, strerror(errno));
    while (result == AGENT_OK && (entry = readdir(folder)) != NULL) {
        struct text file = {0};

        if (!is_json(entry->d_name))
            continue;
        text_add_format(&file, "%s/%s", path, entry->d_name);
        result = add_file(list, text_string(&file), problem);
        text_free(&file);
    }
    closedir(folder);
    return result;
}

enum agent_result opensnitch_read(const char *const *paths, unsigned count, struct imported *imported,
                                  struct problem *problem)
{
    enum agent_result result = AGENT_OK;
    struct rule_files list = {0};

    for (unsigned i = 0; i < count && result == AGENT_OK; i++) {
        struct stat state;
        bool folder = stat(paths[i], &state) == 0 && S_ISDIR(state.st_mode);

        result = folder ? add_folder(&list, paths[i], problem) : add_file(&list, paths[i], problem);
    }
    if (result == AGENT_OK && list.count == 0)
        result = problem_set(problem, AGENT_USAGE, "%.200s has no rules of OpenSnitch (*.json).", paths[0]);
    if (list.count > 0)
        qsort(list.rules, list.count, sizeof(list.rules[0]), by_name);
    for (int pass = 0; pass < 2 && result == AGENT_OK; pass++)
        for (unsigned i = 0; i < list.count; i++)
            if (decides_at_once(list.rules[i]) == (pass == 0))
                write_rule(list.rules[i], imported);
    for (unsigned i = 0; i < list.count; i++)
        json_decref(list.rules[i]);
    free(list.rules);
    return result;
}
