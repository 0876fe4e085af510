/* SPDX-License-Identifier: MIT */
/*
 * object.c - reference-counted objects, and what NT_TYPE answers for each.
 *
 * A header lies before the body that drivers see, as on NT. Files, devices, drivers, processes and
 * threads are such objects.
 * Pages: wdm.h ObReferenceObject, ObDereferenceObject, ObReferenceObjectByHandle; "Life Cycle of an Object".
 */
#include "nt/ex/pool.h"
#include "nt/internal.h"

#include <stdlib.h>

#define MAGIC 0x4a424f20544e2121ull

struct header {
    uint64_t magic;
    enum nt_object_type type;
    LONG references;
    void (*destroy)(PVOID body);
    uint64_t reserved;
};
_Static_assert(sizeof(struct header) % 16 == 0, "a body stays aligned behind its header");

static struct header *header_of(PVOID body)
{
    return (struct header *)body - 1;
}

PVOID nt_object_new(enum nt_object_type type, size_t size, void (*destroy)(PVOID body))
{
    struct header *header = calloc(1, sizeof *header + size);
    if (header == NULL)
        return NULL;
    header->magic = MAGIC;
    header->type = type;
    header->references = 1;
    header->destroy = destroy;
    return header + 1;
}

bool nt_object_is(PVOID body, enum nt_object_type type)
{
    return header_of(body)->magic == MAGIC && header_of(body)->type == type;
}

LONG nt_object_references(PVOID body)
{
    return __atomic_load_n(&header_of(body)->references, __ATOMIC_ACQUIRE);
}

LONG nt_object_release(PVOID body)
{
    struct header *header = header_of(body);
    LONG left = InterlockedDecrement(&header->references);
    if (left == 0) {
        if (header->destroy != NULL)
            header->destroy(body);
        header->magic = 0;
        nt_quarantine_put(header, NT_QUARANTINE_PLAIN); /* that it is gone can be told for a while */
    }
    return left;
}

static bool check(PVOID body, const char *routine)
{
    if (body != NULL && header_of(body)->magic == MAGIC && nt_object_references(body) > 0)
        return true;
    nt_violate("object-invalid", routine, "%p is no live object", body);
    return false;
}

LONG_PTR ObfReferenceObject(PVOID Object)
{
    NT_ENTER(ObfReferenceObject);
    return check(Object, "ObReferenceObject") ? InterlockedIncrement(&header_of(Object)->references) : 0;
}

LONG_PTR ObfDereferenceObject(PVOID Object)
{
    NT_ENTER(ObfDereferenceObject);
    return check(Object, "ObDereferenceObject") ? nt_object_release(Object) : 0;
}
