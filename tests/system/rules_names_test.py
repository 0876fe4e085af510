#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rules with names (docs/rules.md), for programs that look names up and connect: what they permit, what they end."""
import json
import pathlib
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import dns, names, net  # noqa: E402
from gatetest.lab import with_file  # noqa: E402
from gatetest.servers import Server, TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

PORT = 7400
FRONT, BACK = "10.78.7.1", "10.78.7.2"
ASK = f"permit proto udp to {net.SERVER_V4} port domain\n"
# Each line of the input: a name or an address to connect to, with what came of it; "send": over the first connection.
PROGRAM = """
import socket, sys
kept = None
for line in sys.stdin:
    word = line.strip()
    try:
        if word == "send":
            kept.send(b"x")
            kept.settimeout(90)
            print("ok" if kept.recv(1) == b"x" else "closed", flush=True)
            continue
        made = socket.create_connection((word, %d), timeout=90)
        kept = kept or made
        print("connected", flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
""" % PORT


class Echo(Server):
    """Accepts, and gives back each byte of each connection."""

    def __init__(self, namespace):
        super().__init__()
        self.socket = namespace.socket(socket.AF_INET6)
        self.socket.bind(("::", PORT))
        self.socket.listen(64)
        self.socket.settimeout(0.02)
        self.kept = []
        self.start()

    def serve(self):
        try:
            made = self.socket.accept()[0]
            made.setblocking(False)
            self.kept.append(made)
        except TimeoutError:
            pass
        for made in self.kept:
            try:
                made.send(made.recv(64))
            except OSError:
                pass


class World:
    """A lab with a name server that gatehoused believes; nobody decides, so only rules permit."""

    TABLE = {
        "www.example.org": [FRONT],
        "example.org": [FRONT],
        "other.example.net": [FRONT],
        "cdn.example.com": [BACK],
        "six.example.org": [net.SERVER_V6],
        "xn--bcher-kva.example": [BACK],
    }

    def __init__(self, lab):
        self.lab = lab
        self.resolv = lab.directory / "resolv.conf"
        self.resolv.write_text(f"nameserver {net.SERVER_V4}\noptions timeout:15 attempts:2\n", encoding="ascii")
        dns.NameServer(lab.server, dns.zone(self.TABLE))
        self.start()

    def start(self):
        self.daemon = self.lab.start([*with_file(self.resolv, "/etc/resolv.conf"), *self.lab.daemon("--no-decider", "block")], name="gatehoused")
        self.daemon.wait_for("gatehoused: ready")

    def rules(self, *arguments, code=0):
        done = self.lab.run(*with_file(self.resolv, "/etc/resolv.conf"), names.find_program("gatehouse"), "--socket", self.lab.socket,
                            "rules", *arguments, timeout=120)  # fmt: skip
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def load(self, text):
        path = self.lab.directory / "policy"
        path.write_text(ASK + text, encoding="utf-8")
        self.rules("load", path)

    def hits(self):
        return [json.loads(line)["hits"] for line in self.rules("list", "--json").splitlines()]

    def program(self):
        return Program(self)


class Program:
    def __init__(self, world):
        command = [*with_file(world.resolv, "/etc/resolv.conf"), sys.executable, "-c", PROGRAM]
        self.process = world.lab.client.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def say(self, word):
        self.process.stdin.write(word + "\n")
        return self.process.stdout.readline().strip()

    def connects(self, word):
        """True, or False when it is refused at once."""
        said = self.say(word)
        assert said in ("connected", "ConnectionRefusedError", "ConnectionAbortedError", "OSError"), (word, said)
        return said == "connected"


def stranger(lab, address):
    """A program that looks nothing up."""
    error, _, _, _ = lab.connect_timer(address, PORT, path=lab.copy_program("connect_timer", "stranger")).result()
    return error == 0


@case("Rules with names: who looked it up passes, by that name alone; nobody else does, nor any other name", 90)
def who_passes(lab):
    world = World(lab)
    TcpServer(lab.server, PORT)
    world.load(f"permit to *.example.org port {PORT}\nblock out\n")
    one = world.program()
    assert not one.connects(FRONT), "it has no name yet"
    assert one.connects("www.example.org")
    assert one.connects(FRONT), "the same program, by what it knows"
    assert not stranger(lab, FRONT)
    assert not one.connects("cdn.example.com") and not one.connects(BACK)
    assert one.connects("six.example.org")
    # Each time anew: what the kernel keeps must not have an answer for it.
    before = world.hits()[1]
    for _ in range(5):
        assert one.connects("www.example.org")
    wait_until(lambda: world.hits()[1] == before + 5, 10, "five hits more")
    identifier = world.rules("add", "block to www.example.org").strip()
    assert not one.connects("www.example.org") and one.connects("six.example.org")
    world.rules("remove", identifier)
    assert one.connects("www.example.org")
    world.load("permit to example.org\nblock out\n")
    assert not one.connects("six.example.org") and one.connects("example.org")


@case("Rules with names: sets, Unicode, other conditions; explain says the same, and why", 90)
def what_is_said(lab):
    world = World(lab)
    TcpServer(lab.server, PORT)
    world.load(f"set cdn = {{ *.example.com, bücher.example }}\npermit program \"{pathlib.Path(sys.executable).resolve()}\" to $cdn\n"
               f"permit to *.example.org port 1\nblock out\n")  # fmt: skip
    one = world.program()
    assert not one.connects("www.example.org")
    assert one.connects("cdn.example.com")
    assert one.connects("bücher.example")
    listed = world.rules("list", "--json")
    tell(listed.splitlines()[1])
    said = world.rules("explain", sys.executable, f"cdn.example.com:{PORT}")
    tell(said.splitlines()[0])
    assert f"tcp {BACK}:{PORT} (cdn.example.com)" in said and "permitted by rule 2" in said, said
    said = world.rules("explain", sys.executable, f"bücher.example:{PORT}")
    assert "(xn--bcher-kva.example (bücher.example))" in said and "permitted by rule 2" in said, said
    said = world.rules("explain", sys.executable, f"{BACK}:{PORT}")
    assert "its name is not known" in said and "blocked by rule 4" in said, said
    said = world.rules("explain", sys.executable, f"www.example.org:{PORT}")
    assert "its name is www.example.org" in said and "blocked by rule 4" in said, said


@case("Rules with names: a connection stays its rule's through other changes, and ends with the rule", 120)
def live(lab):
    world = World(lab)
    Echo(lab.server)
    kept = f"permit to *.example.org port {PORT}\nblock out\n"
    world.load(kept)
    one = world.program()
    assert one.connects("www.example.org")
    assert one.say("send") == "ok"
    for number in range(3):
        world.rules("add", f"block to 192.0.2.{number}")
        assert one.say("send") == "ok"
    world.load("permit to 192.0.2.9\n" + kept)
    assert one.say("send") == "ok"
    world.load("block out\n")
    assert one.say("send") != "ok"


@case("Rules with names: a restart of gatehoused forgets names, and ends no connection for that", 120)
def restart(lab):
    world = World(lab)
    Echo(lab.server)
    world.load(f"permit to *.example.org port {PORT}\nblock out\n")
    one = world.program()
    assert one.connects("www.example.org") and one.say("send") == "ok"
    world.daemon.stop()
    world.start()
    assert len(world.hits()) == 3, "the rules were kept"
    assert one.say("send") == "ok"
    world.rules("add", "block to 192.0.2.1")
    assert one.say("send") == "ok"
    assert not one.connects(FRONT), "nobody knows its name now"
    assert one.connects("www.example.org")


if __name__ == "__main__":
    run()
