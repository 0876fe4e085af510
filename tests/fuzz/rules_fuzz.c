/* SPDX-License-Identifier: MIT */
/*
 * rules_fuzz.c - an image of rules from somebody else, as the driver gets it.
 *
 * The first byte says whether the check value is mended, so that what lies behind it is reached. An image that
 * rule_image_check takes is walked within its bytes, printed, asked about connections made of its own numbers, and
 * differs in nothing from itself. The rule that policy_match finds is the first that matches by itself.
 */
#include "core/rule_image.h"
#include "policy/diff.h"
#include "policy/match.h"
#include "policy/print.h"
#include "tests/fuzz/fuzz.h"

#define RULES_LOOKED_AT 32u

static void check_bounds(const uint8_t *image, size_t size)
{
    const struct gatehouse_rules_image *header = (const void *)image;
    const struct gatehouse_rule *rule = rule_image_first_rule(image);

    for (uint32_t i = 0; i < header->rule_count; i++, rule = rule_image_next_rule(image, rule)) {
        const struct gatehouse_rule_part *part = rule_first_part(rule);
        uint32_t count = 0;

        fuzz_check((const uint8_t *)rule >= image && (const uint8_t *)rule + rule->size <= image + size);
        for (; part != NULL; part = rule_next_part(rule, part), count++)
            fuzz_check((const uint8_t *)part + part->size <= (const uint8_t *)rule + rule->size);
        fuzz_check(count == rule->part_count);
    }
    fuzz_check(header->rule_count == 0 || rule == NULL);
}

static void make_connection(struct fuzz_bytes *in, struct policy_connection *c, struct policy_sid *sid,
                            const uint8_t *image, size_t size)
{
    static const char *const names[] = {"www.example.org", "example.net", "router"};
    uint8_t flags = fuzz_byte(in);

    *c = (struct policy_connection){.direction = (flags & 1) != 0 ? GATEHOUSE_RULE_IN : GATEHOUSE_RULE_OUT,
                                    .family = (flags & 2) != 0 ? 6 : 4,
                                    .protocol = fuzz_byte(in),
                                    .raw = (flags & 4) != 0,
                                    .has_local = (flags & 8) != 0,
                                    .has_remote = true,
                                    .has_local_port = (flags & 16) != 0,
                                    .has_remote_port = true,
                                    .has_icmp_type = (flags & 32) != 0,
                                    .has_sha256 = (flags & 64) != 0,
                                    .names = names,
                                    .name_count = flags >> 6};
    c->local_port = (uint16_t)fuzz_number(in, 2);
    c->remote_port = (uint16_t)fuzz_number(in, 2);
    c->icmp_type = fuzz_byte(in);
    /* Addresses and programs from the image itself: others seldom match. */
    for (unsigned i = 0; i < 16; i++) {
        c->local[i] = image[(fuzz_byte(in) * 7u + i) % size];
        c->remote[i] = image[(c->remote_port + i) % size];
    }
    c->program = image + c->local_port % size;
    c->program_size = (size - c->local_port % size) / 2 > 40 ? 40 : (size - c->local_port % size) / 2 * 2;
    sid->size = 8;
    memcpy(sid->bytes, image, 8);
    c->sids = sid;
    c->sid_count = 1;
}

static void check_match(const uint8_t *image, size_t size, const struct policy_sets *sets, struct fuzz_bytes *in)
{
    const struct gatehouse_rules_image *header = (const void *)image;
    const struct gatehouse_rule *rule = rule_image_first_rule(image), *found;
    struct policy_connection connection;
    struct policy_sid sid;
    uint32_t number = UINT32_MAX;

    make_connection(in, &connection, &sid, image, size);
    found = policy_match(image, sets, &connection, &number, NULL, NULL);
    for (uint32_t i = 0; i < header->rule_count && i < RULES_LOOKED_AT; i++, rule = rule_image_next_rule(image, rule)) {
        char why[POLICY_WHY_MAX] = "";
        bool matches = policy_rule_matches(sets, rule, &connection, why, sizeof(why));

        fuzz_check(matches == (why[0] == '\0'));
        fuzz_check(matches ? found != NULL && number <= i : number != i);
    }
}

static void check_image(const uint8_t *image, size_t size, struct fuzz_bytes *in)
{
    const struct gatehouse_rules_image *header = (const void *)image;
    const struct gatehouse_rule *rule = rule_image_first_rule(image);
    struct policy_difference *list = NULL;
    struct policy_sets sets;
    size_t count = 0;

    check_bounds(image, size);
    fuzz_check(policy_sets_init(&sets, image));
    for (uint32_t i = 0; i < header->rule_count && i < RULES_LOOKED_AT; i++, rule = rule_image_next_rule(image, rule)) {
        char *line = policy_print_rule(&sets, rule, NULL);

        fuzz_check(line != NULL && strchr(line, '\n') == NULL);
        free(line);
    }
    for (unsigned i = 0; i < 4; i++)
        check_match(image, size, &sets, in);
    fuzz_check(policy_diff(image, image, false, &list, &count));
    fuzz_check(count == 0);
    free(list);
    policy_sets_cleanup(&sets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rule_image_fault fault = {0};
    struct fuzz_bytes in = {data, size};
    uint8_t *image;

    if (size < 1 + sizeof(struct gatehouse_rules_image))
        return 0;
    image = malloc(size - 1);
    fuzz_check(image != NULL);
    memcpy(image, data + 1, size - 1);
    if ((data[0] & 1) != 0) {
        struct gatehouse_rules_image *header = (void *)image;

        header->size = (uint32_t)(size - 1);
        header->check = rule_image_sum(image, size - 1);
    }
    if (rule_image_check(image, size - 1, (data[0] & 2) != 0, &fault))
        check_image(image, size - 1, &in);
    else
        fuzz_check(fault.reason != NULL && fault.offset <= size - 1);
    free(image);
    return 0;
}
