/* SPDX-License-Identifier: MIT */
/*
 * names.c - see names.h.
 */
#include "host/names.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/name_pattern.h"
#include "core/name_table.h"
#include "gatehouse/status.h"
#include "host/dns_message.h"
#include "host/identity.h"
#include "host/log.h"
#include "nt/nt.h"

#define NAMES_KEPT 16384u
#define WAIT_MS    5000u /* the driver answers at once */

/* A call's input: as much as goes into one. */
#define INPUT_MAX (sizeof(struct gatehouse_names) + DNS_ADDRESSES_MAX * (sizeof(struct gatehouse_name) + 256u) + 65536u)

struct names {
    struct name_servers servers;
    struct nt_file *driver; /* NULL: it does not know names */
    struct core_memory memory;
    struct name_table table;
    struct identity identity; /* of an answer's owner */
    size_t input_size;
    uint8_t input[INPUT_MAX];
};

static void *memory_allocate(void *context, size_t size)
{
    (void)context;
    return calloc(1, size);
}

static void memory_release(void *context, void *p, size_t size)
{
    (void)context, (void)size;
    free(p);
}

static uint64_t boot_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 10000000 + (uint64_t)now.tv_nsec / 100;
}

struct names *names_new(const struct name_servers *servers, const char *device)
{
    const struct nt_caller caller = {.process_id = 0, .administrator = TRUE};
    struct names *names = calloc(1, sizeof(*names));

    if (!names)
        return NULL;
    names->servers = *servers;
    names->memory = (struct core_memory){memory_allocate, memory_release, NULL};
    if (!name_table_init(&names->table, &names->memory, NAMES_KEPT, boot_time())) {
        free(names);
        return NULL;
    }
    if (!NT_SUCCESS(nt_file_open(device, GENERIC_READ | GENERIC_WRITE, &caller, &names->driver)))
        names->driver = NULL;
    return names;
}

void names_leave(struct names *names)
{
    if (names && names->driver)
        nt_file_close(names->driver);
    if (names)
        names->driver = NULL;
}

void names_free(struct names *names)
{
    if (!names)
        return;
    names_leave(names);
    name_table_cleanup(&names->table);
    free(names);
}

/* --- Learning -------------------------------------------------------------------------------- */

static bool is_of_nobody(uint8_t ip_version, const uint8_t *address)
{
    static const uint8_t zeros[15];

    if (ip_version == 4)
        return address[0] == 127 || address[0] == 0;
    return memcmp(address, zeros, sizeof(zeros)) == 0 && address[15] <= 1;
}

static void input_begin(struct names *names)
{
    const struct gatehouse_names header = {GATEHOUSE_PROTOCOL_VERSION, 0};

    memcpy(names->input, &header, sizeof(header));
    names->input_size = sizeof(header);
}

static void input_send(struct names *names)
{
    struct gatehouse_names header;
    NTSTATUS status;

    memcpy(&header, names->input, sizeof(header));
    if (header.count == 0 || !names->driver)
        return;
    status = nt_device_control_wait(names->driver, GATEHOUSE_IOCTL_NAMES_LEARNED, names->input, names->input_size, NULL,
                                    0, NULL, WAIT_MS);
    if (NT_SUCCESS(status) || status == STATUS_INSUFFICIENT_RESOURCES)
        return;
    log_say("the driver takes no names (0x%08X): connections are shown without.", (unsigned)status);
    nt_file_close(names->driver);
    names->driver = NULL;
}

static uint32_t ttl_ms(const struct name_found *found)
{
    return found->ttl_s > GATEHOUSE_NAME_KEEP_MAX_MS / 1000 ? GATEHOUSE_NAME_KEEP_MAX_MS : found->ttl_s * 1000;
}

static void input_add(struct names *names, const uint8_t *path, size_t path_size, const char *name, size_t name_size,
                      const struct name_found *found)
{
    struct gatehouse_name record = {.ttl_ms = ttl_ms(found),
                                    .path_size = (uint16_t)path_size,
                                    .name_size = (uint16_t)name_size,
                                    .ip_version = found->ip_version};
    size_t used = sizeof(record) + path_size + name_size;
    struct gatehouse_names header;
    uint8_t *at;

    record.size = (uint32_t)((used + 7) & ~(size_t)7);
    if (record.size > INPUT_MAX - names->input_size) {
        input_send(names);
        input_begin(names);
    }
    at = names->input + names->input_size;
    memcpy(record.address, found->address, found->ip_version == 4 ? 4 : 16);
    memcpy(at, &record, sizeof(record));
    if (path_size)
        memcpy(at + sizeof(record), path, path_size);
    memcpy(at + sizeof(record) + path_size, name, name_size);
    memset(at + used, 0, record.size - used);
    names->input_size += record.size;
    memcpy(&header, names->input, sizeof(header));
    header.count++;
    memcpy(names->input, &header, sizeof(header));
}

/* path_size 0: any program. */
static void learn(struct names *names, const uint8_t *path, size_t path_size, const char *name, size_t name_size,
                  const struct name_found *found, unsigned count)
{
    struct name_program program = name_program_of(path, path_size);
    uint64_t now = boot_time();

    input_begin(names);
    for (unsigned i = 0; i < count; i++) {
        struct name_address address = {found[i].ip_version, {0}};

        if (is_of_nobody(found[i].ip_version, found[i].address))
            continue;
        memcpy(address.bytes, found[i].address, address.ip_version == 4 ? 4 : 16);
        input_add(names, path, path_size, name, name_size, &found[i]);
        (void)name_table_learn(&names->table, &program, &address, name, name_size, ttl_ms(&found[i]), now);
    }
    input_send(names);
}

/* Without its NUL; 0: not known. */
static size_t path_size_of(const FWP_BYTE_BLOB *app_id)
{
    return app_id && app_id->size > 2 && app_id->size <= UINT16_MAX ? app_id->size - 2 : 0;
}

void names_answer(struct names *names, const struct gate_dns_answer *answer)
{
    struct name_found found[DNS_ADDRESSES_MAX];
    struct dns_answer read;
    size_t path_size;

    if (!names || !name_servers_believe(&names->servers, answer->ip_version, answer->server_address))
        return;
    identity_fill(&names->identity, &answer->owner);
    path_size = path_size_of(&names->identity.app_id);
    if (path_size == 0)
        return;
    if (!dns_message_read(answer->message, answer->size, &read))
        return;
    for (unsigned i = 0; i < read.address_count; i++)
        found[i] = (struct name_found){read.addresses[i].ip_version, read.addresses[i].bytes, read.addresses[i].ttl_s};
    learn(names, names->identity.app_id.data, path_size, read.name, read.name_size, found, read.address_count);
}

void names_say(struct names *names, const char *name, size_t name_size, const struct name_found *found, unsigned count)
{
    char folded[GATEHOUSE_NAME_MAX];

    if (!names || !name_is_valid(name, name_size) || count > DNS_ADDRESSES_MAX)
        return;
    name_fold(folded, name, name_size);
    learn(names, NULL, 0, folded, name_size, found, count);
}

uint16_t names_find(struct names *names, const FWP_BYTE_BLOB *app_id, uint8_t ip_version, const uint8_t address[16],
                    char *name)
{
    size_t path_size = path_size_of(app_id);
    const void *path = path_size ? app_id->data : NULL;
    struct name_program program;
    struct name_address where = {ip_version, {0}};

    if (!names || name_table_count(&names->table) == 0)
        return 0;
    if (!name_table_recall_program(&names->table, path, path_size, &program)) {
        program = name_program_of(path, path_size);
        name_table_keep_program(&names->table, path, path_size, &program);
    }
    memcpy(where.bytes, address, ip_version == 4 ? 4 : 16);
    return name_table_find(&names->table, &program, &where, boot_time(), name);
}
