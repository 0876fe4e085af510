/* SPDX-License-Identifier: MIT */
/*
 * filter_wish.h - what a person wants filtered, read from the words of the command line and checked whole before
 * anything is done.
 *
 * Pure: no OS call, no allocation. Everything that is not wished for matches anything.
 */
#ifndef AGENT_FILTER_WISH_H
#define AGENT_FILTER_WISH_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/result.h"

#define FILTER_NAME_MAX 200u /* bytes */

/* As written; NULL: not given. */
struct filter_words {
    const char *program, *to, *port, *protocol, *weight, *name;
    bool v4, v6, in;
};

struct filter_wish {
    bool block;
    bool v4, v6;         /* the layers to filter at; one of them at least */
    bool in;             /* what comes in: address is where from, port that of the program that listens */
    const char *program; /* as written, or NULL */
    bool has_address;
    uint8_t address[16]; /* network byte order; IPv4 in the first 4 bytes; v4 or v6 says which */
    uint8_t prefix;      /* bits of address that count */
    bool has_port;
    uint16_t port_first, port_last;
    uint8_t protocol; /* 0: any; with ports and none wished, both that have ports */
    uint8_t weight;   /* GATEHOUSE_CLASS_MIN to _MAX: heavier decides first */
    const char *name; /* never NULL */
};

/* AGENT_USAGE with a sentence for the first word that makes no sense; wish is written only on success. */
enum agent_result filter_wish_read(const struct filter_words *words, bool block, struct filter_wish *wish,
                                   struct problem *problem);

/* Decimal digits only, at most max; false for anything else. */
bool filter_wish_number(const char *text, uint64_t max, uint64_t *value);

/* An address without prefix or zone, in network byte order: 4 or 6, a mapped one is 4; 0: it is none. */
unsigned filter_wish_address(const char *text, uint8_t address[16]);

#endif
