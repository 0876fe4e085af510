/* SPDX-License-Identifier: MIT */
/*
 * loader.c - see loader.h.
 */
#include "pe/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pe/map.h"
#include "pe/trap.h"
#include "pe/unwind.h"

struct pe_driver {
    struct nt_driver *driver;
    struct pe_map *map;
    uint8_t *kept; /* the writable sections as they were after mapping */
};

static bool read_whole(int file, void *bytes, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t part = read(file, (char *)bytes + done, size - done);
        if (part <= 0 && !(part < 0 && errno == EINTR))
            return false;
        done += part > 0 ? (size_t)part : 0;
    }
    return true;
}

/* NULL: error says why. Free what it gives. */
static void *read_file(const char *path, size_t *size, struct pe_error *error)
{
    struct stat status;
    void *bytes = NULL;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (file < 0 || fstat(file, &status) != 0) {
        snprintf(error->text, sizeof(error->text), "it cannot be read: %s.", strerror(errno));
        goto out;
    }
    if (!S_ISREG(status.st_mode)) {
        snprintf(error->text, sizeof(error->text), "it is %s, not a file.",
                 S_ISDIR(status.st_mode) ? "a directory" : "a device, a pipe or a socket");
        goto out;
    }
    if (status.st_size <= 0 || (uint64_t)status.st_size > PE_FILE_MAX) {
        snprintf(error->text, sizeof(error->text), "it has %lld bytes; a driver file has from 1 to %u.",
                 (long long)status.st_size, PE_FILE_MAX);
        goto out;
    }
    *size = (size_t)status.st_size;
    bytes = malloc(*size);
    if (bytes == NULL || !read_whole(file, bytes, *size)) {
        snprintf(error->text, sizeof(error->text), "it could not be read whole.");
        free(bytes);
        bytes = NULL;
    }
out:
    if (file >= 0)
        close(file);
    return bytes;
}

static void name_file(struct pe_error *error, const char *path)
{
    struct pe_error why = *error;

    snprintf(error->text, sizeof(error->text), "%.200s: %.300s", path, why.text);
}

/* What the writable sections hold, one behind the other. */
static bool keep(struct pe_driver *driver, struct pe_error *error)
{
    const struct pe_image *image = &driver->map->image;
    size_t size = 0;

    for (unsigned i = 0; i < image->section_count; i++)
        size += image->sections[i].writable ? image->sections[i].size : 0;
    driver->kept = malloc(size + 1);
    if (driver->kept == NULL) {
        snprintf(error->text, sizeof(error->text), "there is no memory for it.");
        return false;
    }
    size = 0;
    for (unsigned i = 0; i < image->section_count; i++) {
        if (!image->sections[i].writable)
            continue;
        memcpy(driver->kept + size, driver->map->memory + image->sections[i].address, image->sections[i].size);
        size += image->sections[i].size;
    }
    return true;
}

static void put_back(struct pe_driver *driver)
{
    const struct pe_image *image = &driver->map->image;
    size_t size = 0;

    for (unsigned i = 0; i < image->section_count; i++) {
        if (!image->sections[i].writable)
            continue;
        memcpy(driver->map->memory + image->sections[i].address, driver->kept + size, image->sections[i].size);
        size += image->sections[i].size;
    }
}

bool pe_driver_start(struct pe_driver *driver, const char *service, const struct nt_registry_value *values,
                     size_t value_count, struct pe_error *error)
{
    uintptr_t entry = (uintptr_t)driver->map->memory + driver->map->image.entry;

    put_back(driver);
    pe_trap_install();
    nt_set_foreign_unwind(pe_unwind);
    nt_next_driver_code(driver->map->memory, driver->map->image.size);
    NTSTATUS status = nt_driver_load(service, (PDRIVER_INITIALIZE)entry, values, value_count, &driver->driver);
    if (!NT_SUCCESS(status))
        snprintf(error->text, sizeof(error->text), "%.200s: the driver did not start: DriverEntry returned 0x%08X.",
                 driver->map->name, (unsigned)status);
    return NT_SUCCESS(status);
}

void pe_driver_stop(struct pe_driver *driver)
{
    nt_driver_unload(driver->driver);
}

struct pe_driver *pe_driver_open(const char *path, struct pe_error *error)
{
    size_t size = 0;
    const char *name = strrchr(path, '/');
    void *bytes = read_file(path, &size, error);
    struct pe_driver *opened = calloc(1, sizeof(*opened));

    if (bytes != NULL && opened != NULL)
        opened->map = pe_map_new(name == NULL ? path : name + 1, bytes, size, error);
    else if (bytes != NULL)
        snprintf(error->text, sizeof(error->text), "there is no memory for it.");
    free(bytes);
    if (opened != NULL && opened->map != NULL && keep(opened, error))
        return opened;
    if (opened != NULL && opened->map != NULL)
        pe_map_free(opened->map);
    free(opened);
    name_file(error, path);
    return NULL;
}

void pe_driver_close(struct pe_driver *driver)
{
    pe_map_free(driver->map);
    free(driver->kept);
    free(driver);
}

bool pe_driver_load(const char *path, const char *service, const struct nt_registry_value *values, size_t value_count,
                    struct pe_driver **driver, struct pe_error *error)
{
    struct pe_driver *opened = pe_driver_open(path, error);

    if (opened == NULL)
        return false;
    if (pe_driver_start(opened, service, values, value_count, error)) {
        *driver = opened;
        return true;
    }
    pe_driver_close(opened);
    return false;
}

void pe_driver_unload(struct pe_driver *driver)
{
    pe_driver_stop(driver);
    pe_driver_close(driver);
}
