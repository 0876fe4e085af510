/* SPDX-License-Identifier: MIT */
/*
 * help.c - see help.h. One text a command, in the order of enum options_command.
 */
#include "cli/help.h"
#include "words.h"

#define COMMON                                                                                                         \
    "  --socket PATH    " WORDS_SOCKET "\n"                                                                            \
    "  --help           this help\n"
#define EXCEPT                                                                                                         \
    "  --except PATH... decide the other way for these programs: " WORDS_EXCEPT "\n"                                   \
    "  --quiet          do not print a line for each decision\n"                                                       \
    "  --json           print each decision as one JSON object a line\n"                                               \
    "  --once           end when " WORDS_PEER " goes away, instead of waiting until it is back\n" COMMON

static const char *const texts[] = {
    "gatehouse - decides which programs may connect, and shows what happens\n"
    "\n"
    "usage: gatehouse [--socket PATH] COMMAND [OPTIONS]\n"
    "\n"
    "commands:\n"
    "  permit           permit all connections, but those of excepted programs\n"
    "  block            block all connections, but those of excepted programs\n"
    "  ask              ask a person about each connection\n"
    "  status           show the policy, who decides, and the counters\n"
    "  watch            show events as they happen\n"
    "  policy           show or set what happens to connections that nobody decides\n"
    "  filter           add, list or remove filters that decide without asking\n" WORDS_INSTALL_COMMANDS "\n"
    "options:\n" COMMON "  --version        the program's version\n"
    "\n"
    "'gatehouse COMMAND --help' tells more. Only one program decides at a time.\n"
    "\n"
    "exit status:\n"
    "  0  done, or ended by " WORDS_STOPPED "\n"
    "  1  the command line is wrong\n"
    "  2  " WORDS_PEER " cannot be reached\n"
    "  3  " WORDS_PEER " refuses: not allowed, another program decides, another version\n"
    "  4  the connection to " WORDS_PEER " was lost\n"
    "  5  ask: the input ended, so nobody can answer\n"
    "  6  this machine has no memory or no output left" WORDS_INSTALL_FAILED "\n",

    "usage: gatehouse permit [OPTIONS]\n"
    "\n"
    "Permits every held connection, but blocks those of the programs after --except.\n"
    "Prints: time, program, pid, user, protocol and destination, verdict.\n"
    "\n"
    "options:\n" EXCEPT,

    "usage: gatehouse block [OPTIONS]\n"
    "\n"
    "Blocks every held connection, but permits those of the programs after --except, and looking up names\n"
    "(port 53 of " WORDS_RESOLVERS ").\n"
    "Prints: time, program, pid, user, protocol and destination, verdict.\n"
    "\n"
    "options:\n"
    "  --no-lookups     block looking up names too\n" EXCEPT,

    "usage: gatehouse ask [OPTIONS]\n"
    "\n"
    "Asks about each held connection, one line a question. Answers:\n"
    "  y  yes           permit this connection\n"
    "  n  no            block this connection\n"
    "  a  always        permit all of this program to this destination until " WORDS_PEER " ends\n"
    "  d  never         block all of this program to this destination until " WORDS_PEER " ends\n"
    "  ?  help\n"
    "On a terminal one key answers, from 0.3 s after the question appeared; otherwise one line.\n"
    "At the end of the input, held connections go back undecided, and the exit status is 5.\n"
    "\n"
    "options:\n"
    "  --once           end when " WORDS_PEER " goes away, instead of waiting until it is back\n" COMMON,

    "usage: gatehouse status [OPTIONS]\n"
    "\n"
    "Shows the policy, who decides, what is held now, and all counters.\n"
    "\n"
    "options:\n"
    "  --json           one JSON object with every field; times in 100 ns from boot\n" COMMON,

    "usage: gatehouse watch [OPTIONS]\n"
    "\n"
    "Shows each connection as it is held and as it is decided, by whom or why. Decides nothing.\n"
    "\n"
    "options:\n"
    "  --json           one JSON object a line\n" COMMON,

    "usage: gatehouse policy [OPTIONS]\n"
    "\n"
    "Shows what happens to connections that nobody decides; with options, sets that first.\n"
    "\n"
    "options:\n"
    "  --deadline SECONDS                how long a connection is held: 0.1 to 120\n"
    "  --undecided block|permit          its verdict when the deadline passes\n"
    "  --no-decider block|permit|hold    what happens while nobody decides\n"
    "  --json           the policy as one JSON object\n" COMMON,
    "usage: gatehouse filter add permit|block [OPTIONS]\n"
    "       gatehouse filter list [--all] [--json]\n"
    "       gatehouse filter remove ID...|--all\n"
    "\n"
    "Filters decide in the filter engine itself: before the driver, without asking, also while nobody decides.\n"
    "add prints the id of each filter: one for IPv4, one for IPv6. They stay until " WORDS_ENGINE " ends; rules that\n"
    "stay longer are yet to come. A new block also ends connections that live. list shows what add added, in the\n"
    "order of deciding; remove removes nothing else.\n"
    "\n"
    "options of add; what is not given matches anything:\n"
    "  --program PATH          the program: " WORDS_EXCEPT "\n"
    "  --to ADDRESS[/PREFIX]   the destination, IPv4 or IPv6\n"
    "  --port N[-M]            the destination's port, or ports; of tcp and udp\n"
    "  --proto tcp|udp         the protocol\n"
    "  --v4, --v6              only one of the two\n"
    "  --in                    what comes in: --to is then where from, --port that of the program that listens\n"
    "  --weight N              1 to 15, 8 if not given: the heavier filter decides; of one weight, the narrower\n"
    "  --name TEXT             what list calls it\n"
    "options of list:\n"
    "  --all            the filters of the driver and of others too; a star marks those of add\n"
    "  --json           one JSON object a line\n"
    "options of remove:\n"
    "  --all            everything that add added\n"
    "and of all:\n" COMMON,

    "usage: gatehouse install [OPTIONS]\n"
    "\n"
    "On Windows, as administrator: installs the gatehouse.sys beside this program, its service and its objects in the\n"
    "filter engine; all of it or, if a step fails, nothing. On a machine that has it this is an upgrade, and what no\n"
    "option names stays as it is.\n"
    "\n"
    "options:\n"
    "  --closed         nothing but loopback, DHCP and neighbour discovery passes while the driver is away, from the\n"
    "                   start of Windows on; starts the driver now\n"
    "  --open           everything passes while the driver is away (the default)\n"
    "  --start          start the driver now\n"
    "  --starts auto|demand              when the driver starts: with Windows (the default), or when told\n"
    "  --deadline SECONDS                how long a connection is held: 0.1 to 120\n"
    "  --undecided block|permit          its verdict when the deadline passes\n"
    "  --no-decider block|permit|hold    what happens while nobody decides\n"
    "  --dry-run        only show what would be done\n"
    "  --json           each step as one JSON object a line\n"
    "  --help           this help\n",

    "usage: gatehouse uninstall [OPTIONS]\n"
    "\n"
    "On Windows, as administrator: stops the driver and removes its objects in the filter engine, its service with "
    "its\n"
    "settings, and its file, also what is half there. Shows each, and goes on past what cannot be removed.\n"
    "\n"
    "options:\n"
    "  --dry-run        only show what would be removed\n"
    "  --json           each step as one JSON object a line\n"
    "  --help           this help\n",
};

const char *help_text(enum options_command command)
{
    return texts[command];
}
