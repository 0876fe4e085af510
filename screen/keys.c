/* SPDX-License-Identifier: MIT */
/*
 * keys.c - see keys.h.
 */
#include "screen/keys.h"

#include "screen/model.h"

/* A sequence that goes on for longer is none. */
#define LENGTH_MAX 32u

static int of_letter(int character)
{
    switch (character) {
    case 'A':
        return MODEL_KEY_UP;
    case 'B':
        return MODEL_KEY_DOWN;
    case 'H':
        return MODEL_KEY_HOME;
    case 'F':
        return MODEL_KEY_END;
    case 'M':
        return MODEL_KEY_ENTER;
    default:
        return 0;
    }
}

static int of_number(unsigned number)
{
    switch (number) {
    case 1:
    case 7:
        return MODEL_KEY_HOME;
    case 4:
    case 8:
        return MODEL_KEY_END;
    case 3:
        return MODEL_KEY_BACKSPACE;
    case 5:
        return MODEL_KEY_PAGE_UP;
    case 6:
        return MODEL_KEY_PAGE_DOWN;
    default:
        return 0;
    }
}

static int take_in_csi(struct keys *keys, int character)
{
    if (character >= '0' && character <= '9' && !keys->further && keys->parameter < 1000)
        keys->parameter = keys->parameter * 10 + (unsigned)(character - '0');
    else
        keys->further = true;
    if (character >= 0x20 && character < 0x40 && ++keys->length < LENGTH_MAX)
        return 0;
    keys->state = KEYS_PLAIN;
    if (character == '~')
        return of_number(keys->parameter);
    return character == 'M' ? 0 : of_letter(character); /* M is the mouse there */
}

int keys_take(struct keys *keys, int character)
{
    enum keys_state before = keys->state;

    if (before == KEYS_CSI)
        return take_in_csi(keys, character);
    keys->state = KEYS_PLAIN;
    if (before == KEYS_SS3)
        return of_letter(character);
    if ((before == KEYS_ESCAPE || before == KEYS_ESCAPE_TOLD) && (character == '[' || character == 'O')) {
        *keys = (struct keys){.state = character == '[' ? KEYS_CSI : KEYS_SS3};
        return 0;
    }
    if (character == MODEL_KEY_ESCAPE) {
        keys->state = KEYS_ESCAPE;
        return before == KEYS_ESCAPE ? MODEL_KEY_ESCAPE : 0;
    }
    /* Alt and a letter. */
    return before == KEYS_ESCAPE ? 0 : character;
}

int keys_pause(struct keys *keys)
{
    if (keys->state != KEYS_ESCAPE)
        return 0;
    keys->state = KEYS_ESCAPE_TOLD;
    return MODEL_KEY_ESCAPE;
}
