/* SPDX-License-Identifier: MIT */
/*
 * options.h - the command line, read and checked; nothing is done yet.
 *
 * Options may be written "--name VALUE" or "--name=VALUE", before or after the command. "--" ends
 * the options of --except's list. Pure: no OS call. When you add an option, also add it to help.c.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/filter_wish.h"
#include "agent/result.h"
#include "agent/install.h"

enum options_command {
    OPTIONS_NONE,
    OPTIONS_PERMIT,
    OPTIONS_BLOCK,
    OPTIONS_ASK,
    OPTIONS_STATUS,
    OPTIONS_WATCH,
    OPTIONS_POLICY,
    OPTIONS_FILTER,
    OPTIONS_RULES,
    OPTIONS_FLOWS,
    OPTIONS_RUN,
    OPTIONS_NOTIFY,
    OPTIONS_UI,
    OPTIONS_LOG,
    OPTIONS_TOP,
    OPTIONS_APPS,
    OPTIONS_SHOW,
    OPTIONS_EXPORT,
    OPTIONS_WHY,
    OPTIONS_LEARN,
    OPTIONS_IMPORT,
    OPTIONS_INSTALL,
    OPTIONS_UNINSTALL
};

struct options {
    enum options_command command;
    const char *socket; /* NULL: the default */
    bool help, version;
    bool json, quiet, once;
    bool event_log;      /* watch */
    bool learn;          /* run */
    bool lines;          /* ask: no screen */
    bool no_lookups;     /* block: name servers too */
    const char **except; /* into argv; owned array */
    unsigned except_count;
    struct watch_change policy;      /* policy, install */
    struct install_settings install; /* but for its policy */
    struct filter_words filter;
    struct rule_words {
        const char *file;
        const char *port, *protocol, *user, *from, *unit; /* explain */
        bool in;                                          /* explain */
        bool all_sets;                                    /* list */
    } rules;
    const char *desk, *history; /* NULL: the default */
    uint32_t days, megabytes;   /* run; 0: the default */
    struct ui_words {
        uint32_t port; /* 0: any */
        bool no_open;
    } ui;
    struct past_words {
        const char *program, *to, *user, *verdict, *since, *until, *by, *limit;
        bool csv;       /* export */
    } past;             /* log, top, apps, show, export, why */
    bool follow;        /* flows, log */
    bool all;           /* filter, rules */
    const char **words; /* filter, rules, show, why, import: what follows it; into argv; owned array */
    unsigned word_count;
};

/* AGENT_USAGE with a sentence. On success the caller frees with options_cleanup. argv must live as long. */
enum agent_result options_read(struct options *options, int argc, char **argv, struct problem *problem);
void options_cleanup(struct options *options);

/*
 * AGENT_USAGE: there is no option, command ... of that word; with the one of words (NULL ends them) that was probably
 * meant. command: whose help to look at, "" for all of it.
 */
enum agent_result options_unknown(const char *what, const char *word, const char *const *words, const char *command,
                                  struct problem *problem);

/* "permit", ...; "" for none. */
const char *options_command_name(enum options_command command);

#endif
