/* SPDX-License-Identifier: MIT */
/*
 * name_table_test.c - core/name_table against a plain array in the order of learning, over random learns, finds and
 * passing time; its bounds; and that every allocation may fail.
 */
#include "core_test.h"

#include "core/name_pattern.h"
#include "core/name_table.h"

#define SECOND    10000000ull
#define MODEL_MAX 65536

static struct test_memory memory;
static struct name_table table;

static struct name_address address_of(unsigned number)
{
    struct name_address address = {number % 2 == 0 ? 4 : 6, {192, 0, 2, (uint8_t)(number / 2)}};

    return address;
}

/* The reference: all that was ever learned, latest last. */
struct model_entry {
    int program; /* 0: any */
    unsigned address;
    char name[24];
    uint64_t until;
    bool gone;
};
static struct model_entry model[MODEL_MAX];
static size_t model_count;
static unsigned model_limit;

static struct name_program program_of(int number)
{
    char path[16];

    return number == 0 ? name_program_of(NULL, 0)
                       : name_program_of(path, (size_t)snprintf(path, sizeof(path), "/p%d", number));
}

static bool same_key(const struct model_entry *a, const struct model_entry *b)
{
    return a->program == b->program && a->address == b->address;
}

/* Forgets the oldest that is (of this program, unless < 0) there, if there are at least so many. */
static void model_bound(int program, unsigned most)
{
    unsigned count = 0;

    for (size_t i = 0; i < model_count; i++)
        count += !model[i].gone && (program < 0 || model[i].program == program);
    for (size_t i = 0; i < model_count && count >= most; i++) {
        if (!model[i].gone && (program < 0 || model[i].program == program)) {
            model[i].gone = true;
            return;
        }
    }
}

static void model_learn(const struct model_entry *learned)
{
    struct model_entry entry = *learned;
    size_t first = MODEL_MAX;
    unsigned count = 0;
    bool same = false;

    for (size_t i = 0; i < model_count; i++) {
        if (model[i].gone || !same_key(&model[i], &entry))
            continue;
        if (strcmp(model[i].name, entry.name) == 0) {
            model[i].gone = same = true;
            if (model[i].until > entry.until)
                entry.until = model[i].until;
        }
        if (first == MODEL_MAX)
            first = i;
        count++;
    }
    if (!same && count == NAME_TABLE_NAMES_MAX)
        model[first].gone = true;
    model_bound(entry.program, model_limit / (entry.program == 0 ? 2 : 4));
    model_bound(-1, model_limit);
    assert_true(model_count < MODEL_MAX);
    model[model_count++] = entry;
}

static const struct model_entry *model_find(int program, unsigned address, uint64_t now, const char *pattern)
{
    for (int pass = 0; pass < 2; pass++, program = 0) {
        for (size_t i = model_count; i-- > 0;) {
            const struct model_entry *e = &model[i];

            if (!e->gone && e->program == program && e->address == address && e->until > now &&
                (pattern == NULL || name_pattern_matches(pattern, strlen(pattern), e->name, strlen(e->name))))
                return e;
        }
    }
    return NULL;
}

static void check_find(int number, unsigned number_of_address, uint64_t now, const char *pattern)
{
    const struct model_entry *wanted = model_find(number, number_of_address, now, NULL);
    struct name_program program = program_of(number);
    struct name_address address = address_of(number_of_address);
    char name[GATEHOUSE_NAME_MAX];
    uint16_t size = name_table_find(&table, &program, &address, now, name);

    assert_int_equal(size, wanted == NULL ? 0 : strlen(wanted->name));
    if (size != 0)
        assert_memory_equal(name, wanted->name, size);
    assert_int_equal(name_table_matches(&table, &program, &address, now, pattern, strlen(pattern)),
                     model_find(number, number_of_address, now, pattern) != NULL);
}

static void same_as_a_list(void **state)
{
    static const char *const patterns[] = {"n1.example.org", "*.example.org", "*.n2.example.org", "example.org"};
    uint64_t now = 77 * SECOND;

    (void)state;
    test_memory_init(&memory);
    model_count = 0;
    model_limit = 120;
    assert_true(name_table_init(&table, &memory.memory, model_limit, 5));
    for (int step = 0; step < 12000; step++) {
        struct model_entry entry = {(int)test_random(6), test_random(20), "", 0, false};
        uint32_t ttl_s = test_random(3) == 0 ? test_random(5000) : 0;
        struct name_program program = program_of(entry.program);
        struct name_address address = address_of(entry.address);

        if (test_random(4) != 0) {
            snprintf(entry.name, sizeof(entry.name), "%sn%u.example.org", test_random(2) == 0 ? "a." : "",
                     test_random(12));
            entry.until = now + (ttl_s < 600 ? 600 : ttl_s) * SECOND;
            model_learn(&entry);
            entry.name[0] = (char)(entry.name[0] - ('a' - 'A')); /* folded */
            assert_true(
                name_table_learn(&table, &program, &address, entry.name, strlen(entry.name), ttl_s * 1000, now));
        }
        now += test_random(20) * SECOND;
        check_find((int)test_random(7), test_random(20), now, patterns[test_random(4)]);
        assert_true(name_table_count(&table) <= model_limit);
    }
    name_table_cleanup(&table);
    assert_int_equal(memory.blocks, 0);
}

static bool learn(const char *program_path, unsigned number, const char *name, uint32_t ttl_ms, uint64_t now)
{
    struct name_program program = name_program_of(program_path, strlen(program_path));
    struct name_address address = address_of(number);

    return name_table_learn(&table, &program, &address, name, strlen(name), ttl_ms, now);
}

static uint16_t find(const char *program_path, unsigned number, uint64_t now)
{
    struct name_program program = name_program_of(program_path, strlen(program_path));
    struct name_address address = address_of(number);
    char name[GATEHOUSE_NAME_MAX];

    return name_table_find(&table, &program, &address, now, name);
}

static void times_have_bounds(void **state)
{
    (void)state;
    test_memory_init(&memory);
    assert_true(name_table_init(&table, &memory.memory, 100, 5));
    assert_true(learn("/a", 1, "short.example", 0, 0));
    assert_int_equal(find("/a", 1, 600 * SECOND - 1), 13);
    assert_int_equal(find("/a", 1, 600 * SECOND), 0);
    assert_true(learn("/a", 1, "long.example", UINT32_MAX, 0));
    assert_int_equal(find("/a", 1, 86400 * SECOND - 1), 12);
    assert_true(learn("/a", 1, "long.example", 0, 1000 * SECOND)); /* what it had stays */
    assert_int_equal(find("/a", 1, 86400 * SECOND - 1), 12);
    assert_int_equal(find("/a", 1, 86400 * SECOND), 0);
    assert_int_equal(name_table_count(&table), 2);
    assert_false(learn("/a", 1, "no name", 0, 0));
    assert_false(learn("/a", 1, "", 0, 0));
    assert_int_equal(name_table_count(&table), 2);
    name_table_cleanup(&table);
}

static void one_program_takes_nobody_elses(void **state)
{
    char name[40];

    (void)state;
    test_memory_init(&memory);
    assert_true(name_table_init(&table, &memory.memory, 400, 5));
    assert_true(learn("/quiet", 1, "example.org", 0, 0));
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "n%u.example", i);
        assert_true(learn("/noisy", i % 500, name, 0, 0));
    }
    assert_int_equal(name_table_count(&table), 101);
    assert_int_equal(find("/quiet", 1, 1), 11);
    /* A program for each name: the table stays bounded, and the oldest go. */
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(name, sizeof(name), "/program%u", i);
        assert_true(learn(name, 1, "example.net", 0, 0));
    }
    assert_int_equal(name_table_count(&table), 400);
    assert_int_equal(find("/quiet", 1, 1), 0);
    assert_int_equal(find("/program1600", 1, 1), 11);
    name_table_cleanup(&table);
    assert_int_equal(memory.blocks, 0);
}

/* As whoever asks does it: by what is kept, else by the digest, which is kept then. */
static struct name_program recall(const void *path, size_t size)
{
    struct name_program program;

    if (!name_table_recall_program(&table, path, size, &program)) {
        program = name_program_of(path, size);
        name_table_keep_program(&table, path, size, &program);
    }
    return program;
}

static void a_digest_is_kept_with_its_path(void **state)
{
    uint8_t path[NAME_TABLE_PATH_MAX + 2];
    struct name_program program;

    (void)state;
    test_memory_init(&memory);
    assert_true(name_table_init(&table, &memory.memory, 400, 5));
    assert_true(name_table_recall_program(&table, NULL, 0, &program));
    assert_memory_equal(&program, &(struct name_program){{0}}, sizeof(program));
    /* Paths of all sizes that differ in any byte, many to a place, again and again. */
    for (unsigned i = 0; i < 20000; i++) {
        size_t size = i % 7 == 0 ? sizeof(path) : 2 + i * 2654435761u / 65536 % 24;
        struct name_program wanted;

        memset(path, 'a', sizeof(path));
        path[i % size] = (uint8_t)('a' + i / 3 % 4);
        wanted = name_program_of(path, size);
        for (unsigned twice = 0; twice < 2; twice++) {
            program = recall(path, size);
            assert_memory_equal(&program, &wanted, sizeof(program));
        }
        assert_int_equal(name_table_recall_program(&table, path, size, &program), size <= NAME_TABLE_PATH_MAX);
    }
    name_table_cleanup(&table);
    assert_int_equal(memory.blocks, 0);
}

static void memory_may_fail(void **state)
{
    (void)state;
    for (long i = 0; i < 12; i++) {
        bool there;

        test_memory_init(&memory);
        memory.fail_at = i;
        there = name_table_init(&table, &memory.memory, 300, 5);
        if (there && !learn("/a", 1, "example.org", 0, 0))
            assert_int_equal(find("/a", 1, 1), 0);
        memory.fail_at = -1;
        if (there) {
            assert_true(learn("/a", 1, "example.net", 0, 0));
            assert_int_equal(find("/a", 1, 1), 11);
        }
        name_table_cleanup(&table);
        assert_int_equal(memory.blocks, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_a_list),
        cmocka_unit_test(times_have_bounds),
        cmocka_unit_test(one_program_takes_nobody_elses),
        cmocka_unit_test(a_digest_is_kept_with_its_path),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
