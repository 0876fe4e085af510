/* SPDX-License-Identifier: MIT */
/*
 * net_buffer.h - net buffer lists: the packet that is classified, and clones of it.
 *
 * The first classify of a host's packet makes the root; a clone belongs to the list it was cloned from, and through
 * that to the root. The root counts what may still bring the packet on (holders): the classify or the operation it
 * pended, and each clone that was not injected yet. Whoever takes the last holder away blocks it, unless it was decided
 * before.
 *
 * Memory is counted by refs: the authorization that indicates a list, its clones, and drivers. Every list is in one
 * table, so that a pointer of a driver is never followed before it is found there. No driver is called here, but done
 * of the host is (wfp_net_buffer_drop). IRQL <= DISPATCH_LEVEL.
 */
#ifndef WFP_NET_BUFFER_H
#define WFP_NET_BUFFER_H

#include "wfp/authorization.h"
#include "wfp/packet.h"

struct wfp_net_buffer {
    NET_BUFFER_LIST list; /* what drivers see */
    NET_BUFFER buffer;
    struct wfp_node node; /* key: address of list */
    _Atomic(UINT32) refs;
    struct wfp_net_buffer *parent; /* referenced; NULL: the root */
    struct wfp_net_buffer *root;   /* of itself for the root */
    UINT32 ip_header_size;
    UINT32 headers;              /* bytes of the IP and transport headers */
    PDRIVER_OBJECT driver;       /* who cloned it; NULL: nobody, or no driver of nt/ */
    _Atomic(UINT32) driver_refs; /* FwpsReferenceNetBufferList0 */

    /* The root's. */
    _Atomic(UINT32) holders;
    struct wfp_authorization *undecided; /* under its shard's lock: the first authorization; NULL: decided */

    BOOLEAN has_holder; /* a clone: it counts among the root's holders */

    /* Under the injections' lock (injection.c). */
    BOOLEAN is_over;     /* the classify that shows this list, and what it pended, is over */
    BOOLEAN is_injected; /* in the engine's hands */
    BOOLEAN is_waiting;  /* for the parent's is_over */
    struct injection *under_way;
    struct wfp_net_buffer *waiting; /* clones of this one that are injected when it is over */
    struct wfp_net_buffer *waiting_next;
    UINT64 injection; /* who injected it, last; 0: nobody */
    HANDLE injection_context;
    FWPS_INJECT_COMPLETE0 completed;
    HANDLE completed_context;
};

void wfp_net_buffer_init(void);

/* The root, with one reference and one holder, for an inbound authorization, whose reference it takes. NULL: no memory.
 */
struct wfp_net_buffer *wfp_net_buffer_make(struct wfp_authorization *authorization, const struct wfp_packet *packet);

/* Referenced; NULL: no such list. */
struct wfp_net_buffer *wfp_net_buffer_find(const NET_BUFFER_LIST *list);
void wfp_net_buffer_hold(struct wfp_net_buffer *buffer);
void wfp_net_buffer_put(struct wfp_net_buffer *buffer);

/* Who the packet's first authorization is, referenced; NULL: the packet is decided. */
struct wfp_authorization *wfp_net_buffer_undecided(struct wfp_net_buffer *root);

/* It is decided: gives the reference that make took to the one caller who decides; NULL to all others. */
struct wfp_authorization *wfp_net_buffer_decide(struct wfp_net_buffer *root);

/* One holder less. If it was the last, as wfp_net_buffer_decide, to block; else NULL. */
struct wfp_authorization *wfp_net_buffer_release(struct wfp_net_buffer *root);

/* The same; who is last blocks it and calls done. */
void wfp_net_buffer_drop(struct wfp_net_buffer *root);

/* After a classifyFn: does the data of the packet begin where it did? Reports net-buffer-misuse and puts it right. */
void wfp_net_buffer_check(struct wfp_net_buffer *buffer);

/* Who runs: the driver whose classifyFn does, or nt_current_driver. */
PDRIVER_OBJECT wfp_driver_now(void);

struct wfp_table *wfp_net_buffer_table(void);
size_t wfp_net_buffer_count(void);

/* Reports left-clone for each of the driver's clones and references, and takes them away. NULL: of everybody. */
void wfp_net_buffer_abandon(PDRIVER_OBJECT driver, const char *routine);
void wfp_net_buffer_forget(void); /* see wfp_forget */

#endif
