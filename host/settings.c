/* SPDX-License-Identifier: MIT */
/*
 * settings.c - the table of settings and their values. A value that is not exactly right is refused; nothing is
 * guessed, but what was probably meant is said.
 */
#include "host/settings.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gatehouse/protocol.h"
#include "gatehouse/transport.h"
#include "host/gate.h"
#include "host/name_servers.h"

/* The kernel keeps at most 65,536 packets in a queue; some of the room is for a flow's second datagrams. */
#define CAPACITY_MIN 16u
#define CAPACITY_MAX 64000u

enum kind { KIND_SOCKET, KIND_PATH, KIND_SECONDS, KIND_NUMBER32, KIND_NUMBER16, KIND_WORD, KIND_SWITCH, KIND_SERVERS };

struct word {
    const char *text;
    uint32_t value;
};

static const struct word verdicts[] = {
    {"block", GATEHOUSE_VERDICT_BLOCK}, {"permit", GATEHOUSE_VERDICT_PERMIT}, {NULL, 0}};
static const struct word modes[] = {{"hold", GATEHOUSE_NO_DECIDER_HOLD},
                                    {"block", GATEHOUSE_NO_DECIDER_BLOCK},
                                    {"permit", GATEHOUSE_NO_DECIDER_PERMIT},
                                    {NULL, 0}};
static const struct word ways[] = {{"closed", 0}, {"open", 1}, {NULL, 0}};
static const struct word confinements[] = {{"yes", CONFINE_YES}, {"no", CONFINE_NO}, {"kill", CONFINE_KILL}, {NULL, 0}};
static const struct word switches[] = {{"yes", 1}, {"no", 0}, {NULL, 0}};

static const struct word name_modes[] = {{"system", 0}, {"any", 1}, {"none", 2}, {NULL, 0}};

struct row {
    const char *name;
    enum kind kind;
    size_t place; /* in struct settings */
    unsigned lowest, highest;
    const struct word *words;
    const char *takes;
};

#define PLACE(member) offsetof(struct settings, member)

static const struct row rows[SETTINGS] = {
    [SETTING_SOCKET] = {"socket", KIND_SOCKET, PLACE(socket), 0, 0, NULL, NULL},
    [SETTING_STATE] = {"state", KIND_PATH, PLACE(state), 0, SETTING_STATE_MAX, NULL, NULL},
    [SETTING_RULES] = {"rules", KIND_PATH, PLACE(rules), 0, 0, NULL, NULL},
    [SETTING_DEADLINE] = {"deadline", KIND_SECONDS, PLACE(deadline_ms), GATEHOUSE_DEADLINE_MIN_MS,
                          GATEHOUSE_DEADLINE_MAX_MS, NULL, NULL},
    [SETTING_UNDECIDED] = {"undecided", KIND_WORD, PLACE(undecided), 0, 0, verdicts, "block or permit"},
    [SETTING_NO_DECIDER] = {"no-decider", KIND_WORD, PLACE(no_decider), 0, 0, modes, "hold, block or permit"},
    [SETTING_DEAD] = {"dead", KIND_SWITCH, PLACE(dead_open), 0, 0, ways, "closed or open"},
    [SETTING_CAPACITY] = {"capacity", KIND_NUMBER32, PLACE(capacity), CAPACITY_MIN, CAPACITY_MAX, NULL, NULL},
    [SETTING_HOLD_LOOPBACK] = {"hold-loopback", KIND_SWITCH, PLACE(hold_loopback), 0, 0, switches, "yes or no"},
    [SETTING_QUEUE] = {"queue", KIND_NUMBER16, PLACE(queue), 0, 65535, NULL, NULL},
    [SETTING_NAME_SERVERS] = {"name-servers", KIND_SERVERS, PLACE(name_servers), 0, 0, name_modes,
                              "system, any, none or addresses with blanks or commas between them"},
    [SETTING_DRIVER] = {"driver", KIND_PATH, PLACE(driver), 0, 0, NULL, NULL},
    [SETTING_SPECIAL_POOL] = {"special-pool", KIND_SWITCH, PLACE(special_pool), 0, 0, switches, "yes or no"},
    [SETTING_CONFINE] = {"confine", KIND_WORD, PLACE(confine), 0, 0, confinements, "yes, no or kill"},
    [SETTING_VERBOSE] = {"verbose", KIND_SWITCH, PLACE(verbose), 0, 0, switches, "yes or no"},
};

void settings_init(struct settings *settings)
{
    *settings = (struct settings){
        .socket = GATEHOUSE_SOCKET_PATH,
        .state = "/var/lib/gatehouse",
        .rules = "/etc/gatehouse/rules",
        .deadline_ms = 60000,
        .undecided = GATEHOUSE_VERDICT_BLOCK,
        .no_decider = GATEHOUSE_NO_DECIDER_HOLD,
        .capacity = 60000,
        .queue = GATE_QUEUE_DEFAULT,
        .name_servers = "system",
    };
}

const char *setting_name(enum setting setting)
{
    return rows[setting].name;
}

bool setting_is_switch(enum setting setting)
{
    return rows[setting].words == switches;
}

/* --- What was probably meant ----------------------------------------------------------------- */

#define SPELLING_MAX 24u

/* How many letters were left out, added, changed or swapped with the next one. */
static unsigned spelling_distance(const char *one, size_t one_size, const char *other, size_t other_size)
{
    unsigned row[3][SPELLING_MAX + 1];

    if (one_size > SPELLING_MAX || other_size > SPELLING_MAX)
        return SPELLING_MAX;
    for (unsigned j = 0; j <= other_size; j++)
        row[0][j] = j;
    for (unsigned i = 1; i <= one_size; i++) {
        unsigned *now = row[i % 3];
        const unsigned *last = row[(i - 1) % 3], *before = row[(i + 1) % 3];

        now[0] = i;
        for (unsigned j = 1; j <= other_size; j++) {
            bool same = one[i - 1] == other[j - 1];
            unsigned best = last[j - 1] + (same ? 0 : 1);

            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[one_size % 3][other_size];
}

/* A third of the letters may be wrong. */
static bool is_similar(const char *text, size_t size, const char *word, unsigned *distance)
{
    size_t longer = size > strlen(word) ? size : strlen(word);
    unsigned found = spelling_distance(text, size, word, strlen(word));

    if (found >= *distance || found > (longer + 2) / 3)
        return false;
    *distance = found;
    return true;
}

enum setting setting_find(const char *name, size_t size, enum setting *similar)
{
    unsigned distance = SPELLING_MAX;

    *similar = SETTING_NONE;
    for (unsigned i = 0; i < SETTINGS; i++) {
        if (strlen(rows[i].name) == size && memcmp(rows[i].name, name, size) == 0)
            return (enum setting)i;
        if (is_similar(name, size, rows[i].name, &distance))
            *similar = (enum setting)i;
    }
    return SETTING_NONE;
}

/* Words of others for ours. */
static const char *word_meant(const struct row *row, const char *text)
{
    static const char *const meanings[][5] = {{"permit", "open", "allow", "accept", "pass"},
                                              {"block", "closed", "deny", "drop", "reject"},
                                              {"open", "permit", "allow", "pass", "fail-open"},
                                              {"closed", "block", "deny", "close", "fail-closed"},
                                              {"yes", "true", "on", "1", "y"},
                                              {"no", "false", "off", "0", "n"},
                                              {"hold", "ask", "wait", "queue", "pend"}};
    const char *meant = NULL;
    unsigned distance = SPELLING_MAX;

    for (const struct word *word = row->words; word->text; word++) {
        if (is_similar(text, strlen(text), word->text, &distance))
            meant = word->text;
        for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
            for (size_t j = 1; strcmp(meanings[i][0], word->text) == 0 && j < 5; j++)
                if (strcmp(meanings[i][j], text) == 0)
                    return word->text;
    }
    return meant;
}

/* --- Values ---------------------------------------------------------------------------------- */

static void *value_at(struct settings *settings, const struct row *row)
{
    return (char *)settings + row->place;
}

static bool refuse(char message[SETTING_MESSAGE_MAX], const char *text, const char *takes, const char *meant)
{
    snprintf(message, SETTING_MESSAGE_MAX, "takes %s, not \"%.200s\"%s%s%s", takes, text,
             meant ? "; did you mean \"" : "", meant ? meant : "", meant ? "\"?" : ".");
    return false;
}

static bool take_number(const struct row *row, const char *text, unsigned long *number, char *message)
{
    char *end = NULL, takes[80];

    errno = 0;
    *number = strtoul(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && !errno && *number >= row->lowest && *number <= row->highest)
        return true;
    snprintf(takes, sizeof(takes), "a whole number from %u to %u", row->lowest, row->highest);
    return refuse(message, text, takes, NULL);
}

/* Digits, a dot, digits: no exponent, no hexadecimal, and a dot whatever the locale. */
static bool take_seconds(const struct row *row, const char *text, uint32_t *milliseconds, char *message)
{
    size_t whole = strspn(text, "0123456789"), part = 0;
    char takes[80];

    if (text[whole] == '.')
        part = strspn(text + whole + 1, "0123456789");
    if (whole && whole <= 6 && part <= 9 && !text[whole + (text[whole] == '.' ? 1 + part : 0)] &&
        (text[whole] != '.' || part)) {
        double seconds = 0, unit = 1;

        for (size_t i = 0; i < whole; i++)
            seconds = seconds * 10 + (text[i] - '0');
        for (size_t i = 0; i < part; i++)
            seconds += (text[whole + 1 + i] - '0') * (unit /= 10);
        double found = floor(seconds * 1000.0 + 0.5);
        if (found >= row->lowest && found <= row->highest) {
            *milliseconds = (uint32_t)found;
            return true;
        }
    }
    snprintf(takes, sizeof(takes), "seconds from %g to %g", row->lowest / 1000.0, row->highest / 1000.0);
    return refuse(message, text, takes, NULL);
}

static bool take_word(const struct row *row, const char *text, uint32_t *value, char *message)
{
    for (const struct word *word = row->words; word->text; word++) {
        if (strcmp(text, word->text) == 0) {
            *value = word->value;
            return true;
        }
    }
    return refuse(message, text, row->takes, word_meant(row, text));
}

static bool take_path(const char *text, const char *folder, char *path, size_t size, char *message)
{
    char takes[80];

    bool relative = text[0] && text[0] != '/';
    const char *before = relative && folder ? folder : "", *slash = relative && folder && folder[1] ? "/" : "";
    if (text[0] && (!relative || folder) && strlen(before) + strlen(slash) + strlen(text) < size) {
        snprintf(path, size, "%s%s%s", before, slash, text);
        return true;
    }
    snprintf(takes, sizeof(takes), "%s path of 1 to %zu bytes%s", folder ? "a" : "an absolute", size - 1,
             folder ? " (made absolute)" : "");
    return refuse(message, text, takes, NULL);
}

static bool take_servers(const struct row *row, const char *text, char *value, char *message)
{
    struct name_servers servers;

    if (strlen(text) >= SETTING_SERVERS_MAX || !name_servers_parse(text, NULL, &servers))
        return refuse(message, text, row->takes, word_meant(row, text));
    memcpy(value, text, strlen(text) + 1);
    return true;
}

bool setting_take(struct settings *settings, enum setting setting, const char *text, const char *folder,
                  char message[SETTING_MESSAGE_MAX])
{
    const struct row *row = &rows[setting];
    void *value = value_at(settings, row);
    unsigned long number = 0;
    uint32_t word = 0;

    switch (row->kind) {
    case KIND_SOCKET:
        return take_path(text, folder, value, sizeof(settings->socket), message);
    case KIND_PATH:
        return take_path(text, folder, value, row->highest ? row->highest + 1 : SETTING_PATH_MAX, message);
    case KIND_SECONDS:
        return take_seconds(row, text, value, message);
    case KIND_NUMBER32:
    case KIND_NUMBER16:
        if (!take_number(row, text, &number, message))
            return false;
        if (row->kind == KIND_NUMBER32)
            *(uint32_t *)value = (uint32_t)number;
        else
            *(uint16_t *)value = (uint16_t)number;
        return true;
    case KIND_WORD:
        return take_word(row, text, value, message);
    case KIND_SWITCH:
        if (!take_word(row, text, &word, message))
            return false;
        *(bool *)value = word != 0;
        return true;
    case KIND_SERVERS:
        return take_servers(row, text, value, message);
    }
    return false;
}

static const char *word_of(const struct row *row, uint32_t value)
{
    for (const struct word *word = row->words; word->text; word++)
        if (word->value == value)
            return word->text;
    return "";
}

void setting_value(const struct settings *settings, enum setting setting, char value[SETTING_PATH_MAX])
{
    const struct row *row = &rows[setting];
    const void *at = (const char *)settings + row->place;

    switch (row->kind) {
    case KIND_SOCKET:
    case KIND_PATH:
    case KIND_SERVERS:
        snprintf(value, SETTING_PATH_MAX, "%s", (const char *)at);
        break;
    case KIND_SECONDS:
        snprintf(value, SETTING_PATH_MAX, "%g", *(const uint32_t *)at / 1000.0);
        break;
    case KIND_NUMBER32:
        snprintf(value, SETTING_PATH_MAX, "%u", *(const uint32_t *)at);
        break;
    case KIND_NUMBER16:
        snprintf(value, SETTING_PATH_MAX, "%u", *(const uint16_t *)at);
        break;
    case KIND_WORD:
        snprintf(value, SETTING_PATH_MAX, "%s", word_of(row, *(const uint32_t *)at));
        break;
    case KIND_SWITCH:
        snprintf(value, SETTING_PATH_MAX, "%s", word_of(row, *(const bool *)at));
        break;
    }
}

bool settings_check(const struct settings *settings, char message[SETTING_MESSAGE_MAX])
{
    if (!settings->special_pool || settings->driver[0])
        return true;
    snprintf(message, SETTING_MESSAGE_MAX,
             "special-pool is for a driver file: give it with --driver FILE.sys (in the file: driver = FILE.sys).");
    return false;
}
