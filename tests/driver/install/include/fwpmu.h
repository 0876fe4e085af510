/* SPDX-License-Identifier: MIT */
/*
 * fwpmu.h - the user-mode header, as far as agent/install_objects.c needs it, on top of the kernel's: the routines have
 * the same names, and FWP_E_* stand for the STATUS_FWP_* of the same number.
 */
#ifndef TESTS_FWPMU_H
#define TESTS_FWPMU_H

#include <fwpmk.h>
#include <ntddk.h>

#undef FWP_E_ALREADY_EXISTS
#undef FWP_E_FILTER_NOT_FOUND
#undef FWP_E_SUBLAYER_NOT_FOUND
#undef FWP_E_PROVIDER_NOT_FOUND
#undef FWP_E_IN_USE
#undef FWP_E_WRONG_SESSION
#define FWP_E_ALREADY_EXISTS     STATUS_FWP_ALREADY_EXISTS
#define FWP_E_FILTER_NOT_FOUND   STATUS_FWP_FILTER_NOT_FOUND
#define FWP_E_SUBLAYER_NOT_FOUND STATUS_FWP_SUBLAYER_NOT_FOUND
#define FWP_E_PROVIDER_NOT_FOUND STATUS_FWP_PROVIDER_NOT_FOUND
#define FWP_E_IN_USE             STATUS_FWP_IN_USE
#define FWP_E_WRONG_SESSION      STATUS_FWP_WRONG_SESSION

#endif
