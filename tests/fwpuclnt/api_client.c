/* SPDX-License-Identifier: MIT */
/*
 * api_client.c - the client's functions as struct api. See api.h. Compiled with the client's other names.
 */
#include <fwpmu.h>

#include "tests/fwpuclnt/api.h"
#include "tests/fwpuclnt/api_rows.h"

#define API(name, routine, parameters, arguments)                                                                      \
    static UINT32 call_##name parameters                                                                               \
    {                                                                                                                  \
        return (UINT32)(routine arguments);                                                                            \
    }
API_ROWS

const struct api api_client = {API_FIELDS.free_memory = FwpmFreeMemory0};
