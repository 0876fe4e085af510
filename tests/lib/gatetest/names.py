# SPDX-License-Identifier: MIT
"""Where the programs are, and how what a case makes is named.

GATEHOUSE_BUILD is the build directory; without it, build/ beside the tests' tree is taken.
"""
import os
import pathlib

PREFIX = "sys-"
BPFFS = "/sys/fs/bpf"
TREE = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("GATEHOUSE_BUILD", TREE / "build"))


class Missing(Exception):
    """Something the case needs is not here: the case is skipped with this reason."""


def find_program(name):
    """The path of a program of this project: gatehoused, gatehouse, or one of the traffic makers."""
    for folder in ("", "host", "cli", "tests/lib", "bench", "tests/system"):
        path = BUILD / folder / name
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    raise Missing(f"{name} is not built under {BUILD}")


def find_tool(name):
    """The path of a program of the system: curl, dig, nc."""
    for folder in os.environ.get("PATH", "").split(":") + ["/usr/sbin", "/sbin"]:
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    raise Missing(f"{name} is not installed")
