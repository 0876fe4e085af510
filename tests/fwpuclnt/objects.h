/* SPDX-License-Identifier: MIT */
/*
 * objects.h - random management structures, and what they say as text.
 *
 * The text is the second opinion that the wire is held against: written field by field from the structures' pages,
 * knowing nothing of the wire. Memory of random structures lives until objects_start. One thread.
 */
#ifndef TESTS_FWPUCLNT_OBJECTS_H
#define TESTS_FWPUCLNT_OBJECTS_H

#include <fwpmtypes.h>

#include <stdbool.h>

/* Forgets all structures made, and starts the row of random numbers anew. */
void objects_start(UINT64 seed);
UINT32 objects_below(UINT32 bound);

void random_key(GUID *key); /* one of a few, so that they meet again; never zero */
void random_session(FWPM_SESSION0 *session);
void random_provider(FWPM_PROVIDER0 *provider);
void random_sublayer(FWPM_SUBLAYER0 *sublayer);
/* mostly_right: what the engine takes, more often than not. */
void random_filter(FWPM_FILTER0 *filter, bool mostly_right);
void random_template(FWPM_FILTER_ENUM_TEMPLATE0 *wanted);

/* Static text, until the next call. */
const char *say_session(const FWPM_SESSION0 *session);
const char *say_provider(const FWPM_PROVIDER0 *provider);
const char *say_sublayer(const FWPM_SUBLAYER0 *sublayer);
const char *say_filter(const FWPM_FILTER0 *filter);
const char *say_template(const FWPM_FILTER_ENUM_TEMPLATE0 *wanted);

#endif
