/* SPDX-License-Identifier: MIT */
/*
 * look_alike.c - see look_alike.h. A name is judged label by label; the sentence is made at the end.
 */
#include "agent/look_alike.h"

#include <stdint.h>
#include <string.h>

#include "agent/look_alike_letters.h"
#include "agent/show.h"
#include "policy/punycode.h"

#define JAPANESE (LETTER_LATIN | LETTER_HAN | LETTER_HIRAGANA | LETTER_KATAKANA)
#define CHINESE  (LETTER_LATIN | LETTER_HAN | LETTER_BOPOMOFO)
#define KOREAN   (LETTER_LATIN | LETTER_HAN | LETTER_HANGUL)

/* Names that are imitated so often that one wrong character among ASCII ones counts, too. Lower case, a to z alone. */
static const char *const imitated[] = {
    "adobe",    "amazon",  "apple",    "binance",   "citibank", "cloudflare",   "coinbase", "debian",
    "docusign", "dropbox", "ebay",     "facebook",  "fedex",    "github",       "gitlab",   "gmail",
    "google",   "hotmail", "icloud",   "instagram", "linkedin", "microsoft",    "mozilla",  "netflix",
    "office",   "outlook", "paypal",   "roblox",    "spotify",  "steampowered", "telegram", "tiktok",
    "twitter",  "ubuntu",  "whatsapp", "wikipedia", "windows",  "yahoo",        "youtube"};

struct label {
    const char *at;
    size_t length;
    uint32_t characters[PUNYCODE_LABEL_MAX];
    unsigned count;
    bool encoded; /* it is an xn-- label */
};

/* What the labels have shown so far. */
struct findings {
    struct text reading; /* the name with its xn-- labels decoded */
    struct text look;    /* what it can be taken for */
    uint32_t ending;     /* scripts of the last label */
    uint32_t mixed;      /* scripts of the first label that mixes them; 0: none does */
    bool encoded, alike, seldom;
};

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '*';
}

/* From at on, to its dot. False: it stands for nothing. */
static bool label_read(struct label *label, const char *at)
{
    char lower[PUNYCODE_LABEL_MAX];

    label->at = at;
    label->length = strcspn(at, ".");
    if (label->length == 0 || label->length > sizeof(lower))
        return false;
    for (size_t i = 0; i < label->length; i++) {
        lower[i] = (char)(at[i] >= 'A' && at[i] <= 'Z' ? at[i] | 0x20 : at[i]);
        if (!is_name_byte(lower[i]))
            return false;
    }
    if (!punycode_label_read(lower, label->length, label->characters, &label->count))
        return false;
    label->encoded = label->length >= 4 && memcmp(lower, "xn--", 4) == 0;
    for (unsigned i = 0; i < label->count; i++) {
        if (label->characters[i] >= 0x80)
            return true;
    }
    return !label->encoded;
}

/* Without COMMON, which has no bit. */
static uint32_t label_scripts(const struct label *label)
{
    uint32_t scripts = 0;

    for (unsigned i = 0; i < label->count; i++) {
        if (label->characters[i] != '*')
            scripts |= (uint32_t)letter_script_of(label->characters[i]);
    }
    return scripts;
}

static bool within(uint32_t scripts, uint32_t language)
{
    return (scripts & ~language) == 0;
}

/* Scripts that one language writes a word with. */
static bool go_together(uint32_t scripts)
{
    return (scripts & (scripts - 1)) == 0 || within(scripts, JAPANESE) || within(scripts, CHINESE) ||
           within(scripts, KOREAN);
}

/* Every character passes for one of ASCII; those are in look then. */
static bool label_look(const struct label *label, bool loosely, char look[PUNYCODE_LABEL_MAX])
{
    for (unsigned i = 0; i < label->count; i++) {
        look[i] = letter_of(label->characters[i], loosely);
        if (look[i] == '\0')
            return false;
    }
    return label->encoded;
}

/* How many characters pass for that letter; 0: none. */
static unsigned passes_for(const uint32_t *characters, unsigned count, char letter)
{
    static const char digits[][2] = {{'0', 'o'}, {'1', 'l'}, {'1', 'i'}, {'3', 'e'}, {'4', 'a'}, {'5', 's'}};
    static const char pairs[][3] = {{'r', 'n', 'm'}, {'v', 'v', 'w'}};

    if (count == 0)
        return 0;
    if (letter_of(characters[0], true) == letter)
        return 1;
    for (size_t i = 0; i < sizeof(digits) / sizeof(digits[0]); i++) {
        if (characters[0] == (uint32_t)digits[i][0] && digits[i][1] == letter)
            return 1;
    }
    for (size_t i = 0; count > 1 && i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (characters[0] == (uint32_t)pairs[i][0] && characters[1] == (uint32_t)pairs[i][1] && pairs[i][2] == letter)
            return 2;
    }
    return 0;
}

/* Looks like it, and is not. */
static bool imitates(const uint32_t *characters, unsigned count, const char *name)
{
    bool differs = false;
    unsigned at = 0;

    for (; *name != '\0'; name++) {
        unsigned used = passes_for(characters + at, count - at, *name);

        if (used == 0)
            return false;
        differs = differs || used > 1 || characters[at] != (uint32_t)*name;
        at += used;
    }
    return at == count && differs;
}

static const char *imitated_by(const uint32_t *characters, unsigned count)
{
    for (size_t i = 0; i < sizeof(imitated) / sizeof(imitated[0]); i++) {
        if (imitates(characters, count, imitated[i]))
            return imitated[i];
    }
    return NULL;
}

static void add_characters(struct text *text, const uint32_t *characters, unsigned count)
{
    char bytes[4];

    for (unsigned i = 0; i < count; i++)
        show_written(text, bytes, punycode_character_write(characters[i], bytes));
}

/* Of "paypa1-login" each piece by itself. False: none imitates a known name; look has the label's reading then. */
static bool look_of_pieces(const struct label *label, struct text *look)
{
    bool found = false;

    for (unsigned at = 0, end; at <= label->count; at = end + 1) {
        const char *name;

        for (end = at; end < label->count && label->characters[end] != '-';)
            end++;
        name = imitated_by(label->characters + at, end - at);
        if (name != NULL)
            text_add(look, name);
        else
            add_characters(look, label->characters + at, end - at);
        if (end < label->count)
            text_add(look, "-");
        found = found || name != NULL;
    }
    return found;
}

static void judge(const struct label *label, struct findings *found)
{
    uint32_t scripts = label_scripts(label);
    char look[PUNYCODE_LABEL_MAX];
    bool plain = scripts == found->ending && scripts != LETTER_LATIN && go_together(scripts);

    found->encoded = found->encoded || label->encoded;
    add_characters(&found->reading, label->characters, label->count);
    if ((scripts & LETTER_SELDOM) != 0)
        found->seldom = true;
    else if (!go_together(scripts) && found->mixed == 0)
        found->mixed = scripts;
    /* A word of another script under an ending of that script is what it is. */
    if (!plain && label_look(label, !go_together(scripts), look)) {
        found->alike = true;
        text_add_bytes(&found->look, look, label->count);
    } else if (look_of_pieces(label, &found->look)) {
        found->alike = true;
    }
}

/* False: a label cannot be read. */
static bool judge_all(const char *name, struct findings *found)
{
    const char *last = strrchr(name, '.');
    struct label label;

    if (!label_read(&label, last == NULL ? name : last + 1))
        return false;
    found->ending = label_scripts(&label);
    for (const char *at = name;; at = label.at + label.length + 1) {
        if (!label_read(&label, at))
            return false;
        judge(&label, found);
        if (label.at[label.length] == '\0')
            return true;
        text_add(&found->reading, ".");
        text_add(&found->look, ".");
    }
}

static void add_scripts(struct text *text, uint32_t scripts)
{
    unsigned left = 0;

    for (unsigned bit = 0; bit < LETTER_SCRIPTS; bit++)
        left += scripts >> bit & 1;
    for (unsigned bit = 0; bit < LETTER_SCRIPTS; bit++) {
        if ((scripts >> bit & 1) == 0)
            continue;
        left--;
        text_add_format(text, "%s%s", letter_script_name(bit), left > 1 ? ", " : left == 1 ? " and " : "");
    }
}

/* What no name has is \xNN; the backslash of others is never there. */
static void add_name(struct text *text, const char *name)
{
    for (; *name != '\0'; name++) {
        if (*name > ' ' && *name < 0x7f && *name != '\\')
            text_add_bytes(text, name, 1);
        else
            text_add_format(text, "\\x%02x", (unsigned char)*name);
    }
}

static void add_sentence(struct text *text, const char *name, const struct findings *found)
{
    if (found->alike) {
        text_add_format(text, "looks like %s, but is ", text_string(&found->look));
        add_name(text, name);
    } else {
        add_name(text, name);
        if (found->encoded)
            text_add_format(text, " (%s)", text_string(&found->reading));
    }
    if (found->mixed != 0) {
        text_add(text, found->alike ? ": it mixes " : " mixes ");
        add_scripts(text, found->mixed);
        text_add(text, " letters");
    } else if (found->seldom) {
        text_add(text, found->alike ? ": it has characters that names seldom have"
                                    : " has characters that names seldom have");
    }
}

bool look_alike_describe(const char *name, struct text *text)
{
    struct findings found = {0};
    bool marked = true;

    if (judge_all(name, &found)) {
        add_sentence(text, name, &found);
        marked = found.alike || found.seldom || found.mixed != 0;
    } else {
        add_name(text, name);
        text_add(text, " is no name that can be read");
    }
    text->failed = text->failed || found.look.failed || found.reading.failed;
    text_free(&found.look);
    text_free(&found.reading);
    return marked;
}
