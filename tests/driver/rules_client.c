/* SPDX-License-Identifier: MIT */
/*
 * rules_client.c - see rules_client.h.
 */
#include "rules_client.h"

#include "core/rule_image.h"

struct nt_file *rules_begin(struct rule_builder *builder)
{
    fixture_load(NULL, 0);
    builder_begin(builder);
    return fixture_open_as(2, GATEHOUSE_ROLE_DECIDER);
}

void rules_end(struct nt_file *decider, struct rule_builder *builder)
{
    builder_free(builder);
    nt_file_close(decider);
    fixture_unload();
}

uint32_t rules_send(struct nt_file *file, const void *image, size_t size, uint32_t flags)
{
    struct gatehouse_rules_begin begin = {GATEHOUSE_PROTOCOL_VERSION, (uint32_t)size, flags, 0};
    NTSTATUS status = fixture_control(file, GATEHOUSE_IOCTL_RULES_BEGIN, &begin, sizeof(begin), NULL, 0, NULL);

    for (size_t at = 0; status == 0 && at < size; at += 65536) {
        size_t piece = size - at < 65536 ? size - at : 65536;

        status = fixture_control(file, GATEHOUSE_IOCTL_RULES_PUT, (const uint8_t *)image + at, piece, NULL, 0, NULL);
    }
    return (uint32_t)status;
}

uint32_t rules_load_image(struct nt_file *file, const void *image, size_t size, uint32_t flags)
{
    uint32_t status = rules_send(file, image, size, flags);

    if (status != 0)
        return status;
    return (uint32_t)fixture_control(file, GATEHOUSE_IOCTL_RULES_COMMIT, NULL, 0, NULL, 0, NULL);
}

uint32_t rules_load_built(struct nt_file *file, struct rule_builder *builder)
{
    builder_finish(builder);
    return rules_load_image(file, builder->image, builder->size, 0);
}

uint32_t rules_add_built(struct nt_file *file, struct rule_builder *builder)
{
    builder_finish(builder);
    return (uint32_t)fixture_control(file, GATEHOUSE_IOCTL_RULES_ADD, builder->image, builder->size, NULL, 0, NULL);
}

uint32_t rules_remove_id(struct nt_file *file, uint64_t id)
{
    return (uint32_t)fixture_control(file, GATEHOUSE_IOCTL_RULES_REMOVE, &id, sizeof(id), NULL, 0, NULL);
}

void *rules_get(struct nt_file *file, struct gatehouse_rules_piece *piece)
{
    static _Alignas(8) uint8_t answer[sizeof(*piece) + 100 * 1024];
    struct gatehouse_rules_get get = {0, 0};
    uint8_t *image = NULL;
    size_t information;

    do {
        assert_int_equal(
            fixture_control(file, GATEHOUSE_IOCTL_RULES_GET, &get, sizeof(get), answer, sizeof(answer), &information),
            0);
        memcpy(piece, answer, sizeof(*piece));
        assert_int_equal(information, sizeof(*piece) + piece->size);
        assert_true(get.generation == 0 || piece->generation == get.generation);
        get.generation = piece->generation;
        if (image == NULL)
            image = malloc(piece->total);
        memcpy(image + get.offset, answer + sizeof(*piece), piece->size);
        get.offset += piece->size;
    } while (get.offset < piece->total && piece->size != 0);
    assert_int_equal(get.offset, piece->total);
    assert_true(rule_image_check(image, piece->total, true, NULL));
    return image;
}

void rules_settle(void)
{
    for (int i = 0; i < 60; i++) {
        thread_settle();
        fixture_advance(2 * MS);
    }
    thread_settle();
}
