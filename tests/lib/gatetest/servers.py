# SPDX-License-Identifier: MIT
"""Servers in a namespace, each on a thread of the test: TCP, UDP echo, HTTP, DNS, and an ear on the wire.

All of them remember what reached them: that is the other half of every verdict's proof.
"""
import collections
import contextlib
import http.server
import select
import socket
import struct
import threading
import time

from . import net

IP_PKTINFO, IPV6_RECVPKTINFO, SO_RCVBUFFORCE = 8, 49, 33


class Server:
    """One thread that runs serve() until stop()."""

    def __init__(self):
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def _run(self):
        while not self._stopping.is_set():
            self.serve()

    def stop(self):
        self._stopping.set()
        self._thread.join(5)

    def serve(self):
        raise NotImplementedError


def wait_until(condition, seconds, what="the condition"):
    """Waits for condition() to be true; raises after seconds, but never sooner than a busy machine may need."""
    seconds = max(seconds, net.PATIENCE)
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(0.01)


def soon(attempt, seconds=0.9):
    """attempt() says in how many seconds something was over that takes a second and more, the time until a SYN is sent
    again, when it goes wrong. A busy machine has more tries. Returns how many there were."""
    took = [attempt()]
    while took[-1] > seconds and len(took) < 10:
        took.append(attempt())
    assert took[-1] <= seconds, took
    return len(took)


class TcpServer(Server):
    """Accepts on [::] (both families), remembers every peer, sends a greeting, and closes."""

    def __init__(self, namespace, port=7000, greeting=b""):
        super().__init__()
        self.port = port
        self.greeting = greeting
        self.accepted = []
        self.socket = namespace.socket(socket.AF_INET6)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
        self.socket.bind(("::", port))
        self.socket.listen(65535)
        self.socket.setblocking(False)
        self.start()

    def serve(self):
        if not select.select([self.socket], [], [], 0.1)[0]:
            return
        for _ in range(256):
            try:
                connection, peer = self.socket.accept()
            except (BlockingIOError, ConnectionError):
                return
            self.accepted.append((peer[0].removeprefix("::ffff:"), peer[1]))
            with connection:
                if self.greeting:
                    with contextlib.suppress(ConnectionError):  # who only looked in is gone already
                        connection.send(self.greeting)

    def expect(self, count):
        """Exactly count connections arrive; a moment is given to the last, and to one too many."""
        wait_until(lambda: len(self.accepted) >= count, net.PATIENCE, f"the arrival of {count} connections")
        time.sleep(0.05)
        assert len(self.accepted) == count, f"{count} connections expected: {self.accepted}"

    def stop(self):
        super().stop()
        self.socket.close()


class UdpServer(Server):
    """Echoes each datagram from the address it was sent to, and remembers (source port, payload)."""

    def __init__(self, namespace, port=7000, reply=lambda data: data):
        super().__init__()
        self.port = port
        self.reply = reply
        self.received = []
        self.sockets = []
        for family in (socket.AF_INET, socket.AF_INET6):
            sock = namespace.socket(family, socket.SOCK_DGRAM)
            if family == socket.AF_INET:
                sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
                sock.bind(("0.0.0.0", port))
            else:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
                sock.bind(("::", port))
            self.sockets.append(sock)
        self.start()

    def serve(self):
        for sock in select.select(self.sockets, [], [], 0.1)[0]:
            data, ancillary, _, peer = sock.recvmsg(2048, 256)
            self.received.append((peer[1], data))
            level, kind, info = ancillary[0]
            if level == socket.IPPROTO_IP:
                info = struct.pack("=i4s4s", 0, info[8:12], bytes(4))
            else:
                info = info[:16] + bytes(4)
            answer = self.reply(data)
            if answer is not None:
                sock.sendmsg([answer], [(level, kind, info)], 0, peer)

    @property
    def payloads(self):
        return [data for _, data in self.received]

    def stop(self):
        super().stop()
        for sock in self.sockets:
            sock.close()


def dns_answer(query):
    """Every name is the server's IPv4 address; other types have no records."""
    end = query.index(b"\0", 12) + 5
    question = query[12:end]
    is_a = question[-4:-2] == b"\0\x01"
    header = query[:2] + struct.pack(">HHHHH", 0x8180, 1, 1 if is_a else 0, 0, 0)
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(net.SERVER_V4)
    return header + question + (record if is_a else b"")


class DnsServer(UdpServer):
    def __init__(self, namespace, port=53):
        super().__init__(namespace, port, dns_answer)


class HttpServer:
    """Answers every GET with one line; remembers paths."""

    def __init__(self, namespace, port=80, body=b"hello from the server\n"):
        paths = self.paths = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                paths.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class DualServer(http.server.ThreadingHTTPServer):
            address_family = socket.AF_INET6
            daemon_threads = True

            def server_bind(self):
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.socket.bind(("::", port))
                self.server_address = self.socket.getsockname()
                self.server_name, self.server_port = "server", port

        with namespace.entered():
            self.server = DualServer(("::", port), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


Frame = collections.namedtuple("Frame", "protocol source source_port destination destination_port syn")


class Ear(Server):
    """Hears every IP packet that arrives at a namespace's end of the wire."""

    def __init__(self, namespace, device="gate0"):
        super().__init__()
        self.frames = []
        self._lock = threading.Lock()
        self.socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.bind((device, 3))
        self.socket.setblocking(False)
        self.start()

    def serve(self):
        if select.select([self.socket], [], [], 0.1)[0]:
            self._listen()

    def _listen(self):
        """Takes all that has arrived by now."""
        with self._lock:
            while True:
                try:
                    data, address = self.socket.recvfrom(2048)
                except BlockingIOError:
                    return
                frame = None if address[2] == socket.PACKET_OUTGOING else self.parse(data)
                if frame is not None:
                    self.frames.append(frame)

    @staticmethod
    def parse(data):
        kind = struct.unpack(">H", data[12:14])[0]
        if kind == 0x0800:
            head, protocol = 14 + (data[14] & 15) * 4, data[23]
            source, destination = socket.inet_ntoa(data[26:30]), socket.inet_ntoa(data[30:34])
        elif kind == 0x86DD:
            head, protocol = 54, data[20]
            source = socket.inet_ntop(socket.AF_INET6, data[22:38])
            destination = socket.inet_ntop(socket.AF_INET6, data[38:54])
        else:
            return None
        if protocol not in (6, 17) or len(data) < head + 8:
            return Frame(protocol, source, 0, destination, 0, False)
        source_port, destination_port = struct.unpack(">HH", data[head : head + 4])
        syn = protocol == 6 and len(data) > head + 13 and data[head + 13] & 0x12 == 0x02
        return Frame(protocol, source, source_port, destination, destination_port, syn)

    def heard(self, **fields):
        """Also what arrived just now, whether or not the thread was there to hear it."""
        self._listen()
        return [f for f in list(self.frames) if all(getattr(f, key) == value for key, value in fields.items())]

    def stop(self):
        super().stop()
        self.socket.close()
