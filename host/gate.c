/* SPDX-License-Identifier: MIT */
/*
 * gate.c - opens, closes and decides: puts the parts of the gate together.
 *
 * Order of opening: the lock on the pins, if there are any, and the queue first, since they say whether another gate is
 * here, before anything is changed; then pins, programs, adopted sockets; the rules last, when all they lead to is
 * there. A failed first open takes away what it made. A failed re-open leaves what it found: closed mode stands.
 *
 * Hot path, for each held packet: one read, one map lookup, one map update, one send.
 */
#include "gate_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <libmnl/libmnl.h>

#include "bpf/gate_inbound.h"
#include "bpf/gate_names.h"
#include "host/packet.h"

/* So many in a row mean that the record does not come back: then the packet is shown without an owner. */
#define MISSING_MAX 1024u

#define LOOPBACK_INDEX 1u /* lo is the first device of every namespace */

int gate_fail(struct gate_error *error, int code, const char *format, ...)
{
    va_list arguments;

    if (error && error->size && !error->text[0]) {
        va_start(arguments, format);
        vsnprintf(error->text, error->size, format, arguments);
        va_end(arguments);
    }
    return code ? code : -EIO;
}

/* ---- open and close ---- */

/* When there are pins, they tell whether another gate runs, before anything is changed. */
static int lock_existing(uint64_t netns_cookie, struct gate_error *error)
{
    char directory[GATE_PIN_DIR_SIZE];
    struct gate_host host;
    bool made;

    if (gate_host_find(&host, NULL) || gate_pins_find(&host, netns_cookie, false, directory, &made, NULL))
        return -ENOENT;
    return gate_pins_lock(directory, error);
}

/* Makes what is not there. Somebody who removes pins may come between, but not for ever. */
static int find_and_lock(struct gate *gate, const struct gate_host *host, uint64_t netns_cookie,
                         char directory[GATE_PIN_DIR_SIZE], bool *made, struct gate_error *error)
{
    int code = -ENOENT;

    for (int i = 0; code == -ENOENT && i < 3; i++) {
        bool fresh = false;

        code = gate_pins_find(host, netns_cookie, true, directory, &fresh, error);
        *made = *made || fresh;
        if (!code && gate->lock < 0) {
            gate->lock = gate_pins_lock(directory, error);
            code = gate->lock < 0 ? gate->lock : 0;
        }
    }
    return code == -ENOENT ? gate_fail(error, code, "the pins of this network namespace vanish: try again") : code;
}

/* Nobody waits for these: without them a blocked connect() costs a packet more. */
static int open_changes(struct gate *gate, struct gate_error *error)
{
    struct epoll_event event = {.events = EPOLLIN};

    gate->changes = epoll_create1(EPOLL_CLOEXEC);
    if (gate->changes < 0)
        return gate_fail(error, -errno, "cannot make an epoll: %s", strerror(errno));
    gate->local = gate_local_open(&gate->programs.maps);
    if (gate->local >= 0)
        epoll_ctl(gate->changes, EPOLL_CTL_ADD, gate->local, &event);
    if (gate_watch_open(&gate->watch))
        return gate_fail(error, -EMFILE, "cannot make a timer: %s", strerror(errno));
    epoll_ctl(gate->changes, EPOLL_CTL_ADD, gate->watch.timer, &event);
    if (gate->watch.netlink >= 0)
        epoll_ctl(gate->changes, EPOLL_CTL_ADD, gate->watch.netlink, &event);
    return 0;
}

/* The guard holds what raw sockets make by hand until some was seen: so everybody else's packets are not looked at. */
static struct gate_rules rules_of(const struct gate *gate, bool raw)
{
    bool watched = raw && gate->inbound;

    return (struct gate_rules){.directory = gate->directory,
                               .queue = gate->queue.number,
                               .dead_open = gate->dead_open,
                               .deep = gate->programs.deep,
                               .raw = watched,
                               .all = watched &&
                                      (!gate->guarded || gate->dead_open ||
                                       __atomic_load_n(&gate->programs.maps.state->raw_seen, __ATOMIC_SEQ_CST))};
}

static int install_rules(const struct gate *gate, bool raw, struct gate_error *error)
{
    const struct gate_rules rules = rules_of(gate, raw);
    uint32_t *all = &gate->programs.maps.state->raw_all;
    int code;

    if (!rules.all)
        __atomic_store_n(all, 0, __ATOMIC_SEQ_CST);
    code = gate_rules_install(&rules, error);
    if (!code && rules.all)
        __atomic_store_n(all, 1, __ATOMIC_SEQ_CST);
    return code;
}

static bool is_known(const void *context, const char *name)
{
    const struct gate *gate = context;

    return strcmp(name, GATE_ALIVE) == 0 || gate_programs_know(&gate->programs, name) ||
           gate_inbound_knows(gate->inbound, name);
}

/* What needs the programs, and what the rules need. */
static int open_parts(struct gate *gate, const struct gate_options *options, const struct gate_load *load, bool adopted,
                      struct gate_error *error)
{
    struct gate_maps *maps = &gate->programs.maps;
    int code = adopted ? 0 : gate_sockets_adopt(maps->flows, maps->state->generation, error);

    if (code)
        return code;
    gate->inbound = gate_inbound_open(load, maps->state, adopted);
    gate_listen(gate, options->names, load);
    gate_pins_mark(load->directory);
    code = gate_events_open(gate, error);
    if (code)
        return code;
    gate->hits = gate_hits_new(&maps->hits, maps->state);
    return gate->hits ? 0 : gate_fail(error, -ENOMEM, "out of memory");
}

/* With a guard, the rules that a gate before us had may look at less. */
static int open_guard(struct gate *gate, const struct gate_load *load, struct gate_error *error)
{
    struct gate_state *state = gate->programs.maps.state;

    gate->guarded = gate_programs_guard(&gate->programs, load);
    state->guard_told = 0;
    gate_pins_tidy(gate->directory, is_known, gate);
    return gate->guarded && state->raw ? install_rules(gate, true, error) : 0;
}

static int open_kernel_side(struct gate *gate, const struct gate_options *options, uint64_t netns_cookie,
                            struct gate_error *error)
{
    char directory[GATE_PIN_DIR_SIZE];
    struct gate_load load = {
        .options = options, .netns_cookie = netns_cookie, .directory = directory, .cgroup = gate_cgroup_open(error)};
    struct gate_host host;
    bool made = false, adopted = false;
    int code = load.cgroup < 0 ? load.cgroup : gate_host_find(&host, error);

    if (!code)
        code = find_and_lock(gate, &host, netns_cookie, directory, &made, error);
    if (!code) {
        gate->dead_open = options->dead_open;
        memcpy(gate->directory, directory, sizeof(directory));
        load.host_mount_namespace = host.mount_namespace;
        code = gate_programs_open(&gate->programs, &load, &adopted, error);
    }
    if (!code)
        code = open_parts(gate, options, &load, adopted, error);
    if (!code)
        code = install_rules(gate, gate->programs.maps.state->raw, error);
    if (!code)
        code = open_changes(gate, error);
    if (!code)
        code = open_guard(gate, &load, error);
    if (load.cgroup >= 0)
        close(load.cgroup);
    if (code && made && gate->lock >= 0) {
        struct gate_error ignored = {0};

        gate_rules_remove(&ignored);
        gate_pins_remove(&host, netns_cookie, &gate->lock, &ignored);
    }
    return code;
}

static int check_options(const struct gate_options *options, struct gate_error *error)
{
    if (options->queue_length == 0)
        return gate_fail(error, -EINVAL, "the queue must hold at least one packet");
    if (options->deadline_ms == 0)
        return gate_fail(error, -EINVAL, "the deadline must be longer than zero");
    return 0;
}

int gate_open(const struct gate_options *options, struct gate **gate, char *error, size_t error_size)
{
    struct gate_error sentence = {.text = error, .size = error_size};
    struct gate *fresh = calloc(1, sizeof(*fresh));
    uint64_t netns_cookie = 0;
    int code;

    if (error_size)
        error[0] = 0;
    if (!fresh)
        return gate_fail(&sentence, -ENOMEM, "out of memory");
    fresh->watch.netlink = fresh->watch.timer = -1;
    fresh->lock = fresh->adoption.fd = fresh->changes = fresh->local = fresh->told = -1;
    fresh->control = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    code = check_options(options, &sentence);
    if (!code)
        code = gate_netns_cookie(&netns_cookie, &sentence);
    if (!code) {
        fresh->lock = lock_existing(netns_cookie, &sentence);
        code = fresh->lock < 0 && fresh->lock != -ENOENT ? fresh->lock : 0;
    }
    if (!code) {
        fresh->images = gate_images_new();
        fresh->groups = gate_group_sets_new();
        code = fresh->images && fresh->groups ? 0 : gate_fail(&sentence, -ENOMEM, "out of memory");
    }
    if (!code)
        code = gate_queue_open(&fresh->queue, options, &sentence);
    if (!code)
        code = open_kernel_side(fresh, options, netns_cookie, &sentence);
    if (code) {
        gate_close(fresh);
        return code;
    }
    *gate = fresh;
    return 0;
}

void gate_close(struct gate *gate)
{
    if (!gate)
        return;
    gate_queue_close(&gate->queue);
    gate_events_close(gate);
    gate_names_close(gate->names);
    gate_inbound_close(gate->inbound);
    if (gate->changes >= 0)
        close(gate->changes);
    if (gate->local >= 0)
        close(gate->local);
    gate_watch_close(&gate->watch);
    gate_adoption_stop(&gate->adoption);
    gate_hits_free(gate->hits);
    gate_programs_close(&gate->programs);
    gate_images_free(gate->images);
    gate_group_sets_free(gate->groups);
    if (gate->lock >= 0)
        close(gate->lock);
    if (gate->control >= 0)
        close(gate->control);
    free(gate);
}

int gate_remove(char *error, size_t error_size)
{
    struct gate_error sentence = {.text = error, .size = error_size};
    char directory[GATE_PIN_DIR_SIZE];
    struct gate_host host;
    uint64_t netns_cookie = 0;
    bool made;
    int code, rules, lock;

    if (error_size)
        error[0] = 0;
    code = gate_netns_cookie(&netns_cookie, &sentence);
    if (!code)
        code = gate_host_find(&host, &sentence);
    if (code)
        return code;
    lock = lock_existing(netns_cookie, NULL);
    if (lock == -EBUSY)
        return gate_fail(&sentence, lock,
                         "a gatehoused runs in this network namespace, nothing was removed: end it (Ctrl-C or "
                         "SIGTERM), and it takes out everything itself");
    if (!gate_pins_find(&host, netns_cookie, false, directory, &made, NULL))
        gate_guard_remove(directory);
    rules = gate_rules_remove(&sentence);
    /* Without iptables nobody installed rules: only worth a word when there are pins. */
    if (rules == -ENOENT && gate_pins_find(&host, netns_cookie, false, directory, &made, &sentence) == -ENOENT) {
        rules = 0;
        if (error_size)
            error[0] = 0;
    }
    code = gate_pins_remove(&host, netns_cookie, &lock, &sentence);
    if (lock >= 0)
        close(lock);
    return rules ? rules : code;
}

/* ---- packets and events ---- */

int gate_queue_fd(const struct gate *gate)
{
    return mnl_socket_get_fd(gate->queue.socket);
}

enum waiting { WAITING_FOUND, WAITING_CLOSED, WAITING_GONE };

/* Takes the record of a SYN out of its slot. False: it is not there. */
static bool take_slot(struct gate *gate, const struct gate_tuple *tuple, struct gate_pended *pended)
{
    struct gate_slot *slot = &gate->programs.maps.slots[gate_slot_of(tuple)];
    uint64_t turn = __atomic_load_n(&slot->turn, __ATOMIC_ACQUIRE);
    uint64_t rest = turn & ~(uint64_t)GATE_SLOT_BITS;

    if (turn != (rest | GATE_SLOT_FULL) || memcmp(&slot->tuple, tuple, sizeof(*tuple)))
        return false;
    *pended = slot->pended;
    /* What was copied is whole if nobody came between. */
    return __atomic_compare_exchange_n(&slot->turn, &turn, rest | GATE_SLOT_FREE, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

static bool find_pended(struct gate *gate, const struct gate_tuple *tuple, struct gate_pended *pended)
{
    if (tuple->protocol == IPPROTO_TCP && take_slot(gate, tuple, pended))
        return true;
    return !bpf_map_lookup_elem(gate->programs.maps.waiting, tuple, pended) &&
           pended->local_port == tuple->local_port && pended->remote_port == tuple->remote_port;
}

/*
 * Finds who waits. The record can be gone: evicted in a flood, or taken by another socket of the same tuple; sending
 * the packet round again writes it anew.
 */
static enum waiting fill_waiting(struct gate *gate, const struct gate_tuple *tuple, struct gate_packet *packet)
{
    struct gate_pended pended;

    packet->owner.path = "";
    if (!find_pended(gate, tuple, &pended))
        return ++gate->missing < MISSING_MAX ? WAITING_GONE : WAITING_FOUND;
    gate->missing = 0;
    packet->closed = pended.closed;
    if (packet->closed && tuple->protocol != IPPROTO_UDP) /* a program that ended has not unsent its datagram */
        return WAITING_CLOSED;
    packet->cookie = pended.cookie;
    packet->known_stale = pended.stale;
    gate_fill_member(gate, &pended.caller, &packet->owner);
    return WAITING_FOUND;
}

static void drop_damaged(struct gate *gate, uint32_t id)
{
    gate_drop(gate, id);
    if (gate->handlers->damaged)
        gate->handlers->damaged(gate->context, id);
}

static void show_packet(struct gate *gate, const struct gate_tuple *tuple, struct gate_packet *packet)
{
    packet->ip_version = tuple->ip_version;
    packet->protocol = tuple->protocol;
    packet->local_port = ntohs(tuple->local_port);
    packet->remote_port = ntohs(tuple->remote_port);
    memcpy(packet->local_address, tuple->local_address, sizeof(packet->local_address));
    memcpy(packet->remote_address, tuple->remote_address, sizeof(packet->remote_address));
    gate->handlers->packet(gate->context, packet);
}

static void take_packet(void *context, const struct gate_queued *queued)
{
    struct gate *gate = context;
    struct gate_packet packet = {.id = queued->id,
                                 .interface_index = queued->interface_index,
                                 .loopback = queued->interface_index == LOOPBACK_INDEX,
                                 .data = queued->data,
                                 .data_size = queued->size};
    struct gate_tuple tuple;
    struct gate_caller caller;
    enum waiting waiting;

    gate_look_for_names(gate);
    if (gate_inbound_echo(gate->inbound, queued, &tuple, &packet, &caller) ||
        gate_inbound_raw(gate->inbound, queued, &tuple, &packet, &caller)) {
        gate_fill_member(gate, &caller, &packet.owner);
        show_packet(gate, &tuple, &packet);
        return;
    }
    if (queued->inbound) {
        if (!gate_inbound_packet(gate->inbound, queued, &tuple, &packet, &caller)) {
            drop_damaged(gate, queued->id);
            return;
        }
        gate_fill_member(gate, &caller, &packet.owner);
        show_packet(gate, &tuple, &packet);
        return;
    }
    if (!packet_parse(queued->data, queued->size, &tuple) || !packet_is_whole(queued->data, queued->size)) {
        drop_damaged(gate, queued->id);
        return;
    }
    waiting = fill_waiting(gate, &tuple, &packet);
    if (waiting == WAITING_CLOSED)
        gate_drop(gate, queued->id);
    else if (waiting == WAITING_GONE)
        gate_repeat(gate, queued->id);
    if (waiting != WAITING_FOUND)
        return;
    if (!(packet.owner.flags & GATE_OWNER_KNOWN) && gate_inbound_raw_owner(gate->inbound, packet.cookie, &caller)) {
        packet.raw = true;
        gate_fill_member(gate, &caller, &packet.owner);
    }
    show_packet(gate, &tuple, &packet);
}

int gate_read_queue(struct gate *gate, unsigned limit, const struct gate_handlers *handlers, void *context)
{
    gate->handlers = handlers;
    gate->context = context;
    return gate_queue_read(&gate->queue, limit, take_packet, gate);
}

/* ---- verdicts ---- */

static struct gate_flow_key key_of(const struct gate_flow *flow)
{
    struct gate_flow_key key = {.cookie = flow->cookie,
                                .remote_port = htons(flow->remote_port),
                                .protocol = flow->protocol,
                                .ip_version = flow->ip_version};

    memcpy(key.remote_address, flow->remote_address, flow->ip_version == 4 ? 4 : 16);
    return key;
}

void gate_flow_of(const struct gate_packet *packet, struct gate_flow *flow)
{
    memset(flow, 0, sizeof(*flow));
    flow->cookie = packet->cookie;
    flow->ip_version = packet->ip_version;
    flow->protocol = packet->protocol;
    flow->remote_port = packet->remote_port;
    memcpy(flow->remote_address, packet->remote_address, sizeof(flow->remote_address));
}

static struct gate_flow_state decision_of(const struct gate *gate, const struct gate_flow *flow, bool permit,
                                          const uint8_t source[16])
{
    struct gate_flow_state state = {.generation = gate->programs.maps.state->generation,
                                    .verdict = permit ? GATE_PERMIT : GATE_BLOCK};
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    state.since = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (source) {
        memcpy(state.source, source, flow->ip_version == 4 ? 4 : 16);
        state.by_source = 1;
    }
    return state;
}

int gate_decide(struct gate *gate, const struct gate_flow *flow, bool permit, const uint8_t source[16])
{
    struct gate_flow_key key = key_of(flow);
    struct gate_flow_state state = decision_of(gate, flow, permit, source);

    return bpf_map_update_elem(gate->programs.maps.flows, &key, &state, BPF_ANY) ? -errno : 0;
}

int gate_settle(struct gate *gate, const struct gate_flow *flow, bool permit, const uint8_t source[16],
                const uint32_t *packets, unsigned count, int *failed)
{
    struct gate_hand *hand = &gate->programs.maps.state->hand;
    uint64_t sequence = hand->sequence + 1;
    bool taken;

    *failed = 0;
    hand->flow = key_of(flow);
    hand->decision = decision_of(gate, flow, permit, source);
    __atomic_store_n(&hand->sequence, sequence, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < count; i++) {
        int code = gate_repeat(gate, packets[i]);

        if (code && code != -ENOENT && !*failed)
            *failed = code;
    }
    taken = __atomic_load_n(&hand->taken, __ATOMIC_ACQUIRE) == sequence;
    __atomic_store_n(&hand->sequence, sequence + 1, __ATOMIC_SEQ_CST);
    return taken ? 0 : gate_decide(gate, flow, permit, source);
}

int gate_forget(struct gate *gate, const struct gate_flow *flow)
{
    struct gate_flow_key key = key_of(flow);

    return bpf_map_delete_elem(gate->programs.maps.flows, &key) && errno != ENOENT ? -errno : 0;
}

int gate_repeat(struct gate *gate, uint32_t packet_id)
{
    return gate_queue_verdict(&gate->queue, packet_id, NF_REPEAT);
}

int gate_drop(struct gate *gate, uint32_t packet_id)
{
    return gate_queue_verdict(&gate->queue, packet_id, NF_DROP);
}

int gate_new_generation(struct gate *gate)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    __atomic_store_n(&gate->programs.maps.state->changed, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec,
                     __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&gate->programs.maps.state->generation, 1, __ATOMIC_SEQ_CST);
    return 0;
}

uint32_t gate_generation(const struct gate *gate)
{
    return __atomic_load_n(&gate->programs.maps.state->generation, __ATOMIC_SEQ_CST);
}

int gate_keep(struct gate *gate, const struct gate_packet *packet, const struct gate_looked *looked,
              const struct gate_kept *kept)
{
    return gate_cache_add(&gate->programs.maps, packet, looked, kept);
}

void gate_rest(struct gate *gate)
{
    map_window_rest(&gate->programs.maps.cache);
}

uint32_t gate_hit_place(struct gate *gate, const uint8_t key[16], gate_key_is_gone *is_gone, void *context)
{
    return gate_hits_place(gate->hits, key, is_gone, context);
}

void gate_hit(struct gate *gate, uint32_t place)
{
    gate_hits_count(gate->hits, place);
}

unsigned gate_read_hits(const struct gate *gate, uint64_t first, struct gate_hits_entry *entries, unsigned room,
                        uint64_t *next)
{
    return gate_hits_read(gate->hits, first, entries, room, next);
}

struct taking {
    struct gate *gate;
    void (*take)(void *context, const struct gate_live *live);
    void *context;
};

static void take_live(void *context, struct gate_live *live, const struct gate_caller *caller)
{
    struct taking *taking = context;

    gate_fill_member(taking->gate, caller, &live->owner);
    taking->take(taking->context, live);
}

int gate_adopt_start(struct gate *gate)
{
    return gate_adoption_start(&gate->adoption);
}

int gate_adopt_step(struct gate *gate, void (*take)(void *context, const struct gate_live *live), void *context)
{
    struct taking taking = {gate, take, context};

    return gate_adoption_step(&gate->adoption, &gate->programs.maps, take_live, &taking);
}

int gate_changes_fd(const struct gate *gate)
{
    return gate->changes;
}

int gate_look(struct gate *gate, char *error, size_t error_size)
{
    struct gate_error sentence = {.text = error, .size = error_size};
    struct gate_rules rules;
    int code;

    if (gate->local >= 0 && gate_local_read(gate->local))
        gate_local_look(&gate->programs.maps);
    if (!gate_watch_read(&gate->watch))
        return 0;
    __atomic_store_n(&gate->programs.maps.state->guard_told, 0, __ATOMIC_SEQ_CST);
    rules = rules_of(gate, gate->programs.maps.state->raw);
    if (error_size)
        error[0] = 0;
    if (rules.all && !gate->programs.maps.state->raw_all) {
        code = install_rules(gate, true, &sentence);
        if (code) {
            gate_watch_doubt(&gate->watch);
            return code;
        }
    }
    if (gate_rules_stand(&rules, gate->watched)) {
        gate_watch_looked(&gate->watch, true);
        return 0;
    }
    code = install_rules(gate, rules.raw, &sentence);
    for (unsigned what = GATE_WATCH_INBOUND; !code && what <= GATE_WATCH_RAW; what++)
        if (gate->watched & 1u << what)
            code = gate_inbound_watch(gate->inbound, what, true, &sentence);
    gate_watch_looked(&gate->watch, false);
    gate_watch_read(&gate->watch); /* what that itself caused */
    if (code)
        gate_watch_doubt(&gate->watch);
    return code ? code : 1;
}

bool gate_is_guarded(const struct gate *gate)
{
    return gate->guarded;
}

int gate_destroy_socket(struct gate *gate, const struct gate_flow *flow, const uint8_t local_address[16],
                        uint16_t local_port)
{
    (void)gate;
    return gate_sockets_destroy(flow, local_address, local_port);
}

bool gate_refusals_arrive(const struct gate *gate)
{
    struct ifreq lo = {.ifr_name = "lo"};

    return ioctl(gate->control, SIOCGIFFLAGS, &lo) || lo.ifr_flags & IFF_UP;
}

int gate_count(struct gate *gate, struct gate_counts *counts)
{
    uint64_t kernel[GATE_COUNTERS];
    struct gate_counts found = {0};
    int code = gate_programs_count(&gate->programs, kernel);

    if (!code)
        code = gate_queue_count(gate->queue.number, &found.queue_dropped, &found.queue_user_dropped);
    if (code)
        return code;
    found.datagrams_blocked = kernel[GATE_COUNTER_DATAGRAMS_BLOCKED];
    found.events_lost = gate_events_lost(gate) + gate_names_lost(gate->names);
    *counts = found;
    return 0;
}

/* ---- inbound ---- */

/* The rules are there before packets are led to them, and after. */
static int watch_raw(struct gate *gate, bool on, struct gate_error *error)
{
    struct gate_state *state = gate->programs.maps.state;
    int code;

    if (!on && !state->raw)
        return 0;
    if (!on)
        __atomic_store_n(&state->raw, 0, __ATOMIC_RELEASE);
    code = install_rules(gate, on, error);
    if (on && !code)
        __atomic_store_n(&state->raw, 1, __ATOMIC_RELEASE);
    return code;
}

int gate_watch_inbound(struct gate *gate, enum gate_watched what, bool on, char *error, size_t error_size)
{
    struct gate_error sentence = {.text = error, .size = error_size};
    int code;

    if (error_size)
        error[0] = 0;
    code = gate_inbound_watch(gate->inbound, what, on, &sentence);
    if (!code && what == GATE_WATCH_RAW)
        code = watch_raw(gate, on, &sentence);
    if (!on)
        gate->watched &= ~(1u << what);
    else if (!code)
        gate->watched |= 1u << what;
    return code;
}

int gate_settle_inbound(struct gate *gate, const struct gate_peer *peer, enum gate_answer answer,
                        const uint32_t *packets, unsigned count, int *failed)
{
    int code = gate_inbound_decide(gate->inbound, peer, answer);
    /* The rules know a raw socket while it is open; and tell its program nothing. */
    bool drops = answer == GATE_ANSWER_BLOCK && (peer->ip_version & GATE_PEER_RAW);

    *failed = 0;
    for (unsigned i = 0; i < count; i++) {
        int sent = drops ? gate_drop(gate, packets[i]) : gate_repeat(gate, packets[i]);

        if (sent && sent != -ENOENT && !*failed)
            *failed = sent;
    }
    return code;
}

int gate_forget_inbound(struct gate *gate, const struct gate_peer *peer)
{
    return gate_inbound_forget(gate->inbound, peer);
}

bool gate_is_established(struct gate *gate, const struct gate_peer *peer)
{
    return gate_inbound_is_established(gate->inbound, peer);
}

int gate_tell_end(struct gate *gate, uint64_t cookie)
{
    return gate_inbound_tell_end(gate->inbound, cookie);
}
