/* SPDX-License-Identifier: MIT */
/*
 * rules.h - a policy as rules in binary: what the compiler (policy/) makes of a rule file, what the driver is given,
 * keeps over a restart and gives back, and how it names a rule to the filter engine.
 *
 * An image is a header, then set_count sets, then rule_count rules, first match first. Rules for every structure are
 * those of protocol.h: little-endian, fixed width, explicit zero padding, each record starts with its own size and is
 * padded with zeros to 8 bytes. core/rule_image.h checks an image whole before anything is done with it.
 *
 * A rule matches a connection when its direction and family do, and for each kind of part that it has, one part of that
 * kind does (parts of the same kind: or; different kinds: and). PROGRAM_* are one kind. A rule without parts matches
 * everything. The first rule that matches decides; when none does, an outgoing connection by TCP or UDP is asked about
 * (held), and anything else passes: what comes in, and other protocols (ping).
 *
 * When you add a part: its check in core/rule_image.c, its filter condition or match in driver/rule_filters.c, its
 * words in policy/, its line in policy/match.c and in the tests' reference matcher, docs/rules.md and docs/protocol.md.
 */
#ifndef GATEHOUSE_RULES_H
#define GATEHOUSE_RULES_H

#include "gatehouse/protocol.h"

#define GATEHOUSE_RULES_MAGIC     0x524C5047u /* "GPLR" */
#define GATEHOUSE_RULES_VERSION   1u
#define GATEHOUSE_RULES_MAX       1000000u        /* in one image */
#define GATEHOUSE_RULE_PARTS_MAX  1024u           /* of one rule */
#define GATEHOUSE_RULE_MAX_SIZE   (1024u * 1024u) /* of one rule */
#define GATEHOUSE_SETS_MAX        1000000u        /* in one image */
#define GATEHOUSE_SET_RANGES_MAX  1000000u        /* of one set */
#define GATEHOUSE_IMAGE_MAX_SIZE  (256u * 1024u * 1024u)
#define GATEHOUSE_ADDED_RULES_MAX 4096u /* added one by one and answers, together */
#define GATEHOUSE_RANGES_NAMED_MAX                                                                                     \
    4000000u /* of the sets that rules name, each counted as often as it is named: GATEHOUSE_E_RULES_FULL */

struct gatehouse_rules_image {
    uint32_t magic;
    uint32_t version;
    uint32_t size; /* of the whole image */
    uint32_t set_count;
    uint32_t rule_count;
    uint32_t flags; /* 0 */
    uint64_t check; /* core/rule_image.h: over everything behind the header */
    uint64_t reserved;
};

enum gatehouse_set_kind { GATEHOUSE_SET_V4 = 1, GATEHOUSE_SET_V6 = 2, GATEHOUSE_SET_PORT = 3 };

/* Followed by count ranges, low to high, inclusive, apart from each other (neighbours are joined). The sets of an image
 * stand in the order of their kinds: all V4, then all V6, then all PORT. A set may be empty: it matches nothing. */
struct gatehouse_set {
    uint32_t size;
    uint16_t kind;
    uint16_t reserved;
    uint32_t count;
    uint32_t reserved2;
};
struct gatehouse_range_v4 {
    uint32_t low, high; /* host order */
};
struct gatehouse_range_v6 {
    uint8_t low[16], high[16]; /* network order */
};
struct gatehouse_range_port {
    uint16_t low, high;
};

enum gatehouse_rule_action { GATEHOUSE_RULE_PERMIT = 1, GATEHOUSE_RULE_BLOCK = 2, GATEHOUSE_RULE_ASK = 3 };

#define GATEHOUSE_RULE_OUT 0x1u /* direction */
#define GATEHOUSE_RULE_IN  0x2u

#define GATEHOUSE_RULE_LOG 0x0001u /* flags: an event for each connection that it decides */
#define GATEHOUSE_RULE_RAW 0x0002u /* matches raw sockets only; without it a rule matches them too */

enum gatehouse_rule_until {
    GATEHOUSE_UNTIL_REMOVED = 0,
    GATEHOUSE_UNTIL_TIME = 1,  /* ends: at that system time, 100 ns since 1601 UTC; given as lifetime_ms, it counts from
                                  the load. A rule that was there before under the same id keeps its end. */
    GATEHOUSE_UNTIL_EXIT = 2,  /* when the last process that it decided for has exited */
    GATEHOUSE_UNTIL_REBOOT = 3 /* not kept over a reboot */
};

/* Where an added rule stands: first of all, or right before the first rule that asks (answers). */
enum gatehouse_rule_place { GATEHOUSE_PLACE_FILE = 0, GATEHOUSE_PLACE_TOP = 1, GATEHOUSE_PLACE_ASK = 2 };

struct gatehouse_rule {
    uint32_t size;
    uint16_t part_count;
    uint8_t action;
    uint8_t direction; /* OUT, IN or both */
    uint64_t id;       /* core/rule_image.h: what the rule means, hashed, and its number among equal ones. Not 0. */
    uint16_t flags;
    uint8_t family; /* 0 both, 4, 6 */
    uint8_t until;
    uint8_t place;
    uint8_t reserved[3];
    uint64_t lifetime_ms; /* UNTIL_TIME in an image that is loaded: 1 or more. Else 0 */
    uint64_t ends;        /* UNTIL_TIME, given back and kept: system time; UNTIL_EXIT, kept: when it ended, 0: it has
                             not. 0 in an image that is loaded */
    uint64_t added;       /* system time; 0 in an image that is loaded */
    uint32_t line;        /* in its file; 0: none */
    uint32_t reserved2;
    /* part_count parts follow */
};

enum gatehouse_part {
    GATEHOUSE_PART_PROGRAM = 1, /* UTF-16LE path as ALE_APP_ID has it, without NUL: equal, byte by byte */
    GATEHOUSE_PART_PATTERN = 2, /* UTF-16LE: ? one character but /, * any but /, ** any (policy: core/path_pattern.h) */
    GATEHOUSE_PART_SHA256 = 3,  /* 32 bytes: of the executable */
    GATEHOUSE_PART_USER = 4,    /* SID in the token; each of these four is a kind of its own */
    GATEHOUSE_PART_GROUP = 5,   /* SID */
    GATEHOUSE_PART_UNIT = 6,    /* SID */
    GATEHOUSE_PART_CGROUP = 7,  /* SID */
    GATEHOUSE_PART_PROTOCOL = 8, /* one byte: IPPROTO_* */
    GATEHOUSE_PART_REMOTE = 9,   /* uint32 set number (V4 or V6), uint32 0 */
    GATEHOUSE_PART_LOCAL = 10,   /* the same */
    GATEHOUSE_PART_REMOTE_PORT =
        11, /* the same, PORT. Only TCP and UDP have ports: the rule has PROTOCOL parts of these */
    GATEHOUSE_PART_LOCAL_PORT = 12,
    GATEHOUSE_PART_ICMP_TYPE = 13, /* one byte; the rule has PROTOCOL 1 or 58 */
    GATEHOUSE_PART_TEXT = 14,      /* UTF-8: the rule as written, for people. Means nothing, is not hashed */
    GATEHOUSE_PART_FILE = 15,      /* UTF-8: the file it stands in. The same */
    GATEHOUSE_PART_NAME = 16 /* ASCII, lower case, no final dot: "example.org" that name alone; "*.example.org" all
                                names below it. The program looked the remote address up under it. A kind of its own;
                                never with REMOTE parts; outgoing rules only */
};
struct gatehouse_rule_part {
    uint32_t size; /* this header, data, padding */
    uint16_t type;
    uint16_t data_size; /* 0 for TEXT and FILE that are longer than 65,535 bytes: those are left out */
};

/*
 * SIDs. A Windows user or group has its own. On Linux: user N is S-1-22-1-N and group N is S-1-22-2-N. A systemd unit
 * is S-1-5-80-a-b-c-d-e of its name and a control group S-1-5-81-a-b-c-d-e of its path from the root ("/system.slice"):
 * a..e are the first 160 bits of the SHA-256 of the bytes, each four bytes as a little-endian number. A process's
 * token has those of its control group and all above it, and units: every component of that path with a unit's suffix.
 * An executable's SHA-256 is shown as ALE_PACKAGE_ID S-1-15-2-a-b-c-d-e-f-g-h.
 */

/* --- Operations ----------------------------------------------------------------------------- */

/*
 * Loading a policy from a file: BEGIN with the image's size, PUT pieces in order, COMMIT. One load at a time; it
 * belongs to the handle and is dropped with it. COMMIT checks the whole, stores it, puts it into force in one
 * transaction and answers then: the old policy stands in every case but success. Added rules stay.
 */
#define GATEHOUSE_IOCTL_RULES_BEGIN  GATEHOUSE_CTL(0x817, GATEHOUSE_WRITE_ACCESS)
#define GATEHOUSE_IOCTL_RULES_PUT    GATEHOUSE_CTL(0x818, GATEHOUSE_WRITE_ACCESS)
#define GATEHOUSE_IOCTL_RULES_COMMIT GATEHOUSE_CTL(0x819, GATEHOUSE_WRITE_ACCESS)
/* One rule to the added ones (in: a whole image with that rule, place TOP or ASK), or out by id (in: uint64_t). An
 * added rule of the same id is replaced. Rules of the file cannot be removed: GATEHOUSE_E_RULE_IN_FILE. */
#define GATEHOUSE_IOCTL_RULES_ADD    GATEHOUSE_CTL(0x81A, GATEHOUSE_WRITE_ACCESS)
#define GATEHOUSE_IOCTL_RULES_REMOVE GATEHOUSE_CTL(0x81B, GATEHOUSE_WRITE_ACCESS)
/* In: struct gatehouse_rules_get; out: struct gatehouse_rules_piece, then bytes of the image that is in force (added
 * rules at their place; sets renumbered; ended rules are gone). generation 0 asks for the present one. */
#define GATEHOUSE_IOCTL_RULES_GET GATEHOUSE_CTL(0x81C, GATEHOUSE_READ_ACCESS)

#define GATEHOUSE_RULES_PUT_MAX (120u * 1024u) /* bytes in one call: fits a message of transport.h */

struct gatehouse_rules_begin {
    uint32_t version; /* GATEHOUSE_PROTOCOL_VERSION */
    uint32_t size;
    uint32_t flags; /* GATEHOUSE_RULES_BOOT */
    uint32_t reserved;
};
#define GATEHOUSE_RULES_BOOT 0x1u /* from the file at boot: rules with an end are left out, added UNTIL_REBOOT too */

struct gatehouse_rules_get {
    uint64_t generation;
    uint64_t offset;
};
struct gatehouse_rules_piece {
    uint64_t generation; /* another than asked for: start again */
    uint32_t total;      /* bytes of the image */
    uint32_t size;       /* bytes that follow */
    uint32_t file_rules, added_rules;
};

/*
 * Names. Whoever sees the answers of the machine's name servers tells the driver (gatehoused; nobody on Windows yet).
 * He need not say HELLO, for he neither decides nor observes.
 * In: struct gatehouse_names, then count records. A record says: under this name, this program got this address. It is
 * kept for its time to live, at least GATEHOUSE_NAME_KEEP_MIN_MS (programs keep answers longer than they should), and
 * in a bounded table: the oldest go first. A name rule matches, and a request shows, what the connecting program itself
 * looked up, or what is known for any program (path_size 0).
 */
#define GATEHOUSE_IOCTL_NAMES_LEARNED GATEHOUSE_CTL(0x81D, GATEHOUSE_WRITE_ACCESS)
#define GATEHOUSE_NAMES_MAX           256u /* in one call */
#define GATEHOUSE_NAME_KEEP_MIN_MS    600000u
#define GATEHOUSE_NAME_KEEP_MAX_MS    86400000u
struct gatehouse_names {
    uint32_t version;
    uint32_t count;
};
struct gatehouse_name {
    uint32_t size; /* header, path, name, padding to 8 */
    uint32_t ttl_ms;
    uint16_t path_size; /* UTF-16LE app path, as a request's; 0: any program's */
    uint16_t name_size; /* behind the path: 1 to GATEHOUSE_NAME_MAX */
    uint8_t ip_version;
    uint8_t reserved[3];
    uint8_t address[16];
};

/*
 * In the filter engine each rule is one filter at each layer it applies to, with this key: so that whoever counts hits
 * by filter key counts them for the rule, over reloads and restarts. Data1 0x6b1f5d0e, Data2 0x3c1a, Data3 0x8000 |
 * enum gatehouse_rule_layer, Data4 the rule's id, highest byte first. A rule that names programs by path and by SHA-256
 * has a second filter for the latter, with GATEHOUSE_RULE_KEY_SECOND in Data3: its hits count for the rule too.
 * The filter of a rule UNTIL_TIME has ends as its providerData, so that who keeps what it decided knows how long that
 * holds.
 */
enum gatehouse_rule_layer {
    GATEHOUSE_RULE_CONNECT_V4 = 0,
    GATEHOUSE_RULE_CONNECT_V6 = 1,
    GATEHOUSE_RULE_ACCEPT_V4 = 2,
    GATEHOUSE_RULE_ACCEPT_V6 = 3
};
#define GATEHOUSE_RULE_KEY_DATA1  0x6b1f5d0eu
#define GATEHOUSE_RULE_KEY_DATA2  0x3c1au
#define GATEHOUSE_RULE_KEY_DATA3  0x8000u
#define GATEHOUSE_RULE_KEY_SECOND 0x0010u

_Static_assert(sizeof(struct gatehouse_rules_image) == 40, "image layout");
_Static_assert(sizeof(struct gatehouse_set) == 16, "set layout");
_Static_assert(sizeof(struct gatehouse_rule) == 56, "rule layout");
_Static_assert(sizeof(struct gatehouse_rule_part) == 8, "part layout");
_Static_assert(sizeof(struct gatehouse_rules_begin) == 16, "begin layout");
_Static_assert(sizeof(struct gatehouse_rules_get) == 16, "get layout");
_Static_assert(sizeof(struct gatehouse_rules_piece) == 24, "piece layout");
_Static_assert(sizeof(struct gatehouse_names) == 8, "names layout");
_Static_assert(sizeof(struct gatehouse_name) == 32, "name layout");

#endif
