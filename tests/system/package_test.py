#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Debian packages, in a clean root made for it: installed, used for a real connection, upgraded, removed, purged."""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import names, net  # noqa: E402
from gatetest.servers import TcpServer  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What apt and dpkg write for themselves.
OTHERS = re.compile(r"^(var/(cache|log|lib/(apt|dpkg|systemd))|tmp|proc|sys|dev|run/(lock|log|apt))(/|$)|^etc/(ld\.so\.cache|passwd-|"
                    r"group-|shadow-|gshadow-|mtab|\.pwd\.lock)$|^etc/machine-id$|^usr/share/info/dir")


def output(arguments, seconds=300, **options):
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=seconds, check=False, **options)
    assert done.returncode == 0, f"{arguments}: exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def archive():
    """The machine's own: (address, release)."""
    lines = output(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT) $(CREATED_BY)"]).splitlines()
    for line in lines:
        site, release, component, created = line.split()
        if created == "Packages" and component == "main" and "-" not in release:
            return site, release
    raise names.Missing("no apt source of a Debian release on this machine")


class Clean:
    """A root of its own, with nothing in it but a minimal Debian."""

    def __init__(self, lab):
        self.path = lab.directory / "root"
        site, release = archive()
        try:
            done = subprocess.run([names.find_tool("debootstrap"), "--variant=minbase", "--include=ca-certificates", release,
                                   self.path, site], capture_output=True, text=True, timeout=900, check=False)
        except subprocess.TimeoutExpired:
            raise names.Missing(f"no clean root can be made: {site} is too slow") from None
        if done.returncode != 0:
            raise names.Missing("no clean root can be made: " + " ".join(done.stdout.strip().splitlines()[-1:]))
        for kept in ("sources.list", "sources.list.d", "apt.conf.d", "trusted.gpg.d"):
            source, target = pathlib.Path("/etc/apt") / kept, self.path / "etc/apt" / kept
            if source.is_dir():
                shutil.copytree(source, target, dirs_exist_ok=True)
            elif source.exists():
                shutil.copy(source, target)
        (self.path / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (self.path / "usr/sbin/policy-rc.d").chmod(0o755)
        (self.path / "etc/apt/apt.conf.d/99retries").write_text('Acquire::Retries "5";\n')
        self.run("apt-get", "update", "-q")

    def command(self, *words):
        """Words that run in it. What is mounted for that goes with the mount namespace that they get."""
        script = 'mount -t proc proc "$0/proc" && mount -t sysfs sys "$0/sys" && exec chroot "$0" "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(self.path), "env",
                "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *words]

    def run(self, *words, seconds=900):
        return output(self.command(*words), seconds)

    def contents(self):
        """{path: what it is} of all that apt and dpkg do not keep for themselves."""
        found = {}
        for folder, folders, files in os.walk(self.path):
            inside = os.path.relpath(folder, self.path)
            folders[:] = [name for name in folders if not OTHERS.match(os.path.normpath(f"{inside}/{name}"))]
            for name in files + folders:
                path, short = pathlib.Path(folder) / name, os.path.normpath(f"{inside}/{name}")
                if OTHERS.match(short):
                    continue
                state = path.lstat()
                content = os.readlink(path) if path.is_symlink() else ""
                if path.is_file() and not path.is_symlink():
                    content = hashlib.sha256(path.read_bytes()).hexdigest()
                found[short] = (state.st_mode, state.st_uid, state.st_gid, content)
        return found


def build(folder):
    subprocess.run([ROOT / "tools/deb", folder], check=True, timeout=1800, stdout=subprocess.DEVNULL)
    return {path.name.split("_")[0]: path for path in pathlib.Path(folder).glob("*.deb")}


@case("make deb, package install and removal in a clean root: it works there, and removal restores everything", timeout=1500)
def life(lab):
    packages = build(lab.directory / "deb")
    assert set(packages) == {"gatehouse", "gatehouse-lab"}, packages
    clean = Clean(lab)
    before = clean.contents()
    for package in packages.values():
        shutil.copy(package, clean.path / "tmp" / package.name)
    paths = [f"/tmp/{package.name}" for package in packages.values()]
    clean.run("apt-get", "install", "-y", "-q", "--no-install-recommends", *paths)
    assert "gatehouse:x:" in (clean.path / "etc/group").read_text() and "gatehouse:x:" in (clean.path / "etc/passwd").read_text()
    history = (clean.path / "var/lib/gatehouse-history").stat()
    assert history.st_mode & 0o7777 == 0o2770, oct(history.st_mode)
    wants = list((clean.path / "etc/systemd").rglob("*gatehouse*"))
    assert not wants, f"installing enabled a service: {wants}"
    tell(clean.run("gatehouse", "--version").strip())
    holds(lab, clean)
    assert "pend" in clean.run("wfplab", "rules")
    clean.run("apt-get", "install", "-y", "-q", "--reinstall", "--no-install-recommends", *paths)  # its upgrade to itself
    clean.run("apt-get", "remove", "-y", "-q", "gatehouse", "gatehouse-lab")
    assert not (clean.path / "usr/bin/gatehouse").exists() and not (clean.path / "usr/sbin/gatehoused").exists()
    clean.run("apt-get", "purge", "-y", "-q", "gatehouse", "gatehouse-lab")
    clean.run("apt-get", "purge", "-y", "-q", "--autoremove")
    left = {path: state for path, state in clean.contents().items() if before.get(path) != state}
    gone = before.keys() - clean.contents().keys()
    ours = {path for path in left if "gatehouse" in path or "wfplab" in path}
    tell(f"changed since before the installation: {sorted(left)[:20]}; gone: {sorted(gone)[:20]}")
    assert not ours and not gone, (ours, gone)
    assert "gatehouse" not in (clean.path / "etc/group").read_text() + (clean.path / "etc/passwd").read_text()
    # Packages that it depended on may leave what their own removal leaves; nothing else may differ.
    assert all(not re.match(r"(etc/gatehouse|var/lib/gatehouse|run/gatehouse|usr/(s?bin|lib/systemd))", path) for path in left), left


def holds(lab, clean):
    """The installed programs, by their default paths, for a real connection."""
    server = TcpServer(lab.server)
    (clean.path / "etc/gatehouse/rules").write_text("block to any port 9\n")
    daemon = lab.start(clean.command("gatehoused", "--confine", "kill"), None, "gatehoused").wait_for("gatehoused: ready", 60)
    decider = lab.start(clean.command("gatehouse", "permit"), None, "permit")
    assert lab.connect_timer(net.SERVER_V4, server.port).result()[0] == 0
    decider.wait_for(f":{server.port}", 30)
    assert lab.connect_timer(net.SERVER_V4, 9).result()[0] != 0
    listed = lab.client.run(clean.command("gatehouse", "rules", "list"), timeout=60)
    assert "block to any port 9" in listed.stdout, listed
    decider.stop()
    assert daemon.stop() == 0


@case("make deb twice gives the same bytes", timeout=1800, namespaces=False)
def reproducible(lab):
    if not os.environ.get("GATEHOUSE_FULL"):
        raise names.Missing("only in make check-full: it builds everything twice")
    first, second = build(lab.directory / "one"), build(lab.directory / "two")
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes(), name


if __name__ == "__main__":
    run()
