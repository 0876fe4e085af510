/* SPDX-License-Identifier: MIT */
/*
 * model_state.h - what the files of the model share, and nobody else sees.
 */
#ifndef SCREEN_MODEL_STATE_H
#define SCREEN_MODEL_STATE_H

#include "screen/model.h"

/* At most 1,023 bytes of it. */
void model_say(struct model *model, enum model_tone tone, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void model_select(struct model *model, uint64_t id);
/* Makes visible anew; if the selected one is not in it any more, the one that took its place is selected. */
void model_select_near(struct model *model, unsigned place);

#endif
