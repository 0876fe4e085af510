/* SPDX-License-Identifier: MIT */
/*
 * unwind.h - steps out of a routine of a driver binary by the tables that its compiler left (.pdata, .xdata).
 *
 * What RtlVirtualUnwind does on Windows, for return addresses and for the place of a fault, without handlers. The
 * tables and the stack are data that nobody vouches for: each read is checked against the image or the stack, and the
 * number of codes is bounded. No allocation, no lock: a signal handler may call it.
 * Source: "x64 exception handling" (cpp-docs build), with version 2's epilog codes skipped.
 */
#ifndef PE_UNWIND_H
#define PE_UNWIND_H

#include "nt/verify/stack.h"
#include "pe/image.h"

/* image lies laid out in memory at walk's addresses. false: the walk cannot go on, and is as it was. */
bool pe_unwind_image(const struct pe_image *image, const uint8_t *memory, struct nt_walk *walk);

/* The same for whichever loaded driver walk->pc lies in: an nt_foreign_unwind. */
bool pe_unwind(struct nt_walk *walk);

#endif
