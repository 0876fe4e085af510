/* SPDX-License-Identifier: MIT */
/*
 * protocol.h - everything that crosses the kernel line, for both sides.
 *
 * Two protocols share one device. The seed's two IOCTLs are as its article prints them (IPv4 only,
 * no HELLO; the first GET_NEXT_REQUEST makes the handle the decider). Gatehouse's own starts with
 * HELLO on each handle. All IOCTLs are METHOD_BUFFERED.
 *
 * Rules for every structure: fixed-width fields, little-endian, explicit padding that must be zero,
 * no pointers, sizes and offsets asserted below. Variable records start with their own size and are
 * padded with zeros to 8 bytes. Addresses are in network byte order, IPv4 in the first four bytes
 * and the rest zero; ports are in host order. Times are in 100 ns units; "boot time" counts from
 * boot and includes suspend.
 *
 * When you add an operation: its row in driver/dispatch.c, docs/protocol.md, and the bad-input test.
 */
#ifndef GATEHOUSE_PROTOCOL_H
#define GATEHOUSE_PROTOCOL_H

#include <stdint.h>

#define GATEHOUSE_PROTOCOL_VERSION 1u

/* Device names. The driver answers to both links; the second is the article's. */
#define GATEHOUSE_DEVICE_NAME    "\\Device\\Gatehouse"
#define GATEHOUSE_LINK_NAME      "\\??\\Gatehouse"
#define GATEHOUSE_SEED_LINK_NAME "\\??\\SampleWfpCallout"

/* CTL_CODE(FILE_DEVICE_UNKNOWN, function, METHOD_BUFFERED, access). */
#define GATEHOUSE_CTL(function, access) ((0x22u << 16) | ((uint32_t)(access) << 14) | ((uint32_t)(function) << 2))
#define GATEHOUSE_ANY_ACCESS            0u
#define GATEHOUSE_READ_ACCESS           1u
#define GATEHOUSE_WRITE_ACCESS          2u

/* --- The seed's protocol ------------------------------------------------------------------- */

#define IOCTL_WFP_GET_NEXT_REQUEST GATEHOUSE_CTL(0x800, GATEHOUSE_ANY_ACCESS)
#define IOCTL_WFP_SUBMIT_DECISION  GATEHOUSE_CTL(0x801, GATEHOUSE_ANY_ACCESS)

/* As printed in the article; its "unsigned long" is 32 bits there. */
typedef struct _USER_CLASSIFY_REQUEST {
    uint64_t RequestId;
    uint64_t ProcessId;
    uint32_t RemoteAddressV4; /* host order, as FWP_VALUE0.uint32 gives it */
    uint16_t RemotePort;      /* host order */
    uint16_t Reserved;
} USER_CLASSIFY_REQUEST;

typedef struct _USER_CLASSIFY_DECISION {
    uint64_t RequestId;
    uint32_t Block; /* 0 permits, anything else blocks */
    uint32_t Reserved;
} USER_CLASSIFY_DECISION;

/* --- Gatehouse's protocol ------------------------------------------------------------------ */

#define GATEHOUSE_IOCTL_HELLO            GATEHOUSE_CTL(0x810, GATEHOUSE_ANY_ACCESS)
#define GATEHOUSE_IOCTL_GET_REQUESTS     GATEHOUSE_CTL(0x811, GATEHOUSE_READ_ACCESS)
#define GATEHOUSE_IOCTL_SUBMIT_DECISIONS GATEHOUSE_CTL(0x812, GATEHOUSE_WRITE_ACCESS)
#define GATEHOUSE_IOCTL_SET_POLICY       GATEHOUSE_CTL(0x813, GATEHOUSE_WRITE_ACCESS)
#define GATEHOUSE_IOCTL_GET_STATUS       GATEHOUSE_CTL(0x814, GATEHOUSE_READ_ACCESS)
#define GATEHOUSE_IOCTL_READ_EVENTS      GATEHOUSE_CTL(0x815, GATEHOUSE_READ_ACCESS)
#define GATEHOUSE_IOCTL_SUBMIT_AND_GET   GATEHOUSE_CTL(0x816, GATEHOUSE_READ_ACCESS | GATEHOUSE_WRITE_ACCESS)

enum gatehouse_role { GATEHOUSE_ROLE_DECIDER = 1, GATEHOUSE_ROLE_OBSERVER = 2 };

enum gatehouse_verdict { GATEHOUSE_VERDICT_NONE = 0, GATEHOUSE_VERDICT_PERMIT = 1, GATEHOUSE_VERDICT_BLOCK = 2 };

/* How far one answer reaches. Anything but CONNECTION is remembered for its lifetime. */
enum gatehouse_scope {
    GATEHOUSE_SCOPE_CONNECTION = 0,          /* this held request only */
    GATEHOUSE_SCOPE_PROGRAM_DESTINATION = 1, /* same app path, protocol, remote address and port */
    GATEHOUSE_SCOPE_PROGRAM = 2,             /* same app path, to anywhere */
    GATEHOUSE_SCOPE_PROGRAM_PORT = 3,        /* same app path, protocol and remote port, at any address */
    GATEHOUSE_SCOPE_PROGRAM_NAME = 4         /* same app path, to the name that the request carries; it must have one */
};

/* What happens to a connection that nobody is there to decide. HOLD waits for a decider until the deadline. */
enum gatehouse_no_decider {
    GATEHOUSE_NO_DECIDER_HOLD = 0,
    GATEHOUSE_NO_DECIDER_PERMIT = 1,
    GATEHOUSE_NO_DECIDER_BLOCK = 2
};

/* HELLO: in and out are this structure; the driver answers with its own version and zero role. */
struct gatehouse_hello {
    uint32_t version;
    uint32_t role; /* enum gatehouse_role; out: the role granted */
    uint64_t reserved;
};

/* Flags of a request. */
#define GATEHOUSE_REQUEST_LOOPBACK   0x1u /* both ends are on this machine */
#define GATEHOUSE_REQUEST_NO_PROCESS 0x2u /* the platform named no process (kernel, raw packet) */
#define GATEHOUSE_REQUEST_NO_PROGRAM 0x4u /* the platform named no program */
#define GATEHOUSE_REQUEST_REOFFERED  0x8u /* an earlier decider had it and went away */

#define GATEHOUSE_SID_MAX  68u  /* SECURITY_MAX_SID_SIZE */
#define GATEHOUSE_NAME_MAX 253u /* RFC 1035: a name as text */

/*
 * One held connection. The app path (UTF-16LE, ALE_APP_ID without its NUL) follows at once;
 * path_size is in bytes. Then the name that the program had looked up and got this remote address for, the latest one:
 * ASCII, lower case, without a final dot, name_size bytes (at most GATEHOUSE_NAME_MAX); 0: none is known. size covers
 * header, path, name and zero padding to 8.
 */
struct gatehouse_request {
    uint32_t size;
    uint16_t path_size;
    uint8_t ip_version; /* 4 or 6 */
    uint8_t protocol;   /* IPPROTO_* */
    uint64_t id;
    uint64_t process_id;
    uint64_t process_start; /* when the process was created, 100 ns since 1601 UTC; 0 = not known */
    uint64_t endpoint;      /* transport endpoint handle: same value = same socket */
    uint64_t held_at;       /* boot time */
    uint64_t deadline;      /* boot time */
    uint8_t local_address[16];
    uint8_t remote_address[16];
    uint16_t local_port;
    uint16_t remote_port;
    uint32_t flags;
    uint32_t interface_index;
    uint16_t layer; /* FWPS_LAYER_* as the driver was built with */
    uint16_t user_sid_size;
    uint8_t user_sid[GATEHOUSE_SID_MAX];
    uint16_t name_size;
    uint16_t reserved;
};

/* GET_REQUESTS: no input. Waits (the IRP pends) until one request is held, then returns as many as fit. */
#define GATEHOUSE_REQUEST_MAX_SIZE (sizeof(struct gatehouse_request) + 65536u + 256u)

/* SUBMIT_DECISIONS: in, a header and count decisions; out, a uint32_t status for each, in order. */
#define GATEHOUSE_DECISIONS_MAX    1024u
#define GATEHOUSE_LIFETIME_FOREVER 0u /* until it is removed; kept over restarts (gatehouse/rules.h) */
struct gatehouse_decisions {
    uint32_t version;
    uint32_t count;
};
struct gatehouse_decision {
    uint64_t id;
    uint32_t verdict;     /* enum gatehouse_verdict */
    uint32_t scope;       /* enum gatehouse_scope */
    uint32_t lifetime_ms; /* of a remembered answer; must be 0 for SCOPE_CONNECTION */
    uint32_t until;       /* GATEHOUSE_UNTIL_* (rules.h) of a remembered answer; 0: lifetime_ms says it, 0 for ever */
};

/*
 * SUBMIT_AND_GET: SUBMIT_DECISIONS and then GET_REQUESTS in one call, so that an answered connection costs its decider
 * one call. In as SUBMIT_DECISIONS; out, the statuses padded with zeros to 8 bytes, then requests, as many as fit.
 *
 * It never waits while a status says something: when a decision is refused it returns at once with the statuses
 * alone. It also does so when it could not wait (too many reads), and when the next request does not fit; then
 * GET_REQUESTS tells which. Otherwise it waits as GET_REQUESTS does, and by then each decision has taken effect.
 */
#define GATEHOUSE_STATUSES_SIZE(count) (((count)*4u + 7u) & ~7u)

/* SET_POLICY: in and (in GET_STATUS) out. All fields or none take effect. */
#define GATEHOUSE_DEADLINE_MIN_MS 100u
#define GATEHOUSE_DEADLINE_MAX_MS 120000u /* Linux gives up a SYN after about 131 s */
struct gatehouse_policy {
    uint32_t version;
    uint32_t deadline_ms;
    uint32_t undecided;  /* verdict at the deadline, and when the table or memory is full */
    uint32_t no_decider; /* enum gatehouse_no_decider */
    uint64_t reserved;
};

/* GET_STATUS: no input. Counters only grow, from driver load. */
struct gatehouse_status {
    uint32_t version;
    uint32_t size;
    struct gatehouse_policy policy;
    uint64_t now;         /* boot time */
    uint64_t loaded_at;   /* boot time */
    uint64_t decider_pid; /* 0 = nobody decides */
    uint32_t observers;
    uint32_t capacity; /* most connections held at once */
    uint32_t held;     /* held now, of which: */
    uint32_t queued;   /*   waiting for a decider */
    uint32_t offered;  /*   in a decider's hands */
    uint32_t answers;  /* remembered answers now */
    uint32_t verdicts; /* flow verdicts kept now */
    uint32_t reserved;
    uint64_t classified; /* times classifyFn ran */
    uint64_t pended;
    uint64_t permitted_by_decider;
    uint64_t blocked_by_decider;
    uint64_t permitted_by_answer; /* held ones that another request's wider answer covered */
    uint64_t blocked_by_answer;
    uint64_t expired;            /* deadline passed */
    uint64_t cancelled;          /* the application went away */
    uint64_t refused_full;       /* not held: table full */
    uint64_t refused_memory;     /* not held: out of memory */
    uint64_t refused_no_decider; /* nobody decides: not held, or held when that became so */
    uint64_t cannot_pend;        /* decided at once: pending was not possible */
    uint64_t reauthorized;       /* later reauthorizations answered from a flow's verdict */
    uint64_t requeued;           /* given back by a decider that went away */
    uint64_t rejected_input;     /* malformed or refused operations */
    uint64_t events_lost;
};

/* READ_EVENTS: no input. Waits until there is an event, then returns as many as fit; then the app path as above. */
enum gatehouse_event_type {
    GATEHOUSE_EVENT_HELD = 1,    /* pended; now waits */
    GATEHOUSE_EVENT_DECIDED = 2, /* verdict taken; by says who */
    GATEHOUSE_EVENT_LOST = 3     /* count events did not fit in this observer's ring */
};
enum gatehouse_decided_by {
    GATEHOUSE_BY_NONE = 0,
    GATEHOUSE_BY_DECIDER = 1,
    GATEHOUSE_BY_ANSWER = 2, /* a remembered answer */
    GATEHOUSE_BY_DEADLINE = 3,
    GATEHOUSE_BY_NO_DECIDER = 4,
    GATEHOUSE_BY_FULL = 5,
    GATEHOUSE_BY_CANCEL = 6, /* the application went away */
    GATEHOUSE_BY_UNLOAD = 7,
    GATEHOUSE_BY_CANNOT_PEND = 8,
    GATEHOUSE_BY_RULE = 9 /* a rule that logs, or one in force since a change, of what was held. count is its id */
};
struct gatehouse_event {
    uint32_t size; /* header, request (with its path) and padding */
    uint16_t type;
    uint8_t verdict;
    uint8_t by;
    uint64_t time;  /* boot time */
    uint64_t count; /* LOST: how many; BY_RULE: the rule's id; else 0 */
    /* HELD and DECIDED: a struct gatehouse_request follows */
};

_Static_assert(sizeof(USER_CLASSIFY_REQUEST) == 24, "the article's request is 24 bytes");
_Static_assert(sizeof(USER_CLASSIFY_DECISION) == 16, "the article's decision is 16 bytes");
_Static_assert(sizeof(struct gatehouse_hello) == 16, "hello layout");
_Static_assert(sizeof(struct gatehouse_request) == 176, "request layout");
_Static_assert(sizeof(struct gatehouse_decisions) == 8, "decisions layout");
_Static_assert(sizeof(struct gatehouse_decision) == 24, "decision layout");
_Static_assert(sizeof(struct gatehouse_policy) == 24, "policy layout");
_Static_assert(sizeof(struct gatehouse_status) == 216, "status layout");
_Static_assert(sizeof(struct gatehouse_event) == 24, "event layout");

#endif
