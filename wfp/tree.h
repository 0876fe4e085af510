/* SPDX-License-Identifier: MIT */
/*
 * tree.h - prefixes of one field, and which of them hold a value.
 *
 * Prefixes lie inside one another or apart, so they are a forest: each distinct one is a node with its parent. For
 * lookup the numbers are cut where a prefix begins or ends; each piece between two cuts knows its innermost node. One
 * search by halves (inside what the first bits leave, top) finds the piece, and the piece also says how few leading
 * bits of the value put it there. A blob field is the same with hashes of 32 bits, each a prefix of its own.
 *
 * Immutable once built but for groups, which index_build.c fills before anybody reads. Any IRQL.
 */
#ifndef WFP_TREE_H
#define WFP_TREE_H

#include "wfp/memory.h"
#include "wfp/number.h"

#define WFP_NONE 0xffffffffu

struct wfp_tree_node {
    UINT64 groups; /* in which the prefix stands, a bit each */
    UINT32 parent; /* WFP_NONE: none */
    UINT32 alone;  /* index.c: the first entry of the group that has no other field */
};

/* Of a field up to 32 bits wide. */
struct wfp_piece {
    UINT32 start;
    UINT32 inner; /* its innermost node, or WFP_NONE */
};

struct wfp_tree {
    UINT16 field;
    UINT8 width;    /* of values, in bits */
    UINT8 top_bits; /* of the table top */
    UINT32 piece_count, node_count;
    struct wfp_piece *pieces; /* ascending; NULL: wide ones */
    wfp_number *wide;         /* their starts */
    UINT32 *wide_inner;
    UINT32 *top; /* for the first bits: the last piece that begins at or before them; one more at the end */
    struct wfp_tree_node *nodes;
};

/* One condition's part: the numbers whose first length bits are those of value. */
struct wfp_prefix {
    wfp_number value; /* other bits 0 */
    UINT32 condition; /* its place in the filter's conditions */
    UINT32 node;      /* set by build */
    UINT8 length;
};

/* Fills tree, whose field and width are set. FALSE: no memory. */
BOOLEAN wfp_tree_build(struct wfp_tree *tree, struct wfp_prefix *prefixes, size_t count);
void wfp_tree_free(struct wfp_tree *tree);

/* The innermost prefix that holds value, or WFP_NONE; *bits: so many of value's leading bits tell. */
UINT32 wfp_tree_find(const struct wfp_tree *tree, wfp_number value, unsigned *bits);

#endif
