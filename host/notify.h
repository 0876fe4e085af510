/* SPDX-License-Identifier: MIT */
/*
 * notify.h - tells the service manager that started this process how it is: one datagram, as page sd_notify says.
 * Without a manager that wants to know, nothing happens.
 */
#ifndef HOST_NOTIFY_H
#define HOST_NOTIFY_H

/* "READY=1", "STOPPING=1", "STATUS=..."; several, with newlines between. Never waits. */
void notify(const char *state);

#endif
