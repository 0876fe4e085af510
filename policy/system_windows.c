/* SPDX-License-Identifier: MIT */
/*
 * system_windows.c - the files and accounts of this machine (struct policy_system).
 *
 * Accounts of this machine and those that every Windows has. Not those of a domain: Windows would ask a domain
 * controller, whose connection is held until these very rules are in force. Such an account is written as its SID.
 */
#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "policy/policy.h"

#define NAME_MAX_UNITS 512

static bool to_wide(const char *text, wchar_t *wide, int capacity)
{
    return MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, capacity) > 0;
}

static const char *why_error(DWORD error)
{
    switch (error) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
        return "it is not there";
    case ERROR_ACCESS_DENIED:
        return "access is denied";
    case ERROR_SHARING_VIOLATION:
        return "another program has it open";
    default:
        return "Windows cannot open or read it";
    }
}

static bool read_all(HANDLE file, size_t limit, char **bytes, size_t *size, const char **why)
{
    LARGE_INTEGER length;
    size_t used = 0;
    char *block;
    DWORD got;

    if (!GetFileSizeEx(file, &length) || length.QuadPart < 0) {
        *why = why_error(GetLastError());
        return false;
    }
    if ((unsigned long long)length.QuadPart > limit) {
        *why = "it is too large";
        return false;
    }
    block = malloc((size_t)length.QuadPart + 1);
    *why = "out of memory";
    while (block != NULL && used < (size_t)length.QuadPart) {
        if (!ReadFile(file, block + used, (DWORD)((size_t)length.QuadPart - used), &got, NULL)) {
            *why = why_error(GetLastError());
            free(block);
            return false;
        }
        if (got == 0)
            break;
        used += got;
    }
    *bytes = block;
    *size = used;
    return block != NULL;
}

static bool read_file(void *context, const char *path, size_t limit, char **bytes, size_t *size, const char **why)
{
    wchar_t wide[POLICY_PATH_MAX];
    HANDLE file;
    bool good = false;

    (void)context;
    if (!to_wide(path, wide, POLICY_PATH_MAX)) {
        *why = "its name is no Unicode";
        return false;
    }
    file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE) {
        *why = why_error(GetLastError());
        return false;
    }
    if (GetFileType(file) != FILE_TYPE_DISK)
        *why = "it is no regular file";
    else
        good = read_all(file, limit, bytes, size, why);
    CloseHandle(file);
    return good;
}

static int compare_paths(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* The folder of pattern, then name. NULL: out of memory, or no Unicode. */
static char *join(const char *pattern, size_t folder, const wchar_t *name)
{
    char utf8[3 * MAX_PATH + 1];
    char *path = NULL;
    int length = WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, name, -1, utf8, (int)sizeof(utf8), NULL, NULL);

    if (length > 0)
        path = malloc(folder + (size_t)length);
    if (path != NULL) {
        memcpy(path, pattern, folder);
        memcpy(path + folder, utf8, (size_t)length);
    }
    return path;
}

static bool add_path(char ***paths, size_t *count, char *path)
{
    char **larger = path == NULL ? NULL : realloc(*paths, (*count + 1) * sizeof(**paths));

    if (larger == NULL) {
        free(path);
        return false;
    }
    *paths = larger;
    larger[(*count)++] = path;
    return true;
}

/* Wildcards stand in the last name only. */
static bool list_files(void *context, const char *pattern, char ***paths, size_t *count, const char **why)
{
    wchar_t wide[POLICY_PATH_MAX];
    WIN32_FIND_DATAW found;
    HANDLE search;
    size_t folder = 0;
    bool good = true;

    (void)context;
    *paths = NULL;
    *count = 0;
    for (size_t i = 0; pattern[i] != '\0'; i++) {
        if (pattern[i] == '/' || pattern[i] == '\\')
            folder = i + 1;
    }
    *why = "its name is no Unicode";
    if (!to_wide(pattern, wide, POLICY_PATH_MAX))
        return false;
    search = FindFirstFileW(wide, &found);
    if (search == INVALID_HANDLE_VALUE)
        return true;
    do {
        if ((found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) == 0)
            good = add_path(paths, count, join(pattern, folder, found.cFileName));
    } while (good && FindNextFileW(search, &found));
    FindClose(search);
    if (good) {
        qsort(*paths, *count, sizeof(**paths), compare_paths);
        return true;
    }
    *why = "out of memory";
    while (*count > 0)
        free((*paths)[--*count]);
    free(*paths);
    return false;
}

static bool look_up(const wchar_t *authority, const wchar_t *name, uint8_t *sid, size_t *size)
{
    wchar_t whole[2 * NAME_MAX_UNITS], domain[NAME_MAX_UNITS];
    DWORD sid_size = GATEHOUSE_SID_MAX, domain_size = NAME_MAX_UNITS;
    SID_NAME_USE use;

    if (lstrlenW(authority) + lstrlenW(name) + 2 > 2 * NAME_MAX_UNITS)
        return false;
    lstrcpyW(whole, authority);
    lstrcatW(whole, L"\\");
    lstrcatW(whole, name);
    if (!LookupAccountNameW(NULL, whole, sid, &sid_size, domain, &domain_size, &use))
        return false;
    *size = GetLengthSid(sid);
    return true;
}

static bool find_sid(void *context, enum policy_who who, const char *name, uint8_t *sid, size_t *size)
{
    wchar_t wide[NAME_MAX_UNITS], machine[MAX_COMPUTERNAME_LENGTH + 1];
    DWORD machine_size = MAX_COMPUTERNAME_LENGTH + 1;

    (void)context;
    (void)who;
    if (!to_wide(name, wide, NAME_MAX_UNITS))
        return false;
    if (GetComputerNameW(machine, &machine_size) && look_up(machine, wide, sid, size))
        return true;
    return look_up(L"NT AUTHORITY", wide, sid, size) || look_up(L"BUILTIN", wide, sid, size);
}

const struct policy_system policy_system_here = {
    .lacks = POLICY_LACKS_SHA256 | POLICY_LACKS_UNIT | POLICY_LACKS_CGROUP,
    .read_file = read_file,
    .list_files = list_files,
    .find_sid = find_sid,
};
