/* SPDX-License-Identifier: MIT */
/*
 * crash.c - see crash.h.
 */
#include "lab/crash.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <nt/nt.h>

#include "lab/commands.h"
#include "lab/driver_file.h"
#include "lab/fault_stack.h"
#include "lab/findings.h"
#include "nt/verify/fiber.h"
#include "nt/verify/scheduler.h"
#include "nt/verify/trap_page.h"
#include "nt/verify/verify.h"

#define STACK_SIZE   262144u
#define TELL_SECONDS 20u /* addr2line reads much, and the machine may be busy */

static sigjmp_buf outside;
static volatile sig_atomic_t guarded, caught;
static unsigned limit;
static pthread_t teller;  /* with caught */
static int end_code = -1; /* what a fault ends the process with; -1: it does not */

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM};
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

/* The processor does not tell an address that no page can have. */
static void tell_address(const siginfo_t *info)
{
    const void *address = info->si_addr;

    if (info->si_code == SI_KERNEL)
        nt_violate("access-fault", "memory access",
                   "an address was used that no memory can have: memory read as a pointer that is none, overwritten, "
                   "or freed (filled with 0xf5)");
    else if ((uintptr_t)address < 65536)
        nt_violate("access-fault", "memory access", "address 0x%zx was used: a null pointer, or a field of one",
                   (size_t)(uintptr_t)address);
    else
        nt_violate("access-fault", "memory access", "an address was used at which nothing is, or nothing writable");
}

static void tell_memory(const siginfo_t *info)
{
    const void *address = info->si_addr, *block = NULL;
    const char *rule = nt_special_pool_rule(address, &block);
    struct nt_trap trap;
    char why[300];

    if (rule != NULL && nt_special_pool_explain(address, why, sizeof(why))) {
        nt_about(strcmp(rule, "pool-use-after-free") == 0 ? NT_FREED_BLOCK : NT_BEGAN_BLOCK, (uintptr_t)block);
        nt_violate(rule, "memory access", "%s", why);
    } else if (nt_trap_explain(address, &trap)) {
        nt_about_connection(trap.connection);
        if (trap.group != NULL)
            nt_about(NT_BEGAN_CLASSIFY, (uintptr_t)trap.group);
        if (trap.group != NULL)
            nt_violate("values-after-classify", "memory access",
                       "byte %zu of what classifyFn was given at %s was used after it had returned", trap.offset,
                       trap.label);
        else
            nt_violate("metadata-without-bit", "memory access", "%s was used", trap.label);
    } else {
        tell_address(info);
    }
}

static void tell(int number, const siginfo_t *info, const void *machine)
{
    bool overflow = lab_fault_about(info, machine);

    if (number == SIGALRM)
        nt_violate("no-progress", "wfplab", end_code < 0 ? "the run did not end in %u s" : "nothing went on for %u s",
                   limit);
    else if (overflow)
        nt_violate("access-fault", "memory access",
                   "the stack is used up: a recursion without end, or variables too large. It has %u KiB here, 24 on "
                   "Windows",
                   NT_FIBER_STACK / 1024);
    else if (number == SIGSEGV || number == SIGBUS)
        tell_memory(info);
    else if (number == SIGABRT)
        nt_violate("bug-check", "abort", "the run was aborted");
    else
        nt_violate("access-fault", "processor", "%s",
                   number == SIGFPE ? "a division by zero, or one whose result is too large"
                                    : "an instruction that does not exist was run");
}

static void unblock(int number)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, number);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void handle(int number, siginfo_t *info, void *machine)
{
    while (guarded && caught && end_code >= 0 && !pthread_equal(teller, pthread_self()))
        (void)pause();        /* the other one ends the process */
    if (!guarded || caught) { /* the lab's own, or while the first was told */
        static const char text[] = "wfplab: a fault in the lab itself, or while another was told\n";

        (void)!write(2, text, sizeof(text) - 1);
        _exit(3);
    }
    teller = pthread_self();
    caught = number;
    (void)alarm(TELL_SECONDS);
    /* KeBugCheckEx was reported, and aborts then. */
    if (number != SIGABRT || strcmp(findings_last_rule(), "bug-check") != 0)
        tell(number, info, machine);
    (void)alarm(0);
    if (end_code >= 0)
        crash_leave(end_code);
    unblock(number);
    if (nt_scheduled())
        nt_schedule_abandon();
    siglongjmp(outside, 1);
}

/* A driver has the C library's exit and abort only by mistake; ended so, the lab would say that it found nothing. */
static void refuse(const char *routine, const void *caller)
{
    if (!guarded || caught || !driver_holds(caller))
        return;
    caught = SIGABRT;
    nt_violate("bug-check", routine, "it would end the program; in a kernel there is none, and no such routine");
    if (nt_scheduled())
        nt_schedule_abandon();
    siglongjmp(outside, 1);
}

_Noreturn void crash_leave(int code)
{
    for (;;)
        (void)syscall(SYS_exit_group, code);
}

_Noreturn void exit(int code)
{
    void (*end)(int code);
    void *found = dlsym(RTLD_NEXT, "exit");

    refuse("exit", __builtin_return_address(0));
    if (found == NULL)
        _exit(code);
    memcpy(&end, &found, sizeof(end));
    end(code);
    __builtin_unreachable();
}

_Noreturn void abort(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};

    refuse("abort", __builtin_return_address(0));
    (void)raise(SIGABRT); /* ours first: it tells */
    (void)sigaction(SIGABRT, &usual, NULL);
    (void)raise(SIGABRT);
    _exit(LAB_FAILED);
}

_Noreturn void _exit(int code)
{
    refuse("_exit", __builtin_return_address(0));
    crash_leave(code);
}

_Noreturn void _Exit(int code)
{
    refuse("_Exit", __builtin_return_address(0));
    _exit(code);
}

static void install(void)
{
    static uint8_t *stack;
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t own;

    if (stack != NULL)
        return;
    stack = malloc(STACK_SIZE);
    if (stack == NULL)
        abort();
    own = (stack_t){.ss_sp = stack, .ss_size = STACK_SIZE};
    (void)sigaltstack(&own, NULL);
    for (size_t i = 0; i < SIGNALS; i++)
        (void)sigaction(signals[i], &action, NULL);
}

void crash_ends_process(int code, unsigned seconds)
{
    end_code = code;
    limit = seconds;
    caught = 0;
    install();
    guarded = 1;
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

void crash_limit(unsigned seconds)
{
    limit = seconds;
}

bool crash_telling(void)
{
    return guarded && caught;
}
