/* SPDX-License-Identifier: MIT */
/*
 * driver_file_windows.c - see driver_file_windows.h.
 *
 * Pages: CopyFile, MoveFileEx (MOVEFILE_DELAY_UNTIL_REBOOT), PE Format.
 */
#include "agent/driver_file_windows.h"

#include <string.h>

#include <windows.h>

#define NAME      L"gatehouse.sys"
#define NEW       L".new" /* being copied */
#define OLD       L".old" /* what was there before */
#define LOCK      L".lock"
#define SIZE_MOST (64u << 20)

/* False: too long. */
static bool join(wchar_t *path, const wchar_t *folder, const wchar_t *name)
{
    size_t length = (size_t)lstrlenW(folder);

    if (length + (size_t)lstrlenW(name) + 8 >= DRIVER_FILE_PATH_MAX) /* room for .new too */
        return false;
    lstrcpyW(path, folder);
    lstrcpyW(path + length, name);
    return true;
}

static bool is_there(const wchar_t *path)
{
    return GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES;
}

static void beside(const struct driver_file *file, const wchar_t *ending, wchar_t path[DRIVER_FILE_PATH_MAX])
{
    lstrcpyW(path, file->target);
    lstrcatW(path, ending);
}

/* The whole file; the caller frees with HeapFree. NULL: GetLastError() says why. */
static BYTE *load(const wchar_t *path, DWORD *size)
{
    HANDLE handle = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    LARGE_INTEGER length;
    BYTE *bytes = NULL;
    DWORD error = ERROR_BAD_EXE_FORMAT;

    if (handle == INVALID_HANDLE_VALUE)
        return NULL;
    if (GetFileSizeEx(handle, &length) && length.QuadPart > 0 && length.QuadPart <= SIZE_MOST) {
        bytes = HeapAlloc(GetProcessHeap(), 0, (SIZE_T)length.QuadPart);
        if (bytes == NULL) {
            error = ERROR_NOT_ENOUGH_MEMORY;
        } else if (!ReadFile(handle, bytes, (DWORD)length.QuadPart, size, NULL) || *size != (DWORD)length.QuadPart) {
            error = *size != (DWORD)length.QuadPart ? ERROR_READ_FAULT : GetLastError();
            HeapFree(GetProcessHeap(), 0, bytes);
            bytes = NULL;
        }
    }
    CloseHandle(handle);
    SetLastError(error);
    return bytes;
}

static bool same_bytes(const wchar_t *one, const wchar_t *other)
{
    DWORD one_size = 0, other_size = 0;
    BYTE *one_bytes = load(one, &one_size);
    BYTE *other_bytes = load(other, &other_size);
    bool same = one_bytes != NULL && other_bytes != NULL && one_size == other_size &&
                memcmp(one_bytes, other_bytes, one_size) == 0;

    if (one_bytes != NULL)
        HeapFree(GetProcessHeap(), 0, one_bytes);
    if (other_bytes != NULL)
        HeapFree(GetProcessHeap(), 0, other_bytes);
    return same;
}

static uint32_t take_lock(struct driver_file *file)
{
    wchar_t path[DRIVER_FILE_PATH_MAX];
    HANDLE handle;

    beside(file, LOCK, path);
    handle = CreateFileW(path, GENERIC_READ, 0, NULL, OPEN_ALWAYS, FILE_FLAG_DELETE_ON_CLOSE, NULL);
    if (handle == INVALID_HANDLE_VALUE)
        return GetLastError() == ERROR_SHARING_VIOLATION ? ERROR_LOCK_VIOLATION : GetLastError();
    file->lock = handle;
    return 0;
}

void driver_file_unlock(struct driver_file *file)
{
    if (file->lock != NULL)
        CloseHandle(file->lock);
    file->lock = NULL;
}

uint32_t driver_file_find(struct driver_file *file, bool lock)
{
    wchar_t folder[DRIVER_FILE_PATH_MAX], path[DRIVER_FILE_PATH_MAX];
    DWORD length = GetModuleFileNameW(NULL, folder, DRIVER_FILE_PATH_MAX);
    uint32_t error = 0;

    memset(file, 0, sizeof(*file));
    if (length == 0 || length >= DRIVER_FILE_PATH_MAX)
        return length == 0 ? GetLastError() : ERROR_FILENAME_EXCED_RANGE;
    while (length > 0 && folder[length - 1] != L'\\')
        length--;
    folder[length] = L'\0';
    if (!join(file->source, folder, NAME))
        return ERROR_FILENAME_EXCED_RANGE;
    length = GetSystemDirectoryW(folder, DRIVER_FILE_PATH_MAX);
    if (length == 0 || length >= DRIVER_FILE_PATH_MAX || !join(file->target, folder, L"\\drivers\\" NAME))
        return length == 0 ? GetLastError() : ERROR_FILENAME_EXCED_RANGE;
    if (lock)
        error = take_lock(file);
    if (error != 0)
        return error;
    file->there = is_there(file->target);
    file->same = file->there && same_bytes(file->source, file->target);
    beside(file, NEW, path);
    file->left = is_there(path);
    beside(file, OLD, path);
    file->left |= is_there(path);
    return 0;
}

static bool is_driver(const BYTE *bytes, DWORD size)
{
    IMAGE_DOS_HEADER dos;
    IMAGE_NT_HEADERS64 nt;

    if (size < sizeof(dos))
        return false;
    memcpy(&dos, bytes, sizeof(dos));
    if (dos.e_magic != IMAGE_DOS_SIGNATURE || dos.e_lfanew < 0 || (DWORD)dos.e_lfanew > size ||
        size - (DWORD)dos.e_lfanew < sizeof(nt))
        return false;
    memcpy(&nt, bytes + dos.e_lfanew, sizeof(nt));
    return nt.Signature == IMAGE_NT_SIGNATURE && nt.FileHeader.Machine == IMAGE_FILE_MACHINE_AMD64 &&
           nt.OptionalHeader.Magic == IMAGE_NT_OPTIONAL_HDR64_MAGIC &&
           nt.OptionalHeader.Subsystem == IMAGE_SUBSYSTEM_NATIVE;
}

uint32_t driver_file_check(const struct driver_file *file)
{
    DWORD size = 0;
    BYTE *bytes = load(file->source, &size);
    uint32_t error = 0;

    if (bytes == NULL)
        return GetLastError();
    if (!is_driver(bytes, size))
        error = ERROR_BAD_EXE_FORMAT;
    HeapFree(GetProcessHeap(), 0, bytes);
    return error;
}

/* Windows neither deletes nor replaces a file that is read-only, and a copy is when its source was. */
static void make_writable(const wchar_t *path)
{
    DWORD attributes = GetFileAttributesW(path);

    if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_READONLY) != 0)
        (void)SetFileAttributesW(path, attributes & ~(DWORD)FILE_ATTRIBUTE_READONLY);
}

uint32_t driver_file_replace(struct driver_file *file)
{
    wchar_t fresh[DRIVER_FILE_PATH_MAX], old[DRIVER_FILE_PATH_MAX];
    uint32_t error = 0;

    beside(file, NEW, fresh);
    beside(file, OLD, old);
    make_writable(fresh);
    make_writable(old);
    if (!CopyFileW(file->source, fresh, FALSE)) {
        error = GetLastError();
    } else if (file->there && !MoveFileExW(file->target, old, MOVEFILE_REPLACE_EXISTING)) {
        error = GetLastError();
    } else {
        file->kept = file->there;
        make_writable(fresh);
        if (!MoveFileExW(fresh, file->target, 0))
            error = GetLastError();
        else
            file->replaced = true;
    }
    if (error != 0) {
        (void)DeleteFileW(fresh);
        (void)driver_file_undo(file);
    }
    return error;
}

uint32_t driver_file_undo(struct driver_file *file)
{
    wchar_t old[DRIVER_FILE_PATH_MAX];
    uint32_t error = 0;

    beside(file, OLD, old);
    if (file->kept && !MoveFileExW(old, file->target, MOVEFILE_REPLACE_EXISTING))
        error = GetLastError();
    else if (!file->kept && file->replaced && !DeleteFileW(file->target))
        error = GetLastError();
    file->kept = file->replaced = false;
    return error;
}

/* 0, also when there is none. *later as in the header. */
static uint32_t discard(const wchar_t *path, bool *later)
{
    uint32_t error;

    make_writable(path);
    if (DeleteFileW(path))
        return 0;
    error = GetLastError();
    if (error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND)
        return 0;
    if (!MoveFileExW(path, NULL, MOVEFILE_DELAY_UNTIL_REBOOT))
        return error;
    *later = true;
    return 0;
}

void driver_file_settle(struct driver_file *file)
{
    wchar_t old[DRIVER_FILE_PATH_MAX];
    bool later = false;

    beside(file, OLD, old);
    (void)discard(old, &later);
    file->kept = file->replaced = false;
}

uint32_t driver_file_remove(struct driver_file *file, bool *later)
{
    wchar_t path[DRIVER_FILE_PATH_MAX];
    uint32_t error;

    *later = false;
    error = discard(file->target, later);
    beside(file, NEW, path);
    if (error == 0)
        error = discard(path, later);
    beside(file, OLD, path);
    if (error == 0)
        error = discard(path, later);
    return error;
}
