# SPDX-License-Identifier: MIT
"""The rules' side of a fake gatehoused: keeps the images that it is given, and hands out what a test puts there.

It knows the layout of an image (include/gatehouse/rules.h) well enough to join two, and nothing of what rules mean.
"""
import socket
import struct
import threading

import fake_gatehoused as fake

HEADER, RULE = struct.Struct('<IIIIIIQQ'), struct.Struct('<IHBBQHBBB3sQQQII')
FILE, TOP, ASK = 0, 1, 2
MASK = 2**64 - 1


def check_value(body):
    """A second writing of core/rule_image.h's sum."""
    state = 0x52554C4553
    words = len(body) // 8
    for word in struct.unpack_from('<%dQ' % words, body):
        state = ((state ^ word) * 0x9E3779B97F4A7C15) & MASK
        state ^= state >> 29
    assert len(body) == 8 * words
    return state ^ state >> 32


class Rule:
    """One rule of an image."""

    def __init__(self, data):
        self.data = data
        (self.size, self.parts, self.action, self.direction, self.id, self.flags, self.family, self.until, self.place, _,
         self.lifetime, self.ends, self.added, self.line, _) = RULE.unpack_from(data)

    def kept(self, ends=0, added=0):
        """The same as a driver gives it back."""
        return Rule(RULE.pack(self.size, self.parts, self.action, self.direction, self.id, self.flags, self.family,
                              self.until, self.place, bytes(3), self.lifetime, ends, added, self.line, 0) +
                    self.data[RULE.size:])

    def renumbered(self, number_of):
        """Its sets have other numbers: number_of, a function of the old ones."""
        data = bytearray(self.data)
        at = RULE.size
        while at < len(data):
            size, kind, _ = struct.unpack_from('<IHH', data, at)
            if kind in (9, 10, 11, 12):
                struct.pack_into('<I', data, at + 8, number_of(struct.unpack_from('<I', data, at + 8)[0]))
            at += size
        return Rule(bytes(data))


def read_image(image):
    """(sets, rules); sets as bytes."""
    magic, version, size, set_count, rule_count, flags, check, reserved = HEADER.unpack_from(image)
    assert (magic, version, size, flags, reserved) == (0x524C5047, 1, len(image), 0, 0)
    assert check == check_value(image[HEADER.size:])
    records, at = [], HEADER.size
    while at < size:
        length = struct.unpack_from('<I', image, at)[0]
        records.append(image[at:at + length])
        at += length
    assert at == size and len(records) == set_count + rule_count
    return records[:set_count], [Rule(data) for data in records[set_count:]]


def make_image(sets=(), rules=()):
    body = b''.join(sets) + b''.join(rule.data for rule in rules)
    return HEADER.pack(0x524C5047, 1, HEADER.size + len(body), len(sets), len(rules), 0, check_value(body), 0) + body


def join_images(*images):
    """(sets, lists of rules): the sets of all in the order of their kinds, as an image has them."""
    everything = [(struct.unpack_from('<H', data, 4)[0], i, number, data)
                  for i, (sets, _) in enumerate(images) for number, data in enumerate(sets)]
    everything.sort(key=lambda entry: entry[:3])
    place = {entry[1:3]: at for at, entry in enumerate(everything)}
    return ([entry[3] for entry in everything],
            [[rule.renumbered(lambda number, i=i: place[i, number]) for rule in rules]
             for i, (_, rules) in enumerate(images)])


def key_of(identifier, layer=0):
    return struct.pack('<IHH', 0x6b1f5d0e, 0x3c1a, 0x8000 | layer) + struct.pack('>Q', identifier)


class RuleDevice(threading.Thread):
    """Serves every client that comes, one at a time, until it is closed."""

    def __init__(self, gate):
        super().__init__(daemon=True)
        self.gate = gate
        self.image = make_image()  # in force
        self.generation = 1
        self.loading = None
        self.calls = []  # codes, in order
        self.refuse = {}  # code: statuses to answer with, one a call
        self.hits = []  # (key, hits, last)
        self.counts = True
        self.flows = []  # entries, one list a look; the last stays
        self.piece = 0  # bytes of one piece; 0: as many as fit
        self.changes = 0  # so often the generation changes while it is read
        self.failed = None
        self.start()

    def run(self):
        while True:
            try:
                client = self.gate.accept()
            except (socket.timeout, OSError):
                return
            try:
                client.hello()
                while True:
                    self.serve(client, *client.receive())
            except (EOFError, OSError):
                pass
            except AssertionError as wrong:
                self.failed = wrong
            client.close()

    def serve(self, client, code, tag, size, body):
        self.calls.append(code)
        if self.refuse.get(code):
            status = self.refuse[code].pop(0)
            if status:
                client.answer(tag, b'', status)
                return
        serve = {fake.RULES_GET: self.get, fake.RULES_BEGIN: self.begin, fake.RULES_PUT: self.put,
                 fake.RULES_COMMIT: self.commit, fake.RULES_ADD: self.add, fake.RULES_REMOVE: self.remove,
                 fake.HITS: self.tell_hits, fake.FLOWS: self.tell_flows}.get(code)
        answer = (fake.E_UNKNOWN_CODE, b'') if serve is None else serve(size, body)
        if answer is None:
            return  # it waits for ever
        status, output = answer
        client.answer(tag, output, status)

    def rules(self):
        return read_image(self.image)[1]

    def put_into_force(self, sets, rules):
        self.image = make_image(sets, rules)
        self.generation += 1

    def get(self, size, body):
        generation, offset = struct.unpack('<QQ', body)
        if self.changes and offset:
            self.changes -= 1
            self.generation += 1
        if generation not in (0, self.generation):
            offset = 0
        room = size - 24 if self.piece == 0 else min(self.piece, size - 24)
        piece = self.image[offset:offset + room]
        count = sum(rule.place == FILE for rule in self.rules())
        return 0, struct.pack('<QIIII', self.generation, len(self.image), len(piece), count, len(self.rules()) - count) + piece

    def begin(self, size, body):
        version, total, flags, reserved = struct.unpack('<IIII', body)
        assert (version, flags, reserved) == (1, 0, 0)
        self.loading = [total, b'']
        return 0, b''

    def put(self, size, body):
        if self.loading is None:
            return fake.E_NO_LOAD, b''
        assert len(body) <= 120 * 1024
        self.loading[1] += body
        return 0, b''

    def commit(self, size, body):
        total, image = self.loading
        assert total == len(image)
        sets, (old, rules) = join_images(read_image(self.image), read_image(image))
        assert all(rule.place == FILE and rule.ends == 0 and rule.added == 0 for rule in rules)
        self.put_into_force(sets, [rule for rule in old if rule.place != FILE] + rules)
        return 0, b''

    def add(self, size, body):
        sets, (old, (rule,)) = join_images(read_image(self.image), read_image(body))
        assert rule.place in (TOP, ASK)
        rest = [other for other in old if other.id != rule.id or other.place == FILE]
        self.put_into_force(sets, [rule, *rest])
        return 0, b''

    def remove(self, size, body):
        identifier, = struct.unpack('<Q', body)
        sets, rules = read_image(self.image)
        found = [rule for rule in rules if rule.id == identifier]
        if not found:
            return fake.E_UNKNOWN_RULE, b''
        if found[0].place == FILE:
            return fake.E_RULE_IN_FILE, b''
        self.put_into_force(sets, [rule for rule in rules if rule.id != identifier])
        return 0, b''

    def tell_hits(self, size, body):
        if not self.counts:
            return fake.E_UNKNOWN_CODE, b''
        first, = struct.unpack('<Q', body)
        page = self.hits[first:first + 2]
        following = first + len(page) if first + len(page) < len(self.hits) else 0
        return 0, struct.pack('<IIQ', len(page), 0, following) + b''.join(
            key + struct.pack('<QQ', hits, last) for key, hits, last in page)

    def tell_flows(self, size, body):
        """One look is all that there is; who waits is told of what the next look has and the one before had not."""
        first, flags = struct.unpack_from('<QI', body) if len(body) == 16 else (*struct.unpack('<Q', body), 0)
        if flags & 1:
            return self.tell_changes(first, flags & 2)
        page = [entry for entry in (self.flows[0] if self.flows else []) if struct.unpack_from('<Q', entry, 8)[0] > first][:2]
        following = struct.unpack_from('<Q', page[-1], 8)[0] if page else first
        return 0, struct.pack('<IIQ', len(page), 0, following) + b''.join(page)


    def tell_changes(self, first, waits):
        if not waits:
            page = (self.flows[0] if self.flows else []) if first == 0 else []
        elif len(self.flows) < 2:
            return None
        else:
            before = self.flows.pop(0)
            page = [entry for entry in self.flows[0] if entry not in before]
        following = first + len(page)
        return 0, struct.pack('<IIQ', len(page), 0, following) + b''.join(page)


def flow(number, path=b'/usr/bin/curl', pid=4242, remote='192.0.2.1', port=443, local='192.0.2.9', local_port=40000,
         protocol=6, began=0, ended=0, out=0, came=0, flags=4, key=bytes(16)):
    text = fake.path_text(path)
    family = socket.AF_INET6 if ':' in remote else socket.AF_INET
    body = struct.pack('<IHBBQQQQQQ16s16sHHI16sQIHH', (128 + len(text) + 7) // 8 * 8, len(text), 6 if ':' in remote else 4,
                       protocol, number, pid, began, ended, out, came,
                       socket.inet_pton(family, local).ljust(16, b'\0'), socket.inet_pton(family, remote).ljust(16, b'\0'),
                       local_port, port, flags, key, 0, 0xFFFFFFFF, 0, 0)
    assert len(body) == 128
    body += text
    return body + b'\0' * (-len(body) % 8)
