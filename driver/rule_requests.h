/* SPDX-License-Identifier: MIT */
/*
 * rule_requests.h - RULES_BEGIN, _PUT, _COMMIT, _ADD, _REMOVE, _GET.
 *
 * An image comes in pieces; one load at a time, which belongs to its client. COMMIT, ADD, REMOVE and the GET that has
 * to make the image run as changes (changes.h).
 */
#ifndef DRIVER_RULE_REQUESTS_H
#define DRIVER_RULE_REQUESTS_H

#include "driver/dispatch.h"

_IRQL_requires_(PASSIVE_LEVEL)
dispatch_handler rule_requests_begin;
_IRQL_requires_(PASSIVE_LEVEL)
dispatch_handler rule_requests_put;
_IRQL_requires_(PASSIVE_LEVEL)
dispatch_handler rule_requests_commit;
_IRQL_requires_(PASSIVE_LEVEL)
dispatch_handler rule_requests_add;
_IRQL_requires_(PASSIVE_LEVEL)
dispatch_handler rule_requests_remove;
_IRQL_requires_(PASSIVE_LEVEL)
dispatch_handler rule_requests_get;

/* The client's load, if it has one, is dropped. */
_IRQL_requires_(PASSIVE_LEVEL)
void rule_requests_leave(const struct client *client);

#endif
