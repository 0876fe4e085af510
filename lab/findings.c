/* SPDX-License-Identifier: MIT */
/*
 * findings.c - see findings.h.
 */
#include "lab/findings.h"

#include <stdio.h>
#include <string.h>

#include "lab/world_engine.h"

#define FINDINGS_MAX 256u

static struct finding {
    char rule[40], routine[64], detail[512];
    unsigned irql;
} findings[FINDINGS_MAX];
static size_t count, told;

static void add(const struct nt_violation *violation)
{
    struct finding *finding = &findings[count];

    for (size_t i = 0; i < count; i++)
        if (strcmp(findings[i].rule, violation->rule) == 0 && strcmp(findings[i].routine, violation->routine) == 0)
            return;
    if (count == FINDINGS_MAX)
        return;
    snprintf(finding->rule, sizeof(finding->rule), "%s", violation->rule);
    snprintf(finding->routine, sizeof(finding->routine), "%s", violation->routine);
    snprintf(finding->detail, sizeof(finding->detail), "%s", violation->detail);
    finding->irql = violation->irql;
    count++;
}

void findings_begin(void)
{
    world_set_listener(add);
}

void findings_count(struct findings_count *out)
{
    *out = (struct findings_count){count, 0, 0};
}

void findings_tell(void)
{
    for (; told < count; told++)
        printf("error %s: %s at IRQL %u: %s\n", findings[told].rule, findings[told].routine, findings[told].irql,
               findings[told].detail);
}
