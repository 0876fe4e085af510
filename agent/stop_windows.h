/* SPDX-License-Identifier: MIT */
/*
 * stop_windows.h - what the other _windows.c files need to know of stop.
 */
#ifndef AGENT_STOP_WINDOWS_H
#define AGENT_STOP_WINDOWS_H

/* A HANDLE: signalled once a stop was requested, for good. NULL before stop_install. */
void *stop_event(void);

#endif
