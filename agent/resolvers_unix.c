/* SPDX-License-Identifier: MIT */
/*
 * resolvers_unix.c - the nameserver lines of /etc/resolv.conf, see resolv.conf(5). A line that does
 * not parse is passed over, as the system's own resolver does.
 */
#include "agent/resolvers.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool resolver_parse(char *word, struct resolver *resolver)
{
    word[strcspn(word, "%")] = '\0'; /* the scope of a link-local address */
    memset(resolver, 0, sizeof(*resolver));
    resolver->ip_version = strchr(word, ':') ? 6 : 4;
    return inet_pton(resolver->ip_version == 6 ? AF_INET6 : AF_INET, word, resolver->address) == 1;
}

unsigned resolvers_read(struct resolver resolvers[RESOLVERS_MAX])
{
    FILE *file = fopen("/etc/resolv.conf", "re");
    char line[512], word[128];
    unsigned count = 0;

    if (file == NULL)
        return 0;
    while (count < RESOLVERS_MAX && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "nameserver %127s", word) == 1 && resolver_parse(word, &resolvers[count]))
            count++;
    }
    fclose(file);
    return count;
}
