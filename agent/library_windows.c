/* SPDX-License-Identifier: MIT */
/*
 * library_windows.c - see library_windows.h.
 */
#include "agent/library_windows.h"

#include <windows.h>

void library_search_system(void)
{
    (void)SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_SYSTEM32);
}

library_routine_pointer *library_routine(const wchar_t *library, const char *routine)
{
    HMODULE module = LoadLibraryExW(library, NULL, LOAD_LIBRARY_SEARCH_SYSTEM32);

    return module == NULL ? NULL : (library_routine_pointer *)GetProcAddress(module, routine);
}
