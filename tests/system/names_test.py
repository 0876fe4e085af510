#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Names: what a program looked up is what its connections are called (docs/names.md)."""
import contextlib
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import decide, dns, names, net, protocol  # noqa: E402
from gatetest.lab import with_file  # noqa: E402
from gatetest.servers import TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

PORT = 7400
MANY = "10.78.{}.{}"
OTHER_SERVER = "10.78.255.1"  # the lab's server too, but no name server of this machine
LOOPS = 2000
CONNECT = """
import socket, sys
for family, *_, address in socket.getaddrinfo(sys.argv[1], int(sys.argv[2]), type=socket.SOCK_STREAM):
    with socket.socket(family) as sock:
        sock.settimeout(90)
        sock.connect(address)
"""


class Names:
    """A lab with a name server, gatehoused that believes it, and a decider that permits all and remembers."""

    def __init__(self, lab, records_of, *arguments, servers=(net.SERVER_V4,)):
        self.lab = lab
        self.resolv = lab.directory / "resolv.conf"
        self.configure(servers)
        self.server = dns.NameServer(lab.server, records_of)
        self.target = TcpServer(lab.server, PORT)
        self.daemon = lab.start([*with_file(self.resolv, "/etc/resolv.conf"), *lab.daemon(*arguments)], name="gatehoused")
        self.daemon.wait_for("gatehoused: ready")
        self.deciding = decide.permitting(lab)

    def configure(self, servers):
        """In place, for gatehoused sees this very file."""
        lines = [f"nameserver {server}\n" for server in servers] + ["options timeout:15 attempts:2\n"]
        self.resolv.write_text("".join(lines), encoding="ascii")

    def __enter__(self):
        self.deciding.__enter__()
        return self

    def __exit__(self, *words):
        self.deciding.__exit__(*words)

    def run(self, *command, check=True):
        """With the lab's resolv.conf."""
        done = self.lab.run(*with_file(self.resolv, "/etc/resolv.conf"), *command)
        assert done.returncode == 0 or not check, (command, done.returncode, done.stdout, done.stderr)
        return done

    def connect(self, name):
        return self.run(sys.executable, "-c", CONNECT, name, PORT)

    def named(self, address, program=""):
        """The names of the connections to this address, in order."""
        return [request.name for request, _ in self.deciding.seen
                if request.remote == address and request.remote_port == PORT and request.path.endswith(program)]  # fmt: skip


@case(f"Names: {LOOPS} times asked and connected at once, and each connection has its name", 120)
def tight_loop(lab):
    def records_of(name, kind):
        number = int(name.removeprefix("n").split(".")[0])
        return [dns.record(name, dns.A, MANY.format(1 + number // 250, number % 250))] if kind == dns.A else []

    with Names(lab, records_of) as world:
        loop = lab.talker("dns_connect", net.SERVER_V4, PORT, LOOPS, "loop.example")
        assert loop.read_line() == str(LOOPS)
        loop.close()
        found = {request.remote: request.name for request, _ in world.deciding.seen if request.remote_port == PORT}
        assert len(found) == LOOPS, len(found)
        wrong = [(number, name) for number in range(LOOPS)
                 if (name := found[MANY.format(1 + number // 250, number % 250)]) != f"n{number}.loop.example"]  # fmt: skip
        assert not wrong, (len(wrong), wrong[:5])


@case("Names: getaddrinfo, curl and dig; IPv4, IPv6 and aliases; the question's name, in lower case", 60)
def resolvers(lab):
    table = {
        "both.example.org": [net.SERVER_V4, net.SERVER_V6],
        "www.example.org": ["web.cdn.example"],
        "web.cdn.example": ["edge.cdn.example"],
        "edge.cdn.example": [MANY.format(2, 2)],
    }
    with Names(lab, dns.zone(table, ttl=0)) as world:
        world.connect("Both.Example.ORG")
        assert world.named(net.SERVER_V4) == ["both.example.org"]
        assert world.named(net.SERVER_V6) == ["both.example.org"]
        world.connect("www.example.org")
        assert world.named(MANY.format(2, 2)) == ["www.example.org"]
        world.run(names.find_tool("curl"), "-s", "-m", "90", f"http://www.example.org:{PORT}/", check=False)
        assert world.named(MANY.format(2, 2), "curl") == ["www.example.org"]
        world.run(names.find_tool("dig"), "+short", "+time=20", "+tries=1", f"@{net.SERVER_V4}", "both.example.org")
        asked = [request for request, _ in world.deciding.seen if request.path.endswith("/dig")]
        assert asked and all(request.name == "" for request in asked), "the name server's own address has no name"
        done = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "flows", "--json")
        flows = [json.loads(line) for line in done.stdout.splitlines()]
        named = [flow.get("name") for flow in flows if flow["remote_address"] == MANY.format(2, 2)]
        tell(f"{len(flows)} flows")
        assert named == ["www.example.org"] * 2, named


@case("Names: two programs that got different names for one address keep their own", 60)
def by_program(lab):
    address = MANY.format(3, 3)
    first, second = lab.copy_program("dns_connect", "first"), lab.copy_program("dns_connect", "second")
    with Names(lab, lambda name, kind: [dns.record(name, kind, address)]) as world:
        for path, domain in ((first, "one.example"), (second, "two.example"), (first, "three.example"), (second, "two.example")):
            loop = lab.talker("dns_connect", net.SERVER_V4, PORT, 1, domain, path=path)
            assert loop.read_line() == "1"
            loop.close()
        assert world.named(address, "/first") == ["n0.one.example", "n0.three.example"]
        assert world.named(address, "/second") == ["n0.two.example", "n0.two.example"]
        # Who looked nothing up has no name for it.
        world.run(sys.executable, "-c", CONNECT, address, PORT)
        assert world.named(address)[-1] == ""


@case("Names: only the configured name servers are believed, as they are when the answer comes; nobody names 127.0.0.1", 60)
def believed(lab):
    target, local = MANY.format(4, 4), "127.0.0.1"
    def records_of(name, kind):
        return [dns.record(name, kind, local), dns.record(name, kind, "0.0.0.0"), dns.record(name, kind, target)]

    with Names(lab, records_of) as world:
        path = lab.copy_program("dns_connect", "asker")

        def loop(server, domain):
            talker = lab.talker("dns_connect", server, PORT, 1, domain, path=path)
            assert talker.read_line() == "1"
            talker.close()
            return world.named(target, "/asker")[-1]

        assert loop(OTHER_SERVER, "forged.example") == ""
        assert loop(net.SERVER_V4, "right.example") == "n0.right.example"
        world.configure([OTHER_SERVER])
        assert loop(OTHER_SERVER, "other.example") == "n0.other.example"
        assert loop(net.SERVER_V4, "gone.example") == "n0.other.example", "it is configured no more"


FORGED = """
import socket, sys
place, asked, target, port = sys.argv[1], sys.argv[2:4], sys.argv[4], int(sys.argv[5])
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((place, 0))
udp.sendto(b"hello", (asked[0], int(asked[1])))
print(udp.getsockname()[1], flush=True)
udp.settimeout(90)
udp.recv(2048)
print("came", flush=True)
while udp.recv(2048) != b"over":
    pass
socket.create_connection((target, port), 90)
print("connected", flush=True)
"""


@case("Names: what is sent in a name server's name to a socket that did not ask it names nothing", 60)
def forged(lab):
    """The address of a believed server can be forged; here the server itself sends what nobody asked for."""
    target = MANY.format(4, 9)
    query = bytes.fromhex("123401000001000000000000") + dns.pack_name("forged.example") + struct.pack(">HH", dns.A, 1)
    answer = dns.answer_to(query, [dns.record("forged.example", dns.A, target)])
    with Names(lab, dns.zone({})) as world:
        world.server.reply = lambda data: None
        for asked, name in (((net.SERVER_V4, 7), ""), ((OTHER_SERVER, 53), ""), ((net.SERVER_V4, 53), "forged.example")):
            command = [sys.executable, "-c", FORGED, net.CLIENT_V4, *map(str, asked), target, str(PORT)]
            program = lab.client.popen(command, stdout=subprocess.PIPE, text=True)
            place = (net.CLIENT_V4, int(program.stdout.readline()))
            wait_until(lambda place=place: any(request.local_port == place[1] for request, _ in world.deciding.seen), 90, "hello")
            for _ in range(3):
                world.server.sockets[0].sendto(answer, place)
            assert program.stdout.readline() == "came\n"
            world.server.sockets[0].sendto(b"over", place)
            assert program.stdout.readline() == "connected\n"
            assert program.wait(90) == 0
            assert world.named(target)[-1] == name, (asked, world.named(target))


@case("Names: name-servers any, a list, none", 90)
def setting(lab):
    target = MANY.format(5, 5)
    path = lab.copy_program("dns_connect", "asker")
    for words, expected in ((("--name-servers", "any"), "n0.any.example"),
                            (("--name-servers", f"192.0.2.1,{net.SERVER_V4}"), "n0.any.example"),
                            (("--name-servers", "192.0.2.1 2001:db8::1"), ""),
                            (("--name-servers", "none"), "")):  # fmt: skip
        with Names(lab, lambda name, kind: [dns.record(name, kind, target)], *words, servers=[OTHER_SERVER]) as world:
            talker = lab.talker("dns_connect", net.SERVER_V4, PORT, 1, "any.example", path=path)
            assert talker.read_line() == "1"
            talker.close()
            assert world.named(target, "/asker") == [expected], words
        world.daemon.stop()
        world.server.stop()
        world.target.stop()


class Resolved(threading.Thread):
    """What systemd-resolved's monitor says, to whoever subscribes: the shape of its Varlink interface."""

    METHOD = "io.systemd.Resolve.Monitor.SubscribeQueryResults"

    def __init__(self, path):
        super().__init__(daemon=True)
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(str(path))
        os.chmod(path, 0o600)
        os.chown(path, 65534, 65534)  # as resolved's: a user's own, who is not root
        self.listening.listen(8)
        self.calls = []
        self.peers = []
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                peer, _ = self.listening.accept()
                call = b""
                while not call.endswith(b"\0"):
                    call += peer.recv(4096)
                self.calls.append(json.loads(call[:-1]))
                self.say({"ready": True}, [peer])
                self.peers.append(peer)

    def say(self, parameters, peers=None):
        message = json.dumps({"parameters": parameters, "continues": True}).encode() + b"\0"
        for peer in peers or self.peers:
            for at in range(0, len(message), 50):  # in pieces
                peer.sendall(message[at : at + 50])

    def result(self, asked, records, collected=(), state="success"):
        def key(name, kind):
            return {"class": 1, "type": kind, "name": name}

        answers = []
        for name, kind, value in records:
            rr = {"key": key(name, kind)}
            if kind == dns.CNAME:
                rr["name"] = value
            else:
                rr["address"] = list(socket.inet_pton(socket.AF_INET6 if kind == dns.AAAA else socket.AF_INET, value))
            answers.append({"rr": rr, "raw": "AAAA", "ifindex": 2})
        parameters = {"state": state, "question": [key(asked, dns.A), key(asked, dns.AAAA)], "answer": answers}
        if collected:
            parameters["collectedQuestions"] = [key(name, dns.A) for name in collected]
        self.say(parameters)

    def drop(self):
        for peer in self.peers:
            peer.close()
        self.peers = []

    def stop(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.drop()


def with_run(lab, there=True):
    """A wrapper command that sees a /run of the case's own, with systemd-resolved's folder in it."""
    folder = lab.directory / "run"
    (folder / "systemd/resolve" if there else folder).mkdir(parents=True)
    script = f'mount --bind {folder} /run && mount --bind {lab.directory}/resolv.conf /etc/resolv.conf && exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"], folder / "systemd/resolve"


@case("Names: what systemd-resolved finds for programs without a DNS packet of their own, and after it was started again", 120)
def resolved(lab):
    TcpServer(lab.server, PORT)
    (lab.directory / "resolv.conf").write_text("nameserver 127.0.0.53\n", encoding="ascii")
    wrapper, folder = with_run(lab)
    path = folder / "io.systemd.Resolve.Monitor"
    monitor = Resolved(path)
    lab.start([*wrapper, *lab.daemon()], name="gatehoused").wait_for("gatehoused: ready")

    def connect(address):
        lab.run(sys.executable, "-c", CONNECT, address, PORT)
        return [request.name for request, _ in deciding.seen if request.remote == address][-1]

    with decide.permitting(lab) as deciding:
        wait_until(lambda: monitor.peers, 30, "the subscription")
        assert monitor.calls == [{"method": Resolved.METHOD, "parameters": {}, "more": True}], monitor.calls
        monitor.result("www.example.org", [("www.example.org", dns.CNAME, "web.example.net"),
                                           ("web.example.net", dns.A, MANY.format(6, 1)),
                                           ("web.example.net", dns.AAAA, "fd78::6:1"),
                                           ("unasked.example", dns.A, MANY.format(6, 9))])  # fmt: skip
        assert connect(MANY.format(6, 1)) == "www.example.org"
        assert connect(MANY.format(6, 9)) == ""
        monitor.result("web2.example.net", [("web2.example.net", dns.A, MANY.format(6, 2))], collected=["Shop.example.org"])
        assert connect(MANY.format(6, 2)) == "shop.example.org"
        monitor.result("bücher.example", [("bücher.example", dns.A, MANY.format(6, 3))], collected=["bücher.example", "xn--bcher-kva.example"])
        assert connect(MANY.format(6, 3)) == "xn--bcher-kva.example"
        monitor.result("failed.example", [("failed.example", dns.A, MANY.format(6, 4))], state="errno")
        assert connect(MANY.format(6, 4)) == ""
        monitor.say({"nonsense": [1, {"answer": 7}], "state": "success", "question": 3, "answer": [5, {"rr": []}]})
        monitor.result("after.example", [("after.example", dns.A, MANY.format(6, 5))])
        assert connect(MANY.format(6, 5)) == "after.example"
        # It ends, and another one comes: gatehoused finds it again.
        monitor.stop()
        path.unlink()
        monitor = Resolved(path)
        wait_until(lambda: monitor.peers, 60, "another subscription")
        monitor.result("again.example", [("again.example", dns.A, MANY.format(6, 6))])
        assert connect(MANY.format(6, 6)) == "again.example"


@case("Names: systemd-resolved is started after gatehoused, which has no timer to look for it", 120)
def resolved_late(lab):
    (lab.directory / "resolv.conf").write_text("nameserver 127.0.0.53\n", encoding="ascii")
    wrapper, folder = with_run(lab, there=False)
    daemon = lab.start([*wrapper, *lab.daemon()], name="gatehoused")
    daemon.wait_for("gatehoused: ready")

    def timers():
        """Of gatehoused that run: seconds until each ends."""
        texts = [path.read_text("ascii") for path in pathlib.Path(f"/proc/{daemon.pid}/fdinfo").iterdir()]
        return [int(text.split("it_value: (")[1].split(",")[0]) for text in texts if "it_value: (" in text and "it_value: (0, 0)" not in text]

    wait_until(lambda: not timers(), 30, "no timer that runs")
    folder.parent.mkdir()
    folder.mkdir()
    for _ in range(3):
        monitor = Resolved(folder / "io.systemd.Resolve.Monitor")
        wait_until(lambda: monitor.peers, 30, "the subscription")  # noqa: B023
        monitor.stop()
        (folder / "io.systemd.Resolve.Monitor").unlink()


@case("Names: rules with names decide what their program looked up, the same address of another program is asked about", 90)
def in_rules(lab):
    good, bad, other = MANY.format(7, 1), MANY.format(7, 2), MANY.format(7, 3)
    table = {"n0.www.example.org": [good], "n0.blocked.example": [bad], "n0.example.net": [other, good]}
    (lab.directory / "rules").write_text(
        "permit proto udp port 53\npermit to *.example.org\nblock to n0.blocked.example\n", encoding="ascii")
    first, second = lab.copy_program("dns_connect", "first"), lab.copy_program("dns_connect", "second")

    def loop(path, domain):
        talker = lab.talker("dns_connect", net.SERVER_V4, PORT, 1, domain, path=path)
        done = talker.read_line()
        talker.close()
        return done

    def zone(name, kind):
        return [dns.record(name, kind, address) for address in table[name]]

    with Names(lab, zone) as world:
        for _ in range(2):
            assert loop(first, "www.example.org") == "1" and loop(first, "blocked.example") == "0"
        assert not world.named(good) and not world.named(bad), "a rule decides without being asked about"
        assert loop(second, "example.net") == "1"
        assert world.named(good, "/second") == ["n0.example.net"], "what the first program looked up is not the second's"
        assert loop(first, "www.example.org") == "1" and world.named(good, "/first") == []
        # The answer for a name is a rule: the next connection to it, at another address, is not asked about.
        table["n0.example.net"] = [good, other]
        world.deciding.judge = lambda request: world.deciding.device.decide(
            request, protocol.PERMIT, protocol.SCOPE_PROGRAM_NAME)  # fmt: skip
        assert loop(second, "example.net") == "1"
        # The connection went on when the answer was taken, which may be before the deciding thread says so.
        wait_until(lambda: len(world.deciding.kept) == 1, 30, "the one question")
        table["n0.example.net"] = [MANY.format(7, 4)]
        assert loop(second, "example.net") == "1" and len(world.deciding.kept) == 1


@case("Names: NAMES_LEARNED through the socket, by any client that may open it; what is wrong is refused whole", 60)
def by_client(lab):
    lab.gatehoused()
    TcpServer(lab.server, PORT)
    name = b"told.example"
    record = struct.pack("<IIHHB3x16s", 32 + 16, 0, 0, len(name), 4, socket.inet_aton(net.SERVER_V4)) + name + bytes(4)
    with lab.observer() as watcher, decide.permitting(lab) as deciding:
        assert watcher.ioctl(protocol.NAMES_LEARNED, struct.pack("<II", 1, 2) + record + record[:-8], 0).status \
            == protocol.E_SHORT_INPUT  # fmt: skip
        watcher.ok(protocol.NAMES_LEARNED, struct.pack("<II", 1, 1) + record, 0)
        subprocess.run(lab.client.command([sys.executable, "-c", CONNECT, net.SERVER_V4, str(PORT)]), check=True, timeout=90)
        assert [request.name for request, _ in deciding.seen if request.remote_port == PORT] == ["told.example"]


if __name__ == "__main__":
    run()
