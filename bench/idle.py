# SPDX-License-Identifier: MIT
"""What gatehoused costs while nothing happens: wake-ups, processor time, memory."""
import pathlib
import time

import traffic
from gatetest import names, net


def fields(path):
    """A /proc file of "Name: value unit" lines, as numbers."""
    found = {}
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        words = value.split()
        if words and words[0].isdigit():
            found[name] = int(words[0])
    return found


def wakeups(pid):
    """Times any of its threads was put on a processor, and nanoseconds spent there."""
    switches = ran = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        status = fields(task / "status")
        switches += status["voluntary_ctxt_switches"] + status["nonvoluntary_ctxt_switches"]
        ran += int((task / "schedstat").read_text(encoding="utf-8").split()[0])
    return switches, ran


def watch(pid, seconds):
    before = wakeups(pid)
    time.sleep(seconds)
    after = wakeups(pid)
    memory, shared = fields(f"/proc/{pid}/status"), fields(f"/proc/{pid}/smaps_rollup")
    return {
        "seconds": seconds,
        "wakeups": after[0] - before[0],
        "ran_us": (after[1] - before[1]) / 1000,
        "threads": memory["Threads"],
        "resident_kib": memory["VmRSS"],
        "anonymous_kib": memory["RssAnon"],
        "file_kib": memory["RssFile"],
        "proportional_kib": shared["Pss"],
    }


def measure(seconds, notes):
    """gatehoused with its decider attached, after it has worked, and then left alone."""
    variant = traffic.Variant("i")
    figures = {}
    try:
        variant.set_up()
        daemon = variant.lab.gatehoused()
        decider = variant.lab.gatehouse_decides("permit", "--quiet")
        fresh = fields(f"/proc/{daemon.pid}/status")["VmRSS"]
        variant.samples("tcp", 2000)
        held = variant.lab.talker("many_connects", 2000, "identical", net.SERVER_V4, traffic.PORT, 10)
        while held.read_line() != "end":
            pass
        held.close()
        time.sleep(3)
        figures["idle"] = {**watch(daemon.pid, seconds), "resident_fresh_kib": fresh}
        figures["idle_decider"] = watch(decider.pid, min(seconds, 3))
    except names.Missing as reason:
        notes.append(f"idle: not measured, {reason}")
    finally:
        notes += [f"left behind by the idle measurement: {what}" for what in variant.tear_down()]
    return figures
