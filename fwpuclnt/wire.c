/* SPDX-License-Identifier: MIT */
/*
 * wire.c - the wire's numbers, strings and blobs. See wire.h. Numbers are little-endian, as every machine is that this
 * is built for.
 */
#include "fwpuclnt/wire.h"

#include <string.h>

#define ALIGNMENT 8u

void wire_writer(struct wire *wire, void *bytes, UINT32 size)
{
    memset(wire, 0, sizeof(*wire));
    wire->bytes = bytes;
    wire->size = size;
}

void wire_reader(struct wire *wire, const void *bytes, UINT32 size, void *memory, UINT32 memory_size)
{
    wire_writer(wire, (void *)(ULONG_PTR)bytes, size);
    wire->memory = memory;
    wire->memory_size = memory_size;
    wire->reading = TRUE;
}

BOOLEAN wire_complete(const struct wire *wire)
{
    return wire->failure == WIRE_FINE && wire->at == wire->size;
}

static void fail(struct wire *wire, enum wire_failure failure)
{
    if (wire->failure == WIRE_FINE)
        wire->failure = failure;
}

void wire_bytes(struct wire *wire, void *value, UINT32 size)
{
    if (wire->failure != WIRE_FINE)
        return;
    if (size > wire->size - wire->at) {
        fail(wire, wire->reading ? WIRE_DAMAGED : WIRE_OUT_OF_BOUNDS);
        return;
    }
    if (size == 0)
        return;
    if (wire->reading)
        memcpy(value, wire->bytes + wire->at, size);
    else
        memcpy(wire->bytes + wire->at, value, size);
    wire->at += size;
}

void wire_u8(struct wire *wire, UINT8 *value)
{
    wire_bytes(wire, value, sizeof(*value));
}

void wire_u16(struct wire *wire, UINT16 *value)
{
    wire_bytes(wire, value, sizeof(*value));
}

void wire_u32(struct wire *wire, UINT32 *value)
{
    wire_bytes(wire, value, sizeof(*value));
}

void wire_u64(struct wire *wire, UINT64 *value)
{
    wire_bytes(wire, value, sizeof(*value));
}

void wire_guid(struct wire *wire, GUID *value)
{
    wire_bytes(wire, value, sizeof(*value));
}

/* Reading: zeroed memory, or NULL and a failure. */
static void *take(struct wire *wire, UINT32 size)
{
    UINT32 used = (wire->memory_used + (ALIGNMENT - 1)) & ~(ALIGNMENT - 1);
    void *taken = wire->memory + used;

    if (used > wire->memory_size || size > wire->memory_size - used) {
        fail(wire, WIRE_DAMAGED);
        return NULL;
    }
    wire->memory_used = used + size;
    return taken;
}

BOOLEAN wire_pointer(struct wire *wire, void **pointer, UINT32 size)
{
    UINT8 present = *pointer != NULL;

    wire_u8(wire, &present);
    if (wire->failure == WIRE_FINE && present > 1)
        fail(wire, WIRE_DAMAGED);
    if (wire->reading)
        *pointer = wire->failure == WIRE_FINE && present != 0 ? take(wire, size) : NULL;
    return wire->failure == WIRE_FINE && *pointer != NULL;
}

/* The units of a NUL-terminated string, one more than the bound when it is longer. */
static UINT32 string_length(const wchar_t *string)
{
    UINT32 length = 0;

    while (length <= WIRE_STRING_MAX && string[length] != 0)
        length++;
    return length;
}

void wire_string(struct wire *wire, wchar_t **string)
{
    UINT8 present = *string != NULL;
    UINT32 length = 0;

    if (!wire->reading && present)
        length = string_length(*string);
    wire_u8(wire, &present);
    if (wire->reading)
        *string = NULL;
    if (!present)
        return;
    wire_u32(wire, &length);
    if (present > 1 || length > WIRE_STRING_MAX ||
        (wire->reading && length > (wire->size - wire->at) / sizeof(wchar_t)))
        fail(wire, wire->reading ? WIRE_DAMAGED : WIRE_OUT_OF_BOUNDS);
    if (wire->failure != WIRE_FINE)
        return;
    if (wire->reading)
        *string = take(wire, (length + 1) * (UINT32)sizeof(wchar_t));
    if (*string == NULL)
        return;
    wire_bytes(wire, *string, length * (UINT32)sizeof(wchar_t));
    if (wire->reading && string_length(*string) != length)
        fail(wire, WIRE_DAMAGED);
}

void wire_blob(struct wire *wire, FWP_BYTE_BLOB *blob)
{
    wire_u32(wire, &blob->size);
    if (wire->failure == WIRE_FINE && wire->reading) {
        if (blob->size > wire->size - wire->at)
            fail(wire, WIRE_DAMAGED);
        else
            blob->data = blob->size == 0 ? NULL : take(wire, blob->size);
    }
    if (blob->size != 0 && blob->data == NULL)
        fail(wire, WIRE_NULL);
    if (wire->failure != WIRE_FINE) {
        if (wire->reading)
            memset(blob, 0, sizeof(*blob));
        return;
    }
    wire_bytes(wire, blob->data, blob->size);
}

_Static_assert(sizeof(wchar_t) == 2, "strings are UTF-16: compile with -fshort-wchar");
