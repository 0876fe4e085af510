# SPDX-License-Identifier: MIT
"""The numbers and layouts of include/gatehouse/{protocol,status,transport}.h, a second time.

Written out by hand from the headers' text, so that a change on one side alone makes tests fail.
Little-endian, as the protocol is.
"""
import collections
import re
import socket
import struct

from . import names

VERSION = 1
MESSAGE_MAX = 131072
CALLS_MAX = 16
DECISIONS_MAX = 1024


def ctl(function, access):
    return 0x22 << 16 | access << 14 | function << 2


SEED_GET_NEXT_REQUEST = ctl(0x800, 0)
SEED_SUBMIT_DECISION = ctl(0x801, 0)
HELLO = ctl(0x810, 0)
GET_REQUESTS = ctl(0x811, 1)
SUBMIT_DECISIONS = ctl(0x812, 2)
SET_POLICY = ctl(0x813, 2)
GET_STATUS = ctl(0x814, 1)
READ_EVENTS = ctl(0x815, 1)
SUBMIT_AND_GET = ctl(0x816, 3)
NAMES_LEARNED = ctl(0x81D, 2)
CANCEL = 0xFFFFFFFF
PLATFORM_STATUS = 0xFFFFFFFE

DECIDER, OBSERVER = 1, 2
PERMIT, BLOCK = 1, 2
SCOPE_CONNECTION, SCOPE_PROGRAM_DESTINATION, SCOPE_PROGRAM = 0, 1, 2
NO_DECIDER_HOLD, NO_DECIDER_PERMIT, NO_DECIDER_BLOCK = 0, 1, 2
REQUEST_LOOPBACK, REQUEST_NO_PROCESS, REQUEST_NO_PROGRAM, REQUEST_REOFFERED = 1, 2, 4, 8
EVENT_HELD, EVENT_DECIDED, EVENT_LOST = 1, 2, 3
BY_NONE, BY_DECIDER, BY_ANSWER, BY_DEADLINE, BY_NO_DECIDER, BY_FULL, BY_CANCEL, BY_UNLOAD, BY_CANNOT_PEND = range(9)

SUCCESS = 0
ACCESS_DENIED = 0xC0000022
CANCELLED = 0xC0000120


def _statuses():
    """GATEHOUSE_E_* of the header: names for the numbers, so that a failed test reads well."""
    text = (names.TREE / "include/gatehouse/status.h").read_text(encoding="utf-8")
    pairs = re.findall(r"#define GATEHOUSE_(E_\w+)[\s\\]+(0x[0-9A-F]+)u", text)
    return {name: int(value, 16) for name, value in pairs}


STATUSES = _statuses()
globals().update(STATUSES)
_STATUS_NAMES = {value: name for name, value in STATUSES.items()}


def status_name(status):
    return _STATUS_NAMES.get(status, f"{status:#010x}")


HELLO_LAYOUT = struct.Struct("<IIQ")
REQUEST_LAYOUT = struct.Struct("<IHBBQQQQQQ16s16sHHIIHH68sHH")
DECISIONS_LAYOUT = struct.Struct("<II")
DECISION_LAYOUT = struct.Struct("<QIIII")
POLICY_LAYOUT = struct.Struct("<IIIIQ")
STATUS_LAYOUT = struct.Struct("<II24sQQQIIIIIIII16Q")
EVENT_LAYOUT = struct.Struct("<IHBBQQ")
PLATFORM_LAYOUT = struct.Struct("<II9Q")
SEED_REQUEST_LAYOUT = struct.Struct("<QQIHH")
SEED_DECISION_LAYOUT = struct.Struct("<QII")
CALL_LAYOUT = struct.Struct("<IIII")
ANSWER_LAYOUT = struct.Struct("<IIII")

assert REQUEST_LAYOUT.size == 176 and STATUS_LAYOUT.size == 216 and PLATFORM_LAYOUT.size == 80
assert EVENT_LAYOUT.size == 24 and DECISION_LAYOUT.size == 24 and SEED_REQUEST_LAYOUT.size == 24

Status = collections.namedtuple(
    "Status",
    "version size policy now loaded_at decider_pid observers capacity held queued offered answers verdicts reserved "
    "classified pended permitted_by_decider blocked_by_decider permitted_by_answer blocked_by_answer expired cancelled "
    "refused_full refused_memory refused_no_decider cannot_pend reauthorized requeued rejected_input events_lost",
)
Policy = collections.namedtuple("Policy", "version deadline_ms undecided no_decider reserved")
PlatformStatus = collections.namedtuple(
    "PlatformStatus",
    "size packets_held packets_seen packets_damaged packets_unknown datagrams_blocked datagrams_overflow queue_dropped "
    "queue_user_dropped flows events_lost",
)
SeedRequest = collections.namedtuple("SeedRequest", "id process_id address port reserved")


class Request:
    """struct gatehouse_request, taken apart and checked against the header's rules."""

    def __init__(self, data):
        fields = REQUEST_LAYOUT.unpack_from(data)
        (self.size, path_size, self.ip_version, self.protocol, self.id, self.process_id, self.process_start,
         self.endpoint, self.held_at, self.deadline, local, remote, self.local_port, self.remote_port, self.flags,
         self.interface_index, self.layer, sid_size, sid, name_size, reserved) = fields  # fmt: skip
        path_end = REQUEST_LAYOUT.size + path_size
        end = path_end + name_size
        assert self.size == (end + 7) // 8 * 8 <= len(data), f"request size {self.size}, path {path_size}"
        assert reserved == 0 and not any(data[end : self.size]), "padding is not zero"
        assert self.ip_version in (4, 6), self.ip_version
        assert not any(sid[sid_size:]), "bytes beyond the SID are not zero"
        self.local = self._address(local)
        self.remote = self._address(remote)
        self.sid = sid[:sid_size]
        self.path = data[REQUEST_LAYOUT.size : path_end].decode("utf-16-le", "surrogatepass")
        self.name = data[path_end:end].decode("ascii")

    def _address(self, data):
        if self.ip_version == 4:
            assert not any(data[4:]), "an IPv4 address is longer than four bytes"
            return socket.inet_ntoa(data[:4])
        return socket.inet_ntop(socket.AF_INET6, data)

    @property
    def user(self):
        """The last number of the SID: the Unix user id."""
        return struct.unpack("<I", self.sid[-4:])[0] if self.sid else None

    def __repr__(self):
        return (
            f"<{self.id}: {self.path} pid {self.process_id} user {self.user} proto {self.protocol} "
            f"{self.local}:{self.local_port} > {self.remote}:{self.remote_port} flags {self.flags:#x}>"
        )


class Event:
    def __init__(self, data):
        self.size, self.type, self.verdict, self.by, self.time, self.count = EVENT_LAYOUT.unpack_from(data)
        self.request = Request(data[EVENT_LAYOUT.size : self.size]) if self.type != EVENT_LOST else None


def records(data, kind):
    """Splits a buffer of records that start with their own size."""
    found = []
    while data:
        size = struct.unpack_from("<I", data)[0]
        assert 0 < size <= len(data) and size % 8 == 0, f"record of {size} in {len(data)} bytes"
        found.append(kind(data[:size]))
        data = data[size:]
    return found


def pack_decisions(decisions, version=VERSION, count=None):
    """decisions: (id, verdict[, scope[, lifetime_ms[, reserved]]])."""
    data = DECISIONS_LAYOUT.pack(version, len(decisions) if count is None else count)
    for decision in decisions:
        padded = (*decision, 0, 0, 0)[:5]
        data += DECISION_LAYOUT.pack(*padded)
    return data


def parse_status(data):
    fields = STATUS_LAYOUT.unpack(data)
    policy = Policy(*POLICY_LAYOUT.unpack(fields[2]))
    return Status(*fields[:2], policy, *fields[3:])
