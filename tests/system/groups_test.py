#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rules by group: each group that a process is in counts (docs/rules.md), as it was when the process connected."""
import errno
import os
import pathlib
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import net  # noqa: E402
from gatetest.lab import rules  # noqa: E402
from gatetest.servers import TcpServer, UdpServer, wait_until  # noqa: E402
from gatetest.tap import case, run  # noqa: E402

GROUP = 4343
MANY = " ".join(str(5000 + i) for i in range(60))  # more than the kernel side keeps a list of
PORT = 7500
YES, NO = "0", str(errno.ECONNREFUSED)
ACTOR = r"""
import os, socket, sys
kept = []

def send_and_end(host, port, text):
    "A child that is gone when its datagram is looked at."
    child = os.fork()
    if not child:
        try:
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(text.encode(), (host, int(port)))
        except PermissionError:
            pass  # blocked in the kernel already
        finally:
            os._exit(0)
    os.waitpid(child, 0)

print("ready", os.getpid(), flush=True)
for line in sys.stdin:
    word, *rest = line.split()
    said = "done"
    if word == "groups":
        os.setgroups([int(group) for group in rest])
    elif word == "effective":
        os.setresgid(0, int(rest[0]), 0)
    elif word == "connect":
        made = socket.socket()
        said = str(made.connect_ex((rest[0], int(rest[1]))))
        made.close()
    elif word == "send":
        send_and_end(*rest)
    elif word == "keep":
        kept.append(socket.create_connection((rest[0], int(rest[1]))))
    elif word == "try":
        try:
            kept[-1].settimeout(60)
            said = "lives" if kept[-1].send(b"x") else ""
        except OSError as error:
            said = type(error).__name__
    elif word == "listen":
        kept.append(socket.create_server(("", int(rest[0]))))
    print(said, flush=True)
"""


def load(lab, name, text):
    path = lab.directory / name
    path.write_text(text, encoding="ascii")
    rules(lab, "load", str(path))


def actor(lab, *groups):
    """Runs the above as a member of these groups, besides its own."""
    talker = lab.talker("", "-c", ACTOR, path=sys.executable)
    assert talker.ask("groups " + " ".join(map(str, groups))) == "done"
    return talker


REFUSED = f"block group {GROUP}\npermit out\n"


@case("Groups: a further group counts for connect(), each time, and until the process leaves it")
def further(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "block")
    load(lab, "policy", REFUSED)
    talker = actor(lab)
    turns = ((f"{GROUP}", NO), ("7 8", YES), (f"7 {GROUP} 8", NO), ("", YES), (f"{MANY} {GROUP}", NO), (MANY, YES))
    for groups, said in turns * 2:
        assert talker.ask(f"groups {groups}") == "done"
        for _ in range(3):
            assert talker.ask(f"connect {net.SERVER_V4} {server.port}") == said, groups
    talker.close()


@case("Groups: the effective group counts, as a set-group-ID program has it; for who listens too", timeout=90)
def effective(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "block")
    load(lab, "policy", f"block group {GROUP}\npermit all\n")
    os.chmod(lab.directory, 0o755)
    program = lab.copy_program("connect_timer", "marked")
    os.chown(program, 0, GROUP)
    for mode, said in ((0o755, 0), (0o2755, errno.ECONNREFUSED), (0o755, 0)):
        os.chmod(program, mode)
        for user in ("nobody", None):
            talker = lab.connect_timer(net.SERVER_V4, server.port, path=program, user=user)
            assert talker.result()[0] == said, (oct(mode), user)
            talker.close()
    talker = actor(lab)
    for groups in ("", "7", MANY):  # of the last /proc tells
        assert talker.ask(f"groups {groups}") == "done"
        for group, said in ((0, YES), (GROUP, NO), (0, YES), (GROUP, NO)):
            assert talker.ask(f"effective {group}") == "done"
            assert talker.ask(f"connect {net.SERVER_V4} {server.port}") == said, (groups, group)
    assert talker.ask("groups 7") == "done" and talker.ask(f"listen {PORT}") == "done"
    assert talker.ask("effective 0") == "done" and talker.ask(f"listen {PORT + 1}") == "done"
    for port, said in ((PORT, errno.EAGAIN), (PORT + 1, 0)):  # silence
        with lab.server.socket(socket.AF_INET) as sock:
            sock.settimeout(1.3)
            code = sock.connect_ex((net.CLIENT_V4, port))
            assert code == said, (port, code)


@case("Groups: who sends a datagram and ends is a member all the same")
def sender_is_gone(lab):
    echo = UdpServer(lab.server)
    lab.gatehoused("--no-decider", "block")
    load(lab, "policy", REFUSED)
    member, other = actor(lab, 9, GROUP), actor(lab, 9)
    for number in range(5):
        assert member.ask(f"send {net.SERVER_V4} {echo.port} member{number}") == "done"
        assert other.ask(f"send {net.SERVER_V4} {echo.port} other{number}") == "done"
    wait_until(lambda: sum(b"other" in data for data in echo.payloads) == 5, 30, "the datagrams of the other one")
    assert not [data for data in echo.payloads if b"member" in data], echo.payloads


@case("Groups: a rule that comes later ends the connections of members, and no others", timeout=90)
def later_rule(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "block")
    load(lab, "open", "permit out\n")
    member, other = actor(lab, GROUP), actor(lab, 9)
    for talker in (member, other):
        for _ in range(2):  # the second one is decided in the kernel, which did not look at groups
            assert talker.ask(f"keep {net.SERVER_V4} {server.port}") == "done"
    load(lab, "policy", REFUSED)
    wait_until(lambda: member.ask("try") == "ConnectionAbortedError", 30, "the end of the member's connection")
    assert other.ask("try") == "lives"


@case("Groups: of who listens, further groups count too")
def listener(lab):
    lab.gatehoused("--no-decider", "block")
    load(lab, "policy", f"block in group {GROUP}\npermit all\n")
    # The packet rules for what comes in stand a moment after the policy.
    wait_until(lambda: sum(line.endswith(" -j gatehouse-in") for line in lab.client.rules()) == 4, 30, "the packet rules")
    member, other = actor(lab, GROUP), actor(lab, 9)
    assert member.ask(f"listen {PORT}") == "done" and other.ask(f"listen {PORT + 1}") == "done"
    for port, said, seconds in ((PORT, errno.EAGAIN, 1.3), (PORT + 1, 0, net.PATIENCE)):  # silence
        with lab.server.socket(socket.AF_INET) as sock:
            sock.settimeout(seconds)
            code = sock.connect_ex((net.CLIENT_V4, port))
            assert code == said, (port, code)


if __name__ == "__main__":
    run()
