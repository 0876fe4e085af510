/* SPDX-License-Identifier: MIT */
/*
 * stop_unix.h - what wait_unix.c needs to know of stop.
 */
#ifndef AGENT_STOP_UNIX_H
#define AGENT_STOP_UNIX_H

/* Readable once a stop was requested, for good. -1 before stop_install. */
int stop_descriptor(void);

#endif
