#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Killed at any point of a load, gatehoused has the old rules or the new ones; with no room to keep them, the old ones.

Programs connect all the while: to what both policies block, to what both permit, and to what one of them does. The
moments of death are random, and aimed: at the files that the load writes, and at the start that reads them.
"""
import collections
import ctypes
import errno
import json
import os
import pathlib
import random
import select
import signal
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import names, net, protocol  # noqa: E402
from gatetest.servers import Ear, TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

CRASH = "No rule and no hit is lost to a kill -9 at any point of a load, and nothing passes that neither policy permits"
STORE = "No room to keep the rules"
NO_ROOM = "could not be stored"
FULL = bool(os.environ.get("GATEHOUSE_FULL"))
ROUNDS, SECONDS = (400, 500) if FULL else (40, 40)
REFUSED = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ECONNABORTED)
PERMITTED, BLOCKED, DIFFERENT = 7000, 7001, 7002
MANY, FEW = 1000, 300  # rules that nothing meets
IN_OPEN, IN_MOVED_TO = 0x20, 0x80


# --- What is loaded ----------------------------------------------------------------------------------

def filler(letter, number):
    """Rules of all kinds: plain filters, ones that the driver looks at itself, ones that a restart of the machine ends."""
    where = f"to 192.0.2.{number & 255} port {number + 1}"
    return (
        f'permit program "/opt/{letter}/program-{number}" {where}',
        f'block program "/opt/{letter}-{number}/**" {where}',
        f"permit {where} proto tcp log" if letter == "a" else f"block {where} proto udp log",
        f'permit program "/opt/{letter}/{number}" until reboot',
        f"block from 198.51.100.{number & 255} to any port {number + 1} in proto tcp",
    )[number % 5]


def policy(lab, letter, different, fillers):
    order = list(range(fillers))
    random.Random(letter).shuffle(order)
    lines = [filler(letter, number) for number in order]
    lines[50:50] = [f"permit out proto tcp to any port {PERMITTED}"]
    lines[150:150] = [f"{different} out proto tcp to any port {DIFFERENT}"]
    lines[250:250] = [f"block out proto tcp to any port {BLOCKED}"]
    path = lab.directory / f"policy-{letter}"
    path.write_text("\n".join([*lines, "ask out proto udp port 5353", "block out"]) + "\n", encoding="utf-8")
    return path


def command(lab, *arguments):
    return [names.find_program("gatehouse"), "--socket", str(lab.socket), "rules", *(str(word) for word in arguments)]


def rules(lab, *arguments):
    done = lab.run(*command(lab, *arguments), timeout=90)
    assert done.returncode == 0, f"gatehouse rules {arguments}: {done.returncode}, {done.stdout} {done.stderr}"
    return done.stdout


def listed(lab):
    return [json.loads(line) for line in rules(lab, "list", "--json").splitlines()]


def meaning(found):
    """What a list says of its rules but for what goes on: hits and times."""
    return [(rule["id"], rule["place"], rule["rule"], rule["until"]) for rule in found]


def hits(found, port):
    (rule,) = [rule for rule in found if rule["rule"].endswith(f"to any port {port}")]
    return rule["hits"]


# --- Programs that connect ---------------------------------------------------------------------------

class Stream(threading.Thread):
    """A program that connects, again and again, and how that ended."""

    def __init__(self, lab, address, port):
        super().__init__(daemon=True)
        self.port = port
        self.ended = collections.Counter()
        self.slowest = 0
        self.stopping = False
        self.failure = None
        self.talker = lab.connect_timer(address, port, "--wait", "--count", 10**9)
        self.start()

    def run(self):
        try:
            while not self.stopping:
                self.talker.say()
                error, microseconds, _, _ = self.talker.result()
                self.ended[error] += 1
                self.slowest = max(self.slowest, microseconds)
                time.sleep(0.004)
        except (AssertionError, OSError) as failure:
            self.failure = failure

    def stop(self):
        self.stopping = True
        self.join(90)
        assert not self.is_alive() and self.failure is None, self.failure
        self.talker.close()


def total(streams, port):
    return sum(sum(stream.ended.values()) for stream in streams if stream.port == port)


def look(streams):
    """Each stream so far has only ends that it may have."""
    for stream in streams:
        allowed = {PERMITTED: (0,), BLOCKED: REFUSED, DIFFERENT: (0, *REFUSED)}[stream.port]
        wrong = {errno.errorcode.get(error, error): count for error, count in stream.ended.items() if error not in allowed}
        assert not wrong and stream.failure is None, f"port {stream.port}: {wrong} {stream.failure}"


# --- Moments of death --------------------------------------------------------------------------------

class Folder:
    """Tells of what a folder of the state gets."""

    libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self, path):
        self.descriptor = self.libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        watch = self.libc.inotify_add_watch(self.descriptor, os.fsencode(path), IN_OPEN | IN_MOVED_TO)
        assert self.descriptor >= 0 and watch >= 0, os.strerror(ctypes.get_errno())

    def wait(self, event, name, seconds):
        """True when the file appeared so within the time."""
        until = time.monotonic() + seconds
        while select.select([self.descriptor], [], [], max(0, until - time.monotonic()))[0]:
            data = os.read(self.descriptor, 65536)
            while data:
                _, mask, _, size = struct.unpack_from("iIII", data)
                if mask & event and data[16 : 16 + size].rstrip(b"\0") == name:
                    return True
                data = data[16 + size :]
        return False

    def close(self):
        os.close(self.descriptor)


def aimed(folder, event, name):
    """Waits for a file of the load in one of the two folders."""

    def wait(crash, seconds):
        watch = Folder(crash.state / folder)
        try:
            yield
            yield watch.wait(event, name, seconds)
        finally:
            watch.close()

    return wait


def at_random(crash, seconds):
    yield
    time.sleep(crash.random.uniform(0, seconds))
    yield True


MOMENTS = {
    "at random": (at_random, 0.06),
    "while the volatile file is written": (aimed("volatile", IN_OPEN, b"rules.new"), 60),
    "when the volatile file is there": (aimed("volatile", IN_MOVED_TO, b"rules"), 60),
    "while the lasting file is written": (aimed(".", IN_OPEN, b"rules.new"), 60),
    "between the files and the engine's commit": (aimed(".", IN_MOVED_TO, b"rules"), 60),
}


class Crash:
    """gatehoused, its two policies, and how it was killed."""

    def __init__(self, lab, fillers, wrapper=()):
        self.lab = lab
        self.fillers = fillers
        self.wrapper = wrapper
        self.kills = 0
        self.state = lab.directory / "device.sock.state"
        self.seed = int(os.environ.get("GATEHOUSE_SEED", random.SystemRandom().randrange(10**6)))
        self.random = random.Random(self.seed)
        self.paths = {"a": policy(lab, "a", "permit", fillers), "b": policy(lab, "b", "block", fillers)}
        self.wanted = {}
        self.now = None
        self.deaths = collections.Counter()
        self.before = collections.Counter()  # hits that were there

    def begin(self):
        tell(f"GATEHOUSE_SEED={self.seed}")
        self.start()
        with self.lab.decider() as decider:
            program = self.lab.copy_program("connect_timer", "answered")
            talker = self.lab.connect_timer(net.SERVER_V4, 7009, path=program)
            (request,) = decider.requests()
            decider.decide(request, protocol.PERMIT, protocol.SCOPE_PROGRAM)
            talker.result()
        rules(self.lab, "add", 'block program "/opt/added/**" log')
        rules(self.lab, "add", "permit to 203.0.113.9 until reboot")
        for letter in ("b", "a"):
            rules(self.lab, "load", self.paths[letter])
            self.wanted[letter] = meaning(listed(self.lab))
            assert len(self.wanted[letter]) == self.fillers + 5 + 3, len(self.wanted[letter])
        self.now = "a"

    def starting(self):
        words = self.lab.daemon("--no-decider", "block" if self.now else "hold", "--deadline", "60")
        return self.lab.start([*self.wrapper, *words], None, "gatehoused", stdin=subprocess.DEVNULL)

    def start(self):
        self.daemon = self.starting().wait_for("gatehoused: ready")

    def loading(self, letter):
        return self.lab.client.popen(command(self.lab, "load", self.paths[letter]), stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True)  # fmt: skip

    def verify(self, may, what):
        """One of the policies that it may be is in force, whole, and every hit is there."""
        found = listed(self.lab)
        now = [letter for letter in may if self.wanted[letter] == meaning(found)]
        assert now, f"{what}: neither of {may}: {difference(self.wanted[may[0]], meaning(found))}, seed {self.seed}"
        for port in (PERMITTED, BLOCKED):
            count = hits(found, port)
            assert count >= self.before[port], f"{what}: {count} hits of port {port}, {self.before[port]} were there"
            self.before[port] = count
        self.now = now[0]

    def load_and_kill(self, moment, whom):
        """whom: 'gatehoused', or 'loader'. Returns once one of them was killed, or the load was over."""
        letter = "b" if self.now == "a" else "a"
        wait, seconds = MOMENTS[moment]
        moments = wait(self, seconds)
        next(moments)
        loader = self.loading(letter)
        came = next(moments)
        moments.close()
        if whom == "loader":
            loader.kill()
        else:
            self.daemon.kill()
            self.kills += 1
        said = loader.communicate(timeout=90)[0]
        assert came, f"{moment}: it did not come; load: {said}"
        done = loader.returncode == 0
        self.deaths[f"{whom} killed {moment}{', load had succeeded' if done else ''}"] += 1
        return (letter,) if done else (self.now, letter)

    def kill_a_start(self):
        starting = self.starting()
        time.sleep(self.random.uniform(0, 0.1))
        starting.kill()
        self.kills += 1
        self.deaths["gatehoused killed while it starts"] += 1

    def round(self, number):
        whom = "loader" if number % 5 == 4 else "gatehoused"
        moment = self.random.choice(["at random", *MOMENTS])
        may = self.load_and_kill(moment, whom)
        if whom == "gatehoused":
            if number % 2:
                self.kill_a_start()
            self.start()
        elif len(may) > 1:
            # What the driver has begun it brings to an end, soon.
            wait_until(lambda: self.loads(self.now), 10, "the end of a load whose loader was killed")
            may = (self.now,)
        self.verify(may, f"round {number}, {whom} killed {moment}")

    def loads(self, letter):
        loader = self.loading(letter)
        said = loader.communicate(timeout=90)[0]
        return loader.returncode == 0 or (None if "under way" in said else self.fail(said))

    @staticmethod
    def fail(said):
        raise AssertionError(said)


def difference(wanted, found):
    missing, more = [rule for rule in wanted if rule not in found], [rule for rule in found if rule not in wanted]
    return f"{len(wanted)} wanted, {len(found)} found, missing {missing[:5]}, more {more[:5]}"


@case(CRASH, timeout=60 + SECONDS * 2)
def killed_in_a_load(lab):
    servers = {port: TcpServer(lab.server, port) for port in (PERMITTED, BLOCKED, DIFFERENT)}
    crash = Crash(lab, MANY)
    crash.begin()
    accepted = len(servers[BLOCKED].accepted)
    ear = Ear(lab.server)
    streams = [Stream(lab, address, port) for port in servers for address in (net.SERVER_V4, net.SERVER_V6)]
    until = time.monotonic() + SECONDS
    number = 0
    while number < ROUNDS and (number < ROUNDS // 4 or time.monotonic() < until):
        crash.round(number)
        look(streams)
        number += 1
    for stream in streams:
        stream.stop()
    look(streams)
    for line, count in sorted(crash.deaths.items()):
        tell(f"{count:3} x {line}")
    for port, server in servers.items():
        ends = sum((stream.ended for stream in streams if stream.port == port), collections.Counter())
        named = {errno.errorcode.get(error, error): count for error, count in ends.items()}
        slowest = max(stream.slowest for stream in streams if stream.port == port) / 1e6
        tell(f"port {port}: {total(streams, port):,} connects, {named}, the slowest {slowest:.1f} s")
    found = listed(lab)
    counted = {port: hits(found, port) for port in (PERMITTED, BLOCKED)}
    seen = {port: total(streams, port) for port in (PERMITTED, BLOCKED)}
    tell(f"{number} rounds; hits {counted}, seen by the programs {seen}; seed {crash.seed}")
    assert len(servers[BLOCKED].accepted) == accepted and not ear.heard(destination_port=BLOCKED), "what both block has left"
    for port, count in counted.items():
        # Death between the count and the verdict has the packet come again, and be counted again: never the other way.
        assert seen[port] <= count <= seen[port] + crash.kills, (counted, seen)


@case(f"{STORE}: load says so, and the old rules, added ones and answers stand, also after a kill -9", timeout=120)
def no_room(lab):
    servers = {port: TcpServer(lab.server, port) for port in (PERMITTED, BLOCKED, DIFFERENT)}
    state = lab.directory / "device.sock.state"
    state.mkdir(mode=0o700)
    script = f"mount -t tmpfs -o size=1m,mode=0700 tmpfs {state} && echo mounted && exec sleep 3600"
    keeper = lab.start(["unshare", "--mount", "--propagation", "private", "sh", "-c", script], name="tmpfs")
    keeper.wait_for("mounted")
    crash = Crash(lab, FEW, ["nsenter", f"--mount=/proc/{keeper.pid}/ns/mnt", "--"])
    crash.begin()
    disk = Disk(f"/proc/{keeper.pid}/root{state}")
    refusals = 0
    for room in (0, 4096, 32768, 65536, 81920, 98304, 131072, 196608, 1 << 20):
        disk.leave(room)
        letter = "b" if crash.now == "a" else "a"
        done = lab.run(*command(lab, "load", crash.paths[letter]), timeout=90)
        if done.returncode:
            refusals += 1
            assert NO_ROOM in done.stderr and done.stderr.count("\n") == 1, done.stderr
        crash.verify((crash.now,) if done.returncode else (letter,), f"{room} bytes of room")
        talker = lab.connect_timer(net.SERVER_V4, DIFFERENT)
        assert (talker.result()[0] == 0) == (crash.now == "a"), "the rules listed are not those in force"
        talker.close()
        if room == 0:
            refuse_more(lab, crash)
        crash.daemon.kill()
        crash.start()
        crash.verify((crash.now,), f"{room} bytes of room, after a kill")
    tell(f"{refusals} loads refused")
    assert 3 <= refusals < 9 and servers


def refuse_more(lab, crash):
    """Nothing can be added to the rules either, and an answer that cannot be kept is not taken."""
    done = lab.run(*command(lab, "add", "block program \"/opt/more\""))
    assert done.returncode != 0 and NO_ROOM in done.stderr, done
    with lab.decider() as decider:
        talker = lab.talker("udp_sender", "connected", net.SERVER_V4, 5353)
        talker.say("0 hello")
        (request,) = decider.requests()
        (status,) = decider.submit([(request.id, protocol.PERMIT, protocol.SCOPE_PROGRAM)])
        assert status == protocol.E_RULES_STORE, protocol.status_name(status)
        decider.decide(request, protocol.BLOCK)
        talker.close()
    crash.verify((crash.now,), "more refused")


class Disk:
    """A file that takes what room there is."""

    def __init__(self, folder):
        self.folder = folder
        self.path = f"{folder}/filler"

    def leave(self, room):
        with open(self.path, "wb") as file:
            space = os.statvfs(self.folder)
            size = max(0, space.f_bavail * space.f_frsize - room)
            file.write(bytes(size))


if __name__ == "__main__":
    run()
