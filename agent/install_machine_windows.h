/* SPDX-License-Identifier: MIT */
/*
 * install_machine_windows.h - may this user install here, and is this a machine that the driver runs on? And the
 * sentences for what Windows refuses, which install and uninstall share.
 */
#ifndef AGENT_INSTALL_MACHINE_WINDOWS_H
#define AGENT_INSTALL_MACHINE_WINDOWS_H

#include <stdint.h>

#include "agent/result.h"

/* AGENT_REFUSED with a sentence. command goes into it. */
enum agent_result machine_check_elevated(const char *command, struct problem *problem);
enum agent_result machine_check_windows(struct problem *problem);

/* Another install or uninstall has the lock (driver_file_windows.h). */
enum agent_result machine_busy(struct problem *problem);
/* The service of this name is no driver. */
enum agent_result machine_foreign(struct problem *problem);

/* "WHAT failed: REASON (NUMBER): ADVICE". advice NULL: what is best known for this number. */
enum agent_result machine_problem(struct problem *problem, const char *what, uint32_t error, const char *advice);
/* The same for calls of the filter engine. */
enum agent_result machine_engine_problem(struct problem *problem, const char *what, uint32_t error);

#endif
