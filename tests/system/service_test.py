#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gatehoused as a service: what `make install` puts where, the unit, and gatehoused confined as the unit does it."""
import errno
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import leftovers, names, net, protocol  # noqa: E402
from gatetest.servers import TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

UNIT = names.BUILD / "packaging/gatehoused.service"
REFUSED = (errno.ECONNREFUSED, errno.EHOSTUNREACH)


def unit():
    """Its settings: {name: [value, ...]}."""
    found = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if "=" in line and line[0] not in "#[":
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


@case("make install: programs, unit, group, folders, pages, the sample; DESTDIR is honoured, /etc is left alone", timeout=120,
      namespaces=False)
def installed(lab):
    root = lab.directory / "root"
    done = subprocess.run(["meson", "install", "-C", names.BUILD, "--no-rebuild", "--quiet", "--destdir", root],
                          capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    there = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    prefix = next(path for path in there if path.endswith("sbin/gatehoused")).removesuffix("/sbin/gatehoused")
    for path in ("bin/gatehouse", "lib/systemd/system/gatehoused.service", "lib/sysusers.d/gatehouse.conf",
                 "lib/tmpfiles.d/gatehouse.conf", "share/doc/gatehouse/gatehoused.conf", "share/man/man8/gatehoused.8",
                 "share/man/man5/gatehoused.conf.5", "share/man/man1/gatehouse.1", "share/man/man1/wfplab.1",
                 "share/man/man5/gatehouse-rules.5", "share/man/man5/gatehouse-scenario.5",
                 "share/man/man7/gatehouse-protocol.7", "share/man/man7/gatehouse-desk.7",
                 "lib/systemd/system/gatehouse-run.service", "lib/systemd/user/gatehouse-notify.service",
                 "share/applications/gatehouse.desktop", "share/bash-completion/completions/gatehouse",
                 "share/bash-completion/completions/wfplab", "share/zsh/site-functions/_gatehouse",
                 "share/fish/vendor_completions.d/gatehouse.fish"):
        assert f"{prefix}/{path}" in there, f"{path} is missing:\n" + "\n".join(sorted(there))
    assert not any(path.startswith("etc/") for path in there), there
    assert f"ExecStart=/{prefix}/sbin/gatehoused\n" in (root / prefix / "lib/systemd/system/gatehoused.service").read_text()


@case("the units are what systemd takes, and the gate comes before the network", timeout=120, namespaces=False)
def unit_verified(lab):
    text = UNIT.read_text(encoding="utf-8")
    words = unit()
    assert words["Before"] == ["network-pre.target shutdown.target"] and words["Wants"] == ["network-pre.target"], words
    assert words["Restart"] == ["always"] and words["RestartSec"] == ["100ms"] and words["Type"] == ["notify"], words
    analyze = names.find_tool("systemd-analyze")
    copies = []
    for unit_file, kind in (("gatehoused", "system"), ("gatehouse-run", "system"), ("gatehouse-notify", "user")):
        text = (names.BUILD / f"packaging/{unit_file}.service").read_text(encoding="utf-8")
        text = re.sub(r"/\S*/s?bin/(gatehoused?)\b", lambda found: names.find_program(found[1]), text)
        (lab.directory / kind).mkdir(exist_ok=True)
        copies.append((kind, lab.directory / kind / f"{unit_file}.service"))
        copies[-1][1].write_text(text, encoding="utf-8")
    for kind, copy in copies:
        others = [path for other, path in copies if other == kind and path != copy]
        done = subprocess.run([analyze, f"--{kind}", "verify", "--man=no", copy, *others], capture_output=True, text=True,
                              timeout=150, check=False, env={**os.environ, "XDG_RUNTIME_DIR": str(lab.directory)})
        said = [line for line in done.stderr.splitlines() if copy.name in line]
        assert done.returncode == 0 and not said, done.stderr
    for kind, file, most in (("sysusers", "gatehouse.sysusers", 2), ("tmpfiles", "gatehouse.tmpfiles", 2)):
        line = [line for line in (names.TREE / "packaging" / file).read_text(encoding="utf-8").splitlines() if line[0] != "#"]
        assert len(line) == most and all("gatehouse" in one for one in line), (kind, line)


@case("it tells the service manager when it is ready, and when it stops", timeout=60)
def notifies(lab):
    for path in (f"{lab.directory}/notify", f"\0{lab.prefix}notify"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.settimeout(net.PATIENCE)
            with lab.client.entered():  # names of no file belong to a network namespace
                abstract = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if path[0] == "\0" else None
            listener = abstract or manager
            listener.settimeout(net.PATIENCE)
            listener.bind(path)
            environment = {**os.environ, "NOTIFY_SOCKET": path.replace("\0", "@")}
            daemon = lab.gatehoused(env=environment)
            assert listener.recv(100) == b"READY=1" and len(lab.client.rules()) >= 12
            assert daemon.stop() == 0
            assert listener.recv(100) == b"STOPPING=1"
            if abstract:
                abstract.close()


def confined(lab):
    """A wrapper that does what a shell can of the unit: its capabilities, what it may not write, its umask."""
    words = unit()
    capabilities = ",".join("+" + name.removeprefix("CAP_").lower() for name in words["CapabilityBoundingSet"][0].split())
    assert words["ProtectSystem"] == ["full"] and words["ProtectHome"] == ["read-only"] and words["NoNewPrivileges"] == ["yes"]
    folders = " ".join(path for path in ("/usr", "/boot", "/efi", "/etc", "/home", "/root") if os.path.isdir(path))
    script = (f"for f in {folders}; do mount --bind $f $f && mount -o remount,bind,ro $f || exit 99; done; "
              f"umask {words['UMask'][0]}; exec setpriv --bounding-set=-all,{capabilities} --inh-caps=-all --no-new-privs -- \"$@\"")
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]


@case("with the unit's capabilities and read-only folders it holds, decides by rules, SHA-256 and control group, and goes without a trace",
      timeout=60)
def confined_works(lab):
    server = TcpServer(lab.server)
    program = names.find_program("connect_timer")
    digest = subprocess.run(["sha256sum", program], capture_output=True, text=True, check=True).stdout.split()[0]
    (lab.directory / "rules").write_text(f"permit program sha256 {digest} to {net.SERVER_V6}\n", encoding="utf-8")
    daemon = lab.start([*confined(lab), *lab.daemon()], name="gatehoused", stdin=subprocess.DEVNULL)
    daemon.wait_for("gatehoused: ready")
    assert "1 rules of" in daemon.output() and len(daemon.output().splitlines()) == 2, daemon.output()
    assert lab.connect_timer(net.SERVER_V6, server.port).result()[0] == 0
    with lab.decider() as decider:
        talker = lab.connect_timer(net.SERVER_V4, server.port)
        decider.decide(decider.requests()[0], protocol.BLOCK)
        assert talker.result()[0] in REFUSED
    (lab.directory / "rules").write_text("block all\n", encoding="utf-8")
    daemon.process.send_signal(signal.SIGHUP)
    wait_until(lambda: daemon.output().count("rules of") == 2, 10, "the new rules")
    assert lab.connect_timer(net.SERVER_V6, server.port).result()[0] in REFUSED
    assert daemon.stop() == 0, daemon.output()
    assert not lab.client.rules() and not leftovers.pins(lab.client.cookie)


def behind(pid, name):
    """The first process of that name of those that this one began."""
    while pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() != name:
        pid = int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()[0])
    return pid


@case("the unit's capabilities suffice where the host has no BPF file system mounted: it mounts one, and takes it away",
      timeout=60)
def mounts_bpffs(lab):
    # A pid 1 of its own, whose mount namespace is the host's for what runs behind it.
    host = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private", "sh", "-c",
            'umount -l /sys/fs/bpf 2>/dev/null; "$@"; code=$?; mountpoint -q /sys/fs/bpf && exit 98; exit $code', "sh"]
    daemon = lab.start([*host, *confined(lab), *lab.daemon()], name="gatehoused", stdin=subprocess.DEVNULL)
    daemon.wait_for("gatehoused: ready")
    assert len(lab.client.rules()) >= 12
    os.kill(behind(daemon.pid, "gatehoused"), signal.SIGTERM)
    assert daemon.process.wait(net.PATIENCE) == 0, daemon.output()
    assert not lab.client.rules()


@case("ExecStopPost: after a stop the gate is open, after a crash it stays", timeout=60)
def stop_post(lab):
    server = TcpServer(lab.server)
    post = unit()["ExecStopPost"][0]
    command = re.fullmatch(r"/bin/sh -c '(.*)'", post)[1]
    command = re.sub(r"/\S*/sbin/gatehoused", names.find_program("gatehoused"), command)

    def stopped(result):
        done = lab.client.run(["sh", "-c", command], timeout=60, env={**os.environ, "SERVICE_RESULT": result})
        assert done.returncode == 0, done

    lab.gatehoused("--dead", "closed", "--deadline", "1").kill()
    for result in ("signal", "core-dump", "exit-code", "watchdog", "oom-kill"):
        stopped(result)
        assert lab.client.rules(), result
    assert lab.connect_timer(net.SERVER_V4, server.port).result()[0] != 0
    stopped("timeout")
    assert not lab.client.rules() and not leftovers.pins(lab.client.cookie)
    assert lab.connect_timer(net.SERVER_V4, server.port).result()[0] == 0
    stopped("success")
    began = time.monotonic()
    lab.gatehoused().stop()
    tell(f"started and stopped in {time.monotonic() - began:.2f} s")


if __name__ == "__main__":
    run()
