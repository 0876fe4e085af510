/* SPDX-License-Identifier: MIT */
/*
 * device.c - device objects, their names, symbolic links, and who may open them.
 *
 * One lock guards the name space; it is taken to create, delete, open and close, never for I/O. A
 * device that is deleted while open loses its name at once and its memory with the last close.
 * Pages: wdm.h IoCreateDevice, IoDeleteDevice, IoCreateSymbolicLink, IoDeleteSymbolicLink; wdmsec.h
 * WdmlibIoCreateDeviceSecure; "Controlling Device Access", "Specifying Exclusive Access to Device Objects".
 */
#include "nt/internal.h"
#include "nt/verify/in_use.h"
#include "nt/verify/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <wdmsec.h>

struct device {
    DEVICE_OBJECT object;
    LIST_ENTRY link;
    UNICODE_STRING name;
    ACCESS_MASK administrators, everyone;
    bool deleted;
    ULONG extension_size;
    DECLSPEC_ALIGN(16) UCHAR extension[];
};

struct symbolic_link {
    LIST_ENTRY link;
    UNICODE_STRING name, target;
    PDRIVER_OBJECT driver; /* who made it, when known */
};

static pthread_mutex_t names_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_ENTRY devices = {&devices, &devices};
static LIST_ENTRY links = {&links, &links};

static bool same_name(PCUNICODE_STRING a, PCUNICODE_STRING b)
{
    return nt_wide_equal(a->Buffer, a->Length / sizeof(WCHAR), b->Buffer, b->Length / sizeof(WCHAR));
}

static bool copy_name(PUNICODE_STRING to, PCUNICODE_STRING from)
{
    to->Buffer = malloc((size_t)from->Length + sizeof(WCHAR));
    if (to->Buffer == NULL)
        return false;
    memcpy(to->Buffer, from->Buffer, from->Length);
    to->Buffer[from->Length / sizeof(WCHAR)] = 0;
    to->Length = from->Length;
    to->MaximumLength = (USHORT)(from->Length + sizeof(WCHAR));
    return true;
}

static const char *ascii(PCUNICODE_STRING name, char text[128])
{
    size_t chars = name->Length / sizeof(WCHAR);
    size_t index = 0;
    for (; index < chars && index < 127; index++)
        text[index] = name->Buffer[index] < 0x80 ? (char)name->Buffer[index] : '?';
    text[index] = 0;
    return text;
}

static struct device *find_device(PCUNICODE_STRING name)
{
    for (PLIST_ENTRY entry = devices.Flink; entry != &devices; entry = entry->Flink) {
        struct device *device = CONTAINING_RECORD(entry, struct device, link);
        if (!device->deleted && device->name.Length != 0 && same_name(&device->name, name))
            return device;
    }
    return NULL;
}

/* "\??\x" and "\DosDevices\x" are one. */
static UNICODE_STRING link_key(PCUNICODE_STRING name)
{
    static const WCHAR dos[] = L"\\DosDevices\\";
    static const WCHAR global[] = L"\\??\\";
    UNICODE_STRING key = *name;
    size_t chars = name->Length / sizeof(WCHAR);
    size_t cut = 0;
    if (chars >= RTL_NUMBER_OF(dos) - 1 &&
        nt_wide_equal(name->Buffer, RTL_NUMBER_OF(dos) - 1, dos, RTL_NUMBER_OF(dos) - 1))
        cut = RTL_NUMBER_OF(dos) - 1;
    else if (chars >= RTL_NUMBER_OF(global) - 1 &&
             nt_wide_equal(name->Buffer, RTL_NUMBER_OF(global) - 1, global, RTL_NUMBER_OF(global) - 1))
        cut = RTL_NUMBER_OF(global) - 1;
    key.Buffer += cut;
    key.Length = (USHORT)(key.Length - cut * sizeof(WCHAR));
    return key;
}

static struct symbolic_link *find_link(PCUNICODE_STRING key)
{
    for (PLIST_ENTRY entry = links.Flink; entry != &links; entry = entry->Flink) {
        struct symbolic_link *found = CONTAINING_RECORD(entry, struct symbolic_link, link);
        if (same_name(&found->name, key))
            return found;
    }
    return NULL;
}

/* A timer in the extension of a driver that is unloaded is left over, whatever else went before it. */
static void extension_freed(struct device *device)
{
    size_t size = device->extension_size;
    const void *timer;
    while (nt_driver_ends(device->object.DriverObject) &&
           (timer = nt_timer_take_within(device->extension, size)) != NULL) {
        nt_about(NT_BEGAN_OBJECT, (uintptr_t)timer);
        nt_violate("left-timer", "IoDeleteDevice", "the timer at byte %td of the device extension is still set",
                   (const char *)timer - (const char *)device->extension);
    }
    nt_memory_freed(device->extension, size, "IoDeleteDevice");
}

static void device_destroy(PVOID body)
{
    struct device *device = body;
    if (NT_VERIFYING && device->object.DeviceExtension != NULL)
        extension_freed(device);
    nt_end(NT_BEGAN_OBJECT, (uintptr_t)&device->object);
    free(device->name.Buffer);
}

static struct device *device_new(PDRIVER_OBJECT driver, ULONG extension, DEVICE_TYPE type, ULONG characteristics,
                                 BOOLEAN exclusive)
{
    struct device *device = nt_object_new(NT_OBJECT_DEVICE, sizeof *device + extension, device_destroy);
    if (device == NULL)
        return NULL;
    device->object.Type = IO_TYPE_DEVICE;
    device->object.Size = (USHORT)(sizeof(DEVICE_OBJECT) + extension);
    device->object.DriverObject = driver;
    device->extension_size = extension;
    device->object.DeviceExtension = extension == 0 ? NULL : device->extension;
    device->object.DeviceType = type;
    device->object.Characteristics = characteristics;
    device->object.Flags = DO_DEVICE_INITIALIZING | (exclusive ? DO_EXCLUSIVE : 0);
    device->object.StackSize = 1;
    return device;
}

void nt_device_set_access(PDEVICE_OBJECT device, ACCESS_MASK administrators, ACCESS_MASK everyone)
{
    struct device *whole = CONTAINING_RECORD(device, struct device, object);
    pthread_mutex_lock(&names_lock);
    whole->administrators = administrators;
    whole->everyone = everyone;
    pthread_mutex_unlock(&names_lock);
}

static NTSTATUS create(PDRIVER_OBJECT driver, ULONG extension, PUNICODE_STRING name, DEVICE_TYPE type,
                       ULONG characteristics, BOOLEAN exclusive, const ACCESS_MASK access[2], PDEVICE_OBJECT *result)
{
    struct device *device = device_new(driver, extension, type, characteristics, exclusive);
    NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
    if (device == NULL)
        return status;
    device->administrators = access[0];
    device->everyone = access[1];
    if (name != NULL && !copy_name(&device->name, name))
        goto out;
    if (name != NULL)
        device->object.Flags |= DO_DEVICE_HAS_NAME;
    pthread_mutex_lock(&names_lock);
    status = STATUS_OBJECT_NAME_COLLISION;
    if (name == NULL || find_device(name) == NULL) {
        InsertTailList(&devices, &device->link);
        device->object.NextDevice = driver->DeviceObject;
        driver->DeviceObject = &device->object;
        status = STATUS_SUCCESS;
    }
    pthread_mutex_unlock(&names_lock);
    if (NT_SUCCESS(status))
        nt_begin(NT_BEGAN_OBJECT, (uintptr_t)&device->object);
out:
    if (NT_SUCCESS(status))
        *result = &device->object;
    else
        nt_object_release(device);
    return status;
}

NTSTATUS IoCreateDevice(PDRIVER_OBJECT DriverObject, ULONG DeviceExtensionSize, PUNICODE_STRING DeviceName,
                        DEVICE_TYPE DeviceType, ULONG DeviceCharacteristics, BOOLEAN Exclusive,
                        PDEVICE_OBJECT *DeviceObject)
{
    NT_ENTER(IoCreateDevice);
    static const ACCESS_MASK access[2] = {FILE_ALL_ACCESS,
                                          FILE_GENERIC_READ | FILE_GENERIC_WRITE | FILE_GENERIC_EXECUTE};
    if (nt_fails("IoCreateDevice"))
        return STATUS_INSUFFICIENT_RESOURCES;
    return create(DriverObject, DeviceExtensionSize, DeviceName, DeviceType, DeviceCharacteristics, Exclusive, access,
                  DeviceObject);
}

NTSTATUS WdmlibIoCreateDeviceSecure(PDRIVER_OBJECT DriverObject, ULONG DeviceExtensionSize, PUNICODE_STRING DeviceName,
                                    DEVICE_TYPE DeviceType, ULONG DeviceCharacteristics, BOOLEAN Exclusive,
                                    PCUNICODE_STRING DefaultSDDLString, LPCGUID DeviceClassGuid,
                                    PDEVICE_OBJECT *DeviceObject)
{
    NT_ENTER(WdmlibIoCreateDeviceSecure);
    ACCESS_MASK access[2];
    UNREFERENCED_PARAMETER(DeviceClassGuid);
    NTSTATUS status = nt_sddl_parse(DefaultSDDLString, &access[0], &access[1]);
    if (NT_SUCCESS(status) && nt_fails("IoCreateDeviceSecure"))
        status = STATUS_INSUFFICIENT_RESOURCES;
    if (NT_SUCCESS(status))
        status = create(DriverObject, DeviceExtensionSize, DeviceName, DeviceType, DeviceCharacteristics, Exclusive,
                        access, DeviceObject);
    return status;
}

/* Takes it off its driver's list. The name-space lock is held. */
static void unlink_from_driver(PDEVICE_OBJECT device)
{
    PDEVICE_OBJECT *place = &device->DriverObject->DeviceObject;
    while (*place != NULL && *place != device)
        place = &(*place)->NextDevice;
    if (*place != NULL)
        *place = device->NextDevice;
}

VOID IoDeleteDevice(PDEVICE_OBJECT DeviceObject)
{
    NT_ENTER(IoDeleteDevice);
    struct device *device = (struct device *)DeviceObject;
    pthread_mutex_lock(&names_lock);
    bool twice = device->deleted;
    bool last = !twice && DeviceObject->ReferenceCount == 0;
    if (!twice) {
        device->deleted = true;
        unlink_from_driver(DeviceObject);
        if (last)
            RemoveEntryList(&device->link);
    }
    pthread_mutex_unlock(&names_lock);
    if (twice)
        nt_about(NT_BEGAN_OBJECT, (uintptr_t)DeviceObject);
    if (twice)
        nt_violate("device-deleted-twice", "IoDeleteDevice", "%p was deleted before", (void *)DeviceObject);
    if (last)
        nt_object_release(device);
}

static struct symbolic_link *link_new(PCUNICODE_STRING key, PCUNICODE_STRING target)
{
    struct symbolic_link *link = calloc(1, sizeof *link);
    if (link != NULL && copy_name(&link->name, key) && copy_name(&link->target, target))
        return link;
    if (link != NULL)
        free(link->name.Buffer);
    free(link);
    return NULL;
}

static void link_free(struct symbolic_link *link)
{
    nt_end(NT_BEGAN_OBJECT, (uintptr_t)link);
    free(link->name.Buffer);
    free(link->target.Buffer);
    free(link);
}

NTSTATUS IoCreateSymbolicLink(PUNICODE_STRING SymbolicLinkName, PUNICODE_STRING DeviceName)
{
    NT_ENTER(IoCreateSymbolicLink);
    UNICODE_STRING key = link_key(SymbolicLinkName);
    struct symbolic_link *link = nt_fails("IoCreateSymbolicLink") ? NULL : link_new(&key, DeviceName);
    NTSTATUS status = STATUS_OBJECT_NAME_COLLISION;
    if (link == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    pthread_mutex_lock(&names_lock);
    if (find_link(&key) == NULL) {
        struct device *target = find_device(DeviceName);
        link->driver = target != NULL ? target->object.DriverObject : nt_driver_loading();
        InsertTailList(&links, &link->link);
        status = STATUS_SUCCESS;
    }
    pthread_mutex_unlock(&names_lock);
    if (!NT_SUCCESS(status))
        link_free(link);
    else
        nt_begin(NT_BEGAN_OBJECT, (uintptr_t)link);
    return status;
}

NTSTATUS IoDeleteSymbolicLink(PUNICODE_STRING SymbolicLinkName)
{
    NT_ENTER(IoDeleteSymbolicLink);
    UNICODE_STRING key = link_key(SymbolicLinkName);
    pthread_mutex_lock(&names_lock);
    struct symbolic_link *link = find_link(&key);
    if (link != NULL)
        RemoveEntryList(&link->link);
    pthread_mutex_unlock(&names_lock);
    if (link == NULL)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    link_free(link);
    return STATUS_SUCCESS;
}

/* The device that name, "x" or "x\rest" behind "\\.\", leads to. The name-space lock is held. */
static struct device *resolve(PCUNICODE_STRING name, PUNICODE_STRING rest)
{
    UNICODE_STRING key = *name;
    size_t chars = name->Length / sizeof(WCHAR);
    size_t slash = 0;
    while (slash < chars && name->Buffer[slash] != '\\')
        slash++;
    key.Length = (USHORT)(slash * sizeof(WCHAR));
    rest->Buffer = name->Buffer + slash;
    rest->Length = rest->MaximumLength = (USHORT)((chars - slash) * sizeof(WCHAR));
    struct symbolic_link *link = find_link(&key);
    return link == NULL ? NULL : find_device(&link->target);
}

PDEVICE_OBJECT nt_device_open(PCUNICODE_STRING name, PUNICODE_STRING rest, ACCESS_MASK access, BOOLEAN administrator,
                              NTSTATUS *status)
{
    PDEVICE_OBJECT result = NULL;
    pthread_mutex_lock(&names_lock);
    struct device *device = resolve(name, rest);
    if (device == NULL) {
        *status = STATUS_OBJECT_NAME_NOT_FOUND;
    } else if ((device->object.Flags & DO_DEVICE_INITIALIZING) != 0) {
        *status = STATUS_NO_SUCH_DEVICE;
    } else if (((access | FILE_READ_ATTRIBUTES) & ~(administrator ? device->administrators : device->everyone)) != 0) {
        /* CreateFile asks for this bit whatever its caller asks for, so nobody gets in by asking for nothing. */
        *status = STATUS_ACCESS_DENIED;
    } else if ((device->object.Flags & DO_EXCLUSIVE) != 0 && device->object.ReferenceCount != 0) {
        *status = STATUS_ACCESS_DENIED;
    } else {
        *status = STATUS_SUCCESS;
        device->object.ReferenceCount++;
        result = &device->object;
    }
    pthread_mutex_unlock(&names_lock);
    return result;
}

void nt_device_close(PDEVICE_OBJECT device_object)
{
    struct device *device = (struct device *)device_object;
    pthread_mutex_lock(&names_lock);
    bool last = --device_object->ReferenceCount == 0 && device->deleted;
    if (last)
        RemoveEntryList(&device->link);
    pthread_mutex_unlock(&names_lock);
    if (last)
        nt_object_release(device);
}

void nt_devices_ready(PDRIVER_OBJECT driver)
{
    pthread_mutex_lock(&names_lock);
    for (PDEVICE_OBJECT device = driver->DeviceObject; device != NULL; device = device->NextDevice)
        device->Flags &= ~(ULONG)DO_DEVICE_INITIALIZING;
    pthread_mutex_unlock(&names_lock);
}

size_t nt_devices_open(PDRIVER_OBJECT driver)
{
    size_t count = 0;
    pthread_mutex_lock(&names_lock);
    for (PDEVICE_OBJECT device = driver->DeviceObject; device != NULL; device = device->NextDevice)
        count += (size_t)device->ReferenceCount;
    pthread_mutex_unlock(&names_lock);
    return count;
}

static struct symbolic_link *take_link_of(PDRIVER_OBJECT driver)
{
    struct symbolic_link *taken = NULL;
    pthread_mutex_lock(&names_lock);
    for (PLIST_ENTRY entry = links.Flink; entry != &links && taken == NULL; entry = entry->Flink) {
        struct symbolic_link *link = CONTAINING_RECORD(entry, struct symbolic_link, link);
        if (link->driver == driver)
            taken = link;
    }
    if (taken != NULL)
        RemoveEntryList(&taken->link);
    pthread_mutex_unlock(&names_lock);
    return taken;
}

void nt_devices_report(PDRIVER_OBJECT driver)
{
    char text[128];
    struct symbolic_link *link;
    while ((link = take_link_of(driver)) != NULL) {
        nt_about(NT_BEGAN_OBJECT, (uintptr_t)link);
        nt_violate("left-link", "DriverUnload", "the symbolic link %s was not deleted", ascii(&link->name, text));
        link_free(link);
    }
    while (driver->DeviceObject != NULL) {
        struct device *device = (struct device *)driver->DeviceObject;
        nt_about(NT_BEGAN_OBJECT, (uintptr_t)&device->object);
        nt_violate("left-device", "DriverUnload", "the device %s was not deleted",
                   device->name.Length == 0 ? "without a name" : ascii(&device->name, text));
        IoDeleteDevice(&device->object);
    }
}

void nt_devices_reset(void)
{
    LIST_ENTRY *next;
    for (LIST_ENTRY *entry = links.Flink; entry != &links; entry = next) {
        next = entry->Flink;
        link_free(CONTAINING_RECORD(entry, struct symbolic_link, link));
    }
    InitializeListHead(&links);
    while (!IsListEmpty(&devices)) {
        struct device *device = CONTAINING_RECORD(RemoveHeadList(&devices), struct device, link);
        while (nt_object_release(device) > 0)
            ; /* work items and handles that are lost */
    }
}
