/* SPDX-License-Identifier: MIT */
/*
 * cache.c - see cache.h. The kernel's helper functions are stood in for; a map is an array here, the cache's in a file
 * in memory: the host's side reaches it through its window, as ever.
 */
#include "tests/oracle/cache.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/gate_private.h"
#include "host/keep.h"

#include "tests/oracle/kernel.h"

#define PLACES_MAX 4096

static struct gate_state state = {.generation = 1, .secret = {0x5deece66dull, 11}};
static struct gate_cache_entry *entries; /* all of them, as the kernel has them */
static GUID places[PLACES_MAX];
static uint32_t place_count;
static bool was_kept;

static struct gate_maps *maps(void)
{
    static struct gate_maps made = {.state = &state};
    const size_t size = GATE_CACHE * sizeof(*entries);
    int file;

    if (entries)
        return &made;
    file = memfd_create("gate_cache", 0);
    if (file >= 0 && !ftruncate(file, (off_t)size))
        entries = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (!entries || entries == MAP_FAILED || map_window_open(&made.cache, file, size, 4096)) {
        perror("no memory for the cache");
        exit(3);
    }
    return &made;
}

void *kernel_lookup(const void *map, const void *key)
{
    uint32_t place;

    memcpy(&place, key, sizeof(place));
    if (map == kernel_map_state())
        return &state;
    maps();
    return map == kernel_map_cache() && place < GATE_CACHE ? &entries[place] : NULL;
}

/* --- What host/keep.c asks the gate for ------------------------------------------------------ */

int gate_keep(struct gate *gate, const struct gate_packet *packet, const struct gate_looked *looked,
              const struct gate_kept *kept)
{
    int result = gate_cache_add(maps(), packet, looked, kept);

    (void)gate;
    was_kept = result == 0;
    return result;
}

uint32_t gate_hit_place(struct gate *gate, const uint8_t key[16], gate_key_is_gone *is_gone, void *context)
{
    (void)gate, (void)is_gone, (void)context;
    for (uint32_t i = 0; i < place_count; i++)
        if (!memcmp(&places[i], key, sizeof(places[i])))
            return i + 1;
    if (place_count == PLACES_MAX)
        return 0;
    memcpy(&places[place_count], key, sizeof(places[0]));
    return ++place_count;
}

void gate_hit(struct gate *gate, uint32_t place)
{
    (void)gate, (void)place;
}

unsigned gate_read_hits(const struct gate *gate, uint64_t first, struct gate_hits_entry *found, unsigned room,
                        uint64_t *next)
{
    (void)gate, (void)first, (void)found, (void)room;
    *next = 0;
    return 0;
}

/* --- The two sides --------------------------------------------------------------------------- */

/* Numbers that stand for texts: what the kernel has of a path is a hash, of a control group its number. */
static uint64_t number_of(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325ull;

    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 0x100000001b3ull;
    return hash | 1;
}

static bool goes_there(const struct reference_connection *connection)
{
    return !connection->inbound && !connection->raw && (connection->protocol == 6 || connection->protocol == 17);
}

void cache_clear(void)
{
    state.generation++;
    place_count = 0;
    map_window_rest(&maps()->cache);
}

bool cache_ask(const struct reference_connection *connection, struct cached *cached)
{
    struct gate_cache_key full = {.cgroup = number_of(connection->cgroup),
                                  .groups = 1,
                                  .uid = connection->uid,
                                  .gid = connection->gid,
                                  .remote_port = htons(connection->remote_port),
                                  .protocol = (uint8_t)connection->protocol};
    struct kernel_answer answer;

    if (!goes_there(connection))
        return false;
    if (connection->program)
        full.program[0] = full.program[1] = number_of(connection->program);
    memcpy(full.remote_address, connection->remote, sizeof(full.remote_address));
    answer = kernel_ask(&full, connection->family == 6, state.generation);
    if (!answer.verdict)
        return false;
    memset(cached, 0, sizeof(*cached));
    cached->permit = answer.verdict == GATE_PERMIT;
    cached->has_key = answer.hits != 0;
    if (cached->has_key)
        cached->key = places[answer.hits - 1];
    return true;
}

bool cache_fill(const struct reference_connection *connection, const struct wfp_decision *decision)
{
    struct gate_packet packet = {.ip_version = (uint8_t)connection->family,
                                 .protocol = (uint8_t)connection->protocol,
                                 .local_port = connection->local_port,
                                 .remote_port = connection->remote_port,
                                 .cookie = 1};
    struct keep keep = {NULL, NULL};

    was_kept = false;
    if (!goes_there(connection) || decision->outcome == WFP_PENDED)
        return false;
    packet.owner = (struct gate_owner){.flags = GATE_OWNER_KNOWN,
                                       .pid = 4000,
                                       .uid = connection->uid,
                                       .gid = connection->gid,
                                       .cgroup = number_of(connection->cgroup),
                                       .groups = 1};
    if (connection->program) {
        packet.owner.program[0] = packet.owner.program[1] = number_of(connection->program);
        packet.owner.path = connection->program;
        packet.owner.path_size = strlen(connection->program);
    }
    memcpy(packet.local_address, connection->local, 16);
    memcpy(packet.remote_address, connection->remote, 16);
    keep_decision(&keep, &packet, decision, state.generation);
    return was_kept;
}
