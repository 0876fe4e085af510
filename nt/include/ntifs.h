/* SPDX-License-Identifier: MIT */
/*
 * ntifs.h - ntddk.h and what Windows documents for file systems. Here both are one.
 */
#ifndef NTIFS_H
#define NTIFS_H

#include <ntddk.h>

#endif
