/* SPDX-License-Identifier: MIT */
/*
 * objects.h - Gatehouse's names in the filter engine, for those that add objects there: the driver, while it runs
 * (driver/registration.c), `gatehouse install`, for good (agent/install_objects.c), and `gatehouse filter add`, until
 * the engine ends (agent/filter_engine.c).
 *
 * All use one provider and one sublayer. Inside a sublayer the first filter that permits or blocks ends it (page
 * Filter Arbitration), so weight alone says who decides:
 *
 *   GATEHOUSE_CLASS_*             `gatehouse filter add`: a weight class (FWP_UINT8), above every number below
 *   GATEHOUSE_WEIGHT_ALWAYS       installed: DHCP and neighbour discovery pass, whoever decides the rest
 *   GATEHOUSE_WEIGHT_LOOPBACK     the driver: loopback passes
 *   GATEHOUSE_WEIGHT_ADDED        the driver: rules added on top, the latest first (rules.h: PLACE_TOP)
 *   GATEHOUSE_WEIGHT_FILE_HEAD    the driver: rules of the file before the first that asks, in their order
 *   GATEHOUSE_WEIGHT_ANSWERS      the driver: remembered answers, the narrower and then the later first (PLACE_ASK)
 *   GATEHOUSE_WEIGHT_FILE_TAIL    the driver: the other rules of the file
 *   GATEHOUSE_WEIGHT_CALLOUT      the driver: everything else outgoing by TCP or UDP; nothing below is reached by these
 *   GATEHOUSE_WEIGHT_OTHERS       the driver: other protocols that go out pass
 *   GATEHOUSE_WEIGHT_CLOSED_PASS  installed, closed mode: what passes while the driver is away
 *   GATEHOUSE_WEIGHT_CLOSED       installed, closed mode: everything else is blocked
 *
 * GUIDs are initializers, in the order of GUID's members: made at random, never reused. When you add one, take the next
 * last byte; when you drop one, uninstall must go on removing it.
 */
#ifndef GATEHOUSE_OBJECTS_H
#define GATEHOUSE_OBJECTS_H

#define GATEHOUSE_SERVICE L"gatehouse"

/* clang-format off */
#define GATEHOUSE_KEY(last) { 0x6b1f5d0e, 0x3c1a, 0x4f58, { 0x9d, 0x0c, 0x41, 0x7e, 0xa2, 0x5b, 0x96, last } }
/* clang-format on */

#define GATEHOUSE_KEY_PROVIDER GATEHOUSE_KEY(0x01)
#define GATEHOUSE_KEY_SUBLAYER GATEHOUSE_KEY(0x02)
/*
 * Rule callouts: filters of rules that the engine cannot decide by itself lead there. What they look at is promised
 * here, because a host may keep the engine's verdicts: RULE answers by ALE_APP_ID and ALE_USER_ID alone, the same until
 * a filter changes, whatever it answers. LOG keeps that promise when it answers CONTINUE; its other answers are for
 * this connection alone (it logs, asks, or counts processes). NAME, for rules with names, promises nothing: what
 * programs looked up changes without a change of filters.
 */
#define GATEHOUSE_KEY_CALLOUT_RULE_CONNECT_V4 GATEHOUSE_KEY(0x16)
#define GATEHOUSE_KEY_CALLOUT_RULE_CONNECT_V6 GATEHOUSE_KEY(0x17)
#define GATEHOUSE_KEY_CALLOUT_RULE_ACCEPT_V4  GATEHOUSE_KEY(0x18)
#define GATEHOUSE_KEY_CALLOUT_RULE_ACCEPT_V6  GATEHOUSE_KEY(0x19)
#define GATEHOUSE_KEY_CALLOUT_LOG_CONNECT_V4  GATEHOUSE_KEY(0x1a)
#define GATEHOUSE_KEY_CALLOUT_LOG_CONNECT_V6  GATEHOUSE_KEY(0x1b)
#define GATEHOUSE_KEY_CALLOUT_LOG_ACCEPT_V4   GATEHOUSE_KEY(0x1c)
#define GATEHOUSE_KEY_CALLOUT_LOG_ACCEPT_V6   GATEHOUSE_KEY(0x1d)
#define GATEHOUSE_KEY_CALLOUT_NAME_CONNECT_V4 GATEHOUSE_KEY(0x1e)
#define GATEHOUSE_KEY_CALLOUT_NAME_CONNECT_V6 GATEHOUSE_KEY(0x1f)
/* 0x10 to 0x15: callouts (driver/registration.c). 0x20 to 0x2f: filters of install, 0x40 more for their boot-time
 * twins. */

#define GATEHOUSE_SUBLAYER_WEIGHT 0x7000u

/* What `gatehouse filter add` marks its filters with (providerData): it lists and removes those only. */
#define GATEHOUSE_FILTER_MARK      "gatehouse filter"
#define GATEHOUSE_FILTER_MARK_SIZE 16u

/* Class 0 could fall below the callout filter, which leaves nothing to decide. */
#define GATEHOUSE_CLASS_MIN     1u
#define GATEHOUSE_CLASS_DEFAULT 8u
#define GATEHOUSE_CLASS_MAX     15u

/* A base has room for 2^40 above it. All stay below the classes: 2^60. */
#define GATEHOUSE_WEIGHT_ALWAYS      0x0600000000000000ull
#define GATEHOUSE_WEIGHT_LOOPBACK    0x0500000000000000ull
#define GATEHOUSE_WEIGHT_ADDED       0x0400000000000000ull
#define GATEHOUSE_WEIGHT_FILE_HEAD   0x0300000000000000ull
#define GATEHOUSE_WEIGHT_ANSWERS     0x0200000000000000ull
#define GATEHOUSE_WEIGHT_FILE_TAIL   0x0100000000000000ull
#define GATEHOUSE_WEIGHT_CALLOUT     0x1000u
#define GATEHOUSE_WEIGHT_OTHERS      0x0800u
#define GATEHOUSE_WEIGHT_CLOSED_PASS 0x0200u
#define GATEHOUSE_WEIGHT_CLOSED      0x0100u

#endif
