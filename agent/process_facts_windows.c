/* SPDX-License-Identifier: MIT */
/*
 * process_facts_windows.c - see process_facts.h. Nothing is known: what shows facts is on Linux only.
 */
#include "agent/process_facts.h"

void process_facts_use_folder(const char *other)
{
    (void)other;
}

void process_facts_free(struct process_facts *facts)
{
    text_free(&facts->command);
    *facts = (struct process_facts){0};
}

void process_facts_read(const struct process_key *key, struct process_facts *facts)
{
    (void)key;
    (void)facts;
}
