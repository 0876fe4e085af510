/* SPDX-License-Identifier: MIT */
/*
 * zw_file.c - opens files by name for drivers, and closes them.
 *
 * A handle stands for an object with an open file of this machine; ZwClose (nt/ps/thread.c) gives it back. Who may
 * open what beside whom (ShareAccess) is kept among the handles of this process. Nothing is buffered here.
 * The host's files are slow, so nothing of them runs under the list's lock but what must see the list unchanged.
 * When you add an information class: zw_file_data.c, its structure in wdm/file.h and its size in nt/layout.c.
 * Rules: handle-invalid, left-file. Pages: ZwCreateFile (wdm.h, ntifs.h NtCreateFile), ZwClose, "Using Files in a
 * Driver", "Creating and Opening Files" (sharing modes).
 */
#define _GNU_SOURCE
#include "nt/io/zw_file.h"
#include "nt/verify/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define READS  (FILE_READ_DATA | FILE_EXECUTE)
#define WRITES (FILE_WRITE_DATA | FILE_APPEND_DATA)

#define CREATE_TRIES 8

static pthread_mutex_t files_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_ENTRY files = {&files, &files};

static struct nt_opened *file_at(PLIST_ENTRY entry)
{
    return CONTAINING_RECORD(entry, struct nt_opened, link);
}

static bool is_same(const struct nt_opened *file, const struct stat *about)
{
    return file->device == about->st_dev && file->number == about->st_ino;
}

static bool sharing_forbids(const struct nt_opened *open, ACCESS_MASK access, ULONG share)
{
    return ((open->share & FILE_SHARE_READ) == 0 && (access & READS) != 0) ||
           ((open->share & FILE_SHARE_WRITE) == 0 && (access & WRITES) != 0) ||
           ((open->share & FILE_SHARE_DELETE) == 0 && (access & DELETE) != 0) ||
           ((share & FILE_SHARE_READ) == 0 && (open->access & READS) != 0) ||
           ((share & FILE_SHARE_WRITE) == 0 && (open->access & WRITES) != 0) ||
           ((share & FILE_SHARE_DELETE) == 0 && (open->access & DELETE) != 0);
}

/* Among the open ones, unless it may not be open beside one of them. */
static NTSTATUS link_file(struct nt_opened *file)
{
    NTSTATUS status = STATUS_SUCCESS;
    pthread_mutex_lock(&files_lock);
    for (PLIST_ENTRY entry = files.Flink; entry != &files && status == STATUS_SUCCESS; entry = entry->Flink) {
        const struct nt_opened *other = file_at(entry);
        if (other->device != file->device || other->number != file->number)
            continue;
        if (other->delete_pending)
            status = STATUS_DELETE_PENDING;
        else if (sharing_forbids(other, file->access, file->share))
            status = STATUS_SHARING_VIOLATION;
    }
    if (status == STATUS_SUCCESS)
        InsertTailList(&files, &file->link);
    pthread_mutex_unlock(&files_lock);
    return status;
}

/* true: it was the last handle, and the file is to be deleted. */
static bool unlink_file(struct nt_opened *file)
{
    bool deletes = file->delete_pending || file->delete_on_close;
    pthread_mutex_lock(&files_lock);
    RemoveEntryList(&file->link);
    for (PLIST_ENTRY entry = files.Flink; entry != &files; entry = entry->Flink) {
        struct nt_opened *other = file_at(entry);
        if (deletes && other->device == file->device && other->number == file->number) {
            other->delete_pending = true;
            deletes = false;
        }
    }
    pthread_mutex_unlock(&files_lock);
    return deletes;
}

static void close_host(struct nt_opened *file)
{
    if (file->fd >= 0)
        (void)close(file->fd);
    (void)close(file->path.folder);
    file->fd = file->path.folder = -1;
}

static void destroy(PVOID body)
{
    struct nt_opened *file = body;
    struct stat about;
    if (file->link.Flink != NULL && unlink_file(file) &&
        fstatat(file->path.folder, file->path.name, &about, AT_SYMLINK_NOFOLLOW) == 0 && is_same(file, &about))
        (void)unlinkat(file->path.folder, file->path.name, file->directory ? AT_REMOVEDIR : 0);
    nt_end(NT_BEGAN_OBJECT, (uintptr_t)file);
    close_host(file);
    pthread_mutex_destroy(&file->lock);
}

bool nt_opened_elsewhere(const struct nt_opened *file, int folder, const char *name)
{
    struct stat about;
    bool found = false;
    if (fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    pthread_mutex_lock(&files_lock);
    for (PLIST_ENTRY entry = files.Flink; entry != &files; entry = entry->Flink)
        found = found || (file_at(entry) != file && is_same(file_at(entry), &about));
    pthread_mutex_unlock(&files_lock);
    return found;
}

NTSTATUS nt_opened_set_deletion(struct nt_opened *file, bool deletes)
{
    pthread_mutex_lock(&files_lock);
    file->delete_pending = deletes;
    pthread_mutex_unlock(&files_lock);
    return STATUS_SUCCESS;
}

struct nt_opened *nt_opened_of(HANDLE handle, const char *routine, ACCESS_MASK any_of, NTSTATUS *status)
{
    struct nt_opened *file = nt_handle_object(handle, NT_OBJECT_HOST_FILE);
    *status = STATUS_INVALID_HANDLE;
    if (file == NULL)
        nt_violate("handle-invalid", routine, "%p is no open handle of a file", handle);
    else if (any_of != 0 && (file->access & any_of) == 0)
        *status = STATUS_ACCESS_DENIED;
    else
        return file;
    return NULL;
}

/* What a driver left open is closed, for the next one's sake. */
void nt_opened_report(PDRIVER_OBJECT driver)
{
    struct nt_opened *left;
    do {
        left = NULL;
        pthread_mutex_lock(&files_lock);
        for (PLIST_ENTRY entry = files.Flink; entry != &files && left == NULL; entry = entry->Flink)
            if (file_at(entry)->driver == driver)
                left = file_at(entry);
        pthread_mutex_unlock(&files_lock);
        if (left != NULL) {
            nt_about(NT_BEGAN_OBJECT, (uintptr_t)left);
            nt_violate("left-file", "DriverUnload", "the file %s is still open", left->path.name);
            nt_object_release(left);
        }
    } while (left != NULL);
}

void nt_opened_reset(void)
{
    for (PLIST_ENTRY entry = files.Flink; entry != &files; entry = entry->Flink)
        close_host(file_at(entry));
    InitializeListHead(&files);
}

/* --- ZwCreateFile --------------------------------------------------------------------------- */

/* FILE_EXISTS and so on, by what CreateDisposition says and whether the file was there. */
static ULONG_PTR outcome(ULONG disposition, bool created)
{
    if (created)
        return FILE_CREATED;
    if (disposition == FILE_SUPERSEDE)
        return FILE_SUPERSEDED;
    return disposition == FILE_OVERWRITE || disposition == FILE_OVERWRITE_IF ? FILE_OVERWRITTEN : FILE_OPENED;
}

static ACCESS_MASK map_access(ACCESS_MASK access, ULONG options)
{
    access = nt_access_map(access);
    return (options & FILE_DELETE_ON_CLOSE) != 0 ? access | DELETE : access;
}

static NTSTATUS check_arguments(ACCESS_MASK access, POBJECT_ATTRIBUTES attributes, ULONG share, ULONG disposition,
                                ULONG options, PVOID ea, ULONG ea_length)
{
    const ULONG sync = FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT;
    const ULONG kind = FILE_DIRECTORY_FILE | FILE_NON_DIRECTORY_FILE;
    const ULONG known = sync | kind | FILE_WRITE_THROUGH | FILE_SEQUENTIAL_ONLY | FILE_RANDOM_ACCESS |
                        FILE_DELETE_ON_CLOSE | FILE_OPEN_REPARSE_POINT;
    if (attributes == NULL || attributes->Length != sizeof *attributes || attributes->ObjectName == NULL)
        return STATUS_INVALID_PARAMETER;
    if (disposition > FILE_OVERWRITE_IF || (options & sync) == sync || (options & kind) == kind ||
        (share & ~(ULONG)(FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)) != 0)
        return STATUS_INVALID_PARAMETER;
    if ((options & sync) != 0 && (access & (SYNCHRONIZE | GENERIC_READ | GENERIC_WRITE | GENERIC_ALL)) == 0)
        return STATUS_INVALID_PARAMETER;
    if ((options & FILE_DELETE_ON_CLOSE) != 0 && (access & (DELETE | GENERIC_ALL)) == 0)
        return STATUS_INVALID_PARAMETER;
    if ((options & FILE_DIRECTORY_FILE) != 0 && disposition != FILE_CREATE && disposition != FILE_OPEN &&
        disposition != FILE_OPEN_IF)
        return STATUS_INVALID_PARAMETER;
    if ((options & ~known) != 0 || attributes->RootDirectory != NULL || ea != NULL || ea_length != 0)
        return STATUS_NOT_SUPPORTED;
    return STATUS_SUCCESS;
}

static int open_flags(const struct nt_opened *file)
{
    int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    if (file->directory)
        return flags | O_RDONLY | O_DIRECTORY;
    if ((file->access & WRITES) == 0)
        return flags | O_RDONLY;
    return flags | ((file->access & READS) != 0 ? O_RDWR : O_WRONLY);
}

static int create_host(const struct nt_opened *file)
{
    if (!file->directory)
        return openat(file->path.folder, file->path.name, open_flags(file) | O_CREAT | O_EXCL, 0600);
    if (mkdirat(file->path.folder, file->path.name, 0700) != 0)
        return -1;
    return openat(file->path.folder, file->path.name, open_flags(file));
}

/* Opens or makes it, as if in one step: a file that comes or goes meanwhile is looked at again. */
static NTSTATUS open_host(struct nt_opened *file, ULONG disposition, bool *created)
{
    bool may_open = disposition != FILE_CREATE, may_create = disposition != FILE_OPEN && disposition != FILE_OVERWRITE;
    int error = EEXIST;
    for (int tries = 0; tries < CREATE_TRIES && file->fd < 0; tries++) {
        *created = tries % 2 == 1 || !may_open;
        if (*created && !may_create)
            break;
        file->fd = *created ? create_host(file) : openat(file->path.folder, file->path.name, open_flags(file));
        error = file->fd < 0 ? errno : 0;
        if (error != (*created ? EEXIST : ENOENT) || (*created && !may_open))
            break;
    }
    return error == 0 ? STATUS_SUCCESS : nt_host_status(error, STATUS_OBJECT_NAME_NOT_FOUND);
}

/* That it is a file, or a directory, as was asked for; and which. */
static NTSTATUS identify(struct nt_opened *file, ULONG options)
{
    struct stat about;
    if (fstat(file->fd, &about) != 0)
        return nt_host_status(errno, STATUS_IO_DEVICE_ERROR);
    if (S_ISDIR(about.st_mode) && (options & FILE_NON_DIRECTORY_FILE) != 0)
        return STATUS_FILE_IS_A_DIRECTORY;
    if (!S_ISDIR(about.st_mode) && !S_ISREG(about.st_mode))
        return STATUS_INVALID_DEVICE_REQUEST;
    file->directory = S_ISDIR(about.st_mode);
    file->device = about.st_dev;
    file->number = about.st_ino;
    return STATUS_SUCCESS;
}

static NTSTATUS open_file(struct nt_opened *file, ULONG disposition, ULONG options, PIO_STATUS_BLOCK block)
{
    bool created = false;
    NTSTATUS status = open_host(file, disposition, &created);
    if (NT_SUCCESS(status))
        status = identify(file, options);
    if (NT_SUCCESS(status))
        status = link_file(file);
    if (!NT_SUCCESS(status)) {
        block->Information = status == STATUS_OBJECT_NAME_COLLISION   ? FILE_EXISTS
                             : status == STATUS_OBJECT_NAME_NOT_FOUND ? FILE_DOES_NOT_EXIST
                                                                      : 0;
        return status;
    }
    nt_begin(NT_BEGAN_OBJECT, (uintptr_t)file);
    block->Information = outcome(disposition, created);
    if (block->Information != FILE_CREATED && block->Information != FILE_OPENED && ftruncate(file->fd, 0) != 0)
        return nt_host_status(errno, STATUS_IO_DEVICE_ERROR);
    file->delete_on_close = (options & FILE_DELETE_ON_CLOSE) != 0;
    return STATUS_SUCCESS;
}

static NTSTATUS create_file(PHANDLE handle, ACCESS_MASK access, PCUNICODE_STRING name, PIO_STATUS_BLOCK block,
                            ULONG share, ULONG disposition, ULONG options)
{
    struct nt_host_path path;
    NTSTATUS status = nt_fails("ZwCreateFile") ? STATUS_INSUFFICIENT_RESOURCES : nt_host_path_open(name, &path);
    if (!NT_SUCCESS(status))
        return status;
    struct nt_opened *file = nt_object_new(NT_OBJECT_HOST_FILE, sizeof *file, destroy);
    if (file == NULL) {
        (void)close(path.folder);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    file->path = path;
    file->fd = -1;
    file->driver = nt_self.driver;
    file->access = map_access(access, options);
    if (disposition == FILE_SUPERSEDE || disposition == FILE_OVERWRITE || disposition == FILE_OVERWRITE_IF)
        file->access |= FILE_WRITE_DATA;
    file->share = share;
    file->directory = (options & FILE_DIRECTORY_FILE) != 0;
    file->synchronous = (options & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT)) != 0;
    pthread_mutex_init(&file->lock, NULL);
    status = open_file(file, disposition, options, block);
    if (NT_SUCCESS(status))
        *handle = nt_object_handle(file);
    else
        nt_object_release(file);
    return status;
}

NTSTATUS ZwCreateFile(PHANDLE FileHandle, ACCESS_MASK DesiredAccess, POBJECT_ATTRIBUTES ObjectAttributes,
                      PIO_STATUS_BLOCK IoStatusBlock, PLARGE_INTEGER AllocationSize, ULONG FileAttributes,
                      ULONG ShareAccess, ULONG CreateDisposition, ULONG CreateOptions, PVOID EaBuffer, ULONG EaLength)
{
    NT_ENTER(ZwCreateFile);
    UNREFERENCED_PARAMETER(AllocationSize);
    UNREFERENCED_PARAMETER(FileAttributes);
    NTSTATUS status = check_arguments(DesiredAccess, ObjectAttributes, ShareAccess, CreateDisposition, CreateOptions,
                                      EaBuffer, EaLength);
    IoStatusBlock->Information = 0;
    if (NT_SUCCESS(status))
        status = create_file(FileHandle, DesiredAccess, ObjectAttributes->ObjectName, IoStatusBlock, ShareAccess,
                             CreateDisposition, CreateOptions);
    IoStatusBlock->Status = status;
    return status;
}
