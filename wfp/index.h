/* SPDX-License-Identifier: MIT */
/*
 * index.h - finds the filters of one sublayer that a value meets without looking at the others, in their order.
 *
 * A tuple space. Filters that compare the same fields form a group. A field's prefixes are nodes of a tree (tree.h); a
 * filter stands in a hash table under its group and one node for each of the group's fields, once for each
 * combination. A classify asks the groups in the order of their first filters, and only while such a filter could come
 * before the ones found: field by field, given up as soon as a field has no node of that group. What a tree cannot hold
 * (users, flags, "not equal", lists that would multiply too much) is compared filter by filter (checks).
 *
 * Places are those of the filters in the segment (segment.h). Immutable once built; search takes no lock, any IRQL.
 */
#ifndef WFP_INDEX_H
#define WFP_INDEX_H

#include "wfp/match.h"
#include "wfp/tree.h"

#define WFP_INDEX_TREES   16u
#define WFP_INDEX_GROUPS  64u
#define WFP_INDEX_FIELDS  8u  /* of one group */
#define WFP_INDEX_CURSORS 24u /* chains followed at the same time; more of them take more rounds */

struct wfp_group {
    UINT32 first; /* the place of its first filter */
    UINT8 id;
    UINT8 count;   /* of fields */
    BOOLEAN exact; /* keys hold the nodes themselves; else a hash of them, and filters are compared as a whole */
    UINT8 tree[WFP_INDEX_FIELDS];
    UINT8 shift[WFP_INDEX_FIELDS];
};

/* Without the padding that its key would want: a range can have eight. */
struct __attribute__((packed, aligned(4))) wfp_entry {
    UINT64 key; /* the group's number in its low bits */
    UINT32 place;
    UINT32 next;      /* of the same bucket, places ascending; WFP_NONE: none */
    UINT32 condition; /* the one on the program that led here; WFP_NONE: nothing is to be compared */
};

struct wfp_index {
    unsigned tree_count, group_count;
    struct wfp_tree trees[WFP_INDEX_TREES];
    struct wfp_group groups[WFP_INDEX_GROUPS]; /* by first */
    UINT32 begin;                              /* the first place */
    UINT32 bucket_mask;
    UINT32 *buckets; /* place in entries, or WFP_NONE */
    struct wfp_entry *entries;
    UINT64 *checks; /* of the filter at begin + i: fields that are compared with it, and WFP_CHECK_PROGRAM */
};

/* The bytes of ALE_APP_ID are compared with the entry's condition. */
#define WFP_CHECK_PROGRAM (1ull << 63)

/* Of the filters at begin to end - 1, all of one sublayer of layer. NULL: no memory. */
struct wfp_index *wfp_index_build(struct wfp_filter *const *filters, UINT32 begin, UINT32 end, unsigned layer);
void wfp_index_free(struct wfp_index *index);

/* What is classified. */
struct wfp_query {
    const FWPS_INCOMING_VALUE0 *values;
    struct wfp_looked *looked;
    unsigned layer;
    BOOLEAN hashed;
    UINT32 hash; /* of the program, once needed */
};

struct wfp_cursor {
    UINT32 place, entry;
};

/* One walk through an index. */
struct wfp_search {
    const struct wfp_index *index;
    UINT32 after;   /* places up to here are done, + 1 */
    UINT32 horizon; /* a chain that begins here was dropped for want of cursors; WFP_NONE: none was */
    unsigned next_group, cursor_count;
    UINT16 found; /* trees that were asked */
    UINT32 node[WFP_INDEX_TREES];
    struct wfp_cursor cursors[WFP_INDEX_CURSORS];
};

void wfp_search_begin(struct wfp_search *search, const struct wfp_index *index);

/* No filter before this place can be found any more; WFP_NONE: no filter at all. */
UINT32 wfp_search_bound(const struct wfp_search *search);
/*
 * One step, at the bound: a group is looked up, or (*place is not WFP_NONE) a filter may match: then it is passed, and
 * place and condition go to wfp_search_check.
 */
void wfp_search_step(struct wfp_search *search, struct wfp_query *query, UINT32 *place, UINT32 *condition);
/* Whether the filter at that place matches. */
BOOLEAN wfp_search_check(const struct wfp_search *search, const struct wfp_query *query, UINT32 place, UINT32 condition,
                         const struct wfp_filter *filter);

/* For index_build.c. */
UINT32 wfp_index_hash(const FWP_BYTE_BLOB *blob);
UINT64 wfp_index_key(const struct wfp_group *group, UINT64 key, unsigned at, UINT32 node);
UINT32 wfp_index_bucket(const struct wfp_index *index, UINT64 key);

#endif
