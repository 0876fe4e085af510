/* SPDX-License-Identifier: MIT */
/*
 * minimal.h - what the driver and its program say to each other over \\.\MinimalCallout.
 *
 * Fixed widths and no holes, so that a 32-bit program and a 64-bit driver mean the same bytes.
 */
#ifndef EXAMPLES_MINIMAL_H
#define EXAMPLES_MINIMAL_H

#include <ntddk.h>

/* 0x226000: waits for the next held connection, and gives it. 0x22a004: answers one. */
#define MINIMAL_NEXT   CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_READ_ACCESS)
#define MINIMAL_ANSWER CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_WRITE_ACCESS)

struct minimal_request {
    UINT64 id;
    UINT64 process_id; /* 0: not known */
    UINT8 address[16]; /* the remote one, in network byte order; IPv4: the first four bytes */
    UINT16 port;       /* in the machine's byte order */
    UINT8 ip_version;  /* 4 or 6 */
    UINT8 zero[5];
};

struct minimal_answer {
    UINT64 id;
    UINT32 permit; /* 0 or 1 */
    UINT32 zero;
};

#endif
