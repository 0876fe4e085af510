/* SPDX-License-Identifier: MIT */
/*
 * port.c - server ports, the connections that programs make to them, and the driver's notify callbacks.
 *
 * A connection has two ends. The program's ends with nt_port_close, the driver's with FltCloseClientPort; whichever is
 * first disconnects it, and wakes who waits on it. DisconnectNotifyCallback runs once, when the program's end closes or
 * the filter is unregistered, unless the driver has closed its end by then.
 * A descriptor of NULL grants what FltBuildDefaultSecurityDescriptor does; one with a DACL of NULL, everything to all.
 * Rules: left-port, port-closed-twice, irql-changed, lock-left.
 * Pages: fltkernel.h FltCreateCommunicationPort, FltCloseCommunicationPort, FltCloseClientPort, PFLT_CONNECT_NOTIFY,
 * PFLT_DISCONNECT_NOTIFY; fltuser.h FilterConnectCommunicationPort.
 */
#include "nt/flt/flt.h"
#include "nt/ex/pool.h"
#include "nt/foreign.h"

#include <stdlib.h>

#define DESCRIPTOR_TAG 'dSlF'

/* --- Descriptors --------------------------------------------------------------------------- */

/* System and administrators. */
struct default_descriptor {
    SECURITY_DESCRIPTOR descriptor;
    ACL acl;
    UCHAR entries[(8 + 12) + (8 + 16)]; /* each ACE: 8 and its SID */
};

NTSTATUS FltBuildDefaultSecurityDescriptor(PSECURITY_DESCRIPTOR *SecurityDescriptor, ACCESS_MASK DesiredAccess)
{
    NT_ENTER(FltBuildDefaultSecurityDescriptor);
    static const UCHAR nt_system[] = {1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0};
    static const UCHAR administrators[] = {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0};
    union {
        ULONG aligned[4];
        UCHAR bytes[16];
    } sid;
    struct default_descriptor *built = nt_fails("FltBuildDefaultSecurityDescriptor")
                                           ? NULL
                                           : ExAllocatePoolWithTag(PagedPool, sizeof *built, DESCRIPTOR_TAG);
    if (built == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    (void)RtlCreateAcl(&built->acl, sizeof built->acl + sizeof built->entries, ACL_REVISION);
    memcpy(sid.bytes, nt_system, sizeof nt_system);
    (void)RtlAddAccessAllowedAce(&built->acl, ACL_REVISION, DesiredAccess, &sid);
    memcpy(sid.bytes, administrators, sizeof administrators);
    (void)RtlAddAccessAllowedAce(&built->acl, ACL_REVISION, DesiredAccess, &sid);
    nt_descriptor_make(&built->descriptor, &built->acl);
    *SecurityDescriptor = &built->descriptor;
    return STATUS_SUCCESS;
}

VOID FltFreeSecurityDescriptor(PSECURITY_DESCRIPTOR SecurityDescriptor)
{
    NT_ENTER(FltFreeSecurityDescriptor);
    ExFreePoolWithTag(SecurityDescriptor, DESCRIPTOR_TAG);
}

/* --- Server ports -------------------------------------------------------------------------- */

static WCHAR fold(WCHAR character)
{
    return character >= 'a' && character <= 'z' ? (WCHAR)(character - 'a' + 'A') : character;
}

static bool is_named(const struct flt_server *server, const WCHAR *name, size_t chars, bool any_case)
{
    if (server->name_chars != chars)
        return false;
    for (size_t index = 0; index < chars; index++)
        if (any_case || server->any_case ? fold(server->name[index]) != fold(name[index])
                                         : server->name[index] != name[index])
            return false;
    return true;
}

/* Under the lock. */
static struct flt_server *server_named(const WCHAR *name, size_t chars, bool any_case)
{
    for (PFLT_FILTER filter = nt_flt_first(); filter != NULL; filter = nt_flt_next(filter))
        for (PLIST_ENTRY entry = filter->servers.Flink; entry != &filter->servers; entry = entry->Flink) {
            struct flt_server *server = CONTAINING_RECORD(entry, struct flt_server, port.link);
            if (is_named(server, name, chars, any_case))
                return server;
        }
    return NULL;
}

static struct flt_server *server_find(PFLT_PORT port)
{
    for (PFLT_FILTER filter = nt_flt_first(); filter != NULL; filter = nt_flt_next(filter))
        for (PLIST_ENTRY entry = filter->servers.Flink; entry != &filter->servers; entry = entry->Flink)
            if (entry == &port->link)
                return CONTAINING_RECORD(port, struct flt_server, port);
    return NULL;
}

static void server_free(struct flt_server *server)
{
    free(server->name);
    nt_quarantine_put(server, NT_QUARANTINE_PLAIN);
}

static struct flt_server *server_new(PFLT_FILTER filter, const OBJECT_ATTRIBUTES *attributes)
{
    const UNICODE_STRING *name = attributes->ObjectName;
    struct flt_server *server = nt_fails("FltCreateCommunicationPort") ? NULL : calloc(1, sizeof *server);
    if (server == NULL)
        return NULL;
    server->name = malloc((size_t)name->Length + 1);
    if (server->name == NULL) {
        free(server);
        return NULL;
    }
    memcpy(server->name, name->Buffer, name->Length);
    server->name_chars = name->Length / sizeof(WCHAR);
    server->any_case = (attributes->Attributes & OBJ_CASE_INSENSITIVE) != 0;
    server->port.filter = filter;
    return server;
}

/* Under the lock. */
static NTSTATUS server_add(struct flt_server *server)
{
    if (server->port.filter->deleting)
        return STATUS_FLT_DELETING_OBJECT;
    if (server_named(server->name, server->name_chars, server->any_case) != NULL)
        return STATUS_OBJECT_NAME_COLLISION;
    InsertTailList(&server->port.filter->servers, &server->port.link);
    return STATUS_SUCCESS;
}

NTSTATUS FltCreateCommunicationPort(PFLT_FILTER Filter, PFLT_PORT *ServerPort, POBJECT_ATTRIBUTES ObjectAttributes,
                                    PVOID ServerPortCookie, PFLT_CONNECT_NOTIFY ConnectNotifyCallback,
                                    PFLT_DISCONNECT_NOTIFY DisconnectNotifyCallback,
                                    PFLT_MESSAGE_NOTIFY MessageNotifyCallback, LONG MaxConnections)
{
    NT_ENTER(FltCreateCommunicationPort);
    ACCESS_MASK administrators = FLT_PORT_ALL_ACCESS, everyone = 0;
    NTSTATUS status = STATUS_SUCCESS;
    if (ObjectAttributes == NULL || ObjectAttributes->ObjectName == NULL || ObjectAttributes->ObjectName->Length == 0 ||
        (ObjectAttributes->Attributes & OBJ_KERNEL_HANDLE) == 0 || ConnectNotifyCallback == NULL ||
        DisconnectNotifyCallback == NULL || MaxConnections <= 0)
        return STATUS_INVALID_PARAMETER;
    if (ObjectAttributes->SecurityDescriptor != NULL)
        status =
            nt_descriptor_read(ObjectAttributes->SecurityDescriptor, FLT_PORT_ALL_ACCESS, &administrators, &everyone);
    if (!NT_SUCCESS(status))
        return status;
    struct flt_server *server = server_new(Filter, ObjectAttributes);
    if (server == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    server->administrators = administrators;
    server->everyone = everyone;
    server->cookie = ServerPortCookie;
    server->callbacks = (struct flt_callbacks){ConnectNotifyCallback, DisconnectNotifyCallback, MessageNotifyCallback};
    server->limit = MaxConnections;
    pthread_mutex_lock(&nt_flt_lock);
    bool lives = nt_flt_lives(Filter);
    status = lives ? server_add(server) : STATUS_INVALID_PARAMETER;
    pthread_mutex_unlock(&nt_flt_lock);
    if (!lives)
        nt_violate("object-invalid", "FltCreateCommunicationPort",
                   "there is no such filter: it was never registered, or is gone");
    if (NT_SUCCESS(status))
        *ServerPort = &server->port;
    else
        server_free(server);
    return status;
}

/* Under the lock. Its connections stay, and do not know it any more. */
static void server_forget(struct flt_server *server)
{
    PLIST_ENTRY connections = &server->port.filter->connections;
    RemoveEntryList(&server->port.link);
    for (PLIST_ENTRY entry = connections->Flink; entry != connections; entry = entry->Flink) {
        struct nt_port *port = CONTAINING_RECORD(entry, struct nt_port, port.link);
        if (port->server == server)
            port->server = NULL;
    }
}

VOID FltCloseCommunicationPort(PFLT_PORT ServerPort)
{
    NT_ENTER(FltCloseCommunicationPort);
    pthread_mutex_lock(&nt_flt_lock);
    struct flt_server *server = server_find(ServerPort);
    if (server != NULL)
        server_forget(server);
    pthread_mutex_unlock(&nt_flt_lock);
    if (server != NULL)
        server_free(server);
    else
        nt_violate("port-closed-twice", "FltCloseCommunicationPort",
                   "there is no such server port: it was closed already, or never made");
}

/* --- Connections --------------------------------------------------------------------------- */

struct nt_port *nt_flt_connection(PFLT_PORT given)
{
    for (PFLT_FILTER filter = nt_flt_first(); filter != NULL; filter = nt_flt_next(filter))
        for (PLIST_ENTRY entry = filter->connections.Flink; entry != &filter->connections; entry = entry->Flink) {
            struct nt_port *port = CONTAINING_RECORD(entry, struct nt_port, port.link);
            if (&port->port == given)
                return port->driver_closed ? NULL : port;
        }
    return NULL;
}

void nt_flt_put(struct nt_port *port)
{
    pthread_mutex_lock(&nt_flt_lock);
    bool last = --port->references == 0;
    if (last)
        RemoveEntryList(&port->port.link);
    pthread_mutex_unlock(&nt_flt_lock);
    if (last)
        nt_quarantine_put(port, NT_QUARANTINE_PLAIN);
}

void nt_flt_callback_returned(const char *callback, KIRQL before)
{
    if (nt_self.irql != before)
        nt_violate("irql-changed", callback, "called at IRQL %u, returned at %u", before, nt_self.irql);
    if (nt_self.spin_locks != 0)
        nt_violate("lock-left", callback, "returned with %u spin locks held", nt_self.spin_locks);
}

/* Under the lock: no message comes or goes any more. */
static void cut(struct nt_port *port)
{
    if (port->connected && port->server != NULL)
        port->server->connected--;
    port->connected = false;
}

static void tell_disconnected(struct nt_port *port)
{
    pthread_mutex_lock(&nt_flt_lock);
    bool tell = port->accepted && !port->told && !port->driver_closed;
    port->told |= tell;
    pthread_mutex_unlock(&nt_flt_lock);
    if (tell) {
        KIRQL before = nt_self.irql;
        NT_CALL(port->callbacks.disconnect, port->cookie);
        nt_flt_callback_returned("PFLT_DISCONNECT_NOTIFY", before);
    }
}

VOID FltCloseClientPort(PFLT_FILTER Filter, PFLT_PORT *ClientPort)
{
    NT_ENTER(FltCloseClientPort);
    UNREFERENCED_PARAMETER(Filter);
    pthread_mutex_lock(&nt_flt_lock);
    struct nt_port *port = nt_flt_connection(*ClientPort);
    *ClientPort = NULL;
    if (port != NULL) {
        port->driver_closed = true;
        cut(port);
    }
    pthread_mutex_unlock(&nt_flt_lock);
    if (port == NULL) {
        nt_violate("port-closed-twice", "FltCloseClientPort",
                   "there is no such client port: it was closed already, or never connected");
        return;
    }
    nt_flt_messages_end(port);
    nt_flt_put(port);
}

/* Takes one that is left out of its filter, or gives NULL. */
static struct flt_server *take_server(PFLT_FILTER filter)
{
    struct flt_server *server = NULL;
    pthread_mutex_lock(&nt_flt_lock);
    if (!IsListEmpty(&filter->servers)) {
        server = CONTAINING_RECORD(filter->servers.Flink, struct flt_server, port.link);
        server_forget(server);
    }
    pthread_mutex_unlock(&nt_flt_lock);
    return server;
}

static struct nt_port *take_connection(PFLT_FILTER filter)
{
    struct nt_port *port = NULL;
    pthread_mutex_lock(&nt_flt_lock);
    if (!IsListEmpty(&filter->connections)) {
        port = CONTAINING_RECORD(filter->connections.Flink, struct nt_port, port.link);
        port->references++;
        cut(port);
    }
    pthread_mutex_unlock(&nt_flt_lock);
    return port;
}

/* Its program may still hold it, but finds it disconnected. */
static bool orphan(struct nt_port *port)
{
    pthread_mutex_lock(&nt_flt_lock);
    bool left = port->accepted && !port->driver_closed;
    port->driver_closed = true;
    RemoveEntryList(&port->port.link);
    InitializeListHead(&port->port.link);
    port->port.filter = NULL;
    pthread_mutex_unlock(&nt_flt_lock);
    return left;
}

void nt_flt_ports_end(PFLT_FILTER filter)
{
    struct flt_server *server;
    struct nt_port *port;
    while ((server = take_server(filter)) != NULL) {
        char name[64];
        size_t chars = 0;
        for (; chars < server->name_chars && chars + 1 < sizeof name; chars++)
            name[chars] = server->name[chars] < 128 ? (char)server->name[chars] : '?';
        name[chars] = 0;
        nt_violate("left-port", "FltUnregisterFilter", "the server port %s is still open (FltCloseCommunicationPort)",
                   name);
        server_free(server);
    }
    while ((port = take_connection(filter)) != NULL) {
        nt_flt_messages_end(port);
        tell_disconnected(port);
        if (orphan(port)) {
            nt_violate("left-port", "FltUnregisterFilter",
                       "a client port is still open: its disconnect callback did not close it (FltCloseClientPort)");
            nt_flt_put(port);
        }
        nt_flt_put(port);
    }
}

/* --- The program's end --------------------------------------------------------------------- */

/* Under the lock. */
static NTSTATUS may_connect(struct flt_server *server, const struct nt_caller *caller)
{
    if (server == NULL)
        return STATUS_OBJECT_NAME_NOT_FOUND;
    if (((caller->administrator ? server->administrators : server->everyone) & FLT_PORT_CONNECT) == 0)
        return STATUS_ACCESS_DENIED;
    if (server->connected >= server->limit)
        return STATUS_CONNECTION_COUNT_LIMIT;
    return nt_flt_enter(server->port.filter) ? STATUS_SUCCESS : STATUS_FLT_DELETING_OBJECT;
}

/* Finds the server and makes the connection one of its. */
static NTSTATUS join(struct nt_port *port, const char *name, const struct nt_caller *caller)
{
    WCHAR wide[256];
    size_t chars = 0;
    while (chars < RTL_NUMBER_OF(wide) && name[chars] != 0) {
        wide[chars] = (UCHAR)name[chars];
        chars++;
    }
    pthread_mutex_lock(&nt_flt_lock);
    struct flt_server *server = server_named(wide, chars, false);
    NTSTATUS status = may_connect(server, caller);
    if (NT_SUCCESS(status)) {
        server->connected++;
        port->server = server;
        port->callbacks = server->callbacks;
        port->cookie = server->cookie;
        port->port.filter = server->port.filter;
        port->connected = true;
        InsertTailList(&server->port.filter->connections, &port->port.link);
    }
    pthread_mutex_unlock(&nt_flt_lock);
    return status;
}

/* What the driver gets is gone when its callback returns, as a program's memory may be. */
static NTSTATUS ask_driver(struct nt_port *port, const void *context, USHORT size, uint64_t process_id)
{
    PVOID cookie = NULL, server_cookie = port->cookie;
    KIRQL before = nt_self.irql;
    uint64_t own_id = nt_self.process_id, own_start = nt_self.process_start;
    PVOID copy = size == 0 ? NULL : malloc(size);
    if (size != 0 && copy == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (size != 0)
        memcpy(copy, context, size);
    nt_set_current_process(process_id, 0);
    bool pumps = nt_pump_begin();
    NTSTATUS status = NT_CALL(port->callbacks.connect, &port->port, server_cookie, copy, size, &cookie);
    nt_pump_end(pumps);
    nt_set_current_process(own_id, own_start);
    nt_flt_callback_returned("PFLT_CONNECT_NOTIFY", before);
    free(copy);
    port->cookie = cookie;
    return status;
}

NTSTATUS nt_port_connect(const char *name, const void *context, USHORT size, const struct nt_caller *caller,
                         struct nt_port **port)
{
    nt_require_irql("nt_port_connect", PASSIVE_LEVEL, PASSIVE_LEVEL);
    struct nt_port *made = calloc(1, sizeof *made);
    if (made == NULL)
        return STATUS_INSUFFICIENT_RESOURCES;
    made->references = 2;
    InitializeListHead(&made->sent);
    InitializeListHead(&made->asked);
    InitializeListHead(&made->gets);
    NTSTATUS status = join(made, name, caller);
    if (!NT_SUCCESS(status)) {
        free(made);
        return status;
    }
    PFLT_FILTER filter = made->port.filter;
    status = ask_driver(made, context, size, caller->process_id);
    pthread_mutex_lock(&nt_flt_lock);
    made->accepted = NT_SUCCESS(status);
    bool drivers = !made->accepted && !made->driver_closed; /* its end was never opened */
    if (!made->accepted) {
        made->driver_closed = true;
        cut(made);
    }
    nt_flt_leave(filter);
    pthread_mutex_unlock(&nt_flt_lock);
    if (NT_SUCCESS(status)) {
        *port = made;
        return status;
    }
    nt_flt_messages_end(made);
    if (drivers)
        nt_flt_put(made);
    nt_flt_put(made);
    return status;
}

void nt_port_close(struct nt_port *port)
{
    nt_require_irql("nt_port_close", PASSIVE_LEVEL, PASSIVE_LEVEL);
    pthread_mutex_lock(&nt_flt_lock);
    PFLT_FILTER filter = port->port.filter;
    bool entered = filter != NULL && nt_flt_enter(filter);
    cut(port);
    pthread_mutex_unlock(&nt_flt_lock);
    nt_flt_messages_end(port);
    if (entered) { /* else whoever unregisters the filter tells */
        bool pumps = nt_pump_begin();
        tell_disconnected(port);
        nt_pump_end(pumps);
        pthread_mutex_lock(&nt_flt_lock);
        nt_flt_leave(filter);
        pthread_mutex_unlock(&nt_flt_lock);
    }
    nt_flt_put(port);
}
