/* SPDX-License-Identifier: MIT */
/*
 * uuid.c - ExUuidCreate: random (version 4) UUIDs.
 *
 * Page: ntddk.h ExUuidCreate (STATUS_RETRY when none can be made now).
 */
#include "nt/internal.h"

#include <sys/random.h>

NTSTATUS ExUuidCreate(UUID *Uuid)
{
    NT_ENTER(ExUuidCreate);
    UUID uuid;
    if (nt_fails("ExUuidCreate"))
        return STATUS_RETRY;
    if (nt_scheduling)
        memcpy(&uuid, (uint64_t[2]){nt_schedule_serial(), nt_schedule_serial()}, sizeof uuid);
    else if (getrandom(&uuid, sizeof uuid, 0) != (ssize_t)sizeof uuid)
        return STATUS_RETRY;
    uuid.Data3 = (uint16_t)((uuid.Data3 & 0x0fff) | 0x4000);
    uuid.Data4[0] = (uint8_t)((uuid.Data4[0] & 0x3f) | 0x80);
    *Uuid = uuid;
    return STATUS_SUCCESS;
}
