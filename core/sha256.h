/* SPDX-License-Identifier: MIT */
/*
 * sha256.h - SHA-256 (FIPS 180-4): of executables, and of the names of units and control groups, whose SIDs are made
 * of it (gatehouse/rules.h). No allocation. Any IRQL, no lock.
 */
#ifndef CORE_SHA256_H
#define CORE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32u

struct sha256 {
    uint32_t state[8];
    uint64_t size; /* bytes taken so far */
    uint8_t block[64];
};

void sha256_init(struct sha256 *sha);
void sha256_add(struct sha256 *sha, const void *bytes, size_t size);
/* Afterwards sha256_init begins anew. */
void sha256_finish(struct sha256 *sha, uint8_t digest[SHA256_SIZE]);

void sha256_of(const void *bytes, size_t size, uint8_t digest[SHA256_SIZE]);

#endif
