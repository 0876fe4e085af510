#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs that are not a plain file with a plain name, and sockets used in unusual ways."""
import ctypes
import os
import pathlib
import shutil
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import names, net, protocol  # noqa: E402
from gatetest.servers import TcpServer, UdpServer, wait_until  # noqa: E402
from gatetest.tap import case, run  # noqa: E402

LIBC = ctypes.CDLL(None, use_errno=True)


@case("a script is its interpreter: the file that runs, not the file it reads")
def script(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    path = lab.directory / "script"
    path.write_text(
        f"#!{sys.executable}\nimport socket\nsocket.create_connection(('{net.SERVER_V4}', {server.port}), 90)\n"
    )
    path.chmod(0o755)
    process = lab.client.popen([str(path)])
    (request,) = decider.requests()
    assert request.path == os.path.realpath(sys.executable), request
    assert request.process_id == process.pid, request
    decider.decide(request, protocol.PERMIT)
    assert process.wait(90) == 0


@case("a program without a file (memfd) is never one that a path names")
def memfd(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    trusted = lab.copy_program("connect_timer", "trusted")
    lab.gatehouse_decides("block", "--except", trusted)
    code = (
        "import os, sys\n"
        "fd = os.memfd_create(sys.argv[1], 0)\n"
        "os.sendfile(fd, os.open(sys.argv[2], os.O_RDONLY), 0, os.stat(sys.argv[2]).st_size)\n"
        "os.execve(fd, sys.argv[2:], os.environ)\n"
    )
    for name in ("trusted", trusted):
        talker = lab.talker("-c", "-c", code, name, trusted, net.SERVER_V4, server.port, path=sys.executable)
        assert talker.result()[0] != 0, f"a memfd named {name} was taken for {trusted}"
    assert not server.accepted


@case("a path in bytes that are no UTF-8, and one with a line feed and an escape, come back unchanged")
def odd_names(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    for name in (b"no-\xff\xfe-utf8", b"\xed\xa0\x80surrogate", "Ω-🂡".encode(), b"line\nfeed", b"\x1b[31mred", b" "):
        path = os.fsencode(lab.directory) + b"/" + name
        shutil.copy(names.find_program("connect_timer"), path)
        talker = lab.talker("", net.SERVER_V4, server.port, path=path)
        (request,) = decider.requests()
        back = request.path.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        assert back.encode("utf-8", "surrogateescape") == path, (back, path)
        decider.decide(request, protocol.PERMIT)
        assert talker.result()[0] == 0


@case("a path as long as a path may be, and one that is longer", timeout=60)
def long_paths(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    here = os.open("/", os.O_RDONLY)
    try:
        os.chdir(lab.directory)
        whole = str(lab.directory)
        while len(whole) < 6000:
            part = "d" * min(200, 4080 - len(whole)) if len(whole) < 4000 else "d" * 200
            os.mkdir(part)
            os.chdir(part)
            whole += "/" + part
            if len(whole) < 4000 or 4090 < len(whole) < 5800:
                continue
            shutil.copy(names.find_program("connect_timer"), "x")
            talker = lab.talker("", net.SERVER_V4, server.port, path="./x")
            (request,) = decider.requests()
            if len(whole) < 4094:
                assert request.path == whole + "/x", (len(whole), len(request.path))
            else:
                assert request.path.startswith("cut:/"), (len(whole), request)  # no path rule names such a thing
            assert request.process_id == talker.pid, request
            decider.decide(request, protocol.PERMIT)
            assert talker.result()[0] == 0
    finally:
        os.fchdir(here)
        os.close(here)


@case("a server that forks for each connection: each child is named by its own pid")
def forks(lab):
    server = TcpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    children = []
    for _ in range(8):
        with lab.client.socket() as stream:
            pid = os.fork()
            if pid == 0:
                stream.settimeout(90)
                os._exit(0 if stream.connect_ex((net.SERVER_V4, server.port)) == 0 else 1)
            children.append(pid)
    requests = decider.collect(len(children))
    assert sorted(request.process_id for request in requests) == sorted(children), requests
    for request in requests:
        decider.decide(request, protocol.PERMIT if children.index(request.process_id) % 2 == 0 else protocol.BLOCK)
    ends = [os.waitpid(pid, 0)[1] == 0 for pid in children]
    assert ends == [True, False] * 4, ends


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("name_size", ctypes.c_uint32), ("parts", ctypes.POINTER(Iovec)),
                ("part_count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_size", ctypes.c_size_t),
                ("flags", ctypes.c_int64), ("sent", ctypes.c_uint64)]  # fmt: skip


def send_many(sock, pairs):
    """One sendmmsg of (address, payload) each; returns how many the kernel took."""
    messages = (Message * len(pairs))()
    keep = []
    for message, ((host, port), payload) in zip(messages, pairs):
        address = struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + socket.inet_aton(host) + bytes(8)
        name = ctypes.create_string_buffer(address, len(address))
        data = ctypes.create_string_buffer(payload, len(payload))
        part = Iovec(ctypes.addressof(data), len(payload))
        keep += [name, data, part]
        message.name, message.name_size = ctypes.addressof(name), 16
        message.parts, message.part_count = ctypes.pointer(part), 1
    return LIBC.sendmmsg(sock.fileno(), messages, len(pairs), 0)


@case("sendmmsg to several destinations: each is a connection of its own")
def many_messages(lab):
    server = UdpServer(lab.server)
    lab.gatehoused()
    decider = lab.decider()
    hosts = [f"10.78.0.{number}" for number in range(1, 7)]
    with lab.client.socket(kind=socket.SOCK_DGRAM) as sock:
        sent = send_many(sock, [((host, server.port), host.encode()) for host in hosts])
        assert sent == len(hosts), (sent, ctypes.get_errno())
        requests = decider.collect(len(hosts))
        assert sorted(request.remote for request in requests) == hosts, requests
        assert not server.payloads, server.payloads
        for request in requests:
            decider.decide(request, protocol.PERMIT if int(request.remote[-1]) % 2 else protocol.BLOCK)
        wanted = [host.encode() for host in hosts[::2]]
        wait_until(lambda: len(server.payloads) >= len(wanted), 5, "the permitted datagrams")
    assert sorted(server.payloads) == wanted, server.payloads


if __name__ == "__main__":
    run()
