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
    uint32_t reserved;    /* 0 */
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

_Static_assert(sizeof(struct gatehouse_call) == 16, "call layout");
_Static_assert(sizeof(struct gatehouse_answer) == 16, "answer layout");
_Static_assert(sizeof(struct gatehouse_platform_status) == 80, "platform status layout");

#endif
