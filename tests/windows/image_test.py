#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""image_test SOURCE BUILD VERSION - gatehouse.sys is a file that Windows takes for a driver, gatehouse.exe one for a program.

Builds them with tools/build-windows in BUILD/windows and once more elsewhere, and inspects them. Each rule (for the
program: program_image.py) is then broken in a copy: the copy must be objected to, in these words. Skipped without
the cross compiler.
Pages: "PE Format"; the kernel's demands as far as its documentation states them (native subsystem, checksum).
"""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import pe_image
import program_image
from pe_image import Image, inspect

SOURCE, BUILD, VERSION = sys.argv[1:4]
EXECUTE, READ, WRITE, DISCARDABLE = 0x20000000, 0x40000000, 0x80000000, 0x02000000
DIR64 = 10

# All that the driver may ask of Windows. When it needs one more: its row, after a look at its page for the IRQL.
MAY_IMPORT = {
    'hal.dll': 'KeQueryPerformanceCounter',
    'ntoskrnl.exe': '''
        DbgPrintEx ExAllocatePoolWithTag ExFreePoolWithTag IoAllocateWorkItem IoCreateDevice IoCreateSymbolicLink
        IoDeleteDevice IoDeleteSymbolicLink IoFreeWorkItem IoGetCurrentProcess IoQueueWorkItem
        IoReleaseCancelSpinLock IofCompleteRequest KeAcquireSpinLockAtDpcLevel KeAcquireSpinLockRaiseToDpc
        KeCancelTimer KeDelayExecutionThread KeFlushQueuedDpcs KeInitializeDpc KeInitializeEvent KeInitializeTimer
        KeReleaseSpinLock KeReleaseSpinLockFromDpcLevel KeSetEvent KeSetTimer KeWaitForSingleObject
        MmGetSystemRoutineAddress ObOpenObjectByPointer ObReferenceObjectByHandle ObfDereferenceObject
        PsCreateSystemThread PsGetCurrentProcessId PsGetProcessCreateTimeQuadPart PsSetCreateProcessNotifyRoutine
        PsTerminateSystemThread RtlAddAccessAllowedAce RtlCreateAcl RtlCreateSecurityDescriptor RtlQueryRegistryValues
        RtlSetDaclSecurityDescriptor ZwClose ZwCreateFile ZwFlushBuffersFile ZwQueryInformationFile ZwReadFile
        ZwSetInformationFile ZwSetSecurityObject ZwWriteFile memcmp memcpy memmove memset''',
    'fwpkclnt.sys': '''
        FwpmCalloutAdd0 FwpmEngineClose0 FwpmEngineOpen0 FwpmFilterAdd0 FwpmFilterDeleteById0 FwpmFilterDeleteByKey0 FwpmProviderAdd0
        FwpmFreeMemory0 FwpmProviderDeleteByKey0
        FwpmProviderGetByKey0 FwpmSubLayerAdd0 FwpmSubLayerDeleteByKey0 FwpmSubLayerGetByKey0 FwpmTransactionAbort0 FwpmTransactionBegin0 FwpmTransactionCommit0 FwpsCalloutRegister3
        FwpsCalloutUnregisterById0 FwpsCompleteOperation0 FwpsFlowAssociateContext0 FwpsFlowRemoveContext0
        FwpsPendOperation0 FwpsAllocateCloneNetBufferList0 FwpsFreeCloneNetBufferList0 FwpsInjectTransportReceiveAsync0
        FwpsInjectionHandleCreate0 FwpsInjectionHandleDestroy0 FwpsQueryPacketInjectionState0''',
    'ndis.sys': 'NdisAdvanceNetBufferDataStart NdisRetreatNetBufferDataStart',
}
ALLOWED = {(file, name) for file, names in MAY_IMPORT.items() for name in names.split()}


def inspect_header(image):
    yield image.machine == 0x8664, 'the machine is not x86-64'
    yield image.subsystem == 1, 'the subsystem is not native'
    yield image.subsystem_version == (10, 0), 'the subsystem version is not 10.0'
    yield image.characteristics & 0x2002 == 0x2, 'it is a DLL or not executable'
    yield not image.characteristics & 0x1, 'relocations are stripped'
    yield image.dll_flags == 0x160, 'the flags are not HIGH_ENTROPY_VA, DYNAMIC_BASE, NX_COMPAT alone'
    yield image.timestamp == 0, 'it holds the time of its build'
    yield image.symbols == 0, 'it holds symbols'
    yield image.checksum == image.computed_checksum(), 'the checksum is wrong'
    empty = (pe_image.EXPORTS, pe_image.SECURITY, pe_image.DEBUG, pe_image.TLS, pe_image.BOUND_IMPORTS)
    yield all(image.directories[i] == (0, 0) for i in empty), 'it has exports, a signature, debug data, TLS or bound imports'


def inspect_sections(image):
    code = {section.name for section in image.sections if section.flags & EXECUTE}
    yield code == {'.text', 'INIT'}, 'not .text and INIT are what is executable'
    yield not any(s.flags & EXECUTE and s.flags & WRITE for s in image.sections), 'a section is writable and executable'
    init = image.section_of(image.entry)
    yield init is not None and init.name == 'INIT', 'the entry point is not in INIT'
    yield {s.name for s in image.sections if s.flags & DISCARDABLE} == {'INIT', '.reloc'}, \
        'not INIT and .reloc are what is discardable'
    ends = [s.address + s.size for s in image.sections]
    yield all(end <= s.address for end, s in zip(ends, image.sections[1:])) and ends[-1] <= image.size, 'sections overlap'


def inspect_content(image):
    relocations = image.relocations()
    yield len(relocations) > 0, 'there are no relocations'
    yield all(kind == DIR64 for kind, _ in relocations), 'a relocation is not DIR64'
    yield all(0 < image.at('Q', at)[0] - image.base < image.size for kind, at in relocations if kind == DIR64), \
        'a relocated pointer leads out of the image'
    yield image.imports() <= ALLOWED, \
        f'it imports what it may not: {sorted(image.imports() - ALLOWED)}; see MAY_IMPORT in {os.path.basename(__file__)}'
    yield {file for file, _ in image.imports()} == set(MAY_IMPORT), 'it does not import from each of the files it needs'
    functions = image.functions()
    yield len(functions) > 50 and all(a[1] <= b[0] for a, b in zip(functions, functions[1:])), \
        'the function table is short or not in order'
    yield all(image.section_of(begin).flags & EXECUTE and begin < end for begin, end, _ in functions), \
        'the function table names what is no code'


def inspect_version(image):
    found = image.version()
    yield found is not None, 'there is no version resource'
    if found is None:
        return
    numbers, kind, resource = found
    yield numbers == tuple(int(part) for part in VERSION.split('.')), f'the version resource says {numbers}'
    yield kind == (3, 6), 'the version resource is not of a network driver'
    yield f'FileVersion\0\0{VERSION}\0'.encode('utf-16-le') in resource, 'the version text is another'


RULES = [inspect_header, inspect_sections, inspect_content, inspect_version]


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

    yield 'ARM64', changed('H', image.header + 4, 0xaa64), 'machine'
    yield '32 bit', changed('H', optional, 0x10b, mend=False), 'not PE32+'
    yield 'a console program', changed('H', optional + 68, 3), 'subsystem is not native'
    yield 'a DLL', changed('H', image.header + 22, image.characteristics | 0x2000), 'DLL'
    yield 'no relocations wanted', changed('H', image.header + 22, image.characteristics | 1), 'stripped'
    yield 'no NX', changed('H', optional + 70, 0x60), 'NX_COMPAT'
    yield 'a timestamp', changed('I', image.header + 8, 0x65000000), 'time of its build'
    yield 'one byte of code', changed('B', image.sections[0].raw + 5, good[image.sections[0].raw + 5] ^ 1, mend=False), 'checksum'
    yield 'writable code', flags('.text', WRITE), 'writable and executable'
    yield 'executable data', flags('.data', EXECUTE), 'executable'
    yield 'INIT that stays', flags('INIT', 0, DISCARDABLE), 'discardable'
    yield 'the entry in .text', changed('I', optional + 16, image.sections[0].address), 'entry point'
    yield 'an empty relocation directory', changed('Q', optional + 112 + 8 * pe_image.RELOCATIONS, 0), 'no relocations'
    yield 'no resources', changed('Q', optional + 112 + 8 * pe_image.RESOURCES, 0), 'version resource'
    name = good.index(b'KeSetTimer\0')
    yield 'a foreign import', changed('B', name + 2, ord('X')), 'imports what it may not'
    kind, at = image.relocations()[0]
    section = image.section_of(at)
    yield 'a pointer out of the image', changed('Q', section.raw + at - section.address, 1 << 40), 'leads out'
    yield 'truncated', bytearray(good[:len(good) // 2]), 'damaged'


FILES = ('gatehouse.sys', 'gatehouse.exe')


def build(folder):
    """([what is in each of FILES], words), or (None, words)."""
    done = subprocess.run([os.path.join(SOURCE, 'tools/build-windows'), folder], capture_output=True, text=True, check=False,
                          timeout=300)
    if done.returncode != 0:
        return None, done.stdout + done.stderr
    found = []
    for name in FILES:
        with open(os.path.join(folder, name), 'rb') as file:
            found.append(file.read())
    return found, done.stdout


def cases(other):
    both, words = build(os.path.join(BUILD, 'windows'))
    yield 'gatehouse.sys and gatehouse.exe are built', both is not None, words
    if both is None:
        return
    yield 'without warnings', words == '', words
    again, words = build(other)
    rules = {'gatehouse.sys': RULES, 'gatehouse.exe': program_image.rules(VERSION)}
    broken = {'gatehouse.sys': damages, 'gatehouse.exe': program_image.damages}
    for name, good, twin in zip(FILES, both, again or [None] * len(FILES)):
        found = inspect(good, rules[name])
        yield f'{name}: as Windows wants it', not found, '\n'.join(found)
        yield f'{name}: another folder gives the same bytes', good == twin, words
        yield f'{name}: no path of this machine in it', SOURCE.encode() not in good and not re.search(rb'/usr/(?:lib|include|share|[^/ ]*-mingw)', good), ''
        for what, data, objection in broken[name](good):
            found = inspect(data, rules[name])
            yield f'{name}: objects to {what}', any(objection in line for line in found), f'wanted "{objection}", got {found}'
    with open(os.path.join(SOURCE, 'windows/gatehouse.inf'), encoding='utf-8') as file:
        yield 'gatehouse.inf says the same version', f',{VERSION}.0\n' in file.read(), 'see DriverVer'


def main():
    if shutil.which('x86_64-w64-mingw32-gcc') is None:
        print("1..0 # SKIP no x86_64-w64-mingw32-gcc; 'tools/deps windows' installs it")
        return 0
    failed = number = 0
    with tempfile.TemporaryDirectory(prefix='gatehouse-windows-') as other:
        for number, (name, fine, why) in enumerate(cases(other), 1):
            failed += not fine
            print(f'{"ok" if fine else "not ok"} {number} - {name}', flush=True)
            if not fine:
                print('\n'.join('# ' + line for line in why.splitlines()[-20:]))
    print(f'1..{number}')
    return 1 if failed else 0


sys.exit(main())
