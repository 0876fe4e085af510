/* SPDX-License-Identifier: MIT */
/*
 * scenario_random.h - makes scenarios: the same seed gives the same text on every system.
 *
 * Even seeds let time pass and load the driver again, and need a virtual clock; odd ones have deadlines so
 * long that none passes, and run in every world.
 */
#ifndef SCENARIO_RANDOM_H
#define SCENARIO_RANDOM_H

#include <stdint.h>

/* The caller frees it. */
char *scenario_random(uint32_t seed);

#endif
