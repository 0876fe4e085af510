/* SPDX-License-Identifier: MIT */
/*
 * world_engine.h - what a runner on nt/ and wfp/ may ask of its world beyond scenario_world.h.
 */
#ifndef LAB_WORLD_ENGINE_H
#define LAB_WORLD_ENGINE_H

#include <nt/nt.h>

/* Where its clock begins: the same for each run, so deadlines pass at the same ticks. */
#define WORLD_START 36000000000ull

/* Gets each violation; NULL: they are told on stderr, a line each. It may longjmp away. */
void world_set_listener(nt_violation_handler *listener);

/* Writes what the engine holds (world_state). NULL: nothing. */
void world_set_state_writer(void (*write)(void));

#endif
