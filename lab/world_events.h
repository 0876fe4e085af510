/* SPDX-License-Identifier: MIT */
/*
 * world_events.h - what happened in world_engine.c's world until its runner asks.
 *
 * Kept from any thread: a driver completes from its own threads too, beside the runner's, which pumps. Everything is
 * bounded; no lock is held when another function is called.
 */
#ifndef LAB_WORLD_EVENTS_H
#define LAB_WORLD_EVENTS_H

#include "lab/scenario_world.h"

/* For world_next_done, _reauthorized, _violation. More done connections in one step than are kept end the process; of
 * the others those that find no place are left out. */
void world_keep_done(uint64_t connection, const struct world_decision *decision);
void world_keep_reauthorized(const struct world_decision *decision);
void world_keep_violation(const char *rule, const char *routine);

/* Nothing happened: for world_end, and with the violations for world_forget. */
void world_drop_decisions(void);
void world_drop_violations(void);

#endif
