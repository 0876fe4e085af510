#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random policies against real sockets of every kind: what happens is what `gatehouse rules explain` says."""
import json
import os
import pathlib
import random
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import names, net  # noqa: E402
from gatetest.servers import TcpServer, UdpServer  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

PORT, LISTENING = 7000, 7100
POLICIES = int(os.environ.get("GATEHOUSE_MATRIX_POLICIES", "25"))
PERMITTED, BLOCKED = 60, 0.4  # seconds that an answer is waited for: it is there at once, or never

# Runs in the client namespace as a program of its own: one line in "SECONDS KIND ADDRESS PORT LOCAL LOCALPORT", one line out.
PROBE = f"""
import select, socket, sys, threading
def address(kind, text):
    return "::ffff:" + text if "mapped" in kind and text != "::" else text
def probe(seconds, kind, to, port, local, local_port):
    family = socket.AF_INET6 if ":" in to or "mapped" in kind else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if "tcp" in kind else socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.settimeout(float(seconds))
        s.bind((address(kind, local), int(local_port)))
        end = (address(kind, to), int(port))
        if "tcp" in kind:
            s.connect(end)
            return s.recv(2) == b"hi"
        if "unconnected" in kind:
            s.sendto(b"hi", end)
        else:
            s.connect(end)
            s.send(b"hi")
        return s.recv(2) == b"hi"
def echo(family, name):
    tcp, udp = socket.socket(family), socket.socket(family, socket.SOCK_DGRAM)
    for s in (tcp, udp):
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        s.bind((name, {LISTENING}))
    tcp.listen(100)
    while True:
        for s in select.select([tcp, udp], [], [])[0]:
            try:
                if s is tcp:
                    c = s.accept()[0]
                    c.send(b"hi")
                    c.close()
                else:
                    s.sendto(*s.recvfrom(9))
            except OSError:
                pass
if sys.argv[1] == "listen":
    for end in ((socket.AF_INET, "{net.CLIENT_V4}"), (socket.AF_INET6, "{net.CLIENT_V6}")):
        threading.Thread(target=echo, args=end, daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    try:
        done = probe(*line.split())
    except OSError:
        done = False
    print("passed" if done else "blocked", flush=True)
"""


class Prober:
    def __init__(self, namespace, listen):
        command = [sys.executable, "-c", PROBE, "listen" if listen else "probe"]
        self.process = namespace.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self.process.stdout.readline() == "ready\n"

    def passes(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline() == "passed\n"

    def close(self):
        self.process.stdin.close()
        self.process.wait(net.PATIENCE)
        self.process.stdout.close()


def connections(local_port):
    """(kind, inbound, protocol, remote end, local end); a fresh local port each, so that no flow before it counts."""
    for kind in ("tcp", "tcp-mapped", "udp", "udp-unconnected", "udp-mapped", "udp-mapped-unconnected"):
        for to, local in ((net.SERVER_V4, net.CLIENT_V4), (net.MANY_V4, net.CLIENT_V4), (net.SERVER_V6, net.CLIENT_V6)):
            if "mapped" in kind and ":" in to:
                continue
            local_port += 1
            yield kind, False, kind[:3], (to, PORT), (local, local_port)
    for kind in ("tcp", "udp", "udp-unconnected"):
        for to, local in ((net.SERVER_V4, net.CLIENT_V4), (net.SERVER_V6, net.CLIENT_V6)):
            local_port += 1
            yield kind, True, kind[:3], (to, local_port), (local, LISTENING)


def random_rule(choose, program):
    words = [choose.choice(("permit", "block"))]
    inbound = choose.random() < 0.3
    ends = [net.SERVER_V4, "10.77.0.0/24", "10.78.0.0/16", "fd77::/64", net.SERVER_V6, "! 10.77.0.2", "any",
            "! { fd77::/16, 10.78.0.1 }", "10.77.0.2-10.78.0.1", "$far", "::ffff:10.77.0.2", "0.0.0.0/0", "::/0"]
    mine = [net.CLIENT_V4, net.CLIENT_V6, "! 10.77.0.1", "10.0.0.0/8", "any"]
    ports = {True: ["7100", "7000-7100", "$ports", "7101"], False: ["7000", "{ 1, 7000 }", "$ports", "7001", "any"]}
    matchers = [
        "program " + choose.choice((f'"{program}"', '"/usr/bin/**"', '"/usr/bin/"', '"/usr/bin/py*"', '"/bin/nc"', '"/**/python?*"')),
        choose.choice(("user root", "user { nobody, 0 }", "user nobody", "group 0", "group nogroup")),
        "proto " + choose.choice(("tcp", "udp", "{ tcp, udp }", "17", "icmp", "{ 6, icmp6 }")),
        ("from " if inbound else "to ") + choose.choice(ends),
        ("to " if inbound else "from ") + choose.choice(mine),
        "port " + choose.choice(ports[inbound]),
        choose.choice(("inet", "inet6")),
        "log",
    ]
    used = [matcher for matcher in matchers if choose.random() < 0.3]
    if "proto icmp" in used:
        used = [matcher for matcher in used if not matcher.startswith("port")]
    choose.shuffle(used)
    return " ".join([*words, "in" if inbound else "out", *used] + (["all"] if not set(used) - {"inet", "inet6", "log"} else []))


def explained(lab, policy, program, inbound, protocol, remote, local):
    dest, other = (local, remote) if inbound else (remote, local)
    end = "[{}]:{}" if ":" in dest[0] else "{}:{}"
    done = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "rules", "explain", program, end.format(*dest),
                   "--proto", protocol, "--user", "root", "--from", end.format(*other), "--json",
                   *(["--in"] if inbound else []))  # fmt: skip
    assert done.returncode == 0, f"{policy}\n{done.stdout}{done.stderr}"
    return done.stdout


@case("random policies: TCP, UDP, connected or not, IPv4, IPv6, IPv4-mapped, in and out, as rules explain says", timeout=240)
def matrix(lab):
    seed = int(os.environ.get("GATEHOUSE_MATRIX_SEED", "0")) or random.randrange(1, 1 << 30)
    tell(f"GATEHOUSE_MATRIX_SEED={seed} repeats it")
    choose = random.Random(seed)
    TcpServer(lab.server, PORT, b"hi"), UdpServer(lab.server, PORT)
    gatehoused = lab.gatehoused("--no-decider", "block")
    inner, outer = Prober(lab.client, True), Prober(lab.server, False)
    program = os.path.realpath(f"/proc/{inner.process.pid}/exe")
    port, count = 20000, 0
    for round in range(POLICIES):
        rules = ["permit out"] if round == 0 else [random_rule(choose, program) for _ in range(choose.randrange(1, 5))]
        policy = "set far = { 10.78.0.0/16, fd77::2 }\nset ports = { 7000, 7100 }\n" + "\n".join(rules)
        policy += "\nblock all\n" if round == 0 else choose.choice(("\nblock all\n", "\npermit all\n"))
        (lab.directory / "policy").write_text(policy, encoding="utf-8")
        done = lab.run(names.find_program("gatehouse"), "--socket", lab.socket, "rules", "load", lab.directory / "policy")
        if done.returncode == 1 and ("found no IPv" in done.stderr or "which has none" in done.stderr):
            continue  # an address of the one family in a rule for the other; ports of ICMP
        assert done.returncode == 0, f"{policy}\n{done.stderr}"
        for kind, inbound, protocol, remote, local in connections(port):
            port, count = port + 1, count + 1
            here, there = (outer, (*local, *remote)) if inbound else (inner, (*remote, *local))
            said = explained(lab, policy, program, inbound, protocol, remote, local)
            verdict = json.loads(said.splitlines()[-1])
            passed = here.passes(PERMITTED if verdict["action"] == "permit" else BLOCKED, kind, *there)
            assert (verdict["action"] == "permit") == passed, f"{policy}\n{kind} in={inbound} {remote} {local} passed={passed}\n{said}"
        if port > 59000:
            port = 20000
    inner.close(), outer.close()
    assert "somebody" not in gatehoused.output(), "its own rules were taken for another's"
    tell(f"{count} connections under {POLICIES} policies")


if __name__ == "__main__":
    run()
