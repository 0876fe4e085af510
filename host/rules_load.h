/* SPDX-License-Identifier: MIT */
/*
 * rules_load.h - brings the file of rules into force, through the driver's device, as any program would.
 *
 * At the start of gatehoused it is done before the gate opens, so that the first packet meets the rules; later (SIGHUP)
 * beside the work of the loop: a thread compiles, the loop sends. A file with errors, or that is not there, changes
 * nothing: what the driver kept stands. Every outcome is told.
 */
#ifndef HOST_RULES_LOAD_H
#define HOST_RULES_LOAD_H

#include <stdbool.h>

struct rules_load;

/* Waits for the outcome, a minute at most. boot: the machine or the service starts (rules.h: GATEHOUSE_RULES_BOOT).
 * True: the file's rules are in force. On the thread that pumps nt/. */
bool rules_load_now(const char *device, const char *path, bool boot);

/* path and device live as long as it does. wake as nt_set_pump_wake's: on any thread. NULL: out of memory. */
struct rules_load *rules_load_new(const char *device, const char *path, void (*wake)(void *context), void *context);

/* Loads again. While one load is under way: once more after it. */
void rules_load_again(struct rules_load *load);

/* To be called in each turn of the loop. */
void rules_load_tidy(struct rules_load *load);

/* Gives up a load that is under way. Before the driver is unloaded. */
void rules_load_free(struct rules_load *load);

#endif
