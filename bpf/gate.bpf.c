/* SPDX-License-Identifier: MIT */
/*
 * gate.bpf.c - who connects, and what the kernel already knows about it.
 *
 * gate_exec writes down the path of each program that is started in our namespace, as it is then; what
 * was started before, elsewhere or by fork has its path taken at its first connect().
 *
 * The cgroup programs run in the process that calls connect() or sendmsg(). They write down who it
 * is, under the cookie of the socket, before any packet exists; nothing has to be guessed later. They
 * never refuse. They sit at the root of cgroup2 and so run for every namespace of the machine: all
 * but ours leave at the first comparison.
 *
 * The xt programs are called by rules in filter OUTPUT, in this order, for an initial SYN or a datagram:
 *   xt_permit  decided so, now or before        -> RETURN
 *   xt_pend    undecided: write down who waits  -> NFQUEUE
 *   neither: decided the other way, or out of time -> REJECT
 * A verdict belongs to (cookie, destination), taken from the packet itself. What the host believes
 * about a packet can therefore not misdirect a verdict: a packet that is sent through the rules again
 * and finds none under its own key is queued again.
 *
 * No program sleeps or holds a lock. The hooks can be preempted, so what they share for each CPU is
 * claimed first. Entries of LRU maps can be recycled under a reader: copies are checked after.
 */
#include <stdbool.h>
#include "kernel_types.h"
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "gate_maps.h"

char gate_license[] SEC("license") = "Dual MIT/GPL";

#define AF_INET     2
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17

/* Set by the host before loading. */
const volatile __u64 netns_cookie = 0;
const volatile __u64 undecided_limit_ns = 0;
const volatile __u32 host_mount_namespace = 0;
const volatile __u32 undecided_permit = 0;

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, GATE_FLOWS_MAX);
    __type(key, struct gate_flow_key);
    __type(value, struct gate_flow_state);
} gate_flows SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, GATE_OWNERS_MAX);
    __type(key, struct gate_flow_key);
    __type(value, struct gate_owner_state);
} gate_owners SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, GATE_PENDED_MAX);
    __type(key, struct gate_tuple);
    __type(value, struct gate_pended);
} gate_waiting SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, GATE_SLOTS);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct gate_slot);
} gate_slots SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, GATE_IMAGES_MAX);
    __type(key, struct gate_image_key);
    __type(value, struct gate_image);
} gate_images SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct gate_state);
} gate_state SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, GATE_COUNTERS);
    __type(key, __u32);
    __type(value, __u64);
} gate_counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, GATE_EVENTS_SIZE);
} gate_events SEC(".maps");

struct scratch {
    __u64 busy;
    struct gate_image image;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct scratch);
} gate_scratch SEC(".maps");

static __always_inline void count(__u32 counter)
{
    __u64 *value = bpf_map_lookup_elem(&gate_counters, &counter);

    if (value)
        *value += 1;
}

static __always_inline __u32 current_generation(void)
{
    __u32 zero = 0;
    struct gate_state *state = bpf_map_lookup_elem(&gate_state, &zero);

    return state ? state->generation : 0;
}

static __always_inline void count_lost_event(void)
{
    __u32 zero = 0;
    struct gate_state *state = bpf_map_lookup_elem(&gate_state, &zero);

    if (state)
        __sync_fetch_and_add(&state->events_lost, 1);
}

/* ---- the path of an executable ---- */

struct walk {
    struct vfsmount *mount;
    struct dentry *dentry;
};

/* Puts one name, or the step over a mount point, before the text. Returns false at the end. */
static __always_inline bool walk_step(struct walk *walk, struct gate_image *image)
{
    struct vfsmount *here = walk->mount;
    struct dentry *dentry = walk->dentry;
    struct dentry *root = BPF_CORE_READ(here, mnt_root);
    struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
    const unsigned char *name;
    __u32 length, start = image->start;

    if (dentry == root || dentry == parent) {
        struct mount *mount = (void *)((char *)here - bpf_core_field_offset(struct mount, mnt));
        struct mount *above = BPF_CORE_READ(mount, mnt_parent);

        if (dentry != root || above == mount || !above)
            return false;
        walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
        walk->mount = (void *)((char *)above + bpf_core_field_offset(struct mount, mnt));
        return true;
    }
    length = BPF_CORE_READ(dentry, d_name.len);
    name = BPF_CORE_READ(dentry, d_name.name);
    if (length > 255 || start > GATE_PATH_MAX || start < length + 1) {
        image->flags |= GATE_CALLER_PATH_CUT;
        return false;
    }
    start = (start - length) & (GATE_PATH_MAX - 1);
    if (bpf_probe_read_kernel(&image->text[start], length & 255, name)) {
        image->flags |= GATE_CALLER_PATH_CUT;
        return false;
    }
    start = (start - 1) & (GATE_PATH_MAX - 1);
    image->text[start] = '/';
    image->start = start;
    walk->dentry = parent;
    return true;
}

/* Deeper paths are cut, and a cut path matches nothing. */
#define WALK_STEPS 320

static __noinline int walk_path(struct scratch *scratch, struct file *file)
{
    struct gate_image *image = &scratch->image;
    struct walk walk;
    struct mount *mount;
    int i;

    walk.mount = BPF_CORE_READ(file, f_path.mnt);
    walk.dentry = BPF_CORE_READ(file, f_path.dentry);
    mount = (void *)((char *)walk.mount - bpf_core_field_offset(struct mount, mnt));
    image->flags = 0;
    image->start = GATE_PATH_MAX;
    image->mount_namespace = BPF_CORE_READ(mount, mnt_ns, ns.inum);
    if (image->mount_namespace != host_mount_namespace)
        image->flags |= GATE_CALLER_OTHER_MOUNTS;
    for (i = 0; i < WALK_STEPS; i++)
        if (!walk_step(&walk, image))
            break;
    if (i == WALK_STEPS)
        image->flags |= GATE_CALLER_PATH_CUT;
    image->ready = 1;
    return 0;
}

/*
 * Adds what is known of the image to the caller; finds the path out when it is the first time. When the scratch space
 * of this CPU is taken by a preempted caller, the path is left for the next time: the host can ask elsewhere.
 */
static __always_inline void note_image(struct gate_caller *caller, struct file *file)
{
    struct gate_image_key key = {.start_boottime_ns = caller->start_boottime_ns,
                                 .exe_inode = caller->exe_inode,
                                 .exe_device = caller->exe_device,
                                 .pid = caller->pid};
    struct gate_image *image = bpf_map_lookup_elem(&gate_images, &key);
    struct scratch *scratch;
    __u32 zero = 0;

    if (image) {
        caller->flags |= image->flags;
        caller->mount_namespace = image->mount_namespace;
        return;
    }
    caller->flags |= GATE_CALLER_OTHER_MOUNTS;
    scratch = bpf_map_lookup_elem(&gate_scratch, &zero);
    if (!scratch || __sync_lock_test_and_set(&scratch->busy, 1))
        return;
    walk_path(scratch, file);
    bpf_map_update_elem(&gate_images, &key, &scratch->image, BPF_ANY);
    caller->flags = (caller->flags & ~GATE_CALLER_OTHER_MOUNTS) | scratch->image.flags;
    caller->mount_namespace = scratch->image.mount_namespace;
    scratch->busy = 0;
}

/* ---- who calls ---- */

/* False for a kernel thread, which has no program. */
static __always_inline bool identify_caller(struct gate_caller *caller)
{
    struct task_struct *task = (void *)bpf_get_current_task_btf();
    struct mm_struct *mm = task->mm;
    struct file *file;
    struct inode *inode;
    struct dentry *dentry;
    __u64 id = bpf_get_current_uid_gid();

    if (!mm)
        return false;
    file = mm->exe_file;
    if (!file)
        return false;
    inode = file->f_inode;
    dentry = file->f_path.dentry;
    caller->flags = GATE_CALLER_KNOWN;
    caller->pid = bpf_get_current_pid_tgid() >> 32;
    caller->uid = (__u32)id;
    caller->gid = id >> 32;
    caller->start_boottime_ns = task->group_leader->start_boottime;
    caller->exe_inode = inode->i_ino;
    caller->exe_generation = inode->i_generation;
    caller->exe_device = inode->i_sb->s_dev;
    caller->cgroup = bpf_get_current_cgroup_id();
    bpf_get_current_comm(caller->comm, sizeof(caller->comm));
    if (inode->i_nlink == 0 || (!dentry->d_hash.pprev && dentry->d_parent != dentry))
        caller->flags |= GATE_CALLER_DELETED;
    note_image(caller, file);
    return true;
}

SEC("tp_btf/sched_process_exec")
int gate_exec(__u64 *ctx)
{
    struct task_struct *task = (void *)bpf_get_current_task_btf();
    struct gate_caller caller = {};

    (void)ctx;
    if (BPF_CORE_READ(task, nsproxy, net_ns, net_cookie) == netns_cookie)
        identify_caller(&caller);
    return 0;
}

static __always_inline bool same_caller(const struct gate_caller *a, const struct gate_caller *b)
{
    return a->pid == b->pid && a->start_boottime_ns == b->start_boottime_ns && a->exe_inode == b->exe_inode &&
           a->exe_device == b->exe_device && a->exe_generation == b->exe_generation && a->uid == b->uid &&
           a->gid == b->gid && a->flags == b->flags;
}

/* A new connect() is decided anew, whatever this socket was told before about the same destination. */
static __always_inline void own_stream(const struct gate_flow_key *flow, struct gate_owner_state *owner)
{
    struct gate_flow_key own = {.cookie = flow->cookie};
    struct gate_owner_state *old = bpf_map_lookup_elem(&gate_owners, &own);

    if (bpf_map_lookup_elem(&gate_flows, flow)) /* cheaper than to delete what is not there, as usual */
        bpf_map_delete_elem(&gate_flows, flow);
    if (old && old->pended) {
        struct gate_flow_key key = *flow;

        __builtin_memcpy(key.remote_address, old->last.remote_address, sizeof(key.remote_address));
        key.remote_port = old->last.remote_port;
        key.ip_version = old->last.ip_version;
        bpf_map_delete_elem(&gate_flows, &key);
    }
    bpf_map_update_elem(&gate_owners, &own, owner, BPF_ANY);
}

/*
 * The socket's own entry serves packets whose destination was rewritten on the way to the rules. It names nobody once
 * a second program has used the socket.
 */
static __always_inline void own_datagrams(const struct gate_flow_key *flow, struct gate_owner_state *owner)
{
    struct gate_flow_key own = {.cookie = flow->cookie};
    struct gate_owner_state *old = bpf_map_lookup_elem(&gate_owners, flow);

    if (old && same_caller(&old->caller, &owner->caller))
        return;
    bpf_map_update_elem(&gate_owners, flow, owner, BPF_ANY);
    old = bpf_map_lookup_elem(&gate_owners, &own);
    if (old && same_caller(&old->caller, &owner->caller))
        return;
    if (old) {
        owner->pended = old->pended;
        owner->last = old->last;
        owner->caller.flags |= GATE_CALLER_SEVERAL;
    }
    bpf_map_update_elem(&gate_owners, &own, owner, BPF_ANY);
}

static __always_inline int note_owner(struct gate_flow_key *flow)
{
    struct gate_owner_state owner = {.cookie = flow->cookie};

    if (flow->protocol != IPPROTO_TCP && flow->protocol != IPPROTO_UDP)
        return 1;
    if (!identify_caller(&owner.caller))
        return 1;
    if (flow->protocol == IPPROTO_TCP)
        own_stream(flow, &owner);
    else
        own_datagrams(flow, &owner);
    return 1;
}

static __always_inline int note_owner4(struct bpf_sock_addr *ctx)
{
    struct gate_flow_key flow = {.ip_version = 4};
    __u32 address;

    if (bpf_get_netns_cookie(ctx) != netns_cookie)
        return 1;
    address = ctx->user_ip4;
    __builtin_memcpy(flow.remote_address, &address, sizeof(address));
    flow.cookie = bpf_get_socket_cookie(ctx);
    flow.remote_port = ctx->user_port;
    flow.protocol = ctx->protocol;
    return note_owner(&flow);
}

static __always_inline int note_owner6(struct bpf_sock_addr *ctx)
{
    struct gate_flow_key flow = {.ip_version = 6};
    __u32 words[4];

    if (bpf_get_netns_cookie(ctx) != netns_cookie)
        return 1;
    words[0] = ctx->user_ip6[0];
    words[1] = ctx->user_ip6[1];
    words[2] = ctx->user_ip6[2];
    words[3] = ctx->user_ip6[3];
    if (words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff)) {
        flow.ip_version = 4;
        __builtin_memcpy(flow.remote_address, &words[3], sizeof(words[3]));
    } else {
        __builtin_memcpy(flow.remote_address, words, sizeof(words));
    }
    flow.cookie = bpf_get_socket_cookie(ctx);
    flow.remote_port = ctx->user_port;
    flow.protocol = ctx->protocol;
    return note_owner(&flow);
}

SEC("cgroup/connect4")
int gate_connect4(struct bpf_sock_addr *ctx)
{
    return note_owner4(ctx);
}

SEC("cgroup/connect6")
int gate_connect6(struct bpf_sock_addr *ctx)
{
    return note_owner6(ctx);
}

SEC("cgroup/sendmsg4")
int gate_sendmsg4(struct bpf_sock_addr *ctx)
{
    return note_owner4(ctx);
}

SEC("cgroup/sendmsg6")
int gate_sendmsg6(struct bpf_sock_addr *ctx)
{
    return note_owner6(ctx);
}

/* ---- the packet ---- */

struct ipv6_start {
    __u32 word;
    __u16 length;
    __u8 next;
    __u8 hops;
    __u8 source[16];
    __u8 destination[16];
};

/* Offset of the transport header, or negative. Must agree with host/packet.c in every case. */
static __always_inline int skip_extensions(struct __sk_buff *skb, __u8 *next)
{
    __u32 offset = sizeof(struct ipv6_start);
    __u8 head[8];
    int i;

    for (i = 0; i <= GATE_EXTENSIONS_MAX; i++) {
        if (offset > GATE_HEADERS_MAX)
            return -1;
        if (*next == IPPROTO_TCP || *next == IPPROTO_UDP)
            return offset;
        if (bpf_skb_load_bytes_relative(skb, offset, head, sizeof(head), BPF_HDR_START_NET))
            return -1;
        switch (*next) {
        case 0:  /* hop by hop */
        case 43: /* routing */
        case 60: /* destination */
            offset += (head[1] + 1) * 8;
            break;
        case 44: /* fragment: only the first has ports */
            if (head[2] || (head[3] & 0xf8))
                return -1;
            offset += 8;
            break;
        case 51: /* authentication */
            offset += (head[1] + 2) * 4;
            break;
        default:
            return -1;
        }
        *next = head[0];
    }
    return -1;
}

static __always_inline bool is_mapped(const __u8 address[16])
{
    const __u32 *words = (const void *)address;

    return words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff);
}

static __always_inline int parse6(struct __sk_buff *skb, struct gate_tuple *tuple)
{
    struct ipv6_start header;

    if (bpf_skb_load_bytes_relative(skb, 0, &header, sizeof(header), BPF_HDR_START_NET))
        return -1;
    tuple->protocol = header.next;
    if (is_mapped(header.destination)) {
        tuple->ip_version = 4;
        __builtin_memcpy(tuple->local_address, header.source + 12, 4);
        __builtin_memcpy(tuple->remote_address, header.destination + 12, 4);
    } else {
        tuple->ip_version = 6;
        __builtin_memcpy(tuple->local_address, header.source, 16);
        __builtin_memcpy(tuple->remote_address, header.destination, 16);
    }
    return skip_extensions(skb, &tuple->protocol);
}

static __always_inline int parse4(struct __sk_buff *skb, struct gate_tuple *tuple)
{
    __u8 header[20];

    if (bpf_skb_load_bytes_relative(skb, 0, header, sizeof(header), BPF_HDR_START_NET))
        return -1;
    if ((header[6] & 0x1f) || header[7] || (header[0] & 15) < 5)
        return -1;
    tuple->ip_version = 4;
    tuple->protocol = header[9];
    __builtin_memcpy(tuple->local_address, header + 12, 4);
    __builtin_memcpy(tuple->remote_address, header + 16, 4);
    return (header[0] & 15) * 4;
}

/* Fills tuple (zeroed by the caller) and flow. False when the packet has no tuple that the host could find either. */
static __always_inline bool parse(struct __sk_buff *skb, struct gate_tuple *tuple, struct gate_flow_key *flow)
{
    __u16 ports[2];
    __u8 version;
    int offset;

    if (bpf_skb_load_bytes_relative(skb, 0, &version, 1, BPF_HDR_START_NET))
        return false;
    if (version >> 4 == 4)
        offset = parse4(skb, tuple);
    else if (version >> 4 == 6)
        offset = parse6(skb, tuple);
    else
        return false;
    if (offset < 0 || (tuple->protocol != IPPROTO_TCP && tuple->protocol != IPPROTO_UDP))
        return false;
    if (bpf_skb_load_bytes_relative(skb, offset, ports, sizeof(ports), BPF_HDR_START_NET))
        return false;
    tuple->local_port = ports[0];
    tuple->remote_port = ports[1];
    flow->cookie = bpf_get_socket_cookie(skb);
    __builtin_memcpy(flow->remote_address, tuple->remote_address, sizeof(flow->remote_address));
    flow->remote_port = ports[1];
    flow->protocol = tuple->protocol;
    flow->ip_version = tuple->ip_version;
    return true;
}

/* What counts now; an older generation's verdict does not. */
static __always_inline __u32 verdict_of(const struct gate_flow_state *state)
{
    return state && state->verdict != GATE_UNDECIDED && state->generation == current_generation() ? state->verdict
                                                                                                  : GATE_UNDECIDED;
}

/* The decision the host has in hand, if it is this flow's: stores it. Once only: a connect() after that is a new one.
 */
static __always_inline __u32 take_from_hand(const struct gate_flow_key *flow)
{
    const __u64 *wanted = (const void *)flow, *held;
    struct gate_flow_state decision;
    struct gate_state *state;
    struct gate_hand *hand;
    __u64 sequence;
    __u32 zero = 0;

    state = bpf_map_lookup_elem(&gate_state, &zero);
    if (!state)
        return GATE_UNDECIDED;
    hand = &state->hand;
    held = (const void *)&hand->flow;
    if (*(volatile __u64 *)held != wanted[0])
        return GATE_UNDECIDED;
    sequence = __sync_fetch_and_add(&hand->sequence, 0); /* a full barrier, as below */
    if ((sequence & 1) || held[0] != wanted[0] || held[1] != wanted[1] || held[2] != wanted[2] || held[3] != wanted[3])
        return GATE_UNDECIDED;
    decision = hand->decision;
    if (__sync_fetch_and_add(&hand->sequence, 0) != sequence || decision.verdict == GATE_UNDECIDED)
        return GATE_UNDECIDED;
    if (__sync_lock_test_and_set(&hand->taken, sequence) == sequence)
        return GATE_UNDECIDED;
    if (bpf_map_update_elem(&gate_flows, flow, &decision, BPF_ANY))
        hand->taken = 0;
    return decision.generation == state->generation ? decision.verdict : GATE_UNDECIDED;
}

/* A SYN that nobody answered for in time: only after nobody served the queue, since a held one is not sent again. */
static __always_inline bool out_of_time(const struct gate_flow_key *flow, const struct gate_flow_state *state)
{
    return flow->protocol == IPPROTO_TCP && state && state->verdict == GATE_UNDECIDED &&
           bpf_ktime_get_ns() - state->since > undecided_limit_ns;
}

SEC("socket")
int xt_permit(struct __sk_buff *skb)
{
    struct gate_tuple tuple = {};
    struct gate_flow_key flow = {};
    struct gate_flow_state *state;
    __u32 verdict;

    if (!parse(skb, &tuple, &flow))
        return 0;
    state = bpf_map_lookup_elem(&gate_flows, &flow);
    verdict = verdict_of(state);
    if (verdict == GATE_UNDECIDED)
        verdict = take_from_hand(&flow);
    if (verdict == GATE_UNDECIDED && undecided_permit && out_of_time(&flow, state))
        return 1;
    return verdict == GATE_PERMIT;
}

/* Notes on the socket's own entry that it waits, so that its release is told. Leaves its owner, if known, in pended. */
static __always_inline void find_owner(const struct gate_flow_key *flow, const struct gate_tuple *tuple, bool first,
                                       struct gate_pended *pended)
{
    struct gate_flow_key key = {.cookie = flow->cookie};
    struct gate_owner_state *own = bpf_map_lookup_elem(&gate_owners, &key);
    struct gate_owner_state *owner = own;

    if (own && first) {
        __sync_fetch_and_add(&own->pended, 1);
        own->last = *tuple;
    }
    if (flow->protocol == IPPROTO_UDP) {
        owner = bpf_map_lookup_elem(&gate_owners, flow);
        if (!owner && own && !(own->caller.flags & GATE_CALLER_SEVERAL))
            owner = own;
    }
    if (!owner)
        return;
    pended->caller = owner->caller;
    if (*(volatile __u64 *)&owner->cookie != flow->cookie)
        __builtin_memset(&pended->caller, 0, sizeof(pended->caller));
}

/* A record that nobody took out for so long is of a packet that is gone. */
#define SLOT_OLD_NS 2000000000ull

static __always_inline bool same_tuple(const struct gate_tuple *a, const struct gate_tuple *b)
{
    const __u64 *left = (const void *)a, *right = (const void *)b;

    return left[0] == right[0] && left[1] == right[1] && left[2] == right[2] && left[3] == right[3] &&
           left[4] == right[4];
}

static __always_inline struct gate_slot *find_slot(const struct gate_tuple *tuple)
{
    __u32 number = gate_slot_of(tuple);

    return bpf_map_lookup_elem(&gate_slots, &number);
}

/* False: the slot is another's. */
static __always_inline bool fill_slot(const struct gate_tuple *tuple, const struct gate_pended *pended, __u64 now)
{
    struct gate_slot *slot = find_slot(tuple);
    __u64 turn, next;

    if (!slot)
        return false;
    turn = *(volatile __u64 *)&slot->turn;
    if ((turn & GATE_SLOT_BITS) == GATE_SLOT_TAKEN)
        return false;
    if ((turn & GATE_SLOT_BITS) == GATE_SLOT_FULL && now - slot->since < SLOT_OLD_NS &&
        !same_tuple(&slot->tuple, tuple))
        return false;
    next = (turn & ~(__u64)GATE_SLOT_BITS) + GATE_SLOT_BITS + 1;
    if (__sync_val_compare_and_swap(&slot->turn, turn, next | GATE_SLOT_TAKEN) != turn)
        return false;
    slot->since = now;
    slot->tuple = *tuple;
    slot->pended = *pended;
    __sync_lock_test_and_set(&slot->turn, next | GATE_SLOT_FULL);
    return true;
}

SEC("socket")
int xt_pend(struct __sk_buff *skb)
{
    struct gate_tuple tuple = {};
    struct gate_flow_key flow = {};
    struct gate_pended pended = {};
    struct gate_flow_state *state;
    __u64 now;
    bool first;

    if (!parse(skb, &tuple, &flow))
        return 1;
    state = bpf_map_lookup_elem(&gate_flows, &flow);
    if (verdict_of(state) == GATE_BLOCK) {
        if (flow.protocol == IPPROTO_UDP)
            count(GATE_COUNTER_DATAGRAMS_BLOCKED);
        return 0;
    }
    if (!undecided_permit && out_of_time(&flow, state))
        return 0;
    now = bpf_ktime_get_ns();
    first = !state;
    if (first) {
        struct gate_flow_state seen = {.since = now};

        bpf_map_update_elem(&gate_flows, &flow, &seen, BPF_NOEXIST);
    } else {
        pended.stale = state->verdict != GATE_UNDECIDED && state->generation != current_generation();
    }
    pended.cookie = flow.cookie;
    pended.local_port = tuple.local_port;
    pended.remote_port = tuple.remote_port;
    find_owner(&flow, &tuple, first, &pended);
    if (flow.protocol != IPPROTO_TCP || !fill_slot(&tuple, &pended, now))
        bpf_map_update_elem(&gate_waiting, &tuple, &pended, BPF_ANY);
    return 1;
}

/* ---- the end of a socket ---- */

/* A decision younger than this may have its packet still on the way through the rules. */
#define FRESH_NS 100000000ull

/* Takes the socket's record out of its slot, or with closed leaves it there as one whose socket was released. */
static __always_inline bool end_slot(const struct gate_tuple *tuple, __u64 cookie, bool closed)
{
    struct gate_slot *slot = tuple->protocol == IPPROTO_TCP ? find_slot(tuple) : NULL;
    __u64 turn, rest;

    if (!slot)
        return false;
    turn = *(volatile __u64 *)&slot->turn;
    rest = turn & ~(__u64)GATE_SLOT_BITS;
    if (turn != (rest | GATE_SLOT_FULL) || slot->pended.cookie != cookie || !same_tuple(&slot->tuple, tuple))
        return false;
    if (__sync_val_compare_and_swap(&slot->turn, turn, rest | GATE_SLOT_TAKEN) != turn)
        return false;
    slot->pended.closed = closed;
    __sync_lock_test_and_set(&slot->turn, rest | (closed ? GATE_SLOT_FULL : GATE_SLOT_FREE));
    return true;
}

/* Gives back what a closed socket with one decided flow took, so that the maps hold the living. */
static __always_inline void forget_flow(const struct gate_flow_key *flow, const struct gate_flow_state *state,
                                        const struct gate_tuple *tuple)
{
    struct gate_pended *pended;

    if (bpf_ktime_get_ns() - state->since > FRESH_NS)
        bpf_map_delete_elem(&gate_flows, flow);
    if (flow->protocol == IPPROTO_UDP)
        bpf_map_delete_elem(&gate_owners, flow);
    if (end_slot(tuple, flow->cookie, false))
        return;
    pended = bpf_map_lookup_elem(&gate_waiting, tuple);
    /* Another socket may wait under the same tuple. */
    if (pended && pended->cookie == flow->cookie)
        bpf_map_delete_elem(&gate_waiting, tuple);
}

/* True when something of the socket may still be in the queue. */
static __always_inline bool may_be_held(const struct gate_flow_key *own, struct gate_owner_state *owner)
{
    struct gate_flow_key flow = *own;
    struct gate_flow_state *state;
    struct gate_pended *pended;
    struct gate_tuple last = owner->last;

    __builtin_memcpy(flow.remote_address, last.remote_address, sizeof(flow.remote_address));
    flow.remote_port = last.remote_port;
    flow.protocol = last.protocol;
    flow.ip_version = last.ip_version;
    state = bpf_map_lookup_elem(&gate_flows, &flow);
    if (owner->pended == 1 && state && state->verdict && state->generation == current_generation()) {
        forget_flow(&flow, state, &last);
        return false;
    }
    if (end_slot(&last, own->cookie, true))
        return true;
    pended = bpf_map_lookup_elem(&gate_waiting, &last);
    if (pended && pended->cookie == own->cookie)
        pended->closed = 1;
    return true;
}

SEC("cgroup/sock_release")
int gate_release(struct bpf_sock *ctx)
{
    struct gate_flow_key own = {};
    struct gate_owner_state *owner;
    struct gate_event *event;
    bool waited, held = false;
    __u64 wakeup = BPF_RB_NO_WAKEUP;

    if (bpf_get_netns_cookie(ctx) != netns_cookie)
        return 1;
    own.cookie = bpf_get_socket_cookie(ctx);
    owner = bpf_map_lookup_elem(&gate_owners, &own);
    if (!owner)
        return 1;
    waited = owner->pended;
    if (waited)
        held = may_be_held(&own, owner);
    if (!held)
        bpf_map_delete_elem(&gate_owners, &own);
    if (!waited)
        return 1;
    event = bpf_ringbuf_reserve(&gate_events, sizeof(*event), 0);
    if (!event) {
        count_lost_event();
        return 1;
    }
    event->cookie = own.cookie;
    if (held || bpf_ringbuf_query(&gate_events, BPF_RB_AVAIL_DATA) > GATE_EVENTS_SIZE / 4)
        wakeup = BPF_RB_FORCE_WAKEUP;
    bpf_ringbuf_submit(event, wakeup);
    return 1;
}
