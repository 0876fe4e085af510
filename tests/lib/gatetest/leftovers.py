# SPDX-License-Identifier: MIT
"""What a pair of programs may leave on a machine, and the proof that it left nothing.

Other labs may run beside this one: only what belongs to this lab's namespaces counts.
"""
import json
import os
import pathlib
import subprocess

from . import names

BPFFS = "/sys/fs/bpf"


def remove_pair(namespace):
    """Runs `gatehoused --remove` in the namespace; returns complaints about it and what it left there."""
    try:
        program = names.find_program("gatehoused")
    except names.Missing:
        return []
    try:
        done = namespace.run([program, "--remove"], timeout=30)
    except subprocess.TimeoutExpired:
        return [f"gatehoused --remove in {namespace.name} did not end within 30 s"]
    complaints = []
    if done.returncode != 0:
        complaints.append(f"gatehoused --remove in {namespace.name}: {done.returncode} {done.stderr.strip()}")
    complaints += [f"rule left in {namespace.name}: {rule}" for rule in namespace.rules()]
    return complaints


def pins():
    """Everything pinned below a folder named gatehouse in the BPF file system."""
    found = []
    for root in sorted(pathlib.Path(BPFFS).glob("gatehouse*")):
        found += [str(path) for path in sorted(root.rglob("*"))]
    return found


def links():
    """Numbers of all eBPF links and programs that exist."""
    done = subprocess.run(["bpftool", "-j", "link"], capture_output=True, text=True, timeout=20, check=False)
    return {link["id"]: link for link in json.loads(done.stdout or "[]")} if done.returncode == 0 else {}


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


def find(prefix, directory, inodes):
    """Sentences about what is left of a lab. inodes: of its namespaces, by name."""
    complaints = [f"process left: {process}" for process in processes(directory)]
    marks = {str(inode): name for name, inode in inodes.items()}
    for pin in pins():
        for mark, name in marks.items():
            if mark in pin:
                complaints.append(f"pin left of {name}: {pin}")
    if os.path.isdir("/run/netns"):
        complaints += [f"namespace left: {name}" for name in os.listdir("/run/netns") if name.startswith(prefix)]
    return complaints
