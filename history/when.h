/* SPDX-License-Identifier: MIT */
/*
 * when.h - a time as people write it after --since and --until.
 */
#ifndef HISTORY_WHEN_H
#define HISTORY_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/*
 * "2026-11-22", "2026-11-22 14:05", "2026-11-22 14:05:06", with T for the space, with Z behind for UTC; "14:05" today;
 * "now", "today", "yesterday"; "90s", "10m", "2h", "3d", "1w": so long ago. In the time zone of who asks. now and
 * *time: microseconds since 1970 UTC.
 */
bool history_read_time(const char *text, int64_t now, int64_t *time);

#endif
