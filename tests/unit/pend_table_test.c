/* SPDX-License-Identifier: MIT */
/*
 * pend_table_test.c - core/pend_table against a model that keeps everything in one array and searches it.
 */
#include "core_test.h"

#include "core/pend_table.h"

#define MODEL_MAX 400
#define CAPACITY  300u
#define OWNERS    2
#define PROGRAMS  4
#define ENDPOINTS 12
#define TICK      DEADLINE_WHEEL_TICK

struct model_entry {
    struct pend_entry *entry;
    uint64_t id;
    uint64_t place; /* lower: earlier in the queue */
    enum pend_state state;
    enum gatehouse_verdict verdict;
    int owner;
    int program;
    uint64_t endpoint;
    struct destination to;
    uint64_t deadline;
    uint64_t offer;
    bool reoffered;
};

static struct model_entry model[MODEL_MAX];
static uint64_t model_place, model_front, model_offer;
static uint64_t now;
static struct test_memory memory;
static struct pend_table table;
static struct pend_owner owners[OWNERS];
static struct list_link claimed;
static const char *const paths[PROGRAMS] = {"a", "bc", "a longer path than the others", ""};

static int count_state(enum pend_state state)
{
    int count = 0;
    for (int i = 0; i < MODEL_MAX; i++)
        count += model[i].state == state;
    return count;
}

static int any_in(enum pend_state low, enum pend_state high)
{
    int start = (int)test_random(MODEL_MAX);
    for (int i = 0; i < MODEL_MAX; i++) {
        struct model_entry *m = &model[(start + i) % MODEL_MAX];
        if (m->state >= low && m->state <= high)
            return (int)(m - model);
    }
    return -1;
}

static struct model_entry *model_of(const struct pend_entry *entry)
{
    for (int i = 0; i < MODEL_MAX; i++) {
        if (model[i].state != PEND_FREE && model[i].entry == entry)
            return &model[i];
    }
    fail_msg("the table returned an entry the model does not know");
    return NULL;
}

static void fill_connection(struct connection *c, uint64_t endpoint)
{
    memset(c, 0, sizeof(*c));
    c->endpoint = endpoint;
    c->ip_version = test_random(3) == 0 ? 6 : 4;
    c->protocol = test_random(2) ? 6 : 17;
    c->remote_port = (uint16_t)(80 + test_random(3));
    c->remote_address[0] = 10;
    c->remote_address[3] = (uint8_t)test_random(3);
    c->held_at = now;
    c->deadline = now + TICK / 3 * (1 + test_random(3000));
}

static void op_park(void)
{
    int i = any_in(PEND_FREE, PEND_FREE);
    int program = (int)test_random(PROGRAMS + 1) - 1;
    struct pend_entry *entry = NULL;
    size_t size = program < 0 ? 0 : strlen(paths[program]);
    enum pend_result result;
    bool full = pend_table_held(&table) == CAPACITY;

    memory.fail_at = test_random(8) == 0 ? (long)test_random(3) : -1;
    result = pend_table_reserve(&table, program < 0 ? NULL : paths[program], size, &entry);
    memory.fail_at = -1;
    if (full)
        assert_int_equal(result, PEND_FULL);
    if (result != PEND_OK) {
        assert_null(entry);
        return;
    }
    for (int k = 0; k < MODEL_MAX; k++)
        assert_true(model[k].state == PEND_FREE || model[k].id != entry->slot.id);
    if (test_random(10) == 0) {
        pend_table_abandon(&table, entry);
        return;
    }
    fill_connection(&entry->connection, 1 + test_random(ENDPOINTS));
    if (test_random(2) == 0) {
        pend_table_set_name(&table, entry, "example.org", 11);
        assert_true(entry->name != NULL && entry->name->path_size == 11);
    }
    model[i] = (struct model_entry){.entry = entry, .id = entry->slot.id, .program = program};
    model[i].endpoint = entry->connection.endpoint;
    model[i].to = connection_destination(&entry->connection);
    model[i].deadline = entry->connection.deadline;
    model[i].owner = -1;
    if (test_random(12) == 0) {
        pend_table_park_claimed(&table, entry, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_BY_NO_DECIDER, &claimed);
        model[i].state = PEND_CLAIMED;
        model[i].verdict = GATEHOUSE_VERDICT_BLOCK;
        assert_ptr_equal(pend_claimed_take(&claimed), entry);
        return;
    }
    pend_table_park(&table, entry);
    model[i].state = PEND_QUEUED;
    model[i].place = ++model_place;
}

/* With one owner at a time offering, the front is exact for both versions. */
static struct model_entry *model_peek(uint32_t versions)
{
    struct model_entry *best = NULL;
    for (int i = 0; i < MODEL_MAX; i++) {
        uint32_t version = model[i].to.ip_version == 6 ? PEND_IPV6 : PEND_IPV4;
        if (model[i].state == PEND_QUEUED && (versions & version) != 0 &&
            (best == NULL || model[i].place < best->place))
            best = &model[i];
    }
    return best;
}

static void op_offer(int owner)
{
    uint32_t versions = test_random(4) == 0 ? PEND_IPV4 : PEND_ANY;
    struct model_entry *expected = model_peek(versions);
    struct pend_entry *entry = pend_table_peek(&table, versions);

    assert_ptr_equal(entry, expected == NULL ? NULL : expected->entry);
    if (entry == NULL)
        return;
    pend_table_offer(&table, entry, &owners[owner]);
    expected->state = PEND_OFFERED;
    expected->owner = owner;
    expected->offer = ++model_offer;
    assert_int_equal((entry->connection.flags & GATEHOUSE_REQUEST_REOFFERED) != 0, expected->reoffered);
}

static void op_give_back(int owner)
{
    uint32_t in_hand = 0, moved = 0, step;

    for (int i = 0; i < MODEL_MAX; i++)
        in_hand += model[i].state == PEND_OFFERED && model[i].owner == owner;
    do {
        step = pend_table_give_back(&table, &owners[owner], 3);
        moved += step;
    } while (step == 3);
    assert_int_equal(moved, in_hand);
    for (int i = 0; i < MODEL_MAX; i++) {
        if (model[i].state == PEND_OFFERED && model[i].owner == owner) {
            model[i].state = PEND_QUEUED;
            model[i].owner = -1;
            model[i].reoffered = true;
        }
    }
}

static void model_claim(struct model_entry *m, enum gatehouse_verdict verdict)
{
    m->state = PEND_CLAIMED;
    m->verdict = verdict;
    m->owner = -1;
}

static void op_claim(void)
{
    int i = any_in(PEND_QUEUED, PEND_REAUTHED);
    int owner = (int)test_random(OWNERS);
    struct pend_entry *entry = NULL;
    enum gatehouse_verdict verdict = test_random(2) ? GATEHOUSE_VERDICT_PERMIT : GATEHOUSE_VERDICT_BLOCK;
    enum pend_result result, expected;

    if (i < 0)
        return;
    expected = model[i].state >= PEND_CLAIMED ? PEND_DECIDED : model[i].owner == owner ? PEND_OK : PEND_NOT_YOURS;
    result = pend_table_find(&table, model[i].id, &owners[owner], &entry);
    assert_int_equal(result, expected);
    assert_int_equal(pend_table_find(&table, model[i].id + (1ull << 32), &owners[owner], &entry), PEND_UNKNOWN);
    assert_int_equal(pend_table_claim(&table, model[i].entry, verdict, GATEHOUSE_BY_DECIDER, &claimed),
                     model[i].state < PEND_CLAIMED);
    if (model[i].state < PEND_CLAIMED) {
        model_claim(&model[i], verdict);
        assert_ptr_equal(pend_claimed_take(&claimed), model[i].entry);
    }
    assert_null(pend_claimed_take(&claimed));
}

static void op_finish(void)
{
    int i = any_in(PEND_CLAIMED, PEND_REAUTHED);

    if (i < 0)
        return;
    if (model[i].state == PEND_CLAIMED && test_random(2)) {
        pend_table_completing(&table, model[i].entry);
        model[i].state = PEND_COMPLETING;
        return;
    }
    pend_table_release(&table, model[i].entry);
    assert_int_equal(pend_table_find(&table, model[i].id, NULL, NULL), PEND_UNKNOWN);
    model[i].state = PEND_FREE;
}

static void op_reauthorize(void)
{
    int i = any_in(PEND_QUEUED, PEND_REAUTHED);
    enum gatehouse_verdict verdict = GATEHOUSE_VERDICT_NONE, expected = GATEHOUSE_VERDICT_NONE;
    struct pend_entry *entry;

    if (i < 0)
        return;
    for (int k = 0; k < MODEL_MAX; k++) {
        if (model[k].state < PEND_COMPLETING || model[k].endpoint != model[i].endpoint ||
            !destination_equal(&model[k].to, &model[i].to))
            continue;
        if (expected == GATEHOUSE_VERDICT_NONE)
            expected = model[k].verdict;
        else if (expected != model[k].verdict)
            expected = GATEHOUSE_VERDICT_BLOCK;
    }
    entry = pend_table_reauthorize(&table, model[i].endpoint, &model[i].to, &verdict);
    assert_int_equal(verdict, expected);
    assert_int_equal(entry != NULL, expected != GATEHOUSE_VERDICT_NONE);
    if (entry != NULL)
        model_of(entry)->state = PEND_REAUTHED;
}

static void op_covered(void)
{
    int i = any_in(PEND_QUEUED, PEND_OFFERED);
    const struct destination *to;
    const struct program *program;
    struct pend_entry *entry;
    int count = 0, expected = 0;

    if (i < 0 || model[i].program < 0 || test_random(8) != 0)
        return;
    to = test_random(3) ? &model[i].to : NULL;
    program = model[i].entry->program;
    for (int k = 0; k < MODEL_MAX; k++)
        expected += (model[k].state == PEND_QUEUED || model[k].state == PEND_OFFERED) &&
                    model[k].program == model[i].program && (to == NULL || destination_equal(&model[k].to, to));
    while ((entry = pend_table_covered(&table, program, to)) != NULL) {
        struct model_entry *m = model_of(entry);
        assert_int_equal(m->program, model[i].program);
        assert_true(to == NULL || destination_equal(&m->to, to));
        assert_true(pend_table_claim(&table, entry, GATEHOUSE_VERDICT_PERMIT, GATEHOUSE_BY_ANSWER, &claimed));
        pend_claimed_take(&claimed);
        model_claim(m, GATEHOUSE_VERDICT_PERMIT);
        count++;
    }
    assert_int_equal(count, expected);
}

/* A walk sees what was undecided when it began, in order, but for what others claimed meanwhile; never twice. */
static struct pend_walk walk;
static struct program *walked; /* NULL: no walk */
static uint64_t walk_place, walk_end;

static struct model_entry *model_walk_next(void)
{
    struct model_entry *best = NULL;

    for (int k = 0; k < MODEL_MAX; k++) {
        struct model_entry *m = &model[k];

        if ((m->state == PEND_QUEUED || m->state == PEND_OFFERED) && m->entry->program == walked &&
            m->place > walk_place && m->place <= walk_end && (best == NULL || m->place < best->place))
            best = m;
    }
    return best;
}

static void op_walk(void)
{
    int i = any_in(PEND_QUEUED, PEND_OFFERED);
    struct model_entry *expected;

    if (walked == NULL && i >= 0 && model[i].program >= 0) {
        walked = model[i].entry->program;
        program_reference(walked);
        pend_walk_begin(&table, &walk, walked);
        walk_place = 0;
        walk_end = model_place;
    }
    if (walked == NULL)
        return;
    expected = model_walk_next();
    assert_ptr_equal(pend_walk_next(&table, &walk), expected == NULL ? NULL : expected->entry);
    if (expected != NULL)
        walk_place = expected->place;
    if (expected != NULL && test_random(3) == 0) {
        assert_true(pend_table_claim(&table, expected->entry, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_BY_ANSWER, &claimed));
        pend_claimed_take(&claimed);
        model_claim(expected, GATEHOUSE_VERDICT_BLOCK);
    }
    if (expected == NULL || test_random(50) == 0) {
        pend_walk_end(&table, &walk);
        program_table_put(&table.programs, walked);
        walked = NULL;
    }
}

static void op_close(void)
{
    uint64_t endpoint = 1 + test_random(ENDPOINTS);
    uint32_t expected = 0;
    struct pend_entry *entry;

    if (test_random(10) != 0)
        return;
    for (int k = 0; k < MODEL_MAX; k++)
        expected += model[k].endpoint == endpoint && (model[k].state == PEND_QUEUED || model[k].state == PEND_OFFERED);
    assert_int_equal(pend_table_endpoint_closed(&table, endpoint, &claimed), expected);
    while ((entry = pend_claimed_take(&claimed)) != NULL)
        model_claim(model_of(entry), GATEHOUSE_VERDICT_BLOCK);
    for (int k = 0; k < MODEL_MAX; k++) {
        if (model[k].state != PEND_FREE && model[k].endpoint == endpoint)
            assert_true(model[k].state >= PEND_CLAIMED && model[k].entry->endpoint_gone);
    }
}

static void op_time(void)
{
    uint64_t next = pend_table_next_deadline(&table), earliest = DEADLINE_NEVER;
    struct pend_entry *entry;

    for (int k = 0; k < MODEL_MAX; k++) {
        if ((model[k].state == PEND_QUEUED || model[k].state == PEND_OFFERED) && model[k].deadline < earliest)
            earliest = model[k].deadline;
    }
    if (earliest == DEADLINE_NEVER)
        assert_true(next == DEADLINE_NEVER);
    else
        assert_true(next != DEADLINE_NEVER && next <= (earliest > now ? earliest : now) + 2 * TICK);
    now += test_random((uint32_t)TICK * 4);
    while ((entry = pend_table_expired(&table, now)) != NULL) {
        struct model_entry *m = model_of(entry);
        assert_true(m->deadline <= now);
        assert_true(pend_table_claim(&table, entry, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_BY_DEADLINE, &claimed));
        pend_claimed_take(&claimed);
        model_claim(m, GATEHOUSE_VERDICT_BLOCK);
    }
    for (int k = 0; k < MODEL_MAX; k++) {
        if (model[k].state == PEND_QUEUED || model[k].state == PEND_OFFERED)
            assert_true(model[k].deadline + TICK > now);
    }
}

static void random_operations(void **state)
{
    (void)state;
    test_memory_init(&memory);
    list_init(&claimed);
    assert_true(pend_table_init(&table, &memory.memory, CAPACITY, 42));
    for (int i = 0; i < OWNERS; i++)
        pend_owner_init(&owners[i]);
    now = 1000000000ull;
    int decider = 0;
    for (int step = 0; step < 60000; step++) {
        switch (test_random(14)) {
        case 0:
        case 1:
        case 2:
        case 3:
            op_park();
            break;
        case 4:
        case 5:
        case 6:
            op_offer(decider);
            break;
        case 7:
            if (test_random(20) == 0) {
                op_give_back(decider);
                decider = !decider;
            }
            break;
        case 8:
            op_walk();
            break;
        case 9:
            op_claim();
            break;
        case 10:
            op_finish();
            op_finish();
            op_finish();
            break;
        case 11:
            op_reauthorize();
            break;
        case 12:
            op_covered();
            op_close();
            break;
        default:
            op_time();
        }
        assert_int_equal(table.queued, count_state(PEND_QUEUED));
        assert_int_equal(table.offered, count_state(PEND_OFFERED));
        assert_int_equal(pend_table_held(&table), MODEL_MAX - count_state(PEND_FREE));
    }
    if (walked != NULL) {
        pend_walk_end(&table, &walk);
        program_table_put(&table.programs, walked);
    }
    for (int i = 0; i < MODEL_MAX; i++) {
        if (model[i].state == PEND_QUEUED || model[i].state == PEND_OFFERED)
            pend_table_claim(&table, model[i].entry, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_BY_UNLOAD, &claimed);
        if (model[i].state != PEND_FREE)
            pend_table_release(&table, model[i].entry);
    }
    pend_table_cleanup(&table);
    assert_int_equal(memory.blocks, 0);
    (void)model_front;
}

/* A slot's id comes back only after all other slots were used and with another generation. */
static void ids_are_not_soon_reused(void **state)
{
    struct pend_entry *entry;
    uint64_t first;

    (void)state;
    test_memory_init(&memory);
    assert_true(pend_table_init(&table, &memory.memory, 1000, 1));
    assert_int_equal(pend_table_reserve(&table, NULL, 0, &entry), PEND_OK);
    first = entry->slot.id;
    pend_table_abandon(&table, entry);
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(pend_table_reserve(&table, NULL, 0, &entry), PEND_OK);
        assert_true(entry->slot.id != first);
        pend_table_abandon(&table, entry);
    }
    pend_table_cleanup(&table);
    assert_int_equal(memory.blocks, 0);
}

/* Every allocation of setting up and parking fails in turn: a clean refusal, nothing lost. */
static void memory_failures(void **state)
{
    (void)state;
    for (long n = 0;; n++) {
        struct pend_entry *entry = NULL;
        bool failed;

        test_memory_init(&memory);
        memory.fail_at = n;
        if (pend_table_init(&table, &memory.memory, 10000, 1)) {
            if (pend_table_reserve(&table, "path", 4, &entry) == PEND_OK) {
                fill_connection(&entry->connection, 1);
                pend_table_park(&table, entry);
                list_init(&claimed);
                assert_true(pend_table_claim(&table, entry, GATEHOUSE_VERDICT_BLOCK, GATEHOUSE_BY_UNLOAD, &claimed));
                pend_table_release(&table, entry);
            }
            failed = memory.fail_at < 0;
            pend_table_cleanup(&table);
        } else {
            failed = true;
        }
        assert_int_equal(memory.blocks, 0);
        if (!failed)
            break;
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),
        cmocka_unit_test(ids_are_not_soon_reused),
        cmocka_unit_test(memory_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
