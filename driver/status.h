/* SPDX-License-Identifier: MIT */
/*
 * status.h - GET_STATUS: what the driver holds and has counted.
 */
#ifndef DRIVER_STATUS_H
#define DRIVER_STATUS_H

#include "driver/dispatch.h"

_IRQL_requires_(PASSIVE_LEVEL)
dispatch_handler status_get;

#endif
