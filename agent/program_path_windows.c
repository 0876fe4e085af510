/* SPDX-License-Identifier: MIT */
/*
 * program_path_windows.c - see program_path.h.
 *
 * The filter engine names a program by the path of its file below the device of its volume, in lower case:
 * \device\harddiskvolume3\windows\system32\curl.exe (page "FwpmGetAppIdFromFileName0"). That function wants the file
 * to be there, and Wine has none; so the file is opened, or the deepest folder of its path that exists, and Windows
 * is asked for the name of that (GetFinalPathNameByHandleW). Links, substituted and network drives are followed.
 */
#include "agent/program_path.h"

#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include "agent/wide_windows.h"

#define DEVICE L"\\device\\"

struct paths {
    wchar_t written[PROGRAM_PATH_MAX];
    wchar_t folder[PROGRAM_PATH_MAX];
    wchar_t found[PROGRAM_PATH_MAX];
    wchar_t real[PROGRAM_PATH_MAX];
};

static size_t length_of(const wchar_t *text)
{
    return (size_t)lstrlenW(text);
}

static bool same(const wchar_t *one, size_t count, const wchar_t *other)
{
    return CompareStringOrdinal(one, (int)count, other, (int)count, TRUE) == CSTR_EQUAL;
}

/* A drive's or a share's whole path, or what the engine itself calls a program. */
static bool is_whole(const wchar_t *path)
{
    size_t length = length_of(path);

    if (length > 3 && path[1] == L':' && path[2] == L'\\')
        return true;
    if (length > 2 && path[0] == L'\\' && path[1] == L'\\' && path[2] != L'\\')
        return true;
    return length > sizeof(DEVICE) / sizeof(wchar_t) - 1 && same(path, sizeof(DEVICE) / sizeof(wchar_t) - 1, DEVICE);
}

static bool is_device_name(const wchar_t *path)
{
    return path[0] == L'\\' && path[1] != L'\\';
}

static DWORD name_of(const wchar_t *path, DWORD kind, wchar_t name[PROGRAM_PATH_MAX])
{
    HANDLE file = CreateFileW(path, FILE_READ_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                              OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    DWORD length, error = ERROR_SUCCESS;

    if (file == INVALID_HANDLE_VALUE)
        return GetLastError();
    length = GetFinalPathNameByHandleW(file, name, PROGRAM_PATH_MAX, kind);
    if (length == 0 || length >= PROGRAM_PATH_MAX)
        error = length == 0 ? GetLastError() : ERROR_BUFFER_OVERFLOW;
    CloseHandle(file);
    return error;
}

/* Where the last backslash of path's first count characters is, but for the two that a share begins with; 0: none. */
static size_t cut(const wchar_t *path, size_t count)
{
    while (count > 2 && path[count - 1] != L'\\')
        count--;
    return count > 2 ? count - 1 : 0;
}

/* The deepest part of paths->written that can be opened, then the rest as written. */
static DWORD resolve(struct paths *paths)
{
    size_t whole = length_of(paths->written);
    size_t count = whole;
    DWORD first = name_of(paths->written, VOLUME_NAME_NT, paths->found);
    DWORD error = first;
    size_t used;

    while (error != ERROR_SUCCESS && (count = cut(paths->written, count)) > 0) {
        memcpy(paths->folder, paths->written, count * sizeof(wchar_t));
        /* A drive without its backslash means something else. */
        paths->folder[count] = L'\\';
        paths->folder[count + 1] = L'\0';
        error = name_of(paths->folder, VOLUME_NAME_NT, paths->found);
    }
    if (error != ERROR_SUCCESS)
        return error;
    if (count == whole)
        return ERROR_SUCCESS;
    used = length_of(paths->found);
    if (used > 0 && paths->found[used - 1] == L'\\')
        used--;
    if (used + (whole - count) >= PROGRAM_PATH_MAX)
        return ERROR_BUFFER_OVERFLOW;
    memcpy(paths->found + used, paths->written + count, (whole - count + 1) * sizeof(wchar_t));
    return first;
}

/* Whether the path that Windows tells for the opened file is another than the one written. */
static bool is_led(struct paths *paths)
{
    static const wchar_t prefix[] = L"\\\\?\\";
    const wchar_t *real = paths->real;

    if (name_of(paths->written, VOLUME_NAME_DOS, paths->real) != ERROR_SUCCESS)
        return false;
    if (length_of(real) > 4 && same(real, 4, prefix))
        real += 4;
    return length_of(real) != length_of(paths->written) || !same(real, length_of(real), paths->written);
}

static bool to_lower(const wchar_t *path, wchar_t lower[PROGRAM_PATH_MAX])
{
    return LCMapStringEx(LOCALE_NAME_INVARIANT, LCMAP_LOWERCASE, path, -1, lower, PROGRAM_PATH_MAX, NULL, NULL, 0) > 0;
}

static enum agent_result find(struct paths *paths, const char *written, enum program_path_kind *kind,
                              struct problem *problem)
{
    char words[WIDE_ERROR_MAX];
    DWORD error;

    *kind = PROGRAM_PATH_REAL;
    if (is_device_name(paths->written)) {
        memcpy(paths->found, paths->written, sizeof(paths->found));
        return AGENT_OK;
    }
    error = resolve(paths);
    if (error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND)
        *kind = PROGRAM_PATH_ABSENT;
    /* The drive, or the server, is not there, and nobody knows what the engine would call it. */
    if (error != ERROR_SUCCESS && paths->found[0] == L'\0')
        return problem_set(problem, AGENT_USAGE, "cannot find out where '%.100s' is: %s.", written,
                           wide_error(error, words));
    if (error == ERROR_SUCCESS && is_led(paths))
        *kind = PROGRAM_PATH_LED;
    return AGENT_OK;
}

enum agent_result program_path_resolve(const char *written, char *resolved, enum program_path_kind *kind,
                                       struct problem *problem)
{
    struct paths *paths = calloc(1, sizeof(*paths));
    enum program_path_kind found;
    enum agent_result result = AGENT_USAGE;

    if (paths == NULL)
        return problem_set(problem, AGENT_FAILED, "out of memory.");
    if (!wide_from_utf8(written, paths->written, PROGRAM_PATH_MAX) || !is_whole(paths->written))
        problem_set(problem, AGENT_USAGE,
                    "--except takes a program's whole path, from C:\\ on, not '%.100s': 'where NAME' tells it.",
                    written);
    else
        result = find(paths, written, &found, problem);
    if (result == AGENT_OK) {
        if (!to_lower(paths->found, paths->real) || !wide_to_utf8(paths->real, resolved, PROGRAM_PATH_MAX))
            result = problem_set(problem, AGENT_USAGE, "'%.100s' is too long a path, or no Unicode.", written);
        else
            *kind = found;
    }
    free(paths);
    return result;
}
