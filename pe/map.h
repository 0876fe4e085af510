/* SPDX-License-Identifier: MIT */
/*
 * map.h - driver images in memory: where they lie, with which protections, and whose an address is.
 *
 * Images lie in slots of one reserved range, so that one comparison tells foreign code (nt/foreign.h).
 * Around each image nothing is mapped. No page is ever writable and executable at once.
 */
#ifndef PE_MAP_H
#define PE_MAP_H

#include "pe/image.h"

#define PE_MAPS_MAX 8u

struct pe_map {
    bool used;
    char name[64];
    struct pe_image image;
    uint8_t *memory;
};

/* Maps, binds and protects the file's bytes under this name. NULL: error says why, and nothing stays mapped. */
struct pe_map *pe_map_new(const char *name, const void *bytes, size_t size, struct pe_error *error);

/* No code of it may run or be called any more. */
void pe_map_free(struct pe_map *map);

/* The map whose image holds this address, or NULL. Callable from a signal handler. */
const struct pe_map *pe_map_find(const void *address);

/* "x.sys+0x1234" of an address in an image; false: it is in none. Callable from a signal handler. */
bool pe_map_name(const void *address, char *text, size_t size);

#endif
