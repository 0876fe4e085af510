# SPDX-License-Identifier: MIT
"""What rules cost: a connect() that the kernel decides, a permitted flow, loading 100,000 of them, and who has to wake up.

Everything beside the same without a firewall (and OpenSnitch where it is installed): one process, which connects or
sends in the namespaces of all in turn, some milliseconds each. A ratio is the median of the rounds' own ratios, each of
neighbours in time, with the interval in which it lies with 95 percent. A second lab without a firewall is measured like
the others: how far its ratio is from 1 says what the two namespaces, and the method, are good for.
"""
import os
import pathlib
import statistics
import subprocess
import time

from gatetest import names, net

import idle
from traffic import APART, FREE, ONE, PORT, OpenSnitch, Variant, paired, summary

SINK, NOBODY = 7001, 7002
PEERS = {"accepting": ("tcp", PORT), "refusing": ("refused", NOBODY)}
RULES = 100000


def rules(variant, *arguments):
    command = [names.find_program("gatehouse"), "--socket", variant.lab.socket, "rules", *arguments]
    done = variant.lab.run(*command, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"gatehouse rules: {done.stderr.strip()}")


class Again(Variant):
    key, title = "again", "no firewall, another pair of namespaces"


class Decided(Variant):
    key, title = "decided", "gatehoused: permitted by a rule, decided before"

    def start(self):
        self.daemon = self.lab.gatehoused()
        path = pathlib.Path(self.directory, "policy")
        programs = ", ".join(f'"{names.find_program(name)}"' for name in ("connect_bench", "turns_bench", "flow_bench"))
        path.write_text(f"permit program {{ {programs} }} out proto tcp\nblock all\n", "utf-8")
        rules(self, "load", path)


KINDS = (Variant, Again, Decided, OpenSnitch)


def start_variants(notes):
    variants = []
    for number, kind in enumerate(KINDS):
        variant = kind(f"p{number}")
        try:
            variants.append(variant.set_up())
        except names.Missing as reason:
            notes.append(f"{kind.title}: not measured, {reason}")
            variant.tear_down()
        except BaseException:
            for made in [*variants, variant]:
                made.tear_down()
            raise
    return variants


def samples(variant, kind, port, count, placement):
    processors = ",".join(str(number) for number in variant.place(placement))
    command = ["taskset", "-c", processors, names.find_program("connect_bench"), kind, net.SERVER_V4, port, count]
    done = variant.lab.run(*command, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{variant.title}: {done.stderr.strip()}")
    return [int(line) for line in done.stdout.split()]


def turns(variants, kind, port, rounds, placement):
    """What each line says of its variant: {variant: [numbers of a round]}. One process goes through all of them in turn."""
    for variant in variants:
        processors = variant.place(placement)
    command = ["taskset", "-c", ",".join(str(number) for number in processors), names.find_program("turns_bench"),
               kind, net.SERVER_V4, str(port), str(rounds), *(v.lab.client.path for v in variants)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{kind} in turns: {done.stderr.strip()}")
    taken = {variant.key: [] for variant in variants}
    for line in done.stdout.splitlines():
        number, *values = (int(word) for word in line.split())
        taken[variants[number].key].append(values)
    return taken


def one_by_one(variants, kind, port, rounds, count, placement):
    """A process for each, in rounds that take turns; for a ratio so large that its last percent does not matter."""
    taken = {variant.key: [] for variant in variants}
    for _ in range(rounds):
        for variant in variants:
            taken[variant.key].append(samples(variant, kind, port, count, placement))
    return taken


def connects(variants, rounds):
    """{peer: {placement: {variant: summary}}}"""
    found = {}
    near = [v for v in variants if v.key != "opensnitch"]
    far = [v for v in variants if v.key in ("none", "opensnitch")] if len(near) < len(variants) else []
    for peer, (kind, port) in PEERS.items():
        found[peer] = {}
        for place in (FREE, ONE):
            taken = turns(near, kind, port, 4, place) and turns(near, kind, port, rounds, place)  # the first to get warm
            other = one_by_one(far, kind, port, max(2, rounds // 40), 100, place)
            here = {}
            for v in variants:
                mine, base = (taken, taken["none"]) if v in near else (other, other["none"])
                ratio = paired([statistics.median(s) for s in mine[v.key]], [statistics.median(s) for s in base])
                here[v.key] = {"title": v.title, **summary(mine[v.key]), **ratio}
            found[peer][place] = here
    return found


# --- One flow ----------------------------------------------------------------------------------------

def flow_rates(variants, rounds, placement):
    """{variant: bytes a second of each round}, each round one connection of each, by the same two programs."""
    every = sorted(os.sched_getaffinity(0))
    command = [names.find_program("flow_bench"), net.SERVER_V4, SINK, rounds, every[0], every[-1 if placement == APART else 0],
               *(space.path for v in variants for space in (v.lab.client, v.lab.server))]  # fmt: skip
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"flows in turns: {done.stderr.strip()}")
    rates = {variant.key: [] for variant in variants}
    for line in done.stdout.splitlines():
        number, sent, ns = (int(word) for word in line.split())
        rates[variants[number].key].append(sent / ns * 1e9)
    return rates


def flow_start(number, rounds, notes):
    """Fresh namespaces, measured without gatehoused on the machine, with it in one of them, and without again."""
    variants = [kind(f"f{number}{index}") for index, kind in enumerate(KINDS)]
    left = list(variants)
    try:
        for variant in variants:
            variant.lab.create()
        try:
            variants[-1].start()
        except names.Missing as reason:
            notes.append(f"{variants[-1].title}, one flow: not measured, {reason}")
            variants.pop()
        taken = []
        for when in ("before", "beside", "after"):
            if when == "beside":
                variants[2].start()
            if when == "after":
                variants[2].daemon.stop()
            taken.append({place: flow_rates(variants, rounds, place) for place in (ONE, APART)})
        return taken
    finally:
        for variant in left:
            notes += [f"left behind by {variant.title}: {what}" for what in variant.tear_down()]


def flows(starts, rounds, notes):
    """{placement: {variant: bytes a second}}, from the medians of the starts: what two namespaces differ by from the
    beginning is in the interval. "alone": the decided one's ratio to no firewall anywhere on the machine."""
    taken = [flow_start(number, rounds, notes) for number in range(starts)]
    found = {}
    for place in (ONE, APART):
        kinds = [kind for kind in KINDS if all(kind.key in start[1][place] for start in taken)]
        beside = {kind.key: [statistics.median(start[1][place][kind.key]) for start in taken] for kind in kinds}
        alone = [statistics.median(start[0][place]["none"] + start[2][place]["none"]) for start in taken]
        rows = [(kind.key, kind.title, beside[kind.key], beside["none"], beside[kind.key]) for kind in kinds]
        rows.append(("alone", "no gatehoused on the machine; what the permitted flow is of that", beside["decided"], alone, alone))
        found[place] = {
            key: {"title": title, "bytes_a_second": statistics.median(shown), **paired(mine, other)}
            for key, title, mine, other, shown in rows
        }
    return found


# --- Loading -----------------------------------------------------------------------------------------

def address(number):
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


POLICIES = {
    "addresses": ("an address each", lambda i: f"block out to {address(i)}"),
    "triples": ("program, subnet, port", lambda i: f'permit program "/opt/v/{i % 1000}" out proto tcp to {address(i * 4)}/30 port {1 + i % 60000}'),
    "mixed": ("of all kinds", lambda i: (
        f'permit program "/opt/vendor/product-{i}/bin/program" out proto tcp to {address(i)} port {1 + i % 60000}',
        f"block out to {address(i)}",
        f"permit out proto tcp to {address(i)} port {1 + i % 60000}",
        f'permit program "/opt/product-{i}" out',
    )[i % 4]),
}  # fmt: skip


def busy(pid):
    """Seconds of processor time, also of threads that have ended."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load_once(kind, number):
    variant = Variant(f"l{number}")
    try:
        variant.lab.create()
        daemon = variant.lab.gatehoused()
        path = pathlib.Path(variant.directory, kind)
        path.write_text("".join(POLICIES[kind][1](i) + "\n" for i in range(RULES)), "utf-8")
        before, ran = idle.fields(f"/proc/{daemon.pid}/status")["VmRSS"], busy(daemon.pid)
        began = time.monotonic()
        rules(variant, "load", path)
        took, ran = time.monotonic() - began, busy(daemon.pid) - ran
        began = time.monotonic()
        subprocess.run([names.find_program("gatehouse"), "rules", "check", path], capture_output=True, check=True, timeout=60)
        check = time.monotonic() - began
        time.sleep(1.5)
        status = idle.fields(f"/proc/{daemon.pid}/status")
        return {"seconds": took, "busy_seconds": ran, "check_seconds": check, "before_kib": before,
                "after_kib": status["VmRSS"], "peak_kib": status["VmHWM"]}  # fmt: skip
    finally:
        variant.tear_down()


def loads(rounds):
    """The best of the runs: everything else on the machine only adds."""
    found = {}
    for kind, (title, _) in POLICIES.items():
        runs = [load_once(kind, f"{kind[0]}{number}") for number in range(rounds)]
        best = {key: min(run[key] for run in runs) for key in runs[0]}
        found[kind] = {"title": title, "rules": RULES, **best, "grown_kib": min(run["after_kib"] - run["before_kib"] for run in runs)}
    return found


# --- Who wakes up ------------------------------------------------------------------------------------

def burst(variant, count, address):
    """So many connects at once, each to another destination; how many failed."""
    talker = variant.lab.talker("many_connects", count, "distinct", address, PORT, 20)
    failed = sum(talker.read_line().split()[1] != "0" for _ in range(count))
    talker.close()
    return failed


def wakes(seconds):
    """One connect under a rule for the program, and when it is decided 1,000 a second, each to another destination."""
    variant = Variant("w")
    try:
        variant.set_up()
        variant.lab.gatehoused("--no-decider", "block")
        path = pathlib.Path(variant.directory, "policy")
        path.write_text(f'permit program "{names.find_program("many_connects")}" out\n', "utf-8")
        rules(variant, "load", path)
        with variant.lab.observer() as watcher:
            seen = [watcher.platform().packets_seen]
            failed = burst(variant, 1, net.SERVER_V4)
            seen.append(watcher.platform().packets_seen)
            for second in range(seconds):
                began = time.monotonic()
                failed += burst(variant, 1000, f"10.78.{second * 4}.1")
                seen.append(watcher.platform().packets_seen)
                time.sleep(max(0, began + 1 - time.monotonic()))
        return {"connects": 1000 * seconds, "failed": failed, "packets": seen[-1] - seen[0], "after_the_first": seen[-1] - seen[1]}
    finally:
        variant.tear_down()


def measure(quick, notes):
    figures = {}
    try:
        variants = start_variants(notes)
        try:
            figures["decided"] = connects(variants, 20 if quick else 400)
        finally:
            for variant in variants:
                notes += [f"left behind by {variant.title}: {what}" for what in variant.tear_down()]
        figures["flow"] = flows(2 if quick else 9, 10 if quick else 25, notes)
        figures["wakes"] = wakes(1 if quick else 5)
        figures["load"] = loads(1 if quick else 3)
    except names.Missing as reason:
        notes.append(f"rules: not measured, {reason}")
    return figures
