/* SPDX-License-Identifier: MIT */
/*
 * held_connection.pml - the life of held connections, for spin: every interleaving of two programs that connect and may
 * go, two deciders that come, read, answer and die, the deadline, a wide answer, a policy for nobody, and the unload.
 *
 * It is core/pend_table.c and driver/ (holds.c, requests.c, decisions.c, client.c, entry.c) without data, beside what
 * the engine does at FwpsPendOperation0 and FwpsCompleteOperation0. What happens under pend_lock is one atomic step, so
 * every other order of steps is tried. All changes of state[] are the transitions of transitions.txt, which transitions.py
 * writes to transitions.pml. model_test.py runs it, once as it is and once with each MUTANT, which has to be caught.
 *
 * Properties: an operation is completed once (completed_once), with no lock (no_lock_held); a claim has one winner
 * (one_winner, and the assertions of the table); a decider's verdict is for the connection it was told of (no_swap),
 * and what a program is told is what was claimed for it (as_claimed); no verdict outlives its endpoint
 * (nothing_stored); an unload ends with nothing held (nothing_held, nothing_pended); every held connection ends: from each
 * state that can be reached, if the clients do nothing more from there, all that were held are told (all_told).
 */
#include "transitions.pml"

#ifndef MUTANT
#define MUTANT 0
#endif
#define COMPLETES_TWICE  1 /* a closing endpoint is completed though somebody else claimed it */
#define COMPLETES_LOCKED 2 /* the deadline completes before it releases the lock */
#define CLAIMS_LATE      3 /* the deadline looks, then takes the lock again to claim */
#define FORGETS_AGE      4 /* ids without generation */
#define DRAINS_ONCE      5 /* unload does not look again after everybody has left */
#define TRUSTS_DECIDER   6 /* no deadline for what a decider has in hand */
#define STORES_ALWAYS    7 /* a permit is stored though the endpoint has gone */
#define LEAVES_OUTSIDE   8 /* a client that goes is not inside the rundown */
#define LOSES_WAKE       9 /* a connection is parked without looking for a waiting read, and has no deadline */
#define PARKS_BLINDLY   10 /* whoever parks does not look whether the driver is being unloaded */
#define TELLS_WRONG     11 /* the reauthorization is told the opposite */

#define NOBODY 7
#define NONE   0
#define PERMIT 1
#define BLOCK  2
#define OTHER  3 /* told by somebody else: the driver's filters are gone, or it was never held */

/* How many clients there are, how many of the two programs may close their socket, and whether the driver may go. */
#ifndef CLIENTS
#define CLIENTS 2
#endif
#ifndef UNLOADS
#define UNLOADS 1
#endif
#ifndef CLOSERS
#define CLOSERS 2
#endif

/* The policy for what nobody decides: NONE (hold), or a verdict. */
#ifndef NO_DECIDER
#define NO_DECIDER NONE
#endif

/* pend_table, by slot; under pend_lock. An id is slot and generation. */
byte state[2], connection[2], owner[2], verdict[2];
bit generation[2];
bool endpoint_gone[2];
/* driver_state */
bool draining, closing, stored[2], reading[2];
byte decider = NOBODY, inside;
/* The engine, by connection. */
#define PENDED    1
#define COMPLETED 2
byte operation[2], told[2];
bool gone[2], classifying[2], late[2], filters_deleted, unregistered;
byte closures;
/* What only the properties read. */
#define UNLOCKED 255
byte lock_holder = UNLOCKED, claimed_verdict[2];
bool closed[2];
#define no_lock_held   (lock_holder != _pid)
#define completed_once (operation[c] == PENDED)
#define one_winner     (claimed_verdict[connection[s]] == NONE)
#define no_swap        (connection[s] == about)
#define as_claimed     (v == claimed_verdict[c] || gone[c])
#define told_once      (told[c] == NONE)
#define nothing_stored (!stored[c] || !closed[c])
#define nothing_held   (state[0] == FREE && state[1] == FREE)
#define all_told       ((operation[0] == NONE || told[0] != NONE) && (operation[1] == NONE || told[1] != NONE))
#define nothing_pended (operation[0] != PENDED && operation[1] != PENDED)

#define LOCK   lock_holder = _pid
#define UNLOCK lock_holder = UNLOCKED
#if MUTANT == COMPLETES_LOCKED
#define LOCK_UNLESS_KEPT   LOCK
#define UNLOCK_UNLESS_KEPT skip
#else
#define LOCK_UNLESS_KEPT   LOCK
#define UNLOCK_UNLESS_KEPT UNLOCK
#endif

#define NO_DECIDER_DECIDES (NO_DECIDER != NONE && decider == NOBODY)

inline claimed(v)
{
    assert(one_winner);
    verdict[s] = v;
    claimed_verdict[connection[s]] = v;
    owner[s] = NOBODY;
}

/* What classifyFn answers to a reauthorization that completes connection c. The entry, else what was stored, else block. */
inline fetch(c)
{
    LOCK;
    if
    :: connection[0] == c && state[0] >= COMPLETING -> k = 0
    :: connection[1] == c && state[1] >= COMPLETING -> k = 1
    :: else -> k = NOBODY
    fi;
    if
    :: k == NOBODY -> v = (stored[c] -> PERMIT : BLOCK)
    :: else ->
        v = verdict[k];
        reauthorize_stack(k);
        if
        :: v == PERMIT && (!endpoint_gone[k] || MUTANT == STORES_ALWAYS) -> stored[c] = true
        :: else
        fi
    fi;
    UNLOCK;
#if MUTANT == TELLS_WRONG
    v = 3 - v;
#endif
    assert(as_claimed);
    assert(told_once);
    assert(nothing_stored);
    told[c] = v;
    k = 0; v = 0
}

/* FwpsCompleteOperation0: its reauthorization on this stack, later when the classify that pended still runs, or never. */
inline complete_operation(c)
{
    assert(no_lock_held);
    assert(completed_once);
    operation[c] = COMPLETED;
    if
    :: gone[c] -> told[c] = BLOCK
    :: !gone[c] && classifying[c] -> late[c] = true
    :: else -> v = 1
    fi
}

/* complete_one(): whoever claimed entry s. */
inline complete()
{
    atomic {
        LOCK_UNLESS_KEPT;
        c = connection[s];
        completing_claimer(s);
        UNLOCK_UNLESS_KEPT;
        complete_operation(c)
    };
    atomic {
        if
        :: v == 1 -> fetch(c)
        :: else
        fi;
        LOCK;
        if
        :: verdict[s] != PERMIT -> stored[c] = false
        :: verdict[s] == PERMIT && state[s] == COMPLETING && (!endpoint_gone[s] || MUTANT == STORES_ALWAYS) ->
            stored[c] = true
        :: else
        fi;
        release_claimer(s);
        generation[s] = 1 - generation[s];
        verdict[s] = 0; connection[s] = NOBODY; endpoint_gone[s] = false;
        assert(nothing_stored);
        UNLOCK;
        s = NOBODY; c = 0
    }
}

/* Some entry for which test holds; NOBODY: none. */
#define FIRST(test) \
    if \
    :: test(0) -> s = 0 \
    :: test(1) -> s = 1 \
    :: else -> s = NOBODY \
    fi

inline offer_one(s, to)
{
    if
    :: may_offer_client(s) -> offer_client(s); owner[s] = to; id[to * 2 + connection[s]] = s * 2 + generation[s]
    :: else
    fi
}

/* Fills a read of this client. The ids are the message that it gets. */
byte id[4] = NOBODY;
inline offer_all(to)
{
    offer_one(0, to);
    offer_one(1, to)
}

inline give_back(from)
{
    if
    :: state[0] == OFFERED && owner[0] == from -> give_back_client(0); owner[0] = NOBODY
    :: else
    fi;
    if
    :: state[1] == OFFERED && owner[1] == from -> give_back_client(1); owner[1] = NOBODY
    :: else
    fi
}

/* A program that connects: classifyFn, then what it is told. */
proctype program(byte self)
{
    byte s = NOBODY, c, k, v;

    atomic { /* reserve(), FwpsPendOperation0 */
        if
        :: filters_deleted -> told[self] = OTHER; goto ended
        :: else -> classifying[self] = true
        fi;
        LOCK;
        if
        :: draining || NO_DECIDER_DECIDES -> told[self] = OTHER
        :: else ->
            FIRST(may_reserve_classify);
            reserve_classify(s);
            connection[s] = self;
            endpoint_gone[s] = gone[self]
        fi;
        UNLOCK;
        if
        :: s == NOBODY -> goto returned
        :: s != NOBODY -> operation[self] = PENDED; pend_classify(s)
        :: s != NOBODY ->
            abandon_classify(s);
            connection[s] = NOBODY; endpoint_gone[s] = false; generation[s] = 1 - generation[s]; s = NOBODY;
            told[self] = OTHER;
            goto returned
        fi
    };
    atomic { /* park() */
        LOCK;
        if
        :: endpoint_gone[s] -> park_claimed_cancel(s); claimed(BLOCK)
        :: !endpoint_gone[s] && draining && MUTANT != PARKS_BLINDLY -> park_claimed_unload(s); claimed(BLOCK)
        :: !endpoint_gone[s] && !draining && NO_DECIDER_DECIDES -> park_claimed_no_decider(s); claimed(NO_DECIDER)
        :: else ->
            park_classify(s);
            s = NOBODY;
            if
            :: decider != NOBODY && reading[decider] && MUTANT != LOSES_WAKE -> reading[decider] = false; offer_all(decider)
            :: else
            fi
        fi;
        UNLOCK
    };
    if
    :: s != NOBODY -> complete()
    :: else
    fi;
returned:
    atomic {
        classifying[self] = false;
        if
        :: late[self] && gone[self] -> told[self] = BLOCK; late[self] = false
        :: late[self] && !gone[self] && filters_deleted -> told[self] = OTHER; late[self] = false
        :: late[self] && !gone[self] && !filters_deleted -> classifying[self] = true
        :: else
        fi
    };
    if
    :: late[self] -> atomic { c = self; late[self] = false; fetch(c); c = 0; classifying[self] = false }
    :: else
    fi;
ended:
    skip
}

/* The program may close its socket at any time: first the stack knows, then classifyFn at the closure layer. */
proctype closer(byte self)
{
    byte s = NOBODY, c, k, v;

    if
    :: true -> goto ended
    :: atomic { gone[self] = true; if :: unregistered || filters_deleted -> goto ended :: else -> closures++ fi }
    fi;
    atomic { /* holds_endpoint_closed() */
        LOCK;
        if
        :: connection[0] == self -> s = 0
        :: connection[1] == self -> s = 1
        :: else
        fi;
        if
        :: s == NOBODY
        :: s != NOBODY ->
            endpoint_gone[s] = true;
            if
            :: may_claim_cancel(s) -> claim_cancel(s); claimed(BLOCK)
            :: else ->
#if MUTANT == COMPLETES_TWICE
                if
                :: state[s] == COMPLETING -> k = 1
                :: else -> s = NOBODY
                fi
#else
                s = NOBODY
#endif
            fi
        fi;
        stored[self] = false;
        closed[self] = true;
        UNLOCK
    };
    if
    :: k == 1 -> c = self; complete_operation(c)
    :: s != NOBODY && k == 0 -> complete()
    :: else
    fi;
    atomic { closures--; s = NOBODY; k = 0; c = 0 };
ended:
    skip
}

/* A client: says HELLO, decides, reads, answers, dies, and comes again. */
proctype client(byte self)
{
    byte s = NOBODY, c, k, v, about;

end:
    do
    :: goto end_stopped /* it stops for ever, its handle open */
    :: atomic { decider == NOBODY && !draining -> decider = self }
    :: atomic { /* GET_REQUESTS */
           decider == self && !reading[self] && !closing && !draining ->
           LOCK;
           if
           :: may_offer_client(0) || may_offer_client(1) -> offer_all(self)
           :: else -> reading[self] = true
           fi;
           UNLOCK
       }
    :: atomic { reading[self] -> reading[self] = false }
    :: atomic { decider == self && id[self * 2] != NOBODY && !closing -> about = 0; inside++ };
       goto submit
    :: atomic { decider == self && id[self * 2 + 1] != NOBODY && !closing -> about = 1; inside++ };
       goto submit
#if MUTANT == LEAVES_OUTSIDE
    :: atomic { decider == self -> decider = NOBODY };
#else
    :: atomic { decider == self && !closing -> decider = NOBODY; inside++ };
#endif
       goto leave
    od;
end_stopped:
    false;

submit:
    atomic { /* SUBMIT_DECISIONS: connection 0 is permitted, connection 1 blocked */
        LOCK;
        s = id[self * 2 + about] / 2;
        k = id[self * 2 + about] % 2;
        id[self * 2 + about] = NOBODY;
        if
        :: may_claim_decider(s) && owner[s] == self && (generation[s] == k || MUTANT == FORGETS_AGE) ->
            assert(no_swap);
            claim_decider(s);
            claimed((about == 0 -> PERMIT : BLOCK))
        :: else -> s = NOBODY
        fi;
        k = 0;
        UNLOCK
    };
    if
    :: s == NOBODY -> goto submitted
    :: else -> complete()
    fi;
    if
    :: goto submitted
    :: true -> skip /* the answer covers the other connection as well */
    fi;
    atomic {
        LOCK;
        FIRST(may_claim_answer);
        if
        :: s != NOBODY -> claim_answer(s); claimed((about == 0 -> PERMIT : BLOCK))
        :: else
        fi;
        UNLOCK
    };
    if
    :: s != NOBODY -> complete()
    :: else
    fi;
submitted:
    atomic { inside--; about = 0; goto end };

leave:
    atomic { /* and requests_pump(), for whoever decides now */
        reading[self] = false; id[self * 2] = NOBODY; id[self * 2 + 1] = NOBODY;
        LOCK;
        give_back(self);
        if
        :: decider != NOBODY && reading[decider] && (may_offer_client(0) || may_offer_client(1)) ->
            reading[decider] = false; offer_all(decider)
        :: else
        fi;
        UNLOCK
    };
    do /* holds_apply_no_decider() */
    :: atomic {
           LOCK;
           s = NOBODY;
           if
           :: NO_DECIDER_DECIDES && !draining -> FIRST(may_claim_no_decider)
           :: else
           fi;
           if
           :: s != NOBODY -> claim_no_decider(s); claimed(NO_DECIDER)
           :: else
           fi;
           UNLOCK
       };
       if
       :: s != NOBODY -> complete()
       :: else -> break
       fi
    od;
#if MUTANT == LEAVES_OUTSIDE
    goto end
#else
    atomic { inside--; goto end }
#endif
}

#if MUTANT == TRUSTS_DECIDER
#define DUE(s) (state[s] == QUEUED)
#elif MUTANT == LOSES_WAKE
#define DUE(s) (state[s] == OFFERED)
#else
#define DUE(s) may_claim_deadline(s)
#endif

/* The deadline's DPC. What is armed fires at last: the process is enabled for as long as something waits. */
proctype deadline()
{
    byte s = NOBODY, c, k, v;

end:
    do
#if MUTANT == CLAIMS_LATE
    :: atomic { (DUE(0) || DUE(1)) && !closing -> inside++; FIRST(DUE) };
       atomic { claim_deadline(s); claimed(BLOCK) };
#else
    :: atomic { (DUE(0) || DUE(1)) && !closing -> inside++; LOCK; FIRST(DUE); claim_deadline(s); claimed(BLOCK); UNLOCK };
#endif
       complete();
       inside--
    od
}

inline drain()
{
    do
    :: atomic {
           LOCK;
           if
           :: decider != NOBODY -> give_back(decider)
           :: else
           fi;
           FIRST(may_claim_unload);
           if
           :: s != NOBODY -> claim_unload(s); claimed(BLOCK)
           :: else
           fi;
           UNLOCK
       };
       if
       :: s != NOBODY -> complete()
       :: else -> break
       fi
    od
}

/* stop_everything(); or the driver stays. */
proctype unload()
{
    byte s = NOBODY, c, k, v;

    if
    :: true -> goto ended
    :: draining = true
    fi;
    drain();
    closing = true;
    inside == 0;
#if MUTANT != DRAINS_ONCE
    drain();
#endif
    filters_deleted = true;
    atomic {
        !classifying[0] && !classifying[1] && closures == 0 -> unregistered = true;
        assert(nothing_held);
        assert(nothing_pended)
    };
    decider = NOBODY;
ended:
    skip
}

/* When nothing can go on any more: whoever was held has been told. Clients may have stopped anywhere. */
proctype end_of_time()
{
end:
    atomic { timeout -> assert(all_told) }
}

init {
    atomic {
        connection[0] = NOBODY; connection[1] = NOBODY; owner[0] = NOBODY; owner[1] = NOBODY;
        run program(0); run program(1); run client(0); run deadline(); run end_of_time();
#if UNLOADS
        run unload();
#endif
#if CLIENTS == 2
        run client(1);
#endif
#if CLOSERS == 2
        run closer(1);
#endif
#if CLOSERS
        run closer(0)
#endif
    }
}
