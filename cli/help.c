/* SPDX-License-Identifier: MIT */
/*
 * help.c - see help.h. One text a command, in the order of enum options_command.
 */
#include "cli/help.h"
#include "words.h"

#define COMMON                                                                                                         \
    "  --socket PATH    " WORDS_SOCKET "\n"                                                                            \
    "  --help           this help\n"
#define PAST_WHICH                                                                                                     \
    "  --to DEST        the other end: an address, a prefix (10.0.0.0/8) or a name (example.org, *.example.org), "     \
    "with\n"                                                                                                           \
    "                   :PORT or without\n"                                                                            \
    "  --user USER      who runs the program: a name or a number\n"                                                    \
    "  --verdict permit|block\n"                                                                                       \
    "  --by WHO         who decided: rule, answer, decider, deadline, no-decider, full, cancel, none, or a person's\n" \
    "                   name\n"                                                                                        \
    "  --since TIME     2026-11-22, '2026-11-22 14:05', 14:05, today, yesterday, or so long ago: 90s, 10m, 2h, 3d, "   \
    "1w\n"
#define PAST_UNTIL   "  --until TIME     the same: began before then\n"
#define PAST_PROGRAM "  --program P      a path, or a program's name; * and ? stand for any characters\n"
#define PAST_COMMON                                                                                                    \
    "  --history FILE   the history (default /var/lib/gatehouse-history/history.db)\n"                                 \
    "  --help           this help\n"
#define PAST_EXITS "\nexit status: 0 something was found, 1 nothing was, or the command line is wrong.\n"
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
    "  rules            check, load, list, add, remove, explain or diff the rules that decide without asking\n"
    "  flows            show the connections that live, and those that ended, with what they carried\n"
    "  run              decide for whoever is there: questions to 'ask', 'notify' and 'ui', and the history\n"
    "  notify           ask by notifications on this desktop\n"
    "  ui               a page in the browser: questions, connections, rules, a map, the history\n"
    "  log              the history: each connection, who decided it, what it carried; -f goes on\n"
    "  top              the programs and destinations with the most connections or bytes, as it happens\n"
    "  apps             programs: since when, how often permitted and blocked, what they carried\n"
    "  show             one program: its destinations, what decided, a chart\n"
    "  export           the history as JSON lines or CSV\n"
    "  why              why a connection was blocked, in a sentence, and how to allow it\n"
    "  learn            propose rules for what programs did\n"
    "  import           rules of OpenSnitch or simplewall as rules of ours\n"
    "  filter           add, list or remove filters that come before all rules\n" WORDS_INSTALL_COMMANDS "\n"
    "options:\n" COMMON "  --version        the program's version\n"
    "\n"
    "'gatehouse COMMAND --help' tells more. Only one program decides at a time.\n"
    "\n"
    "exit status:\n"
    "  0  done, or ended by " WORDS_STOPPED "\n"
    "  1  the command line or a file of rules is wrong; rules diff: they differ; log, apps, show, why: nothing found\n"
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
    "Asks about each held connection" WORDS_ASK_SCREEN " one line a question. Answers:\n"
    "  y  yes           permit this connection\n"
    "  n  no            block this connection\n"
    "  a  always        permit all of this program to this destination\n"
    "  d  never         block all of this program to this destination\n"
    "  ?  help\n"
    "Before y or n may stand how long the answer holds, for this program and destination: a number of minutes,\n"
    "e (until the program exits) or r (until reboot); and before any of them p: all of the program, to anywhere.\n"
    "As a line that is 'y 10 minutes', 'no until exit', 'yes until reboot program', 'always program'. What holds "
    "longer\n"
    "than its connection becomes a rule: 'gatehouse rules list' shows it, 'gatehouse rules remove' ends it.\n"
    "On a terminal one key answers, from 0.3 s after the question appeared; otherwise one line.\n"
    "At the end of the input, held connections go back undecided, and the exit status is 5.\n"
    "\n"
    "options:\n"
    "  --once           end when " WORDS_PEER
    " goes away, instead of waiting until it is back\n" WORDS_ASK_OPTIONS COMMON,

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
    "  --event-log      into Windows' event log (Application, source Gatehouse) instead of printing it\n"
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
    "add prints the id of each filter: one for IPv4, one for IPv6. They stay until " WORDS_ENGINE " ends; rules\n"
    "('gatehouse rules') stay longer. A new block also ends connections that live. list shows what add added, in the\n"
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

    "usage: gatehouse rules check [FILE] [--json]\n"
    "       gatehouse rules load [FILE] [--json]\n"
    "       gatehouse rules diff [FILE] [--json]\n"
    "       gatehouse rules list [--all-sets] [--json]\n"
    "       gatehouse rules add RULE [--json]\n"
    "       gatehouse rules remove ID|NUMBER...\n"
    "       gatehouse rules explain PROGRAM DEST [OPTIONS]\n"
    "\n"
    "Rules decide connections without asking anybody, also while nobody decides; the first that matches counts.\n"
    "Their language is in docs/rules.md and gatehouse-rules(5). FILE is " WORDS_RULES_FILE "\n"
    "if it is not given.\n"
    "  check    reads a file and shows its errors, and rules that never match; needs no driver and no privilege\n"
    "  load     puts a file into force, all of it or nothing; added rules and answers stay\n"
    "  diff     what loading the file would change: + added, - removed, > moved; exit status 1 if anything\n"
    "  list     all rules in the order of deciding: how often each decided, when last, and when it ends\n"
    "  add      one rule above all those of the file: \"permit program \\\"/usr/bin/ssh\\\" for 10 minutes\"; prints "
    "its id\n"
    "  remove   added rules and answers, by id (or its first digits) or by their number in the list\n"
    "  explain  which rule decides a connection, and why each one before it does not. DEST is an address or a host's\n"
    "           name, or either with :PORT, as in 192.0.2.1:443, [2001:db8::1]:443, example.org:443\n"
    "\n"
    "options of explain; what is not given is not known, and matches no rule that asks for it:\n"
    "  --port N         the port, if DEST has none\n"
    "  --proto P        tcp (if not given), udp, icmp (an echo request), or a number\n"
    "  --user USER      who runs the program: a name or number; with the groups of that user\n"
    "  --unit UNIT      the systemd unit that the program runs in\n"
    "  --from ADDRESS   the other end, or ADDRESS:PORT\n"
    "  --in             the program is asked to accept: DEST is its own end, --from the one that connects\n"
    "  --file FILE      explain a file instead of what is in force\n"
    "  --all            show every earlier rule, be they many\n"
    "options of list:\n"
    "  --all-sets       rules in full, with the addresses of their sets, instead of as written\n"
    "and of all:\n"
    "  --json           one JSON object a line\n" COMMON,

    "usage: gatehouse flows [OPTIONS]\n"
    "\n"
    "Shows the connections that were permitted: those that live, and the last that ended, with the program, both "
    "ends,\n"
    "what each end sent, how long, and the rule that permitted it.\n"
    "\n"
    "options:\n"
    "  -f, --follow     go on: a line for each that begins or ends\n"
    "  --json           one JSON object a line\n" COMMON,

    "usage: gatehouse run [OPTIONS]\n"
    "\n"
    "The resident decider. Questions lie on its desk until somebody answers: 'gatehouse ask', 'notify' or 'ui', any\n"
    "number of them, by root and members of the group gatehouse; the first answer counts. What was decided, by whom,\n"
    "and what it carried goes into the history. Prints a line for each connection that was decided.\n"
    "\n"
    "options:\n"
    "  --desk PATH      the desk's socket (default /run/gatehouse-desk/desk.sock)\n"
    "  --history FILE   where the history is kept (default /var/lib/gatehouse-history/history.db); none: nowhere\n"
    "  --days N         how long it is kept (default 30)\n"
    "  --megabytes N    how large it may be (default 100); the oldest goes first\n"
    "  --learn          permit what would be asked about, to learn from it: see 'gatehouse learn'\n"
    "  --quiet          print no lines\n"
    "  --json           print each as one JSON object\n" COMMON,

    "usage: gatehouse notify [OPTIONS]\n"
    "\n"
    "In a desktop session: shows each question of the desk as a notification with buttons, and closes it when it was\n"
    "answered elsewhere. Needs 'gatehouse run'. Waits for it, and for the desktop's notification service.\n"
    "\n"
    "options:\n"
    "  --desk PATH      the desk's socket (default /run/gatehouse-desk/desk.sock)\n"
    "  --help           this help\n",

    "usage: gatehouse ui [OPTIONS]\n"
    "\n"
    "Serves a page to this machine's browser and prints its link: questions to answer, connections as they are "
    "decided,\n"
    "the rules with their hits, a map of programs and destinations, the history. The link has a key; without it, and "
    "from\n"
    "other machines or other pages, nothing is answered. It lasts until this command ends. On Linux only.\n"
    "\n"
    "options:\n"
    "  --port N         the port, instead of any that is free\n"
    "  --no-open        only print the link; without this it is opened too, when there is a desktop\n"
    "  --desk PATH      the socket of 'gatehouse run'\n"
    "  --history FILE   the history that it writes\n" COMMON,

    "usage: gatehouse log [OPTIONS]\n"
    "\n"
    "Shows the connections that 'gatehouse run' wrote down, the newest last: when, permitted or blocked, program, "
    "pid,\n"
    "user, the other end, by whom or which rule, and what it carried, once it has ended.\n"
    "\n"
    "options:\n"
    "  -f, --follow     go on: a line for each connection as it is written\n"
    "  --limit N        the newest N (default 1000); 0: all\n" PAST_PROGRAM PAST_WHICH PAST_UNTIL
    "  --json           one JSON object a line\n" PAST_COMMON PAST_EXITS,

    "usage: gatehouse top [OPTIONS]\n"
    "\n"
    "Programs and destinations with the most connections since a time, on a terminal again and again as it happens\n"
    "(Ctrl-C ends it), else once.\n"
    "\n"
    "options:\n"
    "  --limit N        rows of each table (default 10)\n" PAST_PROGRAM PAST_WHICH "                   (default 1h)\n"
    "  --json           one JSON object a line, once\n" PAST_COMMON PAST_EXITS,

    "usage: gatehouse apps [OPTIONS]\n"
    "\n"
    "All programs, the one that connected last first: since when they are known, how often they were permitted and\n"
    "blocked, what they carried, and to how many destinations.\n"
    "\n"
    "options:\n"
    "  --limit N        the first N\n" PAST_PROGRAM PAST_WHICH PAST_UNTIL
    "  --json           one JSON object a line\n" PAST_COMMON PAST_EXITS,

    "usage: gatehouse show PROGRAM [OPTIONS]\n"
    "\n"
    "One program: first and last seen, a chart of its connections over time, its destinations, and what decided. "
    "PROGRAM\n"
    "is a path or a name, with * and ?; several that fit are shown one after the other.\n"
    "\n"
    "options:\n"
    "  --limit N        destinations and rules shown (default 20)\n" PAST_WHICH PAST_UNTIL
    "  --json           one JSON object for each program\n" PAST_COMMON PAST_EXITS,

    "usage: gatehouse export [--csv|--json] [OPTIONS]\n"
    "\n"
    "The history, all of it, oldest first: one JSON object a line, or CSV with a head.\n"
    "\n"
    "options:\n"
    "  --limit N        the newest N\n" PAST_PROGRAM PAST_WHICH PAST_UNTIL
    "  --csv, --json    how (default --json)\n" PAST_COMMON PAST_EXITS,

    "usage: gatehouse why [PROGRAM] [DEST] [OPTIONS]\n"
    "\n"
    "Says why the last connection of this program, or to this destination, was blocked, and what to type to allow it.\n"
    "PROGRAM is a path or a name; DEST an address, prefix or name, with :PORT or without; without either it is the "
    "last\n"
    "one of all. With both, when the history knows of none, it says what would happen by the rules in force.\n"
    "\n"
    "options:\n"
    "  --json           one JSON object\n"
    "  --socket PATH    " WORDS_SOCKET "\n" PAST_COMMON PAST_EXITS,

    "usage: gatehouse learn [OPTIONS]\n"
    "\n"
    "Proposes rules for what programs did: prints a file of rules made from the connections in the history that were\n"
    "permitted by an answer or by nobody's rule. Nothing is put into force. 'gatehouse run --learn' lets everything\n"
    "pass meanwhile that no rule blocks.\n"
    "\n"
    "options:\n" PAST_PROGRAM "  --user USER      a name or number\n"
    "  --since TIME     only connections that began then or later: 10m, 2h, 3d, today, a date\n" PAST_UNTIL PAST_COMMON
    "\n"
    "exit status: 0 there are proposals, 1 nothing was seen, or the command line is wrong.\n",

    "usage: gatehouse import FILE...\n"
    "\n"
    "Prints the rules of another program as rules of ours: OpenSnitch's (a folder, or its *.json) or a profile of\n"
    "simplewall (XML). What cannot be carried over is a comment that says why. Nothing is put into force.\n"
    "\n"
    "options:\n"
    "  --help           this help\n"
    "\n"
    "exit status: 0 all was carried over, 1 not all, or a file cannot be read.\n",

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
