/* SPDX-License-Identifier: MIT */
/*
 * verify.c - the verifier's switch; see verify.h.
 */
#include "nt/verify/verify.h"

bool nt_verify_on;
