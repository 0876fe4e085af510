/* SPDX-License-Identifier: MIT */
/*
 * article.h - the two IOCTLs and structures that the article prints, over \\.\SampleWfpCallout.
 *
 * USER_CLASSIFY_DECISION is not printed; its names are, and Reserved fills it as it does the other.
 */
#ifndef EXAMPLES_ARTICLE_H
#define EXAMPLES_ARTICLE_H

#include <ntddk.h>

/* 0x222000 and 0x222004 */
#define IOCTL_WFP_GET_NEXT_REQUEST CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_WFP_SUBMIT_DECISION  CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)

typedef struct _USER_CLASSIFY_REQUEST {
    UINT64 RequestId;
    UINT64 ProcessId;
    UINT32 RemoteAddressV4;
    UINT16 RemotePort;
    UINT16 Reserved;
} USER_CLASSIFY_REQUEST;

typedef struct _USER_CLASSIFY_DECISION {
    UINT64 RequestId;
    UINT32 Block;
    UINT32 Reserved;
} USER_CLASSIFY_DECISION;

#endif
