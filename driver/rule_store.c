/* SPDX-License-Identifier: MIT */
/*
 * rule_store.c - see rule_store.h.
 */
#include "driver/rule_store.h"

_Use_decl_annotations_
NTSTATUS rule_store_write(enum rule_store_file which, const struct rule_list *list)
{
    UNREFERENCED_PARAMETER(which);
    UNREFERENCED_PARAMETER(list);
    return STATUS_SUCCESS;
}

_Use_decl_annotations_
NTSTATUS rule_store_read(enum rule_store_file which, struct rule_list *list)
{
    UNREFERENCED_PARAMETER(which);
    RtlZeroMemory(list, sizeof(*list));
    return STATUS_SUCCESS;
}
