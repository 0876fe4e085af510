/* SPDX-License-Identifier: MIT */
/*
 * sanitize.h - tells ASan which of our own memory drivers must not touch any more, and ASan and TSan of fibers.
 */
#ifndef NT_SANITIZE_H
#define NT_SANITIZE_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NT_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define NT_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define NT_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define NT_TSAN 1
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

/* Either makes everything many times slower. */
#if defined(NT_ASAN) || defined(NT_TSAN)
#define NT_SLOWED 1
#else
#define NT_SLOWED 0
#endif

/* Changing stacks: save is where the leaving one's fake stack is kept, NULL for the last time. */
#ifdef NT_ASAN
#include <sanitizer/common_interface_defs.h>
#define NT_START_SWITCH(save, base, size)  __sanitizer_start_switch_fiber((save), (base), (size))
#define NT_FINISH_SWITCH(save, base, size) __sanitizer_finish_switch_fiber((save), (base), (size))
#else
#define NT_START_SWITCH(save, base, size)  ((void)(save), (void)(base), (void)(size))
#define NT_FINISH_SWITCH(save, base, size) ((void)(save), (void)(base), (void)(size))
#endif

#ifdef NT_TSAN
#include <sanitizer/tsan_interface.h>
#define NT_CURRENT_SHADOW()      __tsan_get_current_fiber()
#define NT_NEW_SHADOW()          __tsan_create_fiber(0)
#define NT_DROP_SHADOW(shadow)   ((shadow) == NULL ? (void)0 : __tsan_destroy_fiber(shadow))
#define NT_SWITCH_SHADOW(shadow) __tsan_switch_to_fiber((shadow), 0)
#else
#define NT_CURRENT_SHADOW()      NULL
#define NT_NEW_SHADOW()          NULL
#define NT_DROP_SHADOW(shadow)   ((void)(shadow))
#define NT_SWITCH_SHADOW(shadow) ((void)(shadow))
#endif

#endif
