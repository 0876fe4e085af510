/* SPDX-License-Identifier: MIT */
/*
 * options.h - gatehoused's command line, and with it everything it is told: the settings of its file too.
 */
#ifndef HOST_OPTIONS_H
#define HOST_OPTIONS_H

#include <stdbool.h>

#include "host/conf_file.h"
#include "host/settings.h"

#define OPTIONS_CONFIG "/etc/gatehouse/gatehoused.conf"

struct host_options {
    struct settings settings; /* the command line's word goes before the file's */
    char config[SETTING_PATH_MAX];
    enum conf_result config_found; /* not looked for with remove */
    struct conf_errors errors;     /* of the file, BAD; only with check: otherwise they were told */
    bool check, json, remove;
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_BAD };

/*
 * Fills options from argv and the file that it names. DONE: help or version was printed. BAD: a sentence for each error
 * went to stderr.
 */
enum options_result options_parse(int argc, char **argv, struct host_options *options);

#endif
