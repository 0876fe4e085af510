/* SPDX-License-Identifier: MIT */
/*
 * api_kernel.c - the engine's routines as struct api. See api.h.
 */
#include <fwpmk.h>

#include "tests/fwpuclnt/api.h"
#include "tests/fwpuclnt/api_rows.h"

/* Pages: WFP Error Codes; System Error Codes. */
static UINT32 translate(NTSTATUS status)
{
    switch ((UINT32)status) {
    case 0:
        return 0;
    case 0xC0000008u:
        return 6;
    case 0xC000000Du:
        return 87;
    case 0xC000009Au:
        return 8;
    case 0xC0000079u:
        return 1338;
    default:
        return ((UINT32)status & 0xFFFF0000u) == 0xC0220000u ? 0x80320000u | ((UINT32)status & 0xFFFFu)
                                                             : (UINT32)status;
    }
}

#define API(name, routine, parameters, arguments)                                                                      \
    static UINT32 call_##name parameters                                                                               \
    {                                                                                                                  \
        return translate(routine arguments);                                                                           \
    }
API_ROWS

const struct api api_kernel = {API_FIELDS.free_memory = FwpmFreeMemory0};
