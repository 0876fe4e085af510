/* SPDX-License-Identifier: MIT */
/*
 * host_path.c - names of drivers' files; see host_path.h.
 *
 * Pages: "Object Names"; [MS-ERREF] 2.3.1 for what the statuses mean.
 */
#include "nt/io/host_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define SURROGATE_HIGH 0xd800u
#define SURROGATE_LOW  0xdc00u
#define SURROGATE_END  0xe000u

NTSTATUS nt_host_status(int error, NTSTATUS missing)
{
    static const struct {
        int error;
        NTSTATUS status;
    } known[] = {
        {EACCES, STATUS_ACCESS_DENIED},
        {EPERM, STATUS_ACCESS_DENIED},
        {EBUSY, STATUS_ACCESS_DENIED},
        {ETXTBSY, STATUS_SHARING_VIOLATION},
        {EROFS, STATUS_MEDIA_WRITE_PROTECTED},
        {ENOSPC, STATUS_DISK_FULL},
        {EDQUOT, STATUS_DISK_FULL},
        {EFBIG, STATUS_FILE_TOO_LARGE},
        {EEXIST, STATUS_OBJECT_NAME_COLLISION},
        {ENOTEMPTY, STATUS_OBJECT_NAME_COLLISION},
        {ENAMETOOLONG, STATUS_OBJECT_NAME_INVALID},
        {EISDIR, STATUS_FILE_IS_A_DIRECTORY},
        {ENOTDIR, STATUS_NOT_A_DIRECTORY},
        {ELOOP, STATUS_IO_REPARSE_TAG_NOT_HANDLED}, /* O_NOFOLLOW met a symbolic link */
        {EXDEV, STATUS_NOT_SAME_DEVICE},
        {EMFILE, STATUS_INSUFFICIENT_RESOURCES},
        {ENFILE, STATUS_INSUFFICIENT_RESOURCES},
        {ENOMEM, STATUS_INSUFFICIENT_RESOURCES},
        {EINVAL, STATUS_INVALID_PARAMETER},
    };
    if (error == ENOENT)
        return missing;
    for (size_t index = 0; index < RTL_NUMBER_OF(known); index++)
        if (known[index].error == error)
            return known[index].status;
    return STATUS_IO_DEVICE_ERROR;
}

/* The code point or byte at *at, which moves behind it. false: a lone surrogate that stands for no byte. */
static bool read_point(const WCHAR *text, size_t chars, size_t *at, uint32_t *point, bool *byte)
{
    uint32_t first = text[(*at)++];
    *byte = first >= SURROGATE_LOW + 0x80 && first <= SURROGATE_LOW + 0xff;
    *point = *byte ? first - SURROGATE_LOW : first;
    if (*byte || first < SURROGATE_HIGH || first >= SURROGATE_END)
        return true;
    if (first >= SURROGATE_LOW || *at == chars || text[*at] < SURROGATE_LOW || text[*at] >= SURROGATE_END)
        return false;
    *point = 0x10000 + ((first - SURROGATE_HIGH) << 10) + (text[(*at)++] - SURROGATE_LOW);
    return true;
}

static size_t write_utf8(uint32_t point, char bytes[4])
{
    if (point < 0x80) {
        bytes[0] = (char)point;
        return 1;
    }
    size_t size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t index = size; index-- > 1; point >>= 6)
        bytes[index] = (char)(0x80 | (point & 0x3f));
    bytes[0] = (char)((0xf00u >> size & 0xf0) | point);
    return size;
}

/* Bytes of UTF-16 as a path of this machine: "\" becomes "/". */
static NTSTATUS to_bytes(const WCHAR *text, size_t chars, char *bytes, size_t capacity)
{
    size_t size = 0;
    for (size_t at = 0; at < chars;) {
        char encoded[4];
        uint32_t point;
        bool byte;
        if (!read_point(text, chars, &at, &point, &byte) || point == 0 || point == '/')
            return STATUS_OBJECT_NAME_INVALID;
        encoded[0] = point == '\\' ? '/' : (char)point;
        size_t more = byte || point == '\\' ? 1 : write_utf8(point, encoded);
        if (size + more >= capacity)
            return STATUS_NAME_TOO_LONG;
        memcpy(bytes + size, encoded, more);
        size += more;
    }
    bytes[size] = 0;
    return STATUS_SUCCESS;
}

/* Decodes one code point of UTF-8; a byte that is none stands for itself, marked. */
static size_t read_utf8(const char *text, uint32_t *point)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t size = bytes[0] < 0x80 ? 1 : bytes[0] < 0xc2 ? 0 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    *point = size < 2 ? bytes[0] : bytes[0] & (0x7fu >> size);
    for (size_t index = 1; index < size; index++) {
        if ((bytes[index] & 0xc0) != 0x80)
            size = 0;
        else
            *point = *point << 6 | (bytes[index] & 0x3f);
    }
    if ((size == 3 && (*point < 0x800 || (*point >= SURROGATE_HIGH && *point < SURROGATE_END))) ||
        (size == 4 && (*point < 0x10000 || *point > 0x10ffff)))
        size = 0;
    if (size == 0)
        *point = SURROGATE_LOW + bytes[0];
    return size == 0 ? 1 : size;
}

WCHAR *nt_host_text(const char *text, ULONG *size)
{
    WCHAR *wide = calloc(strlen(text) + 1, sizeof *wide); /* no code point takes more units than bytes */
    size_t units = 0;
    while (wide != NULL && *text != 0) {
        uint32_t point;
        text += read_utf8(text, &point);
        if (point >= 0x10000) {
            wide[units++] = (WCHAR)(SURROGATE_HIGH + ((point - 0x10000) >> 10));
            point = SURROGATE_LOW + (point & 0x3ff);
        }
        wide[units++] = (WCHAR)point;
    }
    *size = (ULONG)((units + 1) * sizeof *wide);
    return wide;
}

static bool is_name(const char *name, size_t size)
{
    return size != 0 && size <= NAME_MAX && !(size == 1 && name[0] == '.') &&
           !(size == 2 && name[0] == '.' && name[1] == '.');
}

/* Every component is a name; path begins with "/". */
static bool is_path(const char *path)
{
    for (const char *at = path; *at == '/';) {
        size_t size = strcspn(at + 1, "/");
        if (!is_name(at + 1, size))
            return false;
        at += 1 + size;
    }
    return true;
}

/* The part behind the volume, from its backslash on; NULL: it is on none that is known. */
static const WCHAR *behind_volume(PCUNICODE_STRING name)
{
    static const WCHAR short_head[] = L"\\??\\unix\\", long_head[] = L"\\DosDevices\\unix\\";
    size_t chars = name->Length / sizeof(WCHAR);
    size_t short_size = RTL_NUMBER_OF(short_head) - 1, long_size = RTL_NUMBER_OF(long_head) - 1;
    if (chars > short_size && nt_wide_equal(name->Buffer, short_size, short_head, short_size))
        return name->Buffer + short_size - 1;
    if (chars > long_size && nt_wide_equal(name->Buffer, long_size, long_head, long_size))
        return name->Buffer + long_size - 1;
    return NULL;
}

NTSTATUS nt_host_name(PCUNICODE_STRING name, char text[NAME_MAX + 1])
{
    char bytes[NAME_MAX + 1];
    NTSTATUS status = to_bytes(name->Buffer, name->Length / sizeof(WCHAR), bytes, sizeof bytes);
    if (!NT_SUCCESS(status))
        return status;
    if (strchr(bytes, '/') != NULL || !is_name(bytes, strlen(bytes)))
        return STATUS_OBJECT_NAME_INVALID;
    memcpy(text, bytes, sizeof bytes);
    return STATUS_SUCCESS;
}

NTSTATUS nt_host_path_open(PCUNICODE_STRING name, struct nt_host_path *path)
{
    char bytes[PATH_MAX];
    const WCHAR *rest = behind_volume(name);
    if (name->Length < sizeof(WCHAR) || name->Buffer[0] != '\\')
        return STATUS_OBJECT_PATH_SYNTAX_BAD;
    if (rest == NULL)
        return STATUS_OBJECT_PATH_NOT_FOUND;
    NTSTATUS status = to_bytes(rest, name->Length / sizeof(WCHAR) - (size_t)(rest - name->Buffer), bytes, sizeof bytes);
    if (!NT_SUCCESS(status))
        return status;
    if (!is_path(bytes))
        return STATUS_OBJECT_NAME_INVALID;
    char *last = strrchr(bytes, '/');
    *last = 0;
    int folder = open(last == bytes ? "/" : bytes, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return errno == ENOTDIR ? STATUS_OBJECT_PATH_NOT_FOUND : nt_host_status(errno, STATUS_OBJECT_PATH_NOT_FOUND);
    path->folder = folder;
    memcpy(path->name, last + 1, strlen(last + 1) + 1);
    return STATUS_SUCCESS;
}
