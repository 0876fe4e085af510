/* SPDX-License-Identifier: MIT */
/*
 * scenario_messages.h - the driver's messages as events: canonical words instead of numbers.
 *
 * Each request in a message is compared with the connect that it is about; a field that is not what was
 * connected shows as "differs: FIELD".
 */
#ifndef SCENARIO_MESSAGES_H
#define SCENARIO_MESSAGES_H

#include "lab/scenario_run.h"

/* GATEHOUSE_E_ and STATUS_ names without their beginning; OK for 0; room: for others, as a number. */
const char *status_name(uint32_t status, char room[16]);
const char *verdict_name(uint32_t verdict);

/* What READ_EVENTS gave the runner's observer (client NULL) or a named one. */
bool messages_events(struct run *run, const uint8_t *bytes, size_t size, const char *client, uint32_t key);
/* What GET_REQUESTS gave. */
bool messages_requests(struct run *run, const uint8_t *bytes, size_t size, const char *client, uint32_t key);
/* What the article's GET_NEXT_REQUEST gave. */
bool messages_seed_request(struct run *run, const uint8_t *bytes, size_t size, const char *client, uint32_t key);

#endif
