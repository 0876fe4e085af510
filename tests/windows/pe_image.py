# SPDX-License-Identifier: MIT
"""pe_image - reads a PE32+ file, as far as the tests ask; raises Damaged when the file contradicts itself.

Page: "PE Format". Addresses are relative to the image base unless said otherwise.
"""
import collections
import struct

Section = collections.namedtuple('Section', 'name size address raw_size raw flags')
EXPORTS, IMPORTS, RESOURCES, EXCEPTIONS, SECURITY, RELOCATIONS, DEBUG = range(7)
TLS, BOUND_IMPORTS = 9, 11


class Damaged(Exception):
    pass


class Image:
    def __init__(self, data):
        self.data = bytes(data)
        if self.data[:2] != b'MZ':
            raise Damaged('no MZ')
        self.header = self.unpack('I', 0x3c)[0]
        if self.data[self.header:self.header + 4] != b'PE\0\0':
            raise Damaged('no PE signature')
        (self.machine, count, self.timestamp, _, symbols, optional_size,
         self.characteristics) = self.unpack('HHIIIHH', self.header + 4)
        self.symbols = symbols
        optional = self.header + 24
        self.magic = self.unpack('H', optional)[0]
        if self.magic != 0x20b:
            raise Damaged(f'magic {self.magic:#x} is not PE32+')
        self.entry = self.unpack('I', optional + 16)[0]
        self.base, self.section_alignment, self.file_alignment = self.unpack('QII', optional + 24)
        self.subsystem_version = self.unpack('HH', optional + 48)
        self.size, self.headers_size, self.checksum, self.subsystem, self.dll_flags = self.unpack('IIIHH', optional + 56)
        self.checksum_at = optional + 64
        directories = self.unpack('I', optional + 108)[0]
        self.directories = [self.unpack('II', optional + 112 + 8 * i) for i in range(min(directories, 16))]
        self.sections = [self.read_section(optional + optional_size + 40 * i) for i in range(count)]

    def unpack(self, form, position):
        try:
            return struct.unpack_from('<' + form, self.data, position)
        except struct.error:
            raise Damaged(f'the file ends before {position:#x}') from None

    def read_section(self, position):
        name, size, address, raw_size, raw, flags = self.unpack('8sIIII12xI', position)
        if raw + raw_size > len(self.data):
            raise Damaged(f'section {name} lies behind the end of the file')
        return Section(name.rstrip(b'\0').decode('latin-1'), size, address, raw_size, raw, flags)

    def section_of(self, address):
        return next((s for s in self.sections if s.address <= address < s.address + max(s.size, s.raw_size)), None)

    def at(self, form, address):
        section = self.section_of(address)
        if section is None or address - section.address + struct.calcsize('<' + form) > section.raw_size:
            raise Damaged(f'nothing in the file for address {address:#x}')
        return self.unpack(form, section.raw + address - section.address)

    def text(self, address):
        section = self.section_of(address)
        start = section.raw + address - section.address if section else len(self.data)
        end = self.data.find(b'\0', start)
        if end < 0:
            raise Damaged(f'no text at {address:#x}')
        return self.data[start:end].decode('latin-1')

    def imports(self):
        """{(file in lower case, routine)}."""
        found, position = set(), self.directories[IMPORTS][0]
        while position:
            names, _, _, file, _ = self.at('IIIII', position)
            if file == 0:
                break
            while self.at('Q', names)[0]:
                name = self.at('Q', names)[0]
                found.add((self.text(file).lower(), f'#{name & 0xffff}' if name >> 63 else self.text(name + 2)))
                names += 8
            position += 20
        return found

    def relocations(self):
        """[(type, address)], padding left out."""
        found, (position, size) = [], self.directories[RELOCATIONS]
        end = position + size
        while position < end:
            page, block = self.at('II', position)
            if block < 8 or position + block > end:
                raise Damaged(f'relocation block of {block} bytes')
            for i in range(8, block, 2):
                entry = self.at('H', position + i)[0]
                if entry >> 12:
                    found.append((entry >> 12, page + (entry & 0xfff)))
            position += block
        return found

    def functions(self):
        """[(begin, end, unwind information)]."""
        position, size = self.directories[EXCEPTIONS]
        return [self.at('III', position + i) for i in range(0, size, 12)]

    def resource(self, kind):
        """The bytes of the first resource of this type, or None."""
        root = self.directories[RESOURCES][0]
        if root == 0:
            return None
        wanted, position = kind, root
        for _ in range(3):
            named, numbered = self.at('HH', position + 12)
            entries = [self.at('II', position + 16 + 8 * i) for i in range(named + numbered)]
            entries = [offset for number, offset in entries if wanted in (None, number)]
            if not entries:
                return None
            wanted, position = None, root + (entries[0] & 0x7fffffff)
        address, size = self.at('II', position)
        return bytes(self.at(f'{size}B', address))

    def version(self):
        """((major, minor, patch), (file type, subtype), the whole resource); None without a version resource."""
        resource = self.resource(16) or b''
        at = resource.find(struct.pack('<I', 0xfeef04bd))
        if at < 0:
            return None
        high, low = struct.unpack_from('<II', resource, at + 8)
        return (high >> 16, high & 0xffff, low >> 16), struct.unpack_from('<II', resource, at + 36), resource

    def computed_checksum(self):
        """What the header should say: the ones' complement sum of all 16-bit words but the field's own, plus the length."""
        data = self.data[:self.checksum_at] + bytes(4) + self.data[self.checksum_at + 4:]
        total = int.from_bytes(data, 'little') % 0xffff if any(data) else 0
        return (total or 0xffff) + len(data)


def with_checksum(data):
    """data, a bytearray, with the checksum that it should have."""
    image = Image(data)
    struct.pack_into('<I', data, image.checksum_at, image.computed_checksum())
    return data


def changed(good, form, position, value, mend=True):
    """A copy of good with one value replaced."""
    data = bytearray(good)
    struct.pack_into('<' + form, data, position, value)
    return with_checksum(data) if mend else data


def inspect(data, rules):
    """What is wrong with the file in data; empty when nothing is. A rule yields (fine, words) of an Image."""
    try:
        image = Image(data)
        return [words for rule in rules for fine, words in rule(image) if not fine]
    except Damaged as damage:
        return [f'damaged: {damage}']
