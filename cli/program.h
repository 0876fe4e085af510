/* SPDX-License-Identifier: MIT */
/*
 * program.h - the program, once its system's main has made the start the same everywhere.
 */
#ifndef CLI_PROGRAM_H
#define CLI_PROGRAM_H

/* Arguments are UTF-8 (on Linux: whatever bytes they are); the standard streams are open and take bytes as they are.
 * Returns the exit status. */
int program_run(int argc, char **argv);

#endif
