#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""wfplab live: drivers under the verifier, with real connections; whatever a driver does, the namespace is open afterwards."""
import contextlib
import errno
import json
import os
import pathlib
import re
import signal
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import leftovers, names, net, protocol  # noqa: E402
from gatetest.servers import DnsServer, HttpServer, TcpServer, UdpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

EXAMPLES, PLANTED = names.TREE / "examples", names.TREE / "tests/lab/planted"
MINIMAL = EXAMPLES / "minimal/minimal.c"
OWN = [names.TREE / "driver", "--with", names.TREE / "core", "-I", names.TREE, "-I", names.TREE / "include"]
WINDOWS = names.TREE / "build/windows/gatehouse.sys"
CLEAN, FOUND, USAGE = 0, 1, 2
REFUSED = (errno.ECONNREFUSED, errno.EHOSTUNREACH)

# A driver for one purpose: what it does with each connect over IPv4 is PLANT, a statement.
BAD = """
#include "plant.h"
static void go(const FWPS_INCOMING_METADATA_VALUES0 *metadata) { %s }
PLANT_CLASSIFY(classify) { go(metadata); plant_decide(out, FWP_ACTION_PERMIT); }
static const struct plant_hooks hooks = {.callouts = {{.layer = &FWPM_LAYER_ALE_AUTH_CONNECT_V4, .classify = classify}}};
DRIVER_INITIALIZE DriverEntry;
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    return plant_start(driver, &hooks);
}
"""


def live(lab, *arguments, namespace=None, ready=True, environment=None):
    """Starts `wfplab live` and waits until it holds connections. Compiled drivers are kept beside the case's files."""
    variables = {**os.environ, "XDG_CACHE_HOME": str(lab.directory), **(environment or {})}
    program = lab.start([names.find_program("wfplab"), "live", *arguments], namespace, "wfplab", env=variables,
                        stdin=subprocess.DEVNULL)
    return program.wait_for("wfplab: ready") if ready else program


def nothing_left(lab, namespace=None):
    namespace = namespace or lab.client
    assert not namespace.rules(), f"rules are left: {namespace.rules()}"
    assert not leftovers.pins(namespace.cookie), leftovers.pins(namespace.cookie)


def summary(program):
    """(connections, permitted, blocked, errors, warnings, notes) of the last line, which must be the only such line."""
    found = re.findall(r"^live: .*; (\d+) connections, (\d+) permitted, (\d+) blocked, \d+ held at the end; "
                       r"(\d+) errors, (\d+) warnings, (\d+) notes$", program.output(), re.M)
    assert len(found) == 1, program.output()
    return tuple(int(number) for number in found[0])


def ends(lab, program, code, counts=None, seconds=90):
    """Ends it as Ctrl-C does, if it runs still; its exit code, counts, and what it left."""
    ended = program.stop(signal.SIGINT, seconds)
    assert ended == code, f"exit code {ended}, not {code}:\n{program.output()}"
    if counts is not None:
        assert summary(program) == counts, f"{summary(program)}, not {counts}:\n{program.output()}"
    nothing_left(lab)


def connects(lab, address, port):
    return lab.connect_timer(address, port).result()[0]


@case("live: the minimal driver permits and blocks curl and nc; nothing is reported, nothing left")
def minimal(lab):
    server, web = TcpServer(lab.server, greeting=b"hello\n"), HttpServer(lab.server)
    curl, nc = names.find_tool("curl"), names.find_tool("nc")
    program = live(lab, MINIMAL, "--answer", "permit")
    for host in (net.SERVER_V4, f"[{net.SERVER_V6}]"):
        done = lab.run(curl, "--silent", "--max-time", 60, f"http://{host}/{host[1]}", timeout=90)
        assert (done.returncode, done.stdout) == (0, "hello from the server\n"), done
    done = lab.run(nc, "-w", 29, net.SERVER_V4, server.port, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (0, "hello\n"), done
    ends(lab, program, CLEAN, (3, 3, 0, 0, 0, 0))

    program = live(lab, MINIMAL, "--answer", "block")
    done = lab.run(curl, "--silent", "--max-time", 60, f"http://{net.SERVER_V4}/blocked", timeout=90)
    assert done.returncode == 7, f"curl says {done.returncode}, not that it could not connect"
    assert lab.run(nc, "-w", 29, net.SERVER_V6, server.port, stdin=subprocess.DEVNULL).returncode == 1
    ends(lab, program, CLEAN, (2, 0, 2, 0, 0, 0))
    assert len(web.paths) == 2 and len(server.accepted) == 1, (web.paths, server.accepted)


@case("live: our own driver from source, decided by `gatehouse permit` over the socket; TCP, UDP, DNS; nothing is reported",
      timeout=120)
def own_driver(lab):
    server, echo, dns = TcpServer(lab.server), UdpServer(lab.server), DnsServer(lab.server)
    program = live(lab, *OWN, "--socket", lab.socket)
    lab.gatehouse_decides("permit", "--except", names.find_tool("curl"))
    for address in (net.SERVER_V4, net.SERVER_V6) * 20:
        assert connects(lab, address, server.port) == 0
    server.expect(40)
    done = lab.run(names.find_tool("dig"), f"@{net.SERVER_V4}", "gate.test", "+short", "+tries=1", "+time=20")
    assert done.stdout.strip() == net.SERVER_V4, done
    assert lab.run(names.find_tool("curl"), "--silent", f"http://{net.SERVER_V4}:{server.port}/").returncode == 7
    with lab.observer() as watcher:
        assert watcher.status().pended == 42, watcher.status()
    del echo, dns
    ends(lab, program, CLEAN, (42, 41, 1, 0, 0, 1))  # the note is datagram-lost: true on Windows


@case("live: our own driver, answered by the lab itself: 400 connections at once, at both IRQLs", timeout=120)
def own_driver_answered(lab):
    server = TcpServer(lab.server)
    for verdict in ("permit", "block"):
        program = live(lab, *OWN, "--answer", verdict, "--irql", "alternate")
        talker = lab.talker("many_connects", 400, "tcp", net.SERVER_V4, server.port, 150)
        errors = [int(talker.read_line().split()[1]) for _ in range(400)]
        assert all(error == 0 if verdict == "permit" else error in REFUSED for error in errors), (verdict, errors)
        talker.close()
        ends(lab, program, CLEAN, (400, 400, 0, 0, 0, 0) if verdict == "permit" else (400, 0, 400, 0, 0, 0))


@case("live: the article's driver, our driver by the article's IOCTLs, and the forum's over its port, answered by a thread")
def other_protocols(lab):
    server = TcpServer(lab.server)
    for arguments, verdict in (
        ([EXAMPLES / "article/article.c", "--answer"], "permit"),
        ([*OWN, "--device", "SampleWfpCallout", "--answer"], "block"),
        ([EXAMPLES / "forum/mended.c", "--answer"], "block"),
        ([EXAMPLES / "forum/mended.c", "--port", "\\ForumFirewall", "--reply"], "u32:1"),
    ):
        program = live(lab, *arguments, verdict)
        outcomes = [connects(lab, net.SERVER_V4, server.port) for _ in range(5)]
        assert all(outcome in (REFUSED if verdict == "block" else (0,)) for outcome in outcomes), (arguments, outcomes)
        program.stop(signal.SIGINT, 90)
        assert summary(program)[:3] == ((5, 0, 5) if verdict == "block" else (5, 5, 0)), program.output()
        # The article's IOCTL waits in the driver and cannot be cancelled; that is one of its defects.
        waits = "article.c" in str(arguments[0])
        assert re.findall(r"\[([a-z-]+)\]$", program.output(), re.M) == (["irp-lost"] if waits else []), program.output()
        nothing_left(lab)


@case("live --for: ends by itself; --json: one object a line, the last one the summary")
def for_seconds(lab):
    server = TcpServer(lab.server)
    program = live(lab, MINIMAL, "--answer", "permit", "--json", "--for", "8")
    assert connects(lab, net.SERVER_V4, server.port) == 0
    assert program.process.wait(90) == CLEAN, program.output()
    (line,) = [json.loads(line) for line in program.output().splitlines() if line.startswith("{")]
    assert (line["schema"], line["end"], line["connections"], line["permitted"]) == ("gatehouse-lab-live/1", "ended", 1, 1), line
    nothing_left(lab)


@case("live: a planted bug is found on a real connection, with its stack; its mended twin is clean")
def planted(lab):
    server = TcpServer(lab.server)
    sarif = lab.directory / "found.sarif"
    program = live(lab, PLANTED / "pageable-at-dispatch.c", "--json", "--sarif", sarif)
    assert connects(lab, net.SERVER_V4, server.port) == 0
    program.wait_for("gatehouse-lab-report/1")  # while it runs
    ends(lab, program, FOUND)
    reports = [json.loads(line) for line in program.output().splitlines() if "gatehouse-lab-report/1" in line]
    assert [report["rule"] for report in reports] == ["pageable-at-dispatch"], reports
    assert reports[0]["place"]["file"].endswith("pageable-at-dispatch.c") and reports[0]["place"]["line"], reports[0]["place"]
    assert reports[0]["place"]["driver"], reports[0]
    assert "pageable-at-dispatch" in sarif.read_text(encoding="utf-8")

    program = live(lab, PLANTED / "pageable-at-dispatch.c", "-D", "MENDED")
    assert connects(lab, net.SERVER_V4, server.port) == 0
    ends(lab, program, CLEAN, (1, 1, 0, 0, 0, 0))


def bad_driver(lab, name, statement):
    path = lab.directory / f"{name}.c"
    path.write_text(BAD % statement, encoding="ascii")
    return path


@case("live: a driver that crashes on a connection is reported with its stack, and the namespace is open again", timeout=120)
def crash(lab):
    server = TcpServer(lab.server)
    for name, statement, rule in (
        ("null", "*(volatile int *)8 = (int)metadata->processId;", "access-fault"),
        ("wild", "((void (*)(void))0x1234567)();", "access-fault"),
        ("freed", "UINT8 *block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 5000, 'abcd'); "
                  "block[4999] = 0; block[5000 + 4096] = 1; (void)metadata;", "pool-overrun"),
        ("bug_check", "KeBugCheckEx(0xe2, metadata->processId, 0, 0, 0);", "bug-check"),
    ):
        program = live(lab, bad_driver(lab, name, statement), "-I", PLANTED)
        # The one that the driver crashed on waits for a moment, and goes on.
        assert connects(lab, net.SERVER_V4, server.port) == 0
        assert program.process.wait(90) == FOUND, program.output()
        said = program.output()
        assert f"[{rule}]" in said and "crashed" in said, said
        assert re.search(rf"#\d+ +(go|classify) .*{name}\.c:\d+", said), said
        assert summary(program)[3] == 1, said
        nothing_left(lab)
        assert connects(lab, net.SERVER_V4, server.port) == 0


@case("live: a driver that never returns is told after --limit with where it is, and the namespace is open again")
def hang(lab):
    server = TcpServer(lab.server)
    program = live(lab, bad_driver(lab, "hang", "for (volatile int i = 0; i == 0;) (void)metadata;"), "-I", PLANTED, "--limit", "10")
    assert connects(lab, net.SERVER_V4, server.port) == 0
    assert program.process.wait(90) == FOUND, program.output()
    assert "[no-progress]" in program.output() and re.search(r"#\d+ +(go|classify) .*hang\.c", program.output()), program.output()
    nothing_left(lab)


@case("live: whichever of its processes is killed, the other one opens the namespace", timeout=120)
def killed(lab):
    server = TcpServer(lab.server)
    for who in ("parent", "child"):
        program = live(lab, MINIMAL)  # nobody answers: the connection is held
        talker = lab.connect_timer(net.SERVER_V4, server.port)
        (child,) = (int(pid) for pid in pathlib.Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split())
        time.sleep(0.3)
        os.kill(program.pid if who == "parent" else child, signal.SIGKILL)
        ended = program.process.wait(90)
        wait_until(lambda: not lab.client.rules() and not leftovers.pins(lab.client.cookie), 20, "the open namespace")
        assert ended == (-signal.SIGKILL if who == "parent" else FOUND), program.output()
        assert who == "parent" or "was killed by signal 9" in program.output(), program.output()
        talker.result()
        assert connects(lab, net.SERVER_V4, server.port) == 0


@case("live: a driver file holds and decides connections; one with a bug is found")
def driver_file(lab):
    server = TcpServer(lab.server)
    build = shutil.which("x86_64-w64-mingw32-gcc") and names.TREE / "windows/build-driver"
    if not build:
        raise names.Missing("x86_64-w64-mingw32-gcc is not installed")
    for source, options, code, errors in ((MINIMAL, ["--answer", "permit"], CLEAN, 0), (PLANTED / "lock-recursion.c", [], None, None)):
        path = lab.directory / f"{source.stem}.sys"
        subprocess.run([build, source, path], check=True, capture_output=True, timeout=300)
        program = live(lab, path, *options)
        if code is None:  # it may hang or crash after its mistake
            with contextlib.suppress(OSError):
                lab.talker("connect_timer", net.SERVER_V4, server.port)
            program.wait_for("[lock-recursion]")
            ends(lab, program, FOUND)
            continue
        assert connects(lab, net.SERVER_V4, server.port) == 0
        ends(lab, program, code, (1, 1, 0, errors, 0, 0))
    if WINDOWS.exists():
        program = live(lab, WINDOWS, "--answer", "permit")
        assert connects(lab, net.SERVER_V4, server.port) == 0
        ends(lab, program, CLEAN, (1, 1, 0, 0, 0, 0))
    else:
        tell(f"{WINDOWS} is not built: run make windows")


@case("live: two at once in different namespaces, and none beside a gatehoused")
def two(lab):
    other = lab.namespace("o")
    server = TcpServer(lab.server)
    first = live(lab, MINIMAL, "--answer", "permit")
    second = live(lab, MINIMAL, "--answer", "block", namespace=other)
    local = TcpServer(other)
    assert connects(lab, net.SERVER_V4, server.port) == 0
    assert lab.connect_timer("127.0.0.1", local.port, namespace=other).result()[0] in REFUSED
    third = live(lab, MINIMAL, "--answer", "permit", ready=False)
    assert third.process.wait(90) == USAGE and "another gatehoused" in third.output(), third.output()
    assert connects(lab, net.SERVER_V4, server.port) == 0
    ends(lab, first, CLEAN, (2, 2, 0, 0, 0, 0))
    assert second.stop(signal.SIGTERM, 90) == CLEAN and summary(second)[2] == 1, second.output()
    nothing_left(lab, other)


@case("live: what cannot be is refused with one sentence before anything is set up", namespaces=True)
def refused(lab):
    fails = bad_driver(lab, "fails", "(void)metadata;")
    fails.write_text("#include <ntddk.h>\nDRIVER_INITIALIZE DriverEntry;\nNTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, "
                     "PUNICODE_STRING path)\n{\n    (void)driver, (void)path;\n    return STATUS_UNSUCCESSFUL;\n}\n", encoding="ascii")
    for arguments, word in (
        ([], "no driver"),
        ([MINIMAL, "--answer", "maybe"], "permit or block"),
        ([MINIMAL, "--for", "0"], "--for"),
        ([MINIMAL, "--port", "\\No", "--answer", "permit"], "--reply"),
        ([MINIMAL, "--port", "\\No", "--reply", "u32:1"], "cannot be opened"),
        ([MINIMAL, "--device", "No", "--answer", "permit"], "cannot be opened"),
        ([MINIMAL, "--device", "MinimalCallout", "--reply", "0x22 in u99:1"], "u64:N"),
        ([MINIMAL, EXAMPLES / "minimal/scenarios/permit.scenario"], "scenario"),
        ([fails], "DriverEntry returned 0xc0000001"),
    ):
        done = live(lab, *arguments, ready=False)
        assert done.process.wait(120) == USAGE, (arguments, done.output())
        assert word in done.output() and len(done.output().splitlines()) == 1, (arguments, done.output())
        tell(done.output().strip())
        nothing_left(lab)
    assert protocol.PERMIT


if __name__ == "__main__":
    run()
