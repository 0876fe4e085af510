/* SPDX-License-Identifier: MIT */
/*
 * flows.c - see flows.h.
 */
#include "host/flows.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define WINDOWS_EPOCH 116444736000000000ull /* of 1970, 100 ns since 1601 */

struct flow_record {
    struct gatehouse_flow_entry entry;
    uint64_t cookie; /* TCP that goes out: found by it when it ends; 0: not */
    bool listed;
    TAILQ_ENTRY(flow_record) of_all;   /* listed: by number */
    TAILQ_ENTRY(flow_record) of_ended; /* ended: the oldest first */
    UT_hash_handle by_number, by_cookie;
    uint8_t text[]; /* the path, then the name */
};

struct flows {
    const struct names *names; /* NULL: none are known */
    uint64_t numbers;
    TAILQ_HEAD(, flow_record) all, ended;
    unsigned ended_count;
    struct flow_record *numbered, *cookies;
};

static uint64_t system_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return WINDOWS_EPOCH + (uint64_t)now.tv_sec * 10000000 + (uint64_t)now.tv_nsec / 100;
}

struct flows *flows_new(void)
{
    struct flows *flows = calloc(1, sizeof(*flows));

    if (!flows)
        return NULL;
    TAILQ_INIT(&flows->all);
    TAILQ_INIT(&flows->ended);
    return flows;
}

static void forget_cookie(struct flows *flows, struct flow_record *record)
{
    struct flow_record *found;

    if (!record->cookie)
        return;
    HASH_FIND(by_cookie, flows->cookies, &record->cookie, sizeof(record->cookie), found);
    if (found == record)
        HASH_DELETE(by_cookie, flows->cookies, record);
    record->cookie = 0;
}

static void record_free(struct flows *flows, struct flow_record *record)
{
    forget_cookie(flows, record);
    if (record->listed) {
        TAILQ_REMOVE(&flows->all, record, of_all);
        HASH_DELETE(by_number, flows->numbered, record);
    }
    if (record->entry.flags & GATEHOUSE_FLOW_ENDED) {
        TAILQ_REMOVE(&flows->ended, record, of_ended);
        flows->ended_count--;
    }
    free(record);
}

void flows_free(struct flows *flows)
{
    struct flow_record *record;

    if (!flows)
        return;
    while ((record = TAILQ_FIRST(&flows->all)) != NULL)
        record_free(flows, record);
    free(flows);
}

void flows_set_names(struct flows *flows, const struct names *names)
{
    flows->names = names;
}

/* With a path, which an entry has without its NUL, and for what goes out (remote not NULL) the name of that end. */
static struct flow_record *make(const struct flows *flows, const FWP_BYTE_BLOB *app_id, uint8_t ip_version,
                                const uint8_t *remote)
{
    size_t path_size = app_id && app_id->size >= 2 ? app_id->size - 2 : 0;
    char name[GATEHOUSE_NAME_MAX];
    uint16_t name_size = remote ? names_find(flows->names, app_id, ip_version, remote, name) : 0;
    struct flow_record *record;

    if (path_size > UINT16_MAX)
        path_size = 0;
    record = calloc(1, sizeof(*record) + path_size + name_size);
    if (!record)
        return NULL;
    if (path_size)
        memcpy(record->text, app_id->data, path_size);
    memcpy(record->text + path_size, name, name_size);
    record->entry.path_size = (uint16_t)path_size;
    record->entry.name_size = name_size;
    record->entry.size = (uint32_t)(sizeof(record->entry) + ((path_size + name_size + 7) & ~(size_t)7));
    return record;
}

struct flow_record *flows_make(struct flows *flows, const struct gate_packet *packet, const FWP_BYTE_BLOB *app_id)
{
    struct flow_record *record =
        make(flows, app_id, packet->ip_version, packet->inbound ? NULL : packet->remote_address);
    struct gatehouse_flow_entry *entry;

    if (!record)
        return NULL;
    entry = &record->entry;
    entry->ip_version = packet->ip_version;
    entry->protocol = packet->protocol;
    entry->process_id = packet->owner.flags & GATE_OWNER_KNOWN ? packet->owner.pid : 0;
    memcpy(entry->local_address, packet->local_address, sizeof(entry->local_address));
    memcpy(entry->remote_address, packet->remote_address, sizeof(entry->remote_address));
    entry->local_port = packet->local_port;
    entry->remote_port = packet->remote_port;
    entry->flags = packet->inbound ? GATEHOUSE_FLOW_INBOUND : 0;
    if (!packet->inbound && packet->protocol == IPPROTO_TCP)
        record->cookie = packet->cookie;
    return record;
}

static bool list(struct flows *flows, struct flow_record *record)
{
    record->entry.number = flows->numbers + 1;
    HASH_ADD(by_number, flows->numbered, entry.number, sizeof(record->entry.number), record);
    if (!record->by_number.tbl)
        return false;
    flows->numbers++;
    record->listed = true;
    TAILQ_INSERT_TAIL(&flows->all, record, of_all);
    return true;
}

/* The latest connection of a socket has its cookie. */
static void remember_cookie(struct flows *flows, struct flow_record *record)
{
    struct flow_record *before;

    HASH_FIND(by_cookie, flows->cookies, &record->cookie, sizeof(record->cookie), before);
    if (before)
        forget_cookie(flows, before);
    HASH_ADD(by_cookie, flows->cookies, cookie, sizeof(record->cookie), record);
    if (!record->by_cookie.tbl)
        record->cookie = 0;
}

void flows_live(struct flows *flows, struct flow_record *record, const uint8_t key[16])
{
    if (!record)
        return;
    record->entry.began = system_time();
    if (key)
        memcpy(record->entry.filter_key, key, sizeof(record->entry.filter_key));
    if (list(flows, record) && record->cookie)
        remember_cookie(flows, record);
}

static void end(struct flows *flows, struct flow_record *record)
{
    record->entry.ended = system_time();
    if (record->entry.flags & GATEHOUSE_FLOW_ENDED)
        return;
    record->entry.flags |= GATEHOUSE_FLOW_ENDED;
    TAILQ_INSERT_TAIL(&flows->ended, record, of_ended);
    if (++flows->ended_count > FLOWS_ENDED_MAX)
        record_free(flows, TAILQ_FIRST(&flows->ended));
}

void flows_end(struct flows *flows, struct flow_record *record)
{
    if (!record)
        return;
    if (record->listed)
        end(flows, record);
    else
        free(record);
}

/* One that nobody saw begin. */
static struct flow_record *make_ended(struct flows *flows, const struct gate_stream_end *told,
                                      const FWP_BYTE_BLOB *app_id)
{
    struct flow_record *record =
        make(flows, app_id, told->peer.ip_version, told->inbound ? NULL : told->peer.remote_address);
    struct gatehouse_flow_entry *entry;

    if (!record)
        return NULL;
    entry = &record->entry;
    entry->ip_version = told->peer.ip_version;
    entry->protocol = told->peer.protocol;
    entry->process_id = told->owner.flags & GATE_OWNER_KNOWN ? told->owner.pid : 0;
    memcpy(entry->local_address, told->peer.local_address, sizeof(entry->local_address));
    memcpy(entry->remote_address, told->peer.remote_address, sizeof(entry->remote_address));
    entry->local_port = told->peer.local_port;
    entry->remote_port = told->peer.remote_port;
    entry->flags = told->inbound ? GATEHOUSE_FLOW_INBOUND : 0;
    entry->began = system_time();
    if (!list(flows, record)) {
        free(record);
        return NULL;
    }
    return record;
}

void flows_stream_end(struct flows *flows, const struct gate_stream_end *told, struct flow_record *record,
                      const FWP_BYTE_BLOB *app_id)
{
    if (!record && !told->inbound && told->cookie)
        HASH_FIND(by_cookie, flows->cookies, &told->cookie, sizeof(told->cookie), record);
    if (!record && (told->inbound || told->owner.flags & GATE_OWNER_KNOWN))
        record = make_ended(flows, told, app_id);
    if (!record || !record->listed)
        return;
    record->entry.bytes_out = told->bytes_out;
    record->entry.bytes_in = told->bytes_in;
    record->entry.flags |= GATEHOUSE_FLOW_COUNTED;
    forget_cookie(flows, record);
    end(flows, record);
}

size_t flows_list(const struct flows *flows, uint64_t first, void *out, size_t room)
{
    struct gatehouse_flows head = {.next = first};
    uint8_t *at = (uint8_t *)out + sizeof(head), *limit = (uint8_t *)out + room;
    struct flow_record *record;

    HASH_FIND(by_number, flows->numbered, &first, sizeof(first), record);
    record = record ? TAILQ_NEXT(record, of_all) : TAILQ_FIRST(&flows->all);
    while (record && record->entry.number <= first)
        record = TAILQ_NEXT(record, of_all);
    for (; record && record->entry.size <= (size_t)(limit - at); record = TAILQ_NEXT(record, of_all)) {
        size_t padded = record->entry.size - sizeof(record->entry);

        memcpy(at, &record->entry, sizeof(record->entry));
        memset(at + sizeof(record->entry), 0, padded);
        memcpy(at + sizeof(record->entry), record->text, record->entry.path_size + record->entry.name_size);
        at += record->entry.size;
        head.count++;
        head.next = record->entry.number;
    }
    memcpy(out, &head, sizeof(head));
    return (size_t)(at - (uint8_t *)out);
}
