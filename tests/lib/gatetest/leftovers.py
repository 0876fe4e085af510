# SPDX-License-Identifier: MIT
"""What a pair of programs may leave on a machine, and the proof that it left nothing.

Other labs may run beside this one: only what belongs to this lab's namespaces counts.
"""
import os
import pathlib
import re
import subprocess
import time

from . import names

PATIENCE = 60

def remove_pair(namespace):
    """Runs `gatehoused --remove` in the namespace; returns complaints about it and what it left there."""
    try:
        program = names.find_program("gatehoused")
    except names.Missing:
        return []
    try:
        done = namespace.run([program, "--remove"], timeout=60)
    except subprocess.TimeoutExpired:
        return [f"gatehoused --remove in {namespace.name} did not end within 60 s"]
    complaints = []
    if done.returncode != 0:
        complaints.append(f"gatehoused --remove in {namespace.name}: {done.returncode} {done.stderr.strip()}")
    ours = [rule for rule in namespace.rules() if "gatehouse" in rule or names.BPFFS in rule]
    complaints += [f"rule left in {namespace.name}: {rule}" for rule in ours]
    return complaints


def pins(cookie):
    """Everything pinned for the namespace with this cookie: its folder is named by it, in hexadecimal.

    An eBPF link or map lives as long as a pin or a process holds it: no pin and no process means none is left."""
    found = []
    for path in pathlib.Path(names.BPFFS, "gatehouse").glob("*"):
        if path.is_dir() and re.fullmatch("[0-9a-f]+", path.name) and int(path.name, 16) == cookie:
            found += [str(path), *(str(inside) for inside in sorted(path.rglob("*")))]
    return found


def processes(directory):
    """Processes whose command line names the lab's directory."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            command = pathlib.Path("/proc", entry, "cmdline").read_bytes()
        except OSError:
            continue
        if str(directory).encode() + b"/" in command:
            found.append(f"{entry} {command.replace(bytes(1), b' ').decode(errors='replace')}")
    return found


def find(prefix, directory, cookies):
    """Sentences about what is left of a lab. cookies: of its namespaces, by name."""
    until = time.monotonic() + PATIENCE
    while processes(directory) and time.monotonic() < until:
        time.sleep(0.05)  # it was killed just now, and a busy machine has not got round to its end
    complaints = [f"process left: {process}" for process in processes(directory)]
    for name, cookie in cookies.items():
        complaints += [f"pin left of {name}: {pin}" for pin in pins(cookie)]
    if os.path.isdir("/run/netns"):
        complaints += [f"namespace left: {name}" for name in os.listdir("/run/netns") if name.startswith(prefix)]
    return complaints
