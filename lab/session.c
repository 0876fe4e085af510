/* SPDX-License-Identifier: MIT */
/*
 * session.c - see session.h.
 */
#include "lab/session.h"

#include <stdio.h>

#include <nt/nt.h>

#include "lab/findings.h"
#include "lab/state_write.h"
#include "lab/world_engine.h"
#include "nt/verify/verify.h"
#include "pe/loader.h"

static const char built_in[] = "load\n"
                               "connect tcp4\n"
                               "connect tcp6 to [2001:db8::1]:443\n"
                               "connect udp4 udp to 192.0.2.1:53\n"
                               "connect udp6 udp to [2001:db8::1]:53\n"
                               "establish tcp4\n"
                               "packet tcp4\n"
                               "change-filters\n"
                               "packet tcp4\n"
                               "sleep 60000\n"
                               "close tcp4\n"
                               "close tcp6\n"
                               "close udp4\n"
                               "close udp6\n"
                               "unload\n";

static void write_state(bool json)
{
    struct wfp_state *state = wfp_state_take();

    if (state == NULL)
        return;
    if (json)
        state_write_json(stdout, state);
    else
        state_write_text(stdout, state);
    wfp_state_free(state);
}

static void state_text(void)
{
    write_state(false);
}

static void state_json(void)
{
    write_state(true);
}

void session_state_as_json(bool json)
{
    world_set_state_writer(json ? state_json : state_text);
}

bool session_open(const struct options *options)
{
    struct driver_error error;

    for (size_t i = 0; i < options->driver_count; i++) {
        if (driver_add(&options->drivers[i], &error))
            continue;
        fprintf(stderr, "wfplab: %s\n", error.text);
        driver_remove_all();
        return false;
    }
    return true;
}

bool session_begin(const struct options *options)
{
    if (!session_open(options))
        return false;
    nt_verify_on = true;
    if (!options->asan) /* which has guards of its own */
        (void)nt_special_pool_start(PE_SPECIAL_POOL_PAGES, FALSE);
    findings_begin();
    return true;
}

void session_end(void)
{
    findings_end();
    driver_remove_all();
    nt_verify_on = false;
}

struct scenario *session_scenario(const char *path)
{
    struct scenario_error error;
    struct scenario *scenario = path == NULL ? scenario_parse("(built in)", built_in, sizeof(built_in) - 1, &error)
                                             : scenario_read(path, &error);

    if (scenario == NULL)
        fprintf(stderr, "%s\n", error.text);
    return scenario;
}
