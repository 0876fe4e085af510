/* SPDX-License-Identifier: MIT */
/*
 * port_name.h - the service a port is known for: "https".
 *
 * The rule language's own words first (policy/names.h), then /etc/services. Not getservbyport: it may ask a name
 * service over the network, whose connection might be held.
 */
#ifndef AGENT_PORT_NAME_H
#define AGENT_PORT_NAME_H

#include <stdint.h>

#define PORT_NAME_MAX 32u

/* protocol is IPPROTO_TCP or IPPROTO_UDP. NULL: none is known. Valid until the next call. One thread. */
const char *port_name(unsigned protocol, uint16_t port);

#endif
