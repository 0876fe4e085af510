/* SPDX-License-Identifier: MIT */
/*
 * client_private.h - one exchange with the server, for the files of the client.
 *
 * Write the call with exchange_begin and the functions of wire.h, exchange_end carries it; then read the answer. Memory
 * that an answer becomes is a block: FwpmFreeMemory0 frees it, and what was chained to it.
 */
#ifndef FWPUCLNT_CLIENT_PRIVATE_H
#define FWPUCLNT_CLIENT_PRIVATE_H

#include "fwpuclnt/client.h"
#include "fwpuclnt/wire.h"

struct client_session {
    struct fwpm_channel channel;
    UINT32 handle;
    UINT32 timeout_ms;
    UINT8 call[WIRE_CALL_MAX];
    UINT8 answer[WIRE_ANSWER_MAX];
};

struct exchange {
    struct client_session *session;
    struct wire out, in; /* in: without memory */
};

/* FALSE: the handle is NULL. */
BOOLEAN exchange_begin(struct exchange *exchange, HANDLE engine, enum wire_call number);
DWORD exchange_end(struct exchange *exchange);
/* A call of nothing but a key, or a number. */
DWORD exchange_key(HANDLE engine, enum wire_call number, const GUID *key);
DWORD exchange_u32(HANDLE engine, enum wire_call number, UINT32 value);

/* size zeroed bytes, then memory for reading the rest of the answer, to which in is set up. NULL: none left. */
void *exchange_take(struct exchange *exchange, UINT32 size);
/* ERROR_SUCCESS if the answer was read whole; else block is freed, which may be NULL. */
DWORD exchange_complete(struct exchange *exchange, void *block);

/* Reads one object of the answer; one of wire.h's functions behind it. */
typedef void exchange_read(struct wire *in, void *object);

/* Carries the call and reads the one object of size bytes that comes back, a block. *object only on success. */
DWORD exchange_object(struct exchange *exchange, UINT32 size, exchange_read *read, void **object);
/* The same for a call of nothing but a key. */
DWORD exchange_object_by_key(HANDLE engine, enum wire_call number, const GUID *key, UINT32 size, exchange_read *read,
                             void **object);

/* size zeroed bytes as a block. NULL: none left. */
void *block_new(size_t size);
/* last is freed with block. */
void block_chain(void *block, void *last);

#endif
