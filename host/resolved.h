/* SPDX-License-Identifier: MIT */
/*
 * resolved.h - names that systemd-resolved finds for programs that do not ask with DNS packets of their own
 * (nss-resolve, D-Bus, Varlink). It tells whoever subscribes to io.systemd.Resolve.Monitor.SubscribeQueryResults, on a
 * socket that only root may use: what was asked for and what was answered, but not who asked. So these names are known
 * for any program.
 *
 * A socket that is not there is waited for by watching its folder, so that nothing wakes up without one. One that does
 * not serve, or whose folder cannot be watched, is tried again: after a second, then twice as long each time, up to
 * RESOLVED_RETRY_MAX_S. Varlink: each message is one JSON object and a NUL.
 *
 * Page: systemd-resolved.service(8), "Varlink"; the interface as `varlinkctl introspect` shows it.
 */
#ifndef HOST_RESOLVED_H
#define HOST_RESOLVED_H

#include "host/loop.h"
#include "host/names.h"

#define RESOLVED_RETRY_MAX_S 30u
#define RESOLVED_MESSAGE_MAX (256u * 1024u) /* a longer one ends the connection */

struct resolved;

/* loop and names stay the caller's. NULL: out of memory or descriptors. */
struct resolved *resolved_new(struct loop *loop, struct names *names);
void resolved_free(struct resolved *resolved); /* NULL is allowed, here and below */

/* Takes what it has said until now, without waiting. */
void resolved_read(struct resolved *resolved);

/* One message without its NUL: what it says is learned. False: it is none of a subscription. For tests too. */
bool resolved_message(struct names *names, const char *message, size_t size);

#endif
