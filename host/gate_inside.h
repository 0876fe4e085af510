/* SPDX-License-Identifier: MIT */
/*
 * gate_inside.h - the gate itself, for the two files that open it all and tell what it sees: gate.c, gate_events.c.
 */
#ifndef HOST_GATE_INSIDE_H
#define HOST_GATE_INSIDE_H

#include "gate_private.h"

struct gate {
    struct gate_queue queue;
    struct gate_programs programs;
    struct gate_images *images;
    struct gate_group_sets *groups;
    struct gate_hits *hits;
    struct gate_ring events, ends;
    int told; /* an epoll of the rings */
    struct gate_adoption adoption;
    struct gate_inbound *inbound; /* NULL: the kernel cannot */
    struct gate_names *names;     /* NULL: it cannot, or nobody asked */
    struct gate_listener listener;
    int changes; /* an epoll of what is below */
    int local;   /* routes and rules of this namespace */
    struct gate_watch watch;
    unsigned watched; /* a bit for each enum gate_watched */
    bool guarded;
    bool dead_open; /* of the options, as queue's number */
    char directory[GATE_PIN_DIR_SIZE];
    int lock;
    int control;          /* a socket to ask for the state of lo with */
    uint64_t events_lost; /* of those swept for */
    unsigned missing;     /* packets in a row whose record was gone */
    const struct gate_handlers *handlers;
    void *context;
};

/* ---- gate_events.c ---- */

int gate_events_open(struct gate *gate, struct gate_error *error);
void gate_events_close(struct gate *gate);
uint64_t gate_events_lost(const struct gate *gate);
/* owner->path is valid until the next call. */
void gate_fill_owner(struct gate *gate, const struct gate_caller *caller, struct gate_owner *owner);
/* With further groups, for what is to be decided. */
void gate_fill_member(struct gate *gate, const struct gate_caller *caller, struct gate_owner *owner);
void gate_listen(struct gate *gate, const struct gate_listener *listener, const struct gate_load *load);
/* Before a packet: tells of all names that may belong to it. */
void gate_look_for_names(struct gate *gate);

#endif
