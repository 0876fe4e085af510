/* SPDX-License-Identifier: MIT */
/*
 * live_client.h - a program that answers a driver's questions in one way, on a thread of its own, as a process would.
 *
 * The driver's dispatch routines run on that thread, so a control that waits in the driver stops nobody else.
 */
#ifndef LAB_LIVE_CLIENT_H
#define LAB_LIVE_CLIENT_H

#include "lab/live_protocol.h"

struct live_client;

/* Opens the first of these whose device or port is there. NULL: none is, or it does not let us in; told. The drivers
 * are loaded; PASSIVE_LEVEL. */
struct live_client *live_client_start(const struct live_protocol *protocols, size_t count);

/* Cancels what it waits for, waits for its end, closes. NULL is allowed. false: its call does not come back out of the
 * driver (violation irp-lost), so its handle is open still, and no driver may be unloaded. */
bool live_client_stop(struct live_client *client);

const char *live_client_name(const struct live_client *client);

#endif
