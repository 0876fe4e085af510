# SPDX-License-Identifier: MIT
"""program_image - what gatehouse.exe has to be, and copies of it that are not. See image_test.py.

Page: "PE Format". Libraries: those of the list that Windows always takes from its own folder (KnownDLLs), so that a file
of that name beside the program is never loaded into an administrator's process; others are looked up at run time
(agent/library_windows.h).
"""
import struct

import pe_image
from pe_image import Image

EXECUTE, WRITE, DISCARDABLE = 0x20000000, 0x80000000, 0x02000000
DIR64 = 10
MAY_IMPORT_FROM = {'advapi32.dll', 'kernel32.dll', 'msvcrt.dll'}
# Whatever the libraries have, not these: they run other programs, or hand the program's memory around.
MAY_NOT_IMPORT = {'system', '_wsystem', '_popen', 'WinExec', 'WriteProcessMemory', 'CreateRemoteThread'}


def inspect_header(image):
    yield image.machine == 0x8664, 'the machine is not x86-64'
    yield image.subsystem == 3, 'the subsystem is not the console'
    yield image.subsystem_version == (10, 0), 'the subsystem version is not 10.0'
    yield image.characteristics & 0x2022 == 0x22, 'it is a DLL, not executable, or knows no large addresses'
    yield not image.characteristics & 0x1, 'relocations are stripped'
    yield image.dll_flags == 0x160, 'the flags are not HIGH_ENTROPY_VA, DYNAMIC_BASE, NX_COMPAT alone'
    yield image.base > 0xffffffff, 'the image base is below 4 GiB'
    yield image.timestamp == 0, 'it holds the time of its build'
    yield image.symbols == 0, 'it holds symbols'
    yield image.checksum == image.computed_checksum(), 'the checksum is wrong'
    empty = (pe_image.EXPORTS, pe_image.SECURITY, pe_image.DEBUG, pe_image.BOUND_IMPORTS)
    yield all(image.directories[i] == (0, 0) for i in empty), 'it has exports, a signature, debug data or bound imports'


def inspect_sections(image):
    yield {s.name for s in image.sections if s.flags & EXECUTE} == {'.text'}, 'not .text alone is executable'
    yield not any(s.flags & EXECUTE and s.flags & WRITE for s in image.sections), 'a section is writable and executable'
    yield not any(s.flags & WRITE for s in image.sections if s.name in ('.rdata', '.pdata', '.xdata')), \
        'constants are writable'
    entry = image.section_of(image.entry)
    yield entry is not None and entry.name == '.text', 'the entry point is not in .text'
    yield {s.name for s in image.sections if s.flags & DISCARDABLE} <= {'.reloc'}, 'a section is discardable'
    ends = [s.address + s.size for s in image.sections]
    yield all(end <= s.address for end, s in zip(ends, image.sections[1:])) and ends[-1] <= image.size, 'sections overlap'


def inspect_content(image):
    relocations = image.relocations()
    yield len(relocations) > 0, 'there are no relocations'
    yield all(kind == DIR64 for kind, _ in relocations), 'a relocation is not DIR64'
    yield all(0 <= image.at('Q', at)[0] - image.base < image.size for kind, at in relocations if kind == DIR64), \
        'a relocated pointer leads out of the image'
    files = {file for file, _ in image.imports()}
    yield files <= MAY_IMPORT_FROM, f'it imports from what it may not: {sorted(files - MAY_IMPORT_FROM)}'
    names = {name for _, name in image.imports()}
    yield not names & MAY_NOT_IMPORT, f'it imports what it may not: {sorted(names & MAY_NOT_IMPORT)}'
    yield {'CreateFileW', 'DeviceIoControl', 'CancelIoEx', 'SetDefaultDllDirectories'} <= names, 'it does not import what it needs'
    functions = image.functions()
    yield len(functions) > 100 and all(a[1] <= b[0] for a, b in zip(functions, functions[1:])), \
        'the function table is short or not in order'


def rules(version):
    def inspect_version(image):
        found = image.version()
        yield found is not None, 'there is no version resource'
        if found is None:
            return
        numbers, kind, resource = found
        yield numbers == tuple(int(part) for part in version.split('.')), f'the version resource says {numbers}'
        yield kind == (1, 0), 'the version resource is not of an application'
        for name, text in ('FileVersion', version), ('OriginalFilename', 'gatehouse.exe'):
            # A text begins at a multiple of four bytes.
            yield any(f'{name}\0{pad}{text}\0'.encode('utf-16-le') in resource for pad in ('', '\0')), f'{name} is another'

    return [inspect_header, inspect_sections, inspect_content, inspect_version]


def damages(good):
    """(name, copy with one thing broken, words of the objection)."""
    image = Image(good)
    optional = image.header + 24
    table = optional + struct.unpack_from('<H', good, image.header + 20)[0]

    def changed(*arguments, **options):
        return pe_image.changed(good, *arguments, **options)

    def flags(name, on, off=0):
        index = next(i for i, s in enumerate(image.sections) if s.name == name)
        return changed('I', table + 40 * index + 36, image.sections[index].flags & ~off | on)

    def renamed(name, at, letter):
        return changed('B', good.index(name + b'\0') + at, ord(letter))

    yield 'ARM64', changed('H', image.header + 4, 0xaa64), 'machine'
    yield '32 bit', changed('H', optional, 0x10b, mend=False), 'not PE32+'
    yield 'a driver', changed('H', optional + 68, 1), 'not the console'
    yield 'a window program', changed('H', optional + 68, 2), 'not the console'
    yield 'a DLL', changed('H', image.header + 22, image.characteristics | 0x2000), 'DLL'
    yield 'no relocations wanted', changed('H', image.header + 22, image.characteristics | 1), 'stripped'
    yield 'no ASLR', changed('H', optional + 70, 0x120), 'DYNAMIC_BASE'
    yield 'a timestamp', changed('I', image.header + 8, 0x65000000), 'time of its build'
    yield 'one byte of code', changed('B', image.sections[0].raw + 5, good[image.sections[0].raw + 5] ^ 1, mend=False), 'checksum'
    yield 'writable code', flags('.text', WRITE), 'writable and executable'
    yield 'executable data', flags('.data', EXECUTE), 'alone is executable'
    yield 'writable constants', flags('.rdata', WRITE), 'constants are writable'
    yield 'an empty relocation directory', changed('Q', optional + 112 + 8 * pe_image.RELOCATIONS, 0), 'no relocations'
    yield 'no resources', changed('Q', optional + 112 + 8 * pe_image.RESOURCES, 0), 'version resource'
    yield 'a foreign library', renamed(b'msvcrt.dll', 0, 'x'), 'imports from what it may not'
    yield 'a missing import', renamed(b'CancelIoEx', 0, 'X'), 'does not import what it needs'
    kind, at = image.relocations()[0]
    section = image.section_of(at)
    yield 'a pointer out of the image', changed('Q', section.raw + at - section.address, 1 << 40), 'leads out'
    yield 'truncated', bytearray(good[:len(good) // 2]), 'damaged'
