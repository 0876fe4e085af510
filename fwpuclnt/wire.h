/* SPDX-License-Identifier: MIT */
/*
 * wire.h - filter management calls as bytes: docs/protocol.md, "Filter management", has the layout.
 *
 * One function a structure, which writes it or reads it: what is written is what is read, by construction. The same
 * file is compiled for user mode (client) and kernel mode (server), with Linux's or the platform's own headers: it
 * asks for nothing but memcpy, and allocates nothing. Reading trusts no byte: every count is held against its bound
 * and against what is left, and what is built lies in the memory that was handed in.
 *
 * Pointers that are NULL stay NULL, so that the engine and not the wire says what is wrong with that. Not carried:
 * what only the engine fills (a session's process, user and SID), and token information, which no condition takes.
 *
 * When you add a call, also add it to server_calls.c, client.c and docs/protocol.md; a change of what is there is a new
 * WIRE_VERSION.
 */
#ifndef FWPUCLNT_WIRE_H
#define FWPUCLNT_WIRE_H

#include <fwpmtypes.h>

#define WIRE_VERSION        1u
#define WIRE_CALL_MAX       65536u  /* bytes of one call */
#define WIRE_ANSWER_MAX     131056u /* bytes of one answer */
#define WIRE_STRING_MAX     16384u  /* UTF-16 units, without the NUL */
#define WIRE_CONDITIONS_MAX 1024u   /* of one filter */
#define WIRE_ENTRIES_MAX    1024u   /* filters of one answer */
/* What size bytes can become, at most: no item of the wire grows more than fivefold. */
#define WIRE_MEMORY_SIZE(size) ((size)*5u + 1024u)

enum wire_call {
    WIRE_ENGINE_OPEN = 1,
    WIRE_ENGINE_CLOSE = 2,
    WIRE_TRANSACTION_BEGIN = 3,
    WIRE_TRANSACTION_COMMIT = 4,
    WIRE_TRANSACTION_ABORT = 5,
    WIRE_PROVIDER_ADD = 6,
    WIRE_PROVIDER_DELETE = 7,
    WIRE_PROVIDER_GET = 8,
    WIRE_SUBLAYER_ADD = 9,
    WIRE_SUBLAYER_DELETE = 10,
    WIRE_SUBLAYER_GET = 11,
    WIRE_FILTER_ADD = 12,
    WIRE_FILTER_DELETE_BY_ID = 13,
    WIRE_FILTER_DELETE_BY_KEY = 14,
    WIRE_FILTER_GET_BY_ID = 15,
    WIRE_FILTER_GET_BY_KEY = 16,
    WIRE_FILTER_ENUM_CREATE = 17,
    WIRE_FILTER_ENUM = 18,
    WIRE_FILTER_ENUM_DESTROY = 19,
    WIRE_CALL_END = 20
};

/* Statuses of the wire's own (NTSTATUS numbers), besides those of the engine's routines. */
#define WIRE_BUSY      0xC000022Du /* another client's transaction is open: call again until your own time is up */
#define WIRE_MALFORMED 0xC000000Du /* not a call of this version */
#define WIRE_REVISION  0xC0000059u /* another version */
#define WIRE_NO_MEMORY 0xC000009Au

enum wire_failure {
    WIRE_FINE = 0,
    WIRE_OUT_OF_BOUNDS, /* longer than a bound, or than the buffer */
    WIRE_NULL,          /* a size without its data */
    WIRE_DAMAGED        /* reading: not what a writer makes */
};

/* A place in a buffer. Set up by wire_writer or wire_reader; after a failure every function does nothing. */
struct wire {
    UINT8 *bytes;
    UINT32 size, at;
    UINT8 *memory; /* reading: 8-byte aligned, zeroed */
    UINT32 memory_size, memory_used;
    BOOLEAN reading;
    enum wire_failure failure;
};

void wire_writer(struct wire *wire, void *bytes, UINT32 size);
/* memory: WIRE_MEMORY_SIZE(size) zeroed bytes; what is read points into it, never into bytes. */
void wire_reader(struct wire *wire, const void *bytes, UINT32 size, void *memory, UINT32 memory_size);
/* TRUE: all was read, and nothing is left. */
BOOLEAN wire_complete(const struct wire *wire);

void wire_u8(struct wire *wire, UINT8 *value);
void wire_u16(struct wire *wire, UINT16 *value);
void wire_u32(struct wire *wire, UINT32 *value);
void wire_u64(struct wire *wire, UINT64 *value);
void wire_guid(struct wire *wire, GUID *value);
void wire_bytes(struct wire *wire, void *value, UINT32 size);

/* A pointer's presence. TRUE: the caller goes on with its target, which, reading, is size zeroed bytes of memory. */
BOOLEAN wire_pointer(struct wire *wire, void **pointer, UINT32 size);

void wire_session(struct wire *wire, FWPM_SESSION0 *session);
void wire_provider(struct wire *wire, FWPM_PROVIDER0 *provider);
void wire_sublayer(struct wire *wire, FWPM_SUBLAYER0 *sublayer);
void wire_filter(struct wire *wire, FWPM_FILTER0 *filter);
void wire_template(struct wire *wire, FWPM_FILTER_ENUM_TEMPLATE0 *enum_template);

/* What the structures are made of; for objects.c. */
void wire_string(struct wire *wire, wchar_t **string);
void wire_blob(struct wire *wire, FWP_BYTE_BLOB *blob);
void wire_value(struct wire *wire, FWP_VALUE0 *value);
void wire_conditions(struct wire *wire, UINT32 *count, FWPM_FILTER_CONDITION0 **conditions);

#endif
