/* SPDX-License-Identifier: MIT */
/*
 * api_rows.h - one row a call: its name in struct api, its routine, parameters, arguments. Both sides make their
 * functions and their table from it.
 */
#ifndef TESTS_FWPUCLNT_API_ROWS_H
#define TESTS_FWPUCLNT_API_ROWS_H

/* clang-format off */
#define API_ROWS \
    API(open, FwpmEngineOpen0, (const FWPM_SESSION0 *a, HANDLE *b), (NULL, RPC_C_AUTHN_WINNT, NULL, a, b)) \
    API(close, FwpmEngineClose0, (HANDLE a), (a)) \
    API(begin, FwpmTransactionBegin0, (HANDLE a, UINT32 b), (a, b)) \
    API(commit, FwpmTransactionCommit0, (HANDLE a), (a)) \
    API(abort, FwpmTransactionAbort0, (HANDLE a), (a)) \
    API(provider_add, FwpmProviderAdd0, (HANDLE a, const FWPM_PROVIDER0 *b), (a, b, NULL)) \
    API(provider_delete, FwpmProviderDeleteByKey0, (HANDLE a, const GUID *b), (a, b)) \
    API(provider_get, FwpmProviderGetByKey0, (HANDLE a, const GUID *b, FWPM_PROVIDER0 **c), (a, b, c)) \
    API(sublayer_add, FwpmSubLayerAdd0, (HANDLE a, const FWPM_SUBLAYER0 *b), (a, b, NULL)) \
    API(sublayer_delete, FwpmSubLayerDeleteByKey0, (HANDLE a, const GUID *b), (a, b)) \
    API(sublayer_get, FwpmSubLayerGetByKey0, (HANDLE a, const GUID *b, FWPM_SUBLAYER0 **c), (a, b, c)) \
    API(filter_add, FwpmFilterAdd0, (HANDLE a, const FWPM_FILTER0 *b, UINT64 *c), (a, b, NULL, c)) \
    API(filter_delete_by_id, FwpmFilterDeleteById0, (HANDLE a, UINT64 b), (a, b)) \
    API(filter_delete_by_key, FwpmFilterDeleteByKey0, (HANDLE a, const GUID *b), (a, b)) \
    API(filter_get_by_id, FwpmFilterGetById0, (HANDLE a, UINT64 b, FWPM_FILTER0 **c), (a, b, c)) \
    API(filter_get_by_key, FwpmFilterGetByKey0, (HANDLE a, const GUID *b, FWPM_FILTER0 **c), (a, b, c)) \
    API(enum_create, FwpmFilterCreateEnumHandle0, (HANDLE a, const FWPM_FILTER_ENUM_TEMPLATE0 *b, HANDLE *c), (a, b, c)) \
    API(enum_next, FwpmFilterEnum0, (HANDLE a, HANDLE b, UINT32 c, FWPM_FILTER0 ***d, UINT32 *e), (a, b, c, d, e)) \
    API(enum_destroy, FwpmFilterDestroyEnumHandle0, (HANDLE a, HANDLE b), (a, b))

#define API_FIELDS \
    .open = call_open, \
    .close = call_close, \
    .begin = call_begin, \
    .commit = call_commit, \
    .abort = call_abort, \
    .provider_add = call_provider_add, \
    .provider_delete = call_provider_delete, \
    .provider_get = call_provider_get, \
    .sublayer_add = call_sublayer_add, \
    .sublayer_delete = call_sublayer_delete, \
    .sublayer_get = call_sublayer_get, \
    .filter_add = call_filter_add, \
    .filter_delete_by_id = call_filter_delete_by_id, \
    .filter_delete_by_key = call_filter_delete_by_key, \
    .filter_get_by_id = call_filter_get_by_id, \
    .filter_get_by_key = call_filter_get_by_key, \
    .enum_create = call_enum_create, \
    .enum_next = call_enum_next, \
    .enum_destroy = call_enum_destroy,
/* clang-format on */

#endif
