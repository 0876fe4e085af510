#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What gatehoused costs while nothing happens, after it has worked: no wake-up, and little memory."""
import os
import pathlib
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import names, net  # noqa: E402
from gatetest.servers import TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

IDLE = "gatehoused idle"
RESIDENT_KIB = 16 * 1024
HITS = 0xFFFFFFFC


def fields(path):
    """A /proc file of "Name: value unit" lines, as numbers."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.partition(":")[2].split()
        if words and words[0].isdigit():
            found[line.partition(":")[0]] = int(words[0])
    return found


def switches(pid):
    """Times any thread of the process was put on a processor because it woke up."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(fields(task / "status")["voluntary_ctxt_switches"] for task in tasks)


def resident(pid):
    return fields(pathlib.Path(f"/proc/{pid}/status"))["VmRSS"]


def sleeps(pid, seconds):
    before = switches(pid)
    time.sleep(seconds)
    return switches(pid) == before


@case(f"{IDLE}: after 2000 connections held at once, no wake-up in 10 s and at most 16 MiB resident", timeout=120)
def idle_after_work(lab):
    os.environ.pop("MALLOC_PERTURB_", None)  # meson's: fills all that is freed, so that it has to be in memory
    server = TcpServer(lab.server)
    daemon = lab.gatehoused()
    decider = lab.gatehouse_decides("permit", "--quiet")
    fresh = resident(daemon.pid)
    talker = lab.talker("many_connects", 2000, "identical", net.SERVER_V4, server.port, 120)
    while talker.read_line() != "end":
        pass
    talker.close()
    wait_until(lambda: resident(daemon.pid) <= RESIDENT_KIB, 30, "a resident size of 16 MiB")
    wait_until(lambda: sleeps(daemon.pid, 10), 60, "a sleep of 10 s without a wake-up")
    wait_until(lambda: sleeps(decider.pid, 2), 30, "the decider's sleep")
    tell(f"gatehoused {resident(daemon.pid)} KiB resident, {fresh} before it worked; its decider {resident(decider.pid)}")


def hits(lab):
    """Of all rules together."""
    found, first = 0, 0
    with lab.observer() as watcher:
        while True:
            data = watcher.ok(HITS, struct.pack("<Q", first), 16 + 32 * 16)
            count, _, first = struct.unpack_from("<IIQ", data)
            found += sum(struct.unpack_from("<Q", data, 32 + 32 * number)[0] for number in range(count))
            if not first:
                return found


@case(f"{IDLE}: what it gave back is there again: verdicts are kept and hits counted as before", timeout=120)
def works_after_idle(lab):
    server = TcpServer(lab.server)
    policy = lab.directory / "policy"
    daemon = lab.gatehoused()
    for round_number in (1, 2, 3):
        # Each time another policy: what the kernel knew counts no more, user space decides and keeps it again.
        policy.write_text(f"permit out\nblock out to 203.0.113.{round_number}\n", encoding="ascii")
        done = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "rules", "load", str(policy))
        assert done.returncode == 0, done.stderr
        for _ in range(3):
            talker = lab.talker("many_connects", 300, "identical", net.SERVER_V4, server.port, 120)
            while talker.read_line() != "end":
                pass
            talker.close()
        server.expect(900 * round_number)
        assert hits(lab) == 900 * round_number, f"{900 * round_number} hits expected, {hits(lab)} counted"
        wait_until(lambda: sleeps(daemon.pid, 3), 30, "a sleep of 3 s without a wake-up")


if __name__ == "__main__":
    run()
