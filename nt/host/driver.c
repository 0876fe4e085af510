/* SPDX-License-Identifier: MIT */
/*
 * driver.c - loads and unloads drivers, and says what one left behind.
 *
 * A driver is called at PASSIVE_LEVEL on the host's thread. Devices, links and work items know
 * their driver. Pool, timers, DPCs and threads are known by the code that made or runs them; where that lies in a file
 * of several drivers, or in the host's own, they are looked at when the last driver goes:
 * what came since the first was loaded is left over.
 * Pages: wdm.h DRIVER_INITIALIZE, DRIVER_UNLOAD; "Writing an Unload Routine"; Driver Verifier, "Automatic Checks".
 */
#include "nt/foreign.h"
#include "nt/io/host_path.h"
#include "nt/internal.h"
#include "nt/verify/lock_order.h"
#include "nt/verify/verify.h"

#include <stdlib.h>

struct value {
    char *name;
    ULONG number;
    WCHAR *text; /* NULL: a REG_DWORD */
    ULONG text_size;
};

struct nt_driver {
    struct nt_driver *next;
    PDRIVER_OBJECT object;
    DRIVER_EXTENSION extension;
    UNICODE_STRING service; /* into registry_path */
    UNICODE_STRING registry_path;
    struct value *values;
    size_t value_count;
    struct nt_code code; /* of its file; size 0: not known */
};

static const WCHAR services_key[] = L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\";
static pthread_mutex_t drivers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nt_driver *drivers;
static uint64_t pool_mark;
static size_t timers_before, threads_before;
static PDRIVER_OBJECT ending;

PDRIVER_OBJECT nt_driver_loading(void)
{
    return nt_self.loading;
}

bool nt_driver_ends(PDRIVER_OBJECT driver)
{
    return __atomic_load_n(&ending, __ATOMIC_ACQUIRE) == driver;
}

bool nt_is_driver_code(const void *address)
{
    bool found = false;
    pthread_mutex_lock(&drivers_lock);
    for (struct nt_driver *driver = drivers; driver != NULL && !found; driver = driver->next)
        found = nt_code_holds(&driver->code, address);
    pthread_mutex_unlock(&drivers_lock);
    return found;
}

static size_t wide_length(const WCHAR *text)
{
    size_t chars = 0;
    while (text[chars] != 0)
        chars++;
    return chars;
}

/* Splits "…Services\x[\Parameters]" or "x[\Parameters]" and finds x among the loaded drivers. */
bool nt_registry_service(ULONG relative, const WCHAR *path, UNICODE_STRING *service, bool *parameters)
{
    static const WCHAR tail[] = L"\\Parameters";
    const size_t head_chars = RTL_NUMBER_OF(services_key) - 1, tail_chars = RTL_NUMBER_OF(tail) - 1;
    size_t chars = path == NULL ? 0 : wide_length(path);
    bool found = false;
    if (relative == RTL_REGISTRY_ABSOLUTE) {
        if (chars < head_chars || !nt_wide_equal(path, head_chars, services_key, head_chars))
            return false;
        path += head_chars;
        chars -= head_chars;
    } else if (relative != RTL_REGISTRY_SERVICES) {
        return false;
    }
    *parameters = chars >= tail_chars && nt_wide_equal(path + chars - tail_chars, tail_chars, tail, tail_chars);
    if (*parameters)
        chars -= tail_chars;
    pthread_mutex_lock(&drivers_lock);
    for (struct nt_driver *driver = drivers; driver != NULL && !found; driver = driver->next) {
        found = nt_wide_equal(driver->service.Buffer, driver->service.Length / sizeof(WCHAR), path, chars);
        if (found)
            *service = driver->service;
    }
    pthread_mutex_unlock(&drivers_lock);
    return found;
}

static bool name_is(const char *ascii, const WCHAR *name)
{
    size_t index = 0;
    while (ascii[index] != 0 && name[index] != 0 && nt_wide_equal(&name[index], 1, &(WCHAR){(UCHAR)ascii[index]}, 1))
        index++;
    return ascii[index] == 0 && name[index] == 0;
}

bool nt_registry_find(PCUNICODE_STRING service, const WCHAR *name, struct nt_registry_data *value)
{
    bool found = false;
    pthread_mutex_lock(&drivers_lock);
    for (struct nt_driver *driver = drivers; driver != NULL; driver = driver->next)
        for (size_t index = 0; driver->service.Buffer == service->Buffer && index < driver->value_count; index++)
            if (name_is(driver->values[index].name, name)) {
                const struct value *stored = &driver->values[index];
                *value = stored->text != NULL
                             ? (struct nt_registry_data){REG_SZ, stored->text_size, stored->text}
                             : (struct nt_registry_data){REG_DWORD, sizeof stored->number, &stored->number};
                found = true;
            }
    pthread_mutex_unlock(&drivers_lock);
    return found;
}

static bool make_path(struct nt_driver *driver, const char *service)
{
    size_t head = RTL_NUMBER_OF(services_key) - 1, size = strlen(service);
    driver->registry_path.Buffer = calloc(head + size + 1, sizeof(WCHAR));
    if (driver->registry_path.Buffer == NULL || head + size >= UNICODE_STRING_MAX_CHARS)
        return false;
    memcpy(driver->registry_path.Buffer, services_key, head * sizeof(WCHAR));
    for (size_t index = 0; index < size; index++)
        driver->registry_path.Buffer[head + index] = (UCHAR)service[index];
    driver->registry_path.Length = (USHORT)((head + size) * sizeof(WCHAR));
    driver->registry_path.MaximumLength = (USHORT)(driver->registry_path.Length + sizeof(WCHAR));
    driver->service.Buffer = driver->registry_path.Buffer + head;
    driver->service.Length = (USHORT)(size * sizeof(WCHAR));
    driver->service.MaximumLength = (USHORT)(driver->service.Length + sizeof(WCHAR));
    return true;
}

static bool copy_value(struct value *copy, const struct nt_registry_value *value)
{
    copy->number = value->value;
    copy->name = strdup(value->name);
    if (value->text != NULL)
        copy->text = nt_host_text(value->text, &copy->text_size);
    return copy->name != NULL && (copy->text != NULL) == (value->text != NULL);
}

static bool copy_values(struct nt_driver *driver, const struct nt_registry_value *values, size_t count)
{
    bool copied = true;
    driver->values = calloc(count + 1, sizeof *driver->values);
    for (; driver->values != NULL && copied && driver->value_count < count; driver->value_count++)
        copied = copy_value(&driver->values[driver->value_count], &values[driver->value_count]);
    return driver->values != NULL && copied;
}

static void driver_free(struct nt_driver *driver)
{
    for (size_t index = 0; index < driver->value_count; index++)
        free(driver->values[index].name), free(driver->values[index].text);
    free(driver->values);
    free(driver->registry_path.Buffer);
    if (driver->object != NULL)
        nt_object_release(driver->object);
    free(driver);
}

static struct nt_driver *driver_new(const char *service, PDRIVER_INITIALIZE entry,
                                    const struct nt_registry_value *values, size_t value_count)
{
    struct nt_driver *driver = calloc(1, sizeof *driver);
    if (driver == NULL)
        return NULL;
    driver->object = nt_object_new(NT_OBJECT_DRIVER, sizeof *driver->object, NULL);
    if (driver->object == NULL || !make_path(driver, service) || !copy_values(driver, values, value_count)) {
        driver_free(driver);
        return NULL;
    }
    if (!nt_code_next(&driver->code) && !NT_IS_FOREIGN(entry))
        nt_code_find((const void *)(uintptr_t)entry, &driver->code);
    driver->object->Type = IO_TYPE_DRIVER;
    driver->object->Size = sizeof(DRIVER_OBJECT);
    driver->object->DriverInit = entry;
    driver->object->DriverName = driver->service;
    driver->object->DriverExtension = &driver->extension;
    driver->extension.DriverObject = driver->object;
    driver->extension.ServiceKeyName = driver->service;
    return driver;
}

static void driver_link(struct nt_driver *driver)
{
    pthread_mutex_lock(&drivers_lock);
    if (drivers == NULL) {
        pool_mark = nt_pool_mark();
        timers_before = nt_timer_count();
        threads_before = nt_threads_left();
        nt_threads_mark();
    }
    driver->next = drivers;
    drivers = driver;
    pthread_mutex_unlock(&drivers_lock);
}

/* true: it was the last one. */
static bool driver_unlink(struct nt_driver *driver)
{
    pthread_mutex_lock(&drivers_lock);
    struct nt_driver **place = &drivers;
    while (*place != driver)
        place = &(*place)->next;
    *place = driver->next;
    bool last = drivers == NULL;
    pthread_mutex_unlock(&drivers_lock);
    return last;
}

void nt_callback_returned(const char *name, const void *routine)
{
    if (nt_self.irql == PASSIVE_LEVEL && nt_self.spin_locks == 0)
        return;
    nt_about_routine(routine);
    if (nt_self.spin_locks == 0) {
        nt_violate("irql-changed", name, "called at IRQL 0, it returned at %u", nt_self.irql);
    } else {
        nt_about_held_lock();
        nt_violate("lock-left", name, "returned at IRQL %u with %u spin locks held", nt_self.irql, nt_self.spin_locks);
    }
    nt_about_routine(NULL);
    nt_put_right(PASSIVE_LEVEL, 0);
}

static bool threads_are_gone(const void *unused)
{
    (void)unused;
    return nt_threads_left() <= threads_before;
}

/* Threads that were told to end need a moment to be gone. The verifier gives none: a thread whose driver did not wait
 * for the thread object runs code of the driver after DriverUnload. */
static void wait_for_threads(void)
{
    if (NT_VERIFYING)
        return;
    if (nt_scheduling) {
        struct nt_wait wait = {.routine = "DriverUnload", .ready = threads_are_gone, .due = 10000000, .patient = true};
        (void)nt_schedule_until(&wait);
        return;
    }
    LARGE_INTEGER interval = {.QuadPart = -10000};
    for (int tries = 0; tries < 1000 && nt_threads_left() > threads_before; tries++)
        (void)KeDelayExecutionThread(KernelMode, FALSE, &interval);
}

/* Nobody else's code lies in its file, so what runs there, or was allocated there, is its own. */
static bool code_is_private(const struct nt_driver *driver)
{
    bool alone = driver->code.size != 0 && !nt_code_holds(&driver->code, (const void *)(uintptr_t)code_is_private);
    pthread_mutex_lock(&drivers_lock);
    for (struct nt_driver *other = drivers; other != NULL; other = other->next)
        alone = alone && other->code.start != driver->code.start;
    pthread_mutex_unlock(&drivers_lock);
    return alone;
}

static void report_timers_left(void)
{
    if (timers_before == 0 && NT_VERIFYING)
        (void)nt_timers_report(NULL);
    size_t timers = nt_timer_count();
    if (timers <= timers_before)
        return;
    if (timers_before == 0)
        nt_timers_abandon();
    nt_violate("left-timer", "DriverUnload", "%zu timers still set", timers - timers_before);
}

/* driver is in no list any more. */
static void report_left(struct nt_driver *driver, bool last)
{
    const struct nt_code *code = last ? NULL : &driver->code;
    nt_tell_driver_gone(driver->object);
    nt_flt_report(driver->object);
    nt_process_notify_report(driver->object);
    nt_opened_report(driver->object);
    nt_work_items_report(driver->object);
    nt_devices_report(driver->object);
    if (!last && !code_is_private(driver))
        return;
    if (last)
        wait_for_threads();
    nt_threads_report(code);
    nt_dpcs_report(code);
    if (last)
        report_timers_left();
    else
        (void)nt_timers_report(code);
    nt_pool_report_since(pool_mark, code);
    if (last && NT_VERIFYING)
        nt_quarantine_check(false);
}

NTSTATUS nt_driver_load(const char *service, PDRIVER_INITIALIZE entry, const struct nt_registry_value *values,
                        size_t value_count, struct nt_driver **driver)
{
    nt_require_irql("nt_driver_load", PASSIVE_LEVEL, PASSIVE_LEVEL);
    struct nt_driver *created = driver_new(service, entry, values, value_count);
    if (created == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    driver_link(created);
    bool pumps = nt_pump_begin();
    nt_self.loading = created->object;
    PDRIVER_OBJECT before = nt_enter_driver(created->object);
    NTSTATUS status = NT_CALL(entry, created->object, &created->registry_path);
    nt_enter_driver(before);
    nt_self.loading = NULL;
    nt_callback_returned("DriverEntry", (const void *)(uintptr_t)entry);
    if (!NT_SUCCESS(status))
        __atomic_store_n(&ending, created->object, __ATOMIC_RELEASE);
    if (NT_SUCCESS(status))
        nt_devices_ready(created->object);
    else
        report_left(created, driver_unlink(created));
    __atomic_store_n(&ending, NULL, __ATOMIC_RELEASE);
    nt_pump_end(pumps);
    if (NT_SUCCESS(status))
        *driver = created;
    else
        driver_free(created);
    return status;
}

static void call_unload(PDRIVER_OBJECT object)
{
    PDRIVER_OBJECT before = nt_enter_driver(object);
    NT_CALL(object->DriverUnload, object);
    nt_enter_driver(before);
}

void nt_driver_unload(struct nt_driver *driver)
{
    PDRIVER_OBJECT object = driver->object;
    nt_require_irql("nt_driver_unload", PASSIVE_LEVEL, PASSIVE_LEVEL);
    size_t open_files = nt_devices_open(object);
    if (open_files != 0)
        nt_violate("unload-with-open-files", "nt_driver_unload", "%zu files are open", open_files);
    bool pumps = nt_pump_begin();
    __atomic_store_n(&ending, object, __ATOMIC_RELEASE);
    if (object->DriverUnload == NULL)
        nt_violate("no-unload-routine", "nt_driver_unload", "the driver cannot be unloaded");
    else
        call_unload(object);
    nt_callback_returned("DriverUnload", (const void *)(uintptr_t)object->DriverUnload);
    report_left(driver, driver_unlink(driver));
    __atomic_store_n(&ending, NULL, __ATOMIC_RELEASE);
    nt_pump_end(pumps);
    driver_free(driver);
}

/* The driver's own memory is its affair. */
void nt_drivers_reset(void)
{
    while (drivers != NULL) {
        struct nt_driver *driver = drivers;
        drivers = driver->next;
        driver_free(driver);
    }
    pool_mark = 0;
    timers_before = threads_before = 0;
    ending = NULL;
}
