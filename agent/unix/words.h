/* SPDX-License-Identifier: MIT */
/*
 * words.h - what sentences call things on Linux. Its twin is windows/words.h; the build chooses the folder.
 */
#ifndef AGENT_WORDS_H
#define AGENT_WORDS_H

/* Who answers calls. */
#define WORDS_PEER "gatehoused"
/* What to do, to follow a colon. */
#define WORDS_LOOK    "look at its log"
#define WORDS_ALLOWED "run as root, or as a member of the group 'gatehouse'"
/* For the help of options. */
#define WORDS_SOCKET    "gatehoused's socket (default /run/gatehouse/device.sock)"
#define WORDS_EXCEPT    "real paths of their executables"
#define WORDS_RESOLVERS "the name servers in /etc/resolv.conf"
#define WORDS_STOPPED   "Ctrl-C or a signal"
/* What the filter engine lives in. */
#define WORDS_ENGINE "gatehoused"
/* Why rules could not be stored. */
#define WORDS_STORE "the folder of the setting 'state' (/var/lib/gatehouse by default) is gone, full or read-only"
/* The file of rules when nobody names one. */
#define WORDS_RULES_FILE "/etc/gatehouse/rules"
/* gatehouse ask: what it is where there is a terminal for it, and what that takes. */
#define WORDS_ASK_SCREEN                                                                                               \
    ". On a terminal it takes the whole screen (? shows its keys), and where\n"                                        \
    "'gatehouse run' has a desk it shows what waits there. Elsewhere, and with --lines, it asks,"
#define WORDS_ASK_OPTIONS                                                                                              \
    "  --lines          one line a question on a terminal too\n"                                                       \
    "  --desk PATH      the desk's socket (default /run/gatehouse-desk/desk.sock)\n"
/* Two lines of the commands' list, where there is something to install. */
#define WORDS_INSTALL_COMMANDS ""
#define WORDS_INSTALL_FAILED   ""

#endif
