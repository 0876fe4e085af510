/* SPDX-License-Identifier: MIT */
/*
 * crash.c - see crash.h.
 */
#include "lab/crash.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <nt/nt.h>

#include "lab/driver_file.h"
#include "pe/map.h"

#define STACK_SIZE 262144u

static sigjmp_buf outside;
static volatile sig_atomic_t guarded, caught;
static unsigned limit;

static const struct {
    int number;
    const char *name;
} signals[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGILL, "SIGILL"},
               {SIGFPE, "SIGFPE"},   {SIGABRT, "SIGABRT"}, {SIGALRM, "SIGALRM"}};
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* "function+0x12 in x.so" or "x.sys+0x1234". */
static void name_place(const void *address, char *text, size_t size)
{
    Dl_info info;

    if (pe_map_name(address, text, size))
        return;
    if (dladdr(address, &info) == 0)
        snprintf(text, size, "%p", address);
    else if (info.dli_sname != NULL)
        snprintf(text, size, "%s+0x%zx", info.dli_sname, (size_t)((uintptr_t)address - (uintptr_t)info.dli_saddr));
    else
        snprintf(text, size, "%s+0x%zx", info.dli_fname, (size_t)((uintptr_t)address - (uintptr_t)info.dli_fbase));
}

static void tell_fault(int number, const siginfo_t *info, const void *at)
{
    char place[200], why[300];

    name_place(at, place, sizeof(place));
    if (number == SIGALRM)
        nt_violate("no-progress", "wfplab", "the run did not end in %u s; it was at %s", limit, place);
    else if (number == SIGABRT)
        nt_violate("access-fault", "abort", "the run was aborted");
    else if ((number == SIGSEGV || number == SIGBUS) && nt_special_pool_explain(info->si_addr, why, sizeof(why)))
        nt_violate("access-fault", "memory", "%s: %s", place, why);
    else if (number == SIGSEGV || number == SIGBUS)
        nt_violate("access-fault", "memory", "%s used the address %p, where nothing is", place, info->si_addr);
    else
        nt_violate("access-fault", "processor", "%s: %s", place,
                   number == SIGFPE ? "a division by zero or an overflow" : "an instruction that does not exist");
}

static void handle(int number, siginfo_t *info, void *context)
{
    const ucontext_t *machine = context;

    if (!guarded || caught) { /* the lab's own, or while the first was told */
        static const char text[] = "wfplab: a second fault, in the lab itself\n";

        (void)!write(2, text, sizeof(text) - 1);
        _exit(3);
    }
    caught = number;
    (void)alarm(5);
    tell_fault(number, info, (const void *)(uintptr_t)machine->uc_mcontext.gregs[REG_RIP]);
    siglongjmp(outside, 1);
}

static void install(void)
{
    static uint8_t *stack;
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t own;

    if (stack == NULL && (stack = malloc(STACK_SIZE)) == NULL)
        abort();
    own = (stack_t){.ss_sp = stack, .ss_size = STACK_SIZE};
    (void)sigaltstack(&own, NULL);
    for (size_t i = 0; i < SIGNALS; i++)
        (void)sigaction(signals[i].number, &action, NULL);
}

enum crash crash_guard(void (*body)(void *context), void *context, unsigned seconds)
{
    limit = seconds;
    caught = 0;
    install();
    if (sigsetjmp(outside, 1) == 0) {
        guarded = 1;
        (void)alarm(seconds);
        body(context);
    }
    (void)alarm(0);
    guarded = 0;
    return caught == 0 ? CRASH_NONE : caught == SIGALRM ? CRASH_HANG : CRASH_FAULT;
}
