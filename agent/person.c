/* SPDX-License-Identifier: MIT */
/*
 * person.c - see person.h.
 */
#include "agent/person.h"

#include <string.h>

#include <gatehouse/rules.h>

#define KEY_END    0x04 /* Ctrl-D */
#define KEY_DELETE 0x7F
#define KEY_BACK   0x08
#define WORD_MAX   16u

enum meaning { ANSWER, FOR_MINUTES, UNTIL, FAR, NOTHING };

static const struct word {
    const char *word;
    enum meaning meaning;
    unsigned
        value; /* of ANSWER: enum person_answer; of FOR_MINUTES: minutes a unit; of UNTIL: enum gatehouse_rule_until */
} words[] = {
    {"y", ANSWER, PERSON_YES},
    {"yes", ANSWER, PERSON_YES},
    {"permit", ANSWER, PERSON_YES},
    {"n", ANSWER, PERSON_NO},
    {"no", ANSWER, PERSON_NO},
    {"block", ANSWER, PERSON_NO},
    {"a", ANSWER, PERSON_ALWAYS},
    {"always", ANSWER, PERSON_ALWAYS},
    {"d", ANSWER, PERSON_NEVER},
    {"never", ANSWER, PERSON_NEVER},
    {"?", ANSWER, PERSON_HELP},
    {"help", ANSWER, PERSON_HELP},
    {"m", FOR_MINUTES, 1},
    {"min", FOR_MINUTES, 1},
    {"minute", FOR_MINUTES, 1},
    {"minutes", FOR_MINUTES, 1},
    {"h", FOR_MINUTES, 60},
    {"hour", FOR_MINUTES, 60},
    {"hours", FOR_MINUTES, 60},
    {"day", FOR_MINUTES, 1440},
    {"days", FOR_MINUTES, 1440},
    {"e", UNTIL, GATEHOUSE_UNTIL_EXIT},
    {"exit", UNTIL, GATEHOUSE_UNTIL_EXIT},
    {"r", UNTIL, GATEHOUSE_UNTIL_REBOOT},
    {"reboot", UNTIL, GATEHOUSE_UNTIL_REBOOT},
    {"p", FAR, 0},
    {"program", FAR, 0},
    {"for", NOTHING, 0},
    {"until", NOTHING, 0},
    {"once", NOTHING, 0},
};

static char to_lower(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

static bool is_blank(char letter)
{
    return letter == ' ' || letter == '\t' || letter == '\r';
}

static bool is_digit(char letter)
{
    return letter >= '0' && letter <= '9';
}

static const struct word *find_word(const char *text, size_t count)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t at = 0;

        while (at < count && words[i].word[at] != '\0' && to_lower(text[at]) == words[i].word[at])
            at++;
        if (at == count && words[i].word[at] == '\0')
            return &words[i];
    }
    return NULL;
}

/* What was understood of a line so far. */
struct reading {
    enum person_answer answer;
    struct person_choice choice;
    bool number; /* choice.minutes is a number that a unit may follow */
};

static bool read_number(struct reading *reading, const char *text, size_t count)
{
    uint32_t number = 0;

    if (reading->choice.until != GATEHOUSE_UNTIL_REMOVED || count > 5)
        return false;
    for (size_t i = 0; i < count; i++)
        number = number * 10 + (uint32_t)(text[i] - '0');
    reading->choice.until = GATEHOUSE_UNTIL_TIME;
    reading->choice.minutes = number;
    reading->number = true;
    return number > 0;
}

static bool use_word(struct reading *reading, const struct word *word)
{
    switch (word->meaning) {
    case ANSWER:
        if (reading->answer != PERSON_NONE)
            return false;
        reading->answer = (enum person_answer)word->value;
        return true;
    case FOR_MINUTES:
        if (!reading->number)
            return false;
        reading->choice.minutes *= word->value;
        return true;
    case UNTIL:
        if (reading->choice.until != GATEHOUSE_UNTIL_REMOVED)
            return false;
        reading->choice.until = (uint8_t)word->value;
        return true;
    case FAR:
        reading->choice.program = true;
        return true;
    default:
        return true;
    }
}

/* One word of a line: digits, digits and letters ("10m"), or letters. */
static bool read_word(struct reading *reading, const char *text, size_t count)
{
    const struct word *word;
    size_t digits = 0;
    bool was_number = reading->number;

    while (digits < count && is_digit(text[digits]))
        digits++;
    if (digits > 0 && !read_number(reading, text, digits))
        return false;
    if (digits == count)
        return true;
    word = find_word(text + digits, count - digits);
    if (word == NULL || (digits > 0 && word->meaning != FOR_MINUTES) || !use_word(reading, word))
        return false;
    if (was_number || digits > 0)
        reading->number = false;
    return true;
}

/* Whether how long and how far fit the answer. */
static enum person_answer judge(const struct reading *reading)
{
    bool timed = reading->choice.until != GATEHOUSE_UNTIL_REMOVED;

    if (reading->answer == PERSON_NONE || reading->choice.minutes > PERSON_MINUTES_MAX)
        return PERSON_UNCLEAR;
    if ((reading->answer == PERSON_ALWAYS || reading->answer == PERSON_NEVER) && timed)
        return PERSON_UNCLEAR;
    if ((reading->answer == PERSON_YES || reading->answer == PERSON_NO) && reading->choice.program && !timed)
        return PERSON_HOW_LONG;
    return reading->answer;
}

static enum person_answer read_words(struct person *person, const char *text, size_t count)
{
    struct reading reading = {.answer = PERSON_NONE};
    size_t at = 0;

    person->choice = (struct person_choice){0};
    while (at < count) {
        size_t begin = at;

        while (at < count && !is_blank(text[at]))
            at++;
        if (at > begin && (at - begin > WORD_MAX || !read_word(&reading, text + begin, at - begin)))
            return PERSON_UNCLEAR;
        at += at < count;
    }
    person->choice = reading.choice;
    return judge(&reading);
}

bool person_has_room(const struct person *person)
{
    return !person->ended && person->count < sizeof(person->waiting);
}

void person_hear(struct person *person, const char *bytes, size_t count)
{
    size_t room;

    if (count == 0) {
        person->ended = true;
        return;
    }
    if (person->keys)
        person->count = 0;
    room = sizeof(person->waiting) - person->count;
    if (count > room)
        count = room;
    memcpy(person->waiting + person->count, bytes, count);
    person->count += count;
}

static void forget(struct person *person, size_t count)
{
    person->count -= count;
    memmove(person->waiting, person->waiting + count, person->count);
}

void person_begin(struct person *person)
{
    person->choice = (struct person_choice){0};
}

/* A key that says how long or how far; false: it is none. One that says it again takes it back. */
static bool choose(struct person_choice *choice, char key)
{
    const struct word *word = find_word(&key, 1);

    if (is_digit(key)) {
        uint32_t before = choice->until == GATEHOUSE_UNTIL_TIME ? choice->minutes : 0;
        uint32_t minutes = before * 10 + (uint32_t)(key - '0');

        if (minutes == 0 || minutes > PERSON_MINUTES_MAX)
            return false;
        choice->until = GATEHOUSE_UNTIL_TIME;
        choice->minutes = minutes;
        return true;
    }
    if (key == KEY_DELETE || key == KEY_BACK) {
        *choice = (struct person_choice){0};
        return true;
    }
    if (word == NULL || (word->meaning != UNTIL && word->meaning != FAR))
        return false;
    if (word->meaning == FAR)
        choice->program = !choice->program;
    else
        choice->until = choice->until == word->value ? GATEHOUSE_UNTIL_REMOVED : (uint8_t)word->value;
    choice->minutes = choice->until == GATEHOUSE_UNTIL_TIME ? choice->minutes : 0;
    return true;
}

static enum person_answer take_key(struct person *person)
{
    char key = person->waiting[0];
    struct reading reading = {.answer = PERSON_NONE};
    const struct word *word = find_word(&key, 1);

    if (choose(&person->choice, key)) {
        forget(person, 1);
        return PERSON_CHOICE;
    }
    person->count = 0;
    if (key == KEY_END)
        return PERSON_END;
    if (word != NULL && word->meaning == ANSWER)
        reading.answer = (enum person_answer)word->value;
    reading.choice = person->choice;
    return judge(&reading);
}

static enum person_answer take_line(struct person *person)
{
    const char *end = memchr(person->waiting, '\n', person->count);
    enum person_answer answer;
    size_t length = end == NULL ? person->count : (size_t)(end - person->waiting);

    if (end == NULL && !person->ended && person->count < sizeof(person->waiting))
        return PERSON_NONE;
    answer = person->skips ? PERSON_UNCLEAR : read_words(person, person->waiting, length);
    /* Without an end the line is too long, or the last one. */
    person->skips = end == NULL && !person->ended;
    forget(person, end == NULL ? length : length + 1);
    return person->skips ? PERSON_NONE : answer;
}

enum person_answer person_take(struct person *person)
{
    if (person_is_gone(person))
        return PERSON_END;
    if (person->count == 0)
        return PERSON_NONE;
    return person->keys ? take_key(person) : take_line(person);
}

bool person_is_gone(const struct person *person)
{
    return person->ended && person->count == 0;
}
