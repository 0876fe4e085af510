/* SPDX-License-Identifier: MIT */
/*
 * transport_unix.h - what only the other _unix.c files may know of a transport.
 */
#ifndef AGENT_TRANSPORT_UNIX_H
#define AGENT_TRANSPORT_UNIX_H

#include "agent/transport.h"

/* The socket, to wait on. It stays the transport's. */
int transport_descriptor(const struct transport *transport);

#endif
