/* SPDX-License-Identifier: MIT */
/*
 * simplewall.c - a profile of simplewall: one XML file.
 *
 * Its order: rules that block before those that permit; then the programs that are ticked. Programs are paths of
 * Windows, so what comes out is for gatehouse on Windows. Its own rules (rules_config holds only their switches) are
 * part of simplewall, not of the profile.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "agent/rule_show.h"
#include "import/rule_line.h"

enum section { SECTION_NONE, SECTION_APPS, SECTION_CUSTOM, SECTION_CONFIG };

struct profile {
    struct imported *imported;
    enum section section;
    bool blocking; /* the pass over rules that block; apps come in the other */
    bool root;     /* it is a profile */
    XML_Parser parser;
    unsigned depth;
};

static const char *attribute(const XML_Char **attributes, const char *name)
{
    for (; attributes[0] != NULL; attributes += 2)
        if (strcmp(attributes[0], name) == 0)
            return attributes[1];
    return "";
}

static bool is_true(const char *value)
{
    return strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
}

/* The next of a list; blanks around it are not its own. NULL: no more. */
static char *next_of(char **rest, const char *separators)
{
    char *one;

    do {
        one = strsep(rest, separators);
        if (one != NULL)
            one += strspn(one, " \t\r\n");
    } while (one != NULL && one[0] == '\0');
    for (size_t length = one == NULL ? 0 : strlen(one); length > 0 && strchr(" \t\r\n", one[length - 1]) != NULL;)
        one[--length] = '\0';
    return one;
}

static void add_programs(const char *apps, struct rule_line *line)
{
    char *copy = strdup(apps), *rest = copy, *one;
    struct text programs = {0};
    unsigned count = 0;

    while (copy != NULL && (one = next_of(&rest, "|;")) != NULL) {
        if (strchr(one, '\\') == NULL && strchr(one, '/') == NULL)
            rule_line_leave(line, "it names '%.100s', which is a service or the system, not a program's path", one);
        if (strchr(one, '%') != NULL)
            rule_line_leave(line, "the path %.200s has a variable: write what it stands for", one);
        text_add(&programs, count++ == 0 ? "" : ", ");
        rule_show_string(&programs, one);
    }
    if (count > 0)
        text_add_format(&line->words, count == 1 ? " program %s" : " program { %s }", text_string(&programs));
    text_free(&programs);
    free(copy);
}

/* One of "80", "1024-2048", "10.0.0.0/8", "10.0.0.1-10.0.0.9", "10.0.0.1:443", "[ff02::fb]:5353" */
static void split_end(char *one, struct text *addresses, struct text *ports, bool *both, struct rule_line *line)
{
    char *colon = strrchr(one, ':'), *port = NULL;
    bool v6 = strchr(one, ':') != colon;

    if (strspn(one, "0123456789-") == strlen(one)) {
        port = one;
        one = NULL;
    } else if (colon != NULL && (!v6 || (one[0] == '[' && colon[-1] == ']'))) {
        *colon = '\0';
        port = colon + 1;
        if (one[0] == '[') {
            one[strlen(one) - 1] = '\0';
            one++;
        }
    }
    if (one != NULL)
        text_add_format(addresses, addresses->used == 0 ? "%s" : ", %s", one);
    if (port != NULL)
        text_add_format(ports, ports->used == 0 ? "%s" : ", %s", port);
    if (one != NULL && port != NULL)
        *both = true;
    if (strchr(one == NULL ? "" : one, '*') != NULL)
        rule_line_leave(line, "the address %.100s has a star", one);
}

/* A list of addresses and ports: each an alternative. Ours are addresses and ports that both have to match. True: there
 * are ports. */
static bool add_end(const char *list, const char *address_word, const char *port_word, struct rule_line *line)
{
    char *copy = strdup(list), *rest = copy, *one;
    struct text addresses = {0}, ports = {0};
    bool both = false, has_ports;
    unsigned count = 0;

    while (copy != NULL && (one = next_of(&rest, ";")) != NULL) {
        split_end(one, &addresses, &ports, &both, line);
        count++;
    }
    if (addresses.used > 0 && ports.used > 0 && !(both && count == 1))
        rule_line_leave(line, "'%.150s' has addresses and ports as alternatives: write a rule for each", list);
    if (addresses.used > 0)
        text_add_format(&line->words, " %s { %s }", address_word, text_string(&addresses));
    else if (ports.used > 0 && address_word != NULL)
        text_add_format(&line->words, " %s any", address_word);
    if (ports.used > 0)
        text_add_format(&line->words, " %s { %s }", port_word, text_string(&ports));
    has_ports = ports.used > 0;
    text_free(&addresses);
    text_free(&ports);
    free(copy);
    return has_ports;
}

/* Ports need a protocol; without one simplewall means both that have them. */
static void add_protocol(const char *protocol, bool with_ports, struct rule_line *line)
{
    static const char *const known[][2] = {{"1", "icmp"}, {"6", "tcp"}, {"17", "udp"}, {"58", "icmp6"}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(protocol, known[i][0]) == 0)
            protocol = known[i][1];
    if (protocol[0] != '\0' && strcmp(protocol, "0") != 0)
        text_add_format(&line->words, " proto %.10s", protocol);
    else if (with_ports)
        text_add(&line->words, " proto { tcp, udp }");
}

static void write_custom(const XML_Char **attributes, struct imported *imported)
{
    const char *direction = attribute(attributes, "dir"), *remote = attribute(attributes, "rule"),
               *local = attribute(attributes, "rule_local"), *family = attribute(attributes, "version");
    bool ports = false, in = strcmp(direction, "1") == 0, block = is_true(attribute(attributes, "is_block"));
    struct rule_line line = {0};

    if (!is_true(attribute(attributes, "is_enabled")))
        rule_line_leave(&line, "it was disabled");
    if (strcmp(direction, "2") == 0)
        rule_line_leave(&line, "it is for both directions: write one rule 'out' and one 'in'");
    if (family[0] != '\0' && strcmp(family, "0") != 0)
        rule_line_leave(&line, "it is for one family of addresses alone, which a rule says by its addresses");
    if (remote[0] != '\0' && local[0] != '\0')
        rule_line_leave(&line, "it names both ends: write it by hand");
    text_add(&line.words, in ? " in" : " out");
    add_programs(attribute(attributes, "apps"), &line);
    if (remote[0] != '\0')
        ports = add_end(remote, in ? "from" : "to", "port", &line);
    if (local[0] != '\0')
        ports = add_end(local, in ? "to" : "from", "port", &line) || ports;
    add_protocol(attribute(attributes, "protocol"), ports, &line);
    rule_line_write(&line, attribute(attributes, "name"), block ? "block" : "permit", "", imported);
    rule_line_free(&line);
}

static void write_app(const XML_Char **attributes, struct imported *imported)
{
    const char *path = attribute(attributes, "path"), *timer = attribute(attributes, "timer");
    struct rule_line line = {0};

    if (!is_true(attribute(attributes, "is_enabled")))
        rule_line_leave(&line, "it was not permitted");
    if (timer[0] != '\0' && strcmp(timer, "0") != 0)
        rule_line_leave(&line, "it was permitted for a time only");
    text_add(&line.words, " out");
    rule_line_narrow(&line, "only what goes out");
    add_programs(path, &line);
    rule_line_write(&line, path, "permit", "", imported);
    rule_line_free(&line);
}

static void XMLCALL begin_element(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct profile *profile = context;

    profile->depth++;
    if (profile->depth == 1)
        profile->root = strcmp(name, "root") == 0;
    if (profile->depth == 2)
        profile->section = strcmp(name, "apps") == 0           ? SECTION_APPS
                           : strcmp(name, "rules_custom") == 0 ? SECTION_CUSTOM
                                                               : SECTION_NONE;
    if (profile->depth != 3 || strcmp(name, "item") != 0)
        return;
    if (profile->section == SECTION_APPS && !profile->blocking)
        write_app(attributes, profile->imported);
    if (profile->section == SECTION_CUSTOM && is_true(attribute(attributes, "is_block")) == profile->blocking)
        write_custom(attributes, profile->imported);
}

static void XMLCALL end_element(void *context, const XML_Char *name)
{
    struct profile *profile = context;

    (void)name;
    profile->depth--;
}

/* Entities of its own are no part of any profile, and how they blow up is known. */
static void XMLCALL refuse_doctype(void *context, const XML_Char *name, const XML_Char *system, const XML_Char *public,
                                   int internal)
{
    struct profile *profile = context;

    (void)name, (void)system, (void)public, (void)internal;
    XML_StopParser(profile->parser, XML_FALSE);
}

static enum agent_result read_pass(const char *path, const char *bytes, size_t size, struct profile *profile,
                                   struct problem *problem)
{
    XML_Parser parser = XML_ParserCreate(NULL);
    enum agent_result result = AGENT_OK;

    if (parser == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    profile->parser = parser;
    XML_SetUserData(parser, profile);
    XML_SetElementHandler(parser, begin_element, end_element);
    XML_SetDoctypeDeclHandler(parser, refuse_doctype, NULL);
    if (XML_Parse(parser, bytes, (int)size, 1) != XML_STATUS_OK || !profile->root)
        result =
            problem_set(problem, AGENT_USAGE, "%.200s:%lu is no profile of simplewall: %s.", path,
                        (unsigned long)XML_GetCurrentLineNumber(parser),
                        profile->root ? XML_ErrorString(XML_GetErrorCode(parser)) : "it begins with something else");
    XML_ParserFree(parser);
    return result;
}

enum agent_result simplewall_read(const char *path, const char *bytes, size_t size, struct imported *imported,
                                  struct problem *problem)
{
    enum agent_result result = AGENT_OK;

    for (int pass = 0; pass < 2 && result == AGENT_OK; pass++) {
        struct profile profile = {.imported = imported, .blocking = pass == 0};

        result = read_pass(path, bytes, size, &profile, problem);
    }
    return result;
}
