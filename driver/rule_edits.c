/* SPDX-License-Identifier: MIT */
/*
 * rule_edits.c - see rule_edits.h.
 */
#include "driver/rule_edits.h"

#include "core/rule_writer.h"
#include "driver/rule_store.h"

/* Checks what a client gave, and makes a list of it. Takes the image over. places: bits of the places it may use. */
_IRQL_requires_(PASSIVE_LEVEL)
static uint32_t list_from(struct gatehouse_rules_image *image, uint32_t size, uint32_t places, struct rule_list *list)
{
    struct rule_image_fault fault;
    uint32_t refusal = 0;

    if (!rule_image_check(image, size, false, &fault)) {
        DRIVER_TRACE("rules refused at byte %u: %s\n", (unsigned)fault.offset, fault.reason);
        refusal = GATEHOUSE_E_BAD_RULES;
    } else if (!rule_list_init(list, &driver_state.paged, image)) {
        refusal = GATEHOUSE_E_RULES_FULL;
    }
    if (refusal != 0) {
        ExFreePoolWithTag(image, DRIVER_POOL_TAG);
        return refusal;
    }
    for (uint32_t i = 0; i < list->count && refusal == 0; i++) {
        if ((places & 1u << list->entries[i].rule->place) == 0)
            refusal = GATEHOUSE_E_BAD_RULES;
    }
    if (refusal == 0) {
        enum rule_ids ids = rule_list_check_ids(list);
        refusal = ids == RULE_IDS_RIGHT ? 0 : ids == RULE_IDS_WRONG ? GATEHOUSE_E_BAD_RULES : GATEHOUSE_E_RULES_FULL;
    }
    if (refusal == 0 && rule_list_ranges_named(list) > GATEHOUSE_RANGES_NAMED_MAX)
        refusal = GATEHOUSE_E_RULES_FULL; /* a small image can name a large set often: gigabytes of conditions */
    if (refusal != 0)
        rule_list_cleanup(list);
    return refusal;
}

/* A list of those rules of another that are to stay. FALSE: no memory. */
_IRQL_requires_(PASSIVE_LEVEL)
static BOOLEAN list_filter(const struct rule_list *from,
                           BOOLEAN (*stays)(const struct gatehouse_rule *rule, uint64_t id), uint64_t id,
                           struct rule_list *to)
{
    struct gatehouse_rules_image *image;
    struct rule_picking picking;

    if (!rule_picking_begin(&picking, &driver_state.paged, from, NULL))
        return FALSE;
    for (uint32_t i = 0; i < from->count; i++) {
        if (!from->entries[i].ended && stays(from->entries[i].rule, id))
            rule_pick(&picking, 0, from->entries[i].rule);
    }
    image = rule_picking_end(&picking, UINT32_MAX);
    if (image == NULL)
        return FALSE;
    if (rule_list_init(to, &driver_state.paged, image))
        return TRUE;
    ExFreePoolWithTag(image, DRIVER_POOL_TAG);
    return FALSE;
}

static BOOLEAN has_no_end(const struct gatehouse_rule *rule, uint64_t id)
{
    UNREFERENCED_PARAMETER(id);
    return rule->until == GATEHOUSE_UNTIL_REMOVED;
}

static BOOLEAN outlives_boot(const struct gatehouse_rule *rule, uint64_t id)
{
    UNREFERENCED_PARAMETER(id);
    return rule->until != GATEHOUSE_UNTIL_REBOOT;
}

static BOOLEAN is_another(const struct gatehouse_rule *rule, uint64_t id)
{
    return rule->id != id;
}

/* The file's rules at boot, in the place of list. */
_IRQL_requires_(PASSIVE_LEVEL)
static uint32_t leave_out_ends(struct rule_list *list)
{
    struct rule_list smaller;
    BOOLEAN made = list_filter(list, has_no_end, 0, &smaller);

    rule_list_cleanup(list);
    if (made)
        *list = smaller;
    return made ? 0 : GATEHOUSE_E_RULES_FULL;
}

_Use_decl_annotations_
uint32_t rules_load(struct gatehouse_rules_image *image, uint32_t size, BOOLEAN boot)
{
    struct rules_change change;
    uint32_t refusal;

    RtlZeroMemory(&change, sizeof(change));
    refusal = list_from(image, size, 1u << GATEHOUSE_PLACE_FILE, &change.file);
    if (refusal == 0 && boot)
        refusal = leave_out_ends(&change.file);
    if (refusal != 0)
        return refusal;
    rules_gate_take();
    /* Lost: then when its rules were added is lost too, and a load that the engine refuses is not undone in the file.
     */
    if (rule_store_fetch(RULE_STORE_FILE, driver_file_rules()) == STATUS_INSUFFICIENT_RESOURCES)
        refusal = GATEHOUSE_E_RULES_FULL;
    rules_follow_file(&change);
    if (refusal == 0 && boot) {
        if (list_filter(driver_added_rules(), outlives_boot, 0, &change.added))
            rules_follow_added(&change, 0);
        else
            refusal = GATEHOUSE_E_RULES_FULL;
    }
    if (refusal == 0)
        refusal = rules_apply(&change);
    else
        rules_discard(&change);
    rules_put_away(driver_file_rules());
    rules_gate_leave();
    return refusal;
}

/* What an answer reaches: an address, a name, a port, anything. The narrower comes first. */
enum width { WIDTH_ADDRESS, WIDTH_NAME, WIDTH_PORT, WIDTH_ANY };

static enum width width_of(const struct gatehouse_rule *rule)
{
    enum width width = WIDTH_ANY;

    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        if (part->type == GATEHOUSE_PART_REMOTE || part->type == GATEHOUSE_PART_LOCAL)
            return WIDTH_ADDRESS;
        if (part->type == GATEHOUSE_PART_NAME)
            width = WIDTH_NAME;
        else if (width == WIDTH_ANY &&
                 (part->type == GATEHOUSE_PART_REMOTE_PORT || part->type == GATEHOUSE_PART_LOCAL_PORT ||
                  part->type == GATEHOUSE_PART_PROTOCOL))
            width = WIDTH_PORT;
    }
    return width;
}

/* What an answer is about, whatever it says: its parts. Rules of two images have sets of two images. */
static BOOLEAN same_subject(const struct rule_list *a, const struct gatehouse_rule *x, const struct rule_list *b,
                            const struct gatehouse_rule *y)
{
    const struct gatehouse_rule_part *p = rule_first_part(x), *q = rule_first_part(y);

    if (x->place != y->place || x->direction != y->direction || x->family != y->family)
        return FALSE;
    for (; p != NULL && q != NULL; p = rule_next_part(x, p), q = rule_next_part(y, q)) {
        BOOLEAN set = p->type >= GATEHOUSE_PART_REMOTE && p->type <= GATEHOUSE_PART_LOCAL_PORT;

        if (p->type != q->type || p->data_size != q->data_size)
            return FALSE;
        if (set && rule_set_hash(a->sets[rule_part_set(p)]) != rule_set_hash(b->sets[rule_part_set(q)]))
            return FALSE;
        if (!set && memcmp(p + 1, q + 1, p->data_size) != 0)
            return FALSE;
    }
    return p == NULL && q == NULL;
}

/* Does the old rule make room for the new one? */
static BOOLEAN gives_way(const struct rule_list *list, const struct rule_entry *old, const struct rule_list *one,
                         BOOLEAN is_answer)
{
    const struct gatehouse_rule *rule = one->entries[0].rule;

    return old->ended || old->rule->id == rule->id || (is_answer && same_subject(list, old->rule, one, rule));
}

/* Where among the added rules the new one goes: before which. */
static uint32_t place_of(const struct rule_list *added, const struct gatehouse_rule *rule)
{
    uint32_t i = rule->place == GATEHOUSE_PLACE_TOP ? 0 : added->tail;

    while (rule->place == GATEHOUSE_PLACE_ASK && i < added->count && width_of(added->entries[i].rule) < width_of(rule))
        i++;
    return i;
}

/* The added rules with the one. NULL: no memory, or too many. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
static struct gatehouse_rules_image *image_with(const struct rule_list *one, BOOLEAN is_answer)
{
    const struct rule_list *added = driver_added_rules();
    const struct gatehouse_rule *rule = one->entries[0].rule;
    uint32_t place = place_of(added, rule);
    struct rule_picking picking;

    if (!rule_picking_begin(&picking, &driver_state.paged, added, one))
        return NULL;
    for (uint32_t i = 0; i <= added->count; i++) {
        if (i == place)
            rule_pick(&picking, 1, rule);
        if (i < added->count && !gives_way(added, &added->entries[i], one, is_answer))
            rule_pick(&picking, 0, added->entries[i].rule);
    }
    return rule_picking_end(&picking, GATEHOUSE_ADDED_RULES_MAX);
}

/* Gate taken. The added rules with the one. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
static uint32_t add(const struct rule_list *one, struct rules_addition *addition)
{
    struct gatehouse_rules_image *image = image_with(one, addition->is_answer);
    struct rules_change change;

    RtlZeroMemory(&change, sizeof(change));
    if (image == NULL)
        return GATEHOUSE_E_RULES_FULL;
    if (!rule_list_init(&change.added, &driver_state.paged, image)) {
        ExFreePoolWithTag(image, DRIVER_POOL_TAG);
        return GATEHOUSE_E_RULES_FULL;
    }
    if (rule_list_ranges_named(&change.added) > GATEHOUSE_RANGES_NAMED_MAX) {
        rule_list_cleanup(&change.added);
        return GATEHOUSE_E_RULES_FULL;
    }
    change.addition = addition;
    rules_follow_added(&change, one->entries[0].rule->id);
    return rules_apply(&change);
}

_Use_decl_annotations_
uint32_t rules_add(struct gatehouse_rules_image *image, uint32_t size, struct rules_addition *addition)
{
    struct rule_list one;
    uint32_t refusal = list_from(image, size, 1u << GATEHOUSE_PLACE_TOP | 1u << GATEHOUSE_PLACE_ASK, &one);

    if (refusal != 0)
        return refusal;
    if (one.count == 1) {
        rules_gate_take();
        refusal = add(&one, addition);
        rules_gate_leave();
    } else {
        refusal = GATEHOUSE_E_BAD_RULES;
    }
    rule_list_cleanup(&one);
    return refusal;
}

/* Gate taken. */
_IRQL_requires_(PASSIVE_LEVEL)
_Requires_lock_held_(driver_rules_gate)
static uint32_t take_out(uint64_t id)
{
    const struct rule_entry *entry = rule_list_find(driver_added_rules(), id);
    struct rules_change change;

    RtlZeroMemory(&change, sizeof(change));
    if (entry == NULL || entry->ended)
        return rule_list_find(driver_file_rules(), id) != NULL ? GATEHOUSE_E_RULE_IN_FILE : GATEHOUSE_E_UNKNOWN_RULE;
    if (!list_filter(driver_added_rules(), is_another, id, &change.added))
        return GATEHOUSE_E_RULES_FULL;
    rules_follow_added(&change, 0);
    return rules_apply(&change);
}

_Use_decl_annotations_
uint32_t rules_remove(uint64_t id)
{
    uint32_t refusal;

    rules_gate_take();
    refusal = take_out(id);
    rules_gate_leave();
    return refusal;
}
