/* SPDX-License-Identifier: MIT */
/*
 * fltuserstructures.h - what the two ends of a filter communication port share.
 *
 * A message that FilterGetMessage gives begins with FILTER_MESSAGE_HEADER, a reply with FILTER_REPLY_HEADER; the driver
 * sees neither: FltSendMessage's buffers hold what follows. mingw-w64 has this header of its own.
 * Pages: fltuserstructures.h FILTER_MESSAGE_HEADER, FILTER_REPLY_HEADER.
 */
#ifndef FLTUSERSTRUCTURES_H
#define FLTUSERSTRUCTURES_H

#include <ntdef.h>

#define FLTAPI NTAPI

typedef struct _FILTER_MESSAGE_HEADER {
    ULONG ReplyLength; /* bytes of the reply that is expected, with its header; 0: none is */
    ULONGLONG MessageId;
} FILTER_MESSAGE_HEADER, *PFILTER_MESSAGE_HEADER;

typedef struct _FILTER_REPLY_HEADER {
    NTSTATUS Status; /* what FltSendMessage returns */
    ULONGLONG MessageId;
} FILTER_REPLY_HEADER, *PFILTER_REPLY_HEADER;

typedef enum _FLT_FILESYSTEM_TYPE { FLT_FSTYPE_UNKNOWN, FLT_FSTYPE_RAW, FLT_FSTYPE_NTFS } FLT_FILESYSTEM_TYPE;

#endif
