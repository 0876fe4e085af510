/* SPDX-License-Identifier: MIT */
/*
 * names.c - see names.h.
 */
#include "driver/names.h"

#include "core/wire_decode.h"

static struct name_address address_of(const struct destination *to)
{
    struct name_address address = {to->ip_version, {0}};

    RtlCopyMemory(address.bytes, to->address, sizeof(address.bytes));
    return address;
}

_Use_decl_annotations_
BOOLEAN names_program(const uint8_t *path, size_t path_size, struct name_program *program)
{
    BOOLEAN known;
    KIRQL irql;

    KeAcquireSpinLock(&driver_name_lock, &irql);
    if (name_table_count(driver_names()) == 0) {
        KeReleaseSpinLock(&driver_name_lock, irql);
        return FALSE;
    }
    known = name_table_recall_program(driver_names(), path, path_size, program);
    KeReleaseSpinLock(&driver_name_lock, irql);
    if (known)
        return TRUE;
    *program = name_program_of(path, path_size); /* long for a long path, so under no lock */
    KeAcquireSpinLock(&driver_name_lock, &irql);
    name_table_keep_program(driver_names(), path, path_size, program);
    KeReleaseSpinLock(&driver_name_lock, irql);
    return TRUE;
}

_Use_decl_annotations_
uint16_t names_find(const uint8_t *path, size_t path_size, const struct destination *to, uint8_t *name)
{
    struct name_address address = address_of(to);
    struct name_program program;
    uint16_t size;
    KIRQL irql;

    if (!names_program(path, path == NULL ? 0 : path_size, &program))
        return 0;
    KeAcquireSpinLock(&driver_name_lock, &irql);
    size = name_table_find(driver_names(), &program, &address, driver_now(), name);
    KeReleaseSpinLock(&driver_name_lock, irql);
    return size;
}

_Use_decl_annotations_
BOOLEAN names_match(const struct name_program *program, const struct destination *to, const void *pattern,
                    size_t pattern_size)
{
    struct name_address address = address_of(to);
    BOOLEAN matches;
    KIRQL irql;

    KeAcquireSpinLock(&driver_name_lock, &irql);
    matches = name_table_matches(driver_names(), program, &address, driver_now(), pattern, pattern_size);
    KeReleaseSpinLock(&driver_name_lock, irql);
    return matches;
}

_Use_decl_annotations_
void names_of_arrival(struct hold_arrival *arrival)
{
    struct destination to = connection_destination(&arrival->connection);
    UINT16 layer = arrival->connection.layer;

    if (layer == FWPS_LAYER_ALE_AUTH_CONNECT_V4 || layer == FWPS_LAYER_ALE_AUTH_CONNECT_V6)
        arrival->name_size = names_find(arrival->path, arrival->path_size, &to, arrival->name);
}

/* Neighbours are mostly the same program's: its hash is made once. */
NTSTATUS names_learned(struct client *client, PIRP irp, struct dispatch_io *io)
{
    struct wire_name last = {0, 0, NULL, NULL, NULL, 0, 0};
    struct name_program program;
    uint64_t now = driver_now();
    uint32_t count, refusal = wire_decode_names(io->buffer, io->input_size, &count);
    size_t offset = 0;
    BOOLEAN all = TRUE;

    UNREFERENCED_PARAMETER(client);
    UNREFERENCED_PARAMETER(irp);
    if (refusal != 0)
        return (NTSTATUS)refusal;
    for (uint32_t i = 0; i < count; i++) {
        struct name_address address = {0, {0}};
        struct wire_name name;
        KIRQL irql;

        wire_decode_name(io->buffer, &offset, &name);
        if (i == 0 || name.path_size != last.path_size || memcmp(name.path, last.path, name.path_size) != 0)
            program = name_program_of(name.path, name.path_size);
        last = name;
        address.ip_version = name.ip_version;
        RtlCopyMemory(address.bytes, name.address, sizeof(address.bytes));
        KeAcquireSpinLock(&driver_name_lock, &irql);
        if (!name_table_learn(driver_names(), &program, &address, name.name, name.name_size, name.ttl_ms, now))
            all = FALSE;
        KeReleaseSpinLock(&driver_name_lock, irql);
    }
    return all ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}
