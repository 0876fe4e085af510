/* SPDX-License-Identifier: MIT */
/*
 * transport_windows.h - what only wait_windows.c may know of a transport.
 */
#ifndef AGENT_TRANSPORT_WINDOWS_H
#define AGENT_TRANSPORT_WINDOWS_H

#include <stdbool.h>

#include "agent/transport.h"

/* Whether transport_receive would end at once. While it would not, transport_event tells when to ask again. */
bool transport_is_ready(struct transport *transport);

/* A HANDLE to wait on, of use only after transport_is_ready said no. It stays the transport's. */
void *transport_event(const struct transport *transport);

#endif
