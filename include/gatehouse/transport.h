/* SPDX-License-Identifier: MIT */
/*
 * transport.h - the device as a Unix socket, for both ends.
 *
 * On Linux a client reaches the driver's device through a SOCK_SEQPACKET Unix socket. One message
 * is one call or one answer. Opening the socket is IRP_MJ_CREATE, each call is one
 * IRP_MJ_DEVICE_CONTROL, closing is IRP_MJ_CLEANUP then IRP_MJ_CLOSE. Calls may be answered in any
 * order; tag tells them apart. A peer that may not open the device gets one answer with tag 0 and
 * the reason (STATUS_ACCESS_DENIED, 0xC0000022), then end of file.
 */
#ifndef GATEHOUSE_TRANSPORT_H
#define GATEHOUSE_TRANSPORT_H

#include <stdint.h>

#define GATEHOUSE_SOCKET_PATH "/run/gatehouse/device.sock"
#define GATEHOUSE_MESSAGE_MAX 131072u /* header included, both directions */
#define GATEHOUSE_CALLS_MAX   16u     /* calls of one client under way at once */

/* Codes the host answers itself; they are no IOCTLs. */
#define GATEHOUSE_CALL_CANCEL          0xFFFFFFFFu /* cancel the call whose tag is in cancel_tag (first 4 input bytes) */
#define GATEHOUSE_CALL_PLATFORM_STATUS 0xFFFFFFFEu /* out: struct gatehouse_platform_status */
#define GATEHOUSE_CALL_MANAGE          0xFFFFFFFDu /* a filter management call (fwpuclnt/wire.h), and its answer */
#define GATEHOUSE_CALL_HITS            0xFFFFFFFCu /* in: uint64_t first; out: struct gatehouse_hits, then entries */
#define GATEHOUSE_CALL_FLOWS                                                                                           \
    0xFFFFFFFBu /* in: uint64_t first, or struct gatehouse_flows_get; out: struct gatehouse_flows, then entries */

struct gatehouse_call {
    uint32_t code;        /* IOCTL or GATEHOUSE_CALL_* */
    uint32_t tag;         /* the client's, not 0, not that of a call under way */
    uint32_t output_size; /* most bytes the answer may carry */
    uint32_t reserved;    /* 0 */
    /* input follows to the end of the message */
};

struct gatehouse_answer {
    uint32_t tag;
    uint32_t status;      /* NTSTATUS */
    uint32_t information; /* bytes of output that follow */
    uint32_t processor;   /* a hint: 1 + the processor gatehoused answers on; 0: not said */
};

/* What the Linux side counts outside the driver. Counters grow from gatehoused's start. */
struct gatehouse_platform_status {
    uint32_t size;
    uint32_t packets_held;       /* in the queue now */
    uint64_t packets_seen;       /* brought by the queue */
    uint64_t packets_damaged;    /* refused: not parseable */
    uint64_t packets_unknown;    /* no owner known (kernel, raw) */
    uint64_t datagrams_blocked;  /* UDP datagrams dropped by a block */
    uint64_t datagrams_overflow; /* UDP datagrams dropped: too many held for one flow */
    uint64_t queue_dropped;      /* dropped by the kernel: queue full */
    uint64_t queue_user_dropped; /* dropped by the kernel: socket full */
    uint64_t flows;              /* live flows the engine knows */
    uint64_t events_lost;        /* kernel events that did not fit in the ring */
};

/*
 * How often filters with a key of their own (for rules, gatehouse/rules.h) decided, whoever asked: the engine or the
 * verdict cache in the kernel. Kept over restarts and crashes of gatehoused and loads of rules, until its pins go.
 */
struct gatehouse_hits {
    uint32_t count; /* entries that follow */
    uint32_t reserved;
    uint64_t next; /* first of the next call; 0: that was all */
};
struct gatehouse_hit {
    uint8_t filter_key[16]; /* GUID, as in memory */
    uint64_t hits;
    uint64_t last; /* system time, 100 ns since 1601 UTC; 0: never */
};

/* Flows: live ones, and the last that ended (bounded; the oldest are forgotten). Numbers grow; first: those after it.
 */
struct gatehouse_flows {
    uint32_t count;
    uint32_t flags; /* GATEHOUSE_FLOWS_LOST */
    uint64_t next;  /* first of the next call; equal to the call's: no more now */
};
/*
 * With CHANGES, first and next count changes instead: a flow is told when it begins and once more when something of it
 * changed (it ended; a blocked one was tried again), what changed last comes last. With WAIT the call waits until there
 * is something to tell, and is answered a few times a second at most; it can be cancelled. LOST: something behind first
 * was forgotten before it was told.
 */
#define GATEHOUSE_FLOWS_CHANGES 0x1u
#define GATEHOUSE_FLOWS_WAIT    0x2u
#define GATEHOUSE_FLOWS_LOST    0x1u
struct gatehouse_flows_get {
    uint64_t first;
    uint32_t flags; /* GATEHOUSE_FLOWS_CHANGES, GATEHOUSE_FLOWS_WAIT */
    uint32_t reserved;
};
#define GATEHOUSE_FLOW_INBOUND 0x1u
#define GATEHOUSE_FLOW_ENDED   0x2u
#define GATEHOUSE_FLOW_COUNTED 0x4u /* bytes are known */
#define GATEHOUSE_FLOW_BLOCKED 0x8u /* it never lived: refused without being held. What the driver tells of, too */
#define GATEHOUSE_FLOW_NO_USER 0xFFFFFFFFu
struct gatehouse_flow_entry {
    uint32_t size;      /* header, path, name, padding to 8 */
    uint16_t path_size; /* UTF-16LE app path behind the header */
    uint8_t ip_version;
    uint8_t protocol;
    uint64_t number;
    uint64_t process_id;
    uint64_t began, ended;        /* system time; ended 0: lives */
    uint64_t bytes_out, bytes_in; /* payload */
    uint8_t local_address[16], remote_address[16];
    uint16_t local_port, remote_port;
    uint32_t flags;         /* GATEHOUSE_FLOW_* */
    uint8_t filter_key[16]; /* of the filter that decided; zeros: none with a key of its own, or not known */
    uint64_t process_start; /* as in a request */
    uint32_t user;          /* Unix user id; GATEHOUSE_FLOW_NO_USER: not known */
    uint16_t name_size;     /* behind the path, as in a request */
    uint16_t count;         /* BLOCKED: tries that this stands for. Else 0 */
};

_Static_assert(sizeof(struct gatehouse_hits) == 16, "hits layout");
_Static_assert(sizeof(struct gatehouse_hit) == 32, "hit layout");
_Static_assert(sizeof(struct gatehouse_flows) == 16, "flows layout");
_Static_assert(sizeof(struct gatehouse_flows_get) == 16, "flows get layout");
_Static_assert(sizeof(struct gatehouse_flow_entry) == 128, "flow layout");
_Static_assert(sizeof(struct gatehouse_call) == 16, "call layout");
_Static_assert(sizeof(struct gatehouse_answer) == 16, "answer layout");
_Static_assert(sizeof(struct gatehouse_platform_status) == 80, "platform status layout");

#endif
