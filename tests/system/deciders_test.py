#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The deciders people use, on real connections of real programs: permit, block, ask; and status and watch."""
import errno
import json
import os
import pathlib
import pty
import select
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import device, names, net, protocol  # noqa: E402
from gatetest.lab import with_file  # noqa: E402
from gatetest.servers import DnsServer, HttpServer, TcpServer, UdpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

PERMIT_BLOCK = "Deciders: gatehouse permit, gatehouse block, each with --except PATH"
ASK = "gatehouse ask: one line a connection: program, pid, user, destination; y / n / always"
STATUS = "gatehouse status [--json]"
REFUSED = (errno.ECONNREFUSED, errno.EHOSTUNREACH)


def curl(lab, url, *more, seconds=60):
    return lab.run(names.find_tool("curl"), "-sS", "--max-time", seconds, *more, url, timeout=seconds + 5)


@case(f"{PERMIT_BLOCK}: permit lets curl, nc and dig through")
def permit(lab):
    web, text, dns = HttpServer(lab.server), TcpServer(lab.server, greeting=b"hi\n"), DnsServer(lab.server)
    lab.gatehoused()
    lab.gatehouse_decides("permit")
    for host in (net.SERVER_V4, f"[{net.SERVER_V6}]"):
        done = curl(lab, f"http://{host}/")
        assert done.stdout == "hello from the server\n", (done.returncode, done.stderr)
    done = lab.run(names.find_tool("nc"), "-w", 30, net.SERVER_V4, text.port, stdin=subprocess.DEVNULL)
    assert done.stdout == "hi\n", done
    done = lab.run(names.find_tool("dig"), "+short", "+time=20", "+tries=1", f"@{net.SERVER_V4}", "gate.test", "A")
    assert done.stdout.strip() == net.SERVER_V4, done
    assert web.paths == ["/", "/"] and len(dns.received) >= 1


@case(f"{PERMIT_BLOCK}: block refuses curl and nc, and answers at once")
def block(lab):
    web, text = HttpServer(lab.server), TcpServer(lab.server, greeting=b"hi\n")
    lab.gatehoused()
    lab.gatehouse_decides("block")
    for host in (net.SERVER_V4, f"[{net.SERVER_V6}]"):
        done = curl(lab, f"http://{host}/")  # told nothing, it would wait longer than it may
        assert done.returncode == 7, (done.returncode, done.stderr)
    done = lab.run(names.find_tool("nc"), "-w", 30, net.SERVER_V4, text.port, stdin=subprocess.DEVNULL)
    assert done.returncode != 0 and not done.stdout, done
    assert not web.paths and not text.accepted


def resolving(lab):
    """A wrapper for programs that shall ask the lab's name server."""
    resolv = lab.directory / "resolv.conf"
    resolv.write_text(f"nameserver {net.SERVER_V4}\noptions timeout:20 attempts:1\n", encoding="utf-8")
    return with_file(resolv, "/etc/resolv.conf")


@case("gatehouse block: what name resolution needs stays permitted while the rest is blocked")
def block_leaves_names(lab):
    dns, echo = DnsServer(lab.server), UdpServer(lab.server)
    lab.gatehoused()
    lab.gatehouse_decides("block", wrapper=resolving(lab))
    done = lab.run(names.find_tool("dig"), "+short", "+time=20", "+tries=1", f"@{net.SERVER_V4}", "gate.test", "A")
    assert done.stdout.strip() == net.SERVER_V4, (done.stdout, done.stderr)
    assert dns.received
    done = lab.run(names.find_tool("dig"), "+short", "+time=2", "+tries=1", f"@{net.MANY_V4}", "gate.test", "A")
    assert done.returncode != 0, "a name server that this machine does not use was reached"
    sender = lab.talker("udp_sender", "connected", net.SERVER_V4, echo.port)
    sender.ask("0 not a name")
    time.sleep(0.5)
    assert not echo.received, "a datagram that is no name query got through"


@case("gatehouse block: a program finds the name, and is refused at the address")
def block_after_name(lab):
    dns, web = DnsServer(lab.server), HttpServer(lab.server)
    lab.gatehoused()
    lab.gatehouse_decides("block", wrapper=resolving(lab))
    done = lab.run(*resolving(lab), names.find_tool("curl"), "-4", "-sS", "-m", 60, "http://gate.test/", timeout=90)
    assert done.returncode == 7, f"7 is 'could not connect', 6 'could not resolve': {done.returncode} {done.stderr}"
    assert dns.received and not web.paths


def excepting(lab, command, excepted_connects):
    server = TcpServer(lab.server)
    lab.gatehoused()
    paths = [lab.copy_program("connect_timer", name) for name in ("alpha", "beta", "gamma")]
    lab.gatehouse_decides(command, "--except", paths[0], paths[1])
    for path, excepted in zip(paths, (True, True, False)):
        for address in (net.SERVER_V4, net.SERVER_V6):
            error = lab.connect_timer(address, server.port, path=path).result()[0]
            assert (error == 0) == (excepted == excepted_connects), (path, address, error)
            assert error in (0, *REFUSED), error


@case(f"{PERMIT_BLOCK}: block --except TWO PATHS")
def block_except(lab):
    excepting(lab, "block", True)


@case(f"{PERMIT_BLOCK}: permit --except TWO PATHS")
def permit_except(lab):
    excepting(lab, "permit", False)


@case(f"{PERMIT_BLOCK}: a path with spaces and letters beyond ASCII")
def except_odd_path(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    odd = lab.copy_program("connect_timer", "mit Lücke 門")
    raw = os.fsencode(str(lab.directory)) + b"/bytes-\xff\xfe"
    pathlib.Path(os.fsdecode(raw)).write_bytes(pathlib.Path(odd).read_bytes())
    os.chmod(raw, 0o755)
    lab.start([names.find_program("gatehouse"), "--socket", str(lab.socket), "block", "--except", odd, os.fsdecode(raw)])
    wait_until(lambda: decider_pid(lab), 10, "the decider")
    for path in (odd, os.fsdecode(raw)):
        assert lab.connect_timer(net.SERVER_V4, server.port, path=path).result()[0] == 0, path
    assert lab.connect_timer(net.SERVER_V4, server.port).result()[0] in REFUSED


def decider_pid(lab):
    with device.observer(lab.socket) as watcher:
        return watcher.status().decider_pid


class Asker:
    """`gatehouse ask` with its input and output in the case's hands: pipes, or a terminal."""

    def __init__(self, lab, terminal=False):
        command = [names.find_program("gatehouse"), "--socket", str(lab.socket), "ask", "--lines", "--desk", str(lab.directory / "desk.sock")]
        ours, theirs = pty.openpty() if terminal else (None, subprocess.PIPE)
        output = theirs if terminal else subprocess.STDOUT
        self.process = lab.client.popen(command, stdin=theirs, stdout=theirs, stderr=output, bufsize=0)
        if terminal:
            os.close(theirs)
        self.input = ours if terminal else self.process.stdin.fileno()
        self.output = ours if terminal else self.process.stdout.fileno()
        self.text = ""
        lab.wait_decider(self.process.pid)

    def read_until(self, what, seconds=net.PATIENCE):
        """Reads until what is in the output; returns the text since the last call."""
        until = time.monotonic() + seconds
        while what not in self.text:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.output], [], [], left)[0]:
                raise AssertionError(f"no '{what}' from gatehouse ask, but: {self.text!r}")
            data = os.read(self.output, 4096)
            if not data:
                raise AssertionError(f"gatehouse ask ended: {self.text!r}")
            self.text += data.decode(errors="replace")
        text, self.text = self.text, ""
        return text

    def type(self, answer):
        os.write(self.input, answer.encode() + b"\n")


@case(f"{ASK}; by script: y and n")
def ask_yes_and_no(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    asker = Asker(lab)
    for answer, permitted in (("y", True), ("n", False)):
        program = lab.copy_program("connect_timer", f"asked-{answer}")
        talker = lab.connect_timer(net.SERVER_V4, server.port, path=program, user="nobody")
        line = asker.read_until(f":{server.port}")
        for word in (program, str(talker.pid), "nobody", net.SERVER_V4):
            assert word in line, f"{word} is not in {line!r}"
        tell(line.strip().splitlines()[-1][:160])
        asker.type(answer)
        assert (talker.result()[0] == 0) == permitted, answer
    server.expect(1)


@case(f"{ASK}; by script: always for this program and destination")
def ask_always(lab):
    server, echo = TcpServer(lab.server), TcpServer(lab.server, port=7100)
    lab.gatehoused()
    asker = Asker(lab)
    program = lab.copy_program("connect_timer", "asked-once")
    talker = lab.connect_timer(net.SERVER_V4, server.port, path=program)
    asker.read_until(f":{server.port}")
    asker.type("a")
    assert talker.result()[0] == 0
    for _ in range(3):
        assert lab.connect_timer(net.SERVER_V4, server.port, path=program).result()[0] == 0
    elsewhere = lab.connect_timer(net.SERVER_V4, echo.port, path=program)
    asker.read_until(f":{echo.port}")
    asker.type("n")
    assert elsewhere.result()[0] in REFUSED, "always is for this destination"
    other = lab.connect_timer(net.SERVER_V4, server.port)
    asker.read_until(f":{server.port}")
    asker.type("n")
    assert other.result()[0] in REFUSED, "always is for this program"


@case(f"{ASK}; on a terminal one key answers, but none that was typed before the question was there")
def ask_on_a_terminal(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    asker = Asker(lab, terminal=True)
    os.write(asker.input, b"y")
    time.sleep(1)
    for key, permitted in ((b"n", False), (b"y", True)):
        talker = lab.connect_timer(net.SERVER_V4, server.port)
        asker.read_until("permit?")
        time.sleep(0.6)
        assert not server.accepted, "a key typed ahead was taken for an answer"
        os.write(asker.input, key)
        assert (talker.result()[0] == 0) == permitted, key
    asker.process.terminate()
    assert asker.process.wait(net.PATIENCE) in (0, -15, 143)


@case(f"{ASK}; a program's name cannot forge a line or move the cursor")
def ask_shows_no_control_characters(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    asker = Asker(lab)
    program = lab.copy_program("connect_timer", "evil\n\x1b[2Jcurl")
    talker = lab.connect_timer(net.SERVER_V4, server.port, path=program)
    text = asker.read_until(f":{server.port}")
    assert "\x1b" not in text and "\ncurl" not in text, repr(text)
    asker.type("n")
    assert talker.result()[0] in REFUSED


@case(f"{ASK}; curl, nc and dig wait for the answer")
def ask_real_programs(lab):
    web, dns = HttpServer(lab.server), DnsServer(lab.server)
    lab.gatehoused()
    asker = Asker(lab)
    process = lab.client.popen(
        [names.find_tool("curl"), "-sS", "-m", "90", f"http://{net.SERVER_V4}/"], stdout=subprocess.PIPE, text=True
    )
    line = asker.read_until(net.SERVER_V4)
    assert "curl" in line and str(process.pid) in line, line
    time.sleep(1)
    assert process.poll() is None and not web.paths, "curl did not wait"
    asker.type("y")
    assert process.communicate(timeout=90)[0] == "hello from the server\n"
    process = lab.client.popen(
        [names.find_tool("nc"), "-w", "60", net.SERVER_V4, "80"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    asker.read_until(str(process.pid))
    asker.type("n")
    assert process.wait(90) != 0
    assert web.paths == ["/"] and dns is not None


@case(f"{ASK}: the end of its input or of itself leaves nobody hanging")
def ask_ends(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "hold", "--deadline", "10")
    asker = Asker(lab)
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    asker.read_until(f":{server.port}")
    asker.process.stdin.close()
    asker.process.wait(net.PATIENCE)
    error, microseconds, _, _ = talker.result()
    assert error in REFUSED and microseconds < 60e6, (error, microseconds)


@case(STATUS)
def status(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--deadline", "30")
    gatehouse = [names.find_program("gatehouse"), "--socket", str(lab.socket), "status"]
    decider = lab.decider()
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    (request,) = decider.requests()
    done = lab.run(*gatehouse)
    assert done.returncode == 0 and done.stdout.strip(), done
    done = lab.run(*gatehouse, "--json")
    numbers = flatten(json.loads(done.stdout))
    for name, value in (("held", 1), ("offered", 1), ("pended", 1), ("decider_pid", os.getpid()), ("deadline_ms", 30000)):
        assert numbers.get(name) == value, f"{name} is {numbers.get(name)}, not {value}: {done.stdout}"
    assert numbers.get("packets_held") == 1, done.stdout
    decider.decide(request, protocol.BLOCK)
    talker.result()
    numbers = flatten(json.loads(lab.run(*gatehouse, "--json").stdout))
    assert numbers["blocked_by_decider"] == 1 and numbers["held"] == 0, numbers


def flatten(tree):
    flat = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat.update(flatten(value))
        else:
            flat[name] = value
    return flat


@case("gatehouse watch --json: each connection's life as lines, for any number of watchers")
def watch(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    watchers = [lab.gatehouse("watch", "--json") for _ in range(2)]
    with lab.observer() as counter:
        wait_until(lambda: counter.status().observers == 3, 10, "the watchers")
    lab.gatehouse_decides("block")
    program = lab.copy_program("connect_timer", "watched")
    talker = lab.connect_timer(net.SERVER_V4, server.port, path=program)
    assert talker.result()[0] in REFUSED
    for watcher in watchers:
        wait_until(lambda: watcher.output().count("\n") >= 2, 5, "two lines")
        lines = [json.loads(line) for line in watcher.output().splitlines()]
        texts = [json.dumps(line) for line in lines]
        assert all(program in text and str(talker.pid) in text for text in texts[:2]), texts
        assert "held" in texts[0].lower() and "block" in texts[1].lower(), texts
        tell(texts[1][:200])


@case("gatehouse ends well on SIGINT and SIGTERM, and says one sentence when gatehoused goes", timeout=60)
def gatehouse_ends(lab):
    import signal

    daemon = lab.gatehoused()
    for number in (signal.SIGINT, signal.SIGTERM):
        program = lab.gatehouse_decides("permit")
        code = program.stop(number)
        assert code in (0, 128 + number, -number), code
        wait_until(lambda: decider_pid(lab) == 0, 5, "the decider's end")
    program = lab.gatehouse_decides("permit", "--once")
    daemon.kill()
    assert program.process.wait(net.PATIENCE) != 0, "it goes on without gatehoused"
    assert "gatehoused" in program.output(), program.output()
    tell(program.output().strip().splitlines()[-1])


@case("gatehouse waits for a gatehoused that was killed, and decides again when it is back", timeout=60)
def gatehouse_comes_back(lab):
    server = TcpServer(lab.server)
    daemon = lab.gatehoused()
    program = lab.gatehouse_decides("permit")
    daemon.kill()
    time.sleep(1)
    assert program.process.poll() is None, program.output()
    talker = lab.connect_timer(net.SERVER_V4, server.port)
    lab.gatehoused()
    lab.wait_decider(program.pid)
    assert talker.result()[0] == 0


if __name__ == "__main__":
    run()
