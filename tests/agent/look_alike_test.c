/* SPDX-License-Identifier: MIT */
/*
 * look_alike_test.c - how names are shown to people: known lines word for word; the letters against libicu's, where it
 * is installed (UTS #39: its skeletons, its scripts); bytes of all kinds.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <idn2.h>

#include "agent/look_alike.h"
#include "agent/look_alike_letters.h"
#include "policy/punycode.h"

/* Unicode names to their ASCII form, by libidn2: what a resolver would be asked for. */
static char *to_ascii(const char *name)
{
    char *ascii = NULL;

    if (idn2_to_ascii_8z(name, &ascii, IDN2_NONTRANSITIONAL) != IDN2_OK &&
        idn2_to_ascii_8z(name, &ascii, IDN2_NO_TR46 | IDN2_ALLOW_UNASSIGNED | IDN2_USE_STD3_ASCII_RULES) != IDN2_OK)
        fail_msg("libidn2 takes no %s", name);
    return ascii;
}

/* line: %s stands for the ASCII form. */
static void check(const char *name, bool marked, const char *line)
{
    char *ascii = to_ascii(name), wanted[1024];
    struct text text = {0};

    snprintf(wanted, sizeof(wanted), line, ascii);
    if (look_alike_describe(ascii, &text) != marked || strcmp(text_string(&text), wanted) != 0)
        fail_msg("%s: found '%s', expected '%s'", name, text_string(&text), wanted);
    text_free(&text);
    idn2_free(ascii);
}

static void test_lines(void **state)
{
    (void)state;
    check("example.org", false, "example.org");
    check("cdn1.s3.example.org", false, "cdn1.s3.example.org");
    check("localhost", false, "localhost");
    check("bücher.example", false, "%s (bücher.example)");
    check("straße.de", false, "%s (straße.de)");
    check("пример.рф", false, "%s (пример.рф)");
    check("пример.com", false, "%s (пример.com)");
    check("москва.example.org", false, "%s (москва.example.org)");
    check("日本語.jp", false, "%s (日本語.jp)");
    check("ドメイン名例.jp", false, "%s (ドメイン名例.jp)");
    check("abcの話.jp", false, "%s (abcの話.jp)");
    check("도메인.kr", false, "%s (도메인.kr)");
    check("παράδειγμα.gr", false, "%s (παράδειγμα.gr)");
    check("مثال.example", false, "%s (مثال.example)");
    check("paypal.com", false, "paypal.com");
    check("www.google.com", false, "www.google.com");

    check("pаypal.com", true, "looks like paypal.com, but is %s: it mixes Latin and Cyrillic letters");
    check("www.gοοgle.com", true, "looks like www.google.com, but is %s: it mixes Latin and Greek letters");
    check("аррӏе.com", true, "looks like apple.com, but is %s");
    check("мокко.com", false, "%s (мокко.com)");
    check("сахар.рф", false, "%s (сахар.рф)");
    check("gooкle.com", true, "looks like gookle.com, but is %s: it mixes Latin and Cyrillic letters");
    check("хор.com", true, "looks like xop.com, but is %s");
    check("хор.рф", false, "%s (хор.рф)");
    check("аррӏе.рф", true, "looks like apple.рф, but is %s");
    check("exаmple.org", true, "looks like example.org, but is %s: it mixes Latin and Cyrillic letters");
    check("wordжук.org", true, "%s (wordжук.org) mixes Latin and Cyrillic letters");
}

static void test_imitated_names(void **state)
{
    (void)state;
    check("paypa1.com", true, "looks like paypal.com, but is %s");
    check("login.paypa1-secure.com", true, "looks like login.paypal-secure.com, but is %s");
    check("g00gle.com", true, "looks like google.com, but is %s");
    check("rnicrosoft.com", true, "looks like microsoft.com, but is %s");
    check("g1thub.com", true, "looks like github.com, but is %s");
    check("gooġle.com", true, "looks like google.com, but is %s");
    check("paypał.com", true, "looks like paypal.com, but is %s");
    check("1.com", false, "1.com");
    check("goggle.com", false, "goggle.com");
    check("paypal1.com", false, "paypal1.com");
}

/* Given as they are: no library would make them. */
static void check_bytes(const char *name, bool marked, const char *line)
{
    struct text text = {0};

    if (look_alike_describe(name, &text) != marked || strcmp(text_string(&text), line) != 0)
        fail_msg("found '%s', expected '%s'", text_string(&text), line);
    text_free(&text);
}

static void test_bytes(void **state)
{
    (void)state;
    check_bytes("*.example.org", false, "*.example.org");
    check_bytes("_dmarc.example.org", false, "_dmarc.example.org");
    check_bytes("*.xn--bcher-kva.example", false, "*.xn--bcher-kva.example (*.bücher.example)");
    check_bytes("EXAMPLE.org", false, "EXAMPLE.org");
    check_bytes("", true, " is no name that can be read");
    check_bytes("a..b", true, "a..b is no name that can be read");
    check_bytes("xn--", true, "xn-- is no name that can be read");
    check_bytes("xn--99999999.org", true, "xn--99999999.org is no name that can be read");
    check_bytes("xn--abc-.org", true, "xn--abc-.org is no name that can be read");
    check_bytes("evil\x1b[2J.org", true, "evil\\x1b[2J.org is no name that can be read");
    check_bytes("b\xc3\xbc"
                "cher.org",
                true,
                "b\\xc3\\xbc"
                "cher.org is no name that can be read");
    check_bytes("back\\slash", true, "back\\x5cslash is no name that can be read");
    /* U+202E, which turns what follows around, is never written as it is. */
    {
        struct text text = {0};

        assert_true(look_alike_describe("xn--abc-5p0a.org", &text));
        assert_null(strstr(text_string(&text), "\xe2\x80\xae"));
        text_free(&text);
    }
    /* A heart is no letter. */
    check_bytes("xn--i-7iq.ws", true, "xn--i-7iq.ws (i❤.ws) has characters that names seldom have");
}

static void test_random(void **state)
{
    static const char *const pieces[] = {"xn--", "a",    "-",    "z9", "0", ".",   "*",
                                         "kva",  "\xff", "\x01", "_",  "A", "9999"};
    uint32_t seed = 7;

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        char name[128];
        struct text text = {0};
        size_t used = 0;

        for (unsigned i = 0; i < 12; i++) {
            seed = seed * 1664525u + 1013904223u;
            used += (size_t)snprintf(name + used, sizeof(name) - used, "%s",
                                     pieces[(seed >> 16) % (sizeof(pieces) / sizeof(pieces[0]))]);
        }
        (void)look_alike_describe(name, &text);
        for (const char *c = text_string(&text); *c != '\0'; c++)
            assert_true((unsigned char)*c >= ' ' && *c != 0x7f);
        text_free(&text);
    }
}

/* The way back, straight from the text of RFC 3492 6.3. */
static size_t encode(const uint32_t *characters, unsigned count, char *label)
{
    uint32_t n = 128, delta = 0, bias = 72;
    unsigned basic = 0, handled;
    size_t used = 0;

    for (unsigned i = 0; i < count; i++) {
        if (characters[i] < 128)
            label[used++] = (char)characters[i];
    }
    basic = handled = (unsigned)used;
    if (basic > 0)
        label[used++] = '-';
    while (handled < count) {
        uint32_t m = UINT32_MAX;

        for (unsigned i = 0; i < count; i++)
            m = characters[i] >= n && characters[i] < m ? characters[i] : m;
        delta += (m - n) * (handled + 1);
        n = m;
        for (unsigned i = 0; i < count; i++) {
            uint32_t q = delta, k = 36;

            delta += characters[i] < n;
            if (characters[i] != n)
                continue;
            for (q = delta;; k += 36) {
                uint32_t t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;

                if (q < t)
                    break;
                label[used++] = "abcdefghijklmnopqrstuvwxyz0123456789"[t + (q - t) % (36 - t)];
                q = (q - t) / (36 - t);
            }
            label[used++] = "abcdefghijklmnopqrstuvwxyz0123456789"[q];
            delta = (handled == basic ? delta / 700 : delta / 2);
            delta += delta / (handled + 1);
            for (k = 0; delta > 455; k += 36)
                delta /= 35;
            bias = k + 36 * delta / (delta + 38);
            delta = 0;
            handled++;
        }
        delta++;
        n++;
    }
    return used;
}

static void test_punycode_of_any_characters(void **state)
{
    uint32_t seed = 11;

    (void)state;
    for (unsigned round = 0; round < 100000; round++) {
        uint32_t characters[12], read[PUNYCODE_LABEL_MAX];
        char label[256] = "xn--";
        unsigned count = 1 + round % 12, read_count = 0;
        size_t length;

        for (unsigned i = 0; i < count; i++) {
            seed = seed * 1664525u + 1013904223u;
            characters[i] = (seed >> 8) % (round % 3 == 0 ? 0x110000 : round % 3 == 1 ? 0x500 : 0x3000);
            if (characters[i] >= 0xD800 && characters[i] < 0xE000)
                characters[i] = 'x';
            if (characters[i] >= 0xFFF0 && characters[i] < 0x10000)
                characters[i] = 'y';
            if (characters[i] >= 0x80 && (characters[i] < 0xAE || characters[i] >= 0xE0000))
                characters[i] = 0xC0;
            if (characters[i] == 0x61C || characters[i] == 0x180E ||
                (characters[i] >= 0x2000 && characters[i] < 0x2070) || characters[i] == 0xFEFF)
                characters[i] = 0x100;
            if (characters[i] < 0x80)
                characters[i] = (uint32_t) "abcdefghij"[characters[i] % 10];
        }
        characters[round % count] = 0xE4 + round % 100;
        length = 4 + encode(characters, count, label + 4);
        if (length > PUNYCODE_LABEL_MAX)
            continue;
        assert_true(punycode_label_read(label, length, read, &read_count));
        assert_int_equal(read_count, count);
        assert_memory_equal(read, characters, count * sizeof(*read));
    }
}

/* What is read is written as the same again: nothing has two forms. */
static void test_punycode_of_any_bytes(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    uint32_t seed = 12;
    unsigned good = 0;

    (void)state;
    for (unsigned round = 0; round < 300000; round++) {
        char label[PUNYCODE_LABEL_MAX] = "xn--", again[512];
        uint32_t characters[PUNYCODE_LABEL_MAX];
        size_t length = 4;
        unsigned count = 0;

        for (unsigned i = 0; i < 1 + round % 20; i++) {
            seed = seed * 1664525u + 1013904223u;
            label[length++] = letters[(seed >> 16) % (sizeof(letters) - 1)];
        }
        if (!punycode_label_read(label, length, characters, &count))
            continue;
        good++;
        assert_int_equal(encode(characters, count, again), length - 4);
        assert_memory_equal(again, label + 4, length - 4);
    }
    assert_true(good > 1000);
}

/* --- libicu ----------------------------------------------------------------------------------- */

/* function: where its address goes. Its functions have the version in their names. */
static bool icu_function(void *library, const char *name, void *function)
{
    char versioned[64];

    for (unsigned version = 60; version < 100; version++) {
        void *found;

        snprintf(versioned, sizeof(versioned), "%s_%u", name, version);
        found = library == NULL ? NULL : dlsym(library, versioned);
        if (found != NULL) {
            memcpy(function, &found, sizeof(found));
            return true;
        }
    }
    return false;
}

static void *icu_library(void)
{
    char name[64];

    for (unsigned version = 99; version >= 60; version--) {
        void *library;

        snprintf(name, sizeof(name), "libicui18n.so.%u", version);
        library = dlopen(name, RTLD_NOW);
        if (library != NULL)
            return library;
    }
    return NULL;
}

/* Each letter of a script that people use and whose skeleton is one letter of ASCII is known here, too. */
static void test_letters_against_icu(void **state)
{
    void *library = icu_library(), *(*open)(int *) = NULL, *checker;
    int32_t (*skeleton)(void *, uint32_t, const uint16_t *, int32_t, uint16_t *, int32_t, int *) = NULL;
    int32_t (*to_lower)(int32_t) = NULL;
    unsigned compared = 0;
    int error = 0;

    (void)state;
    if (!icu_function(library, "uspoof_open", &open) || !icu_function(library, "uspoof_getSkeleton", &skeleton) ||
        !icu_function(library, "u_tolower", &to_lower)) {
        print_message("libicu is not installed: the letters are not compared\n");
        skip();
    }
    checker = open(&error);
    for (uint32_t c = 0x80; c < 0x3000; c++) {
        enum letter_script script = letter_script_of(c);
        uint16_t in[2] = {(uint16_t)c}, out[32];
        char ours = letter_of(c, false);

        /* Capital letters are no part of names. */
        if (to_lower((int32_t)c) != (int32_t)c ||
            (script & (LETTER_LATIN | LETTER_GREEK | LETTER_CYRILLIC | LETTER_ARMENIAN)) == 0)
            continue;
        error = 0;
        if (skeleton(checker, 0, in, 1, out, 32, &error) != 1 || error > 0 || out[0] < 'a' || out[0] > 'z')
            continue;
        compared++;
        /* Palochka is the small l here, and libicu's i. U+1FBE is an iota before it is in a name. */
        if (ours != (char)out[0] && c != 0x04CF && c != 0x1FBE)
            fail_msg("U+%04X: found '%c', expected '%c'", c, ours == '\0' ? ' ' : ours, out[0]);
    }
    assert_true(compared > 20);
}

static void test_scripts_against_icu(void **state)
{
    static const struct {
        enum letter_script ours;
        int theirs; /* UScriptCode */
    } scripts[] = {{LETTER_LATIN, 25},      {LETTER_GREEK, 14},    {LETTER_CYRILLIC, 8},  {LETTER_ARMENIAN, 3},
                   {LETTER_HEBREW, 19},     {LETTER_ARABIC, 2},    {LETTER_THAI, 38},     {LETTER_GEORGIAN, 12},
                   {LETTER_HIRAGANA, 20},   {LETTER_KATAKANA, 22}, {LETTER_HAN, 17},      {LETTER_HANGUL, 18},
                   {LETTER_DEVANAGARI, 10}, {LETTER_BOPOMOFO, 5},  {LETTER_ETHIOPIC, 11}, {LETTER_KHMER, 23}};
    void *library = icu_library();
    int (*get_script)(int32_t, int *) = NULL;
    unsigned compared = 0;

    (void)state;
    if (!icu_function(library, "uscript_getScript", &get_script)) {
        print_message("libicu is not installed: the scripts are not compared\n");
        skip();
    }
    for (uint32_t c = 0x80; c < 0x30000; c++) {
        enum letter_script script = letter_script_of(c);
        int error = 0, theirs = get_script((int32_t)c, &error);

        for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
            /* 0, 1 and 103: common, inherited, not assigned. */
            if (script == scripts[i].ours && theirs > 1 && theirs != 103) {
                if (theirs != scripts[i].theirs)
                    fail_msg("U+%04X is of libicu's script %d, not %d", c, theirs, scripts[i].theirs);
                compared++;
            }
        }
    }
    assert_true(compared > 50000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_imitated_names),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_punycode_of_any_characters),
        cmocka_unit_test(test_punycode_of_any_bytes),
        cmocka_unit_test(test_letters_against_icu),
        cmocka_unit_test(test_scripts_against_icu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
