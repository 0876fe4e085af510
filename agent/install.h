/* SPDX-License-Identifier: MIT */
/*
 * install.h - puts Gatehouse on this machine for good, and takes it off again.
 *
 * Windows only: the driver's file, its service and settings, and its objects in the filter engine
 * (install_objects.h). On Linux the two commands say how it is done there (install_unix.c).
 *
 * install is all or nothing: when a step fails, those before it are undone. On a machine that has Gatehouse it is an
 * upgrade, and what is not asked for stays as it is. uninstall goes on past a step that fails and says what is left.
 */
#ifndef AGENT_INSTALL_H
#define AGENT_INSTALL_H

#include "agent/report.h"
#include "agent/result.h"
#include "agent/watch.h"

enum install_choice { INSTALL_KEEP, INSTALL_NO, INSTALL_YES };

struct install_settings {
    enum install_choice closed;    /* KEEP: as it is installed, else no */
    enum install_choice automatic; /* does the driver start with Windows? KEEP: as it is installed, else yes */
    bool start;                    /* the driver, now; the closed mode and an upgrade of a running driver imply it */
    bool dry_run;
    struct watch_change policy; /* for the settings that the driver reads when it starts */
};

/* Adds a row for each step to report, also when it fails. AGENT_REFUSED: not allowed, or not for this machine. */
enum agent_result install_run(const struct install_settings *settings, struct report *report, struct problem *problem);
enum agent_result uninstall_run(bool dry_run, struct report *report, struct problem *problem);

#endif
