/* SPDX-License-Identifier: MIT */
/*
 * inbound.bpf.c - who listens, which packets may come in, and how connections end. An object of its own, so that a
 * kernel that lacks something of it still has the rest (gate.bpf.c); it shares the pinned maps.
 *
 * gate_bind4 and gate_bind6 write down who bound a socket, by its cookie; gate_find_bound does that once for those that
 * were bound before; gate_create for sockets that need no bind(). gate_unbind forgets them.
 *
 * The xt programs are called by rules in filter INPUT, which are there only while there are filters for what comes in:
 *   xt_in_permit  decided so, an answer to what went out  -> RETURN
 *   xt_in_pend    undecided                               -> NFQUEUE
 *   neither: blocked                                      -> DROP, silently
 * xt_echo_* do the same for echo requests, which go out or come in, and xt_raw* for what else raw sockets send.
 *
 * No socket is known for a packet that comes in, so that a verdict belongs to its tuple (and, for TCP, to the sequence
 * number of its SYN).
 *
 * gate_unbind also tells what a TCP connection has carried when its socket is closed.
 */
#include "accepts.bpf.h"
#include "caller.bpf.h"
#include "decided.bpf.h"
#include "packet.bpf.h"

#include "sockets.bpf.h"

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, GATE_ENDS_SIZE);
} gate_ends SEC(".maps");

/* --- Who listens ----------------------------------------------------------------------------------- */

static __always_inline __u32 raw_kind(__u32 type, __u32 protocol)
{
    return type == SOCK_RAW ? GATE_BOUND_RAW : gate_is_other(protocol) ? GATE_BOUND_OTHER : GATE_BOUND_USUAL;
}

static __always_inline int note_bound(struct bpf_sock *ctx)
{
    struct gate_bound bound = {.raw = raw_kind(ctx->type, ctx->protocol)};
    __u64 cookie;

    if (bpf_get_netns_cookie(ctx) != netns_cookie)
        return 1;
    cookie = bpf_get_socket_cookie(ctx);
    if (identify_caller(&bound.caller)) {
        note_groups(&bound.caller);
        bpf_get_current_comm(bound.caller.comm, sizeof(bound.caller.comm));
    }
    bpf_map_update_elem(&gate_bound, &cookie, &bound, BPF_ANY);
    return 1;
}

SEC("cgroup/post_bind4")
int gate_bind4(struct bpf_sock *ctx)
{
    return note_bound(ctx);
}

SEC("cgroup/post_bind6")
int gate_bind6(struct bpf_sock *ctx)
{
    return note_bound(ctx);
}

/* Sockets that send without being bound: of ICMP and other protocols, and raw ones. */
SEC("cgroup/sock_create")
int gate_create(struct bpf_sock *ctx)
{
    if (ctx->type != SOCK_RAW && ctx->protocol != IPPROTO_ICMP && ctx->protocol != IPPROTO_ICMPV6 &&
        !gate_is_other(ctx->protocol))
        return 1;
    return note_bound(ctx);
}

/* Of another process than the one that runs; its path is asked for by the host when it is not known already. */
static __always_inline bool identify_task(struct task_struct *task, struct gate_caller *caller)
{
    struct gate_image_key key = {};
    struct group_info *groups;
    struct gate_image *image;
    struct file *file = BPF_CORE_READ(task, mm, exe_file);

    if (!file)
        return false;
    caller->flags = GATE_CALLER_KNOWN | GATE_CALLER_OTHER_MOUNTS;
    caller->pid = BPF_CORE_READ(task, tgid);
    caller->uid = BPF_CORE_READ(task, cred, uid.val);
    caller->gid = BPF_CORE_READ(task, cred, gid.val);
    caller->start_boottime_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    caller->exe_inode = BPF_CORE_READ(file, f_inode, i_ino);
    caller->exe_generation = BPF_CORE_READ(file, f_inode, i_generation);
    caller->exe_device = BPF_CORE_READ(file, f_inode, i_sb, s_dev);
    caller->cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
    if (BPF_CORE_READ(file, f_inode, i_nlink) == 0)
        caller->flags |= GATE_CALLER_DELETED;
    bpf_probe_read_kernel_str(caller->comm, sizeof(caller->comm), task->comm);
    groups = BPF_CORE_READ(task, cred, group_info);
    name_groups(groups, BPF_CORE_READ(groups, ngroups), BPF_CORE_READ(task, cred, egid.val), caller);
    key.start_boottime_ns = caller->start_boottime_ns;
    key.exe_inode = caller->exe_inode;
    key.exe_device = caller->exe_device;
    key.pid = caller->pid;
    image = bpf_map_lookup_elem(&gate_images, &key);
    if (image) {
        caller->flags = (caller->flags & ~GATE_CALLER_OTHER_MOUNTS) | image->flags;
        caller->mount_namespace = image->mount_namespace;
    }
    return true;
}

/* A socket that several programs have belongs to none of them. */
static __always_inline bool same_image(const struct gate_caller *a, const struct gate_caller *b)
{
    return a->exe_inode == b->exe_inode && a->exe_device == b->exe_device && a->exe_generation == b->exe_generation &&
           a->uid == b->uid;
}

SEC("iter/task_file")
int gate_find_bound(struct bpf_iter__task_file *ctx)
{
    struct task_struct *task = ctx->task;
    struct file *file = ctx->file;
    struct gate_bound bound = {}, *known;
    struct socket *socket;
    struct sock *sk;
    __u64 cookie;

    if (!task || !file)
        return 0;
    socket = bpf_sock_from_file(file);
    if (!socket)
        return 0;
    sk = socket->sk;
    if (!sk || BPF_CORE_READ(sk, __sk_common.skc_net.net, net_cookie) != netns_cookie)
        return 0;
    if ((sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6) || !sk->__sk_common.skc_num)
        return 0;
    cookie = bpf_get_socket_cookie(sk);
    if (!cookie || !identify_task(task, &bound.caller))
        return 0;
    bound.raw = raw_kind(sk->sk_type, BPF_CORE_READ(sk, sk_protocol));
    known = bpf_map_lookup_elem(&gate_bound, &cookie);
    if (!known)
        bpf_map_update_elem(&gate_bound, &cookie, &bound, BPF_NOEXIST);
    else if (!same_image(&known->caller, &bound.caller))
        known->caller.flags = 0;
    return 0;
}

/* --- What comes in --------------------------------------------------------------------------------- */

/* As the host sees it: local is this machine's end. False: nothing the host could name either. */
static __always_inline bool parse_in(struct __sk_buff *skb, struct gate_tuple *tuple, struct gate_flow_key *flow,
                                     __u32 *sequence)
{
    struct gate_tuple from = {};
    int offset;
    __u8 version;
    __u32 words[2];

    if (bpf_skb_load_bytes_relative(skb, 0, &version, 1, BPF_HDR_START_NET))
        return false;
    if (version >> 4 == 4)
        offset = parse4(skb, &from);
    else if (version >> 4 == 6)
        offset = parse6(skb, &from);
    else
        return false;
    if (offset < 0 || (from.protocol != IPPROTO_TCP && from.protocol != IPPROTO_UDP))
        return false;
    if (bpf_skb_load_bytes_relative(skb, offset, words, sizeof(words), BPF_HDR_START_NET))
        return false;
    __builtin_memcpy(tuple->local_address, from.remote_address, sizeof(tuple->local_address));
    __builtin_memcpy(tuple->remote_address, from.local_address, sizeof(tuple->remote_address));
    tuple->remote_port = words[0] & 0xffff;
    tuple->local_port = words[0] >> 16;
    tuple->protocol = from.protocol;
    tuple->ip_version = from.ip_version;
    *sequence = from.protocol == IPPROTO_TCP ? words[1] : 0;
    __builtin_memcpy(flow->remote_address, tuple->remote_address, sizeof(flow->remote_address));
    flow->remote_port = tuple->remote_port;
    flow->protocol = tuple->protocol;
    flow->ip_version = tuple->ip_version;
    return true;
}

/* What counts now for a packet with this sequence number. */
static __always_inline __u32 accept_verdict(const struct gate_accept *accept, const struct gate_tuple *tuple,
                                            __u32 sequence, __u64 now)
{
    if (!accept || accept->verdict == GATE_UNDECIDED)
        return GATE_UNDECIDED;
    if (tuple->protocol != IPPROTO_TCP && now - accept->since > GATE_UDP_IDLE_NS)
        return GATE_UNDECIDED;
    if (accept->is == GATE_ACCEPT_REPLY)
        return accept->verdict;
    if (accept->generation != current_generation() || accept->sequence != sequence)
        return GATE_UNDECIDED;
    return accept->verdict;
}

static __always_inline bool accept_out_of_time(const struct gate_accept *accept, const struct gate_tuple *tuple,
                                               __u32 sequence, __u64 now)
{
    return tuple->protocol == IPPROTO_TCP && accept && accept->verdict == GATE_UNDECIDED &&
           accept->sequence == sequence && now - accept->since > undecided_limit_ns;
}

/* A connected socket that was found for the packet already: an answer to what it sent. */
static __always_inline bool is_answer(struct __sk_buff *skb, struct gate_flow_key *flow)
{
    struct gate_flow_state *state;

    flow->cookie = bpf_get_socket_cookie(skb);
    if (!flow->cookie)
        return false;
    if (flow->protocol == IPPROTO_TCP)
        return false;
    state = bpf_map_lookup_elem(&gate_flows, flow);
    return state && state->verdict == GATE_PERMIT;
}

SEC("socket")
int xt_in_permit(struct __sk_buff *skb)
{
    struct gate_tuple tuple = {};
    struct gate_flow_key flow = {};
    struct gate_accept *accept;
    __u32 sequence, verdict;
    __u64 now;

    if (!parse_in(skb, &tuple, &flow, &sequence))
        return 0;
    accept = bpf_map_lookup_elem(&gate_accepts, &tuple);
    now = bpf_ktime_get_ns();
    verdict = accept_verdict(accept, &tuple, sequence, now);
    if (accept && verdict == GATE_PERMIT) {
        if (accept->is == GATE_ACCEPT_ONCE)
            bpf_map_delete_elem(&gate_accepts, &tuple);
        else if (flow.protocol == IPPROTO_UDP && now - accept->since > SECOND_NS)
            accept->since = now;
        return 1;
    }
    if (verdict == GATE_UNDECIDED && is_answer(skb, &flow))
        return 1;
    return verdict == GATE_UNDECIDED && dead_open && accept_out_of_time(accept, &tuple, sequence, now);
}

SEC("socket")
int xt_in_pend(struct __sk_buff *skb)
{
    struct gate_tuple tuple = {};
    struct gate_flow_key flow = {};
    struct gate_accept *accept, fresh = {};
    __u32 sequence;
    __u64 now;

    if (!parse_in(skb, &tuple, &flow, &sequence))
        return 1;
    accept = bpf_map_lookup_elem(&gate_accepts, &tuple);
    now = bpf_ktime_get_ns();
    if (accept_verdict(accept, &tuple, sequence, now) == GATE_BLOCK) {
        if (tuple.protocol == IPPROTO_UDP)
            count(GATE_COUNTER_DATAGRAMS_BLOCKED);
        return 0;
    }
    if (!dead_open && accept_out_of_time(accept, &tuple, sequence, now))
        return 0;
    if (!accept || accept->sequence != sequence) {
        fresh.since = now;
        fresh.sequence = sequence;
        bpf_map_update_elem(&gate_accepts, &tuple, &fresh, BPF_ANY);
    }
    return 1;
}

/* The same for what is keyed by its tuple and the socket's cookie, and is no stream. */
static __always_inline __u32 tuple_verdict(const struct gate_accept *accept, __u32 cookie, __u64 now)
{
    if (accept->verdict == GATE_UNDECIDED || now - accept->since > GATE_UDP_IDLE_NS ||
        accept->generation != current_generation() || accept->sequence != cookie)
        return GATE_UNDECIDED;
    return accept->verdict;
}

/* --- Echo requests --------------------------------------------------------------------------------- */

/*
 * Keyed like a datagram: the identifier in place of the local port, which way in place of the remote one. The sequence
 * number is the socket's cookie when it goes out: what one program may do, another may not. Extension headers before
 * ICMPv6 are not followed: such a request is blocked.
 */
static __always_inline bool parse_echo(struct __sk_buff *skb, bool out, struct gate_tuple *tuple)
{
    __u8 header[40], icmp[8];
    __u32 offset = 40;

    if (bpf_skb_load_bytes_relative(skb, 0, header, 20, BPF_HDR_START_NET))
        return false;
    if (header[0] >> 4 == 4) {
        if (header[9] != IPPROTO_ICMP || (header[6] & 0x1f) || header[7])
            return false;
        offset = (header[0] & 15) * 4;
        tuple->ip_version = 4;
        tuple->protocol = IPPROTO_ICMP;
        __builtin_memcpy(out ? tuple->local_address : tuple->remote_address, header + 12, 4);
        __builtin_memcpy(out ? tuple->remote_address : tuple->local_address, header + 16, 4);
    } else {
        if (bpf_skb_load_bytes_relative(skb, 0, header, 40, BPF_HDR_START_NET) || header[6] != IPPROTO_ICMPV6)
            return false;
        tuple->ip_version = 6;
        tuple->protocol = IPPROTO_ICMPV6;
        __builtin_memcpy(out ? tuple->local_address : tuple->remote_address, header + 8, 16);
        __builtin_memcpy(out ? tuple->remote_address : tuple->local_address, header + 24, 16);
    }
    if (bpf_skb_load_bytes_relative(skb, offset, icmp, sizeof(icmp), BPF_HDR_START_NET))
        return false;
    __builtin_memcpy(&tuple->local_port, icmp + 4, 2);
    tuple->remote_port = out ? bpf_htons(GATE_ECHO_OUT) : 0;
    return true;
}

static __always_inline int echo_permit(struct __sk_buff *skb, bool out)
{
    struct gate_tuple tuple = {};
    struct gate_accept *accept;
    __u64 now = bpf_ktime_get_ns();
    __u32 sequence = out ? (__u32)bpf_get_socket_cookie(skb) : 0;

    if (!parse_echo(skb, out, &tuple))
        return 0;
    accept = bpf_map_lookup_elem(&gate_accepts, &tuple);
    if (!accept || accept_verdict(accept, &tuple, sequence, now) != GATE_PERMIT)
        return 0;
    if (accept->is == GATE_ACCEPT_ONCE)
        bpf_map_delete_elem(&gate_accepts, &tuple);
    else if (now - accept->since > SECOND_NS)
        accept->since = now;
    return 1;
}

/* Who made the socket, now: it may be closed when the packet is looked at. */
static __always_inline void wait_with_owner(const struct gate_tuple *tuple, __u64 cookie)
{
    struct gate_pended pended = {.cookie = cookie, .local_port = tuple->local_port, .remote_port = tuple->remote_port};
    struct gate_bound *bound = cookie ? bpf_map_lookup_elem(&gate_bound, &cookie) : NULL;

    if (bound) {
        pended.caller = bound->caller;
        pended.raw = bound->raw;
    }
    bpf_map_update_elem(&gate_waiting, tuple, &pended, BPF_ANY);
}

static __always_inline int echo_pend(struct __sk_buff *skb, bool out)
{
    struct gate_tuple tuple = {};
    struct gate_accept *accept, fresh = {};
    __u64 now = bpf_ktime_get_ns();
    __u64 cookie = out ? bpf_get_socket_cookie(skb) : 0;

    if (!parse_echo(skb, out, &tuple))
        return 0;
    accept = bpf_map_lookup_elem(&gate_accepts, &tuple);
    if (accept_verdict(accept, &tuple, (__u32)cookie, now) == GATE_BLOCK)
        return 0;
    if (!accept || accept->sequence != (__u32)cookie) {
        fresh.since = now;
        fresh.sequence = (__u32)cookie;
        bpf_map_update_elem(&gate_accepts, &tuple, &fresh, BPF_ANY);
    }
    if (out)
        wait_with_owner(&tuple, cookie);
    return 1;
}

SEC("socket")
int xt_echo_permit(struct __sk_buff *skb)
{
    return echo_permit(skb, true);
}

SEC("socket")
int xt_echo_pend(struct __sk_buff *skb)
{
    return echo_pend(skb, true);
}

SEC("socket")
int xt_echo_in_permit(struct __sk_buff *skb)
{
    return echo_permit(skb, false);
}

SEC("socket")
int xt_echo_in_pend(struct __sk_buff *skb)
{
    return echo_pend(skb, false);
}

/* --- Raw sockets ----------------------------------------------------------------------------------- */

/* What starts something is looked at like anybody's: an initial SYN, a datagram, an echo request. Ports: those of TCP,
 * type and code of ICMP. */
static __always_inline bool parse_transport(struct __sk_buff *skb, __u32 offset, struct gate_tuple *tuple)
{
    __u8 head[14] = {};

    if (tuple->protocol == IPPROTO_UDP)
        return false;
    if (tuple->protocol == IPPROTO_TCP) {
        if (bpf_skb_load_bytes_relative(skb, offset, head, sizeof(head), BPF_HDR_START_NET))
            return true;
        __builtin_memcpy(&tuple->local_port, head, 2);
        __builtin_memcpy(&tuple->remote_port, head + 2, 2);
        return !gate_is_start(head[13]);
    }
    if (tuple->protocol != IPPROTO_ICMP && tuple->protocol != IPPROTO_ICMPV6)
        return true;
    if (bpf_skb_load_bytes_relative(skb, offset, head, 2, BPF_HDR_START_NET))
        return true;
    tuple->local_port = bpf_htons(head[0]);
    tuple->remote_port = bpf_htons(head[1]);
    return head[0] != ((tuple->ip_version & ~GATE_KEY_RAW) == 4 ? 8 : 128);
}

/* A raw socket's packet that nothing else looks at. As packet_raw in host/packet.c. */
static __always_inline bool parse_raw(struct __sk_buff *skb, __u64 cookie, struct gate_tuple *tuple)
{
    struct gate_bound *bound = cookie ? bpf_map_lookup_elem(&gate_bound, &cookie) : NULL;
    __u8 header[40] = {};

    if (!bound || !bound->raw || bpf_skb_load_bytes_relative(skb, 0, header, 20, BPF_HDR_START_NET))
        return false;
    if (header[0] >> 4 == 4) {
        tuple->ip_version = 4 | GATE_KEY_RAW;
        tuple->protocol = header[9];
        __builtin_memcpy(tuple->local_address, header + 12, 4);
        __builtin_memcpy(tuple->remote_address, header + 16, 4);
        if ((header[6] & 0x1f) || header[7])
            return true;
        return parse_transport(skb, (header[0] & 15) * 4, tuple);
    }
    if (bpf_skb_load_bytes_relative(skb, 0, header, 40, BPF_HDR_START_NET))
        return false;
    tuple->ip_version = 6 | GATE_KEY_RAW;
    tuple->protocol = header[6];
    __builtin_memcpy(tuple->local_address, header + 8, 16);
    __builtin_memcpy(tuple->remote_address, header + 24, 16);
    return parse_transport(skb, 40, tuple);
}

SEC("socket")
int xt_raw_permit(struct __sk_buff *skb)
{
    struct gate_tuple tuple = {};
    struct gate_accept *accept;
    __u64 cookie = bpf_get_socket_cookie(skb), now = bpf_ktime_get_ns();

    if (!parse_raw(skb, cookie, &tuple))
        return 1;
    accept = bpf_map_lookup_elem(&gate_accepts, &tuple);
    if (!accept || tuple_verdict(accept, (__u32)cookie, now) != GATE_PERMIT)
        return 0;
    if (accept->is == GATE_ACCEPT_ONCE)
        bpf_map_delete_elem(&gate_accepts, &tuple);
    else if (now - accept->since > SECOND_NS)
        accept->since = now;
    return 1;
}

SEC("socket")
int xt_raw_pend(struct __sk_buff *skb)
{
    struct gate_tuple tuple = {};
    struct gate_accept *accept, fresh = {};
    __u64 cookie = bpf_get_socket_cookie(skb), now = bpf_ktime_get_ns();

    if (!parse_raw(skb, cookie, &tuple))
        return 0;
    accept = bpf_map_lookup_elem(&gate_accepts, &tuple);
    if (accept && tuple_verdict(accept, (__u32)cookie, now) == GATE_BLOCK)
        return 0;
    if (!accept || accept->sequence != (__u32)cookie) {
        fresh.since = now;
        fresh.sequence = (__u32)cookie;
        bpf_map_update_elem(&gate_accepts, &tuple, &fresh, BPF_ANY);
    }
    wait_with_owner(&tuple, cookie);
    return 1;
}

/* --- How connections end --------------------------------------------------------------------------- */

/* False: it has no other end. The port of a connection that was reset is given back, but for inet_sport. */
static __always_inline bool tuple_of(const struct sock *sk, struct gate_tuple *tuple)
{
    const struct sock_common *common = &sk->__sk_common;
    const struct inet_sock *inet = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct inet_sock));

    tuple->protocol = IPPROTO_TCP;
    tuple->local_port = inet->inet_sport;
    tuple->remote_port = common->skc_dport;
    if (common->skc_family == AF_INET6) {
        __builtin_memcpy(tuple->local_address, &common->skc_v6_rcv_saddr, 16);
        __builtin_memcpy(tuple->remote_address, &common->skc_v6_daddr, 16);
        tuple->ip_version = 6;
        if (!is_mapped(tuple->remote_address))
            return tuple->remote_port;
        __builtin_memset(tuple->local_address, 0, 16);
        __builtin_memset(tuple->remote_address, 0, 16);
    } else if (common->skc_family != AF_INET) {
        return false;
    }
    tuple->ip_version = 4;
    __builtin_memcpy(tuple->local_address, &common->skc_rcv_saddr, 4);
    __builtin_memcpy(tuple->remote_address, &common->skc_daddr, 4);
    return tuple->remote_port;
}

/*
 * What its program wrote, sent already or not, and what had arrived: a closed socket takes no more. The end of either
 * side's data has a sequence number too, but is no byte.
 */
static __always_inline void count_bytes(const struct sock *sk, struct gate_end *end)
{
    const struct tcp_sock *stream = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct tcp_sock));
    __u32 unsent = stream->write_seq - stream->snd_nxt;

    if (unsent && sk->sk_shutdown & SEND_SHUTDOWN)
        unsent--;
    end->bytes_out = stream->bytes_sent - stream->bytes_retrans + unsent;
    end->bytes_in = stream->bytes_received - (sk->__sk_common.skc_flags >> SOCK_DONE & 1);
}

static __always_inline void tell_stream_end(struct bpf_sock *ctx, __u64 cookie)
{
    const struct sock *sk = bpf_cast_to_kern_ctx(ctx);
    __u64 used = bpf_ringbuf_query(&gate_ends, BPF_RB_AVAIL_DATA);
    struct gate_tuple tuple = {};
    struct gate_end *end;
    bool inbound;

    if (sk->__sk_common.skc_state == TCP_LISTEN || sk->__sk_common.skc_state == TCP_SYN_SENT || !tuple_of(sk, &tuple))
        return;
    inbound = bpf_map_lookup_elem(&gate_accepts, &tuple);
    if (inbound)
        bpf_map_delete_elem(&gate_accepts, &tuple);
    /* Nobody depends on what is told of one that went out: the ring is for the others first. */
    if (!inbound && used > GATE_ENDS_SIZE / 2)
        return;
    end = bpf_ringbuf_reserve(&gate_ends, sizeof(*end), 0);
    if (!end)
        return;
    __builtin_memset(&end->caller, 0, sizeof(end->caller));
    end->cookie = cookie;
    end->tuple = tuple;
    end->is = GATE_END_STREAM;
    end->inbound = inbound;
    count_bytes(sk, end);
    if (!inbound)
        find_past_caller(cookie, &end->caller);
    bpf_ringbuf_submit(end, inbound && used > GATE_ENDS_SIZE / 4 ? BPF_RB_FORCE_WAKEUP : wake_watcher());
}

static __always_inline void unbind(__u64 cookie)
{
    struct gate_bound *bound = bpf_map_lookup_elem(&gate_bound, &cookie);
    struct gate_end *end;
    __u32 waited;

    if (!bound)
        return;
    waited = bound->waited;
    bpf_map_delete_elem(&gate_bound, &cookie);
    if (!waited)
        return;
    end = bpf_ringbuf_reserve(&gate_ends, sizeof(*end), 0);
    if (!end) {
        count_lost_event();
        return;
    }
    __builtin_memset(end, 0, sizeof(*end));
    end->cookie = cookie;
    end->is = GATE_END_BOUND;
    bpf_ringbuf_submit(end, BPF_RB_FORCE_WAKEUP);
}

SEC("cgroup/sock_release")
int gate_unbind(struct bpf_sock *ctx)
{
    __u64 cookie;

    if (bpf_get_netns_cookie(ctx) != netns_cookie)
        return 1;
    cookie = bpf_get_socket_cookie(ctx);
    unbind(cookie);
    if (ctx->type == SOCK_STREAM && ctx->protocol == IPPROTO_TCP)
        tell_stream_end(ctx, cookie);
    return 1;
}

/* For kernels whose hooks cannot see so deep: nothing is counted. */
SEC("cgroup/sock_release")
int gate_unbind_plain(struct bpf_sock *ctx)
{
    if (bpf_get_netns_cookie(ctx) == netns_cookie)
        unbind(bpf_get_socket_cookie(ctx));
    return 1;
}

char gate_inbound_license[] SEC("license") = "Dual MIT/GPL";
