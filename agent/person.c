/* SPDX-License-Identifier: MIT */
/*
 * person.c - see person.h.
 */
#include "agent/person.h"

#include <string.h>

#define KEY_END 0x04 /* Ctrl-D */

static const struct {
    const char *word;
    enum person_answer answer;
} words[] = {
    {"y", PERSON_YES},         {"yes", PERSON_YES}, {"n", PERSON_NO},        {"no", PERSON_NO},  {"a", PERSON_ALWAYS},
    {"always", PERSON_ALWAYS}, {"d", PERSON_NEVER}, {"never", PERSON_NEVER}, {"?", PERSON_HELP}, {"help", PERSON_HELP},
};

static char to_lower(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

static bool is_blank(char letter)
{
    return letter == ' ' || letter == '\t' || letter == '\r';
}

static enum person_answer read_word(const char *text, size_t count)
{
    while (count > 0 && is_blank(text[0])) {
        text++;
        count--;
    }
    while (count > 0 && is_blank(text[count - 1]))
        count--;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t at = 0;

        while (at < count && words[i].word[at] != '\0' && to_lower(text[at]) == words[i].word[at])
            at++;
        if (at == count && words[i].word[at] == '\0')
            return words[i].answer;
    }
    return PERSON_UNCLEAR;
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

static enum person_answer take_key(struct person *person)
{
    char key = person->waiting[0];

    person->count = 0;
    return key == KEY_END ? PERSON_END : read_word(&key, 1);
}

static void forget(struct person *person, size_t count)
{
    person->count -= count;
    memmove(person->waiting, person->waiting + count, person->count);
}

static enum person_answer take_line(struct person *person)
{
    const char *end = memchr(person->waiting, '\n', person->count);
    enum person_answer answer;
    size_t length = end == NULL ? person->count : (size_t)(end - person->waiting);

    if (end == NULL && !person->ended && person->count < sizeof(person->waiting))
        return PERSON_NONE;
    answer = person->skips ? PERSON_UNCLEAR : read_word(person->waiting, length);
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
