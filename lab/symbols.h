/* SPDX-License-Identifier: MIT */
/*
 * symbols.h - names the places of a stack: module and offset, and function, file and line where they can be found.
 *
 * Modules are this program, its shared objects (a driver given as .so or .c) and driver binaries (.sys, through pe/).
 * Functions, files and lines come from addr2line or llvm-addr2line, run once for each module with all places that are
 * not known yet, and with a deadline; what was found is kept. Without such a program there is module+offset, and the
 * name of an exported function. Nothing that is given here differs from run to run.
 *
 * One thread; not in a signal handler.
 */
#ifndef LAB_SYMBOLS_H
#define LAB_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nt/verify/verify.h"

#define LAB_FRAMES_MOST (2u * NT_STACK_MAX) /* inlined functions have frames of their own */

struct lab_frame {
    char module[64];    /* "forum.sys"; "" for an address in none */
    uint64_t offset;    /* from the module's start: of the byte behind the call */
    char function[128]; /* "": not known */
    char file[256];     /* below the working folder: relative to it; "": not known */
    unsigned line;      /* 0: not known */
    bool inlined;       /* into the frame behind it */
    bool driver;        /* of a driver under test */
};

struct lab_frames {
    size_t count;
    struct lab_frame frames[LAB_FRAMES_MOST]; /* the innermost first */
};

/* This file is a driver under test, .so or .sys, from now on; at most 16. false: there are more. */
bool lab_symbols_add_driver(const char *path);
void lab_symbols_forget_drivers(void);
bool lab_symbols_has_drivers(void);

/* Looks up all frames of these stacks at once; then lab_symbols_name is quick. */
void lab_symbols_prepare(const struct nt_stack *const *stacks, size_t count);

void lab_symbols_name(const struct nt_stack *stack, struct lab_frames *frames);

/* Which frame to point at: the innermost of a driver, not in our headers; without drivers, the innermost that is not
 * the routine itself or ours beneath it. NULL: there is no frame. */
const struct lab_frame *lab_symbols_blame(const struct lab_frames *frames, const char *routine);

/* For tests: the program to run, "" for none, NULL for what is installed. Forgets what was found. */
void lab_symbols_set_program(const char *program);

#endif
