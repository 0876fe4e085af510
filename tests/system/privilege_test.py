#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What gatehoused may do once it is ready, by the kernel's own word. The other system tests run it with --confine kill."""
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import names, net, protocol  # noqa: E402
from gatetest.servers import TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

BITS = {"DAC_READ_SEARCH": 2, "NET_ADMIN": 12, "SYS_PTRACE": 19, "PERFMON": 38, "BPF": 39}
KEPT = sum(1 << bit for bit in BITS.values())


def status(pid, thread=None):
    path = f"/proc/{pid}/task/{thread}/status" if thread else f"/proc/{pid}/status"
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def children(pid):
    return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def gone(pid):
    return not pathlib.Path(f"/proc/{pid}").exists()


@case("gatehoused keeps only the capabilities it needs after start, under a seccomp filter: as the kernel tells it")
def confined(lab):
    daemon = lab.gatehoused("--confine", "yes")
    threads = os.listdir(f"/proc/{daemon.pid}/task")
    for thread in threads:
        told = status(daemon.pid, thread)
        assert int(told["CapEff"], 16) == int(told["CapPrm"], 16) == int(told["CapBnd"], 16) == KEPT, told
        assert int(told["CapInh"], 16) == int(told["CapAmb"], 16) == 0, told
        assert told["Seccomp"] == "2" and told["NoNewPrivs"] == "1", told
    tell(f"{len(threads)} thread(s): {' '.join(BITS)}")
    (aide,) = children(daemon.pid)
    told = status(aide)
    assert told["NoNewPrivs"] == "1" and int(told["CapEff"], 16) == int(told["CapBnd"], 16) != 0, told
    assert daemon.stop() == 0
    wait_until(lambda: gone(aide), 30)


@case("--confine no keeps what it was started with")
def not_confined(lab):
    daemon = lab.gatehoused("--confine", "no")
    told = status(daemon.pid)
    assert told["Seccomp"] == "0" and int(told["CapEff"], 16) & ~KEPT, told


@case("gatehoused killed: its aide goes too, and the gate stands; the next one takes over, confined")
def killed(lab):
    daemon = lab.gatehoused()
    (aide,) = children(daemon.pid)
    daemon.kill()
    wait_until(lambda: gone(aide), 30)
    assert "gatehouse" in lab.client.run(["iptables", "-S"], timeout=60).stdout
    daemon = lab.gatehoused()
    assert int(status(daemon.pid)["CapEff"], 16) == KEPT
    assert daemon.stop() == 0
    assert "gatehouse" not in lab.client.run(["iptables", "-S"], timeout=60).stdout


@case("its aide killed: connections go on being decided; what needs the aide is told in one sentence")
def aide_killed(lab):
    server = TcpServer(lab.server)
    daemon = lab.gatehoused()
    (aide,) = children(daemon.pid)
    os.kill(aide, signal.SIGKILL)
    decider = lab.decider()
    caller = lab.connect_timer(net.SERVER_V4, server.port)
    decider.decide(decider.requests()[0], protocol.PERMIT)
    assert caller.result()[0] == 0
    lab.client.run(["iptables", "-F", "OUTPUT"], timeout=60)
    daemon.wait_for("was killed: restart gatehoused", 90)
    daemon.stop()
    assert lab.client.run([names.find_program("gatehoused"), "--remove"], timeout=60).returncode == 0


if __name__ == "__main__":
    run()
