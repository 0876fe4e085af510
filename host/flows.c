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

#include "gatehouse/rules.h"
#include "host/hash_table.h"

#define WINDOWS_EPOCH 116444736000000000ull /* of 1970, 100 ns since 1601 */

/* What a program that tries again is known by; zeroed before it is filled. */
struct block_key {
    struct gate_refused_key flow;
    uint8_t filter[16];
};

/* What is looked at when it goes, long after all else, lies together. */
struct flow_record {
    struct gatehouse_flow_entry entry;
    bool listed;
    bool open;                       /* blocked: found by its key */
    uint64_t cookie;                 /* TCP that goes out: found by it when it ends; 0: not */
    uint64_t changed;                /* number of its last change */
    TAILQ_ENTRY(flow_record) of_all; /* listed: by number */
    TAILQ_ENTRY(flow_record) of_changes;
    TAILQ_ENTRY(flow_record) of_ended; /* ended: the oldest first */
    UT_hash_handle by_cookie, by_key;
    TAILQ_ENTRY(flow_record) of_open; /* blocked: the oldest first */
    uint64_t counted, base, cached;   /* blocked: by the engine; by the cache before, and so far */
    struct block_key key;             /* blocked */
    uint8_t text[];                   /* the path, then the name */
};

TAILQ_HEAD(record_list, flow_record);

struct flows {
    struct names *names; /* NULL: none are known */
    uint64_t numbers, changes;
    uint64_t forgotten; /* the last change of those that are listed no more */
    struct record_list all, changed, ended, open;
    unsigned ended_count;
    struct flow_record *reached; /* of all: where who lists by number is, or shortly before; NULL: at the start */
    struct flow_record *cookies, *blocked;
};

static uint64_t system_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return WINDOWS_EPOCH + (uint64_t)now.tv_sec * 10000000 + (uint64_t)now.tv_nsec / 100;
}

struct flows *flows_new(struct names *names)
{
    struct flows *flows = calloc(1, sizeof(*flows));

    if (!flows)
        return NULL;
    flows->names = names;
    TAILQ_INIT(&flows->all);
    TAILQ_INIT(&flows->changed);
    TAILQ_INIT(&flows->ended);
    TAILQ_INIT(&flows->open);
    return flows;
}

/* It is told again to those who follow. */
static void change(struct flows *flows, struct flow_record *record)
{
    if (record->changed)
        TAILQ_REMOVE(&flows->changed, record, of_changes);
    record->changed = ++flows->changes;
    TAILQ_INSERT_TAIL(&flows->changed, record, of_changes);
}

uint64_t flows_changes(const struct flows *flows)
{
    return flows->changes;
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

static void block_close(struct flows *flows, struct flow_record *record)
{
    if (!record->open)
        return;
    record->open = false;
    HASH_DELETE(by_key, flows->blocked, record);
    TAILQ_REMOVE(&flows->open, record, of_open);
}

static void record_free(struct flows *flows, struct flow_record *record)
{
    forget_cookie(flows, record);
    block_close(flows, record);
    if (record->listed) {
        flows->forgotten = record->changed > flows->forgotten ? record->changed : flows->forgotten;
        if (flows->reached == record)
            flows->reached = TAILQ_PREV(record, record_list, of_all);
        TAILQ_REMOVE(&flows->all, record, of_all);
        TAILQ_REMOVE(&flows->changed, record, of_changes);
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

/* With a path, which an entry has without its NUL, and for what goes out the name of its remote end (else NULL). */
static struct flow_record *make(const struct flows *flows, const struct identity *identity,
                                const struct gate_owner *owner, uint8_t ip_version, const uint8_t *remote)
{
    const FWP_BYTE_BLOB *app_id = &identity->app_id;
    size_t path_size = app_id->size >= 2 ? app_id->size - 2 : 0;
    bool known = owner->flags & GATE_OWNER_KNOWN;
    char name[GATEHOUSE_NAME_MAX];
    uint16_t name_size = remote ? names_find(flows->names, app_id, ip_version, remote, name) : 0;
    struct flow_record *record;

    if (path_size > UINT16_MAX)
        path_size = 0;
    record = malloc(sizeof(*record) + path_size + name_size); /* not calloc, which leaves malloc's cache alone */
    if (!record)
        return NULL;
    memset(record, 0, sizeof(*record));
    if (path_size)
        memcpy(record->text, app_id->data, path_size);
    memcpy(record->text + path_size, name, name_size);
    record->entry.path_size = (uint16_t)path_size;
    record->entry.name_size = name_size;
    record->entry.size = (uint32_t)(sizeof(record->entry) + ((path_size + name_size + 7) & ~(size_t)7));
    record->entry.process_id = known ? owner->pid : 0;
    record->entry.process_start = known ? identity->process_start : 0;
    record->entry.user = known ? owner->uid : GATEHOUSE_FLOW_NO_USER;
    return record;
}

struct flow_record *flows_make(struct flows *flows, const struct gate_packet *packet, const struct identity *identity)
{
    struct flow_record *record =
        make(flows, identity, &packet->owner, packet->ip_version, packet->inbound ? NULL : packet->remote_address);
    struct gatehouse_flow_entry *entry;

    if (!record)
        return NULL;
    entry = &record->entry;
    entry->ip_version = packet->ip_version;
    entry->protocol = packet->protocol;
    memcpy(entry->local_address, packet->local_address, sizeof(entry->local_address));
    memcpy(entry->remote_address, packet->remote_address, sizeof(entry->remote_address));
    entry->local_port = packet->local_port;
    entry->remote_port = packet->remote_port;
    entry->flags = packet->inbound ? GATEHOUSE_FLOW_INBOUND : 0;
    if (!packet->inbound && packet->protocol == IPPROTO_TCP)
        record->cookie = packet->cookie;
    return record;
}

static void list(struct flows *flows, struct flow_record *record)
{
    record->entry.number = ++flows->numbers;
    record->listed = true;
    TAILQ_INSERT_TAIL(&flows->all, record, of_all);
    change(flows, record);
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
    list(flows, record);
    if (record->cookie)
        remember_cookie(flows, record);
}

static void end(struct flows *flows, struct flow_record *record)
{
    record->entry.ended = system_time();
    if (record->entry.flags & GATEHOUSE_FLOW_ENDED)
        return;
    record->entry.flags |= GATEHOUSE_FLOW_ENDED;
    change(flows, record);
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
                                      const struct identity *identity)
{
    struct flow_record *record =
        make(flows, identity, &told->owner, told->peer.ip_version, told->inbound ? NULL : told->peer.remote_address);
    struct gatehouse_flow_entry *entry;

    if (!record)
        return NULL;
    entry = &record->entry;
    entry->ip_version = told->peer.ip_version;
    entry->protocol = told->peer.protocol;
    memcpy(entry->local_address, told->peer.local_address, sizeof(entry->local_address));
    memcpy(entry->remote_address, told->peer.remote_address, sizeof(entry->remote_address));
    entry->local_port = told->peer.local_port;
    entry->remote_port = told->peer.remote_port;
    entry->flags = told->inbound ? GATEHOUSE_FLOW_INBOUND : 0;
    entry->began = system_time();
    memcpy(entry->filter_key, told->filter, sizeof(entry->filter_key));
    list(flows, record);
    return record;
}

void flows_stream_end(struct flows *flows, const struct gate_stream_end *told, struct flow_record *record,
                      const struct identity *identity)
{
    if (!record && !told->inbound && told->cookie)
        HASH_FIND(by_cookie, flows->cookies, &told->cookie, sizeof(told->cookie), record);
    if (!record && (told->inbound || told->owner.flags & GATE_OWNER_KNOWN))
        record = make_ended(flows, told, identity);
    if (!record || !record->listed)
        return;
    record->entry.bytes_out = told->bytes_out;
    record->entry.bytes_in = told->bytes_in;
    record->entry.flags |= GATEHOUSE_FLOW_COUNTED;
    forget_cookie(flows, record);
    if (record->entry.flags & GATEHOUSE_FLOW_ENDED)
        change(flows, record);
    else
        end(flows, record);
}

/* --- What is blocked ----------------------------------------------------------------------------------------- */

/* Those that are older than FLOWS_BLOCKED_MS are told of no more: who tries again then is a new one. */
static void close_old(struct flows *flows, uint64_t now)
{
    struct flow_record *record;

    while ((record = TAILQ_FIRST(&flows->open)) != NULL &&
           (now < record->entry.began || now - record->entry.began > FLOWS_BLOCKED_MS * 10000ull))
        block_close(flows, record);
}

static struct flow_record *find_open(struct flows *flows, const struct block_key *key)
{
    struct flow_record *record;

    close_old(flows, system_time());
    HASH_FIND(by_key, flows->blocked, key, sizeof(*key), record);
    return record;
}

/* As far as the entry can count; what is beyond comes with the next record. */
static void tell_count(struct flows *flows, struct flow_record *record)
{
    uint64_t count = record->counted + record->cached - record->base;

    if (count >= UINT16_MAX) {
        count = UINT16_MAX;
        block_close(flows, record);
    }
    if (record->entry.count == count)
        return;
    record->entry.count = (uint16_t)count;
    record->entry.ended = system_time();
    change(flows, record);
}

static void list_blocked(struct flows *flows, struct flow_record *record, const struct block_key *key)
{
    record->cookie = 0;
    record->key = *key;
    memcpy(record->entry.filter_key, key->filter, sizeof(record->entry.filter_key));
    record->entry.flags |= GATEHOUSE_FLOW_BLOCKED;
    record->entry.began = system_time();
    list(flows, record);
    HASH_ADD(by_key, flows->blocked, key, sizeof(record->key), record);
    if (record->by_key.tbl) {
        record->open = true;
        TAILQ_INSERT_TAIL(&flows->open, record, of_open);
    }
    end(flows, record);
}

static bool is_rule(const uint8_t key[16])
{
    GUID guid;

    if (!key)
        return false;
    memcpy(&guid, key, sizeof(guid));
    return guid.Data1 == GATEHOUSE_RULE_KEY_DATA1 && guid.Data2 == GATEHOUSE_RULE_KEY_DATA2 &&
           guid.Data3 & GATEHOUSE_RULE_KEY_DATA3;
}

void flows_block(struct flows *flows, struct flow_record *record, const struct gate_owner *owner, const uint8_t key[16],
                 bool by_callout)
{
    struct flow_record *open;
    struct block_key block;

    if (!record)
        return;
    if (by_callout && !is_rule(key)) {
        free(record);
        return;
    }
    memset(&block, 0, sizeof(block));
    memcpy(block.flow.program, owner->program, sizeof(block.flow.program));
    memcpy(block.flow.remote_address, record->entry.remote_address, sizeof(block.flow.remote_address));
    block.flow.uid = owner->uid;
    block.flow.remote_port = htons(record->entry.remote_port);
    block.flow.protocol = record->entry.protocol;
    block.flow.ip_version = record->entry.ip_version;
    if (key)
        memcpy(block.filter, key, sizeof(block.filter));
    /* Who has no name for the kernel cannot be told from another. */
    open = owner->program[0] && !(record->entry.flags & GATEHOUSE_FLOW_INBOUND) ? find_open(flows, &block) : NULL;
    if (open) {
        free(record);
    } else {
        list_blocked(flows, record, &block);
        open = record;
    }
    open->counted++;
    tell_count(flows, open);
}

void flows_refused(struct flows *flows, const struct gate_refused_flow *refused, const struct identity *identity,
                   const uint8_t key[16])
{
    struct flow_record *record;
    struct block_key block;

    memset(&block, 0, sizeof(block));
    block.flow = refused->key;
    if (key)
        memcpy(block.filter, key, sizeof(block.filter));
    record = find_open(flows, &block);
    if (!record && (record = make(flows, identity, &refused->owner, refused->key.ip_version,
                                  refused->key.remote_address)) != NULL) {
        record->entry.ip_version = refused->key.ip_version;
        record->entry.protocol = refused->key.protocol;
        record->entry.remote_port = ntohs(refused->key.remote_port);
        memcpy(record->entry.remote_address, refused->key.remote_address, sizeof(record->entry.remote_address));
        list_blocked(flows, record, &block);
    }
    if (!record)
        return;
    if (!record->cached)
        record->base = refused->count - 1;
    record->cached = refused->count;
    tell_count(flows, record);
}

void flows_refused_again(struct flows *flows, struct gate *gate)
{
    struct flow_record *record, *next;
    uint64_t count;

    for (record = TAILQ_FIRST(&flows->open); record; record = next) {
        next = TAILQ_NEXT(record, of_open);
        if (!record->cached || !gate_refused_count(gate, &record->key.flow, &count) || count <= record->cached)
            continue;
        record->cached = count;
        tell_count(flows, record);
    }
    close_old(flows, system_time());
}

/* --- Listing ------------------------------------------------------------------------------------------------- */

/* Who lists goes on where the last page ended; several who list at once make each other look for it. */
static struct flow_record *first_by_number(const struct flows *flows, uint64_t first)
{
    struct flow_record *record = flows->reached;

    if (!record || record->entry.number > first)
        record = TAILQ_FIRST(&flows->all);
    while (record && record->entry.number <= first)
        record = TAILQ_NEXT(record, of_all);
    return record;
}

/* Who follows is near the end. */
static struct flow_record *first_by_change(const struct flows *flows, uint64_t first)
{
    struct flow_record *record = TAILQ_LAST(&flows->changed, record_list), *before;

    if (!first)
        return TAILQ_FIRST(&flows->changed);
    if (!record || record->changed <= first)
        return NULL;
    while ((before = TAILQ_PREV(record, record_list, of_changes)) != NULL && before->changed > first)
        record = before;
    return record;
}

size_t flows_list(struct flows *flows, const struct gatehouse_flows_get *get, void *out, size_t room)
{
    bool changes = get->flags & GATEHOUSE_FLOWS_CHANGES;
    struct gatehouse_flows head = {.next = get->first};
    uint8_t *at = (uint8_t *)out + sizeof(head), *limit = (uint8_t *)out + room;
    struct flow_record *record = changes ? first_by_change(flows, get->first) : first_by_number(flows, get->first);

    if (changes && get->first && get->first < flows->forgotten)
        head.flags |= GATEHOUSE_FLOWS_LOST;
    while (record && record->entry.size <= (size_t)(limit - at)) {
        size_t padded = record->entry.size - sizeof(record->entry);

        memcpy(at, &record->entry, sizeof(record->entry));
        memset(at + sizeof(record->entry), 0, padded);
        memcpy(at + sizeof(record->entry), record->text, record->entry.path_size + record->entry.name_size);
        at += record->entry.size;
        head.count++;
        head.next = changes ? record->changed : record->entry.number;
        if (!changes)
            flows->reached = record;
        record = changes ? TAILQ_NEXT(record, of_changes) : TAILQ_NEXT(record, of_all);
    }
    memcpy(out, &head, sizeof(head));
    return (size_t)(at - (uint8_t *)out);
}
