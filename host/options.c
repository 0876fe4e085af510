/* SPDX-License-Identifier: MIT */
/*
 * options.c - reads gatehoused's command line, then its file. What is not exactly right is refused; nothing is guessed.
 *
 * When you add a setting, also add it to the usage text. When you add another option, also add it to man/gatehoused.8.
 */
#include "host/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gatehouse/transport.h"
#include "host/log.h"

static const char usage[] =
    "usage: gatehoused [options]\n"
    "Holds every new TCP and UDP connection that leaves this network namespace until it is decided.\n"
    "\n"
    "  --config FILE            settings, read first: what is below goes before it (default " OPTIONS_CONFIG ",\n"
    "                           which may be missing)\n"
    "  --check [--json]         say whether that file and the rules are right, show the settings in force, and end\n"
    "\n"
    "Settings, which the file may have too:\n"
    "  --socket PATH            where deciders connect (default " GATEHOUSE_SOCKET_PATH ")\n"
    "  --rules FILE             rules to load at the start and on SIGHUP (default /etc/gatehouse/rules)\n"
    "  --state FOLDER           where rules in force are kept (default /var/lib/gatehouse)\n"
    "  --deadline SECONDS       how long a connection is held at most, 0.1 to 120 (default 60)\n"
    "  --undecided block|permit what it gets then (default block)\n"
    "  --no-decider hold|block|permit\n"
    "                           while nobody decides (default hold: until the deadline)\n"
    "  --dead closed|open       while no gatehoused runs that was not asked to end, undecided connections are\n"
    "                           refused: closed (default), or pass: open\n"
    "  --capacity N             most connections held at once, 16 to 64000 (default 60000)\n"
    "  --hold-loopback          hold connections over loopback too (default: they are permitted)\n"
    "  --queue N                NFQUEUE number to use, 0 to 65535 (default 4747)\n"
    "  --name-servers WHOSE     whose answers say what an address is called: system (default: those of\n"
    "                           /etc/resolv.conf, and systemd-resolved), any, none, or addresses\n"
    "  --driver FILE.sys        run this x86-64 Windows driver file instead of the driver that is built in\n"
    "  --special-pool           with --driver: catch every access beyond its pool blocks, or to freed ones, as it\n"
    "                           happens; gatehoused then ends with what, where and which block (slower)\n"
    "  --confine yes|no|kill    once started, keep only the rights and system calls that are needed (default yes);\n"
    "                           kill: another system call ends it\n"
    "  --verbose                trace what the driver and the feed do\n"
    "\n"
    "  --remove                 take out everything gatehoused left in this namespace, and end\n"
    "  --help, --version\n"
    "\n"
    "SIGINT and SIGTERM end it: it then takes out what it put in. SIGHUP loads the rules again. When it is killed\n"
    "instead, decided connections go on, and undecided ones go the --dead way until it is started again.\n"
    "Exit status: 0 ended as asked, 1 bad usage or file, 2 could not start, 3 stopped by a failure.\n";

enum {
    OPTION_SETTING = 256, /* + enum setting */
    OPTION_CONFIG = OPTION_SETTING + SETTINGS,
    OPTION_CHECK,
    OPTION_JSON,
    OPTION_REMOVE,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option others[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"json", no_argument, NULL, OPTION_JSON},
    {"remove", no_argument, NULL, OPTION_REMOVE},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

/* A path is made absolute now: entering another mount namespace later changes the working directory. */
static bool take_config(struct host_options *options, const char *folder)
{
    int size = optarg[0] == '/'
                   ? snprintf(options->config, sizeof(options->config), "%s", optarg)
                   : snprintf(options->config, sizeof(options->config), "%s/%s", folder ? folder : "", optarg);

    if (*optarg && size > 0 && (size_t)size < sizeof(options->config))
        return true;
    log_say("--config takes a path of 1 to %zu bytes (made absolute), not \"%s\".", sizeof(options->config) - 1,
            optarg);
    return false;
}

static bool take_setting(struct host_options *options, enum setting setting, const char *folder)
{
    char message[SETTING_MESSAGE_MAX];

    if (!setting_take(&options->settings, setting, optarg ? optarg : "yes", folder, message)) {
        log_say("--%s %s", setting_name(setting), message);
        return false;
    }
    options->settings.origin[setting] = SETTING_BY_COMMAND_LINE;
    return true;
}

static bool take_option(int option, struct host_options *options, const char *folder)
{
    if (option >= OPTION_SETTING && option < OPTION_SETTING + SETTINGS)
        return take_setting(options, (enum setting)(option - OPTION_SETTING), folder);
    switch (option) {
    case OPTION_CONFIG:
        return take_config(options, folder);
    case OPTION_CHECK:
        return options->check = true;
    case OPTION_JSON:
        return options->json = true;
    case OPTION_REMOVE:
        return options->remove = true;
    default:
        return false;
    }
}

/* getopt_long takes the beginning of a name for it; nothing is guessed here. */
static bool is_whole(const char *word, const char *name)
{
    size_t size = strcspn(word + 2, "=");

    return strlen(name) == size && memcmp(word + 2, name, size) == 0;
}

static enum options_result refuse(const char *word)
{
    enum setting similar = SETTING_NONE;

    if (strncmp(word, "--", 2) == 0)
        (void)setting_find(word + 2, strcspn(word + 2, "="), &similar);
    if (similar == SETTING_NONE)
        log_say("\"%s\" is no option; \"gatehoused --help\" lists them.", word);
    else
        log_say("\"%s\" is no option; did you mean \"--%s\"? \"gatehoused --help\" lists them.", word,
                setting_name(similar));
    return OPTIONS_BAD;
}

static enum options_result show(const char *text)
{
    if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
        return OPTIONS_DONE;
    log_say("cannot write the output: is there room, and does anybody read?");
    return OPTIONS_BAD;
}

/* What goes together, and what not. */
static enum options_result check_words(const struct host_options *options)
{
    if (options->json && !options->check)
        log_say("--json is for --check: give both.");
    else if (options->remove && options->check)
        log_say("--check changes nothing, and --remove does: give one of them.");
    else
        return OPTIONS_RUN;
    return OPTIONS_BAD;
}

static enum options_result parse_words(int argc, char **argv, struct host_options *options)
{
    struct option table[SETTINGS + sizeof(others) / sizeof(others[0])];
    char folder[SETTING_PATH_MAX];
    const char *here = getcwd(folder, sizeof(folder));
    int option, at = 0;

    for (int i = 0; i < SETTINGS; i++) {
        enum setting setting = (enum setting)i;

        table[i] =
            (struct option){setting_name(setting), setting_is_switch(setting) ? optional_argument : required_argument,
                            NULL, OPTION_SETTING + i};
    }
    memcpy(table + SETTINGS, others, sizeof(others));
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", table, &at)) != -1) {
        const char *word = argv[optind - 1];

        if (option == OPTION_HELP || option == 'h')
            return show(usage);
        if (option == '?')
            return refuse(word);
        if (option == ':') {
            log_say("%s lacks its value; \"gatehoused --help\" says which it takes.", word);
            return OPTIONS_BAD;
        }
        if (optarg == word)
            word = argv[optind - 2];
        if (!is_whole(word, table[at].name))
            return refuse(word);
        if (option == OPTION_VERSION)
            return show("gatehoused " GATEHOUSE_VERSION "\n");
        if (!take_option(option, options, here))
            return OPTIONS_BAD;
    }
    if (optind < argc)
        return refuse(argv[optind]);
    return check_words(options);
}

/* False: told, or for the check to tell. */
static bool read_config(struct host_options *options)
{
    bool named = options->config[0] != 0;

    if (!named)
        snprintf(options->config, sizeof(options->config), "%s", OPTIONS_CONFIG);
    options->config_found = conf_read(options->config, &options->settings, &options->errors);
    if (options->config_found == CONF_MISSING && named) {
        options->config_found = CONF_BAD;
        options->errors.count = 1;
        snprintf(options->errors.error[0].message, SETTING_MESSAGE_MAX,
                 "is not there: name a file that is, or leave --config out.");
    }
    if (options->config_found != CONF_BAD || options->check)
        return options->config_found != CONF_BAD;
    for (unsigned i = 0; i < options->errors.count; i++) {
        const struct conf_error *error = &options->errors.error[i];

        if (error->line)
            log_say("%s:%u:%u: %s", options->config, error->line, error->column, error->message);
        else
            log_say("%s %s", options->config, error->message);
    }
    return false;
}

enum options_result options_parse(int argc, char **argv, struct host_options *options)
{
    char message[SETTING_MESSAGE_MAX];

    memset(options, 0, sizeof(*options));
    settings_init(&options->settings);
    enum options_result result = parse_words(argc, argv, options);
    if (result != OPTIONS_RUN || options->remove)
        return result;
    if (!read_config(options))
        return options->check ? OPTIONS_RUN : OPTIONS_BAD;
    if (!settings_check(&options->settings, message)) {
        log_say("%s", message);
        return OPTIONS_BAD;
    }
    return OPTIONS_RUN;
}
