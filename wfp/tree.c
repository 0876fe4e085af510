/* SPDX-License-Identifier: MIT */
/*
 * tree.c - building and searching the pieces of a field. See tree.h.
 */
#include "wfp/tree.h"

#define MOST_TOP_BITS 16u

struct item {
    wfp_number value;
    UINT32 index;
    UINT8 length;
};

static wfp_number last_of(const struct item *item, unsigned width)
{
    return item->length == width ? item->value : item->value | (wfp_number_most(width) >> item->length);
}

static BOOLEAN in_order(const struct item *a, const struct item *b)
{
    return a->value != b->value ? a->value < b->value : a->length <= b->length;
}

/* By one byte (pass 0: the length); FALSE: all have the same, nothing was moved. */
static BOOLEAN sort_by(const struct item *from, struct item *to, size_t count, unsigned pass)
{
    size_t at[257] = {0};
    unsigned shift = pass == 0 ? 0 : (pass - 1) * 8;

#define DIGIT(item) (pass == 0 ? (item).length : (UINT8)((item).value >> shift))
    for (size_t i = 0; i < count; i++)
        at[DIGIT(from[i]) + 1u]++;
    if (at[DIGIT(from[0]) + 1u] == count)
        return FALSE;
    for (unsigned i = 1; i < 257; i++)
        at[i] += at[i - 1];
    for (size_t i = 0; i < count; i++)
        to[at[DIGIT(from[i])]++] = from[i];
#undef DIGIT
    return TRUE;
}

/* By value, the shorter first: a prefix stands before those inside of it. Two arrays of count; which holds the result.
 */
static struct item *sort(struct item *items, struct item *spare, size_t count, unsigned width)
{
    size_t i = 1;

    while (i < count && in_order(&items[i - 1], &items[i]))
        i++;
    if (i >= count)
        return items;
    for (unsigned pass = 0; pass <= width / 8; pass++) {
        if (sort_by(items, spare, count, pass)) {
            struct item *sorted = spare;

            spare = items;
            items = sorted;
        }
    }
    return items;
}

struct sweep {
    struct wfp_tree *tree;
    UINT32 open[130]; /* nodes around the place where it is, outermost first */
    wfp_number end[130];
    unsigned depth;
};

static wfp_number start_of(const struct wfp_tree *tree, UINT32 piece)
{
    return tree->wide != NULL ? tree->wide[piece] : tree->pieces[piece].start;
}

static UINT32 inner_of(const struct wfp_tree *tree, UINT32 piece)
{
    return tree->wide != NULL ? tree->wide_inner[piece] : tree->pieces[piece].inner;
}

/* From start on, the innermost node is inner. */
static void cut(struct wfp_tree *tree, wfp_number start, UINT32 inner)
{
    if (tree->piece_count != 0 && start_of(tree, tree->piece_count - 1) == start)
        tree->piece_count--;
    if (tree->piece_count != 0 && inner_of(tree, tree->piece_count - 1) == inner)
        return;
    if (tree->wide != NULL) {
        tree->wide[tree->piece_count] = start;
        tree->wide_inner[tree->piece_count] = inner;
    } else {
        tree->pieces[tree->piece_count] = (struct wfp_piece){(UINT32)start, inner};
    }
    tree->piece_count++;
}

/* Leaves the nodes that end before place. */
static void leave(struct sweep *sweep, wfp_number place, BOOLEAN all)
{
    while (sweep->depth != 0 && (all || sweep->end[sweep->depth - 1] < place)) {
        wfp_number end = sweep->end[--sweep->depth];

        if (end != wfp_number_most(sweep->tree->width))
            cut(sweep->tree, end + 1, sweep->depth == 0 ? WFP_NONE : sweep->open[sweep->depth - 1]);
    }
}

static void sweep_all(struct wfp_tree *tree, const struct item *items, struct wfp_prefix *prefixes, size_t count)
{
    struct sweep sweep = {.tree = tree};

    tree->piece_count = tree->node_count = 0;
    cut(tree, 0, WFP_NONE);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || items[i].value != items[i - 1].value || items[i].length != items[i - 1].length) {
            leave(&sweep, items[i].value, FALSE);
            tree->nodes[tree->node_count].alone = WFP_NONE;
            tree->nodes[tree->node_count].parent = sweep.depth == 0 ? WFP_NONE : sweep.open[sweep.depth - 1];
            sweep.open[sweep.depth] = tree->node_count;
            sweep.end[sweep.depth++] = last_of(&items[i], tree->width);
            cut(tree, items[i].value, tree->node_count++);
        }
        prefixes[items[i].index].node = tree->node_count - 1;
    }
    leave(&sweep, 0, TRUE);
}

static void fill_top(struct wfp_tree *tree)
{
    UINT32 piece = 0;

    for (UINT32 i = 0; i < 1u << tree->top_bits; i++) {
        wfp_number start = tree->top_bits == 0 ? 0 : (wfp_number)i << (tree->width - tree->top_bits);

        while (piece + 1 < tree->piece_count && start_of(tree, piece + 1) <= start)
            piece++;
        tree->top[i] = piece;
    }
    tree->top[1u << tree->top_bits] = tree->piece_count - 1;
}

static size_t count_nodes(const struct item *items, size_t count)
{
    size_t nodes = 0;

    for (size_t i = 0; i < count; i++)
        nodes += i == 0 || items[i].value != items[i - 1].value || items[i].length != items[i - 1].length;
    return nodes;
}

/* In one block, which nodes begins. */
static BOOLEAN get_memory(struct wfp_tree *tree, size_t nodes)
{
    BOOLEAN wide = tree->width > 32;
    size_t pieces = 2 * nodes + 1;

    tree->top_bits = 0;
    while (tree->top_bits < MOST_TOP_BITS && tree->top_bits < tree->width && (size_t)1 << tree->top_bits < nodes)
        tree->top_bits++;
    size_t tops = ((size_t)1 << tree->top_bits) + 1;
    UINT8 *block = wfp_alloc(nodes * sizeof(tree->nodes[0]) + pieces * (wide ? 20 : 8) + tops * 4 + 16);
    if (block == NULL)
        return FALSE;
    tree->nodes = (struct wfp_tree_node *)(void *)block;
    block += nodes * sizeof(tree->nodes[0]);
    tree->pieces = wide ? NULL : (struct wfp_piece *)(void *)block;
    tree->wide = wide ? (wfp_number *)(void *)block : NULL;
    tree->wide_inner = wide ? (UINT32 *)(void *)(block + pieces * 16) : NULL;
    tree->top = (UINT32 *)(void *)(block + pieces * (wide ? 20 : 8));
    return TRUE;
}

BOOLEAN wfp_tree_build(struct wfp_tree *tree, struct wfp_prefix *prefixes, size_t count)
{
    struct item *items = wfp_alloc(2 * count * sizeof(*items));
    struct item *sorted;
    BOOLEAN good;

    if (items == NULL)
        return FALSE;
    for (size_t i = 0; i < count; i++)
        items[i] = (struct item){prefixes[i].value, (UINT32)i, prefixes[i].length};
    sorted = sort(items, items + count, count, tree->width);
    good = get_memory(tree, count_nodes(sorted, count));
    if (good) {
        sweep_all(tree, sorted, prefixes, count);
        fill_top(tree);
    }
    wfp_free(items);
    return good;
}

void wfp_tree_free(struct wfp_tree *tree)
{
    wfp_free(tree->nodes);
    tree->nodes = NULL;
}

/* The last piece of from..to that begins at or before value; the one at from does. */
static UINT32 search(const struct wfp_tree *tree, wfp_number value, UINT32 from, UINT32 to)
{
    if (tree->wide == NULL) {
        const struct wfp_piece *at = tree->pieces + from;
        UINT32 count = to - from + 1;

        while (count > 1) {
            UINT32 half = count / 2;

            at = at[half].start <= (UINT32)value ? at + half : at;
            count -= half;
        }
        return (UINT32)(at - tree->pieces);
    }
    while (from < to) {
        UINT32 middle = from + (to - from + 1) / 2;

        if (tree->wide[middle] <= value)
            from = middle;
        else
            to = middle - 1;
    }
    return from;
}

UINT32 wfp_tree_find(const struct wfp_tree *tree, wfp_number value, unsigned *bits)
{
    UINT32 first = tree->top_bits == 0 ? 0 : (UINT32)(value >> (tree->width - tree->top_bits));
    UINT32 piece = search(tree, value, tree->top[first], tree->top[first + 1]);
    struct wfp_span span = {start_of(tree, piece), wfp_number_most(tree->width)};

    if (piece + 1 < tree->piece_count)
        span.high = start_of(tree, piece + 1) - 1;
    *bits = wfp_span_bits(value, span, tree->width);
    return inner_of(tree, piece);
}
