/* SPDX-License-Identifier: MIT */
/*
 * filter_engine.h - adds, lists and removes filters through the management API (fwpmu.h), the same on both systems.
 *
 * What is added lies in Gatehouse's sublayer, in a weight class above the driver's own filters (gatehouse/objects.h):
 * there the first filter that permits or blocks ends the sublayer, so it decides without asking, with or without the
 * driver. It carries a mark; only marked filters are ever removed. Each function is one transaction: all or nothing.
 * A filter stays until the engine ends.
 *
 * One thread. Results are AGENT_OK, or another one with a sentence.
 */
#ifndef AGENT_FILTER_ENGINE_H
#define AGENT_FILTER_ENGINE_H

#include "agent/filter_wish.h"
#include "agent/text.h"

#define FILTER_LAYERS 2u

/* path: the device, as for transport_open. ids of the filters, one a layer. */
enum agent_result filter_add(const char *path, const struct filter_wish *wish, uint64_t ids[FILTER_LAYERS],
                             unsigned *count, struct problem *problem);

/* Appends a table, or with json one object a line. all: those of others too. *count: how many there were. */
enum agent_result filter_list(const char *path, bool all, bool json, struct text *text, unsigned *count,
                              struct problem *problem);

/* count 0: all that filter_add added. *removed tells how many. */
enum agent_result filter_remove(const char *path, const uint64_t *ids, unsigned count, unsigned *removed,
                                struct problem *problem);

#endif
