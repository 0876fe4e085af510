# SPDX-License-Identifier: MIT
"""What rules cost: a connect() that the kernel decides, a permitted flow, loading 100,000 of them, and who has to wake up.

Everything beside the same without a firewall (and OpenSnitch where it is installed), in rounds that take turns.
"""
import os
import pathlib
import random
import statistics
import subprocess
import time

from gatetest import names, net

import idle
from traffic import APART, FREE, ONE, PORT, OpenSnitch, Variant, summary

SINK, NOBODY = 7001, 7002
PEERS = {"accepting": ("tcp", PORT), "refusing": ("refused", NOBODY)}
RULES = 100000


def rules(variant, *arguments):
    command = [names.find_program("gatehouse"), "--socket", variant.lab.socket, "rules", *arguments]
    done = variant.lab.run(*command, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"gatehouse rules: {done.stderr.strip()}")


class Bare(Variant):
    def start(self):
        self.lab.start([names.find_program("connect_bench"), "sink", str(SINK)], self.lab.server, "sink").wait_for("ready")

    def place(self, placement):
        """The sink is a listener too: beside the program, or with APART on another processor."""
        processors = super().place(placement)
        for program in self.lab.programs:
            if "sink" in program.log.name:
                every = sorted(os.sched_getaffinity(0))
                os.sched_setaffinity(program.pid, {ONE: every[:1], APART: every[-1:]}.get(placement, every))
        return processors

    def flow(self, milliseconds, placement):
        """Bytes a second."""
        processors = ",".join(str(number) for number in self.place(placement))
        command = ["taskset", "-c", processors, names.find_program("connect_bench"), "flow", net.SERVER_V4, SINK, milliseconds]
        done = self.lab.run(*command, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"{self.title}: {done.stderr.strip()}")
        sent, nanoseconds = done.stdout.split()
        return int(sent) / int(nanoseconds) * 1e9


class Decided(Bare):
    key, title = "decided", "gatehoused: permitted by a rule, decided before"

    def start(self):
        super().start()
        self.lab.gatehoused()
        path = pathlib.Path(self.directory, "policy")
        path.write_text(f'permit program "{names.find_program("connect_bench")}" out proto tcp\nblock all\n', "utf-8")
        rules(self, "load", path)


class Beside(OpenSnitch, Bare):
    """OpenSnitch with a sink."""

    def start(self):
        Bare.start(self)
        OpenSnitch.start(self)

    place = Bare.place


def start_variants(notes):
    variants = []
    for number, kind in enumerate((Bare, Decided, Beside)):
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


def connects(variants, rounds, count):
    """{peer: {placement: {variant: summary}}}"""
    taken = {(peer, place, v.key): [] for peer in PEERS for place in (FREE, ONE) for v in variants}
    order = random.Random(2)
    for number in range(-1, rounds):
        for variant in order.sample(variants, len(variants)):
            for peer, (kind, port) in PEERS.items():
                for place in (FREE, ONE):
                    found = samples(variant, kind, port, count if variant.key != "opensnitch" else count // 4, place)
                    if number >= 0:  # the first round is to get warm
                        taken[peer, place, variant.key].append(found)
    return {
        peer: {place: {v.key: {"title": v.title, **summary(taken[peer, place, v.key])} for v in variants} for place in (FREE, ONE)}
        for peer in PEERS
    }


def flows(variants, rounds, milliseconds):
    """Bytes a second; the ratio is that of each round's neighbours, its median."""
    taken = {(place, v.key): [] for place in (ONE, APART) for v in variants}
    order = random.Random(3)
    for _ in range(rounds):
        for place in (ONE, APART):
            for variant in order.sample(variants, len(variants)):
                taken[place, variant.key].append(variant.flow(milliseconds, place))
    found = {}
    for place in (ONE, APART):
        bare = taken[place, "none"]
        found[place] = {
            v.key: {
                "title": v.title,
                "bytes_a_second": statistics.median(taken[place, v.key]),
                "ratio": statistics.median(mine / other for mine, other in zip(taken[place, v.key], bare)),
                "rounds": rounds,
                "milliseconds": milliseconds,
            }
            for v in variants
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
            figures["decided"] = connects(variants, 4 if quick else 40, 200 if quick else 400)
            figures["flow"] = flows(variants, 3 if quick else 12, 300 if quick else 1000)
        finally:
            for variant in variants:
                notes += [f"left behind by {variant.title}: {what}" for what in variant.tear_down()]
        figures["wakes"] = wakes(1 if quick else 5)
        figures["load"] = loads(1 if quick else 3)
    except names.Missing as reason:
        notes.append(f"rules: not measured, {reason}")
    return figures
