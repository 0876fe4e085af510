/* SPDX-License-Identifier: MIT */
/*
 * wire_encode.c - see wire_encode.h.
 */
#include "core/wire_encode.h"

uint32_t wire_request_size(const struct wire_request *request)
{
    return ((uint32_t)sizeof(struct gatehouse_request) + request->path_size + request->name_size + 7u) & ~7u;
}

void wire_encode_request(const struct wire_request *request, uint8_t *out)
{
    const struct connection *from = request->connection;
    uint32_t size = wire_request_size(request);
    uint32_t path_end = (uint32_t)sizeof(struct gatehouse_request) + request->path_size;
    uint32_t name_end = path_end + request->name_size;
    struct gatehouse_request header;

    memset(&header, 0, sizeof(header));
    header.size = size;
    header.path_size = request->path_size;
    header.ip_version = from->ip_version;
    header.protocol = from->protocol;
    header.id = request->id;
    header.process_id = from->process_id;
    header.process_start = from->process_start;
    header.endpoint = from->endpoint;
    header.held_at = from->held_at;
    header.deadline = from->deadline;
    memcpy(header.local_address, from->local_address, sizeof(header.local_address));
    memcpy(header.remote_address, from->remote_address, sizeof(header.remote_address));
    header.local_port = from->local_port;
    header.remote_port = from->remote_port;
    header.flags = from->flags;
    header.interface_index = from->interface_index;
    header.layer = from->layer;
    header.user_sid_size = from->user_sid_size;
    memcpy(header.user_sid, from->user_sid, from->user_sid_size);
    header.name_size = request->name_size;

    memcpy(out, &header, sizeof(header));
    if (request->path_size != 0)
        memcpy(out + sizeof(header), request->path, request->path_size);
    if (request->name_size != 0)
        memcpy(out + path_end, request->name, request->name_size);
    memset(out + name_end, 0, size - name_end);
}

void wire_encode_seed_request(const struct wire_request *request, USER_CLASSIFY_REQUEST *out)
{
    const uint8_t *address = request->connection->remote_address;

    out->RequestId = request->id;
    out->ProcessId = request->connection->process_id;
    out->RemoteAddressV4 =
        (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 | (uint32_t)address[2] << 8 | address[3];
    out->RemotePort = request->connection->remote_port;
    out->Reserved = 0;
}

uint32_t wire_event_size(const struct wire_event *event)
{
    return (uint32_t)sizeof(struct gatehouse_event) + (event->request == NULL ? 0 : wire_request_size(event->request));
}

void wire_encode_event(const struct wire_event *event, uint8_t *out)
{
    struct gatehouse_event header;

    memset(&header, 0, sizeof(header));
    header.size = wire_event_size(event);
    header.type = (uint16_t)event->type;
    header.verdict = (uint8_t)event->verdict;
    header.by = (uint8_t)event->by;
    header.time = event->time;
    header.count = event->count;
    memcpy(out, &header, sizeof(header));
    if (event->request != NULL)
        wire_encode_request(event->request, out + sizeof(header));
}
