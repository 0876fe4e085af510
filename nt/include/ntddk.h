/* SPDX-License-Identifier: MIT */
/*
 * ntddk.h - wdm.h and, on Windows, what is documented for non-PnP drivers. Here both are one.
 */
#ifndef NTDDK_H
#define NTDDK_H

#include <wdm.h>

#endif
