/* SPDX-License-Identifier: MIT */
/*
 * gate_bpf.c - programs, maps and links, and their pins.
 *
 * Maps, links and the xt programs are pinned under the names they have in bpf/gate.bpf.c, so that they outlive this
 * process and the next one finds them. On a re-open the maps are kept; new programs take the place of the old ones: a
 * link by one atomic update, a pinned xt program by a rename (the rules hold the old one until they are replaced too).
 *
 * When you add a map: pin it in pin_maps, unless losing it at a restart is right. When you add a hook: add it to hooks.
 */
#include "gate_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Woverlength-strings"
#include "bpf/gate.skel.h"
#pragma GCC diagnostic pop

#define GRACE_MS 2000u

/* A piece takes some 4 to 6 us, once, when it is first used. */
#define CACHE_PIECE 16384
#define HITS_PIECE  65536

#define PIN_SIZE (GATE_PIN_DIR_SIZE + 40)

static int print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
    (void)level;
    (void)format;
    (void)arguments;
    return 0;
}

static void pin_path(char path[PIN_SIZE], const char *directory, const char *name)
{
    snprintf(path, PIN_SIZE, "%s/%s", directory, name);
}

/* The maps whose loss at a restart would be felt. */
static int pin_maps(struct gate_bpf *skeleton, const char *directory)
{
    struct bpf_map *const maps[] = {
        skeleton->maps.gate_flows,    skeleton->maps.gate_owners,  skeleton->maps.gate_waiting,
        skeleton->maps.gate_images,   skeleton->maps.gate_slots,   skeleton->maps.gate_state,
        skeleton->maps.gate_counters, skeleton->maps.gate_events,  skeleton->maps.gate_cache,
        skeleton->maps.gate_decided,  skeleton->maps.gate_spilled, skeleton->maps.gate_hits,
        skeleton->maps.gate_local,    skeleton->maps.gate_accepts, skeleton->maps.gate_refused,
        skeleton->maps.gate_bound,    skeleton->maps.gate_groups};
    char path[PIN_SIZE];

    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        int code;

        pin_path(path, directory, bpf_map__name(maps[i]));
        code = bpf_map__set_pin_path(maps[i], path);
        if (code)
            return code;
    }
    return 0;
}

/* True when the pinned maps were made by a gate that lays them out as we do. */
static bool layout_matches(const char *directory)
{
    struct gate_state state = {0};
    char path[PIN_SIZE];
    uint32_t zero = 0;
    bool same;
    int fd;

    pin_path(path, directory, "gate_state");
    fd = bpf_obj_get(path);
    if (fd < 0)
        return false;
    same = !bpf_map_lookup_elem(fd, &zero, &state) && state.layout == GATE_LAYOUT;
    close(fd);
    return same;
}

void gate_guard_remove(const char *directory)
{
    char path[PIN_SIZE];

    pin_path(path, directory, "link_gate_guard");
    unlink(path);
}

static void unlink_maps(const char *directory)
{
    static const char *const names[] = {
        "gate_flows",    "gate_owners",   "gate_waiting", "gate_images",  "gate_slots",   "gate_state",
        "gate_counters", "gate_events",   "gate_cache",   "gate_decided", "gate_spilled", "gate_hits",
        "gate_local",    "gate_programs", "gate_accepts", "gate_refused", "gate_bound",   "gate_groups"};
    char path[PIN_SIZE];

    gate_guard_remove(directory); /* it would go on by the old maps */
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        pin_path(path, directory, names[i]);
        unlink(path);
    }
}

static int explain_load(int code, struct gate_error *error)
{
    struct btf *btf = btf__load_vmlinux_btf();

    if (libbpf_get_error(btf) || !btf)
        return gate_fail(error, code,
                         "the kernel has no type information (CONFIG_DEBUG_INFO_BTF, "
                         "/sys/kernel/btf/vmlinux), which the eBPF programs need");
    btf__free(btf);
    if (code == -EPERM || code == -EACCES)
        return gate_fail(error, code,
                         "no right to load eBPF programs: CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are needed "
                         "(run as root), and lockdown must not forbid it");
    if (code == -ENOMEM)
        return gate_fail(error, code, "not enough kernel memory for the eBPF maps (about 90 MiB)");
    return gate_fail(error, code, "the kernel refuses the eBPF programs: %s; Linux 5.15 or newer is needed",
                     strerror(-code));
}

static int try_load(struct gate_programs *programs, const struct gate_load *load, bool with_exec, bool with_guard,
                    bool deep)
{
    struct gate_bpf *skeleton = gate_bpf__open();
    int code;

    if (!skeleton)
        return -errno;
    bpf_program__set_autoload(skeleton->progs.gate_exec, with_exec);
    bpf_program__set_autoload(skeleton->progs.gate_guard, with_guard);
    bpf_program__set_autoload(skeleton->progs.xt_gate, deep);
    bpf_program__set_autoload(skeleton->progs.xt_pend, deep);
    bpf_program__set_autoload(skeleton->progs.xt_gate_other, !deep);
    bpf_program__set_autoload(skeleton->progs.xt_pend_other, !deep);
    bpf_program__set_autoload(skeleton->progs.xt_gate_lo, !deep);
    bpf_program__set_autoload(skeleton->progs.xt_pend_lo, !deep);
    skeleton->rodata->netns_cookie = load->netns_cookie;
    skeleton->rodata->undecided_limit_ns = ((uint64_t)load->options->deadline_ms + GRACE_MS) * 1000000;
    skeleton->rodata->host_mount_namespace = load->host_mount_namespace;
    skeleton->rodata->dead_open = load->options->dead_open;
    code = pin_maps(skeleton, load->directory);
    if (!code)
        code = gate_bpf__load(skeleton);
    if (code)
        gate_bpf__destroy(skeleton);
    else
        programs->skeleton = skeleton;
    programs->deep = deep;
    return code;
}

/*
 * Without the kernel's own structures (Linux 6.2), the rules choose by the device, which costs a little. Without the
 * trace point, every path is taken at connect(); without the guard, packet rules that are flushed are put back a
 * moment later: both are worth less, but no reason not to start.
 */
static int load_programs(struct gate_programs *programs, const struct gate_load *load, struct gate_error *error)
{
    int code = -EINVAL;

    for (unsigned without = 0; code && without < 8; without++)
        code = try_load(programs, load, !(without & 1), !(without & 2), !(without & 4));
    return programs->skeleton ? 0 : explain_load(code, error);
}

/* Puts a new program under a name that may be taken. */
static int pin_program(const struct bpf_program *program, const char *directory, struct gate_error *error)
{
    char path[PIN_SIZE], fresh[PIN_SIZE + 8];
    int code = 0;

    pin_path(path, directory, bpf_program__name(program));
    snprintf(fresh, sizeof(fresh), "%s_new", path);
    unlink(fresh);
    if (bpf_obj_pin(bpf_program__fd(program), fresh))
        code = -errno;
    else if (rename(fresh, path))
        code = -errno;
    return code ? gate_fail(error, code, "cannot pin an eBPF program at %s: %s", path, strerror(-code)) : 0;
}

static int attach(const struct bpf_program *program, enum bpf_attach_type type, const char *directory, int cgroup,
                  struct gate_error *error)
{
    char path[PIN_SIZE], name[40];
    int link, code = 0;

    snprintf(name, sizeof(name), "link_%s", bpf_program__name(program));
    pin_path(path, directory, name);
    link = bpf_obj_get(path);
    if (link >= 0) {
        if (!bpf_link_update(link, bpf_program__fd(program), NULL)) {
            close(link);
            return 0;
        }
        close(link);
        unlink(path);
    }
    link = bpf_link_create(bpf_program__fd(program), cgroup, type, NULL);
    if (link < 0)
        return gate_fail(error, -errno, "cannot attach %s to the root of cgroup2 (CONFIG_CGROUP_BPF): %s",
                         bpf_program__name(program), strerror(errno));
    if (bpf_obj_pin(link, path))
        code = gate_fail(error, -errno, "cannot pin an eBPF link at %s: %s", path, strerror(errno));
    close(link);
    return code;
}

/* A trace point's link cannot be given a new program: the new one comes first, then the old one goes. */
static int attach_trace(const struct bpf_program *program, const char *directory, struct gate_error *error)
{
    char path[PIN_SIZE], name[40];
    struct bpf_link *link;
    int code = 0;

    snprintf(name, sizeof(name), "link_%s", bpf_program__name(program));
    pin_path(path, directory, name);
    if (bpf_program__fd(program) < 0) {
        unlink(path);
        return 0;
    }
    link = bpf_program__attach(program);
    if (libbpf_get_error(link))
        return 0; /* as if it could not be loaded */
    unlink(path);
    if (bpf_link__pin(link, path))
        code = gate_fail(error, -errno, "cannot pin an eBPF link at %s: %s", path, strerror(errno));
    bpf_link__destroy(link); /* the pin keeps it */
    return code;
}

bool gate_programs_guard(struct gate_programs *programs, const struct gate_load *load)
{
    const struct bpf_program *guard = programs->skeleton->progs.gate_guard;

    return bpf_program__fd(guard) >= 0 && !attach(guard, BPF_CGROUP_INET_EGRESS, load->directory, load->cgroup, NULL);
}

static int attach_all(struct gate_bpf *skeleton, const char *directory, int cgroup, struct gate_error *error)
{
    const struct {
        const struct bpf_program *program;
        enum bpf_attach_type type;
    } hooks[] = {
        {skeleton->progs.gate_connect4, BPF_CGROUP_INET4_CONNECT},
        {skeleton->progs.gate_connect6, BPF_CGROUP_INET6_CONNECT},
        {skeleton->progs.gate_sendmsg4, BPF_CGROUP_UDP4_SENDMSG},
        {skeleton->progs.gate_sendmsg6, BPF_CGROUP_UDP6_SENDMSG},
        {skeleton->progs.gate_release, BPF_CGROUP_INET_SOCK_RELEASE},
    };
    const struct bpf_program *const matches[] = {skeleton->progs.xt_gate,       skeleton->progs.xt_pend,
                                                 skeleton->progs.xt_gate_other, skeleton->progs.xt_pend_other,
                                                 skeleton->progs.xt_gate_lo,    skeleton->progs.xt_pend_lo,
                                                 skeleton->progs.xt_rest};
    int code = 0;

    for (size_t i = 0; !code && i < sizeof(matches) / sizeof(matches[0]); i++)
        if (bpf_program__fd(matches[i]) >= 0)
            code = pin_program(matches[i], directory, error);
    for (size_t i = 0; !code && i < sizeof(hooks) / sizeof(hooks[0]); i++)
        code = attach(hooks[i].program, hooks[i].type, directory, cgroup, error);
    if (!code)
        code = attach_trace(skeleton->progs.gate_exec, directory, error);
    return code;
}

int gate_program_pin(const struct bpf_program *program, const char *directory, struct gate_error *error)
{
    return pin_program(program, directory, error);
}

int gate_program_attach(const struct bpf_program *program, int type, const struct gate_load *load,
                        struct gate_error *error)
{
    return attach(program, (enum bpf_attach_type)type, load->directory, load->cgroup, error);
}

static size_t whole_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    return (size + page - 1) / page * page;
}

static void *share(const struct bpf_map *map, size_t size)
{
    void *memory = mmap(NULL, whole_pages(size), PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* Small ones, and those that are used for each connection: whole. The others through windows. */
static bool share_all(struct gate_programs *programs)
{
    const struct gate_bpf *skeleton = programs->skeleton;
    struct gate_maps *maps = &programs->maps;
    int code;

    maps->state = share(skeleton->maps.gate_state, sizeof(struct gate_state));
    maps->slots = maps->state ? share(skeleton->maps.gate_slots, GATE_SLOTS * sizeof(struct gate_slot)) : NULL;
    if (!maps->slots)
        return false;
    code = map_window_open(&maps->hits, bpf_map__fd(skeleton->maps.gate_hits), GATE_HITS_MAX * sizeof(struct gate_hit),
                           HITS_PIECE);
    if (!code)
        code = map_window_open(&maps->cache, bpf_map__fd(skeleton->maps.gate_cache),
                               GATE_CACHE * sizeof(struct gate_cache_entry), CACHE_PIECE);
    errno = -code;
    return !code;
}

static int map_memory(struct gate_programs *programs, struct gate_error *error)
{
    struct gate_state *state;

    if (!share_all(programs))
        return gate_fail(error, -errno, "cannot share memory with the eBPF programs: %s", strerror(errno));
    state = programs->maps.state;
    if (state->layout != GATE_LAYOUT) {
        if (getrandom(state->secret, sizeof(state->secret), 0) != sizeof(state->secret))
            return gate_fail(error, -EIO, "the kernel gives no random numbers");
        state->generation = 1;
        state->layout = GATE_LAYOUT;
    }
    state->hand.sequence |= 1; /* new, or a gate was killed with its hand open */
    return 0;
}

int gate_programs_open(struct gate_programs *programs, const struct gate_load *load, bool *adopted,
                       struct gate_error *error)
{
    bool keep = layout_matches(load->directory);
    struct gate_bpf *skeleton;
    int code;

    libbpf_set_print(print_nothing);
    if (!keep)
        unlink_maps(load->directory);
    code = load_programs(programs, load, error);
    if (!code)
        code = map_memory(programs, error);
    if (!code)
        code = attach_all(programs->skeleton, load->directory, load->cgroup, error);
    if (code)
        return code;
    skeleton = programs->skeleton;
    programs->maps.flows = bpf_map__fd(skeleton->maps.gate_flows);
    programs->maps.owners = bpf_map__fd(skeleton->maps.gate_owners);
    programs->maps.waiting = bpf_map__fd(skeleton->maps.gate_waiting);
    programs->maps.images = bpf_map__fd(skeleton->maps.gate_images);
    programs->maps.groups = bpf_map__fd(skeleton->maps.gate_groups);
    programs->maps.counters = bpf_map__fd(skeleton->maps.gate_counters);
    programs->maps.local = bpf_map__fd(skeleton->maps.gate_local);
    programs->maps.refused = bpf_map__fd(skeleton->maps.gate_refused);
    programs->maps.spilled = bpf_map__fd(skeleton->maps.gate_spilled);
    programs->maps.decided = bpf_map__fd(skeleton->maps.gate_decided);
    *adopted = keep;
    return 0;
}

bool gate_programs_know(const struct gate_programs *programs, const char *name)
{
    return bpf_object__find_program_by_name(programs->skeleton->obj, name);
}

void gate_programs_close(struct gate_programs *programs)
{
    struct gate_maps *maps = &programs->maps;

    if (maps->state)
        munmap(maps->state, whole_pages(sizeof(struct gate_state)));
    if (maps->slots)
        munmap(maps->slots, whole_pages(GATE_SLOTS * sizeof(struct gate_slot)));
    map_window_close(&maps->hits);
    map_window_close(&maps->cache);
    if (programs->skeleton)
        gate_bpf__destroy(programs->skeleton);
    memset(programs, 0, sizeof(*programs));
}

int gate_programs_ring(const struct gate_programs *programs)
{
    return bpf_map__fd(programs->skeleton->maps.gate_events);
}

int gate_programs_count(const struct gate_programs *programs, uint64_t counts[GATE_COUNTERS])
{
    int cpus = libbpf_num_possible_cpus();
    uint64_t values[1024];

    if (cpus < 1 || cpus > 1024)
        return -ERANGE;
    for (uint32_t counter = 0; counter < GATE_COUNTERS; counter++) {
        counts[counter] = 0;
        if (bpf_map_lookup_elem(programs->maps.counters, &counter, values))
            return -errno;
        for (int cpu = 0; cpu < cpus; cpu++)
            counts[counter] += values[cpu];
    }
    return 0;
}
