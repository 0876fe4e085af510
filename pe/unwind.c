/* SPDX-License-Identifier: MIT */
/*
 * unwind.c - see unwind.h.
 *
 * A return address may lie one behind its function's last instruction (a call that never returns), so the function is
 * looked up by the byte before it. A fault inside an epilog is unwound as if it were before it: epilogs pop what the
 * prolog pushed and hardly ever fault. Codes undo the prolog from its end to its start, as they stand in the table.
 */
#include "pe/unwind.h"

#include "pe/map.h"

enum {
    FUNCTION_SIZE = 12, /* begin, end, unwind information */
    FUNCTION_INDIRECT = 1,
    FLAG_CHAINED = 4,
    CHAIN_MOST = 32,
    RSP = NT_X64_RSP
};

/* Unwind operations. */
enum {
    PUSH_NONVOL,
    ALLOC_LARGE,
    ALLOC_SMALL,
    SET_FPREG,
    SAVE_NONVOL,
    SAVE_NONVOL_FAR,
    EPILOG,
    SPARE,
    SAVE_XMM128,
    SAVE_XMM128_FAR,
    PUSH_MACHFRAME
};

struct function {
    uint32_t begin, end, information;
};

/* What the fixed part of the unwind information says. */
struct information {
    uint32_t codes; /* where they begin */
    unsigned count, flags;
    unsigned prolog_size;
    unsigned frame_register, frame_offset; /* register 0: none */
};

struct unwinding {
    const struct pe_image *image;
    const uint8_t *memory;
    struct nt_walk walk;
    uintptr_t frame_base; /* what saved registers count from */
    bool machine_frame;   /* pc and rsp are the interrupted code's already */
};

static bool get(const struct unwinding *u, uint64_t offset, unsigned size, uint32_t *value)
{
    if (offset > u->image->size || size > u->image->size - offset)
        return false;
    *value = 0;
    for (unsigned index = 0; index < size; index++)
        *value |= (uint32_t)u->memory[offset + index] << (8 * index);
    return true;
}

static bool get_function(const struct unwinding *u, uint64_t offset, struct function *function)
{
    return get(u, offset, 4, &function->begin) && get(u, offset + 4, 4, &function->end) &&
           get(u, offset + 8, 4, &function->information);
}

/* false: the table is damaged. *found tells whether a function holds the address; one without a row is a leaf. */
static bool find_function(const struct unwinding *u, uint32_t address, struct function *function, bool *found)
{
    uint32_t low = 0, high = u->image->functions.size / FUNCTION_SIZE;
    *found = false;
    while (low < high && !*found) {
        uint32_t middle = low + (high - low) / 2;
        if (!get_function(u, (uint64_t)u->image->functions.address + (uint64_t)middle * FUNCTION_SIZE, function))
            return false;
        if (address < function->begin)
            high = middle;
        else if (address >= function->end)
            low = middle + 1;
        else
            *found = true;
    }
    if (*found && (function->information & FUNCTION_INDIRECT) != 0)
        return get_function(u, function->information & ~(uint32_t)FUNCTION_INDIRECT, function);
    return true;
}

static bool get_information(const struct unwinding *u, uint32_t offset, struct information *information)
{
    uint32_t word;
    if (!get(u, offset, 4, &word) || (word & 7) < 1 || (word & 7) > 2)
        return false;
    information->flags = word >> 3 & 0x1f;
    information->prolog_size = word >> 8 & 0xff;
    information->count = word >> 16 & 0xff;
    information->frame_register = word >> 24 & 0xf;
    information->frame_offset = (word >> 28) * 16;
    information->codes = offset + 4;
    return true;
}

static unsigned slots_of(unsigned operation, unsigned info)
{
    static const uint8_t slots[] = {
        [PUSH_NONVOL] = 1, [ALLOC_LARGE] = 2,     [ALLOC_SMALL] = 1,    [SET_FPREG] = 1,
        [SAVE_NONVOL] = 2, [SAVE_NONVOL_FAR] = 3, [EPILOG] = 2,         [SPARE] = 3,
        [SAVE_XMM128] = 2, [SAVE_XMM128_FAR] = 3, [PUSH_MACHFRAME] = 1,
    };
    if (operation >= sizeof slots)
        return 0;
    return slots[operation] + (operation == ALLOC_LARGE && info != 0);
}

static bool restore(struct unwinding *u, unsigned number, uintptr_t address)
{
    if (!nt_walk_read(&u->walk, address, &u->walk.registers[number]))
        return false;
    u->walk.known |= 1u << number;
    return true;
}

static bool pop_machine_frame(struct unwinding *u, bool with_error_code)
{
    uintptr_t frame = u->walk.registers[RSP] + (with_error_code ? 8 : 0);
    u->machine_frame = true;
    return nt_walk_read(&u->walk, frame, &u->walk.pc) && nt_walk_read(&u->walk, frame + 24, &u->walk.registers[RSP]);
}

/* operand: what the slots behind the code hold. */
static bool undo(struct unwinding *u, const struct information *information, unsigned operation, unsigned info,
                 uint32_t operand)
{
    uintptr_t *rsp = &u->walk.registers[RSP];
    switch (operation) {
    case PUSH_NONVOL:
        if (!restore(u, info, *rsp))
            return false;
        *rsp += 8;
        return true;
    case ALLOC_LARGE:
        *rsp += info == 0 ? (uintptr_t)operand * 8 : operand;
        return true;
    case ALLOC_SMALL:
        *rsp += info * 8 + 8;
        return true;
    case SET_FPREG:
        *rsp = u->walk.registers[information->frame_register] - information->frame_offset;
        return information->frame_register != 0 && (u->walk.known & 1u << information->frame_register) != 0;
    case SAVE_NONVOL:
        return restore(u, info, u->frame_base + (uintptr_t)operand * 8);
    case SAVE_NONVOL_FAR:
        return restore(u, info, u->frame_base + operand);
    case PUSH_MACHFRAME:
        return pop_machine_frame(u, info != 0);
    default:
        return true; /* vector registers and epilogs */
    }
}

/* reached: how much of the prolog has run; what comes later has nothing to undo. */
static bool undo_codes(struct unwinding *u, const struct information *information, uint32_t reached)
{
    for (unsigned slot = 0; slot < information->count && !u->machine_frame;) {
        uint32_t code, operand = 0, at = information->codes + slot * 2;
        if (!get(u, at, 2, &code))
            return false;
        unsigned operation = code >> 8 & 0xf, info = code >> 12, slots = slots_of(operation, info);
        if (slots == 0 || (slots > 1 && !get(u, at + 2, slots == 2 ? 2 : 4, &operand)))
            return false;
        if ((code & 0xff) <= reached && !undo(u, information, operation, info, operand))
            return false;
        slot += slots;
    }
    return true;
}

/* A prolog that sets a frame register does so at its end, and what it saves relative to it comes later. */
static void set_frame_base(struct unwinding *u, const struct information *information, uint32_t reached)
{
    unsigned number = information->frame_register;
    u->frame_base = u->walk.registers[RSP];
    if (number != 0 && reached >= information->prolog_size && (u->walk.known & 1u << number) != 0)
        u->frame_base = u->walk.registers[number] - information->frame_offset;
}

static bool undo_function(struct unwinding *u, struct function function, uint32_t address)
{
    uint32_t reached = address - function.begin;
    for (unsigned chain = 0; chain < CHAIN_MOST; chain++) {
        struct information information;
        if (!get_information(u, function.information, &information))
            return false;
        set_frame_base(u, &information, reached);
        if (!undo_codes(u, &information, reached))
            return false;
        if ((information.flags & FLAG_CHAINED) == 0)
            return true;
        /* The row of the part before stands behind the codes, of which there is an even number. */
        if (!get_function(u, information.codes + ((information.count + 1u) & ~1u) * 2, &function))
            return false;
        reached = UINT32_MAX;
    }
    return false;
}

bool pe_unwind_image(const struct pe_image *image, const uint8_t *memory, struct nt_walk *walk)
{
    struct unwinding u = {image, memory, *walk, 0, false};
    struct function function;
    bool found = false;
    uintptr_t offset = walk->pc - (uintptr_t)memory;

    if (offset == 0 || offset > image->size || (walk->known & 1u << RSP) == 0)
        return false;
    uint32_t address = (uint32_t)offset - (walk->exact ? 0 : 1);
    if (!find_function(&u, address, &function, &found))
        return false;
    /* The prolog's progress is that of the return address itself, which lies behind all of it. */
    if (found && !undo_function(&u, function, (uint32_t)offset < function.begin ? function.begin : (uint32_t)offset))
        return false;
    if (!u.machine_frame) {
        if (!nt_walk_read(&u.walk, u.walk.registers[RSP], &u.walk.pc))
            return false;
        u.walk.registers[RSP] += 8;
    }
    u.walk.exact = u.machine_frame;
    *walk = u.walk;
    return true;
}

bool pe_unwind(struct nt_walk *walk)
{
    const struct pe_map *map = pe_map_find((const void *)(walk->pc - (walk->exact ? 0 : 1)));

    return map != NULL && pe_unwind_image(&map->image, map->memory, walk);
}
