/* SPDX-License-Identifier: MIT */
/*
 * msvc.h - included before every source of gatehouse.exe by Visual Studio: MSVC has no attributes of this form.
 * They only let gcc and clang check format strings.
 */
#ifndef VISUAL_STUDIO_MSVC_H
#define VISUAL_STUDIO_MSVC_H

#ifndef __clang__
#define __attribute__(attributes)
#endif

#endif
