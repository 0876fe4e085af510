/* SPDX-License-Identifier: MIT */
/*
 * rule_store.c - see rule_store.h. A fetched image is checked like any other, and must have the header that was kept.
 * Pages: ZwCreateFile, ZwWriteFile, ZwFlushBuffersFile, FILE_RENAME_INFORMATION.
 */
#include "driver/rule_store.h"

#include "core/rule_writer.h"

#define NAME_MAX_UNITS 16u /* of the names below, with what is added to them */
#define PATH_UNITS     (DRIVER_FOLDER_MAX + NAME_MAX_UNITS)

static const wchar_t *const names[2] = {L"rules", L"added"};

static ULONG length_of(const wchar_t *text)
{
    ULONG length = 0;

    while (text[length] != 0)
        length++;
    return length;
}

/* A name in a folder. */
struct place {
    WCHAR path[PATH_UNITS];
    ULONG units;
};

static void append(struct place *place, const wchar_t *text)
{
    ULONG length = length_of(text);

    RtlCopyMemory(place->path + place->units, text, length * sizeof(WCHAR));
    place->units += length;
}

static void place_set(struct place *place, const wchar_t *folder, const wchar_t *name, const wchar_t *suffix)
{
    place->units = 0;
    append(place, folder);
    append(place, L"\\");
    append(place, name);
    append(place, suffix);
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS open_file(const struct place *place, ACCESS_MASK access, ULONG disposition, HANDLE *file)
{
    UNICODE_STRING name = {(USHORT)(place->units * sizeof(WCHAR)), (USHORT)(place->units * sizeof(WCHAR)),
                           (PWSTR)place->path};
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK io;

    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL, NULL);
    return ZwCreateFile(file, access | SYNCHRONIZE, &attributes, &io, NULL, FILE_ATTRIBUTE_NORMAL, FILE_SHARE_READ,
                        disposition, FILE_SYNCHRONOUS_IO_NONALERT | FILE_NON_DIRECTORY_FILE, NULL, 0);
}

/* To another name in the same folder. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS rename_file(HANDLE file, const wchar_t *name, const wchar_t *suffix)
{
    struct {
        FILE_RENAME_INFORMATION information;
        WCHAR room[NAME_MAX_UNITS];
    } to;
    ULONG first = length_of(name), second = length_of(suffix);
    IO_STATUS_BLOCK io;

    RtlZeroMemory(&to, sizeof(to));
    to.information.ReplaceIfExists = TRUE;
    to.information.FileNameLength = (first + second) * (ULONG)sizeof(WCHAR);
    RtlCopyMemory(to.information.FileName, name, first * sizeof(WCHAR));
    RtlCopyMemory((UCHAR *)&to + FIELD_OFFSET(FILE_RENAME_INFORMATION, FileName) + first * sizeof(WCHAR), suffix,
                  second * sizeof(WCHAR));
    return ZwSetInformationFile(file, &io, &to, sizeof(to), FileRenameInformation);
}

_IRQL_requires_(PASSIVE_LEVEL)
static void delete_file(HANDLE file)
{
    FILE_DISPOSITION_INFORMATION gone;
    IO_STATUS_BLOCK io;

    gone.DeleteFile = TRUE;
    (void)ZwSetInformationFile(file, &io, &gone, sizeof(gone), FileDispositionInformation);
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS fill_file(HANDLE file, const struct gatehouse_rules_image *image, BOOLEAN lasting)
{
    LARGE_INTEGER start;
    IO_STATUS_BLOCK io;
    NTSTATUS status;

    start.QuadPart = 0;
    status = ZwWriteFile(file, NULL, NULL, NULL, &io, (PVOID)(ULONG_PTR)image, image->size, &start, NULL);
    if (NT_SUCCESS(status) && io.Information != image->size)
        status = STATUS_DISK_FULL;
    if (NT_SUCCESS(status) && lasting)
        status = ZwFlushBuffersFile(file, &io);
    return status;
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS write_file(const wchar_t *folder, const wchar_t *name, const struct gatehouse_rules_image *image,
                           BOOLEAN *touched)
{
    BOOLEAN lasting = folder == driver_state.folder;
    struct place place;
    HANDLE file;
    NTSTATUS status;

    place_set(&place, folder, name, L".new");
    status = open_file(&place, FILE_WRITE_DATA | DELETE, FILE_OVERWRITE_IF, &file);
    if (NT_SUCCESS(status)) {
        status = fill_file(file, image, lasting);
        if (NT_SUCCESS(status)) {
            *touched = TRUE;
            status = rename_file(file, name, L"");
        }
        if (!NT_SUCCESS(status))
            delete_file(file);
        (void)ZwClose(file);
    }
    if (!NT_SUCCESS(status))
        DRIVER_TRACE("%ws could not be stored in %ws: %08x\n", name, folder, (unsigned)status);
    return status;
}

/* --- Which rules ----------------------------------------------------------------------------- */

static BOOLEAN outlives_reboot(const struct rule_entry *entry)
{
    return entry->until != GATEHOUSE_UNTIL_REBOOT && entry->until != GATEHOUSE_UNTIL_EXIT;
}

static BOOLEAN all_outlive_reboot(const struct rule_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (!outlives_reboot(&list->entries[i]))
            return FALSE;
    }
    return TRUE;
}

/* The image to keep over a reboot: the list's own, or *made, which is to be freed. NULL: no memory, or the
 * list's is away. */
_IRQL_requires_(PASSIVE_LEVEL)
static const struct gatehouse_rules_image *lasting_image(const struct rule_list *list,
                                                         struct gatehouse_rules_image **made)
{
    struct rule_picking picking;

    if (list->image != NULL && all_outlive_reboot(list))
        return list->image;
    if (rule_list_is_away(list) || !rule_picking_begin(&picking, &driver_state.paged, list, NULL))
        return NULL;
    for (uint32_t i = 0; i < list->count; i++) {
        if (outlives_reboot(&list->entries[i]))
            rule_pick(&picking, 0, list->entries[i].rule);
    }
    *made = rule_picking_end(&picking, UINT32_MAX);
    return *made;
}

/* NULL: no memory. *made as above: a list may have no image. */
_IRQL_requires_(PASSIVE_LEVEL)
static const struct gatehouse_rules_image *whole_image(const struct rule_list *list,
                                                       struct gatehouse_rules_image **made)
{
    return list->image != NULL ? list->image : lasting_image(list, made);
}

static void free_image(struct gatehouse_rules_image *image)
{
    if (image != NULL)
        ExFreePoolWithTag(image, DRIVER_POOL_TAG);
}

_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS write_volatile(enum rule_store_file which, const struct rule_list *list, BOOLEAN *touched)
{
    struct gatehouse_rules_image *made = NULL;
    const struct gatehouse_rules_image *image;
    NTSTATUS status;

    if (driver_state.volatile_folder[0] == 0)
        return STATUS_SUCCESS;
    image = whole_image(list, &made);
    status = image == NULL ? STATUS_INSUFFICIENT_RESOURCES
                           : write_file(driver_state.volatile_folder, names[which], image, touched);
    free_image(made);
    return status;
}

_Use_decl_annotations_
NTSTATUS rule_store_write(enum rule_store_file which, const struct rule_list *list, BOOLEAN *touched)
{
    struct gatehouse_rules_image *made = NULL;
    const struct gatehouse_rules_image *image;
    NTSTATUS status = write_volatile(which, list, touched);

    if (!NT_SUCCESS(status) || driver_state.folder[0] == 0)
        return status;
    image = lasting_image(list, &made);
    status =
        image == NULL ? STATUS_INSUFFICIENT_RESOURCES : write_file(driver_state.folder, names[which], image, touched);
    free_image(made);
    return status;
}

_Use_decl_annotations_
BOOLEAN rule_store_write_ends(enum rule_store_file which, const struct rule_list *list)
{
    BOOLEAN touched = FALSE;

    return driver_state.volatile_folder[0] != 0 && NT_SUCCESS(write_volatile(which, list, &touched));
}

_Use_decl_annotations_
BOOLEAN rule_store_holds(const struct rule_list *list)
{
    return driver_state.volatile_folder[0] != 0 || (driver_state.folder[0] != 0 && all_outlive_reboot(list));
}

/* --- Reading --------------------------------------------------------------------------------- */

/* GATEHOUSE_E_BAD_RULES: it is no image. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS read_image(HANDLE file, struct gatehouse_rules_image **image)
{
    FILE_STANDARD_INFORMATION about;
    LARGE_INTEGER start;
    IO_STATUS_BLOCK io;
    ULONG size;
    NTSTATUS status = ZwQueryInformationFile(file, &io, &about, sizeof(about), FileStandardInformation);

    if (!NT_SUCCESS(status))
        return status;
    if (about.EndOfFile.QuadPart < (LONGLONG)sizeof(**image) || about.EndOfFile.QuadPart > GATEHOUSE_IMAGE_MAX_SIZE)
        return (NTSTATUS)GATEHOUSE_E_BAD_RULES;
    size = (ULONG)about.EndOfFile.QuadPart;
    *image = ExAllocatePool2(POOL_FLAG_PAGED | POOL_FLAG_UNINITIALIZED, size, DRIVER_POOL_TAG);
    if (*image == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    start.QuadPart = 0;
    status = ZwReadFile(file, NULL, NULL, NULL, &io, *image, size, &start, NULL);
    if (NT_SUCCESS(status) && (io.Information != size || !rule_image_check(*image, size, true, NULL)))
        status = (NTSTATUS)GATEHOUSE_E_BAD_RULES;
    if (!NT_SUCCESS(status))
        free_image(*image);
    return status;
}

/* Takes the image over. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS list_of(struct gatehouse_rules_image *image, struct rule_list *list)
{
    enum rule_ids ids;

    if (!rule_list_init(list, &driver_state.paged, image)) {
        free_image(image);
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    ids = rule_list_check_ids(list);
    if (ids == RULE_IDS_RIGHT)
        return STATUS_SUCCESS;
    rule_list_cleanup(list);
    return ids == RULE_IDS_WRONG ? (NTSTATUS)GATEHOUSE_E_BAD_RULES : STATUS_INSUFFICIENT_RESOURCES;
}

/* STATUS_OBJECT_NAME_NOT_FOUND: nothing is kept there. */
_IRQL_requires_(PASSIVE_LEVEL)
static NTSTATUS read_file(const wchar_t *folder, const wchar_t *name, struct rule_list *list)
{
    struct gatehouse_rules_image *image = NULL;
    struct place place;
    HANDLE file;
    NTSTATUS status;

    if (folder[0] == 0)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    place_set(&place, folder, name, L"");
    status = open_file(&place, FILE_READ_DATA | DELETE, FILE_OPEN, &file);
    if (status == STATUS_OBJECT_PATH_NOT_FOUND)
        status = STATUS_OBJECT_NAME_NOT_FOUND;
    if (!NT_SUCCESS(status))
        return status;
    status = read_image(file, &image);
    if (NT_SUCCESS(status))
        status = list_of(image, list);
    if (status == (NTSTATUS)GATEHOUSE_E_BAD_RULES) {
        DRIVER_TRACE("%ws in %ws is damaged, or not ours; it is ignored and kept as %ws.damaged\n", name, folder, name);
        (void)rename_file(file, name, L".damaged");
        status = STATUS_OBJECT_NAME_NOT_FOUND;
    }
    (void)ZwClose(file);
    return status;
}

/* FALSE: it is not there as it was; or no memory. */
_IRQL_requires_(PASSIVE_LEVEL)
static BOOLEAN fetch_file(const wchar_t *folder, const wchar_t *name, struct rule_list *list, BOOLEAN *no_memory)
{
    struct gatehouse_rules_image *image = NULL;
    bool refused = false;
    struct place place;
    BOOLEAN found;
    HANDLE file;
    NTSTATUS status;

    if (folder[0] == 0)
        return FALSE;
    place_set(&place, folder, name, L"");
    status = open_file(&place, FILE_READ_DATA, FILE_OPEN, &file);
    if (NT_SUCCESS(status)) {
        status = read_image(file, &image);
        (void)ZwClose(file);
    }
    found = NT_SUCCESS(status) && rule_list_bring_back(list, image, &refused);
    if (NT_SUCCESS(status) && !found)
        free_image(image);
    if (status == STATUS_INSUFFICIENT_RESOURCES || refused)
        *no_memory = TRUE;
    return found;
}

_Use_decl_annotations_
NTSTATUS rule_store_fetch(enum rule_store_file which, struct rule_list *list)
{
    BOOLEAN no_memory = FALSE;

    if (!rule_list_is_away(list) || fetch_file(driver_state.volatile_folder, names[which], list, &no_memory) ||
        fetch_file(driver_state.folder, names[which], list, &no_memory))
        return STATUS_SUCCESS;
    if (no_memory)
        return STATUS_INSUFFICIENT_RESOURCES;
    DRIVER_TRACE("the stored %ws are gone or were changed: they are in force, but cannot be shown\n", names[which]);
    return (NTSTATUS)GATEHOUSE_E_RULES_LOST;
}

_Use_decl_annotations_
NTSTATUS rule_store_read(enum rule_store_file which, struct rule_list *list)
{
    NTSTATUS status;

    RtlZeroMemory(list, sizeof(*list));
    status = read_file(driver_state.volatile_folder, names[which], list);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND)
        status = read_file(driver_state.folder, names[which], list);
    return status == STATUS_OBJECT_NAME_NOT_FOUND ? STATUS_SUCCESS : status;
}
