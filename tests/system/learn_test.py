#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The learning mode: what programs did becomes rules that let exactly that pass."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import names, net  # noqa: E402
from gatetest.servers import TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402


@case("a learning mode that proposes rules from what it saw: they are loaded, and let that and nothing else pass", timeout=120)
def learned(lab):
    server, other = TcpServer(lab.server), TcpServer(lab.server, 7001)
    history, desk, rules = lab.directory / "history.db", lab.directory / "desk.sock", lab.directory / "proposed"
    lab.gatehoused("--no-decider", "block")
    learner = lab.gatehouse_decides("run", "--learn", "--history", history, "--desk", desk)
    for address in (net.SERVER_V4, net.SERVER_V6):
        assert lab.connect_timer(address, server.port).result()[0] == 0
    program = names.find_program("gatehouse")

    def proposed():
        done = lab.client.run([program, "learn", "--history", history], timeout=30)
        rules.write_text(done.stdout, encoding="utf-8")
        return done.returncode == 0 and done.stdout.count("port 7000") == 2

    wait_until(proposed, 30, "proposals for both connections")
    tell(rules.read_text(encoding="utf-8").strip())
    assert learner.stop() == 0
    wait_until(lambda: lab.connect_timer(net.SERVER_V4, server.port).result()[0] != 0, 30, "nobody permits any more")
    done = lab.client.run([program, "--socket", lab.socket, "rules", "load", rules], timeout=30)
    assert done.returncode == 0, done
    for address in (net.SERVER_V4, net.SERVER_V6):
        assert lab.connect_timer(address, server.port).result()[0] == 0
    assert lab.connect_timer(net.SERVER_V4, other.port).result()[0] != 0


if __name__ == "__main__":
    run()
