# SPDX-License-Identifier: MIT
"""The figures as a table: what was measured, its ratios, and the goals, met or not."""
import collections

from traffic import PLACEMENTS

MIXES = {
    "programs": "a program each",
    "prefixes4": "a subnet each, IPv4",
    "prefixes6": "a subnet each, IPv6",
    "triples": "program, subnet, port",
    "ports": "a range of ports each",
    "list": "one with all addresses",
    "mixed": "of all kinds",
}
Row = collections.namedtuple("Row", "goal measured limit unit met")


def ratio(figures, over, under, placement):
    connect = figures.get("connect", {})
    if over in connect and under in connect:
        return connect[over][placement]["p50_us"] / connect[under][placement]["p50_us"]
    return None


def row(goal, measured, limit, unit, at_least=False):
    if measured is None:
        return Row(goal, None, limit, unit, None)
    return Row(goal, round(measured, 3), limit, unit, measured >= limit if at_least else measured <= limit)


def verifier_rows(figures):
    verified = figures.get("verified", {})
    for placement, where in PLACEMENTS.items():
        measured = None
        if verified:
            measured = verified["verified"][placement]["p50_us"] / verified["unverified"][placement]["p50_us"]
        yield row(f"connect() held, verifier on / off, p50, {where}", measured, 2, "x")
    for key, entry in figures.get("explore", {}).items():
        if key == "own":  # the goal is for a small driver
            continue
        yield row(f"wfplab explore, at least: {entry['title']}", entry["runs_a_second"], 10000, " runs/s", at_least=True)


def classify_rows(figures):
    sizes = collections.defaultdict(list)
    for entry in figures.get("classify", []):
        sizes[entry["mix"]].append(entry)
    if not sizes:
        yield row("one classify with 100,000 filters, p50", None, 2, " us")
    for mix, (few, many) in sizes.items():
        title = f"{many['filters']:,} filters, {MIXES[mix]}"
        yield row(f"one classify, {title}, p50", many["p50_ns"] / 1000, 2, " us")
        yield row(f"one classify, {title} / with 100", many["p50_ns"] / few["p50_ns"], 2, "x")
        yield row(f"adding {title}", many["add_ms"], 600, " ms")
        yield row(f"one change among {title}, mean", many["change_us"][1] / 1000, 1, " ms")
        yield row(f"one change among {title}, worst of 34,000 (the best of three runs)", many["change_us"][2] / 1000, 20, " ms")
        if mix == "prefixes4":
            yield row(f"memory of {title}", many["resident_kib"] / 1024, 45, " MiB")


def policy_rows(figures):
    decided = figures.get("decided", {})
    for peer in ("accepting", "refusing"):
        for placement in ("free", "one"):
            entry = decided.get(peer, {}).get(placement, {})
            measured = entry["decided"]["ratio"] if entry else None
            yield row(f"connect() decided before / no firewall, p50, {peer} peer, {PLACEMENTS[placement]}", measured, 1.05, "x")
    for placement in ("one", "apart"):
        for key, other in (("decided", "no firewall beside it"), ("alone", "no gatehoused on the machine")):
            measured = figures["flow"][placement][key]["ratio"] if "flow" in figures else None
            yield row(f"throughput of a permitted flow / {other}, {PLACEMENTS[placement]}", measured, 0.99, "x", at_least=True)
    for entry in figures.get("load", {}).values():
        yield row(f"rules load, {entry['rules']:,} rules, {entry['title']}", entry["seconds"], 1, " s")
        yield row(f"memory of {entry['rules']:,} rules, {entry['title']}", entry["grown_kib"] / 1024, 64, " MiB")
    wakes = figures.get("wakes")
    title = "packets to user space, 1,000 connects a second to new destinations"
    yield row(title, wakes and wakes["packets"] + 1000 * bool(wakes["failed"]), 1, "")


def rows(figures):
    """The goals, with what was measured for each."""
    idle = figures.get("idle")
    submit = figures.get("submit", {})
    found = []
    for under, name, limit in (("loop", "bare NFQUEUE loop", 2), ("opensnitch", "OpenSnitch", 0.125)):
        for placement, where in PLACEMENTS.items():
            measured = ratio(figures, "held", under, placement)
            found.append(row(f"connect() held / {name}, p50, {where}", measured, limit, "x"))
    for placement, where in PLACEMENTS.items():
        measured = ratio(figures, "file", "held", placement)
        found.append(row(f"connect() held, gatehouse.sys / from source, p50, {where}", measured, 1.5, "x"))
    names = {"warm": "one after the other", "ordered": "in the order they came", "cold": "other memory used between"}
    for kind, (few, many) in sorted(submit.items()):
        measured = many["p50_ns"] / few["p50_ns"]
        found.append(row(f"one submit at {many['held']:,} held / at {few['held']:,}, {names[kind]}", measured, 2, "x"))
    if not submit:
        found.append(row("one submit at 1,000,000 held / at 1,000", None, 2, "x"))
    seconds = idle["seconds"] if idle else 10
    found.append(row(f"gatehoused idle: wake-ups in {seconds} s", idle and float(idle["wakeups"]), 0, ""))
    found.append(row("gatehoused idle: resident memory", idle and idle["resident_kib"] / 1024, 16, " MiB"))
    found += policy_rows(figures)
    found += classify_rows(figures)
    found += verifier_rows(figures)
    return found


def line(words, width=(90, 12, 12, 15, 16)):
    first, *others = words
    return (f"  {first:<{width[0]}}" + "".join(f"{word:>{size}}" for word, size in zip(others, width[1:]))).rstrip()


def connect_lines(figures):
    connect = figures.get("connect")
    if not connect:
        return
    for placement, where in PLACEMENTS.items():
        others = [connect.get(key, {}).get(placement, {}).get("p50_us") for key in ("none", "loop")]
        title = f"connect() and reset, over veth, IPv4; {where}"
        yield line((title, "p50 us", "p99 us", "/ none", "/ loop"))
        for entry in connect.values():
            p50, p99 = entry[placement]["p50_us"], entry[placement]["p99_us"]
            ratios = [f"{p50 / other:.2f}" if other else "" for other in others]
            yield line((f"  {entry['title']}", f"{p50:.1f}", f"{p99:.1f}", *ratios))
    if not figures["send_decided"]:
        return
    base = figures["send_decided"].get("none", {}).get("p50_us")
    yield line(("send() of a later datagram of a permitted flow; all on one processor", "p50 us", "p99 us", "/ none"))
    for entry in figures["send_decided"].values():
        title = entry["title"].partition(":")[0]
        ratios = f"{entry['p50_us'] / base:.2f}" if base else ""
        yield line((f"  {title}", f"{entry['p50_us']:.2f}", f"{entry['p99_us']:.2f}", ratios))


def verifier_lines(figures):
    for placement, where in PLACEMENTS.items():
        if figures.get("verified"):
            yield line((f"the same with wfplab live; {where}", "p50 us", "p99 us"))
        for entry in figures.get("verified", {}).values():
            yield line((f"  {entry['title']}", f"{entry[placement]['p50_us']:.1f}", f"{entry[placement]['p99_us']:.1f}"))
    if figures.get("explore"):
        yield line(("wfplab explore, end to end on one processor: runs a second of its time, and that passed", "busy", "passed"))
    for entry in figures.get("explore", {}).values():
        yield line((f"  {entry['title']}", f"{entry['runs_a_second']:,}", f"{entry['runs_a_second_passed']:,}"))
    if figures.get("schedule"):
        yield line(("scheduled runs of a driver that holds two connections, without the lab", "runs/s"))
    for name, runs in figures.get("schedule", {}).items():
        yield line((f"  {name}", f"{runs:,}"))


def interval(entry):
    return f"{entry['ratio']:.3f}", f"{entry['ratio_low']:.3f}-{entry['ratio_high']:.3f}"


def policy_lines(figures):
    for peer, placements in figures.get("decided", {}).items():
        for placement, entries in placements.items():
            title = f"connect() decided before, {peer} peer; {PLACEMENTS[placement]}"
            yield line((title, "p50 us", "p99 us", "/ none", "95 %"))
            for entry in entries.values():
                yield line((f"  {entry['title']}", f"{entry['p50_us']:.2f}", f"{entry['p99_us']:.1f}", *interval(entry)))
    for placement, entries in figures.get("flow", {}).items():
        yield line((f"one TCP flow; {PLACEMENTS[placement]}", "MB/s", "/ none", "95 %"))
        for entry in entries.values():
            yield line((f"  {entry['title']}", f"{entry['bytes_a_second'] / 1e6:.0f}", *interval(entry)))
    if "load" in figures:
        yield line(("rules load, from a file to the rules in force", "s", "daemon s", "check s", "peak MiB"))
    for entry in figures.get("load", {}).values():
        numbers = (entry["seconds"], entry["busy_seconds"], entry["check_seconds"])
        peak = f"{entry['peak_kib'] / 1024:.0f}"
        yield line((f"  {entry['rules']:,} rules, {entry['title']}", *(f"{number:.2f}" for number in numbers), peak))
    if "wakes" in figures:
        wakes = figures["wakes"]
        yield line((f"{wakes['connects']:,} connects to new destinations: {wakes['packets']} packets to user space, "
                    f"{wakes['after_the_first']} after the first, {wakes['failed']} failed",))  # fmt: skip


def inside_lines(figures):
    if figures.get("submit"):
        yield line(("one submit in core/", "p50 ns", "p99 ns"))
        for kind, entries in sorted(figures["submit"].items()):
            for entry in entries:
                yield line((f"  {entry['held']:,} held, {kind}", f"{entry['p50_ns']:.0f}", f"{entry['p99_ns']:.0f}"))
    if figures.get("classify"):
        yield line(("one classify in the engine", "p50 ns", "cold ns", "add ms", "MiB"))
        for entry in figures["classify"]:
            title = f"  {entry['filters']:,} filters: {MIXES[entry['mix']]}"
            numbers = (f"{entry['p50_ns']:.0f}", f"{entry['cold_p50_ns']:.0f}", f"{entry['add_ms']:.0f}")
            yield line((title, *numbers, f"{entry['resident_kib'] / 1024:.1f}"))
    for key, title in (("idle", "gatehoused"), ("idle_decider", "gatehouse permit")):
        if key in figures:
            idle = figures[key]
            yield line((f"{title}, idle for {idle['seconds']} s: {idle['wakeups']} wake-ups, {idle['ran_us']:.0f} us run",))
            yield line(
                (
                    f"  resident {idle['resident_kib'] / 1024:.1f} MiB (own {idle['anonymous_kib'] / 1024:.1f}, from "
                    f"files {idle['file_kib'] / 1024:.1f}), its share {idle['proportional_kib'] / 1024:.1f} MiB",
                )
            )


def table(figures, goals):
    machine = figures["machine"]
    lines = [
        f"measured on {machine['processor']} x {machine['processors']}, Linux {machine['kernel']}, "
        f"commit {machine['commit']}, load {machine['load']:.2f}",
        "",
        *connect_lines(figures),
        "",
        *policy_lines(figures),
        "",
        *inside_lines(figures),
        "",
        *verifier_lines(figures),
        "",
        line(("goal", "measured", "limit", "")),
    ]
    for entry in goals:
        measured = "not here" if entry.measured is None else f"{entry.measured:g}{entry.unit}"
        verdict = {True: "met", False: "NOT MET", None: ""}[entry.met]
        lines.append(line((entry.goal, measured, f"{entry.limit:g}{entry.unit}", verdict)))
    lines += ["", *figures["notes"]] if figures["notes"] else []
    return "\n".join(lines)
