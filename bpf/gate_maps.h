/* SPDX-License-Identifier: MIT */
/*
 * gate_maps.h - what gate.bpf.c and host/gate_bpf.c say to each other: keys and values of the maps.
 *
 * Addresses and ports are in network byte order. An IPv4 address is in the first four bytes, the
 * rest zero; an IPv4-mapped IPv6 address is written as IPv4. All padding is named and zero, because
 * map keys are compared as bytes.
 *
 * The maps are pinned and outlive both sides. When you change a structure here, change GATE_LAYOUT:
 * a gate that finds pins of another layout starts with empty maps.
 */
#ifndef BPF_GATE_MAPS_H
#define BPF_GATE_MAPS_H

#include <linux/types.h>

#define GATE_LAYOUT 11

#define GATE_FLOWS_MAX   131072
#define GATE_OWNERS_MAX  65536
#define GATE_PENDED_MAX  65536
#define GATE_SLOTS       4096 /* a power of two */
#define GATE_IMAGES_MAX  4096
#define GATE_EVENTS_SIZE (256 * 1024)
#define GATE_PATH_MAX    4096
#define GATE_DECIDED     4096  /* a power of two */
#define GATE_CACHE       65536 /* a power of two */
#define GATE_MASKS       32
#define GATE_PROGRAMS    1024 /* a power of two */
#define GATE_SPILLED_MAX 65536
#define GATE_HITS_MAX    262144
#define GATE_LOCAL_MAX   4096
#define GATE_LOCAL_BITS  1024 /* a power of two */
#define GATE_GROUPS_MAX  32
#define GATE_GROUP_SETS  1024
#define GATE_REFUSED_MAX 4096

/* A transport header that starts later than this is taken for damage, here and in host/packet.c. */
#define GATE_HEADERS_MAX 240

/* Both parsers follow at most so many IPv6 extension headers. */
#define GATE_EXTENSIONS_MAX 8

/* The socket and the destination: what a verdict belongs to. */
struct gate_flow_key {
    __u64 cookie;
    __u8 remote_address[16];
    __u16 remote_port;
    __u8 protocol;
    __u8 ip_version;
    __u32 zero;
};

enum gate_verdict {
    GATE_UNDECIDED = 0,
    GATE_PERMIT = 1,
    GATE_BLOCK = 2,
};

/* By these flags of its header, TCP starts a connection: SYN, and not RST or ACK; with FIN too, which some systems
 * accept. */
static inline __attribute__((always_inline)) int gate_is_start(__u8 tcp_flags)
{
    return (tcp_flags & 0x16) == 0x02;
}

struct gate_flow_state {
    __u64 since;      /* CLOCK_MONOTONIC ns: undecided, or decided */
    __u32 generation; /* the verdict counts only while this is the current one */
    __u32 verdict;
    __u64 source[2]; /* the local address that it depends on, which each datagram can choose */
    __u32 by_source; /* 0: on none */
    __u32 zero;
};

/* Names a packet as the host sees it: NFQUEUE does not tell the socket. */
struct gate_tuple {
    __u8 local_address[16];
    __u8 remote_address[16];
    __u16 local_port;
    __u16 remote_port;
    __u8 protocol;
    __u8 ip_version;
    __u16 zero;
} __attribute__((aligned(8)));

/* Flags of gate_caller and gate_image. The first four are those of host/gate.h. */
#define GATE_CALLER_KNOWN        0x1u
#define GATE_CALLER_OTHER_MOUNTS 0x2u
#define GATE_CALLER_DELETED      0x4u
#define GATE_CALLER_PATH_CUT     0x8u
#define GATE_CALLER_SEVERAL      0x100u /* more than one program used the socket: its by-cookie entry names nobody */

/* The process that called connect() or sendmsg(). exe_device is in the kernel's own encoding. */
struct gate_caller {
    __u32 flags;
    __u32 pid;
    __u64 start_boottime_ns;
    __u64 exe_inode;
    __u32 exe_device;
    __u32 exe_generation;
    __u64 cgroup;
    __u32 uid;
    __u32 gid;
    __u32 mount_namespace; /* that the executable's mount belongs to; 0: none (memfd, detached) */
    __u32 hits; /* in gate_decided, and what comes from there: 1 + the place of the filter's in gate_hits; 0: it has
                   none */
    char comm[16];
    __u64 program[2]; /* what of the image a decision can depend on, hashed with the secret; 0: not known */
    __u64 groups;     /* further groups, hashed the same way; GATE_GROUPS_UNKNOWN: too many */
};
#define GATE_GROUPS_UNKNOWN (~0ull)

/* What groups stands for: further groups of a process, in the kernel's order. */
struct gate_groups {
    __u32 count;
    __u32 gids[GATE_GROUPS_MAX]; /* 0 behind the last */
};

#define GATE_HITS_TOLD 0x80000000u /* in hits: it was told that this flow is blocked */

/*
 * Keyed by gate_flow_key. A socket's own entry has only the cookie set in its key; an UDP socket has
 * one more for each destination, since several processes can send through one socket.
 */
struct gate_owner_state {
    __u64 cookie; /* again, and first: a reader that copied an entry while it was recycled sees it here */
    struct gate_caller caller;
    __u32 pended; /* own entry: how many flows of the socket have waited */
    __u32 zero;
    struct gate_tuple last; /* own entry: the latest of them */
};

/* Written before the packet is queued; read by the host once for each packet. */
struct gate_pended {
    __u64 cookie;
    __u16 local_port, remote_port; /* again, for the same reason */
    __u8 stale;                    /* decided under an older generation */
    __u8 raw;                      /* enum gate_bound_raw; only inbound.bpf.c knows it, and leaves stale 0 */
    __u16 closed;                  /* its socket was released while it waited */
    struct gate_caller caller;
};

/*
 * Who waits with a SYN, where the host reads it without a system call: one record in each slot, and a tuple has one
 * slot. A slot that is taken by another tuple is not waited for: the record then goes to gate_waiting, as those of
 * datagrams always do. The low bits of turn say what the slot is, the rest counts its records: whoever changes it from
 * what he read to something else (compare and swap) was alone with it in between.
 */
enum gate_slot_is {
    GATE_SLOT_FREE = 0,
    GATE_SLOT_TAKEN = 1, /* being written */
    GATE_SLOT_FULL = 2,
    GATE_SLOT_BITS = 3,
};

struct gate_slot {
    __u64 turn;
    __u64 since; /* CLOCK_MONOTONIC ns */
    struct gate_tuple tuple;
    struct gate_pended pended;
};

static inline __attribute__((always_inline)) __u32 gate_slot_of(const struct gate_tuple *tuple)
{
    const __u64 *words = (const __u64 *)(const void *)tuple;
    __u64 mixed = (words[0] ^ words[1] * 0x9e3779b97f4a7c15ull) * 0xff51afd7ed558ccdull;

    mixed = (mixed ^ (mixed >> 32) ^ words[2] ^ words[3] * 0x9e3779b97f4a7c15ull) * 0xff51afd7ed558ccdull;
    mixed = (mixed ^ (mixed >> 32) ^ words[4]) * 0xc4ceb9fe1a85ec53ull;
    return (__u32)(mixed >> 40) & (GATE_SLOTS - 1);
}

/* One run of one program in one process. */
struct gate_image_key {
    __u64 start_boottime_ns;
    __u64 exe_inode;
    __u32 exe_device;
    __u32 pid;
};

/* ready is set last. text[start..GATE_PATH_MAX) is the path, no NUL. The slack lets the verifier see that a name fits.
 */
struct gate_image {
    __u32 flags; /* GATE_CALLER_OTHER_MOUNTS | GATE_CALLER_PATH_CUT */
    __u32 mount_namespace;
    __u32 start;
    __u32 ready;
    __u64 program[2]; /* of gate_caller, but for GATE_CALLER_DELETED */
    char text[GATE_PATH_MAX + 256];
};

/*
 * The decision in hand: valid while the host sends the packets of that flow round, which runs the rules inside its own
 * system call. xt_gate then stores it in gate_flows, which the host would need a system call for.
 */
struct gate_hand {
    __u64 sequence; /* even: valid; the host counts up when it opens its hand and when it closes it */
    __u64 taken;    /* the sequence that was stored last, 0 when storing failed */
    struct gate_flow_key flow;
    struct gate_flow_state decision;
};

/*
 * The verdict cache. A decision that looked at some fields alone holds for every connection that has the same values
 * there: a mask says which fields, the key has their values and zeros elsewhere. Masks are few; each costs a lookup.
 * A mask and an entry count only under the generation they were made for. Numbers of masks are never used again, so
 * that an entry made under one mask is never found through another one.
 */
#define GATE_LOOKED_PROGRAM  0x1u
#define GATE_LOOKED_USER     0x2u /* all that a user's token is made of: uid, gid, groups, cgroup */
#define GATE_LOOKED_PROTOCOL 0x4u
#define GATE_LOOKED_LOOPBACK 0x8u

struct gate_cache_key {
    __u64 program[2];
    __u64 cgroup;
    __u64 groups;
    __u32 uid, gid;
    __u8 remote_address[16];
    __u16 remote_port;
    __u8 protocol;
    __u8 loopback;
    __u32 mask; /* its number */
};
#define GATE_KEY_WORDS 8

struct gate_mask {
    __u64 bits[GATE_KEY_WORDS]; /* of the key that count */
    __u32 number;               /* 0: being written */
    __u32 fields;
    __u64 zero;
};

struct gate_masks {
    __u32 generation;
    __u32 count;
    __u32 fields; /* of all of them */
    __u32 zero[13];
    struct gate_mask masks[GATE_MASKS];
};

/*
 * One place of the cache. A key has two: gate_cache_place, and its neighbour. sequence is odd while the host writes;
 * whoever reads it before and after has a whole entry.
 */
struct gate_cache_entry {
    __u32 sequence;
    __u32 generation;
    __u32 verdict;
    __u32 fields;
    __u32 hits; /* 1 + the place in gate_hits; 0: not counted */
    __u32 zero;
    __u64 ends; /* CLOCK_BOOTTIME ns: from then on it is no answer; 0: never */
    __u32 zeros[8];
    struct gate_cache_key key;
};

/* secret: so that nobody outside can choose keys that meet. */
static inline __attribute__((always_inline)) __u32 gate_cache_place(const __u64 words[GATE_KEY_WORDS], __u64 secret)
{
    __u64 mixed = (words[0] ^ secret) * 0x9e3779b97f4a7c15ull;

    mixed ^= (words[2] ^ words[3]) * 0xff51afd7ed558ccdull;
    mixed = (mixed ^ mixed >> 29 ^ words[4]) * 0xc4ceb9fe1a85ec53ull;
    mixed = (mixed ^ mixed >> 32 ^ words[5]) * 0x9e3779b97f4a7c15ull;
    mixed = (mixed ^ mixed >> 29 ^ words[6]) * 0xff51afd7ed558ccdull;
    mixed = (mixed ^ mixed >> 32 ^ words[7]) * 0xc4ceb9fe1a85ec53ull;
    return (__u32)(mixed >> 40) & (GATE_CACHE - 1);
}

/*
 * What the cache said of a flow, by its socket's cookie: one place for each hash, the latest has it; who called a TCP
 * socket's connect() then goes to gate_spilled, by cookie, while the socket lives. cookie is taken (GATE_COOKIE_BUSY)
 * before and written after all else. answer: IP version, verdict and on which side of lo it counts.
 */
struct gate_decided {
    __u64 cookie;
    __u8 remote_address[16];
    __u16 remote_port;
    __u8 protocol;
    __u8 answer;
    __u32 generation;
    struct gate_caller caller;
};
#define GATE_COOKIE_BUSY (~0ull)

enum gate_side { GATE_SIDE_ANY = 0, GATE_SIDE_LO = 1, GATE_SIDE_OTHER = 2 };
#define GATE_ANSWER(version, verdict, side) ((version) | (verdict) << 4 | (side) << 6)
#define GATE_ANSWER_VERSION(answer)         ((answer)&15)
#define GATE_ANSWER_VERDICT(answer)         ((answer) >> 4 & 3)
#define GATE_ANSWER_SIDE(answer)            ((answer) >> 6)

/* What the path of a running program's image comes to, where it costs next to nothing: one place for each hash. */
struct gate_program {
    __u64 start_boottime_ns; /* as cookie of gate_decided: taken before, written last */
    __u64 exe_inode;
    __u32 exe_device;
    __u32 pid;
    __u32 flags;
    __u32 mount_namespace;
    __u64 program[2];
    __u64 zero;
};
#define GATE_START_BUSY (~0ull)

/* How often the filter of this key decided. key is set before hits are counted, and all is zero before. */
struct gate_hit {
    __u8 key[16];
    __u64 hits;
    __u64 last; /* CLOCK_BOOTTIME ns, to some ms */
};

struct gate_state {
    __u32 layout;
    __u32 generation;
    __u64 events_lost; /* here and not among the counters: the host looks in every turn, without a system call */
    struct gate_hand hand;
    __u64 secret[2];
    __u32 refuse;      /* blocked connections are refused in the hook: addresses of this machine are known for sure */
    __u32 mask_number; /* the latest */
    __u32 hits_used;   /* places of gate_hits that have a key: the first */
    __u32 guard_told;  /* the guard dropped something, and the host has not looked since */
    __u64 changed;     /* CLOCK_MONOTONIC ns: before generation was, last */
    __u64 local[GATE_LOCAL_BITS / 64]; /* bits of gate_local_hash of what is in gate_local; may have more */
    struct gate_masks masks[2];        /* IPv4, IPv6 */
    __u32 inbound;                     /* packets that come in are looked at (gate_inbound.h) */
    __u32 tell; /* the host wants to know of the next end or refusal: whoever wakes it for that clears it */
    __u32 turn; /* of the host's looks at refusals */
    __u32 refusals_lost;
    __u32 raw;                     /* and what raw sockets send */
    __u32 raw_seen;                /* one of them sent TCP made by hand that starts nothing */
    __u32 raw_all;                 /* so the rules show every packet to xt_gate; else the guard drops such */
    __u64 clock_seen, clock_ahead; /* CLOCK_MONOTONIC ns, and by how much CLOCK_BOOTTIME was ahead then */
};

static inline __attribute__((always_inline)) __u32 gate_local_hash(const __u8 address[16])
{
    const __u64 *words = (const __u64 *)(const void *)address;

    return (__u32)((words[0] * 0x9e3779b97f4a7c15ull ^ words[1] * 0xff51afd7ed558ccdull) >> 54) & (GATE_LOCAL_BITS - 1);
}

enum gate_counter {
    GATE_COUNTER_DATAGRAMS_BLOCKED,
    GATE_COUNTERS,
};

struct gate_event {
    __u64 cookie; /* of a socket that was released, or: */
};
#define GATE_COOKIE_OF_GUARD   (~0ull) /* the guard dropped a packet */
#define GATE_COOKIE_OF_REFUSAL (~1ull) /* it is a struct gate_refusal */
#define GATE_COOKIE_OF_RAW     (~2ull) /* raw_seen was set */

/*
 * What the verdict cache blocks, for people: one record for each program and destination in each turn, told with how
 * often so far; the host reads the rest from gate_refused.
 */
struct gate_refused_key {
    __u64 program[2];
    __u8 remote_address[16];
    __u32 uid;
    __u16 remote_port;
    __u8 protocol;
    __u8 ip_version;
};
struct gate_refused {
    __u32 turn; /* it was told of in */
    __u32 zero;
    __u64 count;
};
struct gate_refusal {
    struct gate_event event;
    struct gate_refused_key key;
    struct gate_caller caller;
    __u64 count; /* with this one */
    __u32 hits;  /* 1 + the place in gate_hits of the filter's; 0: it has none */
    __u32 zero;
};

#endif
