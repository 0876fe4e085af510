/* SPDX-License-Identifier: MIT */
/*
 * resolvers_windows.c - the name servers of the network adapters that are up. See resolvers.h.
 *
 * Programs ask the service Dnscache, which asks these servers for them.
 */
#include "agent/resolvers.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <winsock2.h>
#include <ws2tcpip.h>
#include <iphlpapi.h>

#include "agent/library_windows.h"

#define TRIES 4

typedef ULONG WINAPI get_adapters(ULONG family, ULONG flags, PVOID reserved, PIP_ADAPTER_ADDRESSES list, PULONG size);

static bool resolver_read(const SOCKADDR *address, struct resolver *resolver)
{
    memset(resolver, 0, sizeof(*resolver));
    if (address->sa_family == AF_INET) {
        resolver->ip_version = 4;
        memcpy(resolver->address, &((const struct sockaddr_in *)address)->sin_addr, 4);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        resolver->ip_version = 6;
        memcpy(resolver->address, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
        return true;
    }
    return false;
}

/* Windows names fec0:0:0:ffff::1 to ::3 where no IPv6 server is set; nobody has these addresses any more (RFC 3879). */
static bool is_placeholder(const struct resolver *resolver)
{
    static const uint8_t prefix[15] = {0xfe, 0xc0, 0, 0, 0, 0, 0xff, 0xff};

    return resolver->ip_version == 6 && memcmp(resolver->address, prefix, sizeof(prefix)) == 0;
}

static bool is_known(const struct resolver *resolvers, unsigned count, const struct resolver *resolver)
{
    for (unsigned i = 0; i < count; i++) {
        if (memcmp(&resolvers[i], resolver, sizeof(*resolver)) == 0)
            return true;
    }
    return false;
}

/* Owned by the caller; NULL when Windows does not tell. The list may grow between two calls. */
static PIP_ADAPTER_ADDRESSES read_adapters(void)
{
    get_adapters *get = (get_adapters *)library_routine(L"iphlpapi.dll", "GetAdaptersAddresses");
    ULONG size = 16384;

    for (unsigned i = 0; get != NULL && i < TRIES; i++) {
        PIP_ADAPTER_ADDRESSES list = malloc(size);
        ULONG error;

        if (list == NULL)
            return NULL;
        error =
            get(AF_UNSPEC,
                GAA_FLAG_SKIP_UNICAST | GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST | GAA_FLAG_SKIP_FRIENDLY_NAME,
                NULL, list, &size);
        if (error == ERROR_SUCCESS)
            return list;
        free(list);
        if (error != ERROR_BUFFER_OVERFLOW)
            return NULL;
    }
    return NULL;
}

unsigned resolvers_read(struct resolver resolvers[RESOLVERS_MAX])
{
    PIP_ADAPTER_ADDRESSES list = read_adapters();
    unsigned count = 0;

    for (const IP_ADAPTER_ADDRESSES *adapter = list; adapter != NULL; adapter = adapter->Next) {
        const IP_ADAPTER_DNS_SERVER_ADDRESS *server =
            adapter->OperStatus == IfOperStatusUp ? adapter->FirstDnsServerAddress : NULL;

        for (; server != NULL && count < RESOLVERS_MAX; server = server->Next) {
            if (resolver_read(server->Address.lpSockaddr, &resolvers[count]) && !is_placeholder(&resolvers[count]) &&
                !is_known(resolvers, count, &resolvers[count]))
                count++;
        }
    }
    free(list);
    return count;
}
