/* SPDX-License-Identifier: MIT */
/*
 * words.h - what sentences call things on Windows. Its twin is unix/words.h; the build chooses the folder.
 */
#ifndef AGENT_WORDS_H
#define AGENT_WORDS_H

/* Who answers calls. */
#define WORDS_PEER "gatehouse.sys"
/* What to do, to follow a colon. */
#define WORDS_LOOK    "see 'sc query gatehouse'"
#define WORDS_ALLOWED "run as administrator"
/* For the help of options. */
#define WORDS_SOCKET    "the driver's device (default \\\\.\\Gatehouse)"
#define WORDS_EXCEPT    "paths of their executables, from C:\\ on"
#define WORDS_RESOLVERS "the name servers of this machine's network adapters"
#define WORDS_STOPPED   "Ctrl-C, Ctrl-Break or the console's closing"
/* What the filter engine lives in. */
#define WORDS_ENGINE "Windows' filter engine"
/* Why rules could not be stored. */
#define WORDS_STORE "the disk is full or read-only"
/* The file of rules when nobody names one. */
#define WORDS_RULES_FILE "%ProgramData%\\Gatehouse\\rules"
/* gatehouse ask: there is no screen. */
#define WORDS_ASK_SCREEN  ","
#define WORDS_ASK_OPTIONS ""
/* Two lines of the commands' list, where there is something to install. */
#define WORDS_INSTALL_COMMANDS                                                                                         \
    "  install          put the driver on this machine for good, or upgrade it\n"                                      \
    "  uninstall        take it off again\n"
#define WORDS_INSTALL_FAILED ", or a step of install or uninstall"

#endif
