/* SPDX-License-Identifier: MIT */
/*
 * flt.h - what filter.c, port.c and message.c share: filters, their ports, who is connected.
 *
 * One lock for all of it, nt_flt_lock: a leaf, but for dispatcher buckets (nt_signal). No routine of nt/ that drivers
 * call, and nothing of a driver, runs under it: such a routine may be a point of the scheduler.
 * A handle that a driver gives is looked for among what lives before it is touched.
 */
#ifndef NT_FLT_FLT_H
#define NT_FLT_FLT_H

#include <fltkernel.h>

#include "nt/internal.h"

struct _FLT_FILTER {
    LIST_ENTRY link;
    PDRIVER_OBJECT driver;
    PFLT_FILTER_UNLOAD_CALLBACK unload;
    PDRIVER_UNLOAD old_unload;
    bool started, deleting;
    unsigned busy;          /* callbacks under way */
    KEVENT idle;            /* deleting, and none left */
    LIST_ENTRY servers;     /* struct flt_server.port.link */
    LIST_ENTRY connections; /* struct nt_port.port.link */
};

struct _FLT_PORT {
    LIST_ENTRY link;
    PFLT_FILTER filter;
};

struct flt_callbacks {
    PFLT_CONNECT_NOTIFY connect;
    PFLT_DISCONNECT_NOTIFY disconnect;
    PFLT_MESSAGE_NOTIFY message;
};

struct flt_server {
    struct _FLT_PORT port;
    WCHAR *name;
    size_t name_chars;
    bool any_case;
    ACCESS_MASK administrators, everyone;
    PVOID cookie;
    struct flt_callbacks callbacks;
    LONG limit, connected;
};

/* A connection: its two ends, and what is on its way between them. */
struct nt_port {
    struct _FLT_PORT port;     /* what the driver knows it by */
    LONG references;           /* the program 1, the driver 1, each call 1 */
    struct flt_server *server; /* NULL: closed since */
    struct flt_callbacks callbacks;
    PVOID cookie;
    bool accepted;      /* the connect callback has agreed */
    bool connected;     /* both ends are there */
    bool told;          /* the disconnect callback was called */
    bool driver_closed; /* FltCloseClientPort */
    ULONGLONG last_id;
    LIST_ENTRY sent;  /* struct message: nobody has fetched it */
    LIST_ENTRY asked; /* struct message: fetched, to be replied to */
    LIST_ENTRY gets;  /* struct get: they wait for a message */
};

extern pthread_mutex_t nt_flt_lock;

/* filter.c. Under the lock. */
PFLT_FILTER nt_flt_first(void);              /* each lives in the list of its link */
PFLT_FILTER nt_flt_next(PFLT_FILTER filter); /* NULL: that was the last one */
bool nt_flt_lives(PFLT_FILTER filter);
bool nt_flt_enter(PFLT_FILTER filter); /* before a callback; false: it is being unregistered */
void nt_flt_leave(PFLT_FILTER filter);

/* port.c */
void nt_flt_callback_returned(const char *callback, KIRQL before); /* the driver gave everything back */
void nt_flt_ports_end(PFLT_FILTER filter);         /* no callback runs: disconnects, reports and forgets what is left */
struct nt_port *nt_flt_connection(PFLT_PORT port); /* under the lock; NULL: there is none, or the driver closed it */
void nt_flt_put(struct nt_port *port);

/* message.c: ends everything that waits, with STATUS_PORT_DISCONNECTED; the port is not connected any more. */
void nt_flt_messages_end(struct nt_port *port);

#endif
