/* SPDX-License-Identifier: MIT */
/*
 * import.h - the rules of other programs as rules of ours, and what of them could not be carried over.
 *
 * OpenSnitch: its JSON files, or the folder they are in. simplewall: its profile (XML). What comes out is a file of
 * rules: each rule below a comment with its old name, in an order in which the first that matches decides as the other
 * program did. Each line was read by policy/ before: what that refuses, and what our language cannot say, is a comment
 * with the reason. A rule is never carried over wider than it was.
 */
#ifndef IMPORT_IMPORT_H
#define IMPORT_IMPORT_H

#include "agent/result.h"
#include "agent/text.h"

#define IMPORT_FILE_MAX  (16u << 20) /* bytes of one file */
#define IMPORT_RULES_MAX 100000u

struct imported {
    struct text rules; /* the file; with a failed flag of its own when memory ended */
    unsigned carried;  /* whole */
    unsigned narrower; /* carried, and matches less than it did; each says so */
    unsigned left;     /* not carried over; each says why */
};

/* paths: files and folders, of one program. AGENT_USAGE with a sentence when one cannot be read or is neither. */
enum agent_result import_read(const char *const *paths, unsigned count, struct imported *imported,
                              struct problem *problem);
void imported_free(struct imported *imported);

#endif
