/* SPDX-License-Identifier: MIT */
/*
 * guiddef.h - GUID, and DEFINE_GUID as the Windows headers have it.
 *
 * DEFINE_GUID declares; in the one source file that includes <initguid.h> first it defines. The
 * definition is weak, as selectany is on Windows, so that two such files may name the same GUID.
 */
#ifndef GUIDDEF_H
#define GUIDDEF_H

#include <stdint.h>
#include <string.h>

typedef struct _GUID {
    uint32_t Data1;
    uint16_t Data2;
    uint16_t Data3;
    uint8_t Data4[8];
} GUID, *LPGUID;
typedef const GUID *LPCGUID;
typedef GUID IID, CLSID, UUID;
typedef const GUID *REFGUID;

_Static_assert(sizeof(GUID) == 16, "GUID has the Windows layout");

#define IsEqualGUID(a, b) (memcmp((a), (b), sizeof(GUID)) == 0)
#define InlineIsEqualGUID IsEqualGUID

#endif

/* Outside the guard: including <initguid.h> later switches from declaring to defining. */
#undef DEFINE_GUID
#ifdef INITGUID
#define DEFINE_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8)                                                   \
    extern const GUID name;                                                                                            \
    const GUID name __attribute__((weak)) = {l, w1, w2, {b1, b2, b3, b4, b5, b6, b7, b8}}
#else
#define DEFINE_GUID(name, l, w1, w2, b1, b2, b3, b4, b5, b6, b7, b8) extern const GUID name
#endif
