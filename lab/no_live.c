/* SPDX-License-Identifier: MIT */
/*
 * no_live.c - wfplab live where gatehoused is not built either (meson option programs).
 */
#include <stdio.h>

#include "lab/commands.h"

int command_live(int count, char **arguments)
{
    (void)count, (void)arguments;
    fprintf(stderr, "wfplab: live: this wfplab was built without it (meson -Dprograms=true).\n");
    return LAB_USAGE;
}
