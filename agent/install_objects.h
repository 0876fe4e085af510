/* SPDX-License-Identifier: MIT */
/*
 * install_objects.h - what `gatehouse install` adds to the filter engine, as a list, and putting it there.
 *
 * The list is data, and the calls are the management API's, which has the same names in user mode
 * (fwpuclnt.dll, for gatehouse.exe) and in the kernel (where tests/engine/install proves on wfp/ what the list does
 * together with the driver's own filters). The caller compiles install_objects.c with the <fwpmu.h> of its side.
 *
 * Why nothing here can override the driver: gatehouse/objects.h has the order of weights. While the driver is loaded
 * its callout filter decides before the closed mode's filters are reached; when it is gone, they are what is left.
 *
 * Numbers are those of the API: 0, or FWP_E_* and RPC_* in user mode. One thread.
 */
#ifndef AGENT_INSTALL_OBJECTS_H
#define AGENT_INSTALL_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

enum install_mode {
    INSTALL_NONE,  /* nothing of ours */
    INSTALL_OPEN,  /* provider, sublayer, and what always passes */
    INSTALL_CLOSED /* also: nothing else passes while the driver is away, from boot on */
};

/* Names are static, in plain ASCII. */
struct install_object {
    const char *kind; /* "provider", "sublayer", "filter" */
    const char *name;
    const char *layer;    /* "connect IPv4", ...; "" for none */
    const char *action;   /* "permit", "block"; "" for none */
    const char *lifetime; /* "persistent", "boot-time" */
};

/* Hands over what a mode consists of, in the order of adding. */
void install_objects_list(enum install_mode mode, void (*take)(void *context, const struct install_object *object),
                          void *context);

struct install_found {
    enum install_mode mode;
    uint32_t filters; /* of our provider, boot-time ones included where the engine lists them */
};

/* Looks, changes nothing. *what names the call that failed. found is written only on success. */
uint32_t install_objects_read(struct install_found *found, const char **what);

/*
 * Puts the engine into mode in one transaction: all of it, or nothing changed. To INSTALL_NONE it removes every filter
 * of our provider, also those that others of our commands added. *left is set if the driver still holds
 * sublayer and provider, which then stay, with nothing in them. *what as above.
 */
uint32_t install_objects_set(enum install_mode mode, bool *left, const char **what);

#endif
