#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A gatehoused acts on the namespace it is started in, on no other, and goes without a trace."""
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import decide, device, leftovers, names, net, protocol  # noqa: E402
from gatetest.servers import TcpServer, soon, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

ONLY_HERE = "It acts only on the network namespace it is started in"
PAIRS = "several pairs can run side by side in different namespaces"
NOTHING_LEFT = "--remove leaves nothing behind"


@case(PAIRS, timeout=60)
def two_pairs(lab):
    pairs = []
    for letter, command in (("x", "permit"), ("y", "block")):
        namespace = lab.namespace(letter)
        path = lab.directory / f"{letter}.sock"
        lab.gatehoused("--hold-loopback", namespace=namespace, socket=path)
        lab.gatehouse_decides(command, socket=path)
        pairs.append((namespace, path, TcpServer(namespace, port=7001), command == "permit"))
    for _ in range(3):
        for namespace, _, server, permitted in pairs:
            talker = lab.connect_timer("127.0.0.1", server.port, namespace=namespace)
            assert (talker.result()[0] == 0) == permitted, namespace.name
    for _, path, server, permitted in pairs:
        with device.observer(path) as watcher:
            status = watcher.status()
        assert status.pended == 3, f"each sees its own only: {status}"
        server.expect(3 if permitted else 0)


@case(f"{PAIRS}; the end of one is nothing to the other", timeout=60)
def one_of_two_ends(lab):
    other = lab.namespace("x")
    path = lab.directory / "x.sock"
    first = lab.gatehoused()
    lab.gatehoused("--hold-loopback", namespace=other, socket=path)
    lab.gatehouse_decides("block", socket=path)
    server = TcpServer(other, port=7001)
    for end in (first.kill, lambda: lab.client.run([names.find_program("gatehoused"), "--remove"], timeout=60)):
        end()
        assert lab.connect_timer("127.0.0.1", server.port, namespace=other).result()[0] != 0
    with device.observer(path) as watcher:
        assert watcher.status().blocked_by_decider == 2, watcher.status()


@case(f"{ONLY_HERE}; others are unaffected", timeout=60)
def others_unaffected(lab):
    other = lab.namespace("x")
    here, there = TcpServer(lab.server), TcpServer(other, port=7001)
    daemon = lab.gatehoused("--no-decider", "block")
    assert lab.connect_timer(net.SERVER_V4, here.port).result()[0] != 0
    for _ in range(2):
        error, microseconds, _, _ = lab.connect_timer("127.0.0.1", there.port, namespace=other).result()
        assert error == 0, "another namespace's connection was refused"
        error = lab.connect_timer(net.CLIENT_V4, 1, namespace=lab.server).result()[0]
        assert error == 111, "the server's namespace reaches the client's, where nobody listens"
        with lab.observer() as watcher:
            assert watcher.status().classified == 1, watcher.status()
    daemon.kill()
    assert lab.connect_timer("127.0.0.1", there.port, namespace=other).result()[0] == 0
    assert not other.rules() and not lab.server.rules()


@case(f"{ONLY_HERE}: inbound connections are not asked about")
def inbound_is_free(lab):
    inside = TcpServer(lab.client, port=7002)
    lab.gatehoused("--no-decider", "block")
    assert lab.connect_timer(net.CLIENT_V4, inside.port, namespace=lab.server).result()[0] == 0


@case("starts under `ip netns exec`, which hides the cgroup mount", timeout=60)
def under_ip_netns_exec(lab):
    server = TcpServer(lab.server)
    log = lab.directory / "50-netns-exec.log"
    import subprocess

    from gatetest.lab import Program

    with open(log, "wb") as file:
        process = subprocess.Popen(
            ["ip", "netns", "exec", lab.client.name, *lab.daemon()],
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip
    program = Program(process, log).wait_for("gatehoused: ready")
    with decide.Deciding(lab, lambda r: protocol.PERMIT if r.remote == net.SERVER_V4 else protocol.BLOCK) as deciding:
        talker = lab.connect_timer(net.SERVER_V4, server.port)
        assert talker.result()[0] == 0
        assert deciding.seen[0][0].process_id == talker.pid, deciding.seen
        assert deciding.seen[0][0].path, "the program is named"
        assert lab.connect_timer(net.SERVER_V6, server.port).result()[0] != 0
    assert program.stop() == 0, program.output()


@case(f"{NOTHING_LEFT}: after an orderly end, and after kill -9 with connections held", timeout=90)
def remove_after_each_end(lab):
    server = TcpServer(lab.server)
    gatehoused = names.find_program("gatehoused")
    for end in ("stop", "kill"):
        program = lab.gatehoused()
        pinned = leftovers.pins(lab.client.cookie)
        rules = lab.client.rules()
        assert rules, "no rules while it runs: this case would show nothing"
        assert pinned, "no pins of this namespace: this case would show nothing"
        with lab.decider() as decider:
            talker = lab.connect_timer(net.SERVER_V4, server.port)
            decider.requests()
            getattr(program, end)()
        done = lab.client.run([gatehoused, "--remove"], timeout=60)
        assert done.returncode == 0, (done.returncode, done.stderr)
        assert not lab.client.rules(), lab.client.rules()
        assert not leftovers.pins(lab.client.cookie), leftovers.pins(lab.client.cookie)
        talker.close()

        def passes():
            error, microseconds, _, _ = lab.connect_timer(net.SERVER_V4, server.port).result()
            assert error == 0, "after --remove everything passes"
            return microseconds / 1e6

        soon(passes)
        tell(f"after {end} and --remove: {len(rules)} rules and {len(pinned)} pins are gone")
        lab.socket.unlink(missing_ok=True)


@case(f"{NOTHING_LEFT}: where there is nothing, it says so and succeeds")
def remove_nothing(lab):
    done = lab.client.run([names.find_program("gatehoused"), "--remove"], timeout=60)
    assert done.returncode == 0, (done.returncode, done.stderr)


@case(f"{NOTHING_LEFT}: not while gatehoused runs there: refused, and that one goes on")
def remove_while_running(lab):
    server = TcpServer(lab.server)
    lab.gatehoused("--no-decider", "block")
    rules, pinned = lab.client.rules(), leftovers.pins(lab.client.cookie)
    done = lab.client.run([names.find_program("gatehoused"), "--remove"], timeout=60)
    assert done.returncode != 0 and "a gatehoused runs in this network namespace" in done.stderr, done
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert lab.client.rules() == rules and leftovers.pins(lab.client.cookie) == pinned
    assert lab.connect_timer(net.SERVER_V4, server.port).result()[0] != 0, "it does not guard any more"


@case(f"{NOTHING_LEFT}: of a namespace that is gone, by the next gatehoused or --remove elsewhere")
def pins_of_dead_namespaces(lab):
    gatehoused = names.find_program("gatehoused")
    for how in ("start", "remove"):
        gone = lab.namespace("x")
        alive = lab.namespace("y")
        cookies = []
        for namespace in (gone, alive):
            cookies.append(namespace.cookie)
            lab.gatehoused(namespace=namespace, socket=lab.directory / f"{namespace.name}.sock").kill()
            assert leftovers.pins(cookies[-1]), "no pins to begin with"
        net.remove(gone.name)

        def swept():
            if how == "start":
                lab.gatehoused().stop()
            else:
                lab.client.run([gatehoused, "--remove"], timeout=60)
            return not leftovers.pins(cookies[0])

        wait_until(swept, 90, f"the end of the dead namespace's pins by {how}")  # the kernel ends a namespace later
        assert leftovers.pins(cookies[1]), "pins of a living namespace were taken away"
        assert alive.run([gatehoused, "--remove"], timeout=60).returncode == 0
        net.remove(alive.name)


@case(f"{NOTHING_LEFT}: no user can pretend to be a running gatehoused")
def nobody_takes_the_lock(lab):
    path = f"/sys/fs/bpf/gatehouse/{lab.client.cookie:x}"
    lab.gatehoused().kill()
    look = [sys.executable, "-c", "import os,sys;os.setuid(65534);os.open(sys.argv[1],os.O_RDONLY)", path]
    done = lab.client.run(look, timeout=60)
    assert done.returncode != 0 and "PermissionError" in done.stderr, done.stderr
    with lab.client.entered(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as squatter:
        squatter.bind(f"\0gatehouse-gate-{lab.client.cookie:x}")
        lab.gatehoused().stop()


@case("other people's rules in the same table stay", timeout=60)
def foreign_rules_stay(lab):
    for family in ("iptables", "ip6tables"):
        done = lab.client.run([family, "-A", "OUTPUT", "-p", "udp", "--dport", "9", "-j", "DROP"])
        assert done.returncode == 0, done.stderr
    mine = lab.client.rules()
    program = lab.gatehoused()
    assert set(mine) < set(lab.client.rules()), lab.client.rules()
    program.stop()
    lab.client.run([names.find_program("gatehoused"), "--remove"], timeout=60)
    assert lab.client.rules() == mine, lab.client.rules()
    for family in ("iptables", "ip6tables"):
        lab.client.run([family, "-D", "OUTPUT", "-p", "udp", "--dport", "9", "-j", "DROP"])


if __name__ == "__main__":
    run()
