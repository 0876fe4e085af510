/* SPDX-License-Identifier: MIT */
/*
 * wdmsec.h - IoCreateDeviceSecure and the usual SDDL strings.
 *
 * Understood: "D:P" with allow ACEs for SY, BA (administrators) and WD (everyone), each with the
 * rights GA, GR, GW, GX. Other descriptors are refused with STATUS_NOT_SUPPORTED.
 * Page: wdmsec.h WdmlibIoCreateDeviceSecure; SDDL for Device Objects.
 */
#ifndef WDMSEC_H
#define WDMSEC_H

#include <wdm.h>

extern const UNICODE_STRING SDDL_DEVOBJ_KERNEL_ONLY;
extern const UNICODE_STRING SDDL_DEVOBJ_SYS_ALL;
extern const UNICODE_STRING SDDL_DEVOBJ_SYS_ALL_ADM_ALL;

/* DeviceClassGuid is not looked at: there is no registry override here. */
NTSTATUS WdmlibIoCreateDeviceSecure(PDRIVER_OBJECT DriverObject, ULONG DeviceExtensionSize, PUNICODE_STRING DeviceName,
                                    DEVICE_TYPE DeviceType, ULONG DeviceCharacteristics, BOOLEAN Exclusive,
                                    PCUNICODE_STRING DefaultSDDLString, LPCGUID DeviceClassGuid,
                                    PDEVICE_OBJECT *DeviceObject);
#define IoCreateDeviceSecure WdmlibIoCreateDeviceSecure

#endif
