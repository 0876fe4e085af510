/* SPDX-License-Identifier: MIT */
/*
 * address.h - IP addresses as text. The same on every system: no library of it is asked.
 */
#ifndef POLICY_ADDRESS_H
#define POLICY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_TEXT_MAX 48u

/* Exactly length bytes. False: it is none; the output is untouched then. v4: host order, no leading zeros. */
bool address_read_v4(const char *text, size_t length, uint32_t *address);
bool address_read_v6(const char *text, size_t length, uint8_t address[16]);

/* NUL-terminated; IPv6 as RFC 5952 wants it, without dotted parts. */
void address_write_v4(uint32_t address, char text[ADDRESS_TEXT_MAX]);
void address_write_v6(const uint8_t address[16], char text[ADDRESS_TEXT_MAX]);

#endif
