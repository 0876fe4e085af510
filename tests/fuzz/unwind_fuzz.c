/* SPDX-License-Identifier: MIT */
/*
 * unwind_fuzz.c - any bytes as the unwind tables of a driver file, and steps out of its routines by them.
 *
 * The first bytes say where the walk stands and what it knows; the rest is the image. What must hold: nothing outside
 * the image or the stack is read; a step that is refused leaves the walk as it was; a step that is taken knows the
 * stack pointer still, and its next place was read from the stack.
 */
#include "pe/unwind.h"
#include "tests/fuzz/fuzz.h"

#define STEPS_MAX   64u
#define STACK_WORDS 64u

static bool is_on(const uintptr_t *stack, uintptr_t value)
{
    for (unsigned i = 0; i < STACK_WORDS; i++)
        for (unsigned byte = 0; byte < sizeof(value); byte++) {
            uintptr_t word = 0;

            if ((i + 1) * sizeof(value) + byte > STACK_WORDS * sizeof(value))
                break;
            memcpy(&word, (const char *)&stack[i] + byte, sizeof(word));
            if (word == value)
                return true;
        }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_bytes in = {data, size};
    struct nt_walk walk = {.known = (uint32_t)fuzz_number(&in, 2)};
    unsigned bits = fuzz_byte(&in);
    uint32_t table = (uint32_t)fuzz_number(&in, 2), pc = (uint32_t)fuzz_number(&in, 2);
    uintptr_t *stack = malloc(STACK_WORDS * sizeof(*stack));
    uint8_t *memory = malloc(in.left + 1);

    fuzz_check(stack != NULL && memory != NULL);
    memcpy(memory, in.at, in.left);
    struct pe_image image = {.size = (uint32_t)in.left};
    image.functions.address = table <= image.size ? table : image.size;
    image.functions.size = (image.size - image.functions.address) / 12 * 12;
    for (unsigned i = 0; i < STACK_WORDS; i++)
        stack[i] = (uintptr_t)memory + (i * 37 + pc + 1) % (image.size + 1);
    for (unsigned i = 0; i < 16; i++)
        walk.registers[i] = (uintptr_t)&stack[i];
    walk.low = (uintptr_t)stack;
    walk.high = (uintptr_t)(stack + STACK_WORDS);
    walk.exact = (bits & 1) != 0;
    walk.pc = (uintptr_t)memory + pc;
    for (unsigned step = 0; step < STEPS_MAX; step++) {
        struct nt_walk before = walk;

        if (!pe_unwind_image(&image, memory, &walk)) {
            fuzz_check(memcmp(&before, &walk, sizeof(walk)) == 0);
            break;
        }
        fuzz_check((walk.known & 1u << NT_X64_RSP) != 0);
        fuzz_check(walk.low == before.low && walk.high == before.high);
        fuzz_check(is_on(stack, walk.pc));
    }
    free(memory);
    free(stack);
    return 0;
}
