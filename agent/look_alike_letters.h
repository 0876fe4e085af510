/* SPDX-License-Identifier: MIT */
/*
 * look_alike_letters.h - what is known of single characters: their script, and the ASCII letter they look like.
 *
 * For look_alike.c. Characters that names may have after IDNA's mapping, so no capital letters.
 */
#ifndef AGENT_LOOK_ALIKE_LETTERS_H
#define AGENT_LOOK_ALIKE_LETTERS_H

#include <stdbool.h>
#include <stdint.h>

/* Bits, to say which a label has. COMMON: digits, hyphen: they go with all. */
enum letter_script {
    LETTER_COMMON = 0,
    LETTER_LATIN = 1 << 0,
    LETTER_GREEK = 1 << 1,
    LETTER_CYRILLIC = 1 << 2,
    LETTER_ARMENIAN = 1 << 3,
    LETTER_HEBREW = 1 << 4,
    LETTER_ARABIC = 1 << 5,
    LETTER_THAANA = 1 << 6,
    LETTER_DEVANAGARI = 1 << 7,
    LETTER_BENGALI = 1 << 8,
    LETTER_GURMUKHI = 1 << 9,
    LETTER_GUJARATI = 1 << 10,
    LETTER_ORIYA = 1 << 11,
    LETTER_TAMIL = 1 << 12,
    LETTER_TELUGU = 1 << 13,
    LETTER_KANNADA = 1 << 14,
    LETTER_MALAYALAM = 1 << 15,
    LETTER_SINHALA = 1 << 16,
    LETTER_THAI = 1 << 17,
    LETTER_LAO = 1 << 18,
    LETTER_TIBETAN = 1 << 19,
    LETTER_MYANMAR = 1 << 20,
    LETTER_GEORGIAN = 1 << 21,
    LETTER_ETHIOPIC = 1 << 22,
    LETTER_KHMER = 1 << 23,
    LETTER_HIRAGANA = 1 << 24,
    LETTER_KATAKANA = 1 << 25,
    LETTER_BOPOMOFO = 1 << 26,
    LETTER_HAN = 1 << 27,
    LETTER_HANGUL = 1 << 28,
    LETTER_SELDOM = 1 << 29 /* no language in use writes names with it: phonetic letters, symbols, old scripts */
};
#define LETTER_SCRIPTS 29u

enum letter_script letter_script_of(uint32_t character);

/* "Cyrillic" of bit 2; bits below LETTER_SCRIPTS. */
const char *letter_script_name(unsigned bit);

/* The letter or digit of ASCII that it can be taken for; itself for ASCII; 0: none. loosely: at a glance, among other
 * letters: also those with marks (ö, ł) and those that are alike in some fonts only (к, т). */
char letter_of(uint32_t character, bool loosely);

#endif
