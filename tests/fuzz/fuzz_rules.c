/* SPDX-License-Identifier: MIT */
/*
 * fuzz_rules.c - see fuzz_rules.h.
 */
#include "tests/fuzz/fuzz_rules.h"

#include <string.h>

#include "gatehouse/rules.h"

static void put_part(struct fuzz_bytes *in, struct rule_builder *rules)
{
    static const char *const programs[] = {"/bin/a", "/bin/*", "/**", "/bin/b", ""};
    static const char *const names[] = {"a.example", "*.example", "*.a.example", "b", "A.example", "*"};
    unsigned bits = fuzz_byte(in), low = fuzz_byte(in);
    const uint8_t sid[12] = {1, 1, 0, 0, 0, 0, 0, 22, (uint8_t)low};

    switch (bits % 8) {
    case 0:
    case 1:
        builder_text(rules, (uint16_t)(GATEHOUSE_PART_PROGRAM + bits % 2), programs[low % 5]);
        break;
    case 2:
        builder_part(rules, (uint16_t)(GATEHOUSE_PART_USER + low % 4), sid, sizeof(sid));
        break;
    case 3:
        builder_byte(rules, GATEHOUSE_PART_PROTOCOL, (bits & 8) != 0 ? 6 : (uint8_t)low);
        break;
    case 4:
        builder_set_part(rules, (uint16_t)(GATEHOUSE_PART_REMOTE + (bits >> 7)),
                         builder_v4(rules, 0xc0000200u + low, 0xc0000200u + low + (bits >> 3)));
        break;
    case 5:
        builder_byte(rules, GATEHOUSE_PART_PROTOCOL, 6);
        builder_set_part(rules, (uint16_t)(GATEHOUSE_PART_REMOTE_PORT + (bits >> 7)),
                         builder_port(rules, (uint16_t)low, (uint16_t)(low + (bits >> 3))));
        break;
    case 6:
        if (bits >= 224)
            builder_part(rules, GATEHOUSE_PART_NAME, names[low % 6], strlen(names[low % 6]));
        else
            builder_byte(rules, GATEHOUSE_PART_ICMP_TYPE, (uint8_t)low);
        break;
    default: /* not the kinds that name sets: the builder looks those up */
        builder_text(rules, (uint16_t)(low % 16 < 8 ? 1 + low % 16 : 5 + low % 16), "text");
        break;
    }
}

void fuzz_rules(struct fuzz_bytes *in, struct rule_builder *rules)
{
    unsigned count = fuzz_below(in, 6), how = fuzz_byte(in);

    builder_free(rules);
    builder_begin(rules);
    for (unsigned i = 0; i < count; i++) {
        unsigned bits = fuzz_byte(in), more = fuzz_byte(in);
        struct gatehouse_rule *rule = builder_rule(rules, (uint8_t)(1 + bits % 3), (uint8_t)((bits >> 2) % 3 + 1));

        rule->flags = bits >> 6;
        rule->place = how % 4 == 0 ? (uint8_t)(1 + more % 2) : GATEHOUSE_PLACE_FILE;
        rule->until = more >= 128 ? (uint8_t)(more / 8 % 4) : 0;
        rule->lifetime_ms = rule->until == GATEHOUSE_UNTIL_TIME ? 1 + fuzz_below(in, 5000) : 0;
        for (unsigned parts = (more >> 1) % 4; parts != 0; parts--)
            put_part(in, rules);
    }
    builder_finish(rules);
    if (how < 192)
        return;
    rules->image[fuzz_below(in, 4096) % rules->size] = fuzz_byte(in);
    if (how < 240)
        builder_check(rules);
}

size_t fuzz_put_names(struct fuzz_bytes *in, uint8_t *bytes)
{
    struct gatehouse_names head = {GATEHOUSE_PROTOCOL_VERSION, 1 + fuzz_below(in, 3)};
    size_t size = sizeof(head);

    memcpy(bytes, &head, sizeof(head));
    for (unsigned i = 0; i < head.count; i++) {
        unsigned bits = fuzz_byte(in);
        struct gatehouse_name record = {.ttl_ms = bits << 16, .name_size = (uint16_t)(1 + bits % 8), .ip_version = 4};

        record.size = (uint32_t)(sizeof(record) + 8);
        memcpy(record.address, (const uint8_t[]){192, 0, 2, (uint8_t)(bits >> 6)}, 4);
        memcpy(bytes + size, &record, sizeof(record));
        memset(bytes + size + sizeof(record), 0, 8);
        memset(bytes + size + sizeof(record), 'a' + (int)(bits % 4), record.name_size);
        size += record.size;
    }
    return size;
}
