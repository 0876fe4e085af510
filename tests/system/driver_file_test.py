#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gatehoused --driver: a file that is no driver is refused with one sentence before anything is set up; a driver file decides."""
import errno
import os
import pathlib
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import leftovers, names, net  # noqa: E402
from gatetest.decide import permitting  # noqa: E402
from gatetest.servers import TcpServer  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

WINDOWS = names.TREE / "build/windows/gatehouse.sys"
PLAIN = names.TREE / "tests/pe/images/plain.sys.bin"
# Where things lie in PLAIN ("PE Format"): the PE header, its optional header, its data directories, its sections.
HEADER, OPTIONAL, DIRECTORIES, SECTIONS = 64, 88, 88 + 112, 328


def plain(*changes):
    """The bytes of the plain driver with each (offset, struct format, value) changed."""
    content = bytearray(PLAIN.read_bytes())
    for offset, kind, value in changes:
        struct.pack_into("<" + kind, content, offset, value)
    return bytes(content)


def refused(lab, path, *words, wrapper=(), lines=1):
    """Starts gatehoused with this driver file, which must end soon with one sentence that has all words, and the file's name."""
    command = [*wrapper, *lab.daemon("--driver", path)]
    done = lab.client.run(command, timeout=60, stdin=subprocess.DEVNULL)
    said = done.stderr.splitlines()
    assert done.returncode == 2, f"exit code {done.returncode}: {done}"
    assert len(said) == lines, f"{path}: not {lines} lines: {said}"
    assert said[-1].startswith("gatehoused: ") and said[-1].endswith("."), f"not a sentence: {said[-1]}"
    missing = [word for word in (str(path), *words) if word not in said[-1]]
    assert not missing, f"{missing} is not said: {said[-1]}"
    assert done.stdout == "" and not lab.socket.exists(), done
    return said


def nothing_left(lab):
    assert not lab.client.rules(), f"rules are left: {lab.client.rules()}"
    assert not leftovers.pins(lab.client.cookie), leftovers.pins(lab.client.cookie)


def write(lab, content):
    path = lab.directory / "x.sys"
    path.write_bytes(content)
    return path


@case("--driver: what is no readable file is refused")
def no_file(lab):
    (lab.directory / "loop").symlink_to("loop")
    os.mkfifo(lab.directory / "pipe")
    empty = lab.directory / "empty.sys"
    empty.touch()
    secret = write(lab, PLAIN.read_bytes())
    secret.chmod(0)
    unprivileged = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]
    rows = [
        (lab.directory / "none.sys", errno.ENOENT, ()),
        (lab.directory / "loop", errno.ELOOP, ()),
        (empty / "x.sys", errno.ENOTDIR, ()),
        (secret, errno.EACCES, unprivileged),
    ]
    for path, number, wrapper in rows:
        tell(refused(lab, path, os.strerror(number), wrapper=wrapper)[0])
    huge = lab.directory / "huge.sys"
    huge.touch()
    os.truncate(huge, 1 << 33)
    for path, word in (
        (lab.directory, "it is a directory"),
        (lab.directory / "pipe", "a pipe"),
        ("/dev/zero", "a device"),
        (empty, "it has 0 bytes"),
        (huge, "it has 8589934592 bytes"),
    ):
        tell(refused(lab, path, word)[0])
    nothing_left(lab)


@case("--driver: what is no x86-64 driver is refused, saying what it is")
def no_driver(lab):
    rows = [
        (b"#!/bin/sh\necho no driver\n", "MZ header"),
        (b"MZ", "truncated"),
        (pathlib.Path("/bin/true").read_bytes()[:4096], "MZ header"),
        (plain((HEADER + 4, "H", 0x14C)), "32-bit"),
        (plain((OPTIONAL, "H", 0x10B)), "32-bit"),
        (plain((HEADER + 4, "H", 0xAA64)), "ARM64"),
        (plain((HEADER + 22, "H", 0x2022)), "DLL"),
        (plain((OPTIONAL + 68, "H", 3)), "subsystem 3"),
        (plain((HEADER, "I", 0)), "PE signature"),
        (plain((HEADER + 6, "H", 0)), "0 sections"),
        (plain((OPTIONAL + 56, "I", 0xFFFFF000)), "image would take"),
        (plain((OPTIONAL + 16, "I", 0x3FFFFFFF)), "entry point"),
        (plain((DIRECTORIES + 14 * 8 + 4, "I", 72)), ".NET"),
    ]
    for content, word in rows:
        tell(refused(lab, write(lab, content), word)[0])
    nothing_left(lab)


@case("--driver: what a packer made is refused")
def packed(lab):
    rows = [
        (plain((DIRECTORIES + 8, "Q", 0)), "imports nothing"),
        # As UPX does: a first section without bytes in the file, into which the code is unpacked, writable and executable.
        (plain((SECTIONS, "8s", b"UPX0"), (SECTIONS + 16, "I", 0), (SECTIONS + 36, "I", 0xE0000080)), '"UPX0"'),
        (plain((SECTIONS, "8s", b"UPX1"), (SECTIONS + 36, "I", 0xE0000040)), '"UPX1"'),
        (plain((HEADER + 22, "H", 0x23)), "relocations were stripped"),
    ]
    for content, word in rows:
        tell(refused(lab, write(lab, content), word)[0])
    nothing_left(lab)


@case("--driver: a file cut at any length is refused", timeout=120)
def truncated(lab):
    for path in (PLAIN, WINDOWS):
        if not path.exists():
            tell(f"{path} is not built: run make windows")
            continue
        content = path.read_bytes()
        lengths = sorted({1, 2, 63, 64, 65, 88, 300, *range(512, len(content), max(512, len(content) // 24))})
        for length in lengths:
            refused(lab, write(lab, content[:length]), "x.sys: it ")
        tell(f"{path.name}: {len(lengths)} lengths up to {lengths[-1]} of {len(content)} bytes")
    nothing_left(lab)


@case("--driver: all missing imports are told at once, one a line, then in one sentence")
def missing_imports(lab):
    path = names.BUILD / "tests/pe/missing.sys"
    if not path.exists():
        raise names.Missing(f"{path} is not built: x86_64-w64-mingw32-gcc is not installed")
    said = refused(lab, path, "2 routines that are not implemented here", "FwpsNoSuchRoutine0", "FwpsNoSuchRoutine1", lines=4)
    assert [line.strip() for line in said[1:3]] == [f"fwpkclnt.sys!FwpsNoSuchRoutine{n}" for n in (0, 1)], said
    tell(said[-1])
    nothing_left(lab)


@case("--special-pool is refused without a driver file")
def special_pool_alone(lab):
    done = lab.client.run(lab.daemon("--special-pool"), timeout=60)
    assert done.returncode == 1 and "--driver" in done.stderr and len(done.stderr.splitlines()) == 1, done


@case("--driver: the Windows driver file holds and decides connections, also on special pool", timeout=60)
def windows_file_decides(lab):
    if not WINDOWS.exists():
        raise names.Missing(f"{WINDOWS} is not built: run make windows")
    server = TcpServer(lab.server)
    for options in ((), ("--special-pool",)):
        program = lab.gatehoused("--driver", os.path.relpath(WINDOWS), *options)
        told = [line for line in program.output().splitlines() if "runs the driver file" in line]
        assert len(told) == 1 and WINDOWS.name in told[0] and ("special pool" in told[0]) == bool(options), told
        with permitting(lab) as deciding:
            assert lab.connect_timer(net.SERVER_V4, server.port).result()[0] == 0
        assert len(deciding.seen) == 1, deciding.seen
        assert program.stop() == 0, program.output()
        nothing_left(lab)


if __name__ == "__main__":
    run()
