/* SPDX-License-Identifier: MIT */
/*
 * options.c - reads gatehoused's command line. A value that is not exactly right is refused with
 * the value, what was wanted, and the range; nothing is guessed.
 *
 * When you add an option, also add it to the usage text, README.md and the start tests.
 */
#include "host/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gatehouse/protocol.h"
#include "gatehouse/transport.h"
#include "host/gate.h"
#include "host/log.h"

/* The kernel keeps at most 65,536 packets in a queue; some of the room is for a flow's second datagrams. */
#define CAPACITY_MAX 64000

static const char usage[] =
    "usage: gatehoused [options]\n"
    "Holds every new TCP and UDP connection that leaves this network namespace until it is decided.\n"
    "\n"
    "  --socket PATH            where deciders connect (default " GATEHOUSE_SOCKET_PATH ")\n"
    "  --deadline SECONDS       how long a connection is held at most, 0.1 to 120 (default 60)\n"
    "  --undecided VERDICT      what it gets then: block (default) or permit\n"
    "  --no-decider MODE        while nobody decides: hold (default, until the deadline), block or permit\n"
    "  --capacity N             most connections held at once, 16 to 64000 (default 60000)\n"
    "  --hold-loopback          hold connections over loopback too (default: they are permitted)\n"
    "  --queue N                NFQUEUE number to use, 0 to 65535 (default 4747)\n"
    "  --driver FILE.sys        run this x86-64 Windows driver file instead of the driver that is built in\n"
    "  --special-pool           with --driver: catch every access beyond its pool blocks, or to freed ones, as it\n"
    "                           happens; gatehoused then ends with what, where and which block (slower)\n"
    "  --remove                 take out everything gatehoused left in this namespace, and end\n"
    "  --verbose                trace what the driver and the feed do\n"
    "  --help, --version\n"
    "\n"
    "It ends on SIGINT, SIGTERM or SIGHUP and then removes its rules. When it is killed instead, decided\n"
    "connections go on, and undecided ones get the --undecided verdict until it is started again.\n"
    "Exit status: 0 ended as asked, 1 bad usage, 2 could not start, 3 stopped by a failure.\n";

enum {
    OPTION_SOCKET = 256,
    OPTION_DEADLINE,
    OPTION_UNDECIDED,
    OPTION_NO_DECIDER,
    OPTION_CAPACITY,
    OPTION_LOOPBACK,
    OPTION_QUEUE,
    OPTION_DRIVER,
    OPTION_SPECIAL_POOL,
    OPTION_REMOVE,
    OPTION_VERBOSE,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option long_options[] = {
    {"socket", required_argument, NULL, OPTION_SOCKET},
    {"deadline", required_argument, NULL, OPTION_DEADLINE},
    {"undecided", required_argument, NULL, OPTION_UNDECIDED},
    {"no-decider", required_argument, NULL, OPTION_NO_DECIDER},
    {"capacity", required_argument, NULL, OPTION_CAPACITY},
    {"hold-loopback", no_argument, NULL, OPTION_LOOPBACK},
    {"queue", required_argument, NULL, OPTION_QUEUE},
    {"driver", required_argument, NULL, OPTION_DRIVER},
    {"special-pool", no_argument, NULL, OPTION_SPECIAL_POOL},
    {"remove", no_argument, NULL, OPTION_REMOVE},
    {"verbose", no_argument, NULL, OPTION_VERBOSE},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static bool parse_number(const char *text, const char *option, unsigned long lowest, unsigned long highest,
                         unsigned long *number)
{
    char *end = NULL;

    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < lowest || value > highest) {
        log_say("%s takes a whole number from %lu to %lu, not \"%s\".", option, lowest, highest, text);
        return false;
    }
    *number = value;
    return true;
}

static bool parse_deadline(const char *text, uint32_t *milliseconds)
{
    char *end = NULL;
    double seconds = strtod(text, &end);
    double lowest = GATEHOUSE_DEADLINE_MIN_MS / 1000.0, highest = GATEHOUSE_DEADLINE_MAX_MS / 1000.0;

    if (*text < '0' || *text > '9' || *end || !isfinite(seconds) || seconds < lowest || seconds > highest) {
        log_say("--deadline takes seconds from %g to %g, not \"%s\".", lowest, highest, text);
        return false;
    }
    *milliseconds = (uint32_t)(seconds * 1000.0 + 0.5);
    return true;
}

struct word {
    const char *text;
    uint32_t value;
};

static bool parse_word(const char *text, const char *option, const struct word *words, const char *wanted,
                       uint32_t *value)
{
    for (; words->text; words++) {
        if (strcmp(text, words->text) == 0) {
            *value = words->value;
            return true;
        }
    }
    log_say("%s takes %s, not \"%s\".", option, wanted, text);
    return false;
}

/* The path is made absolute now: entering another mount namespace later changes the working directory. */
static bool parse_socket(const char *text, char path[108])
{
    char directory[4096] = "";

    if (text[0] != '/' && !getcwd(directory, sizeof(directory))) {
        log_say("--socket: cannot tell the working directory: %s; give an absolute path.", strerror(errno));
        return false;
    }
    int size = text[0] == '/' ? snprintf(path, 108, "%s", text) : snprintf(path, 108, "%s/%s", directory, text);
    if (!*text || size < 0 || size >= 108) {
        log_say("--socket takes a path of 1 to 107 bytes (made absolute), not \"%s\".", text);
        return false;
    }
    return true;
}

static bool option_take(int option, struct host_options *options)
{
    static const struct word verdicts[] = {
        {"block", GATEHOUSE_VERDICT_BLOCK}, {"permit", GATEHOUSE_VERDICT_PERMIT}, {NULL, 0}};
    static const struct word modes[] = {{"hold", GATEHOUSE_NO_DECIDER_HOLD},
                                        {"block", GATEHOUSE_NO_DECIDER_BLOCK},
                                        {"permit", GATEHOUSE_NO_DECIDER_PERMIT},
                                        {NULL, 0}};
    unsigned long number = 0;

    switch (option) {
    case OPTION_SOCKET:
        return parse_socket(optarg, options->socket_path);
    case OPTION_DEADLINE:
        return parse_deadline(optarg, &options->deadline_ms);
    case OPTION_UNDECIDED:
        return parse_word(optarg, "--undecided", verdicts, "block or permit", &options->undecided);
    case OPTION_NO_DECIDER:
        return parse_word(optarg, "--no-decider", modes, "block, permit or hold", &options->no_decider);
    case OPTION_CAPACITY:
        if (!parse_number(optarg, "--capacity", 16, CAPACITY_MAX, &number))
            return false;
        options->capacity = (uint32_t)number;
        return true;
    case OPTION_QUEUE:
        if (!parse_number(optarg, "--queue", 0, 65535, &number))
            return false;
        options->queue = (uint16_t)number;
        return true;
    case OPTION_DRIVER:
        options->driver = optarg;
        return true;
    case OPTION_SPECIAL_POOL:
        return options->special_pool = true;
    case OPTION_LOOPBACK:
        return options->hold_loopback = true;
    case OPTION_REMOVE:
        return options->remove = true;
    case OPTION_VERBOSE:
        return options->verbose = true;
    default:
        return false;
    }
}

enum options_result options_parse(int argc, char **argv, struct host_options *options)
{
    int option;

    *options = (struct host_options){
        .socket_path = GATEHOUSE_SOCKET_PATH,
        .deadline_ms = 60000,
        .undecided = GATEHOUSE_VERDICT_BLOCK,
        .no_decider = GATEHOUSE_NO_DECIDER_HOLD,
        .capacity = 60000,
        .queue = GATE_QUEUE_DEFAULT,
    };
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option == OPTION_HELP || option == OPTION_VERSION) {
            fputs(option == OPTION_HELP ? usage : "gatehoused " GATEHOUSE_VERSION "\n", stdout);
            return OPTIONS_DONE;
        }
        if (option == '?')
            log_say("\"%s\" is no option, or lacks its value; \"gatehoused --help\" lists them.", argv[optind - 1]);
        if (!option_take(option, options))
            return OPTIONS_BAD;
    }
    if (optind < argc) {
        log_say("\"%s\" is no option; \"gatehoused --help\" lists them.", argv[optind]);
        return OPTIONS_BAD;
    }
    if (options->special_pool && options->driver == NULL) {
        log_say("--special-pool is for a driver file: give it with --driver FILE.sys.");
        return OPTIONS_BAD;
    }
    return OPTIONS_RUN;
}
