/* SPDX-License-Identifier: MIT */
/*
 * keep.c - see keep.h.
 *
 * When the kernel can look at something more at connect(): its field here, in bpf/connect.bpf.h and gate_cache.c.
 */
#include "host/keep.h"

#include <string.h>
#include <time.h>

#include <fwpmk.h>

#include "gatehouse/rules.h"

#define WINDOWS_EPOCH UINT64_C(116444736000000000) /* 1601 to 1970, 100 ns */

#define FIELD(name) (UINT64_C(1) << FWPS_FIELD_ALE_AUTH_CONNECT_V4_##name)

#define SAME(name)                                                                                                     \
    _Static_assert((int)FWPS_FIELD_ALE_AUTH_CONNECT_V4_##name == (int)FWPS_FIELD_ALE_AUTH_CONNECT_V6_##name, #name)
SAME(ALE_APP_ID);
SAME(ALE_USER_ID);
SAME(IP_PROTOCOL);
SAME(IP_LOCAL_ADDRESS);
SAME(IP_REMOTE_ADDRESS);
SAME(IP_REMOTE_PORT);
SAME(IP_DESTINATION_ADDRESS_TYPE);
SAME(FLAGS);
SAME(REAUTHORIZE_REASON);
SAME(COMPARTMENT_ID);

/* The last two are the same for every new connection here. */
#define KNOWN_FIELDS                                                                                                   \
    (FIELD(ALE_APP_ID) | FIELD(ALE_USER_ID) | FIELD(IP_PROTOCOL) | FIELD(IP_REMOTE_ADDRESS) | FIELD(IP_REMOTE_PORT) |  \
     FIELD(IP_DESTINATION_ADDRESS_TYPE) | FIELD(FLAGS) | FIELD(REAUTHORIZE_REASON) | FIELD(COMPARTMENT_ID))

/* False: the kernel cannot look at all of it. */
static bool translate(const struct wfp_looked *from, unsigned ip_version, struct gate_looked *to)
{
    if (from->all || (from->fields & ~KNOWN_FIELDS))
        return false;
    *to = (struct gate_looked){0};
    if (from->fields & FIELD(ALE_APP_ID))
        to->fields |= GATE_LOOKS_PROGRAM;
    if (from->fields & FIELD(ALE_USER_ID))
        to->fields |= GATE_LOOKS_USER;
    if (from->fields & FIELD(IP_PROTOCOL))
        to->fields |= GATE_LOOKS_PROTOCOL;
    /* The other flags are the same for every new connection that is kept. */
    if ((from->fields & FIELD(FLAGS)) && (from->flags_mask & FWP_CONDITION_FLAG_IS_LOOPBACK))
        to->fields |= GATE_LOOKS_LOOPBACK;
    if (from->fields & FIELD(IP_REMOTE_ADDRESS))
        to->remote_bits = from->remote_address_bits;
    if (from->fields & FIELD(IP_DESTINATION_ADDRESS_TYPE))
        to->remote_bits = ip_version == 4 ? 32 : 128;
    if (from->fields & FIELD(IP_REMOTE_PORT))
        to->remote_port_mask = from->remote_port_mask;
    return true;
}

bool keep_by_source(const struct wfp_decision *decision)
{
    return decision->looked.fields & FIELD(IP_LOCAL_ADDRESS);
}

static bool is_rule(const GUID *key)
{
    return key->Data1 == GATEHOUSE_RULE_KEY_DATA1 && key->Data2 == GATEHOUSE_RULE_KEY_DATA2 &&
           (key->Data3 & ~(GATEHOUSE_RULE_KEY_SECOND | 0xfu)) == GATEHOUSE_RULE_KEY_DATA3;
}

static bool is_gone(void *context, const uint8_t bytes[16])
{
    struct keep *keep = context;
    FWPM_FILTER0 *filter = NULL;
    GUID key;

    if (!keep->engine && FwpmEngineOpen0(NULL, RPC_C_AUTHN_WINNT, NULL, NULL, &keep->engine) != STATUS_SUCCESS)
        return false;
    memcpy(&key, bytes, sizeof(key));
    NTSTATUS status = FwpmFilterGetByKey0(keep->engine, &key, &filter);
    if (status == STATUS_SUCCESS)
        FwpmFreeMemory0((void **)&filter);
    return status == STATUS_FWP_FILTER_NOT_FOUND;
}

/* False: no rule decided. */
static bool rule_key(const struct wfp_decision *decision, GUID *key)
{
    return decision->filter_id && wfp_filter_key(decision->filter_id, key) && is_rule(key);
}

static uint64_t system_time(void)
{
    struct timespec wall;

    clock_gettime(CLOCK_REALTIME, &wall);
    return WINDOWS_EPOCH + (uint64_t)wall.tv_sec * 10000000 + (uint64_t)wall.tv_nsec / 100;
}

/* When the rule that decided, by its filter, ends: CLOCK_BOOTTIME ns, as far as the system's clock goes on as it does;
 * 0: never. */
static uint64_t end_of(const struct wfp_decision *decision)
{
    struct timespec boot;
    uint64_t ends, now, left;

    if (!wfp_filter_data(decision->filter_id, &ends, sizeof(ends)))
        return 0;
    now = system_time();
    left = ends > now ? ends - now : 0;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    now = (uint64_t)boot.tv_sec * 1000000000 + (uint64_t)boot.tv_nsec;
    return left > (UINT64_MAX - now) / 100 ? 0 : now + left * 100;
}

static uint32_t count_hit(struct keep *keep, const GUID *key)
{
    uint8_t bytes[16];
    uint32_t place;

    memcpy(bytes, key, sizeof(bytes));
    place = gate_hit_place(keep->gate, bytes, is_gone, keep);
    gate_hit(keep->gate, place);
    return place;
}

uint32_t keep_hit(struct keep *keep, const struct wfp_decision *decision)
{
    GUID key;

    return rule_key(decision, &key) ? count_hit(keep, &key) : 0;
}

void keep_decision(struct keep *keep, const struct gate_packet *packet, const struct wfp_decision *decision,
                   uint32_t generation)
{
    struct gate_kept kept = {.permit = decision->outcome == WFP_PERMIT, .generation = generation};
    struct gate_looked looked;
    GUID key;
    bool by_rule = rule_key(decision, &key);

    kept.hits = by_rule ? count_hit(keep, &key) : 0;
    /* The hooks that ask the cache know no raw sockets. */
    if (!packet->raw && translate(&decision->looked, packet->ip_version, &looked)) {
        kept.ends_ns = by_rule ? end_of(decision) : 0;
        gate_keep(keep->gate, packet, &looked, &kept); /* what is not kept is decided here again */
    }
}

void keep_hits(const struct keep *keep, uint64_t first, unsigned room, struct gatehouse_hits *head,
               struct gatehouse_hit *entries)
{
    struct gate_hits_entry found[64];
    uint64_t now = system_time();

    *head = (struct gatehouse_hits){.next = first};
    do {
        unsigned left = room - head->count, most = left < 64 ? left : 64;
        unsigned count = gate_read_hits(keep->gate, head->next, found, most, &head->next);

        for (unsigned i = 0; i < count; i++) {
            struct gatehouse_hit *entry = &entries[head->count++];

            memcpy(entry->filter_key, found[i].key, sizeof(entry->filter_key));
            entry->hits = found[i].hits;
            entry->last = found[i].used ? now - found[i].ago_ns / 100 : 0;
        }
    } while (head->next && head->count < room);
}

void keep_close(struct keep *keep)
{
    if (keep->engine)
        FwpmEngineClose0(keep->engine);
    keep->engine = NULL;
}
