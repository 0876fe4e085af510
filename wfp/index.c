/* SPDX-License-Identifier: MIT */
/*
 * index.c - searching. See index.h.
 */
#include "wfp/index.h"

#define MULTIPLIER 0x9e3779b97f4a7c15ull

static UINT64 mix(UINT64 value)
{
    __extension__ unsigned __int128 product = (unsigned __int128)value * MULTIPLIER;

    return (UINT64)product ^ (UINT64)(product >> 64);
}

/* Spreads; who tells two programs apart is the comparison of their bytes. */
UINT32 wfp_index_hash(const FWP_BYTE_BLOB *blob)
{
    UINT64 hash = blob->size;
    UINT32 i = 0;

    for (; i + 8 <= blob->size; i += 8) {
        UINT64 word;

        memcpy(&word, blob->data + i, 8);
        hash = mix(hash ^ word) + MULTIPLIER;
    }
    for (; i < blob->size; i++)
        hash = mix(hash ^ blob->data[i]) + MULTIPLIER;
    return (UINT32)(hash ^ hash >> 32);
}

UINT64 wfp_index_key(const struct wfp_group *group, UINT64 key, unsigned at, UINT32 node)
{
    if (group->exact)
        return key | (UINT64)node << group->shift[at];
    return (mix(key ^ ((UINT64)node << 8 | at)) & ~(UINT64)(WFP_INDEX_GROUPS - 1)) | group->id;
}

UINT32 wfp_index_bucket(const struct wfp_index *index, UINT64 key)
{
    return (UINT32)(mix(key) >> 16) & index->bucket_mask;
}

void wfp_search_begin(struct wfp_search *search, const struct wfp_index *index)
{
    search->index = index;
    search->after = 0;
    search->horizon = WFP_NONE;
    search->next_group = search->cursor_count = 0;
    search->found = 0;
}

/* From entry on, the first of this key that is not done. */
static UINT32 follow(const struct wfp_search *search, UINT64 key, UINT32 entry)
{
    const struct wfp_entry *entries = search->index->entries;

    while (entry != WFP_NONE && (entries[entry].key != key || entries[entry].place < search->after))
        entry = entries[entry].next;
    return entry;
}

/* The cursor furthest behind gives way when there are too many. */
static void add_cursor(struct wfp_search *search, struct wfp_cursor cursor)
{
    unsigned last = 0;

    if (search->cursor_count < WFP_INDEX_CURSORS) {
        search->cursors[search->cursor_count++] = cursor;
        return;
    }
    for (unsigned i = 1; i < WFP_INDEX_CURSORS; i++)
        if (search->cursors[i].place > search->cursors[last].place)
            last = i;
    if (search->cursors[last].place > cursor.place) {
        struct wfp_cursor dropped = search->cursors[last];

        search->cursors[last] = cursor;
        cursor = dropped;
    }
    if (cursor.place < search->horizon)
        search->horizon = cursor.place;
}

/* The chain that begins at entry may have filters of this key. */
static void enter(struct wfp_search *search, UINT64 key, UINT32 entry)
{
    entry = follow(search, key, entry);
    if (entry != WFP_NONE)
        add_cursor(search, (struct wfp_cursor){search->index->entries[entry].place, entry});
}

/* The innermost node of the tree for this query's value. */
static UINT32 ask_tree(struct wfp_search *search, struct wfp_query *query, unsigned at)
{
    const struct wfp_tree *tree = &search->index->trees[at];
    const FWP_VALUE0 *value = &query->values[tree->field].value;
    unsigned bits = tree->width;
    wfp_number number;

    if ((search->found & 1u << at) != 0)
        return search->node[at];
    search->found |= (UINT16)(1u << at);
    if (value->type == FWP_BYTE_BLOB_TYPE) {
        if (!query->hashed) {
            query->hash = wfp_index_hash(value->byteBlob);
            query->hashed = TRUE;
        }
        number = query->hash;
    } else if (!wfp_value_number(value, &number)) {
        wfp_look(query->looked, wfp_roles[query->layer], tree->field, bits);
        return search->node[at] = WFP_NONE;
    }
    search->node[at] = wfp_tree_find(tree, number, &bits);
    wfp_look(query->looked, wfp_roles[query->layer], tree->field, bits);
    return search->node[at];
}

/* Goes through the nodes of the group's field at, then of the next; each whole combination may be in the table. */
static void expand(struct wfp_search *search, struct wfp_query *query, const struct wfp_group *group, unsigned at,
                   UINT64 key)
{
    const struct wfp_index *index = search->index;

    if (at == group->count) {
        enter(search, key, index->buckets[wfp_index_bucket(index, key)]);
        return;
    }
    const struct wfp_tree_node *nodes = index->trees[group->tree[at]].nodes;
    for (UINT32 node = ask_tree(search, query, group->tree[at]); node != WFP_NONE; node = nodes[node].parent) {
        if ((nodes[node].groups & 1ull << group->id) == 0)
            continue;
        if (group->count == 1)
            enter(search, wfp_index_key(group, key, at, node), nodes[node].alone);
        else
            expand(search, query, group, at + 1, wfp_index_key(group, key, at, node));
    }
}

static unsigned first_cursor(const struct wfp_search *search)
{
    unsigned best = 0;

    for (unsigned i = 1; i < search->cursor_count; i++)
        if (search->cursors[i].place < search->cursors[best].place)
            best = i;
    return best;
}

/* Several cursors stand there if the filter matches in several ways: each is as good as the other. */
static void skip(struct wfp_search *search, UINT32 place)
{
    const struct wfp_entry *entries = search->index->entries;

    search->after = place + 1;
    for (unsigned i = 0; i < search->cursor_count;) {
        struct wfp_cursor *cursor = &search->cursors[i];

        if (cursor->place == place) {
            cursor->entry = follow(search, entries[cursor->entry].key, entries[cursor->entry].next);
            if (cursor->entry == WFP_NONE) {
                *cursor = search->cursors[--search->cursor_count];
                continue;
            }
            cursor->place = entries[cursor->entry].place;
        }
        i++;
    }
}

static UINT32 first_place(const struct wfp_search *search)
{
    return search->cursor_count == 0 ? WFP_NONE : search->cursors[first_cursor(search)].place;
}

UINT32 wfp_search_bound(const struct wfp_search *search)
{
    UINT32 bound = first_place(search);

    if (search->next_group < search->index->group_count && search->index->groups[search->next_group].first < bound)
        bound = search->index->groups[search->next_group].first;
    return search->horizon < bound ? search->horizon : bound;
}

void wfp_search_step(struct wfp_search *search, struct wfp_query *query, UINT32 *place, UINT32 *condition)
{
    const struct wfp_index *index = search->index;
    UINT32 first = first_place(search);

    *place = WFP_NONE;
    if (search->next_group < index->group_count && index->groups[search->next_group].first <= first) {
        const struct wfp_group *group = &index->groups[search->next_group++];

        expand(search, query, group, 0, group->id);
    } else if (search->horizon < first) {
        search->horizon = WFP_NONE;
        search->next_group = search->cursor_count = 0;
    } else if (first != WFP_NONE) {
        *condition = index->entries[search->cursors[first_cursor(search)].entry].condition;
        *place = first;
        skip(search, first);
    }
}

BOOLEAN wfp_search_check(const struct wfp_search *search, const struct wfp_query *query, UINT32 place, UINT32 condition,
                         const struct wfp_filter *filter)
{
    UINT64 checks;

    if (condition == WFP_NONE)
        return TRUE;
    checks = search->index->checks[place - search->index->begin];
    if ((checks & WFP_CHECK_PROGRAM) != 0) {
        struct wfp_unpacked room;
        const FWPS_FILTER_CONDITION0 *program = wfp_filter_condition(filter, condition, &room);

        /* Another program of the same filter may have the same hash. */
        if (!wfp_condition_met(program, &query->values[program->fieldId].value) &&
            !wfp_match(filter, 1ull << program->fieldId, query->values, query->looked))
            return FALSE;
    }
    checks &= ~WFP_CHECK_PROGRAM;
    return checks == 0 || wfp_match(filter, checks, query->values, query->looked);
}
