# SPDX-License-Identifier: MIT
"""Network namespaces joined by a veth pair, and sockets inside them.

A namespace is entered by setns() on one thread, or by nsenter for a program: both change the
network namespace only. `ip netns exec` also changes the mount namespace; it has its own case.
"""
import contextlib
import ctypes
import os
import signal
import socket
import struct
import subprocess
import time

PATIENCE = 60  # seconds, for what has to come: the machine may be busy
CLONE_NEWNET = 0x40000000
SO_NETNS_COOKIE = 71
_libc = ctypes.CDLL(None, use_errno=True)

# Each end has a fixed address; the server end also answers for whole networks of others.
CLIENT_V4, CLIENT_V6 = "10.77.0.1", "fd77::1"
SERVER_V4, SERVER_V6 = "10.77.0.2", "fd77::2"
MANY_V4, MANY_V6 = "10.78.0.1", "fd78::1"


def ip(*arguments):
    """Runs ip; a failure raises with what ip said."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=PATIENCE)
    if done.returncode != 0:
        raise RuntimeError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _setns(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


class Namespace:
    """One network namespace with lo up."""

    def __init__(self, name):
        self.name = name
        self.path = f"/run/netns/{name}"

    def create(self):
        ip("netns", "add", self.name)
        with self.entered():
            for key, value in (
                ("ipv6/conf/all/accept_dad", "0"),
                ("ipv6/conf/default/accept_dad", "0"),
                ("core/somaxconn", "65535"),
                ("ipv4/tcp_max_syn_backlog", "65535"),
                ("ipv6/ip_nonlocal_bind", "1"),
                ("ipv4/tcp_fastopen", "3"),
                ("ipv4/ip_local_port_range", "10000 60999"),
                ("ipv4/ping_group_range", "0 2147483647"),
            ):
                with open(f"/proc/sys/net/{key}", "w", encoding="ascii") as file:
                    file.write(value)
        ip("-n", self.name, "link", "set", "lo", "up")
        return self

    @property
    def cookie(self):
        """The number the kernel knows the namespace by; pins are kept under it."""
        with self.socket(kind=socket.SOCK_DGRAM) as probe:
            return struct.unpack("=Q", probe.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8))[0]

    @contextlib.contextmanager
    def entered(self):
        """This thread is in the namespace inside the with block."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        inside = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(inside)
            try:
                yield self
            finally:
                _setns(before)
        finally:
            os.close(inside)
            os.close(before)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, protocol=0):
        with self.entered():
            return socket.socket(family, kind, protocol)

    def command(self, arguments):
        return ["nsenter", f"--net={self.path}", "--", *arguments]

    def popen(self, arguments, **options):
        return subprocess.Popen(self.command(arguments), **options)

    def run(self, arguments, timeout=PATIENCE, **options):
        options.setdefault("capture_output", True)
        options.setdefault("text", True)
        return subprocess.run(self.command(arguments), timeout=timeout, check=False, **options)

    def pids(self):
        return [int(pid) for pid in ip("netns", "pids", self.name).split()]

    def kill_all(self):
        """Ends every process inside. Only ours can be there: the namespace is ours."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            pids = [pid for pid in self.pids() if pid != os.getpid()]
            if not pids:
                return
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def rules(self):
        """The rules of both families that are not the empty table."""
        lines = []
        for save in ("iptables-save", "ip6tables-save"):
            done = self.run([save])
            lines += [line for line in done.stdout.splitlines() if line.startswith("-A") or "gatehouse" in line.lower()]
        return lines

    def link_address(self, device):
        with self.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as probe:
            probe.bind((device, 0))
            return ":".join(f"{byte:02x}" for byte in probe.getsockname()[4])


def existing(prefix):
    """Names of the namespaces that begin with prefix."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(name for name in os.listdir("/run/netns") if name.startswith(prefix))
    return []


def join(client, server):
    """A veth pair between the two, with addresses, routes and permanent neighbours, so that nothing but
    the test's own traffic is on the wire."""
    ip("link", "add", "gate0", "netns", client.name, "type", "veth", "peer", "name", "gate0", "netns", server.name)
    for namespace, v4, v6 in ((client, CLIENT_V4, CLIENT_V6), (server, SERVER_V4, SERVER_V6)):
        ip("-n", namespace.name, "address", "add", f"{v4}/24", "dev", "gate0")
        ip("-n", namespace.name, "address", "add", f"{v6}/64", "dev", "gate0", "nodad")
        ip("-n", namespace.name, "link", "set", "gate0", "up")
    for here, there, v4, v6 in ((client, server, SERVER_V4, SERVER_V6), (server, client, CLIENT_V4, CLIENT_V6)):
        address = there.link_address("gate0")
        for neighbour in (v4, v6):
            ip("-n", here.name, "neigh", "replace", neighbour, "lladdr", address, "dev", "gate0", "nud", "permanent")
    ip("-n", server.name, "route", "add", "local", "10.78.0.0/16", "dev", "lo")
    ip("-n", server.name, "-6", "route", "add", "local", "fd78::/64", "dev", "lo")
    ip("-n", client.name, "route", "add", "10.78.0.0/16", "via", SERVER_V4)
    ip("-n", client.name, "-6", "route", "add", "fd78::/64", "via", SERVER_V6)


def remove(name):
    """Ends what runs in the namespace and removes it."""
    Namespace(name).kill_all()
    ip("netns", "delete", name)
