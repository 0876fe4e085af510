/* SPDX-License-Identifier: MIT */
/*
 * zw_file_data.c - reads, writes and changes files that drivers have open (zw_file.c).
 *
 * Everything ends within the call: STATUS_PENDING is never given, and events and APC routines are refused, as the
 * pages tell drivers to give none.
 * Pages: ZwReadFile, ZwWriteFile, ZwSetInformationFile, ZwQueryInformationFile (wdm.h), ZwFlushBuffersFile (ntifs.h),
 * FILE_RENAME_INFORMATION, FILE_STANDARD_INFORMATION, FILE_END_OF_FILE_INFORMATION.
 */
#define _GNU_SOURCE
#include "nt/io/zw_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT_POSITION UINT64_MAX
#define AT_END      (UINT64_MAX - 1)

static NTSTATUS done(PIO_STATUS_BLOCK block, NTSTATUS status, size_t information)
{
    block->Status = status;
    block->Information = information;
    return status;
}

/* Where a transfer begins. */
static NTSTATUS read_offset(const struct nt_opened *file, const LARGE_INTEGER *offset, bool writes, uint64_t *at)
{
    *at = AT_POSITION;
    if (offset != NULL && !(offset->HighPart == -1 && offset->LowPart == FILE_USE_FILE_POINTER_POSITION)) {
        if (writes && offset->HighPart == -1 && offset->LowPart == FILE_WRITE_TO_END_OF_FILE)
            *at = AT_END;
        else if (offset->QuadPart < 0)
            return STATUS_INVALID_PARAMETER;
        else
            *at = (uint64_t)offset->QuadPart;
    }
    if (writes && (file->access & FILE_WRITE_DATA) == 0)
        *at = AT_END;
    return *at != AT_POSITION || file->synchronous ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

static struct nt_opened *begin_transfer(HANDLE handle, const char *routine, ACCESS_MASK any_of, bool plain,
                                        NTSTATUS *status)
{
    struct nt_opened *file = nt_opened_of(handle, routine, any_of, status);
    if (file != NULL && (!plain || file->directory || file->delete_pending)) {
        *status = file->directory ? STATUS_INVALID_DEVICE_REQUEST
                  : plain         ? STATUS_DELETE_PENDING
                                  : STATUS_NOT_SUPPORTED;
        return NULL;
    }
    return file;
}

/* Under the file's lock. */
static NTSTATUS read_all(struct nt_opened *file, uint64_t at, char *buffer, size_t size, size_t *moved)
{
    while (*moved < size) {
        ssize_t more = pread(file->fd, buffer + *moved, size - *moved, (off_t)(at + *moved));
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return nt_host_status(errno, STATUS_IO_DEVICE_ERROR);
        if (more == 0)
            break;
        *moved += (size_t)more;
    }
    return *moved == 0 && size != 0 ? STATUS_END_OF_FILE : STATUS_SUCCESS;
}

static NTSTATUS write_all(struct nt_opened *file, uint64_t at, const char *buffer, size_t size, size_t *moved)
{
    while (*moved < size) {
        ssize_t more = pwrite(file->fd, buffer + *moved, size - *moved, (off_t)(at + *moved));
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return nt_host_status(errno, STATUS_IO_DEVICE_ERROR);
        *moved += (size_t)more;
    }
    return STATUS_SUCCESS;
}

NTSTATUS ZwReadFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine, PVOID ApcContext,
                    PIO_STATUS_BLOCK IoStatusBlock, PVOID Buffer, ULONG Length, PLARGE_INTEGER ByteOffset, PULONG Key)
{
    NT_ENTER(ZwReadFile);
    bool plain = Event == NULL && ApcRoutine == NULL && ApcContext == NULL && Key == NULL;
    NTSTATUS status;
    uint64_t at;
    size_t moved = 0;
    struct nt_opened *file = begin_transfer(FileHandle, "ZwReadFile", FILE_READ_DATA, plain, &status);
    if (file != NULL)
        status = nt_fails("ZwReadFile") ? STATUS_IO_DEVICE_ERROR : read_offset(file, ByteOffset, false, &at);
    if (file == NULL || !NT_SUCCESS(status))
        return done(IoStatusBlock, status, 0);
    pthread_mutex_lock(&file->lock);
    if (at == AT_POSITION)
        at = file->position;
    status = read_all(file, at, Buffer, Length, &moved);
    file->position = at + moved;
    pthread_mutex_unlock(&file->lock);
    return done(IoStatusBlock, status, moved);
}

NTSTATUS ZwWriteFile(HANDLE FileHandle, HANDLE Event, PIO_APC_ROUTINE ApcRoutine, PVOID ApcContext,
                     PIO_STATUS_BLOCK IoStatusBlock, PVOID Buffer, ULONG Length, PLARGE_INTEGER ByteOffset, PULONG Key)
{
    NT_ENTER(ZwWriteFile);
    bool plain = Event == NULL && ApcRoutine == NULL && ApcContext == NULL && Key == NULL;
    NTSTATUS status;
    uint64_t at;
    size_t moved = 0;
    struct stat about;
    struct nt_opened *file =
        begin_transfer(FileHandle, "ZwWriteFile", FILE_WRITE_DATA | FILE_APPEND_DATA, plain, &status);
    if (file != NULL)
        status = nt_fails("ZwWriteFile") ? STATUS_DISK_FULL : read_offset(file, ByteOffset, true, &at);
    if (file == NULL || !NT_SUCCESS(status))
        return done(IoStatusBlock, status, 0);
    pthread_mutex_lock(&file->lock);
    if (at == AT_POSITION)
        at = file->position;
    if (at == AT_END && fstat(file->fd, &about) == 0)
        at = (uint64_t)about.st_size;
    status = write_all(file, at, Buffer, Length, &moved);
    file->position = at + moved;
    pthread_mutex_unlock(&file->lock);
    return done(IoStatusBlock, status, moved);
}

NTSTATUS ZwFlushBuffersFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock)
{
    NT_ENTER(ZwFlushBuffersFile);
    NTSTATUS status;
    struct nt_opened *file =
        nt_opened_of(FileHandle, "ZwFlushBuffersFile", FILE_WRITE_DATA | FILE_APPEND_DATA, &status);
    if (file == NULL)
        return done(IoStatusBlock, status, 0);
    if (nt_fails("ZwFlushBuffersFile") || fsync(file->fd) != 0)
        return done(IoStatusBlock, STATUS_IO_DEVICE_ERROR, 0);
    return done(IoStatusBlock, STATUS_SUCCESS, 0);
}

/* --- ZwSetInformationFile -------------------------------------------------------------------- */

/* The folder and name that a rename leads to. *own: the folder is path's to close. */
static NTSTATUS rename_target(const struct nt_opened *file, const FILE_RENAME_INFORMATION *to,
                              struct nt_host_path *path, bool *own)
{
    UNICODE_STRING name = {(USHORT)to->FileNameLength, (USHORT)to->FileNameLength, (PWCH)to->FileName};
    *own = false;
    if (to->FileNameLength < sizeof(WCHAR) || to->FileNameLength % sizeof(WCHAR) != 0 ||
        to->FileNameLength > UNICODE_STRING_MAX_BYTES)
        return STATUS_INVALID_PARAMETER;
    if (to->RootDirectory == NULL && to->FileName[0] == '\\') {
        NTSTATUS status = nt_host_path_open(&name, path);
        *own = NT_SUCCESS(status);
        return status;
    }
    path->folder = file->path.folder;
    if (to->RootDirectory != NULL) {
        const struct nt_opened *root = nt_handle_object(to->RootDirectory, NT_OBJECT_HOST_FILE);
        if (root == NULL || !root->directory)
            return STATUS_INVALID_HANDLE;
        path->folder = root->fd;
    }
    return nt_host_name(&name, path->name);
}

static NTSTATUS move(struct nt_opened *file, const struct nt_host_path *to, bool replaces)
{
    struct stat about;
    if (fstatat(file->path.folder, file->path.name, &about, AT_SYMLINK_NOFOLLOW) != 0 || about.st_dev != file->device ||
        about.st_ino != file->number)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (fstatat(to->folder, to->name, &about, AT_SYMLINK_NOFOLLOW) == 0) {
        if (!replaces)
            return STATUS_OBJECT_NAME_COLLISION;
        if (S_ISDIR(about.st_mode) || nt_opened_elsewhere(file, to->folder, to->name))
            return STATUS_ACCESS_DENIED;
    }
    if (renameat2(file->path.folder, file->path.name, to->folder, to->name, replaces ? 0 : RENAME_NOREPLACE) != 0)
        return nt_host_status(errno, STATUS_OBJECT_NAME_NOT_FOUND);
    return STATUS_SUCCESS;
}

/* The folders are written last: from then on the new name is found after a crash. */
static NTSTATUS set_name(struct nt_opened *file, const FILE_RENAME_INFORMATION *to, ULONG length)
{
    struct nt_host_path path;
    bool own;
    if (length < offsetof(FILE_RENAME_INFORMATION, FileName) ||
        to->FileNameLength > length - offsetof(FILE_RENAME_INFORMATION, FileName))
        return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = rename_target(file, to, &path, &own);
    if (!NT_SUCCESS(status))
        return status;
    status = move(file, &path, to->ReplaceIfExists);
    if (NT_SUCCESS(status)) {
        if (fsync(path.folder) != 0 || (path.folder != file->path.folder && fsync(file->path.folder) != 0))
            status = STATUS_IO_DEVICE_ERROR;
        memcpy(file->path.name, path.name, sizeof path.name);
    }
    if (NT_SUCCESS(status) && path.folder != file->path.folder) {
        int folder = own ? path.folder : dup(path.folder);
        if (folder >= 0) {
            (void)close(file->path.folder);
            file->path.folder = folder;
            own = false;
        }
    }
    if (own)
        (void)close(path.folder);
    return status;
}

static NTSTATUS set_end(struct nt_opened *file, const FILE_END_OF_FILE_INFORMATION *end)
{
    if (end->EndOfFile.QuadPart < 0 || file->directory)
        return STATUS_INVALID_PARAMETER;
    return ftruncate(file->fd, (off_t)end->EndOfFile.QuadPart) == 0 ? STATUS_SUCCESS
                                                                    : nt_host_status(errno, STATUS_IO_DEVICE_ERROR);
}

static NTSTATUS set_position(struct nt_opened *file, const FILE_POSITION_INFORMATION *position)
{
    if (position->CurrentByteOffset.QuadPart < 0 || !file->synchronous)
        return STATUS_INVALID_PARAMETER;
    pthread_mutex_lock(&file->lock);
    file->position = (uint64_t)position->CurrentByteOffset.QuadPart;
    pthread_mutex_unlock(&file->lock);
    return STATUS_SUCCESS;
}

/* A class that may be set: which right it needs, and how many bytes it has at least. */
static bool find_class(FILE_INFORMATION_CLASS class, ACCESS_MASK *access, ULONG *size)
{
    switch (class) {
    case FileRenameInformation:
        *access = DELETE;
        *size = sizeof(FILE_RENAME_INFORMATION);
        return true;
    case FileDispositionInformation:
        *access = DELETE;
        *size = sizeof(FILE_DISPOSITION_INFORMATION);
        return true;
    case FileEndOfFileInformation:
        *access = FILE_WRITE_DATA;
        *size = sizeof(FILE_END_OF_FILE_INFORMATION);
        return true;
    case FilePositionInformation:
        *access = 0;
        *size = sizeof(FILE_POSITION_INFORMATION);
        return true;
    default:
        return false;
    }
}

static NTSTATUS set_information(struct nt_opened *file, PVOID information, ULONG length, FILE_INFORMATION_CLASS class)
{
    if (file->delete_pending && class != FileDispositionInformation)
        return STATUS_DELETE_PENDING;
    switch (class) {
    case FileRenameInformation:
        return set_name(file, information, length);
    case FileDispositionInformation:
        return nt_opened_set_deletion(file, ((PFILE_DISPOSITION_INFORMATION)information)->DeleteFile);
    case FileEndOfFileInformation:
        return set_end(file, information);
    default:
        return set_position(file, information);
    }
}

NTSTATUS ZwSetInformationFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock, PVOID FileInformation, ULONG Length,
                              FILE_INFORMATION_CLASS FileInformationClass)
{
    NT_ENTER(ZwSetInformationFile);
    ACCESS_MASK access;
    ULONG size;
    NTSTATUS status;
    if (!find_class(FileInformationClass, &access, &size))
        return done(IoStatusBlock, STATUS_INVALID_INFO_CLASS, 0);
    if (Length < size)
        return done(IoStatusBlock, STATUS_INFO_LENGTH_MISMATCH, 0);
    struct nt_opened *file = nt_opened_of(FileHandle, "ZwSetInformationFile", access, &status);
    if (file != NULL)
        status = nt_fails("ZwSetInformationFile")
                     ? STATUS_INSUFFICIENT_RESOURCES
                     : set_information(file, FileInformation, Length, FileInformationClass);
    return done(IoStatusBlock, status, 0);
}

NTSTATUS ZwQueryInformationFile(HANDLE FileHandle, PIO_STATUS_BLOCK IoStatusBlock, PVOID FileInformation, ULONG Length,
                                FILE_INFORMATION_CLASS FileInformationClass)
{
    NT_ENTER(ZwQueryInformationFile);
    NTSTATUS status;
    struct stat about;
    if (FileInformationClass != FileStandardInformation)
        return done(IoStatusBlock, STATUS_INVALID_INFO_CLASS, 0);
    if (Length < sizeof(FILE_STANDARD_INFORMATION))
        return done(IoStatusBlock, STATUS_INFO_LENGTH_MISMATCH, 0);
    struct nt_opened *file = nt_opened_of(FileHandle, "ZwQueryInformationFile", 0, &status);
    if (file == NULL)
        return done(IoStatusBlock, status, 0);
    if (nt_fails("ZwQueryInformationFile"))
        return done(IoStatusBlock, STATUS_INSUFFICIENT_RESOURCES, 0);
    if (fstat(file->fd, &about) != 0)
        return done(IoStatusBlock, nt_host_status(errno, STATUS_IO_DEVICE_ERROR), 0);
    *(PFILE_STANDARD_INFORMATION)FileInformation = (FILE_STANDARD_INFORMATION){
        .AllocationSize.QuadPart = (LONGLONG)about.st_blocks * 512,
        .EndOfFile.QuadPart = about.st_size,
        .NumberOfLinks = (ULONG)about.st_nlink,
        .DeletePending = file->delete_pending,
        .Directory = file->directory,
    };
    return done(IoStatusBlock, STATUS_SUCCESS, sizeof(FILE_STANDARD_INFORMATION));
}
