/* SPDX-License-Identifier: MIT */
/*
 * gate_private.h - what the files of the gate share. gate.h is the contract for everybody else.
 *
 *   gate.c         opens, closes, decides: puts the others together
 *   gate_adopt.c   live connections and who began them
 *   gate_alive.c   whose pins they are: a running gate's, a living namespace's
 *   gate_bpf.c     programs, maps, links and their pins
 *   gate_cache.c   fills the verdict cache
 *   gate_events.c  what else the programs tell
 *   gate_guard.c   notices when somebody touches the rules
 *   gate_hits.c    counters by filter key
 *   gate_images.c  the path of an executable
 *   gate_groups.c  the further groups of a process
 *   gate_inbound.c packets that come in
 *   gate_local.c   addresses of this machine
 *   gate_mounts.c  cgroup2 and bpffs, wherever they are
 *   gate_names.c   answers of name servers
 *   gate_queue.c   NFQUEUE
 *   gate_ring.c    ring buffers of the programs
 *   gate_rules.c   iptables and ip6tables
 *   gate_sockets.c sock_diag: adopt, destroy, sweep
 *   map_window.c   arrays of the kernel's, piece by piece
 *   packet.c       the packet
 *
 * All of it runs on the one thread that owns the gate. Functions return 0 or -errno; those that take a gate_error
 * leave one clear sentence in it when they fail.
 */
#ifndef HOST_GATE_PRIVATE_H
#define HOST_GATE_PRIVATE_H

#include <linux/types.h>

#include "bpf/gate_maps.h"
#include "host/gate.h"
#include "host/map_window.h"

struct gate_bpf;
struct mnl_socket;

/* The flags cross from the kernel unchanged. */
_Static_assert(GATE_OWNER_KNOWN == GATE_CALLER_KNOWN && GATE_OWNER_OTHER_MOUNTS == GATE_CALLER_OTHER_MOUNTS &&
                   GATE_OWNER_DELETED == GATE_CALLER_DELETED && GATE_OWNER_PATH_CUT == GATE_CALLER_PATH_CUT,
               "gate.h and gate_maps.h name the same flags");

struct gate_error {
    char *text;
    size_t size;
};

/* Writes the sentence (printf-like) and returns code. The first sentence stands: later ones come from undoing. */
int gate_fail(struct gate_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- gate_mounts.c ---- */

#define GATE_PIN_DIR_SIZE 96

/* Cookie of the network namespace the caller is in. */
int gate_netns_cookie(uint64_t *cookie, struct gate_error *error);

/* A descriptor of the root of cgroup2, mounted or not. */
int gate_cgroup_open(struct gate_error *error);

/* How the host's files are reached from here. */
struct gate_host {
    uint32_t mount_namespace;
    char space[32]; /* names its mount namespace, for setns */
    char root[32];  /* goes before an absolute path; empty when we are in that namespace ourselves */
};
int gate_host_find(struct gate_host *host, struct gate_error *error);

/*
 * Finds the bpffs of the host or mounts one there, and makes the directory of this namespace's pins. *made: it was not
 * there before. Without create, -ENOENT when there is none.
 */
int gate_pins_find(const struct gate_host *host, uint64_t netns_cookie, bool create, char directory[GATE_PIN_DIR_SIZE],
                   bool *made, struct gate_error *error);

/*
 * Removes the pins and the directory, closes *pins_lock (then -1), and removes the mount if it is ours and empty, for
 * which the lock may not be open. Nothing there is no error. Both this and a
 * gate_pins_find that creates also take away the pins of namespaces that are gone.
 */
int gate_pins_remove(const struct gate_host *host, uint64_t netns_cookie, int *pins_lock, struct gate_error *error);

/* ---- gate_alive.c ---- */

/* Waits for an exclusive flock so long at most. False: errno says why not. */
bool gate_lock_wait(int fd, unsigned ms);

#define GATE_ALIVE "gate_alive" /* the program whose pinned link tells whether the namespace lives */

/*
 * Takes the lock of a running gate on its pins: a descriptor to close, -EBUSY when another one runs and goes on for a
 * second, -ENOENT (without a sentence) when the directory is not there.
 */
int gate_pins_lock(const char *directory, struct gate_error *error);

/* Pins what lets gate_pins_are_dead tell. A kernel that cannot: then it never says so. */
void gate_pins_mark(const char *directory);
/* Takes out links and packet programs whose program nobody knows: of a gatehoused of another version. */
void gate_pins_tidy(const char *directory, bool (*is_known)(const void *context, const char *name),
                    const void *context);
bool gate_pins_are_dead(const char *directory);

/* ---- gate_bpf.c ---- */

struct gate_maps {
    int flows, owners, waiting, images, groups, counters, local, spilled, refused, decided;
    struct gate_state *state; /* shared with the kernel, as what follows */
    struct gate_slot *slots;
    struct map_window hits, cache;
};

struct gate_programs {
    struct gate_bpf *skeleton;
    bool deep; /* the programs of the rules see the kernel's own structures */
    struct gate_maps maps;
};

struct gate_load {
    const struct gate_options *options;
    uint64_t netns_cookie;
    uint32_t host_mount_namespace;
    const char *directory; /* of the pins */
    int cgroup;            /* root of cgroup2 */
};

/* Loads the programs on new or adopted maps, pins all, and attaches or replaces the links, but for a new guard. */
int gate_programs_open(struct gate_programs *programs, const struct gate_load *load, bool *adopted,
                       struct gate_error *error);
/* The guard comes after the rules, and goes before them. True: it stands. */
void gate_guard_remove(const char *directory);
bool gate_programs_guard(struct gate_programs *programs, const struct gate_load *load);
/* Is there a program of this name? */
bool gate_programs_know(const struct gate_programs *programs, const char *name);
void gate_programs_close(struct gate_programs *programs);
int gate_programs_ring(const struct gate_programs *programs);
int gate_programs_count(const struct gate_programs *programs, uint64_t counts[GATE_COUNTERS]);

/* ---- gate_adopt.c: see gate_adopt_start ---- */

struct gate_adoption {
    int fd; /* -1: none is under way */
    int family;
};
typedef void gate_adoption_take(void *context, struct gate_live *live, const struct gate_caller *caller);

int gate_adoption_start(struct gate_adoption *adoption);
void gate_adoption_stop(struct gate_adoption *adoption);
int gate_adoption_step(struct gate_adoption *adoption, const struct gate_maps *maps, gate_adoption_take *take,
                       void *context);

/* ---- gate_cache.c ---- */

int gate_cache_add(struct gate_maps *maps, const struct gate_packet *packet, const struct gate_looked *looked,
                   const struct gate_kept *kept);

/* ---- gate_hits.c: see gate.h ---- */

struct gate_hits;

/* Its pieces stay as long as hits do. NULL: no memory. */
struct gate_hits *gate_hits_new(struct map_window *places, struct gate_state *state);
void gate_hits_free(struct gate_hits *hits);
uint32_t gate_hits_place(struct gate_hits *hits, const uint8_t key[16], gate_key_is_gone *is_gone, void *context);
/* False: nobody has that place. */
bool gate_hits_key(const struct gate_hits *hits, uint32_t place, uint8_t key[16]);
void gate_hits_count(struct gate_hits *hits, uint32_t place);
unsigned gate_hits_read(const struct gate_hits *hits, uint64_t first, struct gate_hits_entry *entries, unsigned room,
                        uint64_t *next);

/* ---- gate_ring.c ---- */

typedef void gate_ring_take(void *context, const void *data, size_t size);

/* All zero: closed; reads nothing. */
struct gate_ring {
    int fd; /* the caller's, as long as the ring is open */
    size_t size;
    unsigned long *consumed; /* shared with the kernel, as what follows */
    const unsigned long *produced;
    const uint8_t *piece; /* of the data, from piece_start on */
    size_t piece_start, piece_size;
    gate_ring_take *take;
    void *context;
};

/* size: in bytes, as the map has it. */
int gate_ring_open(struct gate_ring *ring, int fd, size_t size, gate_ring_take *take, void *context);
void gate_ring_close(struct gate_ring *ring);
/* Takes what is there, up to a record that is still being written. Returns how many. */
unsigned gate_ring_read(struct gate_ring *ring);

/* ---- gate_local.c ---- */

/* Looks for the first time; a descriptor that is readable when something changed, or -errno: then nobody will tell. */
int gate_local_open(const struct gate_maps *maps);
void gate_local_look(const struct gate_maps *maps);
/* Takes in what changed: true when it is worth a look. */
bool gate_local_read(int fd);

/* Programs of another object: pinned, attached to the root of cgroup2, or to their trace point (which may be missing).
 */
struct bpf_program;
int gate_program_pin(const struct bpf_program *program, const char *directory, struct gate_error *error);
int gate_program_attach(const struct bpf_program *program, int type, const struct gate_load *load,
                        struct gate_error *error);

/* ---- gate_inbound.c ---- */

struct gate_inbound;
struct gate_queued;

/* adopted: the pinned maps are laid out as ours. NULL: the kernel cannot. */
struct gate_inbound *gate_inbound_open(const struct gate_load *load, struct gate_state *state, bool adopted);
bool gate_inbound_knows(const struct gate_inbound *inbound, const char *name); /* NULL: none */
void gate_inbound_close(struct gate_inbound *inbound);
int gate_inbound_ring(const struct gate_inbound *inbound);
/* Fills tuple and, but for what is in both, packet; caller: who bound the socket. False: damaged. */
bool gate_inbound_packet(struct gate_inbound *inbound, const struct gate_queued *queued, struct gate_tuple *tuple,
                         struct gate_packet *packet, struct gate_caller *caller);
int gate_inbound_decide(struct gate_inbound *inbound, const struct gate_peer *peer, enum gate_answer answer);
int gate_inbound_forget(struct gate_inbound *inbound, const struct gate_peer *peer);
bool gate_inbound_is_established(struct gate_inbound *inbound, const struct gate_peer *peer);
int gate_inbound_tell_end(struct gate_inbound *inbound, uint64_t cookie);
int gate_inbound_watch(struct gate_inbound *inbound, enum gate_watched what, bool on, struct gate_error *error);
/* Was the socket a raw one? Then who made it. */
bool gate_inbound_raw_owner(struct gate_inbound *inbound, uint64_t cookie, struct gate_caller *caller);
/* A raw socket's packet that waits as such? As gate_inbound_packet. */
bool gate_inbound_raw(struct gate_inbound *inbound, const struct gate_queued *queued, struct gate_tuple *tuple,
                      struct gate_packet *packet, struct gate_caller *caller);
/* An echo request? Then as gate_inbound_packet, whichever way it goes. */
bool gate_inbound_echo(struct gate_inbound *inbound, const struct gate_queued *queued, struct gate_tuple *tuple,
                       struct gate_packet *packet, struct gate_caller *caller);

/* ---- gate_names.c ---- */

struct gate_names;

/* take: of a struct gate_dns. NULL: the kernel cannot. */
struct gate_names *gate_names_open(const struct gate_load *load, gate_ring_take *take, void *context);
void gate_names_close(struct gate_names *names);
int gate_names_ring(const struct gate_names *names);
/* Takes everything that was there when it was called. NULL is allowed, here and below. */
void gate_names_read(struct gate_names *names);
uint64_t gate_names_lost(const struct gate_names *names);

/* ---- gate_command.c ---- */

#define GATE_COMMAND_MS 10000
/*
 * Runs a command, found in the usual places, with input (NULL: none). *text: its words, for the caller to free, also on
 * failure; NULL when it said none. Returns its exit code (127: not found), or -errno; -ETIMEDOUT after GATE_COMMAND_MS.
 */
int gate_command_run(char *const arguments[], const char *input, char **text);
/* The same, never by the aide. */
int gate_command_run_here(char *const arguments[], const char *input, char **text);

/* ---- gate_aide.c: see gate_aide_start ---- */

bool gate_aide_is_there(void);
/* As gate_command_run_here and gate_mount_here; -EPIPE when the aide is gone. */
int gate_aide_run(char *const arguments[], const char *input, char **text);
int gate_aide_mount(const struct gate_host *host, bool mount_it);
int gate_dial_here(void);
/* Mounts bpffs in the host's mount namespace, or unmounts it, in a child of this process. */
int gate_mount_here(const struct gate_host *host, bool mount_it);

/* ---- gate_rules.c ---- */

struct gate_rules {
    const char *directory; /* of the pins */
    uint16_t queue;
    bool dead_open;
    bool deep; /* as gate_programs */
    bool raw;  /* with what raw sockets send */
    bool all;  /* also TCP that they make by hand and that starts nothing: then every packet is looked at */
};
int gate_rules_install(const struct gate_rules *ask, struct gate_error *error);
/* The rules for echo requests, and those of filter INPUT: there or not. */
int gate_rules_echo(const char *directory, uint16_t queue, bool dead_open, bool out, bool on, struct gate_error *error);
int gate_rules_inbound(const char *directory, uint16_t queue, bool dead_open, bool on, struct gate_error *error);

int gate_rules_remove(struct gate_error *error);
/* They are all there, and before all others. watched: a bit for each enum gate_watched that is on. */
bool gate_rules_stand(const struct gate_rules *ask, unsigned watched);

/* ---- gate_queue.c ---- */

struct gate_queue {
    struct mnl_socket *socket;
    uint16_t number;
    uint32_t sequence;
    struct gate_queue_batch *batch;
};

/* One message of the kernel, taken apart; data points into the receive buffer. */
struct gate_queued {
    uint32_t id;
    uint32_t interface_index; /* it leaves by, or came in by */
    bool inbound;
    const uint8_t *data;
    size_t size;
};

int gate_queue_open(struct gate_queue *queue, const struct gate_options *options, struct gate_error *error);
void gate_queue_close(struct gate_queue *queue);
int gate_queue_verdict(struct gate_queue *queue, uint32_t id, uint32_t verdict);
/* Reads up to limit packets without waiting and gives each to take. Returns how many, or -errno. */
int gate_queue_read(struct gate_queue *queue, unsigned limit, void (*take)(void *context, const struct gate_queued *),
                    void *context);
/* The kernel's counters of this queue. */
int gate_queue_count(uint16_t number, uint64_t *dropped, uint64_t *user_dropped);

/* ---- gate_guard.c ---- */

struct gate_watch {
    int netlink, timer; /* readable: gate_watch_read */
    bool due;           /* the timer is set */
    unsigned rest_ms;   /* after a look */
    uint64_t looked_ms;
};

int gate_watch_open(struct gate_watch *watch);
void gate_watch_close(struct gate_watch *watch);
/* Something passed the rules by: look soon. */
void gate_watch_doubt(struct gate_watch *watch);
/* True: look now, then say what was found. */
bool gate_watch_read(struct gate_watch *watch);
/* There is something to do now, however short ago the last look was. */
void gate_watch_hurry(struct gate_watch *watch);
void gate_watch_looked(struct gate_watch *watch, bool stood);

/* ---- gate_groups.c ---- */

struct gate_group_sets;

struct gate_group_sets *gate_group_sets_new(void);
void gate_group_sets_free(struct gate_group_sets *sets);
/* Fills further; valid until the next call. map: of the kernel's sets. */
void gate_group_sets_find(struct gate_group_sets *sets, int map, const struct gate_caller *caller,
                          struct gate_owner *owner);

/* Is that process still the caller? */
bool gate_caller_lives(const struct gate_caller *caller);

/* ---- gate_images.c ---- */

struct gate_images;

struct gate_images *gate_images_new(void);
void gate_images_free(struct gate_images *images);
/* Fills the path of owner, whose other fields are set from caller, and settles GATE_OWNER_OTHER_MOUNTS. */
void gate_images_find(struct gate_images *images, int map, const struct gate_caller *caller, struct gate_owner *owner);

/* ---- gate_sockets.c ---- */

/* For sock_diag; receiving on it has a time limit. A descriptor or -errno. */
int gate_sockets_open(void);

/* Permits every connected UDP socket there is now under generation. */
int gate_sockets_adopt(int flows, uint32_t generation, struct gate_error *error);
int gate_sockets_destroy(const struct gate_flow *flow, const uint8_t local_address[16], uint16_t local_port);
/* Tells closed of every socket that waited once and is no more, after events were lost. */
int gate_sockets_sweep(int owners, void (*closed)(void *context, uint64_t cookie), void *context);

#endif
