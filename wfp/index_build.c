/* SPDX-License-Identifier: MIT */
/*
 * index_build.c - making an index (index.h): which fields of each filter go into trees, which groups that makes, and
 * one entry for each combination of a filter's prefixes.
 *
 * A span becomes the prefixes that cover it, at most SPAN_PREFIXES of them: a few more numbers than it has, if need be,
 * and then the filter is compared as well. A filter gets at most FEW entries, or as many as twice the prefixes of its
 * one long list; fields that would multiply beyond that are compared.
 */
#include "wfp/condition_set.h"
#include "wfp/index.h"
#include "wfp/vector.h"

#define SPAN_PREFIXES 8u
#define FEW           64u
#define KEY_BITS      58u /* the rest is the group's number */
#define GROUP_BITS    6u
#define AHEAD         8u

/* One field of the filter that is planned; its prefixes are in scratch. */
struct part {
    UINT16 field;
    UINT8 tree;
    BOOLEAN exact; /* the prefixes are no more than the conditions say */
    UINT32 first, count;
};

struct build {
    struct wfp_index *index;
    struct wfp_filter *const *filters;
    UINT32 begin, count;
    const struct wfp_layer *layer;
    const UINT8 *roles;
    BOOLEAN of_program[WFP_INDEX_TREES]; /* the tree holds fields of filters that name programs */
    struct wfp_vector prefixes[WFP_INDEX_TREES];
    struct wfp_vector scratch; /* struct wfp_prefix */
    struct wfp_vector plans;   /* UINT32: for each filter its group's number, then for each field how many prefixes */
    UINT16 trees_of[WFP_INDEX_GROUPS]; /* a bit each */
    struct part parts[WFP_MAX_FIELDS];
    unsigned part_count;
    UINT32 entry_count;
};

static BOOLEAN add_prefix(struct build *build, wfp_number value, unsigned length, UINT32 condition)
{
    struct wfp_prefix *prefix = wfp_vector_add(&build->scratch, sizeof(*prefix));

    if (prefix == NULL)
        return FALSE;
    *prefix = (struct wfp_prefix){.value = value, .length = (UINT8)length, .condition = condition};
    return TRUE;
}

/* Of the first prefix that covers the span from its low end: how many of its bits are free. */
static unsigned free_bits_of(struct wfp_span span, unsigned width)
{
    wfp_number more = span.high - span.low; /* + 1 may not fit */
    unsigned aligned = span.low == 0 ? width : wfp_number_top(span.low & (~span.low + 1));
    unsigned inside = more == wfp_number_most(width) ? width : wfp_number_top(more + 1);

    return aligned < inside ? aligned : inside;
}

/* How many prefixes cover the span exactly, counted up to more than most. */
static unsigned count_prefixes(struct wfp_span span, unsigned width, unsigned most)
{
    unsigned count = 1;

    while (count <= most) {
        unsigned free_bits = free_bits_of(span, width);

        if (free_bits == width || span.high - span.low == ((wfp_number)1 << free_bits) - 1)
            break;
        span.low += (wfp_number)1 << free_bits;
        count++;
    }
    return count;
}

/* Outwards, until few prefixes cover it. */
static struct wfp_span widen(struct wfp_span span, unsigned width)
{
    for (unsigned bits = 1; bits < width && count_prefixes(span, width, SPAN_PREFIXES) > SPAN_PREFIXES; bits++) {
        wfp_number low_bits = ((wfp_number)1 << bits) - 1;

        span.low &= ~low_bits;
        span.high |= low_bits;
    }
    return span;
}

/* 1: done; 0: no memory; -1: it holds every number. */
static int cut_span(struct build *build, struct wfp_span span, unsigned width, UINT32 condition, BOOLEAN *exact)
{
    struct wfp_span wide = widen(span, width);

    if (wide.low != span.low || wide.high != span.high)
        *exact = FALSE;
    if (wide.low == 0 && wide.high == wfp_number_most(width))
        return -1;
    for (;;) {
        unsigned free_bits = free_bits_of(wide, width);

        if (!add_prefix(build, wide.low, width - free_bits, condition))
            return 0;
        if (wide.high - wide.low == ((wfp_number)1 << free_bits) - 1)
            return 1;
        wide.low += (wfp_number)1 << free_bits;
    }
}

/* Programs: each condition is EQUAL to a name. As cut_span; -1: one is not. */
static int cut_programs(struct build *build, const struct wfp_filter *filter, UINT32 begin, UINT32 end)
{
    for (UINT32 i = begin; i < end; i++) {
        struct wfp_unpacked room;
        const FWPS_FILTER_CONDITION0 *condition = wfp_filter_condition(filter, i, &room);

        if (condition->matchType != FWP_MATCH_EQUAL || condition->conditionValue.type != FWP_BYTE_BLOB_TYPE)
            return -1;
        if (!add_prefix(build, wfp_index_hash(condition->conditionValue.byteBlob), 32, i))
            return 0;
    }
    return 1;
}

static int cut_numbers(struct build *build, const struct wfp_filter *filter, UINT32 begin, UINT32 end, unsigned width,
                       BOOLEAN *exact)
{
    const struct wfp_condition_set *set =
        wfp_condition_set_of(wfp_filter_sets(filter), wfp_filter_field(filter, begin));
    int done = 1;

    for (UINT32 i = 0; set != NULL && i < set->count && done == 1; i++)
        done = cut_span(build, set->spans[i], width, begin, exact);
    for (UINT32 i = begin; set == NULL && i < end && done == 1; i++) {
        struct wfp_unpacked room;
        struct wfp_span span;

        done = wfp_condition_span(wfp_filter_condition(filter, i, &room), width, &span)
                   ? cut_span(build, span, width, i, exact)
                   : -1;
    }
    return done;
}

/* FALSE: no memory. Fields that no tree can hold make no part. */
static BOOLEAN cut_field(struct build *build, const struct wfp_filter *filter, UINT32 begin, UINT32 end)
{
    UINT16 field = wfp_filter_field(filter, begin);
    unsigned width = wfp_field_width(build->layer->fields[field].type);
    struct part part = {.field = field, .exact = TRUE, .first = (UINT32)build->scratch.count};
    int done = -1;

    if (build->roles[field] == WFP_ROLE_APP)
        done = cut_programs(build, filter, begin, end);
    else if (width != 0 && build->roles[field] != WFP_ROLE_FLAGS)
        done = cut_numbers(build, filter, begin, end, width, &part.exact);
    if (done != 1) {
        build->scratch.count = part.first;
        return done != 0;
    }
    part.count = (UINT32)build->scratch.count - part.first;
    build->parts[build->part_count++] = part;
    return TRUE;
}

/* Every condition's field gets its part or its check. *fields: all of them. */
static BOOLEAN cut_all(struct build *build, const struct wfp_filter *filter, UINT64 *fields)
{
    UINT32 end;

    build->scratch.count = 0;
    build->part_count = 0;
    *fields = 0;
    for (UINT32 begin = 0; begin < filter->condition_count; begin = end) {
        UINT16 field = wfp_filter_field(filter, begin);
        const struct wfp_condition_set *set = wfp_condition_set_of(wfp_filter_sets(filter), field);

        for (end = set != NULL ? set->end : begin + 1;
             end < filter->condition_count && wfp_filter_field(filter, end) == field;)
            end++;
        *fields |= 1ull << field;
        if (!cut_field(build, filter, begin, end))
            return FALSE;
    }
    return TRUE;
}

/* Fewest prefixes first: what they multiply to stays small. */
static void sort_parts(struct build *build)
{
    for (unsigned i = 1; i < build->part_count; i++) {
        struct part moved = build->parts[i];
        unsigned at = i;

        for (; at > 0 && build->parts[at - 1].count > moved.count; at--)
            build->parts[at] = build->parts[at - 1];
        build->parts[at] = moved;
    }
}

static void choose(struct build *build)
{
    UINT64 product = 1;
    unsigned kept = 0;

    sort_parts(build);
    for (unsigned i = 0; i < build->part_count; i++) {
        UINT64 more = product * build->parts[i].count;

        if ((more > FEW && more > 2ull * build->parts[i].count) || kept == WFP_INDEX_FIELDS)
            continue;
        product = more;
        build->parts[kept++] = build->parts[i];
    }
    build->part_count = kept;
}

/* Filters that name programs have trees of their own: other programs do not look at those. FALSE: too many trees. */
static BOOLEAN choose_tree(struct build *build, struct part *part, BOOLEAN of_program)
{
    struct wfp_index *index = build->index;
    unsigned at = 0;

    while (at < index->tree_count && (index->trees[at].field != part->field || build->of_program[at] != of_program))
        at++;
    if (at == WFP_INDEX_TREES)
        return FALSE;
    if (at == index->tree_count) {
        unsigned width = wfp_field_width(build->layer->fields[part->field].type);

        index->trees[at].field = part->field;
        index->trees[at].width = (UINT8)(width == 0 ? 32 : width);
        build->of_program[at] = of_program;
        index->tree_count++;
    }
    part->tree = (UINT8)at;
    return TRUE;
}

static void choose_trees(struct build *build)
{
    BOOLEAN of_program = FALSE;
    unsigned kept = 0;

    for (unsigned i = 0; i < build->part_count; i++)
        of_program = of_program || build->roles[build->parts[i].field] == WFP_ROLE_APP;
    for (unsigned i = 0; i < build->part_count; i++)
        if (choose_tree(build, &build->parts[i], of_program))
            build->parts[kept++] = build->parts[i];
    build->part_count = kept;
}

/* The earlier, the more it rules out, and the fewer connections differ in it. */
static unsigned rank_of(const struct build *build, unsigned tree)
{
    static const UINT8 ranks[] = {
        [WFP_ROLE_APP] = 0,         [WFP_ROLE_PROTOCOL] = 1,       [WFP_ROLE_OTHER] = 2,
        [WFP_ROLE_REMOTE_PORT] = 3, [WFP_ROLE_REMOTE_ADDRESS] = 4, [WFP_ROLE_LOCAL_ADDRESS] = 5,
        [WFP_ROLE_LOCAL_PORT] = 6};

    return ranks[build->roles[build->index->trees[tree].field]];
}

static void sort_by_rank(struct build *build, struct wfp_group *group)
{
    for (unsigned i = 1; i < group->count; i++) {
        UINT8 moved = group->tree[i];
        unsigned at = i;

        for (; at > 0 && rank_of(build, group->tree[at - 1]) > rank_of(build, moved); at--)
            group->tree[at] = group->tree[at - 1];
        group->tree[at] = moved;
    }
}

/* The group of the parts; without groups to spare, that of no field at all. */
static struct wfp_group *choose_group(struct build *build, UINT32 place)
{
    struct wfp_index *index = build->index;
    unsigned at = 0;
    UINT16 trees = 0;

    for (unsigned i = 0; i < build->part_count; i++)
        trees |= (UINT16)(1u << build->parts[i].tree);
    while (at < index->group_count && build->trees_of[at] != trees)
        at++;
    /* One is kept for filters without any field. */
    if (at == index->group_count && trees != 0 && at + 1 >= WFP_INDEX_GROUPS) {
        build->part_count = 0;
        return choose_group(build, place);
    }
    struct wfp_group *group = &index->groups[at];
    if (at == index->group_count) {
        index->group_count++;
        build->trees_of[at] = trees;
        group->first = place;
        group->id = (UINT8)at;
        for (unsigned tree = 0; tree < WFP_INDEX_TREES; tree++)
            if ((trees & 1u << tree) != 0)
                group->tree[group->count++] = (UINT8)tree;
        sort_by_rank(build, group);
    }
    return group;
}

static BOOLEAN keep_part(struct build *build, const struct part *part)
{
    const struct wfp_prefix *from = (const struct wfp_prefix *)build->scratch.items + part->first;
    UINT32 *plan = wfp_vector_add(&build->plans, sizeof(*plan));

    if (plan == NULL)
        return FALSE;
    *plan = part->count;
    for (UINT32 i = 0; i < part->count; i++) {
        struct wfp_prefix *to = wfp_vector_add(&build->prefixes[part->tree], sizeof(*to));

        if (to == NULL)
            return FALSE;
        *to = from[i];
    }
    return TRUE;
}

/* In the group's order of fields. */
static BOOLEAN keep_parts(struct build *build, const struct wfp_group *group)
{
    UINT32 *plan = wfp_vector_add(&build->plans, sizeof(*plan));

    if (plan == NULL)
        return FALSE;
    *plan = group->id;
    for (unsigned i = 0; i < group->count; i++)
        for (unsigned j = 0; j < build->part_count; j++)
            if (build->parts[j].tree == group->tree[i] && !keep_part(build, &build->parts[j]))
                return FALSE;
    return TRUE;
}

static BOOLEAN plan_filter(struct build *build, UINT32 at)
{
    const struct wfp_filter *filter = build->filters[build->begin + at];
    UINT64 fields, sure = 0;

    if (!cut_all(build, filter, &fields))
        return FALSE;
    choose(build);
    choose_trees(build);
    const struct wfp_group *group = choose_group(build, build->begin + at);
    for (unsigned i = 0; i < build->part_count; i++) {
        if (build->roles[build->parts[i].field] == WFP_ROLE_APP)
            sure |= WFP_CHECK_PROGRAM | 1ull << build->parts[i].field;
        else if (build->parts[i].exact)
            sure |= 1ull << build->parts[i].field;
    }
    UINT32 combinations = 1;
    for (unsigned i = 0; i < build->part_count; i++)
        combinations *= build->parts[i].count;
    build->entry_count += combinations;
    build->index->checks[at] = (fields & ~sure) | (sure & WFP_CHECK_PROGRAM);
    return keep_parts(build, group);
}

static void make_keys(struct wfp_index *index)
{
    for (unsigned i = 0; i < index->group_count; i++) {
        struct wfp_group *group = &index->groups[i];
        unsigned shift = GROUP_BITS;

        for (unsigned j = 0; j < group->count; j++) {
            UINT32 nodes = index->trees[group->tree[j]].node_count;

            group->shift[j] = (UINT8)(shift < 64 ? shift : 0);
            shift += nodes < 2 ? 0 : 32 - (unsigned)__builtin_clz(nodes - 1);
        }
        group->exact = shift <= GROUP_BITS + KEY_BITS;
    }
}

/* Where the filter's prefixes stand in each tree; goes on from filter to filter. */
struct emitting {
    size_t plan;
    size_t at[WFP_INDEX_TREES];
    UINT32 count; /* of entries */
};

/* Writes the filter's entries. */
static void emit(struct build *build, struct emitting *emitting, UINT32 place)
{
    struct wfp_index *index = build->index;
    const UINT32 *plan = (const UINT32 *)build->plans.items + emitting->plan;
    struct wfp_group *group = &index->groups[plan[0]];
    UINT32 combinations = 1;

    for (unsigned i = 0; i < group->count; i++)
        combinations *= plan[1 + i];
    if (!group->exact)
        index->checks[place - build->begin] = ~WFP_CHECK_PROGRAM;
    UINT32 condition = index->checks[place - build->begin] == 0 ? WFP_NONE : 0;
    for (UINT32 i = 0; i < combinations; i++) {
        struct wfp_entry *entry = &index->entries[emitting->count + i];
        UINT64 key = group->id;
        UINT32 left = i;

        entry->condition = condition;
        for (unsigned j = 0; j < group->count; j++) {
            unsigned tree = group->tree[j];
            const struct wfp_prefix *prefix =
                (const struct wfp_prefix *)build->prefixes[tree].items + emitting->at[tree] + left % plan[1 + j];

            left /= plan[1 + j];
            /* A group has prefixes in each of its trees: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
            key = wfp_index_key(group, key, j, prefix->node);
            index->trees[tree].nodes[prefix->node].groups |= 1ull << group->id;
            if (build->roles[index->trees[tree].field] == WFP_ROLE_APP)
                entry->condition = prefix->condition;
        }
        entry->key = key;
        entry->place = place;
    }
    for (unsigned i = 0; i < group->count; i++)
        emitting->at[group->tree[i]] += plan[1 + i];
    emitting->plan += 1u + group->count;
    emitting->count += combinations;
}

static void emit_all(struct build *build)
{
    struct emitting emitting = {0};

    for (UINT32 i = 0; i < build->count; i++)
        emit(build, &emitting, build->begin + i);
}

/* Groups of one field need no table: the node knows its chain. */
static UINT32 *chain_of(struct wfp_index *index, const struct wfp_entry *entry)
{
    const struct wfp_group *group = &index->groups[entry->key & (WFP_INDEX_GROUPS - 1)];

    if (group->count == 1 && group->exact)
        return &index->trees[group->tree[0]].nodes[entry->key >> group->shift[0]].alone;
    return &index->buckets[wfp_index_bucket(index, entry->key)];
}

static BOOLEAN make_table(struct build *build)
{
    struct wfp_index *index = build->index;
    UINT32 count = build->entry_count;
    UINT32 buckets = 1;

    while (buckets < count)
        buckets *= 2;
    index->bucket_mask = buckets - 1;
    index->entries = wfp_alloc(count * sizeof(index->entries[0]));
    index->buckets = wfp_alloc(buckets * sizeof(index->buckets[0]));
    if (index->entries == NULL || index->buckets == NULL)
        return FALSE;
    emit_all(build);
    memset(index->buckets, 0xff, buckets * sizeof(index->buckets[0]));
    /* From the last: chains begin with the first. */
    for (UINT32 i = count; i-- != 0;) {
        UINT32 *first = chain_of(index, &index->entries[i]);

        index->entries[i].next = *first;
        *first = i;
    }
    return TRUE;
}

/* Filters lie anywhere in memory: what planning needs of the next ones is on its way meanwhile. */
static void prefetch(const struct build *build, UINT32 at)
{
    if (at + 2 * AHEAD < build->count) {
        __builtin_prefetch(&build->filters[build->begin + at + 2 * AHEAD]->more);
        __builtin_prefetch(build->filters[build->begin + at + 2 * AHEAD]->packed);
    }
}

static BOOLEAN build_all(struct build *build)
{
    struct wfp_index *index = build->index;

    for (UINT32 i = 0; i < build->count; i++) {
        prefetch(build, i);
        if (!plan_filter(build, i))
            return FALSE;
    }
    for (unsigned i = 0; i < index->tree_count; i++)
        if (build->prefixes[i].count != 0 &&
            !wfp_tree_build(&index->trees[i], build->prefixes[i].items, build->prefixes[i].count))
            return FALSE;
    make_keys(index);
    return make_table(build);
}

struct wfp_index *wfp_index_build(struct wfp_filter *const *filters, UINT32 begin, UINT32 end, unsigned layer)
{
    struct build build = {.filters = filters,
                          .begin = begin,
                          .count = end - begin,
                          .layer = &wfp_layers[layer],
                          .roles = wfp_roles[layer],
                          .index = wfp_alloc(sizeof(*build.index))};
    BOOLEAN good;

    if (build.index == NULL)
        return NULL;
    build.index->begin = begin;
    build.index->checks = wfp_alloc((end - begin) * sizeof(build.index->checks[0]));
    good = build.index->checks != NULL && build_all(&build);
    for (unsigned i = 0; i < WFP_INDEX_TREES; i++)
        wfp_vector_free(&build.prefixes[i]);
    wfp_vector_free(&build.scratch);
    wfp_vector_free(&build.plans);
    if (good)
        return build.index;
    wfp_index_free(build.index);
    return NULL;
}

void wfp_index_free(struct wfp_index *index)
{
    if (index == NULL)
        return;
    for (unsigned i = 0; i < index->tree_count; i++)
        wfp_tree_free(&index->trees[i]);
    wfp_free(index->entries);
    wfp_free(index->buckets);
    wfp_free(index->checks);
    wfp_free(index);
}
