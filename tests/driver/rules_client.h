/* SPDX-License-Identifier: MIT */
/*
 * rules_client.h - what a client of the driver does about rules, for its tests.
 */
#ifndef TESTS_DRIVER_RULES_CLIENT_H
#define TESTS_DRIVER_RULES_CLIENT_H

#include "driver_fixture.h"
#include "tests/lib/rule_builder.h"

#define OUTGOING GATEHOUSE_RULE_OUT
#define INCOMING GATEHOUSE_RULE_IN
#define PERMIT   GATEHOUSE_RULE_PERMIT
#define BLOCK    GATEHOUSE_RULE_BLOCK
#define ASK      GATEHOUSE_RULE_ASK

/* The driver without settings, a decider that is its client, an empty builder; and the end of all three. */
struct nt_file *rules_begin(struct rule_builder *builder);
void rules_end(struct nt_file *decider, struct rule_builder *builder);

/* BEGIN and PUT in pieces. The status of what failed. */
uint32_t rules_send(struct nt_file *file, const void *image, size_t size, uint32_t flags);
/* And COMMIT. */
uint32_t rules_load_image(struct nt_file *file, const void *image, size_t size, uint32_t flags);
/* Finishes the builder first. */
uint32_t rules_load_built(struct nt_file *file, struct rule_builder *builder);
uint32_t rules_add_built(struct nt_file *file, struct rule_builder *builder);
uint32_t rules_remove_id(struct nt_file *file, uint64_t id);

/* The image in force, malloced; checked. */
void *rules_get(struct nt_file *file, struct gatehouse_rules_piece *piece);

/* Until what is held was looked at after a change: the pauses between batches, and what is late. */
void rules_settle(void);

#endif
