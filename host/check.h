/* SPDX-License-Identifier: MIT */
/*
 * check.h - `gatehoused --check`: whether its file and its rules are right, and the settings in force. Needs no right
 * but to read them.
 */
#ifndef HOST_CHECK_H
#define HOST_CHECK_H

#include "host/options.h"

/* Prints to stdout, as text that is itself a file of settings, or as JSON. True: both are right. */
bool check_run(const struct host_options *options);

#endif
