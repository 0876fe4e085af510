/* SPDX-License-Identifier: MIT */
/*
 * gate_cache.c - fills the kernel's verdict cache (bpf/cache.bpf.h).
 *
 * Two places of a key lie beside each other, in one piece of the window on the array. Without memory for that piece a
 * decision is not kept, which is allowed at any time.
 *
 * Masks live in memory shared with the kernel, which may read while they are written: a mask's number is taken away
 * before it changes and set after, and no number comes twice.
 */
#include "gate_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct gate_cache_key) == GATE_KEY_WORDS * sizeof(uint64_t), "a key is made of whole words");
_Static_assert(GATE_LOOKS_PROGRAM == GATE_LOOKED_PROGRAM && GATE_LOOKS_USER == GATE_LOOKED_USER &&
                   GATE_LOOKS_PROTOCOL == GATE_LOOKED_PROTOCOL && GATE_LOOKS_LOOPBACK == GATE_LOOKED_LOOPBACK,
               "gate.h and gate_maps.h name the same fields");

static void set_bits(uint8_t *bytes, unsigned bits)
{
    for (unsigned i = 0; i < bits; i++)
        bytes[i / 8] |= (uint8_t)(0x80 >> i % 8);
}

static void make_mask(const struct gate_looked *looked, unsigned ip_version, struct gate_mask *mask)
{
    struct gate_cache_key bits = {.remote_port = htons(looked->remote_port_mask)};
    unsigned most = ip_version == 4 ? 32 : 128;

    if (looked->fields & GATE_LOOKS_PROGRAM)
        memset(bits.program, 0xff, sizeof(bits.program));
    if (looked->fields & GATE_LOOKS_USER) {
        bits.cgroup = bits.groups = UINT64_MAX;
        bits.uid = bits.gid = UINT32_MAX;
    }
    bits.protocol = looked->fields & GATE_LOOKS_PROTOCOL ? 0xff : 0;
    bits.loopback = looked->fields & GATE_LOOKS_LOOPBACK ? 0xff : 0;
    set_bits(bits.remote_address, looked->remote_bits < most ? looked->remote_bits : most);
    memset(mask, 0, sizeof(*mask));
    memcpy(mask->bits, &bits, sizeof(mask->bits));
    mask->fields = looked->fields;
}

/* Takes out the masks of an older generation. */
static void renew(struct gate_masks *masks, uint32_t generation)
{
    if (masks->generation == generation)
        return;
    __atomic_store_n(&masks->generation, 0, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < GATE_MASKS; i++)
        __atomic_store_n(&masks->masks[i].number, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&masks->count, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&masks->fields, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&masks->generation, generation, __ATOMIC_SEQ_CST);
}

/* The mask's number; 0: there is no room for another one. */
static uint32_t find_mask(struct gate_state *state, struct gate_masks *masks, const struct gate_mask *wanted)
{
    struct gate_mask *mask = NULL;

    for (unsigned i = 0; i < masks->count; i++)
        if (!memcmp(masks->masks[i].bits, wanted->bits, sizeof(wanted->bits)))
            return masks->masks[i].number;
    if (masks->count == GATE_MASKS)
        return 0;
    mask = &masks->masks[masks->count];
    memcpy(mask->bits, wanted->bits, sizeof(mask->bits));
    mask->fields = wanted->fields;
    if (++state->mask_number == 0)
        state->mask_number = 1;
    __atomic_store_n(&masks->fields, masks->fields | wanted->fields, __ATOMIC_SEQ_CST);
    __atomic_store_n(&mask->number, state->mask_number, __ATOMIC_SEQ_CST);
    __atomic_store_n(&masks->count, masks->count + 1, __ATOMIC_SEQ_CST);
    return mask->number;
}

/* Of the key's two places: its own, or one that counts no more, or the other one than last time. NULL: no memory. */
static struct gate_cache_entry *choose_entry(struct gate_maps *maps, const struct gate_cache_key *key,
                                             uint32_t generation)
{
    static unsigned turn;
    struct gate_cache_entry *pair;
    __u64 words[GATE_KEY_WORDS];
    uint32_t place, own;

    memcpy(words, key, sizeof(words));
    place = gate_cache_place(words, maps->state->secret[0]);
    own = place & 1;
    pair = map_window_at(&maps->cache, (place - own) * sizeof(*pair));
    if (!pair)
        return NULL;
    for (unsigned i = 0; i < 2; i++)
        if (!memcmp(&pair[own ^ i].key, key, sizeof(*key)))
            return &pair[own ^ i];
    for (unsigned i = 0; i < 2; i++)
        if (pair[own ^ i].generation != generation)
            return &pair[own ^ i];
    return &pair[own ^ (turn++ & 1)];
}

static void write_entry(struct gate_cache_entry *entry, const struct gate_cache_key *key, uint32_t fields,
                        const struct gate_kept *kept)
{
    uint32_t sequence = entry->sequence | 1; /* odd already: a gate was killed while it wrote */

    __atomic_store_n(&entry->sequence, sequence, __ATOMIC_SEQ_CST);
    entry->generation = kept->generation;
    entry->verdict = kept->permit ? GATE_PERMIT : GATE_BLOCK;
    entry->fields = fields;
    entry->hits = kept->hits;
    entry->ends = kept->ends_ns;
    entry->key = *key;
    __atomic_store_n(&entry->sequence, sequence + 1, __ATOMIC_SEQ_CST);
}

int gate_cache_add(struct gate_maps *maps, const struct gate_packet *packet, const struct gate_looked *looked,
                   const struct gate_kept *kept)
{
    struct gate_masks *masks = &maps->state->masks[packet->ip_version == 6];
    const struct gate_owner *owner = &packet->owner;
    struct gate_cache_entry *entry;
    struct gate_cache_key key = {.program = {owner->program[0], owner->program[1]},
                                 .cgroup = owner->cgroup,
                                 .groups = owner->groups,
                                 .uid = owner->uid,
                                 .gid = owner->gid,
                                 .remote_port = htons(packet->remote_port),
                                 .protocol = packet->protocol,
                                 .loopback = packet->loopback};
    __u64 words[GATE_KEY_WORDS];
    struct gate_mask mask;

    if (!(owner->flags & GATE_OWNER_KNOWN) || kept->generation != maps->state->generation)
        return -ESTALE;
    if ((looked->fields & GATE_LOOKS_PROGRAM) && (!owner->program[0] || !owner->path_size))
        return -EINVAL;
    if ((looked->fields & GATE_LOOKS_USER) && (!owner->groups || owner->groups == GATE_GROUPS_UNKNOWN))
        return -EINVAL;
    memcpy(key.remote_address, packet->remote_address, sizeof(key.remote_address));
    make_mask(looked, packet->ip_version, &mask);
    renew(masks, kept->generation);
    memcpy(words, &key, sizeof(words));
    for (unsigned i = 0; i < GATE_KEY_WORDS; i++)
        words[i] &= mask.bits[i];
    memcpy(&key, words, sizeof(words));
    key.mask = find_mask(maps->state, masks, &mask);
    if (!key.mask)
        return -ENOSPC;
    entry = choose_entry(maps, &key, kept->generation);
    if (!entry)
        return -ENOMEM;
    write_entry(entry, &key, looked->fields, kept);
    return 0;
}
