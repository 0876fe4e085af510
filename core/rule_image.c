/* SPDX-License-Identifier: MIT */
/*
 * rule_image.c - see rule_image.h.
 */
#include "core/rule_image.h"

#include "core/hash_index.h"
#include "core/name_pattern.h"

#define HEADER ((uint32_t)sizeof(struct gatehouse_rules_image))

/* What is being checked. offset goes from record to record. */
struct checked {
    const uint8_t *bytes;
    uint32_t offset;
    const struct gatehouse_rules_image *header;
    bool kept;
    uint16_t kind;         /* of the latest set */
    uint32_t address_sets; /* the first so many sets; the others are of ports */
    struct rule_image_fault fault;
};

/* Fixed for ever: kept files hold results of it. */
static uint64_t words_hash(uint64_t state, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word;

        memcpy(&word, at, 8);
        state = (state ^ word) * 0x9E3779B97F4A7C15ull;
        state ^= state >> 29;
    }
    for (; size != 0; size--, at++)
        state = (state ^ *at) * 0x9E3779B97F4A7C15ull;
    return state ^ state >> 32;
}

uint64_t rule_image_sum(const void *image, size_t size)
{
    return words_hash(0x52554C4553u, (const uint8_t *)image + HEADER, size - HEADER);
}

static bool refuse(struct checked *c, const char *reason)
{
    c->fault.offset = c->offset;
    c->fault.reason = reason;
    return false;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

static uint32_t padded(uint32_t size)
{
    return (size + 7u) & ~7u;
}

static uint32_t range_size(uint16_t kind)
{
    return kind == GATEHOUSE_SET_V4   ? (uint32_t)sizeof(struct gatehouse_range_v4)
           : kind == GATEHOUSE_SET_V6 ? (uint32_t)sizeof(struct gatehouse_range_v6)
                                      : (uint32_t)sizeof(struct gatehouse_range_port);
}

/* Is b beyond a, with at least one number between? */
static bool v6_apart(const uint8_t a[16], const uint8_t b[16])
{
    uint8_t next[16];
    int at = 15;

    memcpy(next, a, sizeof(next));
    while (at >= 0 && ++next[at] == 0)
        at--;
    return at >= 0 && memcmp(next, b, sizeof(next)) < 0;
}

static bool ranges_in_order(const struct gatehouse_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->kind == GATEHOUSE_SET_V4) {
            const struct gatehouse_range_v4 *r = set_ranges_v4(set) + i;

            if (r->low > r->high || (i != 0 && (r[-1].high >= r->low || r->low - r[-1].high < 2)))
                return false;
        } else if (set->kind == GATEHOUSE_SET_V6) {
            const struct gatehouse_range_v6 *r = set_ranges_v6(set) + i;

            if (memcmp(r->low, r->high, 16) > 0 || (i != 0 && !v6_apart(r[-1].high, r->low)))
                return false;
        } else {
            const struct gatehouse_range_port *r = set_ranges_port(set) + i;

            if (r->low > r->high || (i != 0 && r->low < r[-1].high + 2))
                return false;
        }
    }
    return true;
}

static bool set_check(struct checked *c)
{
    const struct gatehouse_set *set = (const void *)(c->bytes + c->offset);
    uint32_t left = c->header->size - c->offset, used;

    if (left < sizeof(*set))
        return refuse(c, "the image ends within a set");
    if (set->kind < GATEHOUSE_SET_V4 || set->kind > GATEHOUSE_SET_PORT)
        return refuse(c, "a set of an unknown kind");
    if (set->kind < c->kind)
        return refuse(c, "sets that are not in the order of their kinds");
    if (set->reserved != 0 || set->reserved2 != 0)
        return refuse(c, "a reserved field of a set is not zero");
    if (set->count > GATEHOUSE_SET_RANGES_MAX)
        return refuse(c, "a set with too many ranges");
    used = (uint32_t)sizeof(*set) + set->count * range_size(set->kind);
    if (set->size != padded(used) || set->size > left)
        return refuse(c, "a set whose size does not fit");
    if (!all_zero((const uint8_t *)set + used, set->size - used))
        return refuse(c, "the padding of a set is not zero");
    if (!ranges_in_order(set))
        return refuse(c, "ranges that are not in order and apart from each other");
    c->offset += set->size;
    c->kind = set->kind;
    if (set->kind != GATEHOUSE_SET_PORT)
        c->address_sets++;
    return true;
}

static const char *rule_ends_fault(const struct gatehouse_rule *rule, bool kept)
{
    bool timed = rule->until == GATEHOUSE_UNTIL_TIME;

    if (timed != (rule->lifetime_ms != 0))
        return "a lifetime without an end by time, or the other way round";
    if (rule->ends != 0 && (!kept || (!timed && rule->until != GATEHOUSE_UNTIL_EXIT)))
        return "a rule with an end that is not its own";
    if (rule->added != 0 && !kept)
        return "a rule that was added before it is loaded";
    return NULL;
}

static const char *rule_fields_fault(const struct gatehouse_rule *rule, bool kept)
{
    if (rule->action < GATEHOUSE_RULE_PERMIT || rule->action > GATEHOUSE_RULE_ASK)
        return "a rule with an unknown action";
    if (rule->direction == 0 || rule->direction > (GATEHOUSE_RULE_OUT | GATEHOUSE_RULE_IN))
        return "a rule with an unknown direction";
    if (rule->id == 0)
        return "a rule without an id";
    if ((rule->flags & ~(GATEHOUSE_RULE_LOG | GATEHOUSE_RULE_RAW)) != 0)
        return "a rule with unknown flags";
    if (rule->family != 0 && rule->family != 4 && rule->family != 6)
        return "a rule of an unknown family";
    if (rule->until > GATEHOUSE_UNTIL_REBOOT)
        return "a rule with an unknown end";
    if (rule->place > GATEHOUSE_PLACE_ASK)
        return "a rule at an unknown place";
    if (!all_zero(rule->reserved, sizeof(rule->reserved)) || rule->reserved2 != 0)
        return "a reserved field of a rule is not zero";
    return rule_ends_fault(rule, kept);
}

static bool is_path(const uint8_t *data, uint32_t size)
{
    if (size == 0 || size % 2 != 0)
        return false;
    for (uint32_t i = 0; i < size; i += 2) {
        if (data[i] == 0 && data[i + 1] == 0)
            return false;
    }
    return true;
}

/* Revision, count of sub-authorities, six bytes of authority, sub-authorities. */
static bool is_sid(const uint8_t *data, uint32_t size)
{
    return size >= 8 && data[0] == 1 && data[1] <= 15 && size == 8u + 4u * data[1];
}

/* What the parts of one rule have shown so far. */
struct seen {
    bool ports, icmp_type, protocol, other_than_ports, other_than_icmp, text, file, remote, name;
};

/* In the one form that ids are made of. */
static bool is_name(const uint8_t *data, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        if (data[i] >= 'A' && data[i] <= 'Z')
            return false;
    }
    return name_pattern_is_valid(data, size);
}

static const char *names_fault(const struct gatehouse_rule_part *part, const uint8_t *data, struct seen *seen)
{
    bool again = part->type == GATEHOUSE_PART_TEXT ? seen->text : seen->file;

    switch (part->type) {
    case GATEHOUSE_PART_PROGRAM:
    case GATEHOUSE_PART_PATTERN:
        return is_path(data, part->data_size) ? NULL : "a program that is no path";
    case GATEHOUSE_PART_SHA256:
        return part->data_size == 32 ? NULL : "a SHA-256 that is not 32 bytes long";
    case GATEHOUSE_PART_USER:
    case GATEHOUSE_PART_GROUP:
    case GATEHOUSE_PART_UNIT:
    case GATEHOUSE_PART_CGROUP:
        return is_sid(data, part->data_size) ? NULL : "a user, group, unit or control group that is no SID";
    case GATEHOUSE_PART_TEXT:
        seen->text = true;
        return again ? "a rule with two texts" : NULL;
    case GATEHOUSE_PART_FILE:
        seen->file = true;
        return again ? "a rule with two files" : NULL;
    case GATEHOUSE_PART_NAME:
        seen->name = true;
        return is_name(data, part->data_size) ? NULL : "a name that is none, or not in lower case";
    default:
        return "a part of an unknown kind";
    }
}

static const char *set_part_fault(const struct checked *c, const struct gatehouse_rule_part *part, struct seen *seen)
{
    bool ports = part->type == GATEHOUSE_PART_REMOTE_PORT || part->type == GATEHOUSE_PART_LOCAL_PORT;
    const uint32_t *data = rule_part_data(part);

    if (ports)
        seen->ports = true;
    if (part->type == GATEHOUSE_PART_REMOTE)
        seen->remote = true;
    if (part->data_size != 8 || data[1] != 0)
        return "a part that names no set";
    if (data[0] >= c->header->set_count)
        return "a set that is not there";
    if (ports == (data[0] < c->address_sets))
        return "a set of addresses for ports, or the other way round";
    return NULL;
}

static const char *part_fault(const struct checked *c, const struct gatehouse_rule_part *part, struct seen *seen)
{
    const uint8_t *data = rule_part_data(part);

    switch (part->type) {
    case GATEHOUSE_PART_PROTOCOL:
        if (part->data_size != 1)
            return "a protocol that is not one byte long";
        seen->protocol = true;
        if (data[0] != 6 && data[0] != 17)
            seen->other_than_ports = true;
        if (data[0] != 1 && data[0] != 58)
            seen->other_than_icmp = true;
        return NULL;
    case GATEHOUSE_PART_ICMP_TYPE:
        seen->icmp_type = true;
        return part->data_size == 1 ? NULL : "an ICMP type that is not one byte long";
    case GATEHOUSE_PART_REMOTE:
    case GATEHOUSE_PART_LOCAL:
    case GATEHOUSE_PART_REMOTE_PORT:
    case GATEHOUSE_PART_LOCAL_PORT:
        return set_part_fault(c, part, seen);
    default:
        return names_fault(part, data, seen);
    }
}

static bool parts_check(struct checked *c, const struct gatehouse_rule *rule)
{
    struct seen seen = {false, false, false, false, false, false, false, false, false};
    uint32_t at = (uint32_t)sizeof(*rule);

    for (uint32_t i = 0; i < rule->part_count; i++) {
        const struct gatehouse_rule_part *part = (const void *)((const uint8_t *)rule + at);
        uint32_t left = rule->size - at;
        const char *reason;

        if (left < sizeof(*part))
            return refuse(c, "a rule that ends within a part");
        if (part->size != padded((uint32_t)sizeof(*part) + part->data_size) || part->size > left)
            return refuse(c, "a part whose size does not fit");
        if (!all_zero((const uint8_t *)(part + 1) + part->data_size, part->size - sizeof(*part) - part->data_size))
            return refuse(c, "the padding of a part is not zero");
        reason = part_fault(c, part, &seen);
        if (reason != NULL)
            return refuse(c, reason);
        at += part->size;
    }
    if (at != rule->size)
        return refuse(c, "a rule that goes on behind its parts");
    if (seen.ports && (!seen.protocol || seen.other_than_ports))
        return refuse(c, "ports without TCP or UDP");
    if (seen.icmp_type && (!seen.protocol || seen.other_than_icmp))
        return refuse(c, "an ICMP type without ICMP");
    if (seen.name && seen.remote)
        return refuse(c, "a name beside addresses");
    if (seen.name && rule->direction != GATEHOUSE_RULE_OUT)
        return refuse(c, "a name in a rule for what comes in");
    return true;
}

static bool rule_check(struct checked *c)
{
    const struct gatehouse_rule *rule = (const void *)(c->bytes + c->offset);
    uint32_t left = c->header->size - c->offset;
    const char *reason;

    if (left < sizeof(*rule))
        return refuse(c, "the image ends within a rule");
    if (rule->size < sizeof(*rule) || rule->size % 8 != 0 || rule->size > left || rule->size > GATEHOUSE_RULE_MAX_SIZE)
        return refuse(c, "a rule whose size does not fit");
    if (rule->part_count > GATEHOUSE_RULE_PARTS_MAX)
        return refuse(c, "a rule with too many parts");
    reason = rule_fields_fault(rule, c->kept);
    if (reason != NULL)
        return refuse(c, reason);
    if (!parts_check(c, rule))
        return false;
    c->offset += rule->size;
    return true;
}

static bool header_check(struct checked *c, size_t size)
{
    const struct gatehouse_rules_image *header = c->header;

    if (size < HEADER)
        return refuse(c, "it is shorter than its header");
    if (header->magic != GATEHOUSE_RULES_MAGIC)
        return refuse(c, "it is no image of rules");
    if (header->version != GATEHOUSE_RULES_VERSION)
        return refuse(c, "an image of a version that is not known here");
    if (header->size != size || size % 8 != 0 || size > GATEHOUSE_IMAGE_MAX_SIZE)
        return refuse(c, "its size is not what its header says");
    if (header->flags != 0 || header->reserved != 0)
        return refuse(c, "a reserved field of the header is not zero");
    if (header->set_count > GATEHOUSE_SETS_MAX || header->rule_count > GATEHOUSE_RULES_MAX)
        return refuse(c, "too many sets or rules");
    if (header->check != rule_image_sum(c->bytes, size))
        return refuse(c, "it is damaged: its check value is another");
    return true;
}

static bool image_check(struct checked *c, size_t size)
{
    if (!header_check(c, size))
        return false;
    c->offset = HEADER;
    for (uint32_t i = 0; i < c->header->set_count; i++) {
        if (!set_check(c))
            return false;
    }
    for (uint32_t i = 0; i < c->header->rule_count; i++) {
        c->fault.rule = i;
        if (!rule_check(c))
            return false;
    }
    c->fault.rule = UINT32_MAX;
    return c->offset == c->header->size || refuse(c, "it goes on behind its last rule");
}

bool rule_image_check(const void *image, size_t size, bool kept, struct rule_image_fault *fault)
{
    struct checked c = {image, 0, image, kept, 0, 0, {0, UINT32_MAX, NULL}};
    bool good = image_check(&c, size);

    if (!good && fault != NULL)
        *fault = c.fault;
    return good;
}

/* The record at this place, or NULL at the image's end. */
static const void *record_at(const void *image, const uint8_t *place)
{
    const struct gatehouse_rules_image *header = image;

    return place < (const uint8_t *)image + header->size ? place : NULL;
}

/* A rule has its action and direction, which are not 0, where a set has its reserved field, which is. */
static bool is_set(const struct gatehouse_set *record)
{
    return record != NULL && record->reserved == 0;
}

const struct gatehouse_set *rule_image_set(const void *image, uint32_t number)
{
    const struct gatehouse_set *set = record_at(image, (const uint8_t *)image + HEADER);

    if (!is_set(set))
        return NULL;
    while (number-- != 0 && set != NULL)
        set = rule_image_next_set(image, set);
    return set;
}

const struct gatehouse_set *rule_image_next_set(const void *image, const struct gatehouse_set *set)
{
    const struct gatehouse_set *next = record_at(image, (const uint8_t *)set + set->size);

    return is_set(next) ? next : NULL;
}

const struct gatehouse_rule *rule_image_first_rule(const void *image)
{
    const struct gatehouse_set *record = record_at(image, (const uint8_t *)image + HEADER);

    while (is_set(record))
        record = record_at(image, (const uint8_t *)record + record->size);
    return (const void *)record;
}

const struct gatehouse_rule *rule_image_next_rule(const void *image, const struct gatehouse_rule *rule)
{
    return record_at(image, (const uint8_t *)rule + rule->size);
}

const struct gatehouse_rule_part *rule_first_part(const struct gatehouse_rule *rule)
{
    return rule->part_count == 0 ? NULL : (const void *)(rule + 1);
}

const struct gatehouse_rule_part *rule_next_part(const struct gatehouse_rule *rule,
                                                 const struct gatehouse_rule_part *part)
{
    const uint8_t *next = (const uint8_t *)part + part->size;

    return next < (const uint8_t *)rule + rule->size ? (const void *)next : NULL;
}

uint32_t rule_part_set(const struct gatehouse_rule_part *part)
{
    return *(const uint32_t *)rule_part_data(part);
}

uint64_t rule_set_hash(const struct gatehouse_set *set)
{
    return words_hash(set->kind, set + 1, (size_t)set->count * range_size(set->kind));
}

static uint64_t fields_hash(const struct gatehouse_rule *rule, uint32_t occurrence)
{
    const uint64_t fields[3] = {(uint64_t)rule->action | (uint64_t)rule->direction << 8 | (uint64_t)rule->flags << 16 |
                                    (uint64_t)rule->family << 32 | (uint64_t)rule->until << 40 |
                                    (uint64_t)(rule->place != GATEHOUSE_PLACE_FILE) << 48,
                                rule->lifetime_ms, occurrence};

    return words_hash(GATEHOUSE_RULES_VERSION, fields, sizeof(fields));
}

static bool names_set(const struct gatehouse_rule_part *part)
{
    return part->type >= GATEHOUSE_PART_REMOTE && part->type <= GATEHOUSE_PART_LOCAL_PORT;
}

/* set_hash: of the set it names; else not used. */
static uint64_t part_hash(uint64_t state, const struct gatehouse_rule_part *part, uint64_t set_hash)
{
    const uint64_t head = (uint64_t)part->type << 16 | part->data_size;

    state = words_hash(state, &head, sizeof(head));
    if (names_set(part))
        return words_hash(state, &set_hash, sizeof(set_hash));
    return words_hash(state, part + 1, part->data_size);
}

static bool is_hashed(const struct gatehouse_rule_part *part)
{
    return part->type != GATEHOUSE_PART_TEXT && part->type != GATEHOUSE_PART_FILE;
}

/* One of set_hashes and image is given. */
static uint64_t id_of(const struct gatehouse_rule *rule, const uint64_t *set_hashes, const void *image,
                      uint32_t occurrence)
{
    uint64_t state = fields_hash(rule, occurrence);

    for (const struct gatehouse_rule_part *part = rule_first_part(rule); part != NULL;
         part = rule_next_part(rule, part)) {
        uint64_t set_hash = 0;

        if (names_set(part))
            set_hash = set_hashes != NULL ? set_hashes[rule_part_set(part)]
                                          : rule_set_hash(rule_image_set(image, rule_part_set(part)));
        if (is_hashed(part))
            state = part_hash(state, part, set_hash);
    }
    return state == 0 ? 1 : state;
}

uint64_t rule_id(const struct gatehouse_rule *rule, const uint64_t *set_hashes, uint32_t occurrence)
{
    return id_of(rule, set_hashes, NULL, occurrence);
}

uint64_t rule_image_id(const void *image, const struct gatehouse_rule *rule, uint32_t occurrence)
{
    return id_of(rule, NULL, image, occurrence);
}
