/* SPDX-License-Identifier: MIT */
/*
 * lazy.c - see lazy.h.
 */
#include "nt/verify/lazy.h"

#include <nt/nt.h>

bool nt_verify_lazy;

void nt_verify_lazily(bool lazily)
{
    nt_verify_lazy = lazily;
}

void nt_verify_idle(bool all)
{
    static uint64_t last;
    uint64_t now = nt_now();

    if (!nt_verify_lazy || (!all && now - last < LAZY_MS * 10000u))
        return;
    last = now;
    nt_trap_settle();
    nt_special_settle();
}
