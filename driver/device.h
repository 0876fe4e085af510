/* SPDX-License-Identifier: MIT */
/*
 * device.h - the control device and its two names.
 *
 * Only SYSTEM and administrators may open it; FILE_DEVICE_SECURE_OPEN holds names below it to the
 * same. The second link is the article's, for clients written from it.
 */
#ifndef DRIVER_DEVICE_H
#define DRIVER_DEVICE_H

#include "driver/driver.h"

/* All or nothing. */
_IRQL_requires_(PASSIVE_LEVEL)
NTSTATUS device_create(PDRIVER_OBJECT driver);

/* Links first, then the device. Harmless when there is none. */
_IRQL_requires_(PASSIVE_LEVEL)
void device_delete(void);

#endif
