#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who sends now: a UDP socket outlives what its process was, and may get another process; rules are about who sends."""
import contextlib
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import net  # noqa: E402
from gatetest.lab import control_group, rules  # noqa: E402
from gatetest.servers import UdpServer, wait_until  # noqa: E402
from gatetest.tap import case, run  # noqa: E402

# Sockets are named by their descriptors, which stay over exec.
ACTOR = r"""
import os, socket, sys
host, port = sys.argv[1], int(sys.argv[2])

def send(made, text):
    "Again when needed: an earlier refusal is told to the next datagram, which is not sent then."
    for _ in range(4):
        try:
            made.send(text) if connected(made) else made.sendto(text, (host, port))
            return "done"
        except OSError as error:
            said = type(error).__name__
    return said

def connected(made):
    try:
        return made.getpeername()
    except OSError:
        return None

print("ready", os.getpid(), flush=True)
while True:
    word, *rest = sys.stdin.buffer.raw.read(200).decode().split() or [""]
    if not word:
        break
    said = "done"
    if word == "open":
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        os.set_inheritable(made.fileno(), True)
        said = str(made.detach())
    elif word in ("connect", "send"):
        made = socket.socket(fileno=int(rest[0]))
        if word == "connect":
            made.connect((host, port))
        else:
            said = send(made, rest[1].encode())
        made.detach()
    elif word == "user":
        os.setresuid(int(rest[0]), 0, 0)
    elif word == "group":
        os.setresgid(int(rest[0]), 0, 0)
    elif word == "groups":
        os.setgroups([int(group) for group in rest])
    elif word == "exec":
        os.execv(rest[0], [rest[0], *sys.orig_argv[1:]])
    print(said, flush=True)
"""


class Actor:
    """A copy of Python that runs the above, and what it can become: what a rule matches then, how, and how back."""

    def __init__(self, lab, server, group):
        self.lab, self.server, self.group = lab, server, group
        self.first, self.second = (str(lab.directory / name) for name in ("actor", "another"))
        for path in (self.first, self.second):
            shutil.copy(os.path.realpath(sys.executable), path)
        environment = {**os.environ, "PYTHONHOME": sys.base_prefix, "PYTHONDONTWRITEBYTECODE": "1"}
        self.talker = lab.talker("", "-c", ACTOR, net.SERVER_V4, server.port, path=self.first, env=environment)
        before = pathlib.Path(f"/proc/{self.talker.pid}/cgroup").read_text(encoding="utf-8").split("0::")[1].strip()
        folder, name = group
        self.home = pathlib.Path(str(folder)[: -len(name)] + before)
        self.say("groups 7")

    def say(self, words):
        assert self.talker.ask(words) == "done", words

    def become(self, path):
        self.talker.say(f"exec {path}")
        assert self.talker.read_line() == f"ready {self.talker.pid}"

    def move(self, folder):
        (folder / "cgroup.procs").write_text(str(self.talker.pid), encoding="ascii")

    def changes(self):
        yield "user 4242", lambda: self.say("user 4242"), lambda: self.say("user 0")
        yield "group 4343", lambda: self.say("group 4343"), lambda: self.say("group 0")
        yield "group 4444", lambda: self.say("groups 7 4444"), lambda: self.say("groups 7")
        yield f'cgroup "{self.group[1]}"', lambda: self.move(self.group[0]), lambda: self.move(self.home)
        yield f'program "{self.second}"', lambda: self.become(self.second), lambda: self.become(self.first)

    def open(self, connect):
        made = self.talker.ask("open")
        if connect:
            self.say(f"connect {made}")
        return made

    def send(self, sockets, text, connect=False):
        """One datagram by each; a connect() of each comes first, if so."""
        for made in sockets:
            if connect:
                self.say(f"connect {made}")
            self.talker.ask(f"send {made} {text}-{made}")

    def blocked(self):
        with self.lab.observer() as watcher:
            return watcher.platform().datagrams_blocked

    def send_in_vain(self, sockets, text, connect=False):
        """Each is blocked before anything else happens: whose a flow is while it is undecided, the latest sender says."""
        for made in sockets:
            before = self.blocked()
            self.send([made], text, connect)
            wait_until(lambda count=before: self.blocked() > count, 30, f"the block of {text}-{made}")

    def arrive(self, sockets, text):
        wanted = {f"{text}-{made}".encode() for made in sockets}
        wait_until(lambda: wanted <= set(self.server.payloads), 30, f"{wanted} among {self.server.payloads}")

    def none_arrived(self, sockets, text):
        """Only after something that was sent later has arrived."""
        for made in sockets:
            assert f"{text}-{made}".encode() not in self.server.payloads, (text, made, self.server.payloads)


@contextlib.contextmanager
def acting(lab):
    with control_group(f"{lab.prefix}group") as group:
        actor = Actor(lab, UdpServer(lab.server), group)
        yield actor
        actor.talker.close()


def load(lab, text):
    path = lab.directory / "policy"
    path.write_text(text, encoding="ascii")
    rules(lab, "load", str(path))


@case("UDP: who sends when rules change is asked about, not who sent before: another user, group, further group, control group, program")
def rules_change(lab):
    lab.gatehoused("--no-decider", "block")
    with acting(lab) as actor:
        for what, there, back in actor.changes():
            load(lab, "permit out\n")
            sockets = [actor.open(False), actor.open(False)]  # the second one is decided in the kernel
            actor.send(sockets, "before")
            actor.arrive(sockets, "before")
            there()
            load(lab, f"block {what} out\npermit out\n")
            actor.send_in_vain(sockets, "refused")
            back()
            load(lab, f"permit out\nblock {what} out\n")
            actor.send(sockets, "after")
            actor.arrive(sockets, "after")
            actor.none_arrived(sockets, "refused")


@case("UDP: who calls connect() is asked about, whoever sent to the same place by the same socket before")
def connect_again(lab):
    lab.gatehoused("--no-decider", "block")
    with acting(lab) as actor:
        for what, there, back in actor.changes():
            for log in ("", " log"):  # with it nothing is decided in the kernel
                load(lab, f"block {what} out{log}\npermit out{log}\n")
                sockets = [actor.open(True), actor.open(True)]
                for turn in range(2):
                    actor.send(sockets, f"permitted{turn}{log.strip()}", True)
                    actor.arrive(sockets, f"permitted{turn}{log.strip()}")
                    there()
                    actor.send_in_vain(sockets, f"refused{turn}{log.strip()}", True)
                    back()
                    actor.send(sockets, f"after{turn}{log.strip()}", True)
                    actor.arrive(sockets, f"after{turn}{log.strip()}")
                    actor.none_arrived(sockets, f"refused{turn}{log.strip()}")


if __name__ == "__main__":
    run()
