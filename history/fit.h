/* SPDX-License-Identifier: MIT */
/*
 * fit.h - whether a program or another end fits what a person wrote.
 */
#ifndef HISTORY_FIT_H
#define HISTORY_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* * any bytes, ? one. Letter by letter as they are. */
bool fit_pattern(const char *pattern, const char *text, size_t size);
/* As struct history_filter says of program. path NULL: unknown. */
bool fit_program(const char *pattern, const char *path, size_t size);

struct fit_destination {
    char name[256]; /* lower case; empty: an address is meant */
    uint8_t address[16];
    unsigned family; /* 4, 6; 0: a name */
    unsigned prefix; /* bits that count */
    bool has_port;
    uint16_t port;
};

/* False: it is no address, prefix or name. */
bool fit_read_destination(const char *written, struct fit_destination *destination);
/* name may be NULL. */
bool fit_is_destination(const struct fit_destination *destination, const char *name, unsigned family,
                        const uint8_t *address, uint16_t port);

#endif
