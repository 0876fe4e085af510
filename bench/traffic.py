# SPDX-License-Identifier: MIT
"""connect() and send() under each variant, in rounds that take turns.

Where the scheduler puts the programs matters more than what they do: waking a program on a processor that sleeps
costs a virtual machine tens of microseconds. So each variant is measured in each of three placements: as the system
likes, all on one processor, and program, firewall and decider each on another one (as far as there are so many).
"""
import contextlib
import json
import math
import os
import pathlib
import random
import shutil
import statistics
import tempfile
import threading
import time

from gatetest import device, lab, names, net, protocol

PORT = 7000
PREFIX = f"bench-{os.getpid()}-"


FREE, ONE, APART = "free", "one", "apart"
PLACEMENTS = {
    FREE: "placed as the system likes",
    ONE: "all on one processor",
    APART: "each on another processor",
}


def pin(pid, processors):
    """Puts every thread of a process on these processors."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task), processors)


def family(pid):
    """The process and its children: `wfplab live` has the driver in one."""
    with contextlib.suppress(OSError):
        return [pid, *(int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split())]
    return [pid]


class Variant:
    """One way of standing between a program and the network; this one: nothing at all."""

    key, title = "none", "no firewall"

    def __init__(self, number):
        self.prefix = f"{PREFIX}{number}"
        self.directory = tempfile.mkdtemp(prefix=f"gatehouse-{self.prefix}-")
        os.chmod(self.directory, 0o755)
        self.lab = lab.Lab(self.prefix, self.directory)

    def set_up(self):
        self.lab.create()
        listener = [names.find_program("connect_bench"), "listen", str(PORT)]
        self.lab.start(listener, self.lab.server, "listener").wait_for("ready")
        self.start()
        return self

    def start(self):
        """Starts what the variant is about; names.Missing when it cannot be had here."""

    def tear_down(self):
        return lab.clean_up(self.prefix, self.directory)

    def place(self, placement):
        """Puts what runs where the placement says; returns the processors for the program that connects."""
        every = sorted(os.sched_getaffinity(0))
        place = {FREE: lambda number: every, ONE: lambda number: every[:1]}.get(
            placement, lambda number: [every[number % len(every)]]
        )
        for program in self.lab.programs:
            decides = "gatehouse-" in program.log.name
            for pid in family(program.pid):
                pin(pid, place(0 if "listener" in program.log.name else 2 if decides else 1))
        return place(0)

    def samples(self, kind, count, placement=FREE):
        processors = ",".join(str(number) for number in self.place(placement))
        command = ["taskset", "-c", processors, names.find_program("connect_bench"), kind, net.SERVER_V4, PORT, count]
        done = self.lab.run(*command, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"{self.title}: {done.stderr.strip()}")
        return [int(line) for line in done.stdout.split()]


class EchoLoop(Variant):
    key, title = "loop", "bare NFQUEUE loop in C"

    def start(self):
        rule = ["iptables", "-A", "OUTPUT", "-p", "tcp", "--syn", "-j", "NFQUEUE", "--queue-num", "0"]
        done = self.lab.client.run(rule)
        if done.returncode != 0:
            raise names.Missing(f"no NFQUEUE rule: {done.stderr.strip()}")
        self.lab.start([names.find_program("echo_loop"), "0"], name="echo_loop").wait_for("ready")


class Gatehouse(Variant):
    key, title = "held", "gatehoused: held, permitted by `gatehouse permit`"

    def start(self):
        self.lab.gatehoused()
        self.lab.gatehouse_decides("permit", "--quiet")


class DriverFile(Variant):
    """The same with the driver as the file that Windows loads, on the loader of driver files."""

    key, title = "file", "gatehoused --driver gatehouse.sys: the same"

    def start(self):
        file = names.BUILD / "windows/gatehouse.sys"
        if not file.exists():
            raise names.Missing(f"{file} is not built (make windows)")
        self.lab.gatehoused("--driver", file)
        self.lab.gatehouse_decides("permit", "--quiet")


class Remembered(Variant):
    key, title = "remembered", "gatehoused: permitted by a remembered answer"

    def start(self):
        self.lab.gatehoused()
        decider = self.lab.decider(timeout=30)
        first = threading.Thread(target=self.samples, args=("tcp", 1))
        first.start()
        (request,) = decider.requests()
        decider.decide(request, protocol.PERMIT, protocol.SCOPE_PROGRAM)
        first.join()
        self.decider = decider


class OpenSnitch(Variant):
    """OpenSnitch with its own folders and its rules in this namespace alone, no window: its default permits."""

    key, title = "opensnitch", "OpenSnitch: default allow, nobody asked"

    def start(self):
        program = names.find_tool("opensnitchd")
        settings, rules = pathlib.Path(self.directory, "etc"), pathlib.Path(self.directory, "rules")
        rules.mkdir()
        shutil.copytree("/etc/opensnitchd", settings)
        file = settings / "default-config.json"
        config = json.loads(file.read_text(encoding="utf-8"))
        window = f"unix://{self.directory}/nobody.sock"
        config.update(DefaultAction="allow", Firewall="iptables", ProcMonitorMethod="proc")
        config["Server"] = {"Address": window, "LogFile": f"{self.directory}/opensnitch.txt"}
        file.write_text(json.dumps(config), encoding="utf-8")
        # A mount namespace of its own hides the machine's settings from it.
        script = (
            f"mount --bind {settings} /etc/opensnitchd && exec {program} -rules-path {rules} -ui-socket {window} "
            f"-process-monitor-method proc -queue-num 0 -log-file {self.directory}/opensnitch.txt"
        )
        self.lab.start(["unshare", "--mount", "sh", "-c", script], name="opensnitch")
        until = time.monotonic() + 15
        while not any("NFQUEUE" in rule for rule in self.lab.client.rules()):
            if time.monotonic() > until:
                raise names.Missing("opensnitchd made no rules within 15 s")
            time.sleep(0.1)
        time.sleep(1)


def percentile(samples, share):
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def paired(mine, other):
    """What mine is of other, from measurements that were made one after the other, in pairs: the median of the pairs'
    ratios, and between which two of them it lies with 95 percent (binomial, whatever they are distributed like)."""
    ratios = sorted(one / another for one, another in zip(mine, other))
    away = math.ceil(0.98 * math.sqrt(len(ratios)))
    low, high = (len(ratios) - 1) / 2 - away, (len(ratios) - 1) / 2 + away
    return {
        "ratio": statistics.median(ratios),
        "ratio_low": ratios[max(0, math.floor(low))],
        "ratio_high": ratios[min(len(ratios) - 1, math.ceil(high))],
        "pairs": len(ratios),
    }


def summary(rounds):
    """rounds: lists of ns. What a variant's samples come to, in microseconds."""
    pooled = [sample for samples in rounds for sample in samples]
    medians = [statistics.median(samples) for samples in rounds]
    return {
        "p50_us": round(percentile(pooled, 0.5) / 1000, 2),
        "p90_us": round(percentile(pooled, 0.9) / 1000, 2),
        "p99_us": round(percentile(pooled, 0.99) / 1000, 2),
        "lowest_round_p50_us": round(min(medians) / 1000, 2),
        "highest_round_p50_us": round(max(medians) / 1000, 2),
        "samples": len(pooled),
    }


def start_variants(notes):
    variants = []
    for number, kind in enumerate((Variant, EchoLoop, Gatehouse, DriverFile, Remembered, OpenSnitch)):
        variant = kind(number)
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


def take_turns(variants, rounds, connects):
    """{variant: {placement or "udp": [samples of a round]}}; the order within a round is shuffled anew."""
    taken = {variant.key: {kind: [] for kind in (*PLACEMENTS, "udp")} for variant in variants}
    order = random.Random(1)
    for variant in variants:
        variant.samples("tcp", max(50, connects // 10))  # warm-up, thrown away
    for _ in range(rounds):
        for variant in order.sample(variants, len(variants)):
            for placement in PLACEMENTS:
                taken[variant.key][placement].append(variant.samples("tcp", connects, placement))
            if variant.key in ("none", "held"):
                taken[variant.key]["udp"].append(variant.samples("udp", connects, ONE))
    return taken


def measure(rounds, connects, notes):
    variants = start_variants(notes)
    try:
        taken = take_turns(variants, rounds, connects)
        figures = {"connect": {}, "send_decided": {}}
        for variant in variants:
            samples = taken[variant.key]
            placed = {placement: summary(samples[placement]) for placement in PLACEMENTS}
            figures["connect"][variant.key] = {"title": variant.title, **placed}
            if samples["udp"]:
                figures["send_decided"][variant.key] = {"title": variant.title, **summary(samples["udp"])}
        for variant in variants:
            if variant.key in ("held", "file", "remembered"):
                with contextlib.suppress(OSError), device.observer(variant.lab.socket) as watcher:
                    figures["connect"][variant.key]["pended"] = watcher.status().pended
        return figures
    finally:
        for variant in variants:
            notes += [f"left behind by {variant.title}: {what}" for what in variant.tear_down()]
