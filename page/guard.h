/* SPDX-License-Identifier: MIT */
/*
 * guard.h - who may talk to the page: the words of a request's head held against what the page's own link makes.
 *
 * Everybody on this machine, and every page that its browser shows, can reach a port of the loopback interface. So a
 * request must be addressed to that port by a loopback name (else a foreign name was made to lead here: DNS
 * rebinding), must not come from another origin, and, for anything but the page's own files, must bear the token of
 * the link. There is no cookie: a browser sends those of 127.0.0.1 to every port of it, and on behalf of every page.
 *
 * The link that is handed to the desktop to open bears a code instead of the token, because other users can read a
 * process's arguments. The code is good once; when it comes a second time, somebody else has read it, and the token
 * that was given for it is void.
 *
 * Pure but for guard_init. One thread.
 */
#ifndef PAGE_GUARD_H
#define PAGE_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#define GUARD_TOKEN_SIZE 33u /* 128 bits in hexadecimal, and the NUL */

struct guard {
    uint16_t port;
    char token[GUARD_TOKEN_SIZE];  /* of the link that is printed */
    char code[GUARD_TOKEN_SIZE];   /* of the link that is opened */
    char opened[GUARD_TOKEN_SIZE]; /* the token that the code is exchanged for; empty: not good (yet, or any more) */
    bool code_used;
};

/* False: the system gives no random bytes. */
bool guard_init(struct guard *guard, uint16_t port);

/* Header values of one request; NULL: not there. */
struct guard_head {
    const char *host, *origin, *site, *mode, *destination; /* the last three: Sec-Fetch-* */
    unsigned hosts;                                        /* how many Host headers */
    bool call;                                             /* an operation, not one of the page's files */
};

/* NULL: it comes from the page itself, or from a program that is no browser. Else why it is refused. */
const char *guard_refusal(const struct guard *guard, const struct guard_head *head);

/* authorization: the header, or NULL. Takes the same time for all words of the right length. */
bool guard_admits(const struct guard *guard, const char *authorization);

enum guard_entry { GUARD_ENTRY_WRONG, GUARD_ENTRY_GIVEN, GUARD_ENTRY_AGAIN };

/* GIVEN: token, of GUARD_TOKEN_SIZE, is set. AGAIN: the code was used before; what it was exchanged for is void now. */
enum guard_entry guard_enter(struct guard *guard, const char *code, char *token);

#endif
