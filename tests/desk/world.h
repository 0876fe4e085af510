/* SPDX-License-Identifier: MIT */
/*
 * world.h - a desk, a driver simple enough to be believed (model.h), and people who remember what they were told.
 *
 * Each person checks every line as it comes: one question once, one end for each, replies in the order of the answers.
 * What the driver says is given to the desk when a test says so, statuses and events apart from each other.
 */
#ifndef TESTS_DESK_WORLD_H
#define TESTS_DESK_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/clock.h"
#include "desk/choice.h"
#include "tests/desk/model.h"

#define PEERS_MAX  4u
#define TAGS_MAX   8192u
#define BATCH      16u
#define SUBMIT_MAX 256u

struct world;

struct told {
    bool asked, gone;
    uint8_t verdict, by;
    char who[16];
};

struct person {
    struct world *world;
    struct desk_peer *peer;
    char name[16];
    struct told told[MODEL_MAX + 1]; /* by the desk's id */
    unsigned questions, ready, hellos;
    bool decider;
    /* Tags given and answered; replies come in order. */
    uint32_t last_tag, last_reply;
    struct {
        uint64_t id;
        bool permit;
        enum gatehouse_scope scope;
        char status[12];
        char who[16];
        uint64_t covered, undo;
    } answers[TAGS_MAX];
    bool full; /* takes no questions now */
    char undone[512];
    char undone_status[12];
    char error[512];
};

struct world {
    struct desk *desk;
    struct model model;
    struct person people[PEERS_MAX];
    unsigned count;
    bool woken;
    uint64_t now;
    uint64_t driver_ids[MODEL_MAX + 1]; /* by the desk's id */
    uint64_t desk_ids;
    /* What the driver has to say over the first connection. */
    uint32_t statuses[SUBMIT_MAX];
    unsigned status_count;
    /* What was handed on to the history, by the driver's id. */
    struct {
        uint64_t id;
        char who[16];
    } recorded[MODEL_MAX];
    unsigned recorded_count;
};

void person_sit_down(struct world *world, struct person *person);
uint32_t person_answer(struct person *person, uint64_t id, bool permit, enum gatehouse_scope scope);
struct world *world_new(unsigned people);
void world_free(struct world *world);
void world_offer(struct world *world, struct model_connection *connection);
void world_submit(struct world *world);
void world_statuses(struct world *world);
bool world_event(struct world *world);
void world_offer_some(struct world *world, unsigned most);
void world_settle(struct world *world);
void world_restart(struct world *world);
void person_say(struct person *person, const char *line);

#endif
