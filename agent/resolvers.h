/* SPDX-License-Identifier: MIT */
/*
 * resolvers.h - the name servers this machine asks.
 *
 * While everything else is blocked, looking up names stays permitted (the seed's sample does the
 * same for its name services): a program that cannot resolve fails in ways that explain nothing.
 * What counts as looking up is UDP or TCP to port 53 of one of these addresses, and nothing else.
 */
#ifndef AGENT_RESOLVERS_H
#define AGENT_RESOLVERS_H

#include <stddef.h>
#include <stdint.h>

#define RESOLVERS_MAX  8u
#define RESOLVERS_PORT 53u

struct resolver {
    uint8_t ip_version;
    uint8_t address[16]; /* network byte order; IPv4 in the first four bytes, the rest zero */
};

/* Fills at most RESOLVERS_MAX and returns how many; 0 also when the configuration cannot be read. */
unsigned resolvers_read(struct resolver resolvers[RESOLVERS_MAX]);

#endif
