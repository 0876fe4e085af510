/* SPDX-License-Identifier: MIT */
/*
 * look_alike_letters.c - see look_alike_letters.h. Which letters look alike is common knowledge of several people:
 * Unicode's UTS #39 (confusables), and what browsers add of letters that are alike in most fonts only (к, т, п).
 * tests/agent/look_alike_test.c holds the table against libicu's where that is installed.
 */
#include "agent/look_alike_letters.h"

#include <stddef.h>

struct script_range {
    uint32_t first, last;
    enum letter_script script;
};

/* In order. What lies between is LETTER_SELDOM. Marks within a script's block are of that script. */
static const struct script_range ranges[] = {
    {'-', '-', LETTER_COMMON},         {'0', '9', LETTER_COMMON},          {'_', '_', LETTER_COMMON},
    {'a', 'z', LETTER_LATIN},          {0x00B7, 0x00B7, LETTER_COMMON},    {0x00DF, 0x00F6, LETTER_LATIN},
    {0x00F8, 0x017F, LETTER_LATIN},    {0x018F, 0x018F, LETTER_LATIN},     {0x01A0, 0x01A1, LETTER_LATIN},
    {0x01AF, 0x01B0, LETTER_LATIN},    {0x01CD, 0x01DC, LETTER_LATIN},     {0x01DE, 0x01F0, LETTER_LATIN},
    {0x01F8, 0x021B, LETTER_LATIN},    {0x0226, 0x0233, LETTER_LATIN},     {0x0259, 0x0259, LETTER_LATIN},
    {0x0370, 0x0377, LETTER_GREEK},    {0x037B, 0x03E1, LETTER_GREEK},     {0x0430, 0x045F, LETTER_CYRILLIC},
    {0x048B, 0x04FF, LETTER_CYRILLIC}, {0x0501, 0x052F, LETTER_CYRILLIC},  {0x0560, 0x0588, LETTER_ARMENIAN},
    {0x05B0, 0x05F4, LETTER_HEBREW},   {0x0620, 0x06FF, LETTER_ARABIC},    {0x0750, 0x077F, LETTER_ARABIC},
    {0x0780, 0x07B1, LETTER_THAANA},   {0x0870, 0x08FF, LETTER_ARABIC},    {0x0900, 0x097F, LETTER_DEVANAGARI},
    {0x0980, 0x09FE, LETTER_BENGALI},  {0x0A01, 0x0A76, LETTER_GURMUKHI},  {0x0A81, 0x0AFF, LETTER_GUJARATI},
    {0x0B01, 0x0B77, LETTER_ORIYA},    {0x0B82, 0x0BFA, LETTER_TAMIL},     {0x0C00, 0x0C7F, LETTER_TELUGU},
    {0x0C80, 0x0CF3, LETTER_KANNADA},  {0x0D00, 0x0D7F, LETTER_MALAYALAM}, {0x0D81, 0x0DF3, LETTER_SINHALA},
    {0x0E01, 0x0E59, LETTER_THAI},     {0x0E81, 0x0EDF, LETTER_LAO},       {0x0F00, 0x0FBC, LETTER_TIBETAN},
    {0x1000, 0x109F, LETTER_MYANMAR},  {0x10D0, 0x10FF, LETTER_GEORGIAN},  {0x1200, 0x139F, LETTER_ETHIOPIC},
    {0x1780, 0x17E9, LETTER_KHMER},    {0x1E00, 0x1E99, LETTER_LATIN},     {0x1E9E, 0x1EF9, LETTER_LATIN},
    {0x1F00, 0x1FFC, LETTER_GREEK},    {0x2D27, 0x2D2D, LETTER_GEORGIAN},  {0x2D80, 0x2DDE, LETTER_ETHIOPIC},
    {0x3005, 0x3007, LETTER_HAN},      {0x3041, 0x309F, LETTER_HIRAGANA},  {0x30A1, 0x30FA, LETTER_KATAKANA},
    {0x30FB, 0x30FC, LETTER_COMMON},   {0x30FD, 0x30FF, LETTER_KATAKANA},  {0x3105, 0x312F, LETTER_BOPOMOFO},
    {0x31A0, 0x31BF, LETTER_BOPOMOFO}, {0x3400, 0x4DBF, LETTER_HAN},       {0x4E00, 0x9FFF, LETTER_HAN},
    {0xAA60, 0xAA7F, LETTER_MYANMAR},  {0xAC00, 0xD7A3, LETTER_HANGUL},    {0xFA0E, 0xFA29, LETTER_HAN},
    {0x20000, 0x323AF, LETTER_HAN},
};

enum letter_script letter_script_of(uint32_t character)
{
    size_t low = 0, high = sizeof(ranges) / sizeof(ranges[0]);

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ranges[middle].last < character)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof(ranges) / sizeof(ranges[0]) && ranges[low].first <= character ? ranges[low].script
                                                                                      : LETTER_SELDOM;
}

const char *letter_script_name(unsigned bit)
{
    static const char *const names[LETTER_SCRIPTS] = {
        "Latin",    "Greek",    "Cyrillic", "Armenian", "Hebrew",  "Arabic",   "Thaana",   "Devanagari",
        "Bengali",  "Gurmukhi", "Gujarati", "Oriya",    "Tamil",   "Telugu",   "Kannada",  "Malayalam",
        "Sinhala",  "Thai",     "Lao",      "Tibetan",  "Myanmar", "Georgian", "Ethiopic", "Khmer",
        "Hiragana", "Katakana", "Bopomofo", "Han",      "Hangul"};

    return names[bit];
}

struct alike {
    uint16_t character;
    char letter;
};

/* In order: letters that are the same in most fonts. */
static const struct alike alikes[] = {
    {0x0131, 'i'}, {0x017F, 'f'}, {0x018D, 'g'}, {0x01BD, 's'}, {0x01C0, 'l'}, {0x0223, '8'}, {0x0251, 'a'},
    {0x0261, 'g'}, {0x0263, 'y'}, {0x0269, 'i'}, {0x026A, 'i'}, {0x026F, 'w'}, {0x028B, 'u'}, {0x028F, 'y'},
    {0x03B1, 'a'}, {0x03B3, 'y'}, {0x03B9, 'i'}, {0x03BD, 'v'}, {0x03BF, 'o'}, {0x03C1, 'p'}, {0x03C3, 'o'},
    {0x03C5, 'u'}, {0x03F2, 'c'}, {0x03F3, 'j'}, {0x0430, 'a'}, {0x0431, '6'}, {0x0433, 'r'}, {0x0435, 'e'},
    {0x043E, 'o'}, {0x0440, 'p'}, {0x0441, 'c'}, {0x0443, 'y'}, {0x0445, 'x'}, {0x0455, 's'}, {0x0456, 'i'},
    {0x0458, 'j'}, {0x0461, 'w'}, {0x0475, 'v'}, {0x0491, 'r'}, {0x04AF, 'y'}, {0x04BB, 'h'}, {0x04BD, 'e'},
    {0x04CF, 'l'}, {0x0501, 'd'}, {0x051B, 'q'}, {0x051D, 'w'}, {0x0561, 'w'}, {0x0563, 'q'}, {0x0566, 'q'},
    {0x0570, 'h'}, {0x0578, 'n'}, {0x057C, 'n'}, {0x057D, 'u'}, {0x0581, 'g'}, {0x0584, 'f'}, {0x0585, 'o'},
    {0x10E7, 'y'}, {0x10FF, 'o'}, {0x1D04, 'c'}, {0x1D0F, 'o'}, {0x1D1C, 'u'}, {0x1D20, 'v'}, {0x1D21, 'w'},
    {0x1D22, 'z'}, {0xA731, 's'}, {0xA799, 'f'},
};
#define ALIKES (sizeof(alikes) / sizeof(alikes[0]))

/* In order: letters that pass for them beside others that do. By themselves they are words of their languages. */
static const struct alike nearly[] = {
    {0x03B5, 'e'}, {0x03B7, 'n'}, {0x03BA, 'k'}, {0x03C4, 't'}, {0x03C7, 'x'}, {0x03C9, 'w'},
    {0x0432, 'b'}, {0x0437, '3'}, {0x043A, 'k'}, {0x043C, 'm'}, {0x043D, 'h'}, {0x043F, 'n'},
    {0x0442, 't'}, {0x044C, 'b'}, {0x045B, 'h'}, {0x049B, 'k'},
};
#define NEARLY (sizeof(nearly) / sizeof(nearly[0]))

static char alike_of(const struct alike *table, size_t count, uint32_t character)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (table[middle].character < character)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && table[low].character == character ? table[low].letter : '\0';
}

/* The letters under the marks of U+00E0 to U+024F and U+1E00 to U+1EFF, one for one; '.' has none, or is a capital. */
#define MARKED_FIRST 0x00E0u
static const char marked[] = "aaaaaa.ceeeeiiii.nooooo.ouuuuy.y.a.a.a.c.c.c.c.d.d.e.e.e.e.e.g.g"
                             ".g.g.h.h.i.i.i.i.i...j.k..l.l.l...l.n.n.n....o.o.o...r.r.r.s.s.s"
                             ".s.t.t.t.u.u.u.u.u.u.w.y..z.z.z.b..b........dg....f......kl...n."
                             ".o...p.......t..u...y.z......s..l.............a.i.o.u.u.u.u.u..a"
                             ".a.a.g.g.k.o.o..j....g...n.a.a.o.a.a.e.e.i.i.o.o.r.r.u.u.s.t...h"
                             ".....z.a.e.o.o.o.o.y........c..........e.j...r.y";
#define MARKED_MORE_FIRST 0x1E00u
static const char marked_more[] = ".a.b.b.b.c.d.d.d.d.d.e.e.e.e.e.f.g.h.h.h.h.h.i.i.k.k.k.l.l.l.l.m"
                                  ".m.m.n.n.n.n.o.o.o.o.p.p.r.r.r.r.s.s.s.s.s.t.t.t.t.u.u.u.u.u.v.v"
                                  ".w.w.w.w.w.x.x.y.z.z.zhtwy...f...a.a.a.a.a.a.a.a.a.a.a.a.e.e.e.e"
                                  ".e.e.e.e.i.i.o.o.o.o.o.o.o.o.o.o.o.o.u.u.u.u.u.u.u.y.y.y.y.....y";
_Static_assert(sizeof(marked) - 1 == 0x0250 - 0x00E0 && sizeof(marked_more) - 1 == 0x0100, "one for one");

static char under_mark(uint32_t character)
{
    char letter = '.';

    if (character >= MARKED_FIRST && character - MARKED_FIRST < sizeof(marked) - 1)
        letter = marked[character - MARKED_FIRST];
    else if (character >= MARKED_MORE_FIRST && character - MARKED_MORE_FIRST < sizeof(marked_more) - 1)
        letter = marked_more[character - MARKED_MORE_FIRST];
    return letter == '.' ? '\0' : letter;
}

char letter_of(uint32_t character, bool loosely)
{
    char letter;

    if (character < 0x80)
        return (char)character;
    letter = alike_of(alikes, ALIKES, character);
    if (letter == '\0' && loosely)
        letter = alike_of(nearly, NEARLY, character);
    return letter == '\0' && loosely ? under_mark(character) : letter;
}
