/* SPDX-License-Identifier: MIT */
/*
 * gate.h - the kernel side of the Linux host: eBPF for who connects, NFQUEUE for the hold.
 *
 * A gate belongs to the network namespace it is opened in, and to no other. Opening it loads or
 * adopts the pinned eBPF programs and maps of this namespace, installs the netfilter rules, and
 * binds the queue. From then on every first packet of an undecided TCP or UDP flow that leaves this
 * namespace waits in the queue and is brought to handlers->packet.
 *
 * Identity is exact: it was taken in the kernel when the program connected or sent, and the verdict
 * is stored under the socket's cookie and destination, so the kernel applies it by the packet's own
 * socket, whatever this side believed.
 *
 * Not thread-safe: one thread owns a gate. Nothing here waits.
 */
#ifndef HOST_GATE_H
#define HOST_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/gate_maps.h"

struct gate;
struct gate_listener;

struct gate_options {
    uint16_t queue;        /* NFQUEUE number; default GATE_QUEUE_DEFAULT */
    bool dead_open;        /* undecided flows while nobody serves the queue: false: refused or retried; true: pass */
    uint32_t deadline_ms;  /* after this and a grace, the kernel alone gives an unserved SYN its default */
    uint32_t queue_length; /* most packets held in the queue */
    const struct gate_listener *names; /* copied; NULL: nobody wants to know what name servers answer */
};
#define GATE_QUEUE_DEFAULT 4747u

/* Who owns a flow, as the kernel saw it at connect() or sendmsg(). */
#define GATE_OWNER_KNOWN        0x1u /* the rest is valid */
#define GATE_OWNER_OTHER_MOUNTS 0x2u /* its program was run from another mount namespace: path is not the host's */
#define GATE_OWNER_DELETED      0x4u /* its program's file was unlinked */
#define GATE_OWNER_PATH_CUT     0x8u /* the path did not fit; it is marked as such and matches nothing */
#define GATE_FURTHER_MAX        256u
struct gate_owner {
    uint32_t flags;
    uint32_t pid;               /* thread group id in the host's pid namespace */
    uint64_t start_boottime_ns; /* of the process: with pid, names it for ever */
    uint32_t uid, gid;
    const uint32_t *further; /* all groups but gid, maybe gid too; as path. Of what is to be decided or lives alone */
    unsigned further_count;  /* of more than GATE_FURTHER_MAX the first ones */
    uint64_t exe_device, exe_inode;
    uint32_t exe_generation;
    uint32_t mount_namespace;
    uint64_t cgroup;
    const char *path;            /* bytes, NUL-terminated, valid until the handler returns */
    size_t path_size;            /* without the NUL */
    char comm[16];               /* for display; decides nothing */
    uint64_t program[2], groups; /* names of the program and of the groups for the kernel; 0: it has none */
};

/* A datagram from port 53 that arrived at a socket. */
struct gate_dns_answer {
    uint8_t ip_version;
    uint8_t server_address[16]; /* who sent it, as far as the packet says */
    struct gate_owner owner;    /* who sent to that server before, with that socket */
    const uint8_t *message;     /* the first 2,047 bytes, valid until the handler returns */
    size_t size;
};

/*
 * Who is told of them: before any packet that a program sent after it could read the answer, that of its connect()
 * above all. look comes before each packet, for other ways to know names.
 */
struct gate_listener {
    void (*answer)(void *context, const struct gate_dns_answer *answer);
    void (*look)(void *context);
    void *context;
};

struct gate_packet {
    uint32_t id;                                   /* of the packet in the queue */
    uint8_t ip_version;                            /* 4 or 6; an IPv4-mapped destination is 4 */
    uint8_t protocol;                              /* IPPROTO_TCP or IPPROTO_UDP */
    uint16_t local_port, remote_port;              /* host byte order, here and below */
    uint8_t local_address[16], remote_address[16]; /* network byte order, IPv4 in the first four bytes */
    uint64_t cookie;                               /* the socket's; 0: none (kernel) */
    uint32_t interface_index;
    bool loopback;
    bool inbound;      /* it comes in: local is the end that listens, owner who bound the socket */
    bool tuple_keyed;  /* echo request, or another protocol, or raw and no datagram or SYN: see gate_settle_inbound */
    bool echo;         /* tuple_keyed: local_port is the identifier */
    bool raw;          /* of a raw socket. Ports of ICMP are type and code, of others 0 */
    bool nobody;       /* inbound: no socket would get it */
    uint32_t sequence; /* inbound TCP: of the SYN, as in the packet */
    uint32_t ip_header_size, transport_header_size; /* inbound */
    bool closed;             /* UDP: its socket is closed already; it may still leave, but nothing of it may wait */
    bool known_stale;        /* decided under an older generation: reauthorize, do not ask anew */
    struct gate_owner owner; /* flags 0: not known */
    const uint8_t *data;     /* the packet from its IP header, maybe cut */
    size_t data_size;
};

/* Both ends of what comes in: what the kernel keys its verdict by. */
#define GATE_PEER_RAW 0x80 /* in ip_version: of a raw packet */
struct gate_peer {
    uint8_t ip_version, protocol;
    uint16_t local_port, remote_port;
    uint8_t local_address[16], remote_address[16];
    uint32_t sequence; /* of gate_packet */
};

struct gate_stream_end {
    uint64_t cookie;              /* 0: not known */
    bool inbound;                 /* it came in, and peer is its key */
    struct gate_peer peer;        /* sequence 0 */
    uint64_t bytes_out, bytes_in; /* payload */
    uint8_t filter[16];           /* key of the filter that the verdict cache permitted it by; zeros: not known */
    struct gate_owner owner;      /* of one that went out, if it is known; path as in gate_packet */
};

/* A program and a destination that the kernel's verdict cache blocks (gate_looked). */
struct gate_refused_flow {
    struct gate_refused_key key; /* ports in network byte order */
    struct gate_owner owner;
    uint64_t count;     /* how often so far */
    uint8_t filter[16]; /* key of the filter; zeros: it has none */
};

struct gate_handlers {
    void (*packet)(void *context, const struct gate_packet *packet);
    void (*damaged)(void *context, uint32_t id); /* not parseable: the gate dropped it */
    /* A socket that had an undecided or permitted flow is gone. Told again when events were lost. */
    void (*socket_closed)(void *context, uint64_t cookie);
    /* A TCP socket that was connected is closed. May be NULL. */
    void (*stream_ended)(void *context, const struct gate_stream_end *end);
    /* Once for each turn (gate_follow) in which it happened. May be NULL. */
    void (*refused)(void *context, const struct gate_refused_flow *refused);
};

/* A descriptor of the root of cgroup2, mounted or not, for the caller to close; -errno. */
int gate_cgroup_root(void);

/* True while there are pins of this network namespace: a gate was closed or killed, and not removed, since the machine
 * started. */
bool gate_stands(void);

/*
 * A child that does for this process what it cannot do any more once it is confined (confine.h): start iptables, mount.
 * To be started before there are threads, at most once; it calls first before anything else. Without one the process
 * does both itself. It ends with the process, or by gate_aide_stop, after gate_remove.
 */
int gate_aide_start(void (*first)(void), char *error, size_t error_size);
void gate_aide_stop(void);

/*
 * A connection to the socket on which systemd-resolved tells what it finds; it belongs to another user, who alone may
 * write to it, so that the aide calls there if there is one. The descriptor does not block; or -errno.
 */
#define GATE_RESOLVED_SOCKET "/run/systemd/resolve/io.systemd.Resolve.Monitor"
int gate_dial_resolved(void);

/* 0, or -errno with one clear sentence in error. */
int gate_open(const struct gate_options *options, struct gate **gate, char *error, size_t error_size);

/*
 * Leaves the pinned programs, maps and rules in place (closed mode stands); gate_remove takes them out too, unless a
 * gate is open in this namespace: -EBUSY, and nothing is removed. It also takes away the pins of namespaces that are
 * gone.
 */
void gate_close(struct gate *gate);
int gate_remove(char *error, size_t error_size);

/* Readable when there is something for gate_read. */
int gate_queue_fd(const struct gate *gate);
int gate_events_fd(const struct gate *gate);

/*
 * Brings up to limit queued packets, or all pending events, to the handlers. Returns how many, or -errno. Read the
 * queue before the events: then the end of a socket is never told before its last packet. Ends of sockets with nothing
 * held do not wake anybody; they come with the next reason to read, or when the ring is a quarter full.
 */
int gate_read_queue(struct gate *gate, unsigned limit, const struct gate_handlers *handlers, void *context);
int gate_read_events(struct gate *gate, const struct gate_handlers *handlers, void *context);

/* Tells what name servers answered until now. Costs next to nothing when there is nothing. */
void gate_read_names(struct gate *gate);

/* False: this kernel cannot tell, or it was not asked to. */
bool gate_sees_names(const struct gate *gate);

/*
 * For somebody who follows what becomes of connections: gate_follow begins a turn, in which each refusal is told of
 * anew. gate_follow_wake makes the next end or refusal readable at gate_events_fd, once; look again afterwards, for
 * what came before it. gate_follow_wakes: nothing was readable since.
 */
void gate_follow(struct gate *gate);
void gate_follow_wake(struct gate *gate);
bool gate_follow_wakes(const struct gate *gate);
/* False: it is not known any more. */
bool gate_refused_count(struct gate *gate, const struct gate_refused_key *key, uint64_t *count);

/* Names one flow: what the kernel keys a verdict by. */
struct gate_flow {
    uint64_t cookie;
    uint8_t ip_version, protocol;
    uint16_t remote_port;
    uint8_t remote_address[16];
};

/* With what is between the members: flows are hashed as bytes. */
void gate_flow_of(const struct gate_packet *packet, struct gate_flow *flow);

/*
 * Stores the verdict under the current generation and sends the flow's held packets through the rules again, where they
 * find it. Returns 0, or -errno when the verdict could not be stored; such packets are held anew. *failed: 0, or the
 * first -errno of a packet that could not be sent on. source: the local address that the verdict depends on, so that
 * it does not count for a datagram from another one; NULL: it depends on none.
 */
int gate_settle(struct gate *gate, const struct gate_flow *flow, bool permit, const uint8_t source[16],
                const uint32_t *packets, unsigned count, int *failed);

/* Stores the verdict under the current generation. Must come before gate_repeat of the flow's packets. 0 or -errno. */
int gate_decide(struct gate *gate, const struct gate_flow *flow, bool permit, const uint8_t source[16]);
int gate_forget(struct gate *gate, const struct gate_flow *flow);

/* Sends a held packet through the rules again (they find the verdict), or drops it. */
int gate_repeat(struct gate *gate, uint32_t packet_id);
int gate_drop(struct gate *gate, uint32_t packet_id);

/*
 * Makes every stored verdict stale: the next packet of each flow comes with known_stale. (TCP: only an initial SYN is
 * looked at.) Any thread.
 */
int gate_new_generation(struct gate *gate);

/*
 * Ends a live TCP connection by its cookie, as its owner sees it: ECONNABORTED. By GATE_COOKIE_BY_TUPLE: the one that
 * has these ends, never the socket that listens there. -ENOENT: it is over.
 */
#define GATE_COOKIE_BY_TUPLE UINT64_MAX
int gate_destroy_socket(struct gate *gate, const struct gate_flow *flow, const uint8_t local_address[16],
                        uint16_t local_port);

/*
 * A refusal is a packet that comes back over lo. False while lo is down: then the program would wait for what cannot
 * come, and its socket has to be destroyed instead.
 */
bool gate_refusals_arrive(const struct gate *gate);

/*
 * The kernel's verdict cache: a decision is kept for all connections that agree with the packet's in what it looked at,
 * until a new generation. Of the remote address the first bits count, of the remote port those of the mask.
 */
#define GATE_LOOKS_PROGRAM  0x1u
#define GATE_LOOKS_USER     0x2u /* or any of his groups, or his cgroup */
#define GATE_LOOKS_PROTOCOL 0x4u
#define GATE_LOOKS_LOOPBACK 0x8u
struct gate_looked {
    uint32_t fields;
    uint8_t remote_bits;
    uint16_t remote_port_mask;
};
struct gate_kept {
    bool permit;
    uint32_t generation; /* gate_generation() from before the decision: when another one came since, nothing is kept */
    uint32_t hits;       /* where each use is counted (gate_hits_place); 0: nowhere */
    uint64_t ends_ns;    /* CLOCK_BOOTTIME: it is no answer from then on; 0: never */
};
uint32_t gate_generation(const struct gate *gate);
/* Returns 0, or -errno when it was not kept: no harm, the next such connection is brought again. */
int gate_keep(struct gate *gate, const struct gate_packet *packet, const struct gate_looked *looked,
              const struct gate_kept *kept);
/* Nothing happens: memory goes back that is quickly had again. */
void gate_rest(struct gate *gate);

/*
 * Counters by filter key (16 bytes, not zeros): kept as long as the pins, whoever counts. gate_hit_place finds or makes
 * one; when there is no room it takes that of a key which is_gone says yes to; 0: none. gate_hit counts in it.
 */
typedef bool gate_key_is_gone(void *context, const uint8_t key[16]);
uint32_t gate_hit_place(struct gate *gate, const uint8_t key[16], gate_key_is_gone *is_gone, void *context);
void gate_hit(struct gate *gate, uint32_t place);

struct gate_hits_entry {
    uint8_t key[16];
    uint64_t hits;
    uint64_t ago_ns; /* since the last one, suspended time included */
    bool used;       /* there was one */
};
/* Reads from number first on. *next: where to go on; 0: that was all. Returns how many. */
unsigned gate_read_hits(const struct gate *gate, uint64_t first, struct gate_hits_entry *entries, unsigned room,
                        uint64_t *next);

/*
 * Readable when something that the gate itself depends on may have changed: then gate_look mends it. 0; 1: somebody had
 * taken the packet rules out or put others before them, and they are back; -errno with a sentence: they are not, it
 * will be tried again.
 */
int gate_changes_fd(const struct gate *gate);
int gate_look(struct gate *gate, char *error, size_t error_size);

/* False: this kernel cannot hold the gate shut while somebody has taken the packet rules out. */
bool gate_is_guarded(const struct gate *gate);

/*
 * TCP connections that live and began with a connect() under this gate or one before it. gate_adopt_start begins to
 * list them (0 or -errno), each gate_adopt_step gives some to take: 1: there may be more; 0: that was all; or -errno.
 */
struct gate_live {
    struct gate_flow flow;
    uint8_t local_address[16];
    uint16_t local_port;
    bool loopback; /* as far as its addresses tell */
    bool cached;   /* the verdict cache permitted it; else gate_settle or gate_decide did */
    struct gate_owner owner;
};
int gate_adopt_start(struct gate *gate);
int gate_adopt_step(struct gate *gate, void (*take)(void *context, const struct gate_live *live), void *context);

/*
 * Packets that come in: brought only while they are watched. Watching puts rules into filter INPUT, an initial SYN or a
 * datagram of a peer that was not decided then waits in the queue. 0, or -errno with one clear sentence in error.
 */
enum gate_watched {
    GATE_WATCH_INBOUND,
    GATE_WATCH_ECHO,    /* echo requests that go out: local_port is their identifier, remote_port 1 */
    GATE_WATCH_ECHO_IN, /* and that come in: remote_port 0 */
    GATE_WATCH_RAW      /* what raw sockets send but datagrams, SYNs and echo requests; DCCP, SCTP, UDP-Lite */
};
int gate_watch_inbound(struct gate *gate, enum gate_watched what, bool on, char *error, size_t error_size);

enum gate_answer { GATE_ANSWER_BLOCK, GATE_ANSWER_PERMIT, GATE_ANSWER_ONCE /* permitted, for this packet alone */ };

/* As gate_settle: stores the verdict, and sends the packets through the rules again; a blocked one is dropped there, a
 * raw socket's at once. */
int gate_settle_inbound(struct gate *gate, const struct gate_peer *peer, enum gate_answer answer,
                        const uint32_t *packets, unsigned count, int *failed);
int gate_forget_inbound(struct gate *gate, const struct gate_peer *peer);

/* Is there a connection of this TCP peer? */
bool gate_is_established(struct gate *gate, const struct gate_peer *peer);

/* The end of this socket, to which something came in, is to be told. */
int gate_tell_end(struct gate *gate, uint64_t cookie);

struct gate_counts {
    uint64_t datagrams_blocked; /* from the kernel */
    uint64_t queue_dropped, queue_user_dropped;
    uint64_t events_lost;
};
int gate_count(struct gate *gate, struct gate_counts *counts);

#endif
