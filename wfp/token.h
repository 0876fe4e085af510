/* SPDX-License-Identifier: MIT */
/*
 * token.h - who connects: SIDs, TOKEN_ACCESS_INFORMATION copies, and security descriptors asked about them.
 *
 * Pure functions; any IRQL. Structures as in ntifs.h. On Linux a host gives the user as a SID of its
 * choice (S-1-22-1-UID is the usual one).
 */
#ifndef WFP_TOKEN_H
#define WFP_TOKEN_H

#include <fwptypes.h>
#include <ntifs.h>

#define WFP_MAX_TOKEN_SIDS 1024

size_t wfp_sid_size(const SID *sid);
BOOLEAN wfp_sid_equal(const SID *a, const SID *b);

/*
 * The bytes that a self-contained copy of the token's SIDs takes; 0: token is NULL or holds none. copy fills exactly
 * that many, with pointers into itself; the copy can be copied again. again does that: token is such a copy, whole.
 */
size_t wfp_token_size(const FWP_BYTE_BLOB *token);
void wfp_token_copy(const FWP_BYTE_BLOB *token, void *copy);
void wfp_token_copy_again(const FWP_BYTE_BLOB *token, void *copy);

/* A self-relative descriptor with a DACL of whole entries: else STATUS_INVALID_SECURITY_DESCR. */
NTSTATUS wfp_descriptor_check(const FWP_BYTE_BLOB *descriptor);

/*
 * The DACL's entries in order: the first allow or deny entry that has FWP_ACTRL_MATCH_FILTER and one of
 * the token's SIDs decides. None: FALSE. No DACL: TRUE.
 */
BOOLEAN wfp_descriptor_grants(const FWP_BYTE_BLOB *descriptor, const FWP_BYTE_BLOB *token);

#endif
