/* SPDX-License-Identifier: MIT */
/*
 * initguid.h - include it before headers that use DEFINE_GUID to define their GUIDs in this file.
 */
#ifndef INITGUID
#define INITGUID
#endif
#include <guiddef.h>
