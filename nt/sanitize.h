/* SPDX-License-Identifier: MIT */
/*
 * sanitize.h - tells ASan which of our own memory drivers must not touch any more.
 */
#ifndef NT_SANITIZE_H
#define NT_SANITIZE_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NT_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define NT_ASAN 1
#endif

#ifdef NT_ASAN
#define NT_SANITIZED 1
#include <sanitizer/asan_interface.h>
#define NT_POISON(address, size)   ASAN_POISON_MEMORY_REGION((address), (size))
#define NT_UNPOISON(address, size) ASAN_UNPOISON_MEMORY_REGION((address), (size))
#else
#define NT_SANITIZED               0
#define NT_POISON(address, size)   ((void)(address), (void)(size))
#define NT_UNPOISON(address, size) ((void)(address), (void)(size))
#endif

#endif
