/* SPDX-License-Identifier: MIT */
/*
 * commands.h - what wfplab can be told to do; each is an exit code.
 *
 * 0: nothing was found. 1: a rule was broken, or an event differs. 2: a command line, a driver or a scenario that
 * cannot be used. 3: the lab itself failed.
 *
 * When you add a command: its function here, its row in main.c, docs/lab.md.
 */
#ifndef LAB_COMMANDS_H
#define LAB_COMMANDS_H

enum { LAB_CLEAN, LAB_FOUND, LAB_USAGE, LAB_FAILED };

/* arguments: behind the command's name. */
int command_run(int count, char **arguments);
int command_state(int count, char **arguments);
int command_explore(int count, char **arguments);
int command_replay(int count, char **arguments);
int command_live(int count, char **arguments);
int command_rules(int count, char **arguments);

#endif
