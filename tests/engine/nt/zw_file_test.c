/* SPDX-License-Identifier: MIT */
/*
 * zw_file_test.c - contract of the routines with which a driver reads and writes files, on files of this machine.
 *
 * What is expected of a file's contents is looked at with the C library. Each case names its page.
 */
#include "tests/engine/nt/rules.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ACCESS (FILE_GENERIC_READ | FILE_GENERIC_WRITE | DELETE | SYNCHRONIZE)
#define ALL    (FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE)

static char folder[64];
static IO_STATUS_BLOCK block;

static int setup(void **state)
{
    memcpy(folder, "/tmp/nt-zw-file-XXXXXX", 23);
    if (mkdtemp(folder) == NULL)
        return 1;
    return rules_setup(state);
}

static int teardown(void **state)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command) != 0 || rules_teardown(state);
}

/* "\??\unix" and folder, then tail; both end up with "\". */
static void full_name(const char *tail, WCHAR *buffer, PUNICODE_STRING name)
{
    char text[256];
    snprintf(text, sizeof text,
             "/?"
             "?/unix%s/%s",
             folder, tail);
    size_t chars = 0;
    for (; text[chars] != 0; chars++)
        buffer[chars] = text[chars] == '/' ? L'\\' : (WCHAR)(UCHAR)text[chars];
    buffer[chars] = 0;
    RtlInitUnicodeString(name, buffer);
}

static NTSTATUS create_shared(const char *tail, ACCESS_MASK access, ULONG share, ULONG disposition, ULONG options,
                              HANDLE *handle)
{
    WCHAR buffer[256];
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;
    full_name(tail, buffer, &name);
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    *handle = NULL;
    return ZwCreateFile(handle, access, &attributes, &block, NULL, FILE_ATTRIBUTE_NORMAL, share, disposition, options,
                        NULL, 0);
}

static NTSTATUS create(const char *tail, ULONG disposition, HANDLE *handle)
{
    return create_shared(tail, ACCESS, ALL, disposition, FILE_SYNCHRONOUS_IO_NONALERT | FILE_NON_DIRECTORY_FILE,
                         handle);
}

static HANDLE must_create(const char *tail, ULONG disposition)
{
    HANDLE handle;
    assert_int_equal(create(tail, disposition, &handle), STATUS_SUCCESS);
    return handle;
}

static NTSTATUS write_at(HANDLE handle, const char *text, LONGLONG at)
{
    LARGE_INTEGER offset = {.QuadPart = at};
    return ZwWriteFile(handle, NULL, NULL, NULL, &block, (PVOID)text, (ULONG)strlen(text), at < 0 ? NULL : &offset,
                       NULL);
}

static const char *host_path(const char *tail)
{
    static char text[256];
    snprintf(text, sizeof text, "%s/%s", folder, tail);
    return text;
}

static void assert_content(const char *tail, const char *expected)
{
    char text[256] = {0};
    FILE *file = fopen(host_path(tail), "r");
    assert_non_null(file);
    (void)!fread(text, 1, sizeof text - 1, file);
    fclose(file);
    assert_string_equal(text, expected);
}

/* ZwCreateFile: what each CreateDisposition does with and without the file, and what Information says. */
static void dispositions(void **state)
{
    static const struct {
        ULONG disposition;
        NTSTATUS without, with;
        ULONG_PTR made, found;
        bool empties;
    } rows[] = {
        {FILE_SUPERSEDE, STATUS_SUCCESS, STATUS_SUCCESS, FILE_CREATED, FILE_SUPERSEDED, true},
        {FILE_CREATE, STATUS_SUCCESS, STATUS_OBJECT_NAME_COLLISION, FILE_CREATED, FILE_EXISTS, false},
        {FILE_OPEN, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS, FILE_DOES_NOT_EXIST, FILE_OPENED, false},
        {FILE_OPEN_IF, STATUS_SUCCESS, STATUS_SUCCESS, FILE_CREATED, FILE_OPENED, false},
        {FILE_OVERWRITE, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS, FILE_DOES_NOT_EXIST, FILE_OVERWRITTEN, true},
        {FILE_OVERWRITE_IF, STATUS_SUCCESS, STATUS_SUCCESS, FILE_CREATED, FILE_OVERWRITTEN, true},
    };
    (void)state;
    for (size_t index = 0; index < RTL_NUMBER_OF(rows); index++) {
        HANDLE handle;
        (void)unlink(host_path("file"));
        assert_int_equal(create("file", rows[index].disposition, &handle), rows[index].without);
        assert_int_equal(block.Status, rows[index].without);
        assert_int_equal(block.Information, rows[index].made);
        if (handle == NULL)
            handle = must_create("file", FILE_CREATE);
        assert_int_equal(write_at(handle, "old", 0), STATUS_SUCCESS);
        assert_int_equal(ZwClose(handle), STATUS_SUCCESS);
        assert_int_equal(create("file", rows[index].disposition, &handle), rows[index].with);
        assert_int_equal(block.Information, rows[index].found);
        if (handle != NULL)
            ZwClose(handle);
        assert_content("file", rows[index].empties ? "" : "old");
    }
}

/* A new file is its owner's alone; a symbolic link is not followed; only files and folders are opened. */
static void what_is_opened(void **state)
{
    struct stat about;
    HANDLE handle = must_create("file", FILE_CREATE);
    (void)state;
    assert_int_equal(stat(host_path("file"), &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600 & about.st_mode);
    assert_int_equal(about.st_mode & 0077, 0);
    ZwClose(handle);
    assert_int_equal(symlink("file", host_path("link")), 0);
    assert_int_equal(create("link", FILE_OPEN, &handle), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
    assert_int_equal(create("link", FILE_OVERWRITE_IF, &handle), STATUS_IO_REPARSE_TAG_NOT_HANDLED);
    assert_int_equal(mkfifo(host_path("pipe"), 0600), 0);
    assert_int_equal(create("pipe", FILE_OPEN, &handle), STATUS_INVALID_DEVICE_REQUEST);
    assert_int_equal(
        create_shared("sub", FILE_LIST_DIRECTORY | SYNCHRONIZE, ALL, FILE_OPEN_IF, FILE_DIRECTORY_FILE, &handle),
        STATUS_SUCCESS);
    assert_int_equal(block.Information, FILE_CREATED);
    ZwClose(handle);
    assert_true(stat(host_path("sub"), &about) == 0 && S_ISDIR(about.st_mode));
    assert_int_equal(create("sub", FILE_OPEN, &handle), STATUS_FILE_IS_A_DIRECTORY);
    assert_int_equal(create_shared("file", FILE_LIST_DIRECTORY, ALL, FILE_OPEN, FILE_DIRECTORY_FILE, &handle),
                     STATUS_NOT_A_DIRECTORY);
    assert_int_equal(create("none/file", FILE_CREATE, &handle), STATUS_OBJECT_PATH_NOT_FOUND);
}

static NTSTATUS open_named(PCWSTR text)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;
    HANDLE handle = NULL;
    RtlInitUnicodeString(&name, text);
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    NTSTATUS status = ZwCreateFile(&handle, ACCESS, &attributes, &block, NULL, 0, ALL, FILE_OPEN,
                                   FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
    if (handle != NULL)
        ZwClose(handle);
    return status;
}

/* "Object Names": a path begins at the root; names that lead elsewhere are none. */
static void names(void **state)
{
    HANDLE handle;
    (void)state;
    assert_int_equal(open_named(L"unix\\etc"), STATUS_OBJECT_PATH_SYNTAX_BAD);
    assert_int_equal(open_named(L""), STATUS_OBJECT_PATH_SYNTAX_BAD);
    assert_int_equal(open_named(L"\\?\?\\C:\\x"), STATUS_OBJECT_PATH_NOT_FOUND);
    assert_int_equal(open_named(L"\\?\?\\unix\\"), STATUS_OBJECT_PATH_NOT_FOUND);
    assert_int_equal(open_named(L"\\?\?\\unix\\tmp\\..\\etc"), STATUS_OBJECT_NAME_INVALID);
    assert_int_equal(open_named(L"\\?\?\\unix\\tmp\\\\x"), STATUS_OBJECT_NAME_INVALID);
    assert_int_equal(open_named(L"\\?\?\\unix\\tmp\\a/b"), STATUS_OBJECT_NAME_INVALID);
    assert_int_equal(open_named(L"\\?\?\\unix\\tmp\\\xdc41"), STATUS_OBJECT_NAME_INVALID);
    assert_int_equal(open_named(L"\\?\?\\UNIX\\no-such-folder\\x"), STATUS_OBJECT_PATH_NOT_FOUND);
    assert_int_equal(open_named(L"\\DosDevices\\unix\\no-such-folder\\x"), STATUS_OBJECT_PATH_NOT_FOUND);

    /* é, a byte that is no UTF-8, and a code point beyond 16 bits. */
    WCHAR buffer[256];
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;
    full_name("", buffer, &name);
    RtlCopyMemory(buffer + name.Length / sizeof(WCHAR), L"\x00e9\xdcff\xd83d\xde00", 10);
    RtlInitUnicodeString(&name, buffer);
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    assert_int_equal(ZwCreateFile(&handle, ACCESS, &attributes, &block, NULL, 0, 0, FILE_CREATE, 0, NULL, 0),
                     STATUS_SUCCESS);
    ZwClose(handle);
    assert_int_equal(access(host_path("\xc3\xa9\xff\xf0\x9f\x98\x80"), F_OK), 0);
}

/* ZwCreateFile: FILE_SYNCHRONOUS_IO_* needs SYNCHRONIZE, FILE_DELETE_ON_CLOSE needs DELETE ... */
static void bad_arguments(void **state)
{
    HANDLE handle;
    (void)state;
    assert_int_equal(create_shared("a", FILE_READ_DATA, ALL, FILE_CREATE, FILE_SYNCHRONOUS_IO_NONALERT, &handle),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(create_shared("a", FILE_READ_DATA, ALL, FILE_CREATE, FILE_DELETE_ON_CLOSE, &handle),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(create_shared("a", FILE_READ_DATA, ALL, 6, 0, &handle), STATUS_INVALID_PARAMETER);
    assert_int_equal(create_shared("a", FILE_READ_DATA, 8, FILE_CREATE, 0, &handle), STATUS_INVALID_PARAMETER);
    assert_int_equal(create_shared("a", FILE_READ_DATA, ALL, FILE_OVERWRITE, FILE_DIRECTORY_FILE, &handle),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(access(host_path("a"), F_OK), -1);
}

/* "Creating and Opening Files": ShareAccess 0 is exclusive; each kind of access must be shared both ways. */
static void sharing(void **state)
{
    HANDLE first, second;
    (void)state;
    assert_int_equal(create_shared("file", FILE_WRITE_DATA, 0, FILE_CREATE, 0, &first), STATUS_SUCCESS);
    assert_int_equal(create_shared("file", FILE_READ_DATA, ALL, FILE_OPEN, 0, &second), STATUS_SHARING_VIOLATION);
    ZwClose(first);
    assert_int_equal(create_shared("file", FILE_READ_DATA, FILE_SHARE_READ, FILE_OPEN, 0, &first), STATUS_SUCCESS);
    assert_int_equal(create_shared("file", FILE_WRITE_DATA, ALL, FILE_OPEN, 0, &second), STATUS_SHARING_VIOLATION);
    assert_int_equal(create_shared("file", FILE_READ_DATA, ALL, FILE_OVERWRITE, 0, &second), STATUS_SHARING_VIOLATION);
    assert_int_equal(create_shared("file", DELETE, ALL, FILE_OPEN, 0, &second), STATUS_SHARING_VIOLATION);
    assert_int_equal(create_shared("file", FILE_READ_DATA, FILE_SHARE_READ, FILE_OPEN, 0, &second), STATUS_SUCCESS);
    ZwClose(second);
    ZwClose(first);
}

static NTSTATUS read_at(HANDLE handle, char *text, ULONG size, LONGLONG at)
{
    LARGE_INTEGER offset = {.QuadPart = at};
    memset(text, 0, size + 1);
    return ZwReadFile(handle, NULL, NULL, NULL, &block, text, size, at < 0 ? NULL : &offset, NULL);
}

/* ZwReadFile, ZwWriteFile: offsets, the file position, the end of file, zeros in a gap. */
static void reads_and_writes(void **state)
{
    char text[16];
    LARGE_INTEGER end = {.LowPart = FILE_WRITE_TO_END_OF_FILE, .HighPart = -1};
    LARGE_INTEGER position = {.LowPart = FILE_USE_FILE_POINTER_POSITION, .HighPart = -1};
    HANDLE handle = must_create("file", FILE_CREATE);
    (void)state;
    assert_int_equal(write_at(handle, "one", -1), STATUS_SUCCESS);
    assert_int_equal(write_at(handle, "two", -1), STATUS_SUCCESS);
    assert_int_equal(block.Information, 3);
    assert_content("file", "onetwo");
    assert_int_equal(write_at(handle, "X", 1), STATUS_SUCCESS);
    assert_int_equal(write_at(handle, "Y", -1), STATUS_SUCCESS);
    assert_content("file", "oXYtwo");
    assert_int_equal(ZwWriteFile(handle, NULL, NULL, NULL, &block, "end", 3, &end, NULL), STATUS_SUCCESS);
    assert_int_equal(read_at(handle, text, 4, 5), STATUS_SUCCESS);
    assert_string_equal(text, "oend");
    assert_int_equal(read_at(handle, text, 4, 0), STATUS_SUCCESS);
    memset(text, 0, sizeof text);
    assert_int_equal(ZwReadFile(handle, NULL, NULL, NULL, &block, text, 4, &position, NULL), STATUS_SUCCESS);
    assert_string_equal(text, "woen");
    assert_int_equal(read_at(handle, text, 10, -1), STATUS_SUCCESS);
    assert_int_equal(block.Information, 1);
    assert_int_equal(read_at(handle, text, 1, -1), STATUS_END_OF_FILE);
    assert_int_equal(block.Status, STATUS_END_OF_FILE);
    assert_int_equal(block.Information, 0);
    assert_int_equal(read_at(handle, text, 1, 1000), STATUS_END_OF_FILE);
    assert_int_equal(write_at(handle, "z", 12), STATUS_SUCCESS);
    assert_int_equal(read_at(handle, text, 4, 9), STATUS_SUCCESS);
    assert_memory_equal(text, "\0\0\0z", 4);
    ZwClose(handle);

    assert_int_equal(create_shared("file", FILE_READ_DATA, ALL, FILE_OPEN, 0, &handle), STATUS_SUCCESS);
    assert_int_equal(read_at(handle, text, 1, -1), STATUS_INVALID_PARAMETER); /* no position is kept */
    assert_int_equal(write_at(handle, "n", 0), STATUS_ACCESS_DENIED);
    assert_int_equal(ZwFlushBuffersFile(handle, &block), STATUS_ACCESS_DENIED);
    ZwClose(handle);
    assert_int_equal(create_shared("file", FILE_APPEND_DATA, ALL, FILE_OPEN, 0, &handle), STATUS_SUCCESS);
    assert_int_equal(write_at(handle, "!", 0), STATUS_SUCCESS); /* ByteOffset is ignored */
    assert_int_equal(read_at(handle, text, 1, 0), STATUS_ACCESS_DENIED);
    ZwClose(handle);
    struct stat about;
    assert_int_equal(stat(host_path("file"), &about), 0);
    assert_int_equal(about.st_size, 14);
}

/* FILE_STANDARD_INFORMATION, FILE_END_OF_FILE_INFORMATION, FILE_DISPOSITION_INFORMATION. */
static void information(void **state)
{
    FILE_STANDARD_INFORMATION about;
    FILE_END_OF_FILE_INFORMATION end = {.EndOfFile.QuadPart = 2};
    FILE_DISPOSITION_INFORMATION deletes = {TRUE};
    HANDLE handle = must_create("file", FILE_CREATE), second;
    (void)state;
    assert_int_equal(write_at(handle, "hello", 0), STATUS_SUCCESS);
    assert_int_equal(ZwQueryInformationFile(handle, &block, &about, sizeof about, FileStandardInformation),
                     STATUS_SUCCESS);
    assert_int_equal(block.Information, sizeof about);
    assert_true(about.EndOfFile.QuadPart == 5 && about.NumberOfLinks == 1 && !about.DeletePending && !about.Directory);
    assert_int_equal(ZwQueryInformationFile(handle, &block, &about, 8, FileStandardInformation),
                     STATUS_INFO_LENGTH_MISMATCH);
    assert_int_equal(ZwQueryInformationFile(handle, &block, &about, sizeof about, FileRenameInformation),
                     STATUS_INVALID_INFO_CLASS);
    assert_int_equal(ZwSetInformationFile(handle, &block, &end, sizeof end, FileEndOfFileInformation), STATUS_SUCCESS);
    assert_content("file", "he");
    assert_int_equal(ZwFlushBuffersFile(handle, &block), STATUS_SUCCESS);
    assert_int_equal(ZwSetInformationFile(handle, &block, &deletes, sizeof deletes, FileDispositionInformation),
                     STATUS_SUCCESS);
    assert_int_equal(access(host_path("file"), F_OK), 0); /* when it is closed */
    assert_int_equal(create("file", FILE_OPEN, &second), STATUS_DELETE_PENDING);
    assert_int_equal(write_at(handle, "x", 0), STATUS_DELETE_PENDING);
    ZwClose(handle);
    assert_int_equal(access(host_path("file"), F_OK), -1);

    assert_int_equal(create_shared("file", DELETE | FILE_WRITE_DATA, ALL, FILE_CREATE, 0, &handle), STATUS_SUCCESS);
    assert_int_equal(ZwSetInformationFile(handle, &block, &deletes, sizeof deletes, FileDispositionInformation),
                     STATUS_SUCCESS);
    deletes.DeleteFile = FALSE;
    assert_int_equal(ZwSetInformationFile(handle, &block, &deletes, sizeof deletes, FileDispositionInformation),
                     STATUS_SUCCESS);
    ZwClose(handle);
    assert_int_equal(access(host_path("file"), F_OK), 0);
    assert_int_equal(create_shared("file", FILE_READ_DATA, ALL, FILE_OPEN, 0, &handle), STATUS_SUCCESS);
    assert_int_equal(ZwSetInformationFile(handle, &block, &deletes, sizeof deletes, FileDispositionInformation),
                     STATUS_ACCESS_DENIED);
    assert_int_equal(ZwSetInformationFile(handle, &block, &end, sizeof end, FileEndOfFileInformation),
                     STATUS_ACCESS_DENIED);
    ZwClose(handle);

    assert_int_equal(create_shared("file", DELETE | FILE_WRITE_DATA, 0, FILE_OPEN, FILE_DELETE_ON_CLOSE, &handle),
                     STATUS_SUCCESS);
    assert_int_equal(write_at(handle, "x", 0), STATUS_SUCCESS);
    ZwClose(handle);
    assert_int_equal(access(host_path("file"), F_OK), -1);
}

static NTSTATUS rename_to(HANDLE handle, PCUNICODE_STRING name, BOOLEAN replaces)
{
    struct {
        FILE_RENAME_INFORMATION head;
        WCHAR rest[256];
    } room = {.head = {.ReplaceIfExists = replaces, .FileNameLength = name->Length}};
    memcpy(room.head.FileName, name->Buffer, name->Length);
    return ZwSetInformationFile(handle, &block, &room, (ULONG)(sizeof room.head + name->Length), FileRenameInformation);
}

/* FILE_RENAME_INFORMATION: within the folder, to another, over a file or not; the name's rules. */
static void renames(void **state)
{
    UNICODE_STRING second = RTL_CONSTANT_STRING(L"second"), path, bad = RTL_CONSTANT_STRING(L"a\\b");
    WCHAR buffer[256];
    HANDLE handle = must_create("first", FILE_CREATE), other = must_create("second", FILE_CREATE);
    (void)state;
    assert_int_equal(write_at(handle, "new", 0), STATUS_SUCCESS);
    assert_int_equal(rename_to(handle, &second, FALSE), STATUS_OBJECT_NAME_COLLISION);
    assert_int_equal(rename_to(handle, &second, TRUE), STATUS_ACCESS_DENIED); /* it is open */
    ZwClose(other);
    assert_int_equal(rename_to(handle, &bad, TRUE), STATUS_OBJECT_NAME_INVALID);
    assert_int_equal(rename_to(handle, &second, TRUE), STATUS_SUCCESS);
    assert_content("second", "new");
    assert_int_equal(access(host_path("first"), F_OK), -1);
    assert_int_equal(mkdir(host_path("sub"), 0700), 0);
    full_name("sub/third", buffer, &path);
    assert_int_equal(rename_to(handle, &path, FALSE), STATUS_SUCCESS);
    assert_content("sub/third", "new");
    assert_int_equal(rename_to(handle, &second, FALSE), STATUS_SUCCESS); /* in the folder where it is now */
    assert_content("sub/second", "new");
    full_name("sub", buffer, &path);
    assert_int_equal(rename_to(handle, &path, TRUE), STATUS_ACCESS_DENIED);
    assert_int_equal(ZwSetInformationFile(handle, &block, buffer, 8, FileRenameInformation),
                     STATUS_INFO_LENGTH_MISMATCH);
    ZwClose(handle);
    assert_int_equal(create_shared("sub/second", FILE_WRITE_DATA, ALL, FILE_OPEN, 0, &handle), STATUS_SUCCESS);
    assert_int_equal(rename_to(handle, &second, TRUE), STATUS_ACCESS_DENIED);
    ZwClose(handle);
}

static const char *failing;

static BOOLEAN fail_one(const char *routine, void *context)
{
    (void)context;
    return failing != NULL && strcmp(routine, failing) == 0;
}

/* A call that was made to fail changes nothing. */
static void failures(void **state)
{
    char text[8];
    FILE_STANDARD_INFORMATION about;
    UNICODE_STRING second = RTL_CONSTANT_STRING(L"second");
    HANDLE handle, other;
    (void)state;
    nt_set_fault(fail_one, NULL);
    failing = "ZwCreateFile";
    assert_int_equal(create("file", FILE_CREATE, &handle), STATUS_INSUFFICIENT_RESOURCES);
    assert_int_equal(access(host_path("file"), F_OK), -1);
    failing = NULL;
    handle = must_create("file", FILE_CREATE);
    failing = "ZwWriteFile";
    assert_int_equal(write_at(handle, "x", 0), STATUS_DISK_FULL);
    failing = "ZwFlushBuffersFile";
    assert_int_equal(ZwFlushBuffersFile(handle, &block), STATUS_IO_DEVICE_ERROR);
    failing = "ZwSetInformationFile";
    assert_false(NT_SUCCESS(rename_to(handle, &second, TRUE)));
    failing = "ZwQueryInformationFile";
    assert_false(NT_SUCCESS(ZwQueryInformationFile(handle, &block, &about, sizeof about, FileStandardInformation)));
    failing = "ZwReadFile";
    assert_int_equal(read_at(handle, text, 1, 0), STATUS_IO_DEVICE_ERROR);
    nt_set_fault(NULL, NULL);
    assert_content("file", "");
    ZwClose(handle);
    assert_int_equal(create("missing/x", FILE_OPEN, &other), STATUS_OBJECT_PATH_NOT_FOUND);
}

/* "PASSIVE_LEVEL, with special kernel APCs enabled": a fast mutex disables them. */
static void levels(void **state)
{
    FAST_MUTEX mutex;
    char text[4];
    HANDLE handle = must_create("file", FILE_CREATE);
    (void)state;
    ExInitializeFastMutex(&mutex);
    ExAcquireFastMutex(&mutex);
    (void)read_at(handle, text, 1, 0);
    violations_expect("irql-too-high", 1u);
    (void)write_at(handle, "x", 0);
    violations_expect("irql-too-high", 1u);
    (void)ZwFlushBuffersFile(handle, &block);
    violations_expect("irql-too-high", 1u);
    ExReleaseFastMutex(&mutex);
    ZwClose(handle);
    nt_reports_clear();
    assert_int_equal(ZwFlushBuffersFile((HANDLE)((ULONG_PTR)KeGetCurrentThread() | 1), &block), STATUS_INVALID_HANDLE);
    violations_expect("handle-invalid", 1u);
}

static HANDLE left;

static VOID leave_file(PDEVICE_OBJECT device)
{
    (void)device;
    left = must_create("left", FILE_OPEN_IF);
}

/* "Using Files in a Driver": each handle is closed. It is closed for the driver, so that the file can be opened. */
static void a_file_is_closed_before(void **state)
{
    HANDLE handle;
    (void)state;
    small.unload = leave_file;
    nt_driver_unload(small_load());
    broken("left-file", NT_BEGAN_OBJECT);
    small.unload = NULL;
    assert_int_equal(create_shared("left", FILE_READ_DATA, 0, FILE_OPEN, 0, &handle), STATUS_SUCCESS);
    ZwClose(handle);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(dispositions),
        TEST(what_is_opened),
        TEST(names),
        TEST(bad_arguments),
        TEST(sharing),
        TEST(reads_and_writes),
        TEST(information),
        TEST(renames),
        TEST(failures),
        TEST(levels),
        TEST(a_file_is_closed_before),
    };
    return cmocka_run_group_tests_name("nt zw file", tests, NULL, NULL);
}
