#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What happened, with real connections: flows that are waited for, refused connections with counts, the history that
gatehouse run writes of them, and what log and why say."""
import json
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import names, net, protocol  # noqa: E402
from gatetest.servers import TcpServer, UdpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

FLOWS, CANCEL = 0xFFFFFFFB, 0xFFFFFFFF
CHANGES, WAIT = 1, 2
BLOCKED, ENDED = 8, 2
SECONDS = 60
GATEHOUSE = names.find_program("gatehouse")


def load(lab, text):
    path = lab.directory / "policy"
    path.write_text(text)
    done = lab.run(GATEHOUSE, "--socket", lab.socket, "rules", "load", path)
    assert done.returncode == 0, done.stderr


def flows(lab):
    done = lab.run(GATEHOUSE, "--socket", lab.socket, "flows", "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def blocked(lab, port):
    return sum(flow["count"] for flow in flows(lab) if flow["blocked"] and flow["remote_port"] == port)


def hammer(lab, address, port, times, protocol="tcp"):
    """One program that tries so often; how often it was refused."""
    kind = "SOCK_STREAM" if protocol == "tcp" else "SOCK_DGRAM"
    script = (f"import socket\nrefused = 0\nfor i in range({times}):\n    s = socket.socket(socket.AF_INET, socket.{kind})\n"
              f"    s.settimeout(60)\n    try:\n        s.connect(({address!r}, {port}))\n        s.send(b'x')\n        s.send(b'x')\n"
              "    except OSError:\n        refused += 1\n    s.close()\nprint(refused)\n")
    done = lab.run(sys.executable, "-c", script, timeout=400)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def get(first, flags):
    return struct.pack("<QII", first, flags, 0)


def head(data):
    return struct.unpack_from("<IIQ", data)


@case("what a rule blocks is told with a count, whether the engine or the kernel's cache refuses it")
def refused(lab):
    lab.gatehoused()
    load(lab, "block out proto tcp port 7001\npermit all\n")
    follower = lab.gatehouse("flows", "-f", "--json")
    with lab.observer() as counter:
        wait_until(lambda: counter.status().observers == 2, SECONDS, "the follower")
    began = time.monotonic()
    assert hammer(lab, net.SERVER_V4, 7001, 20000) == 20000
    took = time.monotonic() - began
    wait_until(lambda: blocked(lab, 7001) == 20000, SECONDS, "all of them to be told")
    entries = [flow for flow in flows(lab) if flow["remote_port"] == 7001]
    assert len(entries) <= 3 + took / 10, (took, entries)  # one in 10 s
    assert all(flow["program"] == str(pathlib.Path(sys.executable).resolve()) and flow["pid"] and flow["rule"] for flow in entries), entries

    def followed():
        return [json.loads(line) for line in follower.output().splitlines() if '"blocked":true' in line]

    wait_until(followed, SECONDS, "the follower to be told")
    lines = followed()
    assert len(lines) <= len(entries), lines
    tell(f"{len(entries)} entries, the follower had {len(lines)} lines")
    # Another program, another destination, another user: each is its own.
    hammer(lab, net.SERVER_V4, 7001, 1)
    copy = lab.copy_program("connect_timer", "other")
    lab.talker("connect_timer", net.SERVER_V4, "7001", path=copy).result()
    wait_until(lambda: any(flow["program"] == str(copy) for flow in flows(lab)), SECONDS, "the other program")


@case("datagrams that are blocked are told, once a socket and destination; connect() alone, which sends none, is not")
def datagrams(lab):
    lab.gatehoused()
    load(lab, "block out proto udp port 7002\npermit all\n")
    lab.run(sys.executable, "-c", f"import socket\nfor i in range(9):\n    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(({net.SERVER_V4!r}, 7002))")
    assert blocked(lab, 7002) == 0
    hammer(lab, net.SERVER_V4, 7002, 50, "udp")
    # Two datagrams each: those that come before the verdict are one try each.
    wait_until(lambda: 50 <= blocked(lab, 7002) <= 100, SECONDS, "all of them")


@case("who follows a hammering program is woken a few times a second, and not at all when nothing happens")
def wakes(lab):
    daemon = lab.gatehoused()
    load(lab, "block out proto tcp port 7001\npermit all\n")
    hammer(lab, net.SERVER_V4, 7001, 10)
    with lab.observer() as device:
        _, _, at = head(device.ok(FLOWS, get(0, CHANGES), 130000))
        began, answers, script = time.monotonic(), 0, lab.start(
            [sys.executable, "-c", "import socket, time\nend = time.monotonic() + 4\nwhile time.monotonic() < end:\n"
             f"    s = socket.socket()\n    s.connect_ex(({net.SERVER_V4!r}, 7001))\n    s.close()\n"], name="hammer")
        tag = device.call(FLOWS, get(at, CHANGES | WAIT), 130000)
        while script.process.poll() is None:
            try:
                answer = device.answer(tag, 1)
            except TimeoutError:
                continue  # it has not begun yet, or is over
            assert answer.status == protocol.SUCCESS, protocol.status_name(answer.status)
            _, _, at = head(answer.data)
            answers += 1
            tag = device.call(FLOWS, get(at, CHANGES | WAIT), 130000)
        took = time.monotonic() - began
        tell(f"{answers} answers in {took:.1f} s")
        assert 2 <= answers <= took * 4.5 + 2, (answers, took)

    def switches():
        for line in pathlib.Path(f"/proc/{daemon.pid}/status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                return int(line.split()[1])
    with lab.observer() as device:
        _, _, at = head(device.ok(FLOWS, get(0, CHANGES), 130000))
        device.call(FLOWS, get(at, CHANGES | WAIT), 130000)
        counts = []
        for _ in range(10):  # it looks again until it is quiet
            before = switches()
            time.sleep(3)
            counts.append(switches() - before)
            if counts[-1] == 0:
                break
        assert counts[-1] == 0, counts


@case("a call that waits for flows: told of the begin, of the end; cancelled; too many; and one whose client goes")
def waits(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    load(lab, "permit all\n")
    with lab.observer() as device:
        _, _, at = head(device.ok(FLOWS, get(0, CHANGES), 130000))
        tag = device.call(FLOWS, get(at, CHANGES | WAIT), 130000)
        talker = lab.connect_timer(net.SERVER_V4, server.port)
        assert talker.result()[0] == 0
        seen, until = {}, time.monotonic() + SECONDS
        while not any(flags & ENDED for flags in seen.values()) and time.monotonic() < until:
            answer = device.answer(tag, SECONDS)
            assert answer.status == protocol.SUCCESS
            count, _, at = head(answer.data)
            offset = 16
            for _ in range(count):
                size, = struct.unpack_from("<I", answer.data, offset)
                number, = struct.unpack_from("<Q", answer.data, offset + 8)
                seen[number] = struct.unpack_from("<I", answer.data, offset + 92)[0]
                offset += size
            tag = device.call(FLOWS, get(at, CHANGES | WAIT), 130000)
        assert any(flags & ENDED for flags in seen.values()), seen
        assert device.ioctl(CANCEL, struct.pack("<I", tag)).status == protocol.SUCCESS
        assert device.answer(tag, SECONDS).status == 0xC0000120, "cancelled"
        tags = [device.call(FLOWS, get(at, CHANGES | WAIT), 130000) for _ in range(17)]
        refused = device.answer(tags[16], SECONDS)
        assert protocol.status_name(refused.status).endswith("TOO_MANY_READS"), protocol.status_name(refused.status)
        for bad in (b"", bytes(7), bytes(12), bytes(24), get(0, 4), struct.pack("<QII", 0, 0, 1)):
            assert device.ioctl(FLOWS, bad, 130000).status != protocol.SUCCESS, bad
        assert device.ioctl(FLOWS, get(0, 0), 100).status != protocol.SUCCESS
    # Its calls went with it; nothing of that disturbs the next.
    with lab.observer() as device:
        assert head(device.ok(FLOWS, bytes(8), 130000))[0] > 0


def start_run(lab, *options):
    file = lab.directory / "history" / "history.db"
    process = lab.gatehouse("run", "--desk", str(lab.directory / "desk.sock"), "--history", str(file), *options)
    lab.wait_decider(process.pid)
    return process, file


def log(lab, file, *words):
    done = lab.run(GATEHOUSE, "log", "--json", "--history", file, *words)
    assert done.returncode in (0, 1, 2), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@case("gatehouse run writes each connection once: by a rule, refused, asked about, with what it carried")
def written(lab):
    server, udp = TcpServer(lab.server), UdpServer(lab.server, 7005)
    lab.gatehoused()
    load(lab, "block out proto tcp port 7001\npermit out proto tcp port 7000 log\npermit out proto udp port 7005\n")
    _, file = start_run(lab)
    assert lab.connect_timer(net.SERVER_V4, server.port).result()[0] == 0
    began = time.monotonic()
    assert hammer(lab, net.SERVER_V4, 7001, 200) == 200
    took = time.monotonic() - began
    hammer(lab, net.SERVER_V4, 7005, 1, "udp")

    def found():
        rows = log(lab, file)
        logged = [row for row in rows if row["remote_port"] == 7000]
        refused = [row for row in rows if row["remote_port"] == 7001]
        datagrams = [row for row in rows if row["remote_port"] == 7005]
        return (rows if logged and logged[0]["bytes_out"] is not None and sum(row["count"] for row in refused) == 200 and
                datagrams and datagrams[0]["ended"] else None)
    wait_until(lambda: found() is not None, SECONDS, "all of them in the history")
    rows = found()
    logged = [row for row in rows if row["remote_port"] == 7000]
    refused = [row for row in rows if row["remote_port"] == 7001]
    assert len(logged) == 1 and logged[0]["by"] == "rule" and logged[0]["verdict"] == "permit" and logged[0]["ended"], logged
    assert logged[0]["rule"] == "permit out proto tcp port 7000 log" and logged[0]["place"].endswith("policy:2"), logged
    assert len(refused) <= 2 + took / 10 and all(row["verdict"] == "block" and row["place"].endswith("policy:1") for row in refused), refused
    assert udp.payloads
    done = lab.run(GATEHOUSE, "why", pathlib.Path(sys.executable).resolve(), "--history", file, "--socket", lab.socket)
    assert done.returncode == 0 and "the rule 'block out proto tcp port 7001' (" in done.stdout, (done.stdout, done.stderr)
    allow = done.stdout.split("To allow it: ")[1].splitlines()[0]
    assert allow.startswith("gatehouse rules add '"), allow
    done = lab.run("sh", "-c", allow.replace("gatehouse ", f"{GATEHOUSE} --socket {lab.socket} ", 1))
    assert done.returncode == 0, done.stderr
    server2 = TcpServer(lab.server, 7001)
    done = lab.run(sys.executable, "-c", f"import socket\nsocket.create_connection(({net.SERVER_V4!r}, 7001), 60)")
    assert done.returncode == 0, ("what why says to type allows it", allow, done.stderr)
    server2.stop()


@case("the history says that nobody answered, and why does, too")
def deadline(lab):
    lab.gatehoused()
    _, file = start_run(lab)
    done = lab.run(GATEHOUSE, "--socket", lab.socket, "policy", "--deadline", "1")
    assert done.returncode == 0, done.stderr
    assert lab.connect_timer(net.SERVER_V4, 7004).result()[0] != 0
    wait_until(lambda: any(row["by"] == "deadline" for row in log(lab, file)), SECONDS, "the row")
    done = lab.run(GATEHOUSE, "why", f"{net.SERVER_V4}:7004", "--history", file, "--socket", lab.socket)
    assert done.returncode == 0 and "nobody answered within" in done.stdout, (done.stdout, done.stderr)


@case("a history on a full device: connections are decided as before, and what fits is written when there is room")
def full(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    load(lab, "permit out proto tcp log\n")
    folder = lab.directory / "history"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=True, timeout=SECONDS)
    try:
        process, file = start_run(lab)
        assert lab.connect_timer(net.SERVER_V4, server.port).result()[0] == 0
        wait_until(lambda: file.exists() and len(log(lab, file)) == 1, SECONDS, "the file, with a row")
        filler = open(folder / "filler", "wb", buffering=0)
        try:
            while True:
                filler.write(bytes(65536))
        except OSError:
            pass
        for _ in range(20):
            assert lab.connect_timer(net.SERVER_V4, server.port).result()[0] == 0
        wait_until(lambda: "no room left" in process.output(), SECONDS, "that it is told")
        filler.close()
        (folder / "filler").unlink()
        wait_until(lambda: len(log(lab, file)) >= 21, 60, "the rows")
        assert process.output().count("no room left") == 1, process.output()
        process.stop()
    finally:
        subprocess.run(["umount", "-l", folder], check=True, timeout=SECONDS)


@case("gatehouse run is killed and started again: no connection is there twice")
def killed(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    load(lab, "permit out proto tcp log\n")
    process, file = start_run(lab)
    held = lab.client.socket(socket.AF_INET)
    held.connect((net.SERVER_V4, server.port))
    for _ in range(5):
        assert lab.connect_timer(net.SERVER_V4, server.port).result()[0] == 0
    wait_until(lambda: len([row for row in log(lab, file) if row["bytes_out"] is not None]) >= 5, SECONDS, "the rows")
    process.kill()
    process, file = start_run(lab)
    held.close()
    wait_until(lambda: len([row for row in log(lab, file) if row["bytes_out"] is not None]) >= 6, SECONDS, "the last one's end")
    rows = log(lab, file)
    assert len(rows) == 6, rows
    shutil.rmtree(file.parent, ignore_errors=True)


if __name__ == "__main__":
    run()
