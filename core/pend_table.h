/* SPDX-License-Identifier: MIT */
/*
 * pend_table.h - the connections that wait at the gate.
 *
 * An entry's way:
 *
 *   FREE -reserve-> NEW -park-> QUEUED -offer-> OFFERED -claim-> CLAIMED -complete-> COMPLETING
 *                    |            ^ |             | |                                  |
 *                    |            | |<-give back--+ |                  reauthorize-> REAUTHED
 *                    |            | +--------------claim                               |
 *                    +-abandon-> FREE <------------------------------------release-----+
 *
 * tests/model/ has every transition in a table, a model of it and a checker of traces.
 *
 * Claiming is the one contested step: a decider's answer, the deadline, the application's end, an
 * answer given for another connection and the unload all try, one wins, the others are told.
 * Whoever claimed an entry owns it: it alone completes and releases it.
 *
 * Everything is O(1) in the number held, or O(what it returns). Entries are found by id, by
 * endpoint, by endpoint and destination, by program and destination, by program; waiting ones are
 * queued per IP version in the order they came. A connection that was given back keeps its place.
 *
 * The caller's lock is held for every call; nothing here waits. Times: 100 ns since boot, with
 * suspend.
 */
#ifndef CORE_PEND_TABLE_H
#define CORE_PEND_TABLE_H

#include "core/locked.h"
#include "core/connection.h"
#include "core/deadline_wheel.h"
#include "core/group_index.h"
#include "core/program_table.h"
#include "core/slot_pool.h"

enum pend_state { PEND_FREE = 0, PEND_NEW, PEND_QUEUED, PEND_OFFERED, PEND_CLAIMED, PEND_COMPLETING, PEND_REAUTHED };

enum pend_result {
    PEND_OK = 0,
    PEND_FULL,
    PEND_NO_MEMORY,
    PEND_UNKNOWN,  /* no such id */
    PEND_DECIDED,  /* held, but claimed already */
    PEND_NOT_YOURS /* held, but not offered to this owner */
};

/* Which connections an owner is offered. */
#define PEND_IPV4 0x1u
#define PEND_IPV6 0x2u
#define PEND_ANY  (PEND_IPV4 | PEND_IPV6)

/* A decider, as the table sees it: what it has in hand. In the caller's memory. */
struct pend_owner {
    struct list_link offered; /* oldest first */
    uint32_t count;
};

/* Laid out by who touches what: a neighbour in the lists (queue, program, wheel) only the first 64 bytes, a neighbour
 * in an index only that index's link. With very many entries each line touched is a read of main memory. */
struct pend_entry {
    struct slot_header slot; /* its list: free, and while in use the queue, the owner, after claiming the caller's */
    struct list_link by_program;
    struct deadline_link due;
    struct pend_owner *owner;
    uint64_t sequence;
    void *completion;        /* the caller's: completes the operation */
    struct program *program; /* NULL: the platform named none */
    uint8_t state;           /* enum pend_state */
    uint8_t verdict;         /* enum gatehouse_verdict, from CLAIMED on */
    uint8_t by;              /* enum gatehouse_decided_by, from CLAIMED on */
    bool endpoint_gone;      /* no reauthorization will come */
    struct group_link by_destination;
    struct group_link by_flow;
    struct group_link by_endpoint;
    void *packet;         /* the caller's: what goes on if it is permitted */
    struct program *name; /* under which the program looked the remote address up; NULL: not known */
    uint64_t rule;        /* the caller's: which rule decided; 0: none */
    struct connection connection;
};

struct CORE_LOCKABLE pend_table {
    struct slot_pool slots;
    struct list_link queues[2]; /* IPv4, IPv6 */
    uint64_t sequence;
    struct pend_entry
        *completing; /* the newest COMPLETING one, until it is released; most often the next to be asked for */
    uint32_t fresh;  /* NEW */
    uint32_t queued;
    uint32_t offered;
    struct deadline_wheel wheel;
    struct group_index by_endpoint;
    struct group_index by_flow;
    struct group_index by_destination;
    struct program_table programs;
    struct program_table names; /* of names, each once: the bytes of a "path" are a name */
    struct list_link walks;
};

/* A look at everything that is undecided and of one program, in the order it came, while others claim and park. */
struct pend_walk {
    struct list_link walks;
    const struct program *program;
    struct list_link *next;
    uint64_t before; /* what came later is not looked at */
};

/* seed: any secret number. false: no memory, nothing kept. */
bool pend_table_init(struct pend_table *table, const struct core_memory *memory, uint32_t capacity, uint64_t seed);

/* Every entry was released. Harmless on a zeroed table. */
void pend_table_cleanup(struct pend_table *table);

void pend_owner_init(struct pend_owner *owner);

/* How many entries are not FREE; fresh of them are not held yet. */
uint32_t pend_table_held(const struct pend_table *table) CORE_LOCKED(*table);

/* NEW: takes a slot and interns the path (NULL: no program). *entry only on PEND_OK. The caller fills
 * connection and completion, then parks or abandons it. */
enum pend_result pend_table_reserve(struct pend_table *table, const void *path, size_t path_size,
                                    struct pend_entry **entry) CORE_LOCKED(*table);
void pend_table_abandon(struct pend_table *table, struct pend_entry *entry) CORE_LOCKED(*table);

/* NEW: the name that is shown for it. No memory: it has none. */
void pend_table_set_name(struct pend_table *table, struct pend_entry *entry, const void *name, size_t size)
    CORE_LOCKED(*table);

/* NEW: sets the connection's endpoint; from now on its closure marks the entry (endpoint_gone). */
void pend_table_watch(struct pend_table *table, struct pend_entry *entry, uint64_t endpoint) CORE_LOCKED(*table);

/* NEW -> QUEUED. connection is final from here on. */
void pend_table_park(struct pend_table *table, struct pend_entry *entry) CORE_LOCKED(*table);

/* The queued entry that came first among these IP versions (PEND_*), or NULL. */
struct pend_entry *pend_table_peek(const struct pend_table *table, uint32_t versions) CORE_LOCKED(*table);

/* QUEUED -> OFFERED to owner. */
void pend_table_offer(struct pend_table *table, struct pend_entry *entry, struct pend_owner *owner) CORE_LOCKED(*table);

/* Puts up to limit of owner's entries back where they came from, flagged REOFFERED. Returns how many. */
uint32_t pend_table_give_back(struct pend_table *table, struct pend_owner *owner, uint32_t limit) CORE_LOCKED(*table);

/* For an answer: PEND_OK if owner may claim id now, and then *entry. */
enum pend_result pend_table_find(const struct pend_table *table, uint64_t id, const struct pend_owner *owner,
                                 struct pend_entry **entry) CORE_LOCKED(*table);

/* The undecided entry with this id, whoever has it in hand; NULL: none. */
struct pend_entry *pend_table_undecided(const struct pend_table *table, uint64_t id) CORE_LOCKED(*table);

/* Each undecided entry once, in no order, the lock given up between two calls; begin with *place 0. NULL: at most
 * *steps entries were looked at, and *place says whether that is the end (PEND_PLACE_END). What is parked meanwhile may
 * be met or not. */
struct pend_entry *pend_table_next_undecided(const struct pend_table *table, uint32_t *place, uint32_t *steps)
    CORE_LOCKED(*table);
#define PEND_PLACE_END SLOT_POOL_END

/* QUEUED or OFFERED -> CLAIMED, at the end of the caller's list. false: too late, nothing changed. */
bool pend_table_claim(struct pend_table *table, struct pend_entry *entry, enum gatehouse_verdict verdict,
                      enum gatehouse_decided_by by, struct list_link *claimed) CORE_LOCKED(*table);

/* Like claim, for an entry that is still NEW (it is indexed, so that its reauthorization finds it). */
void pend_table_park_claimed(struct pend_table *table, struct pend_entry *entry, enum gatehouse_verdict verdict,
                             enum gatehouse_decided_by by, struct list_link *claimed) CORE_LOCKED(*table);

/* Removes the first of a claimed list; NULL: empty. */
struct pend_entry *pend_claimed_take(struct list_link *claimed);

/* CLAIMED -> COMPLETING: the operation is completed next. */
void pend_table_completing(struct pend_table *table, struct pend_entry *entry) CORE_LOCKED(*table);

/*
 * A reauthorization for completion has come: the entry of this endpoint and destination that is
 * being completed -> REAUTHED, or NULL. *verdict: its verdict; BLOCK where several are being
 * completed at once and do not agree, because nothing tells which one is meant.
 */
struct pend_entry *pend_table_reauthorize(struct pend_table *table, uint64_t endpoint, const struct destination *to,
                                          enum gatehouse_verdict *verdict) CORE_LOCKED(*table);

/* CLAIMED, COMPLETING or REAUTHED -> FREE. */
void pend_table_release(struct pend_table *table, struct pend_entry *entry) CORE_LOCKED(*table);

/* The next undecided entry that an answer for this program (and destination, unless NULL) covers; NULL: none. */
struct pend_entry *pend_table_covered(const struct pend_table *table, const struct program *program,
                                      const struct destination *to) CORE_LOCKED(*table);

/* The caller has a reference of the program, and ends what it began. */
void pend_walk_begin(struct pend_table *table, struct pend_walk *walk, const struct program *program)
    CORE_LOCKED(*table);
/* The next one, or NULL. It may be claimed; the lock may be given up between two calls. */
struct pend_entry *pend_walk_next(struct pend_table *table, struct pend_walk *walk) CORE_LOCKED(*table);
void pend_walk_end(struct pend_table *table, struct pend_walk *walk) CORE_LOCKED(*table);

/* The endpoint is gone: claims what is undecided as BLOCK by CANCEL, marks the rest. Returns how many were claimed. */
uint32_t pend_table_endpoint_closed(struct pend_table *table, uint64_t endpoint, struct list_link *claimed)
    CORE_LOCKED(*table);

/* When pend_table_expired will have something; DEADLINE_NEVER: nothing waits. */
uint64_t pend_table_next_deadline(const struct pend_table *table) CORE_LOCKED(*table);

/* An undecided entry whose deadline has passed; claim it before asking again. NULL: none. */
struct pend_entry *pend_table_expired(struct pend_table *table, uint64_t now) CORE_LOCKED(*table);

#endif
