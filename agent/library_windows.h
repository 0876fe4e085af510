/* SPDX-License-Identifier: MIT */
/*
 * library_windows.h - routines of system libraries that are looked up when they are needed.
 *
 * Only from the system's own folder. A library that the program were linked with would be looked for beside the
 * program first, unless it is one of the few that Windows always takes from there; and this program runs as
 * administrator, maybe from a folder that anybody can write to.
 */
#ifndef AGENT_LIBRARY_WINDOWS_H
#define AGENT_LIBRARY_WINDOWS_H

#include <stddef.h>

/*
 * From now on a library that is named without a folder is looked for in the system's own alone, also when one of the
 * system's libraries loads it later on. Call it first.
 */
void library_search_system(void);

typedef void library_routine_pointer(void);

/* NULL when this Windows lacks the library or the routine; cast it to its own type. The library stays loaded. */
library_routine_pointer *library_routine(const wchar_t *library, const char *routine);

#endif
