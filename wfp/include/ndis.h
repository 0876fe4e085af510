/* SPDX-License-Identifier: MIT */
/*
 * ndis.h - of NDIS only what a callout driver needs to clone a packet: the net buffer list and where its data begins.
 *
 * Structures have the first members of Windows' (64 bit), at their offsets; never allocate or copy one. There are no
 * MDLs here: the packet's bytes stay with the network stack, a driver cannot read or change them, and MdlChain is NULL.
 * What it can do is what holding a connection takes: move the data start (below), clone, inject and free (fwpsk.h).
 *
 * Pages: NET_BUFFER_LIST, NET_BUFFER (nbl.h), NdisRetreatNetBufferDataStart, NdisAdvanceNetBufferDataStart (ndis.h).
 */
#ifndef NDIS_H
#define NDIS_H

#include <ntddk.h>

typedef int NDIS_STATUS;
typedef void *NDIS_HANDLE;
#define NDIS_STATUS_SUCCESS   ((NDIS_STATUS)0)
#define NDIS_STATUS_RESOURCES ((NDIS_STATUS)0xC000009A)

typedef struct _NET_BUFFER NET_BUFFER, *PNET_BUFFER;
typedef struct _NET_BUFFER_LIST NET_BUFFER_LIST, *PNET_BUFFER_LIST;

struct _NET_BUFFER {
    PNET_BUFFER Next;
    PMDL CurrentMdl;
    ULONG CurrentMdlOffset;
    ULONG Reserved;
    ULONG DataLength;
    ULONG Reserved2;
    PMDL MdlChain;
    ULONG DataOffset;
};

struct _NET_BUFFER_LIST {
    PNET_BUFFER_LIST Next;
    PNET_BUFFER FirstNetBuffer;
    void *Context;
    PNET_BUFFER_LIST ParentNetBufferList;
    NDIS_HANDLE NdisPoolHandle;
    void *Reserved[10];
    NDIS_HANDLE SourceHandle;
    ULONG NblFlags;
    LONG ChildRefCount;
    ULONG Flags;
    NDIS_STATUS Status;
};

#define NET_BUFFER_LIST_FIRST_NB(list) ((list)->FirstNetBuffer)
#define NET_BUFFER_LIST_NEXT_NBL(list) ((list)->Next)
#define NET_BUFFER_LIST_STATUS(list)   ((list)->Status)
#define NET_BUFFER_NEXT_NB(buffer)     ((buffer)->Next)
#define NET_BUFFER_DATA_LENGTH(buffer) ((buffer)->DataLength)
#define NET_BUFFER_DATA_OFFSET(buffer) ((buffer)->DataOffset)

/* Names of NDIS's allocation routines for MDLs: pass NULL. */
typedef PMDL(NTAPI *NET_BUFFER_ALLOCATE_MDL_HANDLER)(PULONG BufferSize);
typedef void(NTAPI *NET_BUFFER_FREE_MDL_HANDLER)(PMDL Mdl);

/*
 * IRQL <= DISPATCH_LEVEL. The data of a packet that is classified begins behind its transport header; in a clone that
 * is to be injected it begins with the IP header. Retreat goes no further than that: NDIS_STATUS_RESOURCES. Advance
 * undoes a retreat: whoever retreats the packet that is classified must advance it before classifyFn returns.
 */
NDIS_STATUS NTAPI NdisRetreatNetBufferDataStart(PNET_BUFFER NetBuffer, ULONG DataOffsetDelta, ULONG DataBackFill,
                                                NET_BUFFER_ALLOCATE_MDL_HANDLER AllocateMdlHandler);
void NTAPI NdisAdvanceNetBufferDataStart(PNET_BUFFER NetBuffer, ULONG DataOffsetDelta, BOOLEAN FreeMdl,
                                         NET_BUFFER_FREE_MDL_HANDLER FreeMdlHandler);

_Static_assert(offsetof(NET_BUFFER, DataLength) == 24 && offsetof(NET_BUFFER, DataOffset) == 40, "NET_BUFFER");
_Static_assert(offsetof(NET_BUFFER_LIST, SourceHandle) == 120 && offsetof(NET_BUFFER_LIST, Status) == 140,
               "NET_BUFFER_LIST");

#endif
