/* SPDX-License-Identifier: MIT */
/*
 * foreign.h - calls routines of a driver, whether compiled into this process or loaded as a Windows binary.
 *
 * A driver binary's routines follow Microsoft's x64 calling convention, ours the System V one. The
 * binary stores raw pointers where Windows has them (MajorFunction, CancelRoutine, KDPC, IO_CSQ), and
 * compares what it gets back with its own, so nothing may be put in their place: the caller looks
 * where a routine lies and calls it accordingly. The compiler does the conversion, in C, with types.
 *
 * When you add a call of a driver's routine to nt/ or wfp/, call it with NT_CALL.
 */
#ifndef NT_FOREIGN_H
#define NT_FOREIGN_H

#include <stdint.h>

/* Where foreign code lies: nt_set_foreign_code (nt/nt.h). Size 0: there is none. */
extern uintptr_t nt_foreign_start, nt_foreign_size;

#define NT_IS_FOREIGN(routine)                                                                                         \
    __builtin_expect((uintptr_t)(routine)-__atomic_load_n(&nt_foreign_start, __ATOMIC_RELAXED) <                       \
                         __atomic_load_n(&nt_foreign_size, __ATOMIC_RELAXED),                                          \
                     0)

/* The asm hides that both branches call the same address: GCC 12 merges them else, and forgets the convention. */
#define NT_FOREIGN(routine)                                                                                            \
    (__extension__({                                                                                                   \
        __typeof__(*(routine)) __attribute__((ms_abi)) *foreign_ =                                                     \
            (__typeof__(*(routine)) __attribute__((ms_abi)) *)(uintptr_t)(routine);                                    \
        __asm__("" : "+r"(foreign_));                                                                                  \
        foreign_;                                                                                                      \
    }))

/* routine is evaluated more than once: name a variable. */
#define NT_CALL(routine, ...) (NT_IS_FOREIGN(routine) ? NT_FOREIGN(routine)(__VA_ARGS__) : (routine)(__VA_ARGS__))

#endif
