/* SPDX-License-Identifier: MIT */
/*
 * hash_index_test.c - core/hash_index and core/group_index against arrays, with few keys so that they collide.
 */
#include "core_test.h"

#include "core/group_index.h"

#define ITEMS 3000

struct item {
    struct hash_node node;
    struct group_link link;
    uint32_t key;
    bool in;
};

static struct item items[ITEMS];

static void nodes_are_found(void **state)
{
    struct test_memory memory;
    struct hash_index index;

    (void)state;
    test_memory_init(&memory);
    assert_true(hash_index_init(&index, &memory.memory, 4000, 3));
    memset(items, 0, sizeof(items));
    for (int step = 0; step < 100000; step++) {
        struct item *item = &items[test_random(ITEMS)];
        if (step == 50000)
            memory.fail_at = 0; /* growing fails once: still all found */
        if (item->in) {
            hash_index_remove(&index, &item->node);
        } else {
            item->key = test_random(700) * 0x10001u;
            hash_index_insert(&index, &item->node, item->key);
        }
        item->in = !item->in;
        if (step % 997 == 0) {
            uint32_t key = test_random(700) * 0x10001u, expected = 0, found = 0;
            for (int i = 0; i < ITEMS; i++)
                expected += items[i].in && items[i].key == key;
            for (struct hash_node *node = hash_index_first(&index, key); node != NULL; node = hash_index_next(node)) {
                assert_true(core_container(node, struct item, node)->in);
                found++;
            }
            assert_int_equal(found, expected);
        }
    }
    hash_index_cleanup(&index);
    assert_int_equal(memory.blocks, 0);
}

static bool item_matches(const struct group_link *link, const void *key)
{
    return core_container(link, struct item, link)->key == *(const uint32_t *)key;
}

static void groups_are_whole(void **state)
{
    struct test_memory memory;
    struct group_index index;

    (void)state;
    test_memory_init(&memory);
    assert_true(group_index_init(&index, &memory.memory, 100, 3, item_matches));
    memset(items, 0, sizeof(items));
    for (int step = 0; step < 100000; step++) {
        struct item *item = &items[test_random(ITEMS)];
        uint32_t key = test_random(60);
        if (item->in) {
            group_index_remove(&index, &item->link);
            group_index_remove(&index, &item->link);
        } else {
            item->key = key;
            group_index_insert(&index, &item->link, key % 7, &key); /* different keys share hashes */
        }
        item->in = !item->in;
        if (step % 97 == 0) {
            uint32_t expected = 0, found = 0;
            struct group_link *leader = group_index_find(&index, key % 7, &key);
            for (int i = 0; i < ITEMS; i++)
                expected += items[i].in && items[i].key == key;
            for (struct group_link *link = leader; link != NULL; link = group_next(leader, link))
                found += core_container(link, struct item, link)->key == key;
            assert_int_equal(found, expected);
        }
    }
    group_index_cleanup(&index);
    assert_int_equal(memory.blocks, 0);
}

static void hashes_depend_on_everything(void **state)
{
    (void)state;
    assert_true(hash_finish(hash_add_bytes(1, "abc", 3)) != hash_finish(hash_add_bytes(2, "abc", 3)));
    assert_true(hash_finish(hash_add_bytes(1, "abc\0", 4)) != hash_finish(hash_add_bytes(1, "abc", 3)));
    assert_true(hash_finish(hash_add_bytes(1, "12345678", 8)) != hash_finish(hash_add_bytes(1, "12345678\0", 9)));
    assert_true(hash_finish(hash_add(hash_add(1, 2), 3)) != hash_finish(hash_add(hash_add(1, 3), 2)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nodes_are_found), cmocka_unit_test(groups_are_whole),
                                       cmocka_unit_test(hashes_depend_on_everything)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
