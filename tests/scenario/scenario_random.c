/* SPDX-License-Identifier: MIT */
/*
 * scenario_random.c - see scenario_random.h.
 *
 * It knows what a step needs (an open handle, an open socket, a loaded driver) and nothing of what the
 * driver does: what comes of a step is for the worlds to agree on.
 */
#include "tests/scenario/scenario_random.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX    100000u
#define CONNECTIONS 80u
#define CLIENTS     4u
#define FILTERS     6u

enum role { CLOSED, DECIDER, OBSERVER, SEED };

struct maker {
    char *text;
    size_t size;
    uint64_t state;
    bool timed; /* deadlines, lifetimes and sleeps are short; the driver is unloaded and loaded again */
    bool loaded;
    unsigned connections, filters;
    bool closed[CONNECTIONS]; /* the socket */
    bool removed[FILTERS];
    unsigned socket[CONNECTIONS];
    enum role clients[CLIENTS];
};

static uint32_t pick(struct maker *maker, uint32_t below)
{
    maker->state ^= maker->state << 13;
    maker->state ^= maker->state >> 7;
    maker->state ^= maker->state << 17;
    return (uint32_t)(maker->state >> 32) % below;
}

static void say(struct maker *maker, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct maker *maker, const char *format, ...)
{
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(maker->text + maker->size, TEXT_MAX - maker->size, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= TEXT_MAX - maker->size)
        abort();
    maker->size += (size_t)size;
}

static const char *verdict(struct maker *maker)
{
    return pick(maker, 2) != 0 ? "permit" : "block";
}

static void make_settings(struct maker *maker, const char *verb)
{
    static const char *const no_decider[] = {"hold", "hold", "hold", "hold", "permit", "block"};

    say(maker, "%s deadline %u undecided %s no-decider %s", verb,
        (unsigned)((maker->timed ? 100 : 100000) + pick(maker, 1500)), verdict(maker), no_decider[pick(maker, 6)]);
}

static void make_load(struct maker *maker)
{
    make_settings(maker, "load");
    say(maker, " capacity %u%s\n", (unsigned)(pick(maker, 3) == 0 ? 1 + pick(maker, 4) : 12 + pick(maker, 20)),
        pick(maker, 4) == 0 ? " hold-loopback" : "");
    maker->loaded = true;
}

static void make_connect(struct maker *maker)
{
    static const char *const programs[] = {"/bin/a", "/bin/b", "/usr/bin/c", "none"};
    unsigned number = maker->connections, other = number == 0 ? 0 : pick(maker, number);

    if (number == CONNECTIONS)
        return;
    say(maker, "connect c%u %s", number, pick(maker, 3) != 0 ? "tcp" : "udp");
    if (pick(maker, 3) == 0)
        say(maker, " to [fd00::%u]:%u", (unsigned)(1 + pick(maker, 2)), (unsigned)(443 + pick(maker, 2)));
    else
        say(maker, " to 192.0.2.%u:%u", (unsigned)(1 + pick(maker, 2)), (unsigned)(443 + pick(maker, 2)));
    say(maker, " program %s", programs[pick(maker, 4)]);
    if (pick(maker, 6) == 0)
        say(maker, " pid none");
    if (pick(maker, 6) == 0)
        say(maker, " user S-1-5-21-%u", (unsigned)pick(maker, 5));
    if (pick(maker, 8) == 0)
        say(maker, " loopback");
    maker->socket[number] = number;
    if (number != 0 && pick(maker, 6) == 0 && !maker->closed[maker->socket[other]]) {
        maker->socket[number] = maker->socket[other];
        say(maker, " socket-of c%u", other);
    }
    say(maker, "\n");
    maker->connections++;
}

/* A recent one. NULL-like: false. */
static bool some_connection(struct maker *maker, unsigned *number)
{
    unsigned window = maker->connections < 12 ? maker->connections : 12;

    if (window == 0)
        return false;
    *number = maker->connections - 1 - pick(maker, window);
    return true;
}

/* Mostly the first, which mostly decides. */
static bool some_client(struct maker *maker, unsigned *number)
{
    *number = pick(maker, 3) != 0 ? 0 : pick(maker, CLIENTS);
    return maker->clients[*number] != CLOSED;
}

static void make_close(struct maker *maker)
{
    unsigned number;

    if (!some_connection(maker, &number))
        return;
    say(maker, "close c%u\n", number);
    maker->closed[maker->socket[number]] = true;
}

static void make_packet(struct maker *maker)
{
    unsigned number;

    if (!some_connection(maker, &number))
        return;
    if (pick(maker, 3) == 0)
        say(maker, "establish c%u\n", number);
    else
        say(maker, "packet c%u%s\n", number, pick(maker, 2) != 0 ? " in" : "");
}

static void make_client(struct maker *maker)
{
    static const char *const words[] = {"", "decider", "observer", "seed"};
    unsigned number = pick(maker, CLIENTS);
    enum role role = number == 0 && pick(maker, 4) != 0 ? DECIDER : (enum role)(1 + pick(maker, 8) % 3);

    if (!maker->loaded)
        return;
    if (maker->clients[number] == CLOSED) {
        say(maker, "%s k%u\n", words[role], number);
        maker->clients[number] = role;
    } else if (pick(maker, 6) == 0 && maker->clients[number] != SEED) {
        say(maker, "%s k%u\n", words[1 + pick(maker, 2)], number);
    } else {
        say(maker, "%s k%u\n", pick(maker, 2) != 0 ? "close" : "kill", number);
        maker->clients[number] = CLOSED;
    }
}

static void make_read(struct maker *maker)
{
    unsigned number;

    if (!some_client(maker, &number))
        return;
    if (pick(maker, 8) == 0)
        say(maker, "cancel k%u\n", number);
    else if (pick(maker, 8) == 0)
        say(maker, "read k%u %u\n", number, (unsigned)(pick(maker, 4) * 150));
    else
        say(maker, "read k%u\n", number);
}

static void make_answer(struct maker *maker)
{
    static const char *const scopes[] = {"", "", "", "", " destination", " program"};
    unsigned number, client;

    if (!some_client(maker, &client) || !some_connection(maker, &number))
        return;
    say(maker, "answer k%u", client);
    for (unsigned left = 1 + (pick(maker, 4) == 0 ? pick(maker, 4) : 0); left != 0; left--) {
        const char *scope = scopes[pick(maker, 6)];

        if (pick(maker, 30) == 0)
            say(maker, " nobody %s", verdict(maker));
        else
            say(maker, " c%u %s%s", number, verdict(maker), scope);
        if (*scope != 0 && pick(maker, 2) != 0)
            say(maker, " for %u", (unsigned)((maker->timed ? 100 : 1000000) + pick(maker, 900)));
        say(maker, "%s", left == 1 ? "\n" : ",");
        (void)some_connection(maker, &number);
    }
}

static void make_filters(struct maker *maker)
{
    unsigned number = pick(maker, FILTERS);

    if (pick(maker, 2) != 0) {
        say(maker, "change-filters\n");
    } else if (number < maker->filters && !maker->removed[number]) {
        say(maker, "remove f%u\n", number);
        maker->removed[number] = true;
    } else if (maker->filters < FILTERS) {
        say(maker, "filter f%u %s %s port %u\n", maker->filters++, verdict(maker), pick(maker, 2) != 0 ? "v4" : "v6",
            (unsigned)(443 + pick(maker, 2)));
    }
}

static void make_unload(struct maker *maker)
{
    if (!maker->loaded) {
        make_load(maker);
        return;
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (maker->clients[i] != CLOSED)
            say(maker, "close k%u\n", i);
        maker->clients[i] = CLOSED;
    }
    say(maker, "unload\n");
    maker->loaded = false;
}

static void make_step(struct maker *maker)
{
    uint32_t what = pick(maker, 100);

    if (!maker->loaded && pick(maker, 2) != 0)
        make_load(maker);
    else if (what < 32)
        make_connect(maker);
    else if (what < 52)
        make_read(maker);
    else if (what < 72)
        make_answer(maker);
    else if (what < 78)
        make_packet(maker);
    else if (what < 82)
        make_close(maker);
    else if (what < 89)
        make_client(maker);
    else if (what < 93 && maker->timed)
        say(maker, "sleep %u\n", (unsigned)(1 + pick(maker, 400)));
    else if (what < 95)
        make_filters(maker);
    else if (what < 98 && maker->loaded && pick(maker, 2) != 0)
        say(maker, "status\n");
    else if (what < 98 && maker->loaded) {
        make_settings(maker, "policy");
        say(maker, "\n");
    } else if (maker->timed && pick(maker, 4) == 0)
        make_unload(maker);
}

char *scenario_random(uint32_t seed)
{
    struct maker maker = {.text = malloc(TEXT_MAX), .state = seed * 0x9E3779B97F4A7C15ull + 0x1234567ull};

    if (maker.text == NULL)
        abort();
    maker.timed = seed % 2 == 0;
    say(&maker, "# Seed %u.\n%s", (unsigned)seed, maker.timed ? "needs virtual-clock\n" : "");
    for (int i = 0; i < 20; i++)
        (void)pick(&maker, 2);
    make_load(&maker);
    say(&maker, "decider k0\n");
    maker.clients[0] = DECIDER;
    for (unsigned left = 30 + pick(&maker, 170); left != 0; left--)
        make_step(&maker);
    if (maker.loaded) {
        say(&maker, "status\n");
        make_unload(&maker);
    }
    return maker.text;
}
