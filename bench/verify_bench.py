# SPDX-License-Identifier: MIT
"""What the verifier costs: a held connect() with it and without it, and how many runs `wfplab explore` makes a second.

The held connection goes through the same driver, compiled the same way, in the same program (`wfplab live`), with the
verifier on and off (--unverified), in rounds that take turns; gatehoused is beside them, with the same driver linked in.
"""
import os
import pathlib
import random
import resource
import subprocess
import tempfile
import time

from gatetest import names

from traffic import PLACEMENTS, Gatehouse, Variant, summary

DRIVER = [names.TREE / "driver", "--with", names.TREE / "core", "-I", names.TREE, "-I", names.TREE / "include"]


class Verified(Variant):
    key, title, options = "verified", "wfplab live: our driver, verifier on", ()

    def start(self):
        command = [names.find_program("wfplab"), "live", *DRIVER, "--socket", self.lab.socket, *self.options]
        self.lab.start(command, name="wfplab").wait_for("wfplab: ready", 60)
        self.lab.gatehouse_decides("permit", "--quiet")


class Unverified(Verified):
    key, title, options = "unverified", "wfplab live --unverified: the same, verifier off", ("--unverified",)


def live(rounds, connects, notes):
    variants = []
    try:
        for number, kind in enumerate((Gatehouse, Unverified, Verified)):
            variants.append(kind(f"v{number}"))
            variants[-1].set_up().samples("tcp", max(50, connects // 4))  # warm-up, thrown away
        taken = {variant.key: {placement: [] for placement in PLACEMENTS} for variant in variants}
        order = random.Random(1)
        for _ in range(rounds):
            for variant in order.sample(variants, len(variants)):
                for placement in PLACEMENTS:
                    taken[variant.key][placement].append(variant.samples("tcp", connects, placement))
        return {
            variant.key: {"title": variant.title, **{name: summary(taken[variant.key][name]) for name in PLACEMENTS}}
            for variant in variants
        }
    finally:
        for variant in variants:
            notes += [f"left behind by {variant.title}: {what}" for what in variant.tear_down()]


# Title, driver, scenario. The goal is for the first.
SEARCHES = {
    "minimal": ("examples/minimal, connect and answer", [names.TREE / "examples/minimal/minimal.c"],
                names.TREE / "examples/minimal/scenarios/permit.scenario"),
    "planted": ("a planted driver, mended (pend-not-absorbed)",
                [names.TREE / "tests/lab/planted/pend-not-absorbed.c", "-D", "MENDED"],
                names.TREE / "tests/lab/planted/pend-not-absorbed.scenario"),
    "own": ("our driver, hold and answer", DRIVER, names.TREE / "tests/scenario/files/smallest.scenario"),
}


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def search(driver, scenario, runs):
    """Runs a second of one search, end to end: start of the program, sweep of faults and all; of processor time, and of
    time that passed, which is the same when the machine has nothing else to do."""
    processor = sorted(os.sched_getaffinity(0))[0]
    command = ["taskset", "-c", str(processor), names.find_program("wfplab"), "explore", *driver, "searched.scenario"]
    command += ["--runs", str(runs), "--seed", "1"]
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        # What a program must have heard is not so when a call was failed; and the search would end there.
        steps = [step for step in scenario.read_text(encoding="utf-8").splitlines() if not step.startswith("expect ")]
        pathlib.Path(folder, "searched.scenario").write_text("\n".join(steps) + "\n", encoding="utf-8")
        begin, used = time.monotonic(), processor_seconds()
        done = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True, timeout=600, check=False)
        seconds, used = time.monotonic() - begin, processor_seconds() - used
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(str(word) for word in command)}: {done.returncode}\n{done.stdout}{done.stderr}"[-2000:])
    return runs / used, runs / seconds


def searches(quick, notes):
    found = {}
    for key, (title, driver, scenario) in SEARCHES.items():
        try:
            search(driver, scenario, 10)  # compiles the driver
            best = max(search(driver, scenario, 2000 if quick else 20000) for _ in range(1 if quick else 3))
            found[key] = {"title": title, "runs_a_second": round(best[0]), "runs_a_second_passed": round(best[1])}
        except RuntimeError as reason:
            notes.append(f"explore {key}: not measured, {reason}")
    return found


def schedules(quick):
    """schedule_bench: scheduled runs of a driver that holds two connections, without the lab around it."""
    command = [names.find_program("schedule_bench"), "2000" if quick else "20000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"schedule_bench: {done.stderr.strip()}")
    found = {}
    for line in done.stdout.splitlines():
        name, runs, after = line.partition(" runs ")
        if runs:
            found[name] = round(float(after.split()[0]))
    return found


def measure(quick, rounds, connects, notes):
    figures = {}
    for key, function in (
        ("verified", lambda: live(rounds, connects, notes)),
        ("explore", lambda: searches(quick, notes)),
        ("schedule", lambda: schedules(quick)),
    ):
        try:
            figures[key] = function()
        except names.Missing as reason:
            notes.append(f"{key}: not measured, {reason}")
    return figures
