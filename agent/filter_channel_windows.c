/* SPDX-License-Identifier: MIT */
/*
 * filter_channel_windows.c - nothing to do: fwpuclnt.dll reaches the engine. See filter_channel.h.
 */
#include "agent/filter_channel.h"

#include <stddef.h>

enum agent_result filter_channel_open(const char *path, struct problem *problem)
{
    (void)path;
    (void)problem;
    return AGENT_OK;
}

void filter_channel_close(void)
{
}

bool filter_channel_failed(struct problem *problem)
{
    (void)problem;
    return false;
}
