/* SPDX-License-Identifier: MIT */
/*
 * live_protocol.c - see live_protocol.h. When you add a driver to examples/, add how it is answered here.
 */
#include "lab/live_protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARTICLE_ASK    "0x222000 out u64:$id u64:_ u32:_ u16:_ u16:_"
#define ARTICLE_PERMIT "0x222004 in u64:$id u32:0 u32:0"
#define ARTICLE_BLOCK  "0x222004 in u64:$id u32:1 u32:0"

static const struct known {
    const char *device, *port; /* one of them */
    const char *ask, *permit, *block;
} knowns[] = {
    {"Gatehouse", NULL, NULL, NULL, NULL},
    {"MinimalCallout", NULL, "0x226000 out u64:$id u64:_ u64:_ u64:_ u16:_ u8:_ u8:_ u32:_",
     "0x22a004 in u64:$id u32:1 u32:0", "0x22a004 in u64:$id u32:0 u32:0"},
    {"SampleWfpCallout", NULL, ARTICLE_ASK, ARTICLE_PERMIT, ARTICLE_BLOCK},
    {NULL, "\\ForumFirewall", "", "u32:1", "u32:0"},
};
#define KNOWNS (sizeof(knowns) / sizeof(knowns[0]))
_Static_assert(KNOWNS <= LIVE_PROTOCOLS_MAX, "all of them are tried");

/* Says what is wrong with the text instead of where in a file that nobody wrote. */
static bool parse(struct live_protocol *protocol, const char *ask, const char *reply)
{
    struct scenario_error error;
    char text[3 * 1024];
    int size = snprintf(text, sizeof(text), "%s live %s\n%s live %s\n%s live %s\n", protocol->port ? "port" : "open",
                        protocol->port ? protocol->name : protocol->name + 4, protocol->port ? "message" : "send", ask,
                        protocol->port ? "reply" : "send", reply);

    if (size < 0 || (size_t)size >= sizeof(text)) {
        fprintf(stderr, "wfplab: --ask, --reply: they are too long.\n");
        return false;
    }
    protocol->scenario = scenario_parse("(--device, --port, --ask, --reply)", text, (size_t)size, &error);
    if (protocol->scenario == NULL || protocol->scenario->count != 3) {
        fprintf(stderr, "wfplab: %s\n", protocol->scenario == NULL ? error.text : "--ask, --reply: one line each.");
        return false;
    }
    protocol->ask = protocol->scenario->steps[1].raw;
    protocol->reply = protocol->scenario->steps[2].raw;
    return true;
}

static bool make(struct live_protocol *protocol, const struct live_wish *wish, const struct known *known)
{
    const char *port = wish->port != NULL ? wish->port : wish->device != NULL ? NULL : known->port;
    const char *device = wish->device != NULL ? wish->device : known->device;
    const char *ask = wish->ask != NULL ? wish->ask : known->ask;
    const char *reply = wish->reply != NULL ? wish->reply : wish->permit ? known->permit : known->block;

    *protocol = (struct live_protocol){.permit = wish->permit, .port = port != NULL};
    snprintf(protocol->name, sizeof(protocol->name), "%s%s", port != NULL ? "" : "\\\\.\\",
             port != NULL ? port : device);
    protocol->gatehouse = ask == NULL && reply == NULL;
    return protocol->gatehouse || parse(protocol, ask, reply);
}

static const struct known *find(const struct live_wish *wish)
{
    static const struct known article = {"", NULL, ARTICLE_ASK, ARTICLE_PERMIT, ARTICLE_BLOCK};
    static const struct known port = {NULL, "", "", NULL, NULL};

    for (size_t i = 0; i < KNOWNS; i++) {
        const char *name = wish->port != NULL ? knowns[i].port : knowns[i].device;

        if (name != NULL && strcmp(name, wish->port != NULL ? wish->port : wish->device) == 0)
            return &knowns[i];
    }
    return wish->port != NULL ? &port : &article;
}

size_t live_protocols_find(const struct live_wish *wish, struct live_protocol *protocols)
{
    size_t count = 0;

    if (wish->device != NULL || wish->port != NULL) {
        const struct known *known = find(wish);

        if (wish->reply == NULL && known->ask != NULL && known->permit == NULL) {
            fprintf(stderr, "wfplab: --port: say with --reply what is answered, as \"u32:1\".\n");
            return 0;
        }
        return make(&protocols[0], wish, known) ? 1 : 0;
    }
    if (wish->ask != NULL || wish->reply != NULL) {
        fprintf(stderr, "wfplab: --ask, --reply: say with --device or --port whom.\n");
        return 0;
    }
    for (; count < KNOWNS; count++)
        if (!make(&protocols[count], wish, &knowns[count]))
            return 0;
    return count;
}
