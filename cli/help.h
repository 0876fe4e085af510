/* SPDX-License-Identifier: MIT */
/*
 * help.h - what --help prints.
 */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/options.h"

/* The program's own help for OPTIONS_NONE, else the command's. Static text that ends in a newline. */
const char *help_text(enum options_command command);

#endif
