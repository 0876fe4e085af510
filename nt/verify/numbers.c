/* SPDX-License-Identifier: MIT */
/*
 * numbers.c - small numbers for addresses in texts of a report; see nt_number_addresses in report.h.
 *
 * An address differs from run to run, but the order in which addresses are named does not. What counts as one is a
 * hexadecimal number with more digits than a status or an I/O control code has. When the table is full, "#?" is
 * written: that does not differ between runs either.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nt/verify/report.h"
#include "nt/verify/self.h"

#define SLOTS        4096u
#define NUMBERS_MAX  (SLOTS / 2)
#define DIGITS_LEAST 9

struct slot {
    uint64_t address;
    uint32_t generation, number;
};

static struct slot slots[SLOTS];
static uint32_t generation = 1, given;
static bool lock;

/* 0: there is none left. */
static uint32_t number_of(uint64_t address)
{
    uint32_t number = 0, at = (uint32_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 52);
    nt_verify_lock(&lock);
    while (slots[at].generation == generation && slots[at].address != address)
        at = (at + 1) % SLOTS;
    if (slots[at].generation == generation)
        number = slots[at].number;
    else if (given < NUMBERS_MAX) {
        number = ++given;
        slots[at] = (struct slot){address, generation, number};
    }
    nt_verify_unlock(&lock);
    return number;
}

void nt_number_addresses(char *text)
{
    char *write = text;
    for (const char *read = text; *read != '\0';) {
        size_t digits = 0;
        if (read[0] == '0' && read[1] == 'x')
            digits = strspn(read + 2, "0123456789abcdefABCDEF");
        if (digits < DIGITS_LEAST || digits > 16) {
            *write++ = *read++;
            continue;
        }
        uint32_t number = number_of(strtoull(read, NULL, 16));
        char name[16];
        int length = number != 0 ? snprintf(name, sizeof name, "#%u", number) : snprintf(name, sizeof name, "#?");
        memcpy(write, name, (size_t)length); /* shorter than what it takes the place of */
        write += length;
        read += 2 + digits;
    }
    *write = '\0';
}

void nt_numbers_clear(void)
{
    nt_verify_lock(&lock);
    generation++;
    given = 0;
    nt_verify_unlock(&lock);
}
