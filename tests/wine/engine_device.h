/* SPDX-License-Identifier: MIT */
/*
 * engine_device.h - the device through which a program plays the network stack (engine_control.h).
 */
#ifndef TESTS_WINE_ENGINE_DEVICE_H
#define TESTS_WINE_ENGINE_DEVICE_H

#include <ntddk.h>

/* Once, at PASSIVE_LEVEL. The device lives as long as the driver host. */
NTSTATUS engine_device_create(void);

#endif
