/* SPDX-License-Identifier: MIT */
/*
 * unwind_test.c - stepping out of routines by their unwind tables, whole and damaged.
 *
 * The oracle runs forwards: a random prolog is carried out step by step on random registers and a stack, its unwind
 * codes are written as "x64 exception handling" describes them, and unwinding from any point has to give back what
 * the registers held before the call.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pe/unwind.h"

#define IMAGE_SIZE  0x4000u
#define TABLE_AT    0x3000u /* .pdata */
#define INFO_AT     0x3400u /* .xdata */
#define FUNCTIONS   32u
#define CODE_AT     0x100u
#define CODE_SIZE   0x100u
#define STACK_WORDS 16384u
#define STEPS_MOST  24u
#define RETURN_TO   0x140001234u

static uint8_t *memory;
static uintptr_t *stack;
static struct pe_image image = {.size = IMAGE_SIZE, .functions = {TABLE_AT, FUNCTIONS * 12}};
static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static unsigned below(unsigned limit)
{
    return (unsigned)(next_random() % limit);
}

static void put(uint32_t at, uint64_t value, unsigned size)
{
    memcpy(memory + at, &value, size);
}

/* --- A function, and the machine that runs its prolog ---------------------------------------- */

enum kind { PUSH, ALLOC_SMALL, ALLOC_LARGE, ALLOC_FAR, SET_FRAME, SAVE, SAVE_FAR, SAVE_VECTOR };

struct step {
    enum kind kind;
    unsigned number; /* of the register */
    uint32_t operand;
    unsigned end; /* offset of the instruction behind it */
};

struct prolog {
    unsigned count, size;
    unsigned frame_register, frame_offset; /* in 16 bytes */
    struct step steps[STEPS_MOST];
};

static const unsigned kept[] = {3, 5, 6, 7, 12, 13, 14, 15}; /* the nonvolatile ones */

static void add_step(struct prolog *prolog, enum kind kind, unsigned number, uint32_t operand)
{
    prolog->size += 1 + below(5);
    prolog->steps[prolog->count++] = (struct step){kind, number, operand, prolog->size};
}

static void add_saves(struct prolog *prolog, uint32_t pushed, uint32_t room)
{
    uint32_t at = 0;
    for (unsigned index = 0; index < 8 && at + 8 <= room && prolog->count + 2 < STEPS_MOST; index++) {
        if ((pushed & 1u << kept[index]) != 0 || below(2) == 0)
            continue;
        if (below(4) == 0)
            add_step(prolog, SAVE_VECTOR, 6, 0);
        add_step(prolog, below(2) == 0 ? SAVE : SAVE_FAR, kept[index], at);
        at += 8;
    }
}

static void make_prolog(struct prolog *prolog)
{
    static const uint32_t limits[] = {[ALLOC_SMALL] = 16, [ALLOC_LARGE] = 4096, [ALLOC_FAR] = 4096};
    uint32_t pushed = 0, room = 0;
    memset(prolog, 0, sizeof *prolog);
    for (unsigned index = 0; index < 8; index++) {
        if (below(3) != 0)
            continue;
        add_step(prolog, PUSH, kept[index], 0);
        pushed |= 1u << kept[index];
    }
    if (below(4) != 0) {
        enum kind kind = (enum kind)(ALLOC_SMALL + below(3));
        room = (1 + below(limits[kind])) * 8;
        add_step(prolog, kind, 0, room);
    }
    if (pushed != 0 && below(2) == 0) {
        do
            prolog->frame_register = kept[below(8)];
        while ((pushed & 1u << prolog->frame_register) == 0);
        prolog->frame_offset = below(16);
        add_step(prolog, SET_FRAME, prolog->frame_register, prolog->frame_offset * 16);
        pushed |= 1u << prolog->frame_register;
    }
    add_saves(prolog, pushed, room);
}

static void run_step(const struct step *step, struct nt_walk *machine)
{
    uintptr_t *rsp = &machine->registers[4];
    switch (step->kind) {
    case PUSH:
        *rsp -= 8;
        *(uintptr_t *)*rsp = machine->registers[step->number];
        break;
    case SET_FRAME:
        machine->registers[step->number] = *rsp + step->operand;
        break;
    case SAVE:
    case SAVE_FAR:
        *(uintptr_t *)(*rsp + step->operand) = machine->registers[step->number];
        break;
    case SAVE_VECTOR:
        break;
    default:
        *rsp -= step->operand;
        break;
    }
}

/* --- Its tables ------------------------------------------------------------------------------ */

static unsigned put_code(uint32_t at, const struct step *step)
{
    static const unsigned operations[] = {[PUSH] = 0,      [ALLOC_SMALL] = 2, [ALLOC_LARGE] = 1, [ALLOC_FAR] = 1,
                                          [SET_FRAME] = 3, [SAVE] = 4,        [SAVE_FAR] = 5,    [SAVE_VECTOR] = 8};
    unsigned info = step->number;
    if (step->kind == ALLOC_SMALL)
        info = (step->operand - 8) / 8;
    else if (step->kind == ALLOC_LARGE || step->kind == SET_FRAME)
        info = 0;
    else if (step->kind == ALLOC_FAR)
        info = 1;
    put(at, step->end | operations[step->kind] << 8 | info << 12, 2);
    switch (step->kind) {
    case ALLOC_LARGE:
    case SAVE:
        put(at + 2, step->operand / 8, 2);
        return 2;
    case SAVE_VECTOR:
        put(at + 2, 1, 2);
        return 2;
    case ALLOC_FAR:
    case SAVE_FAR:
        put(at + 2, step->operand, 4);
        return 3;
    default:
        return 1;
    }
}

/* The unwind information of the steps from first to last; where it ends. */
static uint32_t put_information(uint32_t at, const struct prolog *prolog, unsigned first, unsigned last, bool chained)
{
    unsigned slots = 0;
    for (unsigned index = last; index-- != first;)
        slots += put_code(at + 4 + slots * 2, &prolog->steps[index]);
    unsigned size = last != first ? prolog->steps[last - 1].end : 0;
    put(at,
        1u | (chained ? 4u << 3 : 0) | size << 8 | slots << 16 | prolog->frame_register << 24 |
            prolog->frame_offset << 28,
        4);
    return at + 4 + ((slots + 1) & ~1u) * 2;
}

static void put_function(uint32_t at, uint32_t begin, uint32_t end, uint32_t information)
{
    put(at, begin, 4);
    put(at + 4, end, 4);
    put(at + 8, information, 4);
}

/* All functions have the same information; with a gap of one byte between two. */
static void put_tables(const struct prolog *prolog, bool chained)
{
    unsigned first = chained ? below(prolog->count + 1) : 0;
    uint32_t end = put_information(INFO_AT, prolog, first, prolog->count, chained);
    if (chained) {
        put_function(end, CODE_AT, CODE_AT + 1, end + 12);
        put_information(end + 12, prolog, 0, first, false);
    }
    for (uint32_t index = 0; index < FUNCTIONS; index++)
        put_function(TABLE_AT + index * 12, CODE_AT + index * CODE_SIZE, CODE_AT + (index + 1) * CODE_SIZE - 1,
                     INFO_AT);
}

/* --- Tests ----------------------------------------------------------------------------------- */

static void start_machine(struct nt_walk *machine)
{
    memset(machine, 0, sizeof *machine);
    for (unsigned number = 0; number < 16; number++)
        machine->registers[number] = next_random();
    machine->low = (uintptr_t)stack;
    machine->high = (uintptr_t)(stack + STACK_WORDS);
    machine->registers[4] = (uintptr_t)(stack + STACK_WORDS - 16);
    *(uintptr_t *)machine->registers[4] = RETURN_TO;
    machine->known = 0xffff;
}

/* Runs the first steps, and the body if that is all of them. The offset in the function. */
static unsigned run(const struct prolog *prolog, unsigned steps, bool body, struct nt_walk *machine)
{
    uint32_t saved = 1u << 4;
    for (unsigned index = 0; index < steps; index++) {
        run_step(&prolog->steps[index], machine);
        if (prolog->steps[index].kind == PUSH || prolog->steps[index].kind == SAVE ||
            prolog->steps[index].kind == SAVE_FAR)
            saved |= 1u << prolog->steps[index].number;
    }
    if (!body)
        return steps != 0 ? prolog->steps[steps - 1].end : 0;
    for (unsigned number = 0; number < 16; number++)
        if (number != 4 && (prolog->frame_register == 0 || number != prolog->frame_register) &&
            (saved & 1u << number) != 0)
            machine->registers[number] = next_random();
    if (prolog->frame_register != 0)
        machine->registers[4] -= below(64) * 16; /* alloca */
    return prolog->size + 1 + below(CODE_SIZE - prolog->size - 2);
}

static void assert_unwound(const struct nt_walk *walk, const struct nt_walk *before)
{
    assert_int_equal(walk->pc, RETURN_TO);
    assert_int_equal(walk->registers[4], before->registers[4] + 8);
    for (unsigned index = 0; index < 8; index++)
        assert_int_equal(walk->registers[kept[index]], before->registers[kept[index]]);
    assert_false(walk->exact);
}

static void unwinding_undoes_what_the_prolog_did(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 50000; round++) {
        struct prolog prolog;
        struct nt_walk before, walk;
        make_prolog(&prolog);
        bool body = below(2) == 0;
        bool chained = body && below(3) == 0; /* the parts behind a chained one begin after it */
        put_tables(&prolog, chained);
        start_machine(&before);
        walk = before;
        unsigned offset = run(&prolog, body ? prolog.count : below(prolog.count + 1), body, &walk);
        walk.pc = (uintptr_t)memory + CODE_AT + below(FUNCTIONS) * CODE_SIZE + offset;
        walk.exact = !body || below(2) == 0;
        assert_true(pe_unwind_image(&image, memory, &walk));
        assert_unwound(&walk, &before);
    }
}

static void a_leaf_has_no_row(void **state)
{
    struct prolog prolog;
    struct nt_walk before, walk;
    (void)state;
    make_prolog(&prolog);
    put_tables(&prolog, false);
    start_machine(&before);
    static const uint32_t places[] = {CODE_AT - 1, CODE_AT + CODE_SIZE - 1, CODE_AT + FUNCTIONS * CODE_SIZE + 5};
    for (unsigned index = 0; index < 3; index++) {
        walk = before;
        walk.exact = true;
        walk.pc = (uintptr_t)memory + places[index];
        assert_true(pe_unwind_image(&image, memory, &walk));
        assert_unwound(&walk, &before);
    }
}

/* The call is the function's last instruction: the return address is behind it, where nothing or another one lies. */
static void a_call_that_never_returns_may_stand_last(void **state)
{
    struct prolog prolog;
    struct nt_walk before, walk;
    (void)state;
    for (unsigned round = 0; round < 1000; round++) {
        make_prolog(&prolog);
        put_tables(&prolog, false);
        start_machine(&before);
        walk = before;
        (void)run(&prolog, prolog.count, true, &walk);
        walk.pc = (uintptr_t)memory + CODE_AT + CODE_SIZE - 1;
        assert_true(pe_unwind_image(&image, memory, &walk));
        assert_unwound(&walk, &before);
    }
}

static void a_machine_frame_gives_the_interrupted_place(void **state)
{
    struct nt_walk walk;
    (void)state;
    for (unsigned code = 0; code < 2; code++) {
        put_function(TABLE_AT, CODE_AT, CODE_AT + 16, INFO_AT);
        put(INFO_AT, 1u | 1u << 16, 4);
        put(INFO_AT + 4, 10u << 8 | code << 12, 2);
        start_machine(&walk);
        uintptr_t *frame = (uintptr_t *)walk.registers[4] + code;
        frame[0] = 0x1400055;
        frame[3] = walk.registers[4] + 80;
        walk.pc = (uintptr_t)memory + CODE_AT + 8;
        assert_true(pe_unwind_image(&image, memory, &walk));
        assert_int_equal(walk.pc, 0x1400055);
        assert_int_equal(walk.registers[4], frame[3]);
        assert_true(walk.exact);
    }
}

static void a_frame_register_that_is_not_known_ends_the_walk(void **state)
{
    struct nt_walk walk, same;
    (void)state;
    put_function(TABLE_AT, CODE_AT, CODE_AT + 16, INFO_AT);
    put(INFO_AT, 1u | 1u << 16 | 3u << 24, 4); /* rbx */
    put(INFO_AT + 4, 3u << 8, 2);
    start_machine(&walk);
    walk.known = 1u << 4 | 1u << 5;
    walk.pc = (uintptr_t)memory + CODE_AT + 8;
    same = walk;
    assert_false(pe_unwind_image(&image, memory, &walk));
    assert_memory_equal(&walk, &same, sizeof walk);
}

static void damage(void)
{
    unsigned changes = 1 + below(12);
    for (unsigned change = 0; change < changes; change++) {
        uint32_t at = below(4) == 0 ? TABLE_AT + below(FUNCTIONS * 12) : INFO_AT + below(160);
        memory[at] = (uint8_t)next_random();
    }
    image.functions =
        (struct pe_range){TABLE_AT + below(3), below(4) == 0 ? IMAGE_SIZE - TABLE_AT - 3 : FUNCTIONS * 12};
}

/* Whatever it answers, it reads nothing outside and comes to an end; a refusal changes nothing. */
static void damaged_tables_are_no_harm(void **state)
{
    const struct pe_range whole = image.functions;
    unsigned refused = 0, went_on = 0;
    (void)state;
    for (unsigned round = 0; round < 100000; round++) {
        struct prolog prolog;
        struct nt_walk walk, same;
        make_prolog(&prolog);
        put_tables(&prolog, below(2) == 0);
        damage();
        start_machine(&walk);
        if (below(2) == 0)
            (void)run(&prolog, prolog.count, true, &walk);
        if (below(8) == 0)
            walk.registers[4] = next_random();
        walk.known = below(2) == 0 ? 0xffff : (uint32_t)next_random() & 0xffff;
        walk.exact = below(2) == 0;
        walk.pc = (uintptr_t)memory + below(IMAGE_SIZE + 16);
        same = walk;
        if (pe_unwind_image(&image, memory, &walk)) {
            went_on++;
        } else {
            refused++;
            assert_memory_equal(&walk, &same, sizeof walk);
        }
    }
    image.functions = whole;
    assert_true(refused > 1000 && went_on > 1000);
}

static int setup(void **state)
{
    (void)state;
    memory = calloc(1, IMAGE_SIZE); /* of their very sizes: a sanitizer sees each byte outside */
    stack = calloc(STACK_WORDS, sizeof *stack);
    return memory != NULL && stack != NULL ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    free(memory);
    free(stack);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unwinding_undoes_what_the_prolog_did),
        cmocka_unit_test(a_leaf_has_no_row),
        cmocka_unit_test(a_call_that_never_returns_may_stand_last),
        cmocka_unit_test(a_machine_frame_gives_the_interrupted_place),
        cmocka_unit_test(a_frame_register_that_is_not_known_ends_the_walk),
        cmocka_unit_test(damaged_tables_are_no_harm),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
