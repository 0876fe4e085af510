/* SPDX-License-Identifier: MIT */
/*
 * guard.c - see guard.h.
 */
#include "page/guard.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <strings.h>

static bool make_token(char token[GUARD_TOKEN_SIZE])
{
    uint8_t bytes[(GUARD_TOKEN_SIZE - 1) / 2];
    ssize_t got;

    do
        got = getrandom(bytes, sizeof(bytes), 0);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(bytes))
        return false;
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(token + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

bool guard_init(struct guard *guard, uint16_t port)
{
    struct guard made = {.port = port};

    if (!make_token(made.token) || !make_token(made.code))
        return false;
    *guard = made;
    return true;
}

/* "127.0.0.1:PORT", "[::1]:PORT" or "localhost:PORT"; the port 80 may be left out. */
static bool is_own_host(const struct guard *guard, const char *host)
{
    static const char *const names[] = {"127.0.0.1", "[::1]", "localhost"};
    char port[8];

    snprintf(port, sizeof(port), ":%u", guard->port);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(names[i]);

        if (strncasecmp(host, names[i], length) != 0)
            continue;
        if (strcmp(host + length, port) == 0 || (guard->port == 80 && host[length] == '\0'))
            return true;
    }
    return false;
}

static bool is_own_origin(const char *origin, const char *host)
{
    static const char scheme[] = "http://";

    return strncmp(origin, scheme, sizeof(scheme) - 1) == 0 && strcasecmp(origin + sizeof(scheme) - 1, host) == 0;
}

static bool is(const char *value, const char *wanted)
{
    return value != NULL && strcmp(value, wanted) == 0;
}

/* What browsers say of themselves; a program that is none says nothing, and has to know the token all the same. */
static bool is_own_fetch(const struct guard_head *head)
{
    if (head->site == NULL || is(head->site, "same-origin"))
        return true;
    /* A person opened the link: from a terminal, from the address bar. */
    return is(head->site, "none") && !head->call && is(head->mode, "navigate") && is(head->destination, "document");
}

const char *guard_refusal(const struct guard *guard, const struct guard_head *head)
{
    if (head->hosts != 1 || head->host == NULL)
        return "the request does not say once which host it is for.";
    if (!is_own_host(guard, head->host))
        return "this page answers only under the address in its link.";
    if (head->origin != NULL && !is_own_origin(head->origin, head->host))
        return "requests from other pages are refused.";
    if (!is_own_fetch(head))
        return "requests from other pages are refused: open the link itself.";
    return NULL;
}

static bool same(const char *secret, const char *given)
{
    unsigned char differs = 0;

    for (size_t i = 0; i < GUARD_TOKEN_SIZE - 1; i++)
        differs = (unsigned char)(differs | ((unsigned char)secret[i] ^ (unsigned char)given[i]));
    return differs == 0;
}

bool guard_admits(const struct guard *guard, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    const char *given = authorization == NULL ? "" : authorization;
    bool by_token, by_code;

    if (strncmp(given, scheme, sizeof(scheme) - 1) != 0)
        return false;
    given += sizeof(scheme) - 1;
    if (strlen(given) != GUARD_TOKEN_SIZE - 1)
        return false;
    by_token = same(guard->token, given);
    by_code = same(guard->opened, given) && guard->opened[0] != '\0';
    return by_token || by_code;
}

enum guard_entry guard_enter(struct guard *guard, const char *code, char *token)
{
    char made[GUARD_TOKEN_SIZE];

    if (strlen(code) != GUARD_TOKEN_SIZE - 1 || !same(guard->code, code))
        return GUARD_ENTRY_WRONG;
    if (guard->code_used || !make_token(made)) {
        memset(guard->opened, 0, sizeof(guard->opened));
        return GUARD_ENTRY_AGAIN;
    }
    guard->code_used = true;
    memcpy(guard->opened, made, sizeof(made));
    memcpy(token, made, sizeof(made));
    return GUARD_ENTRY_GIVEN;
}
