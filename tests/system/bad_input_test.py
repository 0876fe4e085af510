#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Survive bad input: every operation with every kind of wrong content gets its own status and changes nothing."""
import contextlib
import pathlib
import random
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from gatetest import device, net, protocol as p  # noqa: E402
from gatetest.servers import TcpServer, wait_until  # noqa: E402
from gatetest.tap import case, run, tell  # noqa: E402

BAD = "Survive bad input with a clear error and nothing changed"
CHANGES_BY_ITSELF = ("now", "rejected_input", "observers")


def hello(version=p.VERSION, role=p.OBSERVER, reserved=0):
    return p.HELLO_LAYOUT.pack(version, role, reserved)


def policy(version=p.VERSION, deadline_ms=60000, undecided=p.BLOCK, no_decider=p.NO_DECIDER_HOLD, reserved=0):
    return p.POLICY_LAYOUT.pack(version, deadline_ms, undecided, no_decider, reserved)


def decisions(count, version=p.VERSION, claimed=None):
    return p.pack_decisions([(1 << 60 | n, p.PERMIT) for n in range(count)], version, claimed)


# Who sends, what, with how much room for the answer, and the status it must get.
NOBODY, OBSERVER, DECIDER = "no hello", "observer", "decider"
IO_MANAGER = "refused before the driver sees it"
HELLO_ROWS = [
    (NOBODY, "empty", p.HELLO, b"", 64, "E_SHORT_INPUT"),
    (NOBODY, "15 bytes", p.HELLO, hello()[:-1], 64, "E_SHORT_INPUT"),
    (NOBODY, "17 bytes", p.HELLO, hello() + b"\0", 64, "E_LONG_INPUT"),
    (NOBODY, "24 bytes", p.HELLO, hello() + bytes(8), 64, "E_LONG_INPUT"),
    (NOBODY, "room for 15", p.HELLO, hello(), 15, "E_SHORT_OUTPUT"),
    (NOBODY, "no room", p.HELLO, hello(), 0, "E_SHORT_OUTPUT"),
    (NOBODY, "version 0", p.HELLO, hello(version=0), 64, "E_BAD_VERSION"),
    (NOBODY, "version 2", p.HELLO, hello(version=2), 64, "E_BAD_VERSION"),
    (NOBODY, "version 4294967295", p.HELLO, hello(version=0xFFFFFFFF), 64, "E_BAD_VERSION"),
    (NOBODY, "role 0", p.HELLO, hello(role=0), 64, "E_BAD_ROLE"),
    (NOBODY, "role 3", p.HELLO, hello(role=3), 64, "E_BAD_ROLE"),
    (NOBODY, "reserved 1", p.HELLO, hello(reserved=1), 64, "E_RESERVED"),
    (OBSERVER, "hello twice", p.HELLO, hello(), 64, "E_HELLO_TWICE"),
    (DECIDER, "hello twice", p.HELLO, hello(role=p.DECIDER), 64, "E_HELLO_TWICE"),
]
READ_ROWS = [
    (NOBODY, "before hello", p.GET_REQUESTS, b"", 65536, "E_NO_HELLO"),
    (OBSERVER, "by an observer", p.GET_REQUESTS, b"", 65536, "E_NOT_DECIDER"),
    (DECIDER, "1 byte of input", p.GET_REQUESTS, b"\0", 65536, "E_LONG_INPUT"),
    (DECIDER, "room for 175", p.GET_REQUESTS, b"", 175, "E_SHORT_OUTPUT"),
    (DECIDER, "no room", p.GET_REQUESTS, b"", 0, "E_SHORT_OUTPUT"),
    (NOBODY, "before hello", p.GET_STATUS, b"", 65536, "E_NO_HELLO"),
    (OBSERVER, "8 bytes of input", p.GET_STATUS, bytes(8), 65536, "E_LONG_INPUT"),
    (OBSERVER, "room for 215", p.GET_STATUS, b"", 215, "E_SHORT_OUTPUT"),
    (OBSERVER, "no room", p.GET_STATUS, b"", 0, "E_SHORT_OUTPUT"),
    (NOBODY, "before hello", p.READ_EVENTS, b"", 65536, "E_NO_HELLO"),
    (OBSERVER, "1 byte of input", p.READ_EVENTS, b"\0", 65536, "E_LONG_INPUT"),
    (OBSERVER, "room for 23", p.READ_EVENTS, b"", 23, "E_SHORT_OUTPUT"),
]
SUBMIT_ROWS = [
    (NOBODY, "before hello", p.SUBMIT_DECISIONS, decisions(1), 64, "E_NO_HELLO"),
    (OBSERVER, "by an observer", p.SUBMIT_DECISIONS, decisions(1), 64, "E_NOT_DECIDER"),
    (DECIDER, "empty", p.SUBMIT_DECISIONS, b"", 64, "E_SHORT_INPUT"),
    (DECIDER, "7 bytes", p.SUBMIT_DECISIONS, decisions(1)[:7], 64, "E_SHORT_INPUT"),
    (DECIDER, "header alone", p.SUBMIT_DECISIONS, decisions(1)[:8], 64, "E_SHORT_INPUT"),
    (DECIDER, "23 of 24 bytes", p.SUBMIT_DECISIONS, decisions(1)[:-1], 64, "E_SHORT_INPUT"),
    (DECIDER, "one byte more", p.SUBMIT_DECISIONS, decisions(1) + b"\0", 64, "E_LONG_INPUT"),
    (DECIDER, "two for one", p.SUBMIT_DECISIONS, decisions(2, claimed=1), 64, "E_LONG_INPUT"),
    (DECIDER, "one for two", p.SUBMIT_DECISIONS, decisions(1, claimed=2), 64, "E_SHORT_INPUT"),
    (DECIDER, "count 0", p.SUBMIT_DECISIONS, decisions(0), 64, "E_BAD_COUNT"),
    (DECIDER, "count 1025", p.SUBMIT_DECISIONS, decisions(1025), 8192, "E_BAD_COUNT"),
    (DECIDER, "count 4294967295", p.SUBMIT_DECISIONS, decisions(1, claimed=0xFFFFFFFF), 64, "E_BAD_COUNT"),
    (DECIDER, "version 0", p.SUBMIT_DECISIONS, decisions(1, version=0), 64, "E_BAD_VERSION"),
    (DECIDER, "version 2", p.SUBMIT_DECISIONS, decisions(1, version=2), 64, "E_BAD_VERSION"),
    (DECIDER, "room for 3 bytes", p.SUBMIT_DECISIONS, decisions(1), 3, "E_SHORT_OUTPUT"),
    (DECIDER, "room for 1 of 2", p.SUBMIT_DECISIONS, decisions(2), 4, "E_SHORT_OUTPUT"),
    (NOBODY, "both, before hello", p.SUBMIT_AND_GET, decisions(1), 65536, "E_NO_HELLO"),
    (OBSERVER, "both, by an observer", p.SUBMIT_AND_GET, decisions(1), 65536, "E_NOT_DECIDER"),
    (DECIDER, "both, empty", p.SUBMIT_AND_GET, b"", 65536, "E_SHORT_INPUT"),
    (DECIDER, "both, 23 of 24 bytes", p.SUBMIT_AND_GET, decisions(1)[:-1], 65536, "E_SHORT_INPUT"),
    (DECIDER, "both, one byte more", p.SUBMIT_AND_GET, decisions(1) + b"\0", 65536, "E_LONG_INPUT"),
    (DECIDER, "both, count 0", p.SUBMIT_AND_GET, decisions(0), 65536, "E_BAD_COUNT"),
    (DECIDER, "both, version 2", p.SUBMIT_AND_GET, decisions(1, version=2), 65536, "E_BAD_VERSION"),
    (DECIDER, "both, room for 183 bytes", p.SUBMIT_AND_GET, decisions(1), 183, "E_SHORT_OUTPUT"),
]
POLICY_ROWS = [
    (NOBODY, "before hello", p.SET_POLICY, policy(), 64, "E_NO_HELLO"),
    (DECIDER, "empty", p.SET_POLICY, b"", 64, "E_SHORT_INPUT"),
    (DECIDER, "23 bytes", p.SET_POLICY, policy()[:-1], 64, "E_SHORT_INPUT"),
    (DECIDER, "25 bytes", p.SET_POLICY, policy() + b"\0", 64, "E_LONG_INPUT"),
    (DECIDER, "version 0", p.SET_POLICY, policy(version=0), 64, "E_BAD_VERSION"),
    (DECIDER, "version 2", p.SET_POLICY, policy(version=2), 64, "E_BAD_VERSION"),
    (DECIDER, "deadline 0", p.SET_POLICY, policy(deadline_ms=0), 64, "E_BAD_SETTING"),
    (DECIDER, "deadline 99 ms", p.SET_POLICY, policy(deadline_ms=99), 64, "E_BAD_SETTING"),
    (DECIDER, "deadline 120001 ms", p.SET_POLICY, policy(deadline_ms=120001), 64, "E_BAD_SETTING"),
    (DECIDER, "undecided 0", p.SET_POLICY, policy(undecided=0), 64, "E_BAD_SETTING"),
    (DECIDER, "undecided 3", p.SET_POLICY, policy(undecided=3), 64, "E_BAD_SETTING"),
    (DECIDER, "no_decider 3", p.SET_POLICY, policy(no_decider=3), 64, "E_BAD_SETTING"),
    (DECIDER, "reserved 1", p.SET_POLICY, policy(reserved=1), 64, "E_RESERVED"),
]
CODE_ROWS = [
    (OBSERVER, "function 0x816", p.ctl(0x816, 0), b"", 64, "E_UNKNOWN_CODE"),
    (OBSERVER, "function 0x80F", p.ctl(0x80F, 0), b"", 64, "E_UNKNOWN_CODE"),
    (OBSERVER, "METHOD_IN_DIRECT", p.GET_STATUS | 1, b"", 65536, IO_MANAGER),
    (OBSERVER, "METHOD_NEITHER", p.GET_STATUS | 3, b"", 65536, IO_MANAGER),
    (OBSERVER, "other access bits", p.ctl(0x814, 3), b"", 65536, "E_UNKNOWN_CODE"),
    (OBSERVER, "code 0", 0, b"", 64, "E_UNKNOWN_CODE"),
    (OBSERVER, "another device type", p.GET_STATUS ^ 0x10000, b"", 65536, "E_UNKNOWN_CODE"),
]


class Bench:
    """A gatehoused with one held connection that nothing below may touch."""

    def __init__(self, lab):
        self.lab = lab
        self.server = TcpServer(lab.server)
        lab.gatehoused("--deadline", "120")
        self.clients = {DECIDER: lab.decider(), OBSERVER: lab.observer()}
        self.talker = lab.connect_timer(net.SERVER_V4, self.server.port)
        (self.request,) = self.clients[DECIDER].requests()
        self.before = self.state()

    def state(self):
        fields = self.clients[OBSERVER].status()._asdict()
        return {name: value for name, value in fields.items() if name not in CHANGES_BY_ITSELF}

    def check_unchanged(self, after):
        now = self.state()
        changed = {name: (self.before[name], now[name]) for name in now if now[name] != self.before[name]}
        assert not changed, f"{after} changed {changed}"

    def send(self, who, code, data, room):
        if who != NOBODY:
            return self.clients[who].ioctl(code, data, room)
        with device.Device(self.lab.socket) as stranger:
            return stranger.ioctl(code, data, room)

    def check_still_good(self):
        """A good client still works: the held connection gets its verdict, and another one too."""
        decider = self.clients[DECIDER]
        decider.decide(self.request, p.PERMIT)
        assert self.talker.result()[0] == 0
        second = self.lab.connect_timer(net.SERVER_V6, self.server.port)
        (request,) = decider.requests()
        decider.decide(request, p.BLOCK)
        assert second.result()[0] != 0
        self.server.expect(1)


def check_rows(lab, rows):
    bench = Bench(lab)
    wrong = []
    for who, what, code, data, room, expected in rows:
        rejected = bench.clients[OBSERVER].status().rejected_input
        answer = bench.send(who, code, data, room)
        if expected == IO_MANAGER:
            right = answer.status >= 0xC0000000
        else:
            right = answer.status == p.STATUSES[expected]
        if not right:
            wrong.append(f"{code:#x}, {what}, {who}: {p.status_name(answer.status)} for {expected}")
        if answer.data:
            wrong.append(f"{code:#x}, {what}, {who}: a refusal carries {len(answer.data)} bytes")
        bench.check_unchanged(f"{code:#x}, {what}")
        if bench.clients[OBSERVER].status().rejected_input <= rejected and expected != IO_MANAGER:
            wrong.append(f"{code:#x}, {what}, {who}: not counted in rejected_input")
    assert not wrong, "\n".join(wrong)
    bench.check_still_good()


@case(f"{BAD}: HELLO")
def hello_refused(lab):
    check_rows(lab, HELLO_ROWS)


@case(f"{BAD}: GET_REQUESTS, GET_STATUS, READ_EVENTS")
def reads_refused(lab):
    check_rows(lab, READ_ROWS)


@case(f"{BAD}: SUBMIT_DECISIONS")
def submit_refused(lab):
    check_rows(lab, SUBMIT_ROWS)


@case(f"{BAD}: SET_POLICY, all fields or none")
def policy_refused(lab):
    check_rows(lab, POLICY_ROWS)


@case(f"{BAD}: codes that are no operation")
def codes_refused(lab):
    check_rows(lab, CODE_ROWS)


@case(f"{BAD}: a decision with a wrong field, an unknown id")
def decision_refused(lab):
    bench = Bench(lab)
    held = bench.request.id
    rows = [
        ((0, p.PERMIT), "E_UNKNOWN_ID"),
        ((held + 1, p.PERMIT), "E_UNKNOWN_ID"),
        ((held ^ 1 << 63, p.PERMIT), "E_UNKNOWN_ID"),
        ((held ^ 1 << 32, p.PERMIT), "E_UNKNOWN_ID"),
        ((held, 0), "E_BAD_VERDICT"),
        ((held, 3), "E_BAD_VERDICT"),
        ((held, 0xFFFFFFFF), "E_BAD_VERDICT"),
        ((held, p.PERMIT, 5), "E_BAD_SCOPE"),
        ((held, p.PERMIT, p.SCOPE_CONNECTION, 1000), "E_BAD_LIFETIME"),
        ((held, p.PERMIT, 0, 0, 1), "E_BAD_LIFETIME"),
    ]
    for decision, expected in rows:
        (status,) = bench.clients[DECIDER].submit([decision])
        assert status == p.STATUSES[expected], f"{decision}: {p.status_name(status)} for {expected}"
        bench.check_unchanged(f"decision {decision}")
    statuses = bench.clients[DECIDER].submit([row for row, _ in rows])
    assert [p.status_name(s) for s in statuses] == [name for _, name in rows], "the same in one batch"
    bench.check_unchanged("the batch")
    bench.check_still_good()


@case(f"{BAD}: already decided")
def already_decided(lab):
    bench = Bench(lab)
    decider = bench.clients[DECIDER]
    statuses = decider.submit([(bench.request.id, p.PERMIT), (bench.request.id, p.BLOCK)])
    assert statuses[0] == p.SUCCESS, p.status_name(statuses[0])
    assert statuses[1] in (p.E_ALREADY_DECIDED, p.E_UNKNOWN_ID), p.status_name(statuses[1])
    assert bench.talker.result()[0] == 0, "the first answer counts"
    (status,) = decider.submit([(bench.request.id, p.BLOCK)])
    assert status in (p.E_ALREADY_DECIDED, p.E_UNKNOWN_ID), p.status_name(status)
    after = decider.status()
    assert (after.permitted_by_decider, after.blocked_by_decider) == (1, 0), after


@case(f"{BAD}: not yours: held, but not offered to this client")
def not_yours(lab):
    bench = Bench(lab)
    watcher = bench.clients[OBSERVER]
    reading = watcher.call(p.READ_EVENTS)
    other = lab.connect_timer(net.SERVER_V4, bench.server.port)
    found = []
    while not any(e.type == p.EVENT_HELD and e.request.process_id == other.pid for e in found):
        found += p.records(watcher.answer(reading).data, p.Event)
        reading = watcher.call(p.READ_EVENTS)
    held = next(e.request for e in found if e.type == p.EVENT_HELD and e.request.process_id == other.pid)
    (status,) = bench.clients[DECIDER].submit([(held.id, p.PERMIT)])
    assert status == p.E_NOT_YOURS, p.status_name(status)
    assert bench.clients[DECIDER].status().held == 2
    (request,) = bench.clients[DECIDER].requests()
    assert request.id == held.id, (request, held)
    bench.clients[DECIDER].decide(request, p.BLOCK)
    assert other.result()[0] != 0
    bench.clients[DECIDER].decide(bench.request, p.PERMIT)


@case(f"{BAD}: more reads than one handle may have waiting")
def too_many_reads(lab):
    bench = Bench(lab)
    decider = bench.clients[DECIDER]
    tags = [decider.call(p.GET_REQUESTS) for _ in range(p.CALLS_MAX + 4)]
    refused = wait_until(lambda: refused_of(decider, tags), 5, "a refusal")
    tell(f"{len(tags)} reads at once: {len(refused)} refused with {p.status_name(decider.answers[refused[0]].status)}")
    bench.check_unchanged("reading often")
    for tag in tags:
        if tag not in decider.answers:
            decider.call(p.CANCEL, struct.pack("<I", tag))
    for tag in tags:
        assert decider.answer(tag).status != p.SUCCESS
    bench.check_still_good()


def refused_of(client, tags):
    with contextlib.suppress(TimeoutError):
        client.answer(0xFFFFFFF0, 0.2)
    return [tag for tag in tags if tag in client.answers]


def transport_rows():
    good = p.CALL_LAYOUT.pack(p.GET_STATUS, 77, 65536, 0)
    return [
        ("a zero message", b""),
        ("one byte", b"\1"),
        ("15 bytes", good[:15]),
        ("tag 0", p.CALL_LAYOUT.pack(p.GET_STATUS, 0, 65536, 0)),
        ("reserved 1", p.CALL_LAYOUT.pack(p.GET_STATUS, 78, 65536, 1)),
        ("room for 4 GiB", p.CALL_LAYOUT.pack(p.GET_STATUS, 79, 0xFFFFFFFF, 0)),
        ("room for a byte more than a message", p.CALL_LAYOUT.pack(p.GET_STATUS, 80, p.MESSAGE_MAX + 1, 0)),
        ("a message a byte too long", good + bytes(p.MESSAGE_MAX - 15)),
        ("a message twice too long", good + bytes(2 * p.MESSAGE_MAX)),
        ("the largest message", good + bytes(p.MESSAGE_MAX - 16)),
        ("cancel without a tag", p.CALL_LAYOUT.pack(p.CANCEL, 81, 0, 0)),
        ("cancel with half a tag", p.CALL_LAYOUT.pack(p.CANCEL, 82, 0, 0) + b"\1\0"),
        ("cancel of nothing", p.CALL_LAYOUT.pack(p.CANCEL, 83, 0, 0) + struct.pack("<I", 999)),
        ("platform status with input", p.CALL_LAYOUT.pack(p.PLATFORM_STATUS, 84, 80, 0) + b"\1"),
        ("platform status without room", p.CALL_LAYOUT.pack(p.PLATFORM_STATUS, 85, 79, 0)),
    ]


@case(f"{BAD}: messages that are no calls")
def transport_refused(lab):
    bench = Bench(lab)
    for what, message in transport_rows():
        with device.observer(lab.socket) as client:
            ended = "refused without a word"
            try:
                client.send_raw(message)
                client._receive(time.monotonic() + 0.5)  # any answer at all
                (answer,) = client.answers.values()
                ended = p.status_name(answer.status)
                assert answer.status != p.SUCCESS or what == "cancel of nothing", f"{what} succeeded"
            except (device.DeviceClosed, ConnectionError):
                ended = "closed"
            except TimeoutError:
                pass
            except OSError as error:
                ended = f"the kernel: {error.strerror}"
        tell(f"{what}: {ended}")
        bench.check_unchanged(what)
    bench.check_still_good()


@case(f"{BAD}: a tag twice at once")
def tag_in_use(lab):
    bench = Bench(lab)
    with device.observer(lab.socket) as client:
        client.call(p.READ_EVENTS, tag=5)
        client.call(p.GET_STATUS, tag=5)
        with contextlib.suppress(device.DeviceClosed, TimeoutError):
            answer = client.answer(5, 1)
            assert answer.status != p.SUCCESS, "two calls under way had one tag"
    bench.check_unchanged("a tag twice")
    bench.check_still_good()


@case(f"{BAD}: more calls at once than one client may have")
def too_many_calls(lab):
    bench = Bench(lab)
    with device.observer(lab.socket) as client:
        tags = []
        with contextlib.suppress(device.DeviceClosed, OSError):
            for _ in range(4 * p.CALLS_MAX):
                tags.append(client.call(p.READ_EVENTS))
            refused = wait_until(lambda: refused_of(client, tags), 5, "a refusal of one of 64 reads at once")
            tell(f"64 reads at once: {len(refused)} refused, {p.status_name(client.answers[refused[0]].status)}")
    bench.check_unchanged("too many calls")
    bench.check_still_good()


def garbage(generator):
    """One random message: any code, any size, often a shape that is nearly right."""
    codes = [p.HELLO, p.GET_REQUESTS, p.SUBMIT_DECISIONS, p.SUBMIT_AND_GET, p.SET_POLICY, p.GET_STATUS, p.READ_EVENTS,
             p.SEED_SUBMIT_DECISION, p.CANCEL, p.PLATFORM_STATUS, generator.getrandbits(32)]  # fmt: skip
    head = p.CALL_LAYOUT.pack(
        generator.choice(codes),
        generator.choice((0, 1, generator.getrandbits(32))),
        generator.choice((0, 4, 64, 65536, generator.getrandbits(32))),
        generator.choice((0, 0, 0, generator.getrandbits(32))),
    )
    body = generator.randbytes(generator.choice((0, 1, 8, 15, 16, 24, 32, 200, 5000)))
    if generator.random() < 0.3:
        body = struct.pack("<I", p.VERSION) + body
    return (head + body)[: generator.choice((len(head + body), generator.randrange(20)))]


@case(f"{BAD}: 3,000 random messages from a seeded generator", timeout=120)
def random_messages(lab):
    bench = Bench(lab)
    seed = 20261122
    generator = random.Random(seed)
    sent = closed = 0
    client = None
    while sent < 3000:
        if client is None:
            client = device.Device(lab.socket)
            client.socket.settimeout(5)
        message = garbage(generator) or b"\0"
        try:
            client.send_raw(message)
            sent += 1
            client.socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while client.socket.recv(p.MESSAGE_MAX):
                    pass
            client.socket.settimeout(5)
        except OSError:
            closed += 1
            client.close()
            client = None
        if generator.random() < 0.02 and client is not None:
            client.close()
            client = None
        if sent % 500 == 0:
            bench.check_unchanged(f"random messages of seed {seed}, {sent}")
    tell(f"3,000 random messages, seed {seed}; {closed} ended their client")
    bench.check_unchanged(f"random messages of seed {seed}")
    bench.check_still_good()


@case(f"{BAD}: 200 clients that come, say half a word and go")
def clients_come_and_go(lab):
    bench = Bench(lab)
    for number in range(200):
        client = device.Device(lab.socket)
        with contextlib.suppress(OSError):  # refused: gatehoused has not seen yet that the others have gone
            if number % 3:
                client.call(p.HELLO, hello())
            if number % 3 == 2:
                client.call(p.READ_EVENTS)
        client.close()
    wait_until(lambda: bench.clients[OBSERVER].status().observers == 1, 5, "the end of the others")
    bench.check_unchanged("200 clients")
    bench.check_still_good()


if __name__ == "__main__":
    run()
