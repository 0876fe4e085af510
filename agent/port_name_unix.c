/* SPDX-License-Identifier: MIT */
/*
 * port_name_unix.c - see port_name.h. The last answers are kept, by port; the file is read again for others.
 */
#include "agent/port_name.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/names.h"

#define LINES_MAX 20000u
#define KEPT      64u
#define TCP       6u
#define UDP       17u

static struct kept {
    bool used;
    uint8_t protocol;
    uint16_t port;
    char name[PORT_NAME_MAX]; /* empty: has none */
} cache[KEPT];

/* services(5): "name port/protocol alias ... # comment" */
static bool read_line(char *line, unsigned protocol, uint16_t port, char name[PORT_NAME_MAX])
{
    size_t length = strcspn(line, " \t#\n");
    char *end = line + length;
    char *after;
    unsigned long number;

    if (length == 0 || length >= PORT_NAME_MAX || (*end != ' ' && *end != '\t'))
        return false;
    number = strtoul(end, &after, 10);
    if (number != port || strncmp(after, protocol == TCP ? "/tcp" : "/udp", 4) != 0)
        return false;
    for (size_t i = 0; i < length; i++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+_-", line[i]) == NULL)
            return false;
    memcpy(name, line, length);
    name[length] = '\0';
    return true;
}

static void read_services(struct kept *kept)
{
    FILE *file = fopen("/etc/services", "re");
    bool found = false;
    char line[512];

    if (file == NULL)
        return;
    for (unsigned i = 0; !found && i < LINES_MAX && fgets(line, sizeof(line), file) != NULL; i++)
        found = read_line(line, kept->protocol, kept->port, kept->name);
    fclose(file);
}

const char *port_name(unsigned protocol, uint16_t port)
{
    struct kept *kept = &cache[port % KEPT];
    const char *own = names_of(NAMES_SERVICE, port);

    if (protocol != TCP && protocol != UDP)
        return NULL;
    if (own != NULL)
        return own;
    if (!kept->used || kept->port != port || kept->protocol != protocol) {
        *kept = (struct kept){.used = true, .protocol = (uint8_t)protocol, .port = port};
        read_services(kept);
    }
    return kept->name[0] == '\0' ? NULL : kept->name;
}
