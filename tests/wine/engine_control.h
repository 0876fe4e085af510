/* SPDX-License-Identifier: MIT */
/*
 * engine_control.h - what a user-mode program says to the filter engine under Wine, for both sides.
 *
 * fwpkclnt.sys (tests/wine/engine_device.c) is the wfp/ engine as a Windows kernel library. Its device plays
 * the network stack of wfp/ale.h: a program indicates connects, packets and closed sockets, and reads how
 * pended operations ended. A connect is classified on the driver host's dispatch thread, in the context of
 * the calling process, before its IOCTL returns.
 *
 * It also carries the management calls of programs (fwpuclnt/wire.h); their sessions end with the handle.
 *
 * Open ENGINE_DEVICE with CreateFile and FILE_FLAG_OVERLAPPED (a read of ends waits). All IOCTLs are
 * METHOD_BUFFERED. Closing the handle closes every endpoint that it made and did not close, as the end of a
 * process closes its sockets; ends that nobody read are forgotten. The device goes with the driver host, soon
 * after the driver was unloaded: have a read under way for each operation that unloading ends.
 *
 * Fixed-width fields, little-endian; addresses in network byte order, IPv4 in the first four bytes; ports in
 * host order. Errors are ERROR_INVALID_PARAMETER (a size or a value), ERROR_NO_SYSTEM_RESOURCES.
 */
#ifndef TESTS_WINE_ENGINE_CONTROL_H
#define TESTS_WINE_ENGINE_CONTROL_H

#include <stdint.h>

#define ENGINE_DEVICE      L"\\\\.\\WfpEngine"
#define ENGINE_DEVICE_NAME L"\\Device\\WfpEngine"
#define ENGINE_LINK_NAME   L"\\??\\WfpEngine"

/* CTL_CODE(FILE_DEVICE_UNKNOWN, function, METHOD_BUFFERED, FILE_ANY_ACCESS) */
#define ENGINE_CTL(function) ((0x22u << 16) | ((uint32_t)(function) << 2))

#define ENGINE_IOCTL_CONNECT         ENGINE_CTL(0x900) /* in: engine_connect; out: engine_decision */
#define ENGINE_IOCTL_NEXT_END        ENGINE_CTL(0x901) /* out: engine_decision of a pended operation that ended. Waits. */
#define ENGINE_IOCTL_FLOW            ENGINE_CTL(0x902) /* in: engine_flow; out: engine_decision */
#define ENGINE_IOCTL_ENDPOINT_CLOSED ENGINE_CTL(0x903) /* in: uint64_t endpoint */
#define ENGINE_IOCTL_FILTER_ADD      ENGINE_CTL(0x904) /* in: engine_filter; out: uint64_t filter id */
#define ENGINE_IOCTL_FILTER_DELETE   ENGINE_CTL(0x905) /* in: uint64_t filter id */
#define ENGINE_IOCTL_STATE           ENGINE_CTL(0x906) /* out: engine_state */
#define ENGINE_IOCTL_VIOLATION       ENGINE_CTL(0x907) /* out: engine_violation, the next one; empty: none */
#define ENGINE_IOCTL_MANAGE          ENGINE_CTL(0x908) /* in: a call, out: its answer (fwpuclnt/wire.h), 8 bytes at least */

#define ENGINE_SID_MAX    68u
#define ENGINE_APP_ID_MAX 512u
#define ENGINE_CALL_MAX   65536u
#define ENGINE_ANSWER_MIN 8u

/* One authorization at ALE_AUTH_CONNECT_V4 or _V6. */
struct engine_connect {
    uint8_t ip_version; /* 4 or 6 */
    uint8_t protocol;   /* IPPROTO_* */
    uint16_t local_port;
    uint16_t remote_port;
    uint16_t reserved;
    uint8_t local_address[16];
    uint8_t remote_address[16];
    uint64_t endpoint;      /* not 0; the caller never gives one number to two sockets */
    uint64_t process_id;    /* 0: the stack names no process */
    uint64_t process_start; /* 100 ns since 1601; the driver asks the kernel instead when process_id is the caller */
    uint32_t condition_flags;
    uint32_t interface_index;
    uint32_t app_id_size;   /* in bytes, with its NUL; 0: none */
    uint32_t user_sid_size; /* in bytes; 0: no token */
    uint8_t user_sid[ENGINE_SID_MAX];
    uint32_t reserved2;
    uint16_t app_id[ENGINE_APP_ID_MAX]; /* UTF-16 */
};

enum engine_outcome { ENGINE_PERMIT = 1, ENGINE_BLOCK = 2, ENGINE_PENDED = 3 };

struct engine_decision {
    uint32_t outcome; /* enum engine_outcome */
    uint8_t absorb;
    uint8_t by_callout;
    uint8_t reauthorized; /* ENGINE_IOCTL_FLOW: a packet was classified again */
    uint8_t reserved;
    uint64_t filter_id;
    uint64_t flow;      /* with ENGINE_PERMIT */
    uint64_t operation; /* with ENGINE_PENDED, and at its end */
    uint64_t endpoint;
};

/* A packet of an unknown flow is blocked; the other two ignore an unknown flow. */
enum engine_flow_step {
    ENGINE_FLOW_ESTABLISHED = 1, /* the first packet: ALE_FLOW_ESTABLISHED, once */
    ENGINE_FLOW_OUTBOUND = 2,    /* the next packet, sent */
    ENGINE_FLOW_INBOUND = 3,     /* the next packet, received */
    ENGINE_FLOW_END = 4          /* the flow is over */
};

struct engine_flow {
    uint64_t flow;
    uint32_t step; /* enum engine_flow_step */
    uint32_t reserved;
};

/* A filter that somebody else adds at ALE_AUTH_CONNECT_V4 or _V6, in the universal sublayer. Every flow is then
 * authorized again with its next packet. It stays until it is deleted. */
struct engine_filter {
    uint8_t ip_version;
    uint8_t block; /* else it permits */
    uint8_t has_port;
    uint8_t reserved;
    uint16_t remote_port; /* met only by it, if has_port */
    uint16_t reserved2;
};

/* wfp_count's figures. */
struct engine_state {
    uint32_t sessions, providers, sublayers, callouts, filters, registered_callouts, flows, pended, endpoints;
    uint32_t violations; /* since the engine was loaded */
};

/* A rule of the platform that the driver broke. The 16 latest are kept until they are read. */
struct engine_violation {
    char text[240]; /* "rule: routine: one sentence" */
};

_Static_assert(sizeof(struct engine_connect) == 1176, "the same layout for the driver and for its callers");
_Static_assert(sizeof(struct engine_decision) == 40, "the same layout for the driver and for its callers");
_Static_assert(sizeof(struct engine_state) == 40, "the same layout for the driver and for its callers");

#endif
