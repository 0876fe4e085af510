#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demo: it plays to the end, also with a Windows driver file, or ends with one sentence; both leave nothing."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import names  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

WINDOWS = names.TREE / "build/windows/gatehouse.sys"


def start(*arguments):
    names.find_program("gatehoused")
    return subprocess.Popen([sys.executable, names.TREE / "tools/demo", names.BUILD, *arguments], cwd=names.TREE,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip


def finish(process, seconds):
    try:
        return process.communicate(timeout=seconds)[0]
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)  # it then takes everything down
            process.communicate(timeout=60)


def nothing_left(process):
    """Of this demo, by its process id; others may run beside it."""
    namespaces = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
    assert not [name for name in namespaces if f"gate-demo-{process.pid}-" in name], namespaces


SCENES = ("1. Nobody decides yet", "2. gatehouse permit", "3. gatehouse block", "4. A file of rules", " 0 not; nothing left behind")
SAW = re.compile(r"^  (\S+ +(?:TCP|UDP) v[46]) +(got through|refused|still waiting)", re.MULTILINE)


def check_scenes(said):
    for words in SCENES:
        assert words in said, f"{words!r} is not in:\n{said}"
    before, killed, after = said.partition("   kill -9 ")
    assert killed and ("nc    TCP v4", "got through") in SAW.findall(before.partition("4. A file of rules")[2]), said
    assert SAW.findall(after) == [("curl  TCP v4", "got through"), ("curl  TCP v6", "got through"), ("nc    TCP v4", "refused")], said


@case("make demo without a terminal: held, permitted, blocked; rules that hold with everything killed; nothing left", timeout=90)
def plays(lab):
    began = time.monotonic()
    process = start()
    said = finish(process, 300)
    assert process.returncode == 0, said
    check_scenes(said)
    assert "hello through the gate" in said.partition("   kill -9 ")[2], said
    nothing_left(process)
    tell(f"{said.strip().splitlines()[-1]} ({time.monotonic() - began:.0f} s)")


@case("make demo DRIVER=: the Windows driver file decides for real programs, named by a relative path", timeout=120)
def plays_with_driver(lab):
    if not WINDOWS.exists():
        raise names.Missing(f"{WINDOWS} is not built: run make windows")
    began = time.monotonic()
    process = start("--driver", os.path.relpath(WINDOWS, names.TREE))
    said = finish(process, 400)
    assert process.returncode == 0, said
    assert f"gatehoused runs the Windows driver file {WINDOWS} (" in said, said
    check_scenes(said)
    nothing_left(process)
    tell(f"{said.strip().splitlines()[-1]} ({time.monotonic() - began:.0f} s)")


@case("make demo DRIVER=: a file that is no driver: one sentence, and nothing is started", timeout=60)
def bad_driver(lab):
    text = lab.directory / "text.sys"
    text.write_text("no driver\n", encoding="ascii")
    for path, word in ((text, "MZ header"), (lab.directory / "none.sys", "No such file"), (lab.directory, "a directory")):
        process = start("--driver", path)
        said = finish(process, 80)
        assert process.returncode == 1 and len(said.splitlines()) == 1, said
        assert str(path) in said and word in said and "Two namespaces" not in said, said
        nothing_left(process)
        tell(said.strip())


if __name__ == "__main__":
    run()
